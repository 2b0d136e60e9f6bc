//! The life of pods and apps: what is kept and what is freed when they change or end.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::Engine;
use super::stage::{Draft, Staged};
use super::verdict::{Verdict, keeper};
use crate::fact::{PodState, World};
use crate::name::Name;
use crate::owner::{Owner, Pod, Slot, Tenant};
use crate::plan::{Event, Plan};
use crate::record::{Mark, MarkKind, Record};
use crate::time::Now;

/// The most writes of one plan that frees or repairs; what is left goes into the next.
pub(super) const MOST_WRITES: usize = 1024;

/// How a pod ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Deleted, or finished: certainly nothing uses the address any more.
    Certain,
    /// Deleted by force while nobody reaches its node: it may still run there. Its address rests: only
    /// its own slot gets it before the node is back, or this time is over.
    Unreachable {
        /// How long the address rests.
        rest: Duration,
    },
}

impl Engine {
    /// The pod is bound with these addresses: they are in use now. Frees what else the pod or its slot
    /// has: addresses of former attempts. A binding that names nothing that the pod has by the records
    /// proves nothing, and frees nothing (LIVE-KEEPS).
    pub fn plan_bound(&mut self, uid: &Name, addresses: &[IpAddr], now: Now) -> Plan {
        let theirs = self.own_of(uid, addresses);
        for ip in &theirs {
            self.provisional.remove(ip);
        }
        let mut draft = self.draft(now);
        if !theirs.is_empty() {
            for ip in self.beside(uid, &theirs) {
                self.stage_extra(&mut draft, ip, now);
            }
        }
        self.finish(draft)
    }

    /// Those of the addresses that a binding names which the records give to the pod. Who may edit a
    /// pod can make its binding name any address.
    pub(super) fn own_of(&self, uid: &Name, named: &[IpAddr]) -> Vec<IpAddr> {
        let own = self.ledger.of_uid(uid).into_iter();
        own.filter(|ip| named.contains(ip)).collect()
    }

    /// What the pod, and the slot of those addresses, have beside them and no plan holds.
    fn beside(&self, uid: &Name, theirs: &[IpAddr]) -> BTreeSet<IpAddr> {
        let records = theirs.iter().filter_map(|ip| self.ledger.record(*ip));
        let tenants = records.filter_map(|record| record.owner.tenant());
        let of_slots = tenants.flat_map(|tenant| self.slot_addresses(tenant));
        let vacant = of_slots.filter(|ip| self.is_vacant(*ip));
        let all = vacant.chain(self.ledger.of_uid(uid));
        all.filter(|ip| !theirs.contains(ip) && !self.is_held(*ip))
            .collect()
    }

    /// Takes the bound pod off an address that it does not use: what its app or pool kept for any of
    /// its pods goes back there.
    pub(super) fn stage_extra(&mut self, draft: &mut Draft, ip: IpAddr, now: Now) {
        let record = self.ledger.record(ip).cloned();
        let tenant = record.as_ref().and_then(|record| record.owner.tenant());
        match (&record, tenant) {
            (Some(record), Some(tenant))
                if matches!(tenant.slot, Slot::Any | Slot::Once(_))
                    && record.policy.is_sticky()
                    && !self.is_fresh(ip) =>
            {
                let mark = self.lasting_mark(ip, record, now);
                self.stage_keep(draft, ip, Event::Reserve, keeper(tenant), mark, record);
            }
            _ => self.stage_release(draft, ip, now),
        }
    }

    /// Whether nobody had the address before the pod that is not bound with it yet.
    pub(super) fn is_fresh(&self, ip: IpAddr) -> bool {
        self.provisional
            .get(&ip)
            .is_some_and(|attempt| attempt.fresh)
    }

    pub(super) fn is_vacant(&self, ip: IpAddr) -> bool {
        self.ledger
            .record(ip)
            .is_some_and(|record| record.is_reserve())
    }

    /// The pod has ended, by its UID: its addresses are kept or freed as its policy and the facts
    /// about its app say. What an open plan holds is dealt with once that is settled:
    /// [`Engine::due_ends`].
    pub fn plan_ended(&mut self, uid: &Name, ending: &Ending, world: &dyn World, now: Now) -> Plan {
        self.claims.drop_of(uid);
        let addresses = self.ledger.of_uid(uid);
        self.owe_ending(uid, ending);
        self.forget_missing(uid);
        let mut draft = self.draft(now);
        for ip in addresses {
            self.stage_end(&mut draft, ip, ending, world, now);
        }
        self.finish(draft)
    }

    /// Lost records of a pod that has ended need not be written again: their addresses are free.
    fn forget_missing(&mut self, uid: &Name) {
        let theirs = |record: &Record| record.owner.pod().is_some_and(|pod| pod.uid == *uid);
        let lost = self.missing.iter().filter(|(_, lost)| theirs(&lost.record));
        for ip in lost.map(|(ip, _)| *ip).collect::<Vec<_>>() {
            self.missing.remove(&ip);
            self.refresh(ip);
        }
    }

    /// Takes the pod off an address.
    pub(super) fn stage_end(
        &mut self,
        draft: &mut Draft,
        ip: IpAddr,
        ending: &Ending,
        world: &dyn World,
        now: Now,
    ) {
        let Some(record) = self.ledger.record(ip).cloned() else {
            return;
        };
        let Some(tenant) = record.owner.tenant() else {
            return;
        };
        if self.is_held(ip) || tenant.pod.is_none() {
            return;
        }
        let rest = rest_mark(tenant, ending, now);
        let verdict = match (self.verdict(ip, tenant, record.policy, world), &rest) {
            // A resting address stays with its slot, so that the slot alone can have it back.
            (Verdict::Free, Some(_)) => Verdict::Keep(Owner::Slot(tenant.vacated())),
            (verdict, _) => verdict,
        };
        let event = if rest.is_some() {
            Event::Rest
        } else {
            Event::Reserve
        };
        let mark = stricter(self.lasting_mark(ip, &record, now), rest);
        match verdict {
            Verdict::Keep(owner) => self.stage_keep(draft, ip, event, owner, mark, &record),
            Verdict::Free => self.stage_free(draft, ip, mark, &record),
        }
    }

    fn stage_keep(
        &mut self,
        draft: &mut Draft,
        ip: IpAddr,
        event: Event,
        owner: Owner,
        mark: Option<Mark>,
        record: &Record,
    ) {
        let kept = Record {
            owner,
            attachment: None,
            mark,
            ..record.clone()
        };
        self.stage(draft, ip, event, Some(Staged::new(kept)));
    }

    /// Frees an address that has a record.
    pub(super) fn stage_release(&mut self, draft: &mut Draft, ip: IpAddr, now: Now) {
        if let Some(record) = self.ledger.record(ip).cloned() {
            let mark = self.lasting_mark(ip, &record, now);
            self.stage_free(draft, ip, mark, &record);
        }
    }

    /// Frees an address; one that is quarantined stays with nobody until that is over.
    fn stage_free(&mut self, draft: &mut Draft, ip: IpAddr, mark: Option<Mark>, record: &Record) {
        let quarantine = mark.filter(|mark| mark.kind == MarkKind::Quarantine);
        let put = quarantine.map(|mark| {
            let owner = Owner::Nobody;
            Staged::new(Record {
                owner,
                attachment: None,
                mark: Some(mark),
                ..record.clone()
            })
        });
        self.stage(draft, ip, Event::Release, put);
    }

    /// The record's mark, while it holds.
    pub(super) fn lasting_mark(&self, ip: IpAddr, record: &Record, now: Now) -> Option<Mark> {
        record.mark.clone().filter(|_| self.is_marked(ip, now))
    }

    /// Frees an address in reserve that nothing keeps any more.
    pub(super) fn stage_reserve_check(
        &mut self,
        draft: &mut Draft,
        ip: IpAddr,
        world: &dyn World,
        now: Now,
    ) {
        let Some(record) = self.ledger.record(ip).cloned() else {
            return;
        };
        if self.is_held(ip) || !record.is_reserve() {
            return;
        }
        let verdict = match &record.owner {
            Owner::Slot(tenant) => self.verdict(ip, tenant, record.policy, world),
            Owner::Pool(pool) if self.pool_surplus(pool) > 0 => Verdict::Free,
            owner => Verdict::Keep(owner.clone()),
        };
        if verdict == Verdict::Free || self.is_double(&record, world) {
            self.stage_release(draft, ip, now);
        }
    }

    pub(super) fn is_resting(&self, ip: IpAddr, record: &Record, now: Now) -> bool {
        let rests = record
            .mark
            .as_ref()
            .is_some_and(|mark| mark.kind == MarkKind::Rest);
        rests && self.is_marked(ip, now)
    }

    /// Whether the slot has a pod that is bound with another address, so that this one is kept for
    /// nobody (ONE-SLOT). A pod that is not bound yet, or has ended, may still leave it to the slot.
    fn is_double(&self, record: &Record, world: &dyn World) -> bool {
        let Some(tenant) = record.owner.tenant() else {
            return false;
        };
        let bound = |ip: &IpAddr| {
            let pod = self.ledger.record(*ip).and_then(|other| other.owner.pod());
            pod.is_some_and(|pod| self.is_bound(&tenant.namespace, pod, world))
        };
        self.slot_addresses(tenant).iter().any(bound)
    }

    fn is_bound(&self, namespace: &Name, pod: &Pod, world: &dyn World) -> bool {
        let state = world.pod(namespace, &pod.name).known();
        state.is_some_and(|state| self.uses_addresses(pod, &state))
    }

    /// Whether this very pod is bound and not finished.
    pub(super) fn uses_addresses(&self, pod: &Pod, state: &PodState) -> bool {
        let bound = state.bound || self.settings.binds_at_once;
        bound && state.still_is(pod)
    }
}

/// The mark that does for both: a quarantine keeps everybody away whom a rest does, so it stays, and
/// ends no earlier.
pub(super) fn stricter(former: Option<Mark>, new: Option<Mark>) -> Option<Mark> {
    let (former, new) = match (former, new) {
        (Some(former), Some(new)) => (former, new),
        (former, new) => return new.or(former),
    };
    let (until, lasts) = (former.until.max(new.until), former.lasts.max(new.lasts));
    let quarantine = |mark: &Mark| mark.kind == MarkKind::Quarantine;
    Some(match (quarantine(&new), quarantine(&former)) {
        (true, true) | (false, false) => new,
        (true, false) => Mark {
            until,
            lasts,
            ..new
        },
        (false, true) => Mark {
            until,
            lasts,
            ..former
        },
    })
}

fn rest_mark(tenant: &Tenant, ending: &Ending, now: Now) -> Option<Mark> {
    let Ending::Unreachable { rest } = ending else {
        return None;
    };
    let node = tenant
        .pod
        .as_ref()
        .map(|pod| pod.node.clone())
        .unwrap_or_default();
    Some(Mark {
        kind: MarkKind::Rest,
        reason: format!("its former pod may still run on node {node}"),
        mac: None,
        node: Some(node),
        until: now.wall.plus(*rest),
        lasts: *rest,
    })
}
