//! Counts: what has happened since the engine was made, for metrics.

use super::Engine;
use crate::failure::Failure;
use crate::plan::Event;

/// How often what has happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    events: [u64; Event::ALL.len()],
    failures: [u64; Failure::ALL.len()],
}

impl Counts {
    /// Addresses to which this happened, and it is durable. What the engine does not write is not
    /// counted: drains.
    pub fn of_event(&self, event: Event) -> u64 {
        self.events.get(event as usize).copied().unwrap_or_default()
    }

    /// Requests for addresses that failed for this reason.
    pub fn of_failure(&self, failure: Failure) -> u64 {
        let count = self.failures.get(failure as usize);
        count.copied().unwrap_or_default()
    }

    pub(super) fn happened(&mut self, event: Event) {
        if let Some(count) = self.events.get_mut(event as usize) {
            *count += 1;
        }
    }
}

impl Engine {
    /// What has happened since the engine was made. O(1).
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Counts a request that was told that it gets nothing. The engine cannot know by itself which of its
    /// refusals is the last word.
    pub fn note_failure(&mut self, failure: Failure) {
        if let Some(count) = self.counts.failures.get_mut(failure as usize) {
            *count += 1;
        }
    }
}
