//! The desk: what the HTTP API asks, answered by the orchestrator. The same for every mode of the server.

mod series;

use std::net::IpAddr;
use std::sync::Arc;

use floatingip_core::engine::{Listing, MarkRefusal, Named};
use floatingip_core::orchestrator::{self, Orchestrator};
use floatingip_core::query::{Page, Query, Row};
use floatingip_core::{Name, PoolName, Store, World};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore};
use tracing::error;

use crate::backend::{
    Backend, Explained, Gauge, GaugeKind, Histogram, History, HistoryError, HistoryQuestion,
    ListError, MarkError, PoolReport, PoolSpec, PoolView, Quarantine, Readiness, ReleaseError,
    ReleaseReport, Series, SubnetUsage, WriteError,
};
use crate::clock::SystemTimer;
use crate::filling;
use crate::native::Native;

/// What a mode of the server shows beside its addresses.
pub(crate) trait Around: Clone + Send + Sync + 'static {
    /// What is told of containers, where somebody is.
    type Native: Native;
    /// Who is told of containers, pods and apps; none where the cluster tells of them.
    fn native(&self) -> Option<&Self::Native>;
    /// Whether requests can be served, and what that rests on.
    fn readiness(&self) -> Readiness;
    /// How a pod stands; none where no such pod is known. May look at many records.
    fn explain(&self, namespace: &Name, pod: &Name) -> Option<Explained>;
    /// Its numbers in `/metrics`; always the same ones, each once.
    fn gauges(&self) -> Vec<Gauge>;
    /// Its distributions in `/metrics`.
    fn histograms(&self) -> Vec<Histogram> {
        Vec::new()
    }
    /// What the journal says of an address.
    ///
    /// # Errors
    /// There is no journal, or it cannot be read. Reads the disk in the caller's thread.
    fn history(&self, question: &HistoryQuestion) -> Result<History, HistoryError> {
        let _ = question;
        Err(HistoryError::NoJournal)
    }
}

/// The answers of a server that keeps its addresses in `S` and knows the world `W`.
#[derive(Debug)]
pub(crate) struct Desk<S, W, A> {
    core: Arc<Orchestrator<S, SystemTimer, W>>,
    around: A,
    /// The right to look at every record, kept to the end of it also when the client has gone: or
    /// clients that ask and leave would fill the queue of the threads.
    scans: Arc<Semaphore>,
    writes: Writes,
}

/// The writes under way, also those of clients that have gone. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes(Arc<RwLock<()>>);

impl Writes {
    /// To be kept during a write.
    pub(crate) async fn under_way(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read().await
    }

    async fn last(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().await
    }
}

/// How many listings without an index are made at once.
const SCANS: usize = 4;

impl<S, W, A> Desk<S, W, A> {
    pub(crate) fn new(
        core: Arc<Orchestrator<S, SystemTimer, W>>,
        around: A,
        writes: Writes,
    ) -> Self {
        Self {
            core,
            around,
            scans: Arc::new(Semaphore::new(SCANS)),
            writes,
        }
    }

    /// Waits for the writes under way. None begins while the answer is kept.
    pub(crate) async fn last_write(&self) -> RwLockWriteGuard<'_, ()> {
        self.writes.last().await
    }
}

impl<S, W, A> Backend for Desk<S, W, A>
where
    S: Store + 'static,
    W: World + Send + Sync + 'static,
    A: Around,
{
    type Native = A::Native;

    fn native(&self) -> Option<&A::Native> {
        self.around.native()
    }

    async fn list(&self, query: &Query) -> Result<Page<Row>, ListError> {
        if let Some(page) = self.core.engine().page(query) {
            return Ok(page);
        }
        // A listing that no index serves looks at every record: not on a thread that serves others.
        let place = Arc::clone(&self.scans).acquire_owned().await;
        let place = place.map_err(|_| ListError::Unavailable)?;
        let (core, query) = (Arc::clone(&self.core), query.clone());
        let listed = tokio::task::spawn_blocking(move || {
            let listed = core.list(&query);
            drop(place);
            listed
        })
        .await;
        let listed = listed.map_err(|error| {
            error!("a listing did not come to its end: {error}");
            ListError::Unavailable
        })?;
        listed.map_err(|too_many| {
            let (found, limit) = (too_many.found, Listing::MOST_FREE);
            ListError::TooManyFree { found, limit }
        })
    }

    async fn release(&self, entries: Vec<Named>) -> Result<ReleaseReport, ReleaseError> {
        let _under_way = self.writes.under_way().await;
        let report = self
            .core
            .release(&entries)
            .await
            .map_err(|error| match error {
                orchestrator::ReleaseError::Live(live) => ReleaseError::Live(live.0),
                other => {
                    error!("a release is not done: {other}");
                    ReleaseError::Unavailable
                }
            })?;
        let unreleased = report.unreleased.into_iter();
        Ok(ReleaseReport {
            released: report.released,
            unreleased: unreleased
                .map(|(ip, reason)| (ip, reason.to_string()))
                .collect(),
        })
    }

    async fn pool(&self, name: &PoolName) -> Result<Option<PoolView>, ListError> {
        let state = self.core.engine().pool(name);
        Ok(state.map(|state| PoolView {
            size: state.size,
            pre_allocate: state.pre_allocate,
            addresses: u32::try_from(state.addresses).unwrap_or(u32::MAX),
            in_use: u32::try_from(state.in_use).unwrap_or(u32::MAX),
            owed: state.owed,
        }))
    }

    async fn put_pool(&self, pool: PoolSpec) -> Result<PoolReport, WriteError> {
        let _under_way = self.writes.under_way().await;
        let written = self
            .core
            .put_pool(&pool.name, pool.size, pool.pre_allocate)
            .await;
        let report = written.map_err(|stuck| unavailable("pool", &pool.name, stuck))?;
        Ok(PoolReport {
            real_size: u32::try_from(report.addresses).unwrap_or(u32::MAX),
            complete: report.complete,
        })
    }

    async fn delete_pool(&self, name: &PoolName) -> Result<bool, WriteError> {
        let _under_way = self.writes.under_way().await;
        let deleted = self.core.delete_pool(name).await;
        deleted.map_err(|stuck| unavailable("deletion of pool", name, stuck))
    }

    async fn explain(&self, namespace: &str, pod: &str) -> Result<Option<Explained>, ListError> {
        let place = Arc::clone(&self.scans).acquire_owned().await;
        let place = place.map_err(|_| ListError::Unavailable)?;
        let around = self.around.clone();
        let (namespace, pod) = (Name::from(namespace), Name::from(pod));
        let explained = tokio::task::spawn_blocking(move || {
            let explained = around.explain(&namespace, &pod);
            drop(place);
            explained
        });
        explained.await.map_err(|error| {
            error!("an explanation did not come to its end: {error}");
            ListError::Unavailable
        })
    }

    async fn quarantine(&self, quarantine: Quarantine) -> Result<(), MarkError> {
        let _under_way = self.writes.under_way().await;
        let Quarantine {
            ip,
            reason,
            mac,
            lasts,
        } = quarantine;
        marked(ip, self.core.quarantine(ip, reason, mac, lasts).await)
    }

    async fn lift(&self, ip: IpAddr) -> Result<(), MarkError> {
        let _under_way = self.writes.under_way().await;
        marked(ip, self.core.lift(ip).await)
    }

    async fn history(&self, question: HistoryQuestion) -> Result<History, HistoryError> {
        let place = Arc::clone(&self.scans).acquire_owned().await;
        let place = place.map_err(|_| HistoryError::Unavailable)?;
        let around = self.around.clone();
        let read = tokio::task::spawn_blocking(move || {
            let read = around.history(&question);
            drop(place);
            read
        });
        read.await.unwrap_or(Err(HistoryError::Unavailable))
    }

    fn series(&self) -> Vec<Series> {
        series::of(self.core.engine().counts())
    }

    fn histograms(&self) -> Vec<Histogram> {
        let mut all = vec![Histogram::of(
            "floatingip_decision_seconds",
            "How long decisions about a pod's addresses took, waiting for the engine included.",
            ("of", "allocate"),
            self.core.decisions(),
        )];
        all.extend(self.around.histograms());
        all
    }

    fn readiness(&self) -> Readiness {
        self.around.readiness()
    }

    fn usage(&self) -> Vec<SubnetUsage> {
        filling::by_subnet(&self.core, |subnet, usage| {
            Some(SubnetUsage {
                subnet: subnet.net(),
                first_ip: subnet.configured().first()?,
                allocated: u128::try_from(usage.allocated).unwrap_or(u128::MAX),
                total: subnet.configured().size(),
                states: series::states(usage),
            })
        })
    }

    fn gauges(&self) -> Vec<Gauge> {
        let (open, draining) = {
            let engine = self.core.engine();
            (engine.open_plans(), engine.tally().draining)
        };
        let mut gauges = vec![
            now(
                "floatingip_plans_open",
                "Changes that are decided and not yet settled.",
                open as f64,
            ),
            now(
                "floatingip_plans_uncertain",
                "Changes whose outcome the store has not confirmed in time; their addresses are held.",
                self.core.uncertain() as f64,
            ),
            now(
                "floatingip_addresses_draining",
                "Addresses with an owner that the configuration does not have any more.",
                draining as f64,
            ),
            now(
                "floatingip_subnets_nearly_full",
                "Subnets of whose addresses at least 90 % are taken; disabled ones apart.",
                filling::nearly_full(&filling::levels(&self.core)) as f64,
            ),
        ];
        gauges.extend(self.around.gauges());
        gauges
    }
}

/// A number that rises and falls.
pub(crate) fn now(name: &'static str, help: &'static str, value: f64) -> Gauge {
    let kind = GaugeKind::Gauge;
    Gauge {
        name,
        help,
        kind,
        value,
    }
}

/// A number that only rises.
pub(crate) fn total(name: &'static str, help: &'static str, value: u64) -> Gauge {
    Gauge {
        kind: GaugeKind::Counter,
        ..now(name, help, value as f64)
    }
}

fn marked(
    ip: IpAddr,
    done: Result<Result<(), orchestrator::Stuck>, MarkRefusal>,
) -> Result<(), MarkError> {
    match done {
        Ok(Ok(())) => Ok(()),
        Ok(Err(stuck)) => {
            error!("the mark of {ip} is not changed: {stuck}");
            Err(MarkError::Unavailable)
        }
        Err(refusal @ MarkRefusal::Busy { .. }) => Err(MarkError::Busy(refusal.to_string())),
        Err(MarkRefusal::None { ip }) => Err(MarkError::NotFound(format!(
            "{ip} is neither quarantined nor resting"
        ))),
        Err(refusal) => Err(MarkError::NotFound(refusal.to_string())),
    }
}

fn unavailable(what: &str, name: &PoolName, stuck: orchestrator::Stuck) -> WriteError {
    error!("the {what} {name} is not done: {stuck}");
    WriteError::Unavailable
}
