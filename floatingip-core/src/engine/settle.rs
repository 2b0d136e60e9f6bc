//! Settling: the only end of a plan.

use std::net::IpAddr;
use std::sync::Arc;

use super::ledger::Known;
use super::{Attempt, Engine};
use crate::owner::Owner;
use crate::plan::{Entry, Event, Plan, Write};
use crate::record::{Target, Value, Version};
use crate::store::Outcome;
use crate::time::Now;

/// What became of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// What is durable now.
    pub applied: Vec<Target>,
    /// What somebody else had changed before.
    pub refused: Vec<Target>,
    /// What the store did not do.
    pub unavailable: Vec<Target>,
}

impl Settled {
    /// Whether every write of the plan is durable.
    pub fn is_complete(&self) -> bool {
        self.refused.is_empty() && self.unavailable.is_empty()
    }
}

impl Engine {
    /// Ends a plan: takes in what became of each of its writes, in their order, and lets go of its
    /// addresses. Cannot fail. An outcome that is missing leaves its address held, which is safe: what
    /// is not certain is never settled by absence.
    pub fn settle(&mut self, plan: Plan, outcomes: Vec<Outcome>, now: Now) -> Settled {
        let id = plan.batch.id;
        let mut settled = Settled::default();
        let before = self.weights(id);
        for (write, outcome) in plan.batch.writes.into_iter().zip(outcomes) {
            let target = write.target.clone();
            let observed = self.held.remove(&target).and_then(|held| held.observed);
            match outcome {
                Outcome::Applied(version) => {
                    settled.applied.push(target.clone());
                    self.take_applied(write, version, now);
                }
                Outcome::Refused(current) => {
                    settled.refused.push(target.clone());
                    self.take_refused(&write, current, now);
                }
                Outcome::Unavailable => {
                    settled.unavailable.push(target.clone());
                    self.let_go(&target);
                }
            }
            if let Some((version, value)) = observed {
                self.take_in(&target, version, value, now);
            }
        }
        // Last, so that an app whose first address this is stays known, with its cap.
        let filled = self.fills_a_slot(id);
        self.relieve(id);
        // What somebody else wrote meanwhile may have been counted beside what the plan was to do.
        if !settled.is_complete() || filled || self.is_lighter(&before) {
            self.note_opening();
        }
        settled
    }

    fn take_applied(&mut self, write: Write, version: Version, now: Now) {
        if let Some(entry) = &write.entry {
            self.counts.happened(entry.event);
        }
        match (write.target, write.put) {
            (Target::Address(ip), Some(Value::Address(record))) => {
                let again = self.is_fresh(ip);
                let record = Arc::new(record);
                self.set_record(ip, Some(Known { version, record }), now);
                if let Some(entry) = write.entry {
                    self.note_attempt(ip, &entry, again, now);
                }
            }
            (Target::Pool(pool), Some(Value::Pool(record))) => {
                self.set_pool(pool, Some((version, record)));
            }
            (target, _) => self.forget(&target, version, now),
        }
    }

    /// From an allocation on, its pod has to get bound. One that is made again, on another node, is as
    /// fresh as it was; one that takes another pod's place has somebody to go back to.
    fn note_attempt(&mut self, ip: IpAddr, entry: &Entry, was_fresh: bool, now: Now) {
        if entry.event != Event::Allocate || self.settings.binds_at_once {
            return;
        }
        let uid = |owner: &Option<Owner>| Some(owner.as_ref()?.pod()?.uid.clone());
        let again = was_fresh && uid(&entry.from) == uid(&entry.to);
        let attempt = Attempt {
            at: now.elapsed,
            fresh: entry.from.is_none() || again,
        };
        self.provisional.insert(ip, attempt);
    }

    /// Something else is there than the plan expected: that is what is true.
    fn take_refused(&mut self, write: &Write, current: Option<(Version, Value)>, now: Now) {
        match current {
            Some((version, value)) => {
                self.take_in(&write.target, version, Some(value), now);
                self.let_go(&write.target);
            }
            None => match write.expect {
                Some(version) => {
                    self.miss(&write.target, now);
                    self.forget(&write.target, version, now);
                }
                None => self.let_go(&write.target),
            },
        }
    }

    /// The record is gone, as of `version`.
    pub(super) fn forget(&mut self, target: &Target, version: Version, now: Now) {
        if self.settings.shared_store {
            let tombstone = self.tombstones.entry(target.clone()).or_default();
            *tombstone = version.max(*tombstone);
        }
        match target {
            Target::Address(ip) => self.set_record(*ip, None, now),
            Target::Pool(pool) => self.set_pool(pool.clone(), None),
        }
    }

    /// The target is as it was before the plan.
    fn let_go(&mut self, target: &Target) {
        let Target::Address(ip) = target else { return };
        if let Some(record) = self.ledger.record(*ip).cloned() {
            self.ledger.offer(*ip, &record);
        }
        self.refresh(*ip);
    }
}
