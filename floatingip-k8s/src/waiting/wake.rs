//! Waking: asks for each waiting pod again when something changed, and lets the scheduler know.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use floatingip_core::PoolName;
use floatingip_core::orchestrator::Orchestrator;
use floatingip_core::owner::{AppRef, Slot};
use floatingip_core::request::{PodRequest, Want};
use floatingip_core::topology::Reach;
use floatingip_core::{Store, Timer};
use futures::StreamExt;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::{debug, warn};

use super::{Due, Offered, Waiting};
use crate::annotation::WOKEN;
use crate::causes::Causes;
use crate::index::{PodEntry, SharedIndex};
use crate::object::PodObject;
use crate::request::{RequestFault, request_of};

/// How often it looks whether anything changed.
const LOOK: Duration = Duration::from_millis(200);
/// Pods are asked for after this time though nothing seems to have changed: time alone ends claims and
/// rests.
const ANYWAY: Duration = Duration::from_secs(5);
/// So many pods are woken at once.
const AT_ONCE: usize = 16;
/// How long one patch may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Wakes waiting pods.
pub struct Waker<S, T> {
    core: Arc<Orchestrator<S, T, SharedIndex>>,
    client: Client,
    waiting: Waiting,
}

/// What can turn a refusal into a success, as counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Signs {
    openings: u64,
    index: u64,
}

/// Pods for which the engine answers alike: those of an app that ask for any one address from the same nodes.
type Alike = (Option<AppRef>, Option<PoolName>, Vec<Reach>);

impl<S, T> fmt::Debug for Waker<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker")
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

impl<S: Store, T: Timer> Waker<S, T> {
    /// Wakes those in `waiting` by `client`.
    pub fn new(
        core: Arc<Orchestrator<S, T, SharedIndex>>,
        client: Client,
        waiting: Waiting,
    ) -> Self {
        Self {
            core,
            client,
            waiting,
        }
    }

    /// Looks, and wakes, for ever.
    pub async fn run(&self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked = None;
        loop {
            look.tick().await;
            let now = Instant::now();
            let signs = self.signs();
            let old = |(seen, until): (Signs, Instant)| seen != signs || until <= now;
            if !self.waiting.is_empty() && asked.is_none_or(old) {
                asked = Some((signs, self.round(now).await));
            }
        }
    }

    fn signs(&self) -> Signs {
        let now = self.core.now();
        Signs {
            openings: self.core.engine().openings(now),
            index: self.core.world().revision(),
        }
    }

    /// Asks for every pod that is due and wakes those that would pass now. Says when to ask again though
    /// nothing changes.
    async fn round(&self, now: Instant) -> Instant {
        let Due { pods, next } = self.waiting.due(self.core.world(), now);
        let ready = self.ready(pods);
        if !ready.is_empty() {
            debug!(pods = ready.len(), "waking pods that there is room for now");
        }
        futures::stream::iter(ready)
            .for_each_concurrent(AT_ONCE, |pod| self.wake(pod))
            .await;
        let anyway = now + ANYWAY;
        next.map_or(anyway, |next| next.min(anyway))
    }

    /// Those that would pass now; each has claimed its place.
    fn ready(&self, due: Vec<(PodEntry, Offered)>) -> Vec<PodEntry> {
        let mut refused = HashSet::new();
        let ready = |(pod, offered): (PodEntry, Offered)| {
            let request = request_of(&pod, None, &self.core.world().read());
            let ready = match request {
                Ok(request) => self.passes(&request, &self.reaches(&offered), &mut refused),
                // Its node is known to the scheduler alone: the filter decides.
                Err(RequestFault::NoNode) => true,
                Err(_) => false,
            };
            ready.then_some(pod)
        };
        due.into_iter().filter_map(ready).collect()
    }

    /// From where the pod could go, in an order that does not depend on that of the nodes. Where those that
    /// were offered are alike no more, or nobody knows them, that is from anywhere.
    fn reaches(&self, offered: &Offered) -> Vec<Reach> {
        let generation = self.core.engine().topology().generation();
        let index = self.core.world().read();
        if offered.nodes.is_empty() || offered.generation != generation {
            return index.reaches().to_vec();
        }
        let known = offered.nodes.iter().filter_map(|node| index.reach_of(node));
        let mut reaches: Vec<Reach> = known.cloned().collect();
        reaches.sort_by_cached_key(|reach| reach.iter().collect::<Vec<_>>());
        reaches.dedup();
        reaches
    }

    fn passes(
        &self,
        request: &PodRequest,
        reaches: &[Reach],
        refused: &mut HashSet<Alike>,
    ) -> bool {
        let now = self.core.now();
        let alike = alike(request).map(|(app, pool)| (app, pool, reaches.to_vec()));
        if alike.as_ref().is_some_and(|alike| refused.contains(alike)) {
            return false;
        }
        let mut engine = self.core.engine();
        let answers = engine.claim(request, reaches, self.core.world(), now);
        drop(engine);
        let passes = answers.iter().any(Result::is_ok);
        if !passes {
            refused.extend(alike);
        }
        passes
    }

    async fn wake(&self, pod: PodEntry) {
        // Before the scheduler can know, for it may ask before the answer is here.
        self.waiting.waking(&pod.uid);
        let pods: Api<PodObject> = Api::namespaced(self.client.clone(), &pod.namespace);
        let stamp = jiff::Timestamp::now().to_string();
        let patch = Patch::Merge(json!({
            "metadata": { "uid": &*pod.uid, "annotations": { WOKEN: stamp } }
        }));
        let params = PatchParams::default();
        let patched = timeout(LIMIT, pods.patch_metadata(&pod.name, &params, &patch)).await;
        let label = format!("{}/{}", pod.namespace, pod.name);
        match patched {
            Ok(Ok(_)) => return,
            // It is gone, or another one by now.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => {
                return self.waiting.passed(&pod.uid);
            }
            Ok(Err(error)) => warn!(pod = label, "not woken, tried again: {}", Causes(&error)),
            Err(_) => warn!(pod = label, "not woken in time, tried again"),
        }
        self.waiting.not_woken(&pod.uid);
    }
}

/// None for a pod whose slot is its own, or that has wishes.
fn alike(request: &PodRequest) -> Option<(Option<AppRef>, Option<PoolName>)> {
    let tenant = request.tenant();
    let shared = matches!(tenant.slot, Slot::Any | Slot::Once(_));
    let plain = *request.wants() == [Want::default()];
    (shared && plain).then(|| (tenant.app_ref(), request.pool().cloned()))
}
