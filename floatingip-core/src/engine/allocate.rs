//! Allocating: from the filter's question to the plan that gives a pod its addresses.

use std::net::IpAddr;

use super::Engine;
use super::as_if::AsIf;
use super::claim::Claim;
use super::decide::{Asking, Decision};
use super::flaw::Flaw;
use super::ledger::standing_key;
use super::stage::{Draft, Staged};
use super::standing::PerFamily;
use super::verdict::pods_allowed;
use crate::fact::World;
use crate::name::Name;
use crate::owner::{AppRef, Owner};
use crate::plan::{Event, Plan};
use crate::record::{PlanId, Record};
use crate::refusal::Refusal;
use crate::request::PodRequest;
use crate::time::Now;
use crate::topology::{Reach, SubnetId};

/// Addresses for a pod, once the plan is durable.
#[derive(Debug)]
#[must_use = "the plan holds the addresses until it is settled"]
pub struct Allocation {
    /// One address for each want, in order.
    pub addresses: Vec<IpAddr>,
    /// What has to become durable first; empty where everything is as it should be.
    pub plan: Plan,
}

impl Engine {
    /// For each reach (of a node, or of many with the same), whether the pod could have its
    /// addresses there. Changes nothing. What other pods claim is left to them.
    ///
    /// # Errors
    /// One answer for each reach: why not.
    pub fn feasible(
        &self,
        request: &PodRequest,
        reaches: &[Reach],
        world: &dyn World,
        now: Now,
    ) -> Vec<Result<(), Refusal>> {
        self.feasible_without(request, reaches, &[], world, now)
    }

    /// The same as if these pods, named by UID, had ended: addresses that would be freed or kept for
    /// this pod's app or pool count as there, and the pods as gone from caps and claims. For
    /// preemption. Changes nothing. What the victims' policies keep for others does not count, so
    /// that no pod is ended in vain; a pod that open plans are about to change is taken as it is.
    ///
    /// # Errors
    /// One answer for each reach: why not even then.
    pub fn feasible_without(
        &self,
        request: &PodRequest,
        reaches: &[Reach],
        victims: &[Name],
        world: &dyn World,
        now: Now,
    ) -> Vec<Result<(), Refusal>> {
        let as_if = self.as_if_ended(victims, world, now);
        let decisions = self.decisions(request, reaches, &as_if, world, now);
        decisions.into_iter().map(|d| d.map(|_| ())).collect()
    }

    /// The same, and takes a claim for where it could: so many pods pass as can bind. The claim takes
    /// the place of the pod's former one.
    pub fn claim(
        &mut self,
        request: &PodRequest,
        reaches: &[Reach],
        world: &dyn World,
        now: Now,
    ) -> Vec<Result<(), Refusal>> {
        self.claims.expire(now.elapsed);
        self.learn(request.tenant().app_ref().as_ref(), world);
        let decisions = self.decisions(request, reaches, &AsIf::default(), world, now);
        let uid = &request.pod().uid;
        match claim_for(request, decisions.iter().flatten()) {
            Some(_) if self.has_flaw(Flaw::ClaimLost) => {}
            Some(claim) => self
                .claims
                .put(uid, claim, now.elapsed + self.settings.claim_life),
            None => self.claims.drop_of(uid),
        }
        decisions
            .into_iter()
            .map(|decision| decision.map(|_| ()))
            .collect()
    }

    /// The pod is not expected to bind any more.
    pub fn unclaim(&mut self, uid: &Name) {
        self.claims.drop_of(uid);
    }

    fn decisions(
        &self,
        request: &PodRequest,
        reaches: &[Reach],
        as_if: &AsIf,
        world: &dyn World,
        now: Now,
    ) -> Vec<Result<Decision, Refusal>> {
        let decide = |reach: &Reach| {
            self.decide(&Asking {
                request,
                reach,
                world,
                now,
                heed_claims: true,
                as_if,
            })
        };
        reaches.iter().map(decide).collect()
    }

    /// Decides which addresses the pod gets, and holds them. The same request again gives the same
    /// addresses; a pod that nothing has to be written for gets an empty plan. O(log n) for an
    /// ordinary request.
    ///
    /// # Errors
    /// Why the pod cannot have what it wants now. Nothing is held then.
    pub fn plan_allocate(
        &mut self,
        request: &PodRequest,
        reach: &Reach,
        world: &dyn World,
        now: Now,
    ) -> Result<Allocation, Refusal> {
        let attached = self.attached(request, reach)?;
        let decision = self.decide_fairly(request, reach, world, now)?;
        self.check_repeated(&attached, &decision.addresses)?;
        self.strike_owed(&request.pod().uid, request.attachment());
        self.redeem(request, &decision);
        let mut draft = self.draft(now);
        for ip in &decision.exchange {
            self.stage_release(&mut draft, *ip, now);
        }
        draft.exchange(decision.exchange.len());
        for ip in &decision.addresses {
            self.stage_allocation(&mut draft, *ip, request, now);
        }
        self.learn(request.tenant().app_ref().as_ref(), world);
        self.learn_worth(request, &decision.addresses);
        let plan = match decision.exchange.is_empty() {
            true => self.finish(draft),
            // The pool gives up an address before it gets one: it never has too many.
            false => self.finish_in_order(draft),
        };
        Ok(Allocation {
            addresses: decision.addresses,
            plan,
        })
    }

    /// The pod takes what it claimed, or a part of it.
    fn redeem(&mut self, request: &PodRequest, decision: &Decision) {
        let uid = &request.pod().uid;
        // One that has addresses already counts in its app by these: its claim counted beside them.
        let counted = !self.ledger.of_uid(uid).is_empty();
        let taken = claim_for(request, std::iter::once(decision)).filter(|_| !counted);
        self.claims.redeem(uid, taken.as_ref());
    }

    /// Leaves to other pods what they claim where there is enough for all, but not at the price of a
    /// fresh address while one is kept in reserve; where there is not enough, takes what is there.
    fn decide_fairly(
        &self,
        request: &PodRequest,
        reach: &Reach,
        world: &dyn World,
        now: Now,
    ) -> Result<Decision, Refusal> {
        let as_if = &AsIf::default();
        let decide = |heed_claims| {
            self.decide(&Asking {
                request,
                reach,
                world,
                now,
                heed_claims,
                as_if,
            })
        };
        let plain = decide(false)?;
        if self.claims.len() == 0 {
            return Ok(plain);
        }
        let fair = decide(true).ok();
        Ok(fair
            .filter(|fair| fair.fresh.len() <= plain.fresh.len())
            .unwrap_or(plain))
    }

    fn stage_allocation(&mut self, draft: &mut Draft, ip: IpAddr, request: &PodRequest, now: Now) {
        let former = self.ledger.record(ip).cloned();
        let attachment = match (request.attachment(), &former) {
            (None, Some(former)) if has_uid(former, &request.pod().uid) => {
                former.attachment.clone()
            }
            (attachment, _) => attachment.cloned(),
        };
        let record = Record {
            owner: Owner::Slot(request.tenant().clone()),
            policy: request.policy(),
            updated_at: now.wall,
            mark: None,
            attachment,
            plan: None,
        };
        match former {
            Some(former)
                if same_but_for_time(&former, &record) && !self.is_disputable(ip, &former) =>
            {
                if let Some(attempt) = self.provisional.get_mut(&ip) {
                    attempt.at = now.elapsed;
                }
            }
            former => {
                let event = self.event_of(former.as_deref(), &record);
                self.stage(draft, ip, event, Some(Staged::new(record)));
                if former.is_none() {
                    self.pass(ip);
                }
            }
        }
    }

    /// What the journal calls it: a pod that has the address already is only attached elsewhere, one that
    /// takes what was kept for it is bound. Where bindings come later, nobody knows yet whether it is.
    fn event_of(&self, former: Option<&Record>, record: &Record) -> Event {
        let Some(former) = former.filter(|former| former.owner != Owner::Nobody) else {
            return Event::Allocate;
        };
        let same_owner = former.owner == record.owner;
        match same_owner {
            true if former.attachment != record.attachment => Event::Attach,
            false if self.settings.binds_at_once => Event::Bind,
            _ => Event::Allocate,
        }
    }

    /// Remembers how many addresses each pod of the app asks for.
    fn learn_worth(&mut self, request: &PodRequest, addresses: &[IpAddr]) {
        let app = standing_key(request.tenant());
        if self.ledger.app(&app).is_some() {
            self.ledger.app_mut(&app).asked = Some(PerFamily::count(addresses));
        }
    }

    /// Whether another process may take the pod's attempt for over and free the address: it is written
    /// again, and is at a version then that the other cannot free.
    fn is_disputable(&self, ip: IpAddr, record: &Record) -> bool {
        let ours = |plan: PlanId| plan.incarnation == self.settings.incarnation;
        let settled = record.plan.is_some_and(ours) && !self.provisional.contains_key(&ip);
        self.settings.shared_store && !settled
    }

    /// Remembers how many pods the app may have, for when nobody can tell any more.
    pub(super) fn learn(&mut self, app: Option<&AppRef>, world: &dyn World) {
        let Some(app) = app else { return };
        if let Some(state) = world.app(app).known()
            && self.ledger.learn(app, pods_allowed(&state))
        {
            self.note_opening();
        }
    }
}

fn has_uid(record: &Record, uid: &Name) -> bool {
    record.owner.pod().is_some_and(|pod| pod.uid == *uid)
}

fn same_but_for_time(former: &Record, record: &Record) -> bool {
    former.owner == record.owner
        && former.policy == record.policy
        && former.attachment == record.attachment
        && former.mark == record.mark
}

/// What the pod is expected to take, over all places where it may go. None where it takes nothing that
/// others could take: its own addresses only.
fn claim_for<'a>(
    request: &PodRequest,
    decisions: impl Iterator<Item = &'a Decision>,
) -> Option<Claim> {
    let mut fresh: Vec<(SubnetId, u64)> = Vec::new();
    let mut reserve = 0;
    let mut growth = 0;
    let mut returns = false;
    for decision in decisions {
        let given_up = decision.exchange.len() as u64;
        reserve = reserve.max(decision.from_reserve + given_up);
        growth = growth.max(decision.growth);
        returns |= decision.returns;
        for (subnet, count) in counted(&decision.fresh) {
            match fresh.iter_mut().find(|(known, _)| *known == subnet) {
                Some((_, most)) => *most = count.max(*most),
                None => fresh.push((subnet, count)),
            }
        }
    }
    // Who finds its own address again is one more pod of the app, too.
    let takes = reserve > 0 || !fresh.is_empty() || returns;
    takes.then(|| Claim {
        fresh,
        reserve,
        app: standing_key(request.tenant()),
        pool: request.pool().cloned(),
        growth,
    })
}

fn counted(subnets: &[SubnetId]) -> Vec<(SubnetId, u64)> {
    let mut counts: Vec<(SubnetId, u64)> = Vec::new();
    for subnet in subnets {
        match counts.iter_mut().find(|(known, _)| known == subnet) {
            Some((_, count)) => *count += 1,
            None => counts.push((*subnet, 1)),
        }
    }
    counts
}
