//! Apps as somebody told of them: durable, and mirrored in memory for decisions.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use floatingip_core::Fact;
use floatingip_core::fact::{AppState, NodeState, PodState, Slots, World};
use floatingip_core::owner::AppRef;
use floatingip_core::record::Version;
use thiserror::Error;

/// The most apps that are kept, those that are gone and still have addresses among them. At about
/// 300 bytes each they take some 20 MB of memory at most.
pub const MOST_APPS: u64 = 1 << 16;

/// The most nodes that are named by all apps together: at about 100 bytes each some 25 MB. Looked at before
/// an app is told of, so that those told of at the same moment may go beyond it.
pub const MOST_NAMED_NODES: usize = 1 << 18;

/// What was told of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is there, like this.
    There(AppState),
    /// It was deleted.
    Gone,
}

/// What was told of an app, and by which write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRow {
    /// The version of the write.
    pub version: Version,
    /// What was told.
    pub told: Told,
}

/// Every app that was told of, as the file has it: changed after the commit, before its answer.
/// Clones show the same.
///
/// As a [`World`] it says what it was told; of other apps, and of pods and nodes, it knows nothing.
#[derive(Clone, Debug, Default)]
pub struct Apps(Arc<RwLock<Rows>>);

#[derive(Debug, Default)]
struct Rows {
    by_app: HashMap<AppRef, AppRow>,
    named_nodes: usize,
}

impl Rows {
    fn set(&mut self, app: AppRef, row: Option<AppRow>) {
        self.named_nodes += row.as_ref().map_or(0, AppRow::named_nodes);
        let former = match row {
            Some(row) => self.by_app.insert(app, row),
            None => self.by_app.remove(&app),
        };
        self.named_nodes -= former.as_ref().map_or(0, AppRow::named_nodes);
    }
}

impl AppRow {
    fn named_nodes(&self) -> usize {
        match &self.told {
            Told::There(state) => named_nodes(state),
            Told::Gone => 0,
        }
    }
}

fn named_nodes(state: &AppState) -> usize {
    match &state.slots {
        Slots::Nodes(nodes) => nodes.len(),
        _ => 0,
    }
}

impl Apps {
    /// What was told of the app; none where nobody told of it.
    pub fn told(&self, app: &AppRef) -> Option<AppRow> {
        self.read().by_app.get(app).cloned()
    }

    /// The apps that are gone, with the versions of the writes that say so. O(n).
    pub fn gone(&self) -> Vec<(AppRef, Version)> {
        let rows = self.read();
        let gone = rows.by_app.iter().filter(|(_, row)| row.told == Told::Gone);
        gone.map(|(app, row)| (app.clone(), row.version)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read().by_app.len()
    }

    /// Whether nobody told of any.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the nodes that `state` names find room beside those that other apps name.
    pub fn has_room_for(&self, app: &AppRef, state: &AppState) -> bool {
        let rows = self.read();
        let former = rows.by_app.get(app).map_or(0, AppRow::named_nodes);
        rows.named_nodes - former + named_nodes(state) <= MOST_NAMED_NODES
    }

    pub(super) fn replace(&self, rows: Vec<(AppRef, AppRow)>) {
        let mut all = Rows::default();
        for (app, row) in rows {
            all.set(app, Some(row));
        }
        *self.write() = all;
    }

    pub(super) fn take_in(&self, changes: Vec<(AppRef, Option<AppRow>)>) {
        if changes.is_empty() {
            return;
        }
        let mut rows = self.write();
        for (app, row) in changes {
            rows.set(app, row);
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World for Apps {
    fn app(&self, app: &AppRef) -> Fact<AppState> {
        match self.read().by_app.get(app).map(|row| &row.told) {
            Some(Told::There(state)) => Fact::Known(state.clone()),
            Some(Told::Gone) => Fact::Gone,
            None => Fact::Unknown,
        }
    }

    fn pod(&self, _: &str, _: &str) -> Fact<PodState> {
        Fact::Unknown
    }

    fn node(&self, _: &str) -> Fact<NodeState> {
        Fact::Unknown
    }
}

/// A change of what is kept of an app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppChange {
    /// It was told of.
    Tell(AppRef, Told),
    /// It was deleted: is gone from now on if anybody told of it. Of one that nobody told of nothing is kept.
    End(AppRef),
    /// It is there again, nobody says how: a row that says that it is gone goes.
    Revive(AppRef),
    /// It is gone, and nothing depends on it any more: goes if it was not written since.
    Forget(AppRef, Version),
}

/// Why a change of an app was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AppError {
    /// Certainly not written; the log has the cause.
    #[error("the app was not stored: check the disk and the free space on it")]
    Unavailable,
    /// Perhaps written; the log has the cause. Writing it again is harmless.
    #[error("the app was perhaps not stored: check the disk and the free space on it")]
    Unknown,
    /// There are [`MOST_APPS`] already.
    #[error("there are {MOST_APPS} apps already: delete those that are no more")]
    Full,
}
