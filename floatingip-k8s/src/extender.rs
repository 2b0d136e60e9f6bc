//! The scheduler extender: filter, prioritize, bind and preempt as plain functions, for any HTTP server.
//!
//! Nodes from which a pod could use the same subnets are alike: they are grouped by their
//! [`Reach`](floatingip_core::topology::Reach), and the engine is asked once for each group, whatever the
//! number of nodes. Only bind writes.

mod bind;
mod explain;
mod filter;
mod ipinfos;
mod judge;
mod notes;
mod preempt;
mod prioritize;
mod reason;
pub mod wire;

pub use explain::{NodesExplanation, PodExplanation};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use floatingip_core::orchestrator::Orchestrator;
use floatingip_core::{Store, Timer};
use kube::Client;
use tokio::sync::Semaphore;

use crate::event::Reporter;
use crate::index::SharedIndex;
use crate::store::Gate;
use crate::waiting::Waiting;

/// How the extender behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many pods are bound at once; more wait.
    pub binds: usize,
    /// How long a binding may take, the wait for a place and the address included: less than the
    /// scheduler waits.
    pub bind: Duration,
    /// How long one request to the API server may take.
    pub request: Duration,
}

impl Limits {
    /// How much longer an answer is waited for than the API server may work on it.
    const MARGIN: Duration = Duration::from_millis(500);

    /// How long a write may take until it is given up: what a lease has to outlive for it to be begun.
    fn write(&self) -> Duration {
        self.request + Self::MARGIN
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            binds: 256,
            bind: Duration::from_secs(20),
            request: Duration::from_secs(3),
        }
    }
}

/// Answers the scheduler, by the engine's decisions and the index's facts.
pub struct Extender<S, T> {
    core: Arc<Orchestrator<S, T, SharedIndex>>,
    client: Client,
    gate: Gate,
    reporter: Reporter,
    waiting: Waiting,
    limits: Limits,
    places: Semaphore,
}

impl<S, T> fmt::Debug for Extender<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extender")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl<S: Store, T: Timer> Extender<S, T> {
    /// An extender over `core`, which binds by `client` while `gate` is open, tells users by `reporter`,
    /// and puts the pods that it refuses into `waiting`.
    pub fn new(
        core: Arc<Orchestrator<S, T, SharedIndex>>,
        client: Client,
        gate: Gate,
        reporter: Reporter,
        waiting: Waiting,
        limits: Limits,
    ) -> Self {
        Self {
            core,
            client,
            gate,
            reporter,
            waiting,
            limits,
            places: Semaphore::new(limits.binds),
        }
    }

    fn index(&self) -> &SharedIndex {
        self.core.world()
    }
}

#[cfg(test)]
mod tests;
