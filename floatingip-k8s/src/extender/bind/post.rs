//! The binding itself: one request that names node, UID and addresses together.

use floatingip_core::annotation::ARGS;
use floatingip_core::{Store, Timer};
use http::Request;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Error;
use serde::Serialize;
use tokio::time::timeout;

use super::super::Extender;
use super::super::wire::BindingArgs;
use super::BindError;
use crate::index::PodEntry;
use crate::index::live::names_object;

/// What became of a binding.
pub(super) enum Posted {
    /// It is done.
    Bound,
    /// The pod was bound before; so it is now.
    Before(Box<PodEntry>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Binding<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    target: Target<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
    annotations: Annotations,
}

#[derive(Serialize)]
struct Annotations {
    #[serde(rename = "k8s.v1.cni.galaxy.io/args")]
    args: String,
}

const _: () = assert!(matches!(ARGS.as_bytes(), b"k8s.v1.cni.galaxy.io/args"));

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Target<'a> {
    api_version: &'static str,
    kind: &'static str,
    name: &'a str,
}

impl<S: Store, T: Timer> Extender<S, T> {
    /// Posts the binding with the annotation. Where the pod is bound already, looks at what it is bound to.
    ///
    /// # Errors
    /// The pod is gone or another one, or nobody can say what became of it: to be asked for again.
    pub(super) async fn post(
        &self,
        args: &BindingArgs,
        annotation: String,
    ) -> Result<Posted, BindError> {
        let request = self.request(args, annotation)?;
        // Long after the beginning, perhaps: the addresses had to be written first.
        self.check_gate()?;
        let posted = self.client.request::<Status>(request);
        let limit = self.limits.write();
        match timeout(limit, posted).await {
            Ok(Ok(_)) => Ok(Posted::Bound),
            Ok(Err(Error::Api(status))) if status.is_conflict() => {
                Ok(Posted::Before(Box::new(self.ask_for_pod(args).await?)))
            }
            Ok(Err(error)) if names_object(&error, &args.pod_name) => Err(BindError::PodGone {
                namespace: args.pod_namespace.clone(),
                name: args.pod_name.clone(),
            }),
            Ok(Err(error)) => Err(Box::new(error).into()),
            Err(_) => Err(BindError::TooLong(limit.as_secs())),
        }
    }

    fn request(
        &self,
        args: &BindingArgs,
        annotation: String,
    ) -> Result<Request<Vec<u8>>, BindError> {
        let (namespace, name) = (&*args.pod_namespace, &*args.pod_name);
        let binding = Binding {
            api_version: "v1",
            kind: "Binding",
            metadata: Metadata {
                namespace,
                name,
                uid: &args.pod_uid,
                annotations: Annotations { args: annotation },
            },
            target: Target {
                api_version: "v1",
                kind: "Node",
                name: &args.node,
            },
        };
        let seconds = self.limits.request.as_secs();
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding?timeout={seconds}s");
        let request = Request::post(path).header("content-type", "application/json");
        let built = request.body(serde_json::to_vec(&binding)?);
        built.map_err(|error| Box::new(Error::HttpError(error)).into())
    }
}
