//! The front: what both ports show from the first moment on, while the rest is still being prepared.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use floatingip_core::PoolName;
use floatingip_core::engine::Named;
use floatingip_core::query::{Page, Query, Row};
use tokio::sync::watch;

use super::surroundings::Surroundings;
use super::{Desk, Extender};
use crate::backend::{
    Backend, Explained, Gauge, Histogram, ListError, MarkError, PoolReport, PoolSpec, PoolView,
    Quarantine, Readiness, ReleaseError, ReleaseReport, Series, SubnetUsage, WriteError,
};
use crate::native::FromCluster;

/// What this process may do now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Duty {
    /// Something is missing that every decision needs.
    #[default]
    Starting,
    /// Another process decides.
    Standby,
    /// It leads, and looks what happened before.
    Preparing,
    /// It decides.
    Deciding,
}

impl Duty {
    /// For people; empty where it decides.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Starting => "the server is starting: see /readyz?verbose at the API port",
            Self::Standby => "another process leads: ask that one, or try again",
            Self::Preparing => "the server has begun to lead and is not ready yet: try again",
            Self::Deciding => "",
        }
    }
}

/// What there is once all that decisions need was read.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) desk: Arc<Desk>,
    pub(super) extender: Arc<Extender>,
}

/// Answers for the server, prepared or not.
#[derive(Debug)]
pub(super) struct Front {
    parts: OnceLock<Parts>,
    duty: watch::Receiver<Duty>,
    around: Arc<Surroundings>,
}

impl Front {
    pub(super) fn new(duty: watch::Receiver<Duty>, around: Arc<Surroundings>) -> Self {
        Self {
            parts: OnceLock::new(),
            duty,
            around,
        }
    }

    /// From now on the parts answer. The first ones stay.
    pub(super) fn open(&self, parts: Parts) {
        let _ = self.parts.set(parts);
    }

    pub(super) fn desk(&self) -> Option<&Arc<Desk>> {
        self.parts.get().map(|parts| &parts.desk)
    }

    /// Who answers the scheduler.
    ///
    /// # Errors
    /// Why nobody does now.
    pub(super) fn deciding(&self) -> Result<Arc<Extender>, &'static str> {
        let duty = *self.duty.borrow();
        match self.parts.get() {
            Some(parts) if duty == Duty::Deciding => Ok(Arc::clone(&parts.extender)),
            Some(_) => Err(duty.text()),
            None => Err(Duty::Starting.text()),
        }
    }

    /// Who carries out writes of the API.
    fn writer(&self) -> Option<&Arc<Desk>> {
        let deciding = *self.duty.borrow() == Duty::Deciding;
        self.desk().filter(|_| deciding)
    }
}

impl Backend for Front {
    type Native = FromCluster;

    fn native(&self) -> Option<&FromCluster> {
        None
    }

    async fn list(&self, query: &Query) -> Result<Page<Row>, ListError> {
        let desk = self.desk().ok_or(ListError::Unavailable)?;
        desk.list(query).await
    }

    async fn release(&self, entries: Vec<Named>) -> Result<ReleaseReport, ReleaseError> {
        let desk = self.writer().ok_or(ReleaseError::Unavailable)?;
        desk.release(entries).await
    }

    async fn pool(&self, name: &PoolName) -> Result<Option<PoolView>, ListError> {
        let desk = self.desk().ok_or(ListError::Unavailable)?;
        desk.pool(name).await
    }

    async fn put_pool(&self, pool: PoolSpec) -> Result<PoolReport, WriteError> {
        let desk = self.writer().ok_or(WriteError::Unavailable)?;
        desk.put_pool(pool).await
    }

    async fn delete_pool(&self, name: &PoolName) -> Result<bool, WriteError> {
        let desk = self.writer().ok_or(WriteError::Unavailable)?;
        desk.delete_pool(name).await
    }

    async fn explain(&self, namespace: &str, pod: &str) -> Result<Option<Explained>, ListError> {
        let desk = self.desk().ok_or(ListError::Unavailable)?;
        desk.explain(namespace, pod).await
    }

    async fn quarantine(&self, quarantine: Quarantine) -> Result<(), MarkError> {
        let desk = self.writer().ok_or(MarkError::Unavailable)?;
        desk.quarantine(quarantine).await
    }

    async fn lift(&self, ip: IpAddr) -> Result<(), MarkError> {
        let desk = self.writer().ok_or(MarkError::Unavailable)?;
        desk.lift(ip).await
    }

    fn series(&self) -> Vec<Series> {
        self.desk().map(|desk| desk.series()).unwrap_or_default()
    }

    fn readiness(&self) -> Readiness {
        self.around.readiness()
    }

    fn usage(&self) -> Vec<SubnetUsage> {
        self.desk().map(|desk| desk.usage()).unwrap_or_default()
    }

    fn gauges(&self) -> Vec<Gauge> {
        self.desk()
            .map_or_else(|| self.around.gauges(), |desk| desk.gauges())
    }

    fn histograms(&self) -> Vec<Histogram> {
        let around = || self.around.histograms();
        self.desk().map_or_else(around, |desk| desk.histograms())
    }
}
