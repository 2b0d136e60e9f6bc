//! Apps as somebody told of them: durable, and mirrored in memory for decisions.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use floatingip_core::Fact;
use floatingip_core::fact::{AppState, NodeState, PodState, World};
use floatingip_core::owner::AppRef;
use floatingip_core::record::Version;
use thiserror::Error;

/// The most apps that are kept, those that are gone and still have addresses among them. At about
/// 300 bytes each they take some 20 MB of memory at most.
pub const MOST_APPS: u64 = 1 << 16;

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
pub struct Apps(Arc<RwLock<HashMap<AppRef, AppRow>>>);

impl Apps {
    /// What was told of the app; none where nobody told of it.
    pub fn told(&self, app: &AppRef) -> Option<AppRow> {
        self.read().get(app).cloned()
    }

    /// The apps that are gone, with the versions of the writes that say so. O(n).
    pub fn gone(&self) -> Vec<(AppRef, Version)> {
        let rows = self.read();
        let gone = rows.iter().filter(|(_, row)| row.told == Told::Gone);
        gone.map(|(app, row)| (app.clone(), row.version)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether nobody told of any.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn replace(&self, rows: Vec<(AppRef, AppRow)>) {
        *self.write() = rows.into_iter().collect();
    }

    pub(super) fn take_in(&self, changes: Vec<(AppRef, Option<AppRow>)>) {
        if changes.is_empty() {
            return;
        }
        let mut rows = self.write();
        for (app, row) in changes {
            match row {
                Some(row) => rows.insert(app, row),
                None => rows.remove(&app),
            };
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<AppRef, AppRow>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<AppRef, AppRow>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World for Apps {
    fn app(&self, app: &AppRef) -> Fact<AppState> {
        match self.read().get(app).map(|row| &row.told) {
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
