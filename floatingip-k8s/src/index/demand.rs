use std::collections::{BTreeSet, HashMap};

use floatingip_core::owner::AppRef;
use kube::core::ApiResource;

use super::Index;
use super::discover::Discovered;
use super::kinds::KindRef;
use crate::object::OwnerRef;

/// The kinds that somebody needs beyond those that are always watched, and what discovery says of them.
#[derive(Debug, Default)]
pub(super) struct Demand {
    wanted: BTreeSet<KindRef>,
    found: HashMap<KindRef, Discovered>,
    raised: bool,
}

/// The most kinds: more look like somebody plays with owner references.
const MOST_KINDS: usize = 256;

impl Demand {
    fn raise(&mut self, kind: KindRef) {
        if self.wanted.len() < MOST_KINDS && self.wanted.insert(kind) {
            self.raised = true;
        }
    }
}

impl Index {
    /// Asks for the kind to be discovered and, if it scales, watched. Pods and ReplicaSets that come in
    /// ask for their controllers' kinds by themselves; whoever loads records asks for their apps'.
    pub fn demand(&mut self, kind: KindRef) {
        if kind.scales_by_nature().is_none() && !kind.kind.is_empty() {
            self.demand.raise(kind);
        }
    }

    pub(super) fn demand_owner(&mut self, owner: Option<&OwnerRef>) {
        if let Some(owner) = owner {
            self.demand(kind_of(owner));
        }
    }

    /// Every kind that was asked for.
    #[must_use]
    pub fn demanded(&self) -> Vec<KindRef> {
        self.demand.wanted.iter().cloned().collect()
    }

    /// Whether there are new ones since this was asked last.
    pub(super) fn take_demand(&mut self) -> bool {
        std::mem::take(&mut self.demand.raised)
    }

    /// What discovery has found. Pods that waited for it are to be looked at again.
    pub fn discovered(&mut self, kind: &KindRef, found: &Discovered) {
        let former = self.demand.found.insert(kind.clone(), found.clone());
        if former.as_ref() != Some(found) {
            self.wake_waiting();
        }
    }

    fn wake_waiting(&mut self) {
        for pod in self.pods.waiting() {
            self.effects.waiting(pod);
        }
    }

    /// Where an app's kind is served; none while it was not discovered.
    #[must_use]
    pub fn resource(&self, app: &AppRef) -> Option<ApiResource> {
        let kind = KindRef::of(app);
        let found = self.demand.found.get(&kind);
        let found = found.or_else(|| self.demand.found.get(self.group_of(&kind.kind)?));
        found.map(|found| found.resource.clone())
    }

    /// Whether a kind has a scale subresource; none while nobody can tell.
    #[must_use]
    pub fn scales(&self, kind: &KindRef) -> Option<bool> {
        let known = || self.demand.found.get(kind).map(|found| found.scales);
        kind.scales_by_nature().or_else(known)
    }

    /// The kind that an old record means which names no group: the only discovered one of that name.
    pub(super) fn group_of(&self, kind: &str) -> Option<&KindRef> {
        let mut found = self.demand.found.keys().filter(|known| known.kind == kind);
        let first = found.next();
        first.filter(|_| found.next().is_none())
    }
}

pub(super) fn kind_of(owner: &OwnerRef) -> KindRef {
    KindRef {
        group: owner.group.clone(),
        kind: owner.kind.clone(),
    }
}
