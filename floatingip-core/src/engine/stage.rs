//! Staging: turning decided changes into a plan that holds its addresses.

use std::net::IpAddr;

use super::Engine;
use super::ledger::standing_key;
use super::standing::{AppStanding, PoolStanding};
use crate::name::{Name, PoolName};
use crate::owner::{AppRef, Owner, Slot, SlotRef};
use crate::plan::{Batch, Entry, Event, Plan, Write};
use crate::range::Family;
use crate::record::{Attachment, PlanId, PoolRecord, Record, Target, Value, Version};
use crate::time::Now;

/// A target that an open plan is about to change.
#[derive(Debug)]
pub(super) struct Held {
    /// What others did to it meanwhile; taken in when the plan is settled.
    pub(super) observed: Option<(Version, Option<Value>)>,
}

/// What the engine remembers of a plan until it is settled.
#[derive(Debug, Default)]
pub(super) struct OpenPlan {
    pressures: Vec<Pressure>,
    /// The pods that are about to have addresses by it.
    pods: Vec<Name>,
    /// The slots with an identity that those pods fill.
    slots: Vec<SlotRef>,
    /// The attachments that are about to use addresses by it.
    attachments: Vec<(Attachment, IpAddr)>,
}

impl OpenPlan {
    /// An address that the attachment is about to use.
    pub(super) fn attaches(&self, attachment: &Attachment) -> Option<IpAddr> {
        let mut attached = self.attachments.iter();
        let (_, ip) = attached.find(|(other, _)| other == attachment)?;
        Some(*ip)
    }
}

/// What an open plan does to a count, were it applied.
#[derive(Clone, Debug)]
pub(super) enum Pressure {
    PoolIn(PoolName),
    PoolOut(PoolName),
    PodIn(AppRef),
    AnyOut(AppRef, Family),
}

/// A plan in the making. What is staged is held at once.
#[derive(Debug)]
pub(super) struct Draft {
    id: PlanId,
    at: Now,
    writes: Vec<Write>,
    in_order: bool,
    /// So many addresses enter the pool only after others have left it.
    exchanged: usize,
    open: OpenPlan,
}

impl Draft {
    /// The next so many addresses enter the pool in the place of others, which leave it before: the
    /// pool never has more than it had.
    pub(super) fn exchange(&mut self, count: usize) {
        self.exchanged = count;
    }

    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }
}

impl Engine {
    pub(super) fn draft(&mut self, at: Now) -> Draft {
        self.serial += 1;
        Draft {
            id: PlanId {
                incarnation: self.settings.incarnation,
                serial: self.serial,
            },
            at,
            writes: Vec::new(),
            in_order: false,
            exchanged: 0,
            open: OpenPlan::default(),
        }
    }

    /// Ends the draft: from now on the plan has to be settled.
    pub(super) fn finish(&mut self, draft: Draft) -> Plan {
        if !draft.writes.is_empty() {
            self.open.insert(draft.id, draft.open);
        }
        Plan {
            batch: Batch {
                id: draft.id,
                writes: draft.writes,
                in_order: draft.in_order,
            },
        }
    }

    /// The same, with writes that depend on each other.
    pub(super) fn finish_in_order(&mut self, draft: Draft) -> Plan {
        self.finish(Draft {
            in_order: true,
            ..draft
        })
    }

    /// Adds the change of an address to the draft. The address must not be held.
    pub(super) fn stage(
        &mut self,
        draft: &mut Draft,
        ip: IpAddr,
        event: Event,
        put: Option<Staged>,
    ) {
        let known = self.ledger.known(ip).cloned();
        let from = known.as_ref().map(|known| known.record.owner.clone());
        let put = put.map(|staged| staged.into_record(draft));
        let entry = Entry {
            at: draft.at.wall,
            event,
            from: from.clone(),
            to: owner_of(put.as_ref()),
        };
        self.press(
            draft,
            ip,
            from.as_ref(),
            put.as_ref().map(|record| &record.owner),
        );
        let attachment = put.as_ref().and_then(|record| record.attachment.clone());
        let attached = attachment.map(|attachment| (attachment, ip));
        draft.open.attachments.extend(attached);
        if let Some(known) = &known {
            self.ledger.withdraw(ip, &known.record);
        }
        self.held
            .insert(Target::Address(ip), Held { observed: None });
        self.refresh(ip);
        draft.writes.push(Write::address(
            ip,
            known.map(|known| known.version),
            put,
            entry,
        ));
    }

    /// Adds the change of a pool to the draft. The pool must not be held.
    pub(super) fn stage_pool(
        &mut self,
        draft: &mut Draft,
        pool: &PoolName,
        put: Option<PoolRecord>,
    ) {
        let expect = self.pools.get(pool).map(|(version, _)| *version);
        let put = put.map(|record| PoolRecord {
            plan: Some(draft.id),
            ..record
        });
        self.held
            .insert(Target::Pool(pool.clone()), Held { observed: None });
        draft.writes.push(Write::pool(pool.clone(), expect, put));
    }

    /// Counts what the change would do, so that plans made before it is settled stay within caps.
    fn press(&mut self, draft: &mut Draft, ip: IpAddr, from: Option<&Owner>, to: Option<&Owner>) {
        let (pool_from, pool_to) = (from.and_then(Owner::pool), to.and_then(Owner::pool));
        if pool_from != pool_to {
            let leaves = pool_from.map(|pool| Pressure::PoolOut(pool.clone()));
            let replaces = pool_to.is_some() && draft.exchanged > 0;
            draft.exchanged -= usize::from(replaces);
            let enters = pool_to.filter(|_| !replaces);
            let enters = enters.map(|pool| Pressure::PoolIn(pool.clone()));
            self.push(draft, leaves.into_iter().chain(enters));
        }
        if let Some(app) = from.and_then(any_slot_of)
            && to.and_then(any_slot_of).as_ref() != Some(&app)
        {
            self.push(draft, [Pressure::AnyOut(app, Family::of(ip))]);
        }
        if let Some(tenant) = to.and_then(Owner::tenant)
            && let Some(pod) = &tenant.pod
            && !draft.open.pods.contains(&pod.uid)
        {
            draft.open.pods.push(pod.uid.clone());
            self.arrivals.insert((pod.uid.clone(), draft.id), ip);
            if let Some(slot) = tenant.slot_ref() {
                draft.open.slots.push(slot.clone());
                self.slot_arrivals.insert((slot, draft.id), ip);
            }
            // In the place of a former pod of the app there is not one more.
            let replaces =
                from.is_some_and(|from| from.pod().is_some() && from.app() == tenant.app_ref());
            if !replaces && self.ledger.of_uid(&pod.uid).is_empty() {
                self.push(draft, [Pressure::PodIn(standing_key(tenant))]);
            }
        }
    }

    fn push(&mut self, draft: &mut Draft, pressures: impl IntoIterator<Item = Pressure>) {
        for pressure in pressures {
            self.weigh(&pressure, true);
            draft.open.pressures.push(pressure);
        }
    }

    /// What counts against the caps that an open plan presses on.
    pub(super) fn weights(&self, id: PlanId) -> Vec<(Pressure, u64)> {
        let pressures = self.open.get(&id).map(|open| open.pressures.iter());
        let weighed = pressures.into_iter().flatten();
        weighed
            .map(|pressure| (pressure.clone(), self.weight(pressure)))
            .collect()
    }

    /// Whether less counts against one of them now.
    pub(super) fn is_lighter(&self, before: &[(Pressure, u64)]) -> bool {
        let lighter = |(pressure, before): &(Pressure, u64)| self.weight(pressure) < *before;
        before.iter().any(lighter)
    }

    fn weight(&self, pressure: &Pressure) -> u64 {
        match pressure {
            Pressure::PodIn(app) => self.ledger.app(app).map_or(0, AppStanding::in_use),
            Pressure::PoolIn(pool) | Pressure::PoolOut(pool) => {
                self.ledger.pool(pool).map_or(0, PoolStanding::at_most)
            }
            Pressure::AnyOut(..) => 0,
        }
    }

    /// An address that the pod is about to have by an open plan. O(log n).
    pub(super) fn arrival_of(&self, uid: &Name) -> Option<IpAddr> {
        let first = PlanId {
            incarnation: 0,
            serial: 0,
        };
        let ((pod, _), ip) = self.arrivals.range((uid.clone(), first)..).next()?;
        (pod == uid).then_some(*ip)
    }

    /// An address that a pod of the slot is about to have by an open plan. O(log n).
    pub(super) fn arrival_in(&self, slot: &SlotRef) -> Option<IpAddr> {
        let first = PlanId {
            incarnation: 0,
            serial: 0,
        };
        let ((filled, _), ip) = self.slot_arrivals.range((slot.clone(), first)..).next()?;
        (filled == slot).then_some(*ip)
    }

    /// Whether the plan is about to fill a slot: whoever asked for the slot meanwhile was refused.
    pub(super) fn fills_a_slot(&self, id: PlanId) -> bool {
        self.open
            .get(&id)
            .is_some_and(|open| !open.slots.is_empty())
    }

    /// Takes back what an open plan counted for.
    pub(super) fn relieve(&mut self, id: PlanId) {
        let Some(open) = self.open.remove(&id) else {
            return;
        };
        for pressure in &open.pressures {
            self.weigh(pressure, false);
        }
        for uid in open.pods {
            self.arrivals.remove(&(uid, id));
        }
        for slot in open.slots {
            self.slot_arrivals.remove(&(slot, id));
        }
    }

    fn weigh(&mut self, pressure: &Pressure, up: bool) {
        let step = |count: &mut u64| {
            *count = if up {
                *count + 1
            } else {
                count.saturating_sub(1)
            }
        };
        match pressure {
            Pressure::PoolIn(pool) => step(&mut self.ledger.pool_mut(pool).incoming),
            Pressure::PoolOut(pool) => step(&mut self.ledger.pool_mut(pool).outgoing),
            Pressure::PodIn(app) => step(&mut self.ledger.app_mut(app).incoming_pods),
            Pressure::AnyOut(app, family) => {
                self.ledger.app_mut(app).outgoing.change(*family, up);
            }
        }
        match pressure {
            Pressure::PoolIn(pool) | Pressure::PoolOut(pool) => self.ledger.tidy_pool(pool),
            Pressure::PodIn(app) | Pressure::AnyOut(app, _) => self.ledger.tidy_app(app),
        }
    }
}

/// A record before it belongs to a plan.
#[derive(Debug)]
pub(super) struct Staged {
    record: Record,
    keeps_time: bool,
}

impl Staged {
    /// A record whose owner changes now.
    pub(super) fn new(record: Record) -> Self {
        Self {
            record,
            keeps_time: false,
        }
    }

    /// A record whose owner stays as it is.
    pub(super) fn same_owner(record: Record) -> Self {
        Self {
            record,
            keeps_time: true,
        }
    }

    fn into_record(self, draft: &Draft) -> Record {
        let updated_at = if self.keeps_time {
            self.record.updated_at
        } else {
            draft.at.wall
        };
        Record {
            updated_at,
            plan: Some(draft.id),
            ..self.record
        }
    }
}

fn owner_of(record: Option<&Record>) -> Option<Owner> {
    record.map(|record| record.owner.clone())
}

/// The app whose pods share the address, if it is in no pool.
fn any_slot_of(owner: &Owner) -> Option<AppRef> {
    let tenant = owner.tenant()?;
    (tenant.slot == Slot::Any && tenant.pool.is_none()).then(|| standing_key(tenant))
}
