//! Operations: decide, write, settle, and decide anew where somebody else was quicker.

use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use super::{Orchestrator, Stuck, Timer};
use crate::engine::{
    Ending, Engine, Live, MarkRefusal, Named, NotReleased, PoolStep, Releasing, Settled,
};
use crate::fact::World;
use crate::name::{Name, PoolName};
use crate::plan::Plan;
use crate::record::{Attachment, Target};
use crate::refusal::Refusal;
use crate::request::PodRequest;
use crate::store::Store;
use crate::time::Now;

/// Where a pod is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// On the node with these addresses.
    Node(Vec<IpAddr>),
    /// Anywhere: every subnet will do.
    Anywhere,
}

/// Why a pod got no addresses.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AllocateError {
    /// It cannot have what it wants now.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody can say yet whether it has it.
    #[error(transparent)]
    Stuck(#[from] Stuck),
}

/// Why nothing of a release request was done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The named owner of some addresses is live.
    #[error(transparent)]
    Live(#[from] Live),
    /// Nobody can say yet what became of it.
    #[error(transparent)]
    Stuck(#[from] Stuck),
}

/// What became of a release request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseReport {
    /// The addresses that are free now.
    pub released: Vec<IpAddr>,
    /// The others, and why.
    pub unreleased: Vec<(IpAddr, NotReleased)>,
}

/// What became of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolReport {
    /// How many addresses it has.
    pub addresses: u64,
    /// Whether everything that is owed to it is there.
    pub complete: bool,
}

impl<S: Store, T: Timer, W: World + Send + Sync> Orchestrator<S, T, W> {
    /// Gives a pod its addresses, one for each want. The same request again gives the same addresses.
    ///
    /// # Errors
    /// Why it cannot have them, or that it is not certain yet.
    pub async fn allocate(
        &self,
        request: &PodRequest,
        place: &Place,
    ) -> Result<Vec<IpAddr>, AllocateError> {
        self.check_room()?;
        for _ in 0..self.limits.attempts {
            let now = self.timer.now();
            let decided = {
                let mut engine = self.engine();
                let reach = match place {
                    Place::Node(addresses) => engine.topology().reach(addresses),
                    Place::Anywhere => engine.topology().reach_all(),
                };
                engine.plan_allocate(request, &reach, &self.world, now)
            };
            let allocation = match decided {
                Ok(allocation) => allocation,
                Err(refusal) if refusal.is_transient() => {
                    self.timer.sleep(self.limits.first_pause).await;
                    continue;
                }
                Err(refusal) => return Err(refusal.into()),
            };
            let settled = self.carry_out_patiently(allocation.plan).await?;
            if settled.is_complete() {
                return Ok(allocation.addresses);
            }
            // Refused: somebody else was quicker, so decide anew by what is known now. Whatever of the
            // plan was applied is the pod's own already.
            if settled.refused.is_empty() {
                return Err(Stuck::Unavailable.into());
            }
        }
        Err(Stuck::Contended.into())
    }

    /// The pod is bound with these addresses; what else it had is freed.
    ///
    /// # Errors
    /// The freeing is not certain yet, or was not done; the next sweep does it.
    pub async fn bound(&self, uid: &Name, addresses: &[IpAddr]) -> Result<(), Stuck> {
        self.once(|engine, now| engine.plan_bound(uid, addresses, now))
            .await
    }

    /// The pod has ended.
    ///
    /// # Errors
    /// It is not certain yet, or was not done; the next sweep does it.
    pub async fn ended(&self, uid: &Name, ending: &Ending) -> Result<(), Stuck> {
        self.once(|engine, now| engine.plan_ended(uid, ending, &self.world, now))
            .await
    }

    /// One CNI attachment has ended.
    ///
    /// # Errors
    /// It is not certain yet, or was not done: to be told again.
    pub async fn detached(&self, attachment: &Attachment) -> Result<(), Stuck> {
        self.once(|engine, now| engine.plan_detached(attachment, &self.world, now))
            .await
    }

    async fn once(&self, plan: impl FnOnce(&mut Engine, Now) -> Plan) -> Result<(), Stuck> {
        let plan = plan(&mut self.engine(), self.timer.now());
        let settled = self.carry_out_patiently(plan).await?;
        complete(&settled)
    }

    /// Releases addresses whose owner is named and has no pod, in one step.
    ///
    /// # Errors
    /// Some are live: nothing is released. Or it is not certain yet.
    pub async fn release(&self, request: &[Named]) -> Result<ReleaseReport, ReleaseError> {
        self.check_room()?;
        let now = self.timer.now();
        let Releasing {
            plan,
            mut unreleased,
        } = self.engine().plan_release(request, now)?;
        let settled = self.carry_out_patiently(plan).await?;
        unreleased.extend(addresses(&settled.refused).map(|ip| (ip, NotReleased::Changed)));
        unreleased.extend(addresses(&settled.unavailable).map(|ip| (ip, NotReleased::Unavailable)));
        Ok(ReleaseReport {
            released: addresses(&settled.applied).collect(),
            unreleased,
        })
    }

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
        self.steps(|engine, now| engine.plan_trim_pool(pool, now))
            .await?;
        let complete = self
            .steps(|engine, now| engine.plan_fill_pool(pool, now))
            .await?;
        let addresses = self.engine().pool(pool).map_or(0, |state| state.addresses);
        Ok(PoolReport {
            addresses,
            complete,
        })
    }

    /// Deletes a pool with its unused addresses; says whether there was one.
    ///
    /// # Errors
    /// It was not deleted, or it is not certain yet.
    pub async fn delete_pool(&self, pool: &PoolName) -> Result<bool, Stuck> {
        self.check_room()?;
        if self.engine().pool(pool).is_none() {
            return Ok(false);
        }
        for _ in 0..self.limits.attempts {
            let now = self.timer.now();
            let step = self.engine().plan_delete_pool(pool, now);
            match step {
                Some(PoolStep::More(plan)) => _ = self.carry_out_patiently(plan).await?,
                Some(PoolStep::Done | PoolStep::Short) => return Ok(true),
                None => self.timer.sleep(self.limits.first_pause).await,
            }
        }
        Err(Stuck::Contended)
    }

    /// Writes a pool's own record, again where somebody else was quicker.
    async fn write_pool(
        &self,
        plan: impl Fn(&mut Engine, Now) -> Option<Plan>,
    ) -> Result<(), Stuck> {
        for _ in 0..self.limits.attempts {
            let planned = plan(&mut self.engine(), self.timer.now());
            let Some(planned) = planned else {
                self.timer.sleep(self.limits.first_pause).await;
                continue;
            };
            let settled = self.carry_out_patiently(planned).await?;
            if settled.refused.is_empty() {
                return complete(&settled);
            }
        }
        Err(Stuck::Contended)
    }

    /// Carries out step after step; says whether the last one had nothing left to do.
    async fn steps(
        &self,
        mut step: impl FnMut(&mut Engine, Now) -> PoolStep,
    ) -> Result<bool, Stuck> {
        let mut setbacks = 0;
        loop {
            let next = step(&mut self.engine(), self.timer.now());
            let PoolStep::More(plan) = next else {
                return Ok(matches!(next, PoolStep::Done));
            };
            let settled = self.carry_out_patiently(plan).await?;
            if settled.applied.is_empty() {
                setbacks += 1;
            }
            if setbacks > self.limits.attempts || !settled.unavailable.is_empty() {
                return complete(&settled).map(|()| false);
            }
        }
    }

    /// Keeps everybody from an address for a while.
    ///
    /// # Errors
    /// Why it cannot be marked; within it, that the store did not do it.
    pub async fn quarantine(
        &self,
        ip: IpAddr,
        reason: String,
        mac: Option<String>,
        lasts: Duration,
    ) -> Result<Result<(), Stuck>, MarkRefusal> {
        let now = self.timer.now();
        let plan = self.engine().plan_quarantine(ip, reason, mac, lasts, now)?;
        Ok(self.confirmed(plan).await)
    }

    /// Takes the mark off an address.
    ///
    /// # Errors
    /// Why it cannot be; within it, that the store did not do it.
    pub async fn lift(&self, ip: IpAddr) -> Result<Result<(), Stuck>, MarkRefusal> {
        let now = self.timer.now();
        let plan = self.engine().plan_lift(ip, now)?;
        Ok(self.confirmed(plan).await)
    }

    async fn confirmed(&self, plan: Plan) -> Result<(), Stuck> {
        complete(&self.carry_out_patiently(plan).await?)
    }

    /// Compares every record with the facts and repairs what events missed; then gives pools what is
    /// owed to them. Answers with the number of repairs.
    ///
    /// # Errors
    /// The store did not do some of it; the next sweep tries again.
    pub async fn sweep(&self) -> Result<usize, Stuck> {
        let mut after = None;
        let mut repairs = 0;
        loop {
            let now = self.timer.now();
            let swept = self
                .engine()
                .plan_sweep(after, self.limits.slice, &self.world, now);
            repairs += self.carry_out_patiently(swept.plan).await?.applied.len();
            after = swept.next;
            if after.is_none() {
                break;
            }
        }
        let pools: Vec<PoolName> = self.engine().pools().cloned().collect();
        for pool in &pools {
            self.steps(|engine, now| engine.plan_trim_pool(pool, now))
                .await?;
            self.steps(|engine, now| engine.plan_fill_pool(pool, now))
                .await?;
        }
        Ok(repairs)
    }
}

fn addresses(targets: &[Target]) -> impl Iterator<Item = IpAddr> {
    targets.iter().filter_map(|target| match target {
        Target::Address(ip) => Some(*ip),
        Target::Pool(_) => None,
    })
}

fn complete(settled: &Settled) -> Result<(), Stuck> {
    match (settled.unavailable.is_empty(), settled.refused.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => Err(Stuck::Unavailable),
        (true, false) => Err(Stuck::Contended),
    }
}
