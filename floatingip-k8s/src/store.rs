//! The store: plans become conditional writes on custom resources.
//!
//! One write is one request in the ordinary case: a creation is a POST, a change a merge patch that
//! names the version it is of, a deletion names it too. The API server compares and acts in one
//! instant. Only where that comparison fails is the object read, to tell who is there.
//!
//! Every request carries its own limit of time for the server, and is given up by us a little later.
//! What was sent and not answered is [`Answer::Unknown`]; what certainly did nothing is tried again a
//! few times and is [`Outcome::Unavailable`] then, unless an earlier attempt may still land.

mod answer;
mod call;
mod doubt;
mod follow;
mod gate;
mod list;
mod metrics;
mod transport;
mod watch;
mod write;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use floatingip_core::PoolName;
use floatingip_core::plan::Batch;
use floatingip_core::record::Version;
use floatingip_core::store::{Answer, LoadError, Outcome, Snapshot, Store};
use futures::{StreamExt as _, stream};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

pub use call::Kind;
pub use follow::{Follower, Following, KindStatus, News, Sink};
pub use gate::Gate;
pub use list::{List, ListError, list};
pub use metrics::{Counts, Latency, Tally, Verb};
pub use transport::connect;
pub use watch::Change;

use crate::crd::{POOL_NAMESPACE, Pool, PoolStatus};
use write::Writer;

/// How the store talks to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// Where Pool objects are.
    pub pool_namespace: String,
    /// How long the API server may work on one write; whole seconds.
    pub server_limit: Duration,
    /// How much longer than that an answer is waited for.
    pub margin: Duration,
    /// So many requests are under way at most.
    pub in_flight: usize,
    /// How often a write is tried that certainly did nothing.
    pub attempts: u32,
    /// The longest pause between two such attempts; also where the API server asks for a longer one.
    pub longest_pause: Duration,
    /// So many objects are asked for in one page of a list.
    pub page: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            pool_namespace: POOL_NAMESPACE.to_owned(),
            server_limit: Duration::from_secs(3),
            margin: Duration::from_millis(500),
            in_flight: 128,
            attempts: 4,
            longest_pause: Duration::from_secs(1),
            page: 1000,
        }
    }
}

impl StoreOptions {
    /// How long one write may take from its beginning until it is given up: what a lease has to
    /// outlive for it to be begun.
    pub fn write_limit(&self) -> Duration {
        self.server_limit + self.margin
    }
}

/// The versions of both lists of a load, from which a watch goes on without a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListVersions {
    /// Of the FloatingIP objects.
    pub addresses: Version,
    /// Of the Pool objects.
    pub pools: Version,
}

/// A store whose records are FloatingIP and Pool objects of a cluster.
///
/// Nothing is written while its [`Gate`] is closed, or closes before the write's own limit of time.
/// Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct CrdStore {
    client: Client,
    options: Arc<StoreOptions>,
    writer: Arc<Writer>,
    listed: Arc<Mutex<Option<ListVersions>>>,
}

impl fmt::Debug for CrdStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrdStore")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl CrdStore {
    /// A store on the cluster of this client, best one that [`connect`] has made: others may repeat
    /// requests by themselves, which takes longer than a write may, or wait for each other.
    pub fn new(client: Client, options: StoreOptions, gate: Gate) -> Self {
        let options = Arc::new(options);
        Self {
            writer: Arc::new(Writer::new(client.clone(), Arc::clone(&options), gate)),
            client,
            options,
            listed: Arc::default(),
        }
    }

    /// The versions of the lists of the latest load, for [`Follower::new`].
    pub fn listed(&self) -> Option<ListVersions> {
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was done so far, for metrics. Does not wait for anything.
    pub fn counts(&self) -> Counts {
        self.writer.counts()
    }

    /// Tells people how a pool stands, in the status of its object. Nothing is decided by it, so a
    /// failure matters little.
    ///
    /// # Errors
    /// What the API server says, also that there is no such object.
    pub async fn put_pool_status(
        &self,
        pool: &PoolName,
        status: &PoolStatus,
    ) -> Result<(), kube::Error> {
        let api = Api::<Pool>::namespaced(self.client.clone(), &self.options.pool_namespace);
        // Named also where there is none, so that a former message goes.
        let message = &status.message;
        let patch = Patch::Merge(json!({ "status": {
            "addresses": status.addresses, "inUse": status.in_use, "owed": status.owed, "message": message,
        }}));
        api.patch_status(pool.as_str(), &PatchParams::default(), &patch)
            .await
            .map(drop)
    }
}

impl Store for CrdStore {
    fn atomic(&self) -> bool {
        false
    }

    /// Both kinds, page by page, as of one moment each. Objects that cannot be read are reported;
    /// their addresses belong to an administrator.
    async fn load(&self) -> Result<Snapshot, LoadError> {
        let addresses = list(&self.client, Kind::FloatingIp, &self.options);
        let pools = list(&self.client, Kind::Pool, &self.options);
        let lists = futures::future::try_join(addresses, pools).await;
        let (addresses, pools) = lists.map_err(|error| LoadError::Unavailable(Box::new(error)))?;
        let versions = ListVersions {
            addresses: addresses.version,
            pools: pools.version,
        };
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(versions);
        Ok(Snapshot {
            version: versions.addresses.max(versions.pools),
            addresses: addresses.into_addresses(),
            pools: pools.into_pools(),
        })
    }

    async fn apply(&self, batch: &Batch) -> Vec<Answer> {
        if batch.in_order {
            return self.one_by_one(batch).await;
        }
        let writes = batch.writes.iter();
        let writes: Vec<_> = writes
            .map(|write| self.writer.write(batch.id, write))
            .collect();
        stream::iter(writes)
            .buffered(self.options.in_flight.max(1))
            .collect()
            .await
    }
}

impl CrdStore {
    async fn one_by_one(&self, batch: &Batch) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(batch.writes.len());
        for write in &batch.writes {
            let answer = self.writer.write(batch.id, write).await;
            let goes_on = matches!(answer, Answer::Definite(Outcome::Applied(_)));
            answers.push(answer);
            if !goes_on {
                break;
            }
        }
        answers.resize(batch.writes.len(), Answer::Definite(Outcome::Unavailable));
        answers
    }
}

#[cfg(test)]
mod tests;
