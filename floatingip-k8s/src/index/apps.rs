use std::collections::{HashMap, HashSet, VecDeque};

use floatingip_core::Name;
use floatingip_core::fact::{AppState, Slots};
use floatingip_core::owner::AppRef;

use super::groups::Groups;
use super::kinds::{Key, KindRef};
use crate::object::OwnerRef;

/// What is kept of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppEntry {
    /// The resourceVersion.
    pub version: u64,
    /// The UID.
    pub uid: Name,
    /// What controls it (a ReplicaSet's Deployment).
    pub controller: Option<OwnerRef>,
    /// The slots it has.
    pub slots: Slots,
    /// How many addresses above its slots it may have and keep.
    pub surge: u32,
    /// How it replaces its pods, where that is a Deployment's.
    pub rollout: Option<Rollout>,
}

/// How a Deployment replaces its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// How many pods it may have above its replicas.
    pub max_surge: u32,
    /// How many pods may be missing. With 0, new pods come before old ones go: under a policy that keeps
    /// addresses, they wait for ever unless `surge: allow` is set.
    pub max_unavailable: u32,
}

impl AppEntry {
    /// As core asks for it: the one place where core's type is made.
    pub(super) fn state(&self) -> AppState {
        AppState::new(self.slots.clone())
            .with_uid(self.uid.clone())
            .with_surge(self.surge)
    }

    /// Whether a change concerns those who count its slots.
    pub(super) fn counts_as(&self, other: &Self) -> bool {
        self.uid == other.uid && self.slots == other.slots && self.surge == other.surge
    }
}

/// All workloads, and which of them are confirmed to be gone.
#[derive(Debug, Default)]
pub(super) struct Apps {
    all: HashMap<AppRef, AppEntry>,
    counts: HashMap<KindRef, usize>,
    /// What ReplicaSets an app has.
    replica_sets: Groups<AppRef, AppRef>,
    gone: Confirmed,
}

impl Apps {
    pub(super) fn of(&self, app: &AppRef) -> Option<&AppEntry> {
        self.all.get(app)
    }

    pub(super) fn count(&self, kind: &KindRef) -> usize {
        self.counts.get(kind).copied().unwrap_or(0)
    }

    pub(super) fn keys(&self, kind: &KindRef) -> impl Iterator<Item = Key> {
        self.of_kind(kind)
            .map(|app| (app.namespace.clone(), app.name.clone()))
    }

    fn of_kind(&self, kind: &KindRef) -> impl Iterator<Item = &AppRef> {
        let theirs = move |app: &&AppRef| app.kind == kind.kind && app.group == kind.group;
        self.all.keys().filter(theirs)
    }

    pub(super) fn replica_sets(&self, app: &AppRef) -> impl Iterator<Item = &AppRef> {
        self.replica_sets.of(app)
    }

    pub(super) fn insert(&mut self, app: AppRef, entry: AppEntry) -> Option<AppEntry> {
        self.gone.forget(&app);
        let former = self.remove(&app);
        if let Some(owner) = &entry.controller {
            self.replica_sets
                .insert(owner.app(&app.namespace), app.clone());
        }
        *self.counts.entry(KindRef::of(&app)).or_default() += 1;
        self.all.insert(app, entry);
        former
    }

    pub(super) fn remove(&mut self, app: &AppRef) -> Option<AppEntry> {
        let former = self.all.remove(app)?;
        if let Some(count) = self.counts.get_mut(&KindRef::of(app)) {
            *count -= 1;
        }
        if let Some(owner) = &former.controller {
            self.replica_sets.remove(&owner.app(&app.namespace), app);
        }
        Some(former)
    }

    pub(super) fn confirm_gone(&mut self, app: &AppRef) {
        if !self.all.contains_key(app) {
            self.gone.remember(app);
        }
    }

    /// A confirmation that the app is gone holds no longer.
    pub(super) fn doubt_end(&mut self, app: &AppRef) {
        self.gone.forget(app);
    }

    pub(super) fn is_confirmed_gone(&self, app: &AppRef) -> bool {
        self.gone.set.contains(app)
    }
}

/// Apps that a live read did not find, the oldest first.
#[derive(Debug, Default)]
struct Confirmed {
    set: HashSet<AppRef>,
    order: VecDeque<AppRef>,
}

impl Confirmed {
    /// The most that are remembered; whoever asks about a forgotten one reads it live again.
    const MOST: usize = 1 << 14;

    fn remember(&mut self, app: &AppRef) {
        if !self.set.insert(app.clone()) {
            return;
        }
        self.order.push_back(app.clone());
        while self.order.len() > Self::MOST {
            if let Some(oldest) = self.order.pop_front() {
                self.set.remove(&oldest);
            }
        }
    }

    fn forget(&mut self, app: &AppRef) {
        if self.set.remove(app) {
            self.order.retain(|remembered| remembered != app);
        }
    }
}
