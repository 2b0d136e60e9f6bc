//! Operations: decide, write, settle, and decide anew where somebody else was quicker.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use thiserror::Error;

use super::{Announced, Orchestrator, Patience, Stuck, Timer};
use crate::engine::{
    Adoption, Allocation, End, Ending, Engine, Live, MarkRefusal, Named, NotAdopted, NotReleased,
    Releasing, Settled,
};
use crate::fact::World;
use crate::name::Name;
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

/// What became of an adoption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdoptReport {
    /// The addresses that were recorded as the pod's now; those that were before are left out.
    pub adopted: Vec<IpAddr>,
    /// Those that cannot be the pod's, and why.
    pub refused: Vec<(IpAddr, NotAdopted)>,
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
        let announced = self.announce(request);
        self.allocate_announced(&announced, request, place).await
    }

    /// The same, for a request that was announced before.
    ///
    /// # Errors
    /// As for [`Orchestrator::allocate`].
    pub async fn allocate_announced(
        &self,
        announced: &Announced,
        request: &PodRequest,
        place: &Place,
    ) -> Result<Vec<IpAddr>, AllocateError> {
        let allocated = self.try_allocate(announced, request, place).await;
        if let Err(error) = &allocated {
            self.engine().note_failure(error.into());
        }
        allocated
    }

    async fn try_allocate(
        &self,
        announced: &Announced,
        request: &PodRequest,
        place: &Place,
    ) -> Result<Vec<IpAddr>, AllocateError> {
        self.check_room()?;
        let mut patience = Patience::of(&self.limits);
        for _ in 0..self.limits.attempts {
            let decided = self.decided(announced, request, place, &mut patience);
            let allocation = decided.await?;
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

    /// The decision, once no other change of the slot's addresses is under way.
    async fn decided(
        &self,
        announced: &Announced,
        request: &PodRequest,
        place: &Place,
        patience: &mut Patience,
    ) -> Result<Allocation, Refusal> {
        loop {
            match self.decide(announced, request, place) {
                Err(refusal) if refusal.is_transient() => {
                    if !patience.pause(self).await {
                        return Err(refusal);
                    }
                }
                decided => return decided,
            }
        }
    }

    fn decide(
        &self,
        announced: &Announced,
        request: &PodRequest,
        place: &Place,
    ) -> Result<Allocation, Refusal> {
        let now = self.timer.now();
        let mut engine = self.engine();
        announced.check()?;
        let reach = match place {
            Place::Node(addresses) => engine.topology().reach(addresses),
            Place::Anywhere => engine.topology().reach_all(),
        };
        let decided = engine.plan_allocate(request, &reach, &self.world, now);
        drop(engine);
        let took = self.timer.now().elapsed.saturating_sub(now.elapsed);
        self.decisions.add(took);
        decided
    }

    /// Records what a pod uses that is bound and has no record, or not all of them; see
    /// [`Engine::plan_adopt`] for what the caller vouches for.
    ///
    /// # Errors
    /// It was not written, or it is not certain yet. What cannot be adopted is no error: the report
    /// says why.
    pub async fn adopt(
        &self,
        request: &PodRequest,
        addresses: &[IpAddr],
    ) -> Result<AdoptReport, Stuck> {
        self.check_room()?;
        let mut report = AdoptReport::default();
        for _ in 0..self.limits.attempts {
            let now = self.timer.now();
            let Adoption { plan, refused } = self.engine().plan_adopt(request, addresses, now);
            let settled = self.carry_out_patiently(plan).await?;
            report.adopted.extend(self::addresses(&settled.applied));
            report.refused = refused;
            // Refused: somebody else was quicker, so look again who has it.
            if settled.refused.is_empty() {
                return complete(&settled).map(|()| report);
            }
        }
        Err(Stuck::Contended)
    }

    /// The pod is bound with these addresses; what else it had is freed.
    ///
    /// # Errors
    /// The freeing is not certain yet, or was not done; the next sweep does it.
    pub async fn bound(&self, uid: &Name, addresses: &[IpAddr]) -> Result<(), Stuck> {
        self.once(|engine, now| engine.plan_bound(uid, addresses, now))
            .await
    }

    /// The pod has ended. Waits for plans that hold addresses of it.
    ///
    /// # Errors
    /// It is not certain yet, or was not done; the next sweep does it.
    pub async fn ended(&self, uid: &Name, ending: &Ending) -> Result<(), Stuck> {
        let plan = {
            let now = self.timer.now();
            let mut engine = self.engine();
            self.announcements.end_pod(uid);
            engine.plan_ended(uid, ending, &self.world, now)
        };
        let end = End::Pod(uid.clone(), ending.clone());
        self.to_its_end(&end, plan).await
    }

    /// One CNI attachment has ended. Waits for plans that hold addresses of it.
    ///
    /// # Errors
    /// It is not certain yet, or was not done: to be told again.
    pub async fn detached(&self, attachment: &Attachment) -> Result<(), Stuck> {
        let plan = {
            let now = self.timer.now();
            let mut engine = self.engine();
            self.announcements.end_attachment(attachment);
            engine.plan_detached(attachment, &self.world, now)
        };
        let end = End::Attachment(attachment.clone());
        self.to_its_end(&end, plan).await
    }

    /// Plans an end again until it is owed no more. What the engine has to remember is lost with the
    /// process, so before that nobody may be told that it is done; and afterwards there may be something
    /// else under the same name, which has not ended.
    async fn to_its_end(&self, end: &End, first: Plan) -> Result<(), Stuck> {
        let mut patience = Patience::of(&self.limits);
        let mut plan = first;
        loop {
            let waits = plan.is_empty();
            let settled = self.carry_out_patiently(plan).await?;
            done(&settled)?;
            if !self.engine().owes(end) {
                return Ok(());
            }
            let refused = !settled.refused.is_empty();
            if (waits || refused) && !patience.pause(self).await {
                return Err(if refused {
                    Stuck::Contended
                } else {
                    Stuck::Uncertain
                });
            }
            let now = self.timer.now();
            plan = self.engine().plan_due(end, &self.world, now);
        }
    }

    /// Of this node's network, only the attachments in `valid` are still there: the others have ended.
    /// Waits for plans that hold addresses of those.
    ///
    /// # Errors
    /// It is not certain yet, or was not done: to be told again.
    pub async fn gc(
        &self,
        node: &Name,
        network: &Name,
        valid: &BTreeSet<Attachment>,
    ) -> Result<(), Stuck> {
        let mut patience = Patience::of(&self.limits);
        let mut lost = self.engine().lost(node, network, valid);
        loop {
            let plan = {
                let now = self.timer.now();
                self.engine().plan_gc(&mut lost, &self.world, now)
            };
            let waits = plan.is_empty();
            complete(&self.carry_out_patiently(plan).await?)?;
            if lost.is_empty() {
                return Ok(());
            }
            if waits && !patience.pause(self).await {
                return Err(Stuck::Uncertain);
            }
        }
    }

    /// Once, and again where somebody else was quicker.
    pub(super) async fn once(
        &self,
        mut plan: impl FnMut(&mut Engine, Now) -> Plan,
    ) -> Result<(), Stuck> {
        for _ in 0..self.limits.attempts {
            let planned = plan(&mut self.engine(), self.timer.now());
            let settled = self.carry_out_patiently(planned).await?;
            if settled.refused.is_empty() {
                return complete(&settled);
            }
        }
        Err(Stuck::Contended)
    }

    /// Releases addresses whose owner is named and has no pod, in one step.
    ///
    /// # Errors
    /// Some are live: nothing is released. Or it is not certain yet.
    pub async fn release(&self, request: &[Named]) -> Result<ReleaseReport, ReleaseError> {
        self.check_room()?;
        let mut report = self.release_once(request).await?;
        for _ in 1..self.limits.attempts {
            // Where one address was changed meanwhile, an atomic store releases none of the others.
            let others = report.released.is_empty() && self.store.atomic();
            if !others || !report.has(&NotReleased::Changed) {
                break;
            }
            report = self.release_once(request).await?;
        }
        Ok(report)
    }

    async fn release_once(&self, request: &[Named]) -> Result<ReleaseReport, ReleaseError> {
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
        if let Err(stuck) = self.check_room() {
            return Ok(Err(stuck));
        }
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

    /// Reserves a free address for an administrator: it is not given to pods.
    ///
    /// # Errors
    /// Why it cannot be reserved; within it, that the store did not do it.
    pub async fn reserve(&self, ip: IpAddr, key: Name) -> Result<Result<(), Stuck>, MarkRefusal> {
        if let Err(stuck) = self.check_room() {
            return Ok(Err(stuck));
        }
        let now = self.timer.now();
        let plan = self.engine().plan_reserve(ip, key, now)?;
        Ok(self.confirmed(plan).await)
    }

    /// Ends an administrator's reservation.
    ///
    /// # Errors
    /// Why it cannot be ended; within it, that the store did not do it.
    pub async fn unreserve(&self, ip: IpAddr) -> Result<Result<(), Stuck>, MarkRefusal> {
        let now = self.timer.now();
        let plan = self.engine().plan_unreserve(ip, now)?;
        Ok(self.confirmed(plan).await)
    }

    async fn confirmed(&self, plan: Plan) -> Result<(), Stuck> {
        complete(&self.carry_out_patiently(plan).await?)
    }
}

impl ReleaseReport {
    fn has(&self, reason: &NotReleased) -> bool {
        self.unreleased.iter().any(|(_, other)| other == reason)
    }
}

fn addresses(targets: &[Target]) -> impl Iterator<Item = IpAddr> {
    targets.iter().filter_map(|target| match target {
        Target::Address(ip) => Some(*ip),
        Target::Pool(_) => None,
    })
}

/// Everything was written.
pub(super) fn complete(settled: &Settled) -> Result<(), Stuck> {
    if !settled.refused.is_empty() {
        return Err(Stuck::Contended);
    }
    done(settled)
}

/// The store did its part. Where one write is refused, others may not be made just for that.
pub(super) const fn done(settled: &Settled) -> Result<(), Stuck> {
    match settled.refused.is_empty() && !settled.unavailable.is_empty() {
        true => Err(Stuck::Unavailable),
        false => Ok(()),
    }
}
