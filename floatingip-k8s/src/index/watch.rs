//! Runs the watches that feed an index.
//!
//! Six kinds are watched always. Others on demand: when something that concerns us is controlled by a
//! kind that is not known, it is discovered and, if it has a scale subresource, its metadata is watched
//! and its scale read. Every kind goes its own way: one that is forbidden or not served is tried again
//! with growing pauses, its facts are `Unknown`, and the others do not wait for it.

use std::collections::HashMap;
use std::time::Duration;

use kube::core::ObjectMeta;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, error, info, warn};

use super::backoff::Backoff;
use super::discover::{Discovered, discover};
use super::failure::Failure;
use super::feed::{Fed, Seen};
use super::kinds::{Kind, KindRef};
use super::reflector::{Reflector, Sink};
use super::scale::ScaleSink;
use super::shared::SharedIndex;
use crate::object::{
    DaemonSetObject, DeploymentObject, Guarded, MetaObject, NodeObject, PodObject,
    ReplicaSetObject, StatefulSetObject,
};
/// After this time a found kind is looked up again: versions and definitions come and go.
const REFRESH: Duration = Duration::from_secs(300);
/// After this time one that was not found is.
const RETRY: Duration = Duration::from_secs(30);

/// Watches everything until it is dropped. Needs a tokio runtime; each kind is a task of its own, so
/// that a long list of one does not delay another. Returns only if one of them has died of a bug, which
/// is logged: the index is blind then, and the process should end.
pub async fn run(client: Client, index: SharedIndex) {
    let mut tasks = JoinSet::new();
    built_in::<NodeObject>(&client, Kind::Nodes, &index, &mut tasks);
    built_in::<PodObject>(&client, Kind::Pods, &index, &mut tasks);
    built_in::<ReplicaSetObject>(&client, app("replicaset"), &index, &mut tasks);
    built_in::<DeploymentObject>(&client, app("deployment"), &index, &mut tasks);
    built_in::<StatefulSetObject>(&client, app("statefulset"), &index, &mut tasks);
    built_in::<DaemonSetObject>(&client, app("daemonset"), &index, &mut tasks);
    let on_demand = OnDemand {
        client,
        index,
        tasks,
        kinds: HashMap::new(),
    };
    on_demand.run().await;
}

fn app(kind: &str) -> Kind {
    Kind::Apps(KindRef::new("apps", kind))
}

fn built_in<K>(client: &Client, kind: Kind, index: &SharedIndex, tasks: &mut JoinSet<()>)
where
    K: Fed + Resource<DynamicType = ()> + Clone + std::fmt::Debug,
    K: DeserializeOwned + Send + Sync + 'static,
{
    let api: Api<Guarded<K>> = Api::all(client.clone());
    let reflector = Reflector {
        api,
        kind,
        index: index.clone(),
        sink: IndexSink(index.clone()),
        backoff: Backoff::new(),
        requests: index.requests(),
    };
    tasks.spawn(reflector.run());
}

/// Puts objects straight into the index, many under one lock.
struct IndexSink(SharedIndex);

impl<K: Fed + Resource + Send + Sync> Sink<K> for IndexSink {
    async fn take(&mut self, seen: Vec<Seen<K>>) -> Vec<(ObjectMeta, String)> {
        if seen.is_empty() {
            return Vec::new();
        }
        let mut index = self.0.write();
        let bad = seen.iter().filter_map(|object| {
            let malformed = K::feed(object, &mut index).err()?.to_string();
            let (Seen::Present(object) | Seen::Listed(object) | Seen::Deleted(object)) = object;
            Some((object.meta().clone(), malformed))
        });
        bad.collect()
    }

    async fn tend(&mut self) {}

    fn pause(&self) -> Duration {
        Duration::MAX
    }
}

/// Kinds that somebody has asked for.
struct OnDemand {
    client: Client,
    index: SharedIndex,
    tasks: JoinSet<()>,
    kinds: HashMap<KindRef, Looked>,
}

/// What came of looking a kind up.
struct Looked {
    again: Instant,
    found: Option<Discovered>,
    watch: Option<AbortHandle>,
}

impl OnDemand {
    async fn run(mut self) {
        let index = self.index.clone();
        loop {
            let demanded = index.read().demanded();
            for kind in &demanded {
                self.look(kind).await;
            }
            let kinds = self.kinds.values();
            let next = kinds.map(|looked| looked.again).min();
            let next = next.unwrap_or_else(|| Instant::now() + REFRESH);
            tokio::select! {
                () = index.demand() => {}
                () = sleep_until(next) => {}
                Some(ended) = self.tasks.join_next() => {
                    // Watches end by being stopped, and else only by a bug.
                    if let Err(error) = ended && error.is_panic() {
                        error!(%error, "a watch has died, ending all");
                        return;
                    }
                }
            }
        }
    }

    async fn look(&mut self, kind: &KindRef) {
        let now = Instant::now();
        if self
            .kinds
            .get(kind)
            .is_some_and(|looked| looked.again > now)
        {
            return;
        }
        match discover(&self.client, kind).await {
            Ok(found) => self.found(kind, found),
            Err(failure) => self.lost(kind, &failure),
        }
    }

    fn found(&mut self, kind: &KindRef, found: Discovered) {
        let former = self.kinds.remove(kind);
        let watched = former.as_ref().is_some_and(|former| former.watch.is_some());
        let again = Instant::now() + REFRESH;
        if let Some(former) = former {
            if former.found.as_ref() == Some(&found) {
                self.kinds.insert(kind.clone(), Looked { again, ..former });
                return;
            }
            former.stop();
        }
        let full = KindRef::new(&found.resource.group, &found.resource.kind);
        let watch = (found.scales && full == *kind).then(|| self.watch(kind, &found));
        info!(group = %full.group, kind = %full.kind, scales = found.scales, "kind found");
        let mut index = self.index.write();
        if watch.is_none() && watched {
            let failure = "it has no scale subresource any more".to_owned();
            index.failed(&Kind::Apps(kind.clone()), failure);
        }
        index.discovered(&full, &found);
        // An old record did not name the group: from now on its kind is asked for by its full name.
        if full != *kind {
            index.demand(full);
        }
        drop(index);
        let found = Some(found);
        self.kinds.insert(
            kind.clone(),
            Looked {
                again,
                found,
                watch,
            },
        );
    }

    fn watch(&mut self, kind: &KindRef, found: &Discovered) -> AbortHandle {
        let api: Api<Guarded<MetaObject>> = Api::all_with(self.client.clone(), &found.resource);
        let sink = ScaleSink::new(
            self.client.clone(),
            found.resource.clone(),
            kind.clone(),
            self.index.clone(),
        );
        let reflector = Reflector {
            api,
            kind: Kind::Apps(kind.clone()),
            index: self.index.clone(),
            sink,
            backoff: Backoff::new(),
            requests: self.index.requests(),
        };
        self.tasks.spawn(reflector.run())
    }

    /// What was found goes on being watched, and the watch itself tells if that fails. A kind that was
    /// never found is unknown.
    fn lost(&mut self, kind: &KindRef, failure: &Failure) {
        let (group, name) = (&kind.group, &kind.kind);
        match self.kinds.get(kind) {
            // What nobody can find stays so, as a rule.
            Some(Looked { found: None, .. }) => {
                debug!(%group, kind = %name, %failure, "kind still not found");
            }
            _ => warn!(%group, kind = %name, %failure, "kind not found, trying again"),
        }
        let again = Instant::now() + RETRY;
        if let Some(looked) = self
            .kinds
            .get_mut(kind)
            .filter(|looked| looked.found.is_some())
        {
            looked.again = again;
            return;
        }
        let mut index = self.index.write();
        index.failed(&Kind::Apps(kind.clone()), failure.to_string());
        drop(index);
        let (found, watch) = (None, None);
        self.kinds.insert(
            kind.clone(),
            Looked {
                again,
                found,
                watch,
            },
        );
    }
}

impl Looked {
    fn stop(&self) {
        if let Some(watch) = &self.watch {
            watch.abort();
        }
    }
}
