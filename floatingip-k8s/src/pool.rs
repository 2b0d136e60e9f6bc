//! Pools with a size: what is owed to them is given as soon as there is room, and how they stand is told in
//! the status of their objects.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use floatingip_core::engine::PoolState;
use floatingip_core::orchestrator::Orchestrator;
use floatingip_core::{PoolName, Timer};
use futures::StreamExt;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{debug, warn};

use crate::crd::PoolStatus;
use crate::index::SharedIndex;
use crate::store::{CrdStore, Gate};

/// How often it looks. Waiting pods are looked after more often, so that they go first.
const LOOK: Duration = Duration::from_millis(500);
/// So many pools are looked at without letting others look.
const SLICE: usize = 256;
/// So many statuses are written in one round at most, and so many at once.
const MOST: usize = 64;
const AT_ONCE: usize = 8;
/// How long one of them may take.
const LIMIT: Duration = Duration::from_secs(3);

/// Looks after pools while this process leads.
pub struct PoolKeeper<T> {
    core: Arc<Orchestrator<CrdStore, T, SharedIndex>>,
    gate: Gate,
}

/// What was told, by pool.
type Told = BTreeMap<PoolName, PoolStatus>;

impl<T> fmt::Debug for PoolKeeper<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolKeeper").finish_non_exhaustive()
    }
}

impl<T: Timer> PoolKeeper<T> {
    /// Looks after the pools of `core`, and writes nothing while `gate` is closed.
    pub fn new(core: Arc<Orchestrator<CrdStore, T, SharedIndex>>, gate: Gate) -> Self {
        Self { core, gate }
    }

    /// Looks, fills and tells, for ever. What a former leader told is told once more, which changes nothing.
    pub async fn run(&self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = Told::default();
        let mut seen = None;
        loop {
            look.tick().await;
            if !self.gate.outlasts(LIMIT) {
                continue;
            }
            let pools = self.pools();
            let openings = self.openings();
            if seen.replace(openings) != Some(openings) {
                self.fill(&pools).await;
            }
            self.tell(&pools, &mut told).await;
        }
    }

    fn openings(&self) -> u64 {
        let now = self.core.now();
        self.core.engine().openings(now)
    }

    fn pools(&self) -> Vec<PoolName> {
        self.core.engine().pools().cloned().collect()
    }

    /// How pools stand, those left out that are gone by now.
    fn states(&self, pools: &[PoolName]) -> Vec<(PoolName, PoolState)> {
        let mut states = Vec::with_capacity(pools.len());
        for slice in pools.chunks(SLICE) {
            let engine = self.core.engine();
            let known = slice
                .iter()
                .filter_map(|pool| Some((pool.clone(), engine.pool(pool)?)));
            states.extend(known);
        }
        states
    }

    /// Something was freed: gives the pools what they are still owed.
    async fn fill(&self, pools: &[PoolName]) {
        for (pool, state) in self.states(pools) {
            if state.owed
                && let Err(stuck) = self.core.repair_pool(&pool).await
            {
                warn!(%pool, "what is owed to the pool is not there yet, the next survey tries again: {stuck}");
            }
        }
    }

    /// Writes the statuses that have changed since they were told.
    async fn tell(&self, pools: &[PoolName], told: &mut Told) {
        let states = self.states(pools);
        told.retain(|pool, _| pools.binary_search(pool).is_ok());
        let news = states
            .into_iter()
            .map(|(pool, state)| (pool, status(&state)));
        let news: Vec<_> = news
            .filter(|(pool, status)| told.get(pool) != Some(status))
            .take(MOST)
            .collect();
        let writes = futures::stream::iter(news).map(|(pool, status)| async move {
            let written = self.write(&pool, &status).await;
            written.then_some((pool, status))
        });
        let written: Vec<_> = writes.buffer_unordered(AT_ONCE).collect().await;
        told.extend(written.into_iter().flatten());
    }

    /// Whether the status is there now. People alone read it, so that it is tried again without haste.
    async fn write(&self, pool: &PoolName, status: &PoolStatus) -> bool {
        let put = self.core.store().put_pool_status(pool, status);
        match timeout(LIMIT, put).await {
            Ok(Ok(())) => return true,
            // Deleted just now.
            Ok(Err(kube::Error::Api(error))) if error.is_not_found() => {
                debug!(%pool, "nobody is left to be told how the pool stands");
            }
            Ok(Err(error)) => {
                warn!(%pool, "the pool's status is not written, tried again: {error}")
            }
            Err(_) => warn!(%pool, "the pool's status is not written in time, tried again"),
        }
        false
    }
}

fn status(state: &PoolState) -> PoolStatus {
    let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    let short = state.owed && state.addresses < u64::from(state.size);
    let message = short.then(|| {
        format!(
            "{} of {} addresses: no subnet has more to spare now; the rest follows when addresses become free",
            state.addresses, state.size
        )
    });
    PoolStatus {
        addresses: count(state.addresses),
        in_use: count(state.in_use),
        owed: state.owed,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_is_owed_addresses_says_how_many_it_has() {
        let state = PoolState {
            size: 9,
            pre_allocate: true,
            addresses: 4,
            in_use: 1,
            owed: true,
        };
        let told = status(&state);
        assert_eq!((told.addresses, told.in_use, told.owed), (4, 1, true));
        assert!(
            told.message
                .is_some_and(|text| text.starts_with("4 of 9 addresses"))
        );
        let full = PoolState {
            addresses: 9,
            owed: false,
            ..state
        };
        assert_eq!(status(&full).message, None);
    }
}
