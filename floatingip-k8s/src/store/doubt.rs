//! Doubts: writes that were sent and have no certain outcome.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use floatingip_core::record::{PlanId, Target};

/// So many writes may be in doubt: more than an engine ever has open. Beyond, nothing is begun.
const MOST: usize = 1 << 20;

/// The writes that were begun and may still land.
///
/// A write is in doubt from its beginning, so that it stays so when whoever waits for it goes away.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    open: Mutex<HashSet<(PlanId, Target)>>,
}

/// Whether a write was in doubt when it was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// It is the first attempt.
    Fresh,
    /// An earlier attempt may still land.
    Doubtful,
}

impl Doubts {
    /// Begins a write. None where there is no room to remember it.
    pub(super) fn begin(&self, plan: PlanId, target: &Target) -> Option<Before> {
        let mut open = self.open();
        if open.len() >= MOST {
            return None;
        }
        let new = open.insert((plan, target.clone()));
        Some(if new { Before::Fresh } else { Before::Doubtful })
    }

    /// Its outcome is certain.
    pub(super) fn end(&self, plan: PlanId, target: &Target) {
        self.open().remove(&(plan, target.clone()));
    }

    pub(super) fn len(&self) -> usize {
        self.open().len()
    }

    fn open(&self) -> MutexGuard<'_, HashSet<(PlanId, Target)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
