//! Tally: how many addresses there are of each sort, for metrics.

use super::Engine;
use crate::owner::Owner;
use crate::record::{MarkKind, Record};

/// How many addresses there are of each sort. A quarantined or resting one is counted beside what it
/// is by its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// A pod has it.
    pub live: usize,
    /// It is kept for an app, a slot or a pool, without a pod.
    pub reserved: usize,
    /// An administrator reserved it, or nobody can read whose it is.
    pub administrators: usize,
    /// It has a mark that keeps everybody away.
    pub quarantined: usize,
    /// It has a mark that keeps all but its own slot away.
    pub resting: usize,
    /// It has an owner, and the configuration does not have it any more.
    pub draining: usize,
    /// Apps, not addresses: those whose pods keep their addresses, and whose number of slots was
    /// never known. Nothing caps them.
    pub apps_without_cap: usize,
}

impl Engine {
    /// How many addresses there are of each sort. Marks count until the sweep has taken them off.
    /// O(1).
    pub fn tally(&self) -> Tally {
        Tally {
            draining: self.outside,
            apps_without_cap: self.ledger.unlearnt(),
            ..*self.ledger.tally()
        }
    }
}

impl Tally {
    /// Counts what a record is by itself, or takes it back.
    pub(super) fn count(&mut self, record: &Record, up: bool) {
        let change = |count: &mut usize| {
            *count = match up {
                true => *count + 1,
                false => count.saturating_sub(1),
            };
        };
        match &record.owner {
            Owner::Administrator(_) => change(&mut self.administrators),
            Owner::Slot(tenant) if tenant.pod.is_some() => change(&mut self.live),
            Owner::Slot(_) | Owner::Pool(_) => change(&mut self.reserved),
            Owner::Nobody => {}
        }
        match record.mark.as_ref().map(|mark| mark.kind) {
            Some(MarkKind::Quarantine) => change(&mut self.quarantined),
            Some(MarkKind::Rest) => change(&mut self.resting),
            None => {}
        }
    }
}
