//! Observing: taking in changes that others made to the store.

use std::sync::Arc;

use super::flaw::Flaw;
use super::ledger::Known;
use super::{Engine, Missing};
use crate::record::{Target, Value, Version};
use crate::time::Now;

/// A change of one record, as a watch tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Which record.
    pub target: Target,
    /// The version of the change; of a deletion, its own.
    pub version: Version,
    /// What is there now; none after a deletion.
    pub value: Option<Value>,
}

/// What an observation was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is newer than what was known, and was taken in.
    Taken,
    /// It is not newer than what is known.
    Old,
    /// A plan is about to change the same record: it waits until that is settled.
    Waits,
}

impl Engine {
    /// Takes in a change that others made. What is not newer than the ledger is ignored; what
    /// concerns an open plan waits until it is settled. A record that is deleted under a live pod is
    /// held, and the next sweep writes it again.
    pub fn observe(&mut self, observed: Observed, now: Now) -> Seen {
        if let Some(held) = self.held.get_mut(&observed.target) {
            let known = held.observed.as_ref().map(|(version, _)| *version);
            if known.is_some_and(|known| known >= observed.version) {
                return Seen::Old;
            }
            held.observed = Some((observed.version, observed.value));
            return Seen::Waits;
        }
        self.take_in(&observed.target, observed.version, observed.value, now)
    }

    /// Everything up to `version` has been observed: deletions before it need not be remembered.
    pub fn caught_up(&mut self, version: Version) {
        self.tombstones.retain(|_, deleted| *deleted > version);
    }

    pub(super) fn take_in(
        &mut self,
        target: &Target,
        version: Version,
        value: Option<Value>,
        now: Now,
    ) -> Seen {
        if self
            .version_of(target)
            .is_some_and(|known| known >= version)
            && !self.has_flaw(Flaw::OlderVersionApplied)
        {
            return Seen::Old;
        }
        match (target, value) {
            (Target::Address(ip), Some(Value::Address(record))) => {
                self.tombstones.remove(target);
                self.set_record(
                    *ip,
                    Some(Known {
                        version,
                        record: Arc::new(record),
                    }),
                    now,
                );
            }
            (Target::Pool(pool), Some(Value::Pool(record))) => {
                self.tombstones.remove(target);
                self.set_pool(pool.clone(), Some((version, record)));
            }
            _ => {
                self.miss(target, now);
                self.forget(target, version, now);
            }
        }
        Seen::Taken
    }

    /// Holds the address of a live pod whose record others deleted.
    pub(super) fn miss(&mut self, target: &Target, now: Now) {
        let Target::Address(ip) = target else { return };
        let live = self
            .ledger
            .record(*ip)
            .filter(|record| record.is_live())
            .cloned();
        if let Some(record) = live {
            let attempt = self.attempt_at(*ip, now);
            self.missing.insert(*ip, Missing { record, attempt });
        }
    }

    fn version_of(&self, target: &Target) -> Option<Version> {
        let known = match target {
            Target::Address(ip) => self.ledger.known(*ip).map(|known| known.version),
            Target::Pool(pool) => self.pools.get(pool).map(|(version, _)| *version),
        };
        known.or_else(|| self.tombstones.get(target).copied())
    }
}
