//! What changed lately: the echo of the writes, and the journal.

use std::collections::VecDeque;

use thiserror::Error;

use super::MemoryStore;
use crate::plan::Entry;
use crate::record::{Target, Value, Version};

/// One write that a [`MemoryStore`] made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which record.
    pub target: Target,
    /// The version of the change, also where it is a deletion.
    pub version: Version,
    /// What is there since; none after a deletion.
    pub value: Option<Value>,
    /// The line for the journal, if the write had one.
    pub entry: Option<Entry>,
}

/// The changes somebody asks for are no longer remembered: load everything instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("changes up to version {until} are forgotten, asked for those after {since}: load again")]
pub struct Forgotten {
    /// After which version changes were asked for.
    pub since: Version,
    /// The newest change that is forgotten.
    pub until: Version,
}

/// The last changes, at most `capacity` of them.
#[derive(Debug)]
pub(super) struct History {
    changes: VecDeque<Change>,
    capacity: usize,
    /// The newest change that is no longer among them.
    forgotten: Version,
}

impl Default for History {
    fn default() -> Self {
        Self {
            changes: VecDeque::new(),
            capacity: MemoryStore::HISTORY,
            forgotten: Version::default(),
        }
    }
}

impl History {
    pub(super) fn push(&mut self, change: Change) {
        self.changes.push_back(change);
        self.shrink();
    }

    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.shrink();
    }

    pub(super) fn since(&self, since: Version) -> Result<Vec<Change>, Forgotten> {
        if since < self.forgotten {
            return Err(Forgotten {
                since,
                until: self.forgotten,
            });
        }
        let first = self
            .changes
            .partition_point(|change| change.version <= since);
        Ok(self.changes.range(first..).cloned().collect())
    }

    pub(super) fn journal(&self) -> Vec<(Target, Entry)> {
        let line = |change: &Change| Some((change.target.clone(), change.entry.clone()?));
        self.changes.iter().filter_map(line).collect()
    }

    fn shrink(&mut self) {
        while self.changes.len() > self.capacity {
            if let Some(oldest) = self.changes.pop_front() {
                self.forgotten = oldest.version;
            }
        }
    }
}
