//! Bind: addresses first, durably, then the binding that names them. Each step may be repeated.

mod post;

use std::net::IpAddr;

use floatingip_core::Name;
use floatingip_core::annotation::ARGS;
use floatingip_core::engine::Ending;
use floatingip_core::orchestrator::{AllocateError, Place};
use floatingip_core::{Store, Timer};
use thiserror::Error;
use tokio::time::timeout;
use tracing::{debug, warn};

use super::Extender;
use super::ipinfos;
use super::reason::Reason;
use super::wire::{BindingArgs, BindingResult};
use crate::causes::Causes;
use crate::index::PodEntry;
use crate::index::live::{PodReadError, read_pod};
use crate::request::{RequestFault, request_of};
use post::Posted;

/// Why a pod is not bound. The scheduler shows the text in the pod's events and tries again.
#[derive(Debug, Error)]
pub(super) enum BindError {
    #[error("this process does not lead at present: the next attempt finds the one that does")]
    NotLeading,
    #[error("pod {namespace}/{name} does not exist any more")]
    PodGone { namespace: String, name: String },
    #[error("pod {namespace}/{name} is another one now: uid {found}, asked for {asked}")]
    OtherPod {
        namespace: String,
        name: String,
        asked: String,
        found: Name,
    },
    #[error("pod {0} has ended or is being deleted")]
    Ended(Name),
    #[error("pod {0} is bound to node {1} already")]
    Elsewhere(Name, Name),
    #[error(
        "pod {0} asks for no floating IP: list tke.cloud.tencent.com/eni-ip under `managedResources` of the \
         extender, so that the scheduler binds such pods itself"
    )]
    NotOurs(Name),
    #[error("node {0} is not known here yet")]
    UnknownNode(String),
    #[error(transparent)]
    Request(#[from] RequestFault),
    #[error(transparent)]
    Allocate(#[from] AllocateError),
    #[error("{0} was taken out of the configuration just now")]
    Unconfigured(IpAddr),
    #[error(transparent)]
    Read(#[from] PodReadError),
    #[error("the annotation cannot be written: {0}")]
    Annotation(#[from] serde_json::Error),
    #[error("the API server does not answer as it should: {}", Causes(&**.0))]
    Api(#[from] Box<kube::Error>),
    #[error("not done within {0} s: the next attempt goes on where this one stopped")]
    TooLong(u64),
}

impl<S: Store, T: Timer> Extender<S, T> {
    /// Gives the pod its addresses and binds it. A repetition finds what was done and goes on from there.
    pub async fn bind(&self, args: &BindingArgs) -> BindingResult {
        let limit = self.limits.bind;
        let bound = async {
            match self.places.acquire().await {
                Ok(_place) => self.try_to_bind(args).await,
                // Nobody closes it.
                Err(_) => Err(BindError::NotLeading),
            }
        };
        let bound = timeout(limit, bound).await;
        match bound.unwrap_or(Err(BindError::TooLong(limit.as_secs()))) {
            Ok(()) => BindingResult::default(),
            Err(error) => {
                debug!(
                    pod = args.pod_name,
                    namespace = args.pod_namespace,
                    "not bound: {error}"
                );
                BindingResult {
                    error: error.to_string(),
                }
            }
        }
    }

    async fn try_to_bind(&self, args: &BindingArgs) -> Result<(), BindError> {
        self.check_gate()?;
        let pod = self.pod(args).await?;
        if pod.finished || pod.deleting {
            return Err(BindError::Ended(pod.name));
        }
        if pod.wanted.is_none() {
            return Err(BindError::NotOurs(pod.name));
        }
        if let Some(node) = &pod.node {
            return match **node == *args.node {
                true => Ok(()),
                false => Err(BindError::Elsewhere(pod.name.clone(), node.clone())),
            };
        }
        let addresses = self.allocate(&pod, &args.node).await?;
        let bound = self.bind_with(&pod, args, &addresses).await;
        if let Err(BindError::PodGone { .. } | BindError::OtherPod { .. }) = &bound {
            self.end(&pod.uid).await;
        }
        bound
    }

    /// The pod went while it got its addresses. Its end may have been dealt with before they were there.
    async fn end(&self, uid: &Name) {
        if let Err(stuck) = self.core.ended(uid, &Ending::Certain).await {
            warn!(%uid, "the addresses of a pod that was not bound any more are not freed yet: {stuck}");
        }
    }

    /// Nothing is written that could land after another process has begun to decide.
    fn check_gate(&self) -> Result<(), BindError> {
        match self.gate.outlasts(self.limits.write()) {
            true => Ok(()),
            false => Err(BindError::NotLeading),
        }
    }

    /// The pod that is meant: as the watch shows it, or asked for where it does not (yet).
    async fn pod(&self, args: &BindingArgs) -> Result<PodEntry, BindError> {
        let known = self
            .index()
            .read()
            .pod(&args.pod_namespace, &args.pod_name)
            .filter(|pod| *pod.uid == *args.pod_uid)
            .cloned();
        match known {
            Some(pod) => Ok(pod),
            None => self.ask_for_pod(args).await,
        }
    }

    async fn ask_for_pod(&self, args: &BindingArgs) -> Result<PodEntry, BindError> {
        let (namespace, name) = (&args.pod_namespace, &args.pod_name);
        let read = read_pod(
            &self.client,
            self.index(),
            (namespace, name),
            self.limits.request,
        );
        let pod = read.await?.ok_or_else(|| BindError::PodGone {
            namespace: namespace.clone(),
            name: name.clone(),
        })?;
        if *pod.uid != *args.pod_uid {
            return Err(BindError::OtherPod {
                namespace: namespace.clone(),
                name: name.clone(),
                asked: args.pod_uid.clone(),
                found: pod.uid,
            });
        }
        Ok(pod)
    }

    async fn allocate(&self, pod: &PodEntry, node: &str) -> Result<Vec<IpAddr>, BindError> {
        let (request, place) = {
            let index = self.index().read();
            let addresses = index.node_addresses(node).map(<[IpAddr]>::to_vec);
            (request_of(pod, Some(node), &index), addresses)
        };
        let request = request.inspect_err(|fault| self.tell(pod, &[&Reason::from(fault)]))?;
        let place = place.ok_or_else(|| BindError::UnknownNode(node.to_owned()))?;
        let allocated = self.core.allocate(&request, &Place::Node(place)).await;
        Ok(allocated.inspect_err(|error| {
            if let AllocateError::Refused(refusal) = error {
                self.tell(pod, &[&Reason::from(refusal)]);
            }
        })?)
    }

    async fn bind_with(
        &self,
        pod: &PodEntry,
        args: &BindingArgs,
        addresses: &[IpAddr],
    ) -> Result<(), BindError> {
        let annotation = self.annotation(pod, addresses)?;
        match self.post(args, annotation).await? {
            Posted::Bound => {
                let mut index = self.index().write();
                index.expect_binding(&pod.uid, &Name::from(&*args.node), addresses);
            }
            Posted::Before(there) => return self.bound_before(&there, args).await,
        }
        self.waiting.passed(&pod.uid);
        self.tell_notes(pod, addresses.len());
        self.settle(&pod.uid, addresses).await;
        Ok(())
    }

    /// Somebody has bound it: an earlier attempt whose answer was lost, or not us.
    async fn bound_before(&self, pod: &PodEntry, args: &BindingArgs) -> Result<(), BindError> {
        let Some(node) = &pod.node else {
            // It is being deleted, and takes no binding any more.
            return Err(BindError::Ended(pod.name.clone()));
        };
        self.settle(&pod.uid, &pod.bound_addresses).await;
        match **node == *args.node {
            true => Ok(()),
            false => Err(BindError::Elsewhere(pod.name.clone(), node.clone())),
        }
    }

    /// What else the pod had is freed. The pod is bound, whatever comes of it: the sweep tries again.
    async fn settle(&self, uid: &Name, addresses: &[IpAddr]) {
        if let Err(stuck) = self.core.bound(uid, addresses).await {
            warn!(%uid, "addresses of former attempts to bind are not freed yet: {stuck}");
        }
    }

    fn annotation(&self, pod: &PodEntry, addresses: &[IpAddr]) -> Result<String, BindError> {
        let engine = self.core.engine();
        let topology = engine.topology();
        let info = |ip: &IpAddr| {
            let info = topology.address_info(*ip);
            info.ok_or(BindError::Unconfigured(*ip))
        };
        let infos: Result<Vec<_>, _> = addresses.iter().map(info).collect();
        Ok(ipinfos::args(pod.annotations.value(ARGS), &infos?)?)
    }
}
