use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use floatingip_core::Name;
use floatingip_core::owner::AppRef;
use jiff::Timestamp;

use super::PodEntry;
use super::groups::Groups;

/// The pods that concern us, by everything they are asked for by.
#[derive(Debug, Default)]
pub(super) struct Pods {
    by_name: HashMap<Name, HashMap<Name, Arc<PodEntry>>>,
    by_uid: HashMap<Name, Arc<PodEntry>>,
    by_node: Groups<Name, Name>,
    by_controller: Groups<AppRef, Name>,
    waiting: BTreeSet<Turn>,
}

/// Whose turn it is: by priority, then age.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    priority: Reverse<i32>,
    created: Timestamp,
    namespace: Name,
    name: Name,
}

impl Turn {
    fn of(pod: &PodEntry) -> Self {
        Self {
            priority: Reverse(pod.priority),
            created: pod.created,
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
        }
    }
}

impl Pods {
    pub(super) fn len(&self) -> usize {
        self.by_uid.len()
    }

    pub(super) fn named(&self, namespace: &str, name: &str) -> Option<&Arc<PodEntry>> {
        self.by_name.get(namespace)?.get(name)
    }

    pub(super) fn with_uid(&self, uid: &str) -> Option<&Arc<PodEntry>> {
        self.by_uid.get(uid)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<PodEntry>> {
        self.by_uid.values()
    }

    pub(super) fn on(&self, node: &str) -> impl Iterator<Item = &PodEntry> {
        self.entries(self.by_node.of(node))
    }

    pub(super) fn controlled_by(&self, app: &AppRef) -> impl Iterator<Item = &PodEntry> {
        self.entries(self.by_controller.of(app))
    }

    fn entries<'a>(
        &'a self,
        uids: impl Iterator<Item = &'a Name>,
    ) -> impl Iterator<Item = &'a PodEntry> {
        uids.filter_map(|uid| self.by_uid.get(uid))
            .map(AsRef::as_ref)
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &PodEntry> {
        let turns = self.waiting.iter();
        turns.filter_map(|turn| self.named(&turn.namespace, &turn.name).map(AsRef::as_ref))
    }

    /// Puts the pod in the place of what has its name.
    pub(super) fn insert(&mut self, pod: PodEntry) {
        self.remove(&pod.namespace, &pod.name);
        let pod = Arc::new(pod);
        if let Some(node) = &pod.node {
            self.by_node.insert(node.clone(), pod.uid.clone());
        }
        if let Some(owner) = &pod.controller {
            self.by_controller
                .insert(owner.app(&pod.namespace), pod.uid.clone());
        }
        if pod.is_waiting() {
            self.waiting.insert(Turn::of(&pod));
        }
        self.by_uid.insert(pod.uid.clone(), Arc::clone(&pod));
        let namespace = self.by_name.entry(pod.namespace.clone()).or_default();
        namespace.insert(pod.name.clone(), pod);
    }

    pub(super) fn remove(&mut self, namespace: &str, name: &str) -> Option<Arc<PodEntry>> {
        let named = self.by_name.get_mut(namespace)?;
        let pod = named.remove(name)?;
        if named.is_empty() {
            self.by_name.remove(namespace);
        }
        self.by_uid.remove(&pod.uid);
        if let Some(node) = &pod.node {
            self.by_node.remove(node, &pod.uid);
        }
        if let Some(owner) = &pod.controller {
            self.by_controller
                .remove(&owner.app(&pod.namespace), &pod.uid);
        }
        self.waiting.remove(&Turn::of(&pod));
        Some(pod)
    }

    /// The pod of that UID was bound; the watch will tell the same with a newer version.
    pub(super) fn bind(&mut self, uid: &str, node: &Name, addresses: &[IpAddr]) {
        let unbound = self.by_uid.get(uid).filter(|pod| pod.node.is_none());
        if let Some(pod) = unbound.map(|pod| PodEntry::clone(pod)) {
            self.insert(PodEntry {
                node: Some(node.clone()),
                bound_addresses: addresses.to_vec(),
                ..pod
            });
        }
    }
}
