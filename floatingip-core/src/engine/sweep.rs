//! The sweep: compares every record with the facts and repairs what events missed.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Bound;

use super::lifecycle::Ending;
use super::stage::{Draft, Staged};
use super::{Attempt, Engine, Missing, lifecycle::MOST_WRITES};
use crate::fact::{Fact, PodState, World};
use crate::name::Name;
use crate::owner::Pod;
use crate::plan::{Event, Plan};
use crate::record::{MarkKind, Record};
use crate::time::Now;

/// One slice of a sweep.
#[derive(Debug)]
#[must_use = "the plan holds its addresses until it is settled"]
pub struct Swept {
    /// What has to be repaired.
    pub plan: Plan,
    /// Where the next slice starts: behind this address. None: the sweep is through.
    pub next: Option<IpAddr>,
}

impl Engine {
    /// Looks at up to `slice` records behind `after`, lost ones among them, and plans what has to be
    /// repaired: pods that ended unseen, reserves that nothing keeps, second addresses of one slot
    /// (also those of a bound pod that its binding does not name), marks that are over, addresses of pods that never got bound, records that somebody deleted
    /// under a live pod. O(slice · log n).
    pub fn plan_sweep(
        &mut self,
        after: Option<IpAddr>,
        slice: usize,
        world: &dyn World,
        now: Now,
    ) -> Swept {
        self.claims.expire(now.elapsed);
        let mut draft = self.draft(now);
        let batch = self.sweep_batch(after, slice.clamp(1, MOST_WRITES));
        for ip in &batch {
            self.stage_either(&mut draft, *ip, world, now);
        }
        Swept {
            plan: self.finish(draft),
            next: batch.last().copied(),
        }
    }

    /// Looks at one address, and plans what has to be repaired there: the same as a sweep does, at
    /// once. For a record that was deleted by hand under a live pod.
    pub fn plan_repair(&mut self, ip: IpAddr, world: &dyn World, now: Now) -> Plan {
        let mut draft = self.draft(now);
        self.stage_either(&mut draft, ip, world, now);
        self.finish(draft)
    }

    /// The node is ready again, or gone for good: ends the rests of addresses whose former pods may
    /// still have run there. What the world says of the node is heeded. To be called again until the
    /// plan is empty. O(log n) for each of them.
    pub fn plan_rested(&mut self, node: &Name, world: &dyn World, now: Now) -> Plan {
        let resting: Vec<IpAddr> = self.ledger.rests_of(node).take(MOST_WRITES).collect();
        let mut draft = self.draft(now);
        for ip in resting {
            self.stage_repair(&mut draft, ip, world, now);
        }
        self.finish(draft)
    }

    fn stage_either(&mut self, draft: &mut Draft, ip: IpAddr, world: &dyn World, now: Now) {
        match self.missing.contains_key(&ip) {
            true => self.stage_restore(draft, ip, world, now),
            false => self.stage_repair(draft, ip, world, now),
        }
    }

    /// The next addresses that have a record or have lost it.
    fn sweep_batch(&self, after: Option<IpAddr>, slice: usize) -> Vec<IpAddr> {
        let records = self.ledger.records();
        let kept = after.map_or_else(|| records.iter(), |ip| records.iter_after(&ip));
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        let lost = self.missing.range((behind, Bound::Unbounded));
        let kept = kept.take(slice).map(|(ip, _)| *ip);
        let lost = lost.take(slice).map(|(ip, _)| *ip);
        let both: BTreeSet<IpAddr> = kept.chain(lost).collect();
        both.into_iter().take(slice).collect()
    }

    fn stage_repair(&mut self, draft: &mut Draft, ip: IpAddr, world: &dyn World, now: Now) {
        let Some(record) = self.ledger.record(ip).cloned() else {
            return;
        };
        if self.is_held(ip) {
            return;
        }
        if record.is_live() {
            self.stage_live_check(draft, ip, &record, world, now);
            return;
        }
        let over = self.is_over(ip, &record, world, now);
        if over || !self.is_resting(ip, &record, now) {
            self.stage_reserve_check(draft, ip, world, now);
        }
        if over && !self.is_held(ip) {
            self.stage_lift(draft, ip, &record);
        }
    }

    fn stage_live_check(
        &mut self,
        draft: &mut Draft,
        ip: IpAddr,
        record: &Record,
        world: &dyn World,
        now: Now,
    ) {
        self.learn(record.owner.app().as_ref(), world);
        let Some((tenant, pod)) = record.owner.tenant().zip(record.owner.pod()) else {
            return;
        };
        let standing = world.pod(&tenant.namespace, &pod.name);
        // While a plan gives it addresses, the last attempt is not over.
        let tries = self.arrival_of(&pod.uid).is_some();
        match &standing {
            Fact::Gone => {
                let ending = self.unseen_end(ip, pod, world);
                self.stage_end(draft, ip, &ending, world, now);
            }
            Fact::Known(state) if state.finished && state.uid == pod.uid => {
                self.stage_end(draft, ip, &Ending::Certain, world, now);
            }
            Fact::Known(state) if !state.still_is(pod) => {
                let ending = self.unseen_end(ip, pod, world);
                self.stage_end(draft, ip, &ending, world, now);
            }
            Fact::Known(state) if !tries && self.never_bound(ip, state.bound, now) => {
                self.stage_unbound(draft, ip, world, now);
            }
            Fact::Known(state) if !tries && self.is_extra(ip, pod, state) => {
                self.stage_extra(draft, ip, now);
            }
            _ if self.is_over(ip, record, world, now) => self.stage_lift(draft, ip, record),
            _ => {}
        }
    }

    /// How a pod ended that nobody saw end: on a node that does not report, its deletion may have been
    /// forced, and it may still run there, if it ever did.
    fn unseen_end(&self, ip: IpAddr, pod: &Pod, world: &dyn World) -> Ending {
        let ran = !self.provisional.contains_key(&ip);
        match world.node(&pod.node) {
            Fact::Known(state) if ran && !state.ready => Ending::Unreachable {
                rest: self.settings.rest,
            },
            _ => Ending::Certain,
        }
    }

    /// Whether a live pod has had its time to get bound with the address and did not.
    fn never_bound(&mut self, ip: IpAddr, bound: bool, now: Now) -> bool {
        if bound || self.settings.binds_at_once {
            self.provisional.remove(&ip);
            return false;
        }
        let attempt = self.attempt_at(ip, now);
        self.provisional.insert(ip, attempt);
        self.is_old(attempt, now)
    }

    /// The last attempt to get bound with the address; where none is known of, it counts from now.
    pub(super) fn attempt_at(&self, ip: IpAddr, now: Now) -> Attempt {
        let first_seen = Attempt {
            at: now.elapsed,
            fresh: false,
        };
        self.provisional.get(&ip).copied().unwrap_or(first_seen)
    }

    /// Whether nothing can come of the attempt any more.
    fn is_old(&self, attempt: Attempt, now: Now) -> bool {
        now.elapsed.saturating_sub(attempt.at) >= self.settings.provisional_life
    }

    /// Whether the pod is bound with other addresses of its own, and not with this one (ONE-SLOT).
    fn is_extra(&self, ip: IpAddr, pod: &Pod, state: &PodState) -> bool {
        let theirs = self.own_of(&pod.uid, &state.addresses);
        state.bound && !theirs.is_empty() && !theirs.contains(&ip)
    }

    /// Takes the pod that was never bound off an address, which is then as it was before.
    fn stage_unbound(&mut self, draft: &mut Draft, ip: IpAddr, world: &dyn World, now: Now) {
        if self.is_fresh(ip) {
            self.stage_release(draft, ip, now);
        } else {
            self.stage_end(draft, ip, &Ending::Certain, world, now);
        }
    }

    /// Whether the record's mark is over: its time is, or the node that an address rests for is back or
    /// gone for good.
    fn is_over(&self, ip: IpAddr, record: &Record, world: &dyn World, now: Now) -> bool {
        let Some(mark) = &record.mark else {
            return false;
        };
        let node_is_back = |node: &Name| match world.node(node) {
            Fact::Known(state) => state.ready,
            Fact::Gone => true,
            Fact::Unknown => false,
        };
        let rests = mark.kind == MarkKind::Rest;
        !self.is_marked(ip, now) || rests && mark.node.as_ref().is_some_and(node_is_back)
    }

    /// Writes a record again that somebody deleted under a live pod.
    fn stage_restore(&mut self, draft: &mut Draft, ip: IpAddr, world: &dyn World, now: Now) {
        let Some(lost) = self.missing.get(&ip).cloned() else {
            return;
        };
        if self.is_held(ip) {
            return;
        }
        match self.is_still_there(&lost, world, now) {
            Fact::Known(()) => {
                let again = Staged::same_owner((*lost.record).clone());
                self.stage(draft, ip, Event::Restore, Some(again));
            }
            Fact::Gone => {
                self.missing.remove(&ip);
                self.refresh(ip);
            }
            Fact::Unknown => {}
        }
    }

    /// Whether the pod of a lost record still uses the address. While its last attempt is young its
    /// binding may be on its way; later, one that is not bound gets an address when it tries again.
    fn is_still_there(&self, lost: &Missing, world: &dyn World, now: Now) -> Fact<()> {
        let owner = &lost.record.owner;
        let Some((tenant, pod)) = owner.tenant().zip(owner.pod()) else {
            return Fact::Gone;
        };
        let young = !self.is_old(lost.attempt, now);
        match world.pod(&tenant.namespace, &pod.name) {
            Fact::Unknown => Fact::Unknown,
            Fact::Known(state) if self.uses_addresses(pod, &state) => Fact::Known(()),
            Fact::Known(state) if young && state.still_is(pod) => Fact::Known(()),
            Fact::Known(_) | Fact::Gone => Fact::Gone,
        }
    }
}
