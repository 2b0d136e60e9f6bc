//! Pools: created, resized, filled and deleted, step after step.

use super::operate::{complete, done};
use super::{Orchestrator, Patience, Stuck, Timer};
use crate::engine::{Engine, PoolStep};
use crate::fact::World;
use crate::name::PoolName;
use crate::plan::Plan;
use crate::store::Store;
use crate::time::Now;

/// What became of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolReport {
    /// How many addresses it has.
    pub addresses: u64,
    /// Whether everything that is owed to it is there.
    pub complete: bool,
}

impl<S: Store, T: Timer, W: World + Send + Sync> Orchestrator<S, T, W> {
    /// Creates a pool or gives it another size, then fills or trims it.
    ///
    /// # Errors
    /// The pool was not written, or it is not certain yet.
    pub async fn put_pool(
        &self,
        pool: &PoolName,
        size: u32,
        pre_allocate: bool,
    ) -> Result<PoolReport, Stuck> {
        self.check_room()?;
        self.write_pool(|engine, now| engine.plan_put_pool(pool, size, pre_allocate, now))
            .await?;
        self.trim(pool).await?;
        let complete = self.fill_all(pool).await?;
        Ok(PoolReport {
            addresses: self.addresses_of(pool),
            complete,
        })
    }

    /// Deletes a pool with its unused addresses; says whether there was one. One whose creation is under way
    /// is waited for.
    ///
    /// # Errors
    /// It was not deleted, or it is not certain yet.
    pub async fn delete_pool(&self, pool: &PoolName) -> Result<bool, Stuck> {
        self.check_room()?;
        let mut existed = self.engine().pool(pool).is_some();
        let mut patience = Patience::of(&self.limits);
        let mut progress = Progress::from(self.addresses_of(pool));
        loop {
            let now = self.timer.now();
            let step = self.engine().plan_delete_pool(pool, now);
            match step {
                Some(PoolStep::More(plan)) => {
                    existed = true;
                    done(&self.carry_out_patiently(plan).await?)?;
                    if progress.setbacks(self.addresses_of(pool)) > self.limits.attempts {
                        return Err(Stuck::Contended);
                    }
                }
                Some(PoolStep::Done | PoolStep::Short) => return Ok(existed),
                None if patience.pause(self).await => {}
                None => return Err(Stuck::Contended),
            }
        }
    }

    /// Writes a pool's own record, again where somebody else was quicker.
    async fn write_pool(
        &self,
        plan: impl Fn(&mut Engine, Now) -> Option<Plan>,
    ) -> Result<(), Stuck> {
        let mut patience = Patience::of(&self.limits);
        let mut refusals = 0;
        while refusals < self.limits.attempts {
            let planned = plan(&mut self.engine(), self.timer.now());
            let Some(planned) = planned else {
                if patience.pause(self).await {
                    continue;
                }
                break;
            };
            let settled = self.carry_out_patiently(planned).await?;
            if settled.refused.is_empty() {
                return complete(&settled);
            }
            refusals += 1;
        }
        Err(Stuck::Contended)
    }

    /// Gives a pool everything that is owed to it; says whether that is all there.
    async fn fill_all(&self, pool: &PoolName) -> Result<bool, Stuck> {
        let mut patience = Patience::of(&self.limits);
        loop {
            let done = self.fill(pool).await?;
            let Some(owed) = self.engine().pool(pool).map(|state| state.owed) else {
                // Deleted meanwhile: what was asked for is not there.
                return Ok(false);
            };
            // Nothing to do, and still owed: somebody else's change of the pool is under way.
            if !(done && owed && patience.pause(self).await) {
                return Ok(done && !owed);
            }
        }
    }

    /// Frees what a pool has too much and gives it what is owed to it: after a change of its size that
    /// others made, and in each sweep. A pool for which no subnet has enough stays owed.
    ///
    /// # Errors
    /// The store did not do some of it, or it is not certain yet; the next sweep does it.
    pub async fn repair_pool(&self, pool: &PoolName) -> Result<(), Stuck> {
        self.trim(pool).await?;
        self.fill(pool).await.map(|_| ())
    }

    /// Somebody else has deleted the pool: frees what it has unused, as [`delete_pool`](Self::delete_pool) does.
    /// A pool that is there again is repaired.
    ///
    /// # Errors
    /// The store did not do some of it, or it is not certain yet.
    pub async fn pool_deleted(&self, pool: &PoolName) -> Result<(), Stuck> {
        if self.engine().pool(pool).is_some() {
            return self.repair_pool(pool).await;
        }
        let empty = |engine: &mut Engine, now| engine.plan_empty_pool(pool, now);
        self.steps(pool, empty).await.map(drop)
    }

    async fn fill(&self, pool: &PoolName) -> Result<bool, Stuck> {
        self.steps(pool, |engine, now| engine.plan_fill_pool(pool, now))
            .await
    }

    async fn trim(&self, pool: &PoolName) -> Result<bool, Stuck> {
        self.steps(pool, |engine, now| engine.plan_trim_pool(pool, now))
            .await
    }

    /// Carries out step after step; says whether the last one had nothing left to do. Ends, because
    /// only so many steps may leave the pool between sizes that it has had before.
    async fn steps(
        &self,
        pool: &PoolName,
        mut step: impl FnMut(&mut Engine, Now) -> PoolStep,
    ) -> Result<bool, Stuck> {
        let mut progress = Progress::from(self.addresses_of(pool));
        loop {
            let next = step(&mut self.engine(), self.timer.now());
            let PoolStep::More(plan) = next else {
                return Ok(matches!(next, PoolStep::Done));
            };
            done(&self.carry_out_patiently(plan).await?)?;
            if progress.setbacks(self.addresses_of(pool)) > self.limits.attempts {
                return Err(Stuck::Contended);
            }
        }
    }

    fn addresses_of(&self, pool: &PoolName) -> u64 {
        self.engine().pool(pool).map_or(0, |state| state.addresses)
    }
}

/// How far a pool has come: a step that leaves it between sizes that it has had before is a setback.
struct Progress {
    least: u64,
    most: u64,
    setbacks: u32,
}

impl Progress {
    const fn from(addresses: u64) -> Self {
        Self {
            least: addresses,
            most: addresses,
            setbacks: 0,
        }
    }

    /// How many setbacks there were, this step included.
    fn setbacks(&mut self, addresses: u64) -> u32 {
        if (self.least..=self.most).contains(&addresses) {
            self.setbacks += 1;
        }
        self.least = self.least.min(addresses);
        self.most = self.most.max(addresses);
        self.setbacks
    }
}
