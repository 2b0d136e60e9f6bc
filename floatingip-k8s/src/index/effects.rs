use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use floatingip_core::Name;
use floatingip_core::owner::AppRef;

use super::PodEntry;

/// What the life cycle has to look at since it took the last ones: sets, not a queue, so that what
/// happens twice is looked at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Pods that have ended, by UID.
    pub ended: BTreeMap<Name, Ended>,
    /// Pods that are bound now, by UID, with the addresses that the binding names.
    pub bound: BTreeMap<Name, Vec<IpAddr>>,
    /// Pods that wait for an address and are new or changed, by namespace and name.
    pub waiting: BTreeSet<(Name, Name)>,
    /// Apps that are new or changed.
    pub apps: BTreeSet<AppRef>,
    /// Apps that the watch no longer has: gone once a live read says so too.
    pub apps_perhaps_gone: BTreeSet<AppRef>,
    /// Nodes that came, changed or went.
    pub nodes: BTreeMap<Name, NodeChange>,
    /// There was more than anybody took in time, and some of it is not listed here: sweep everything.
    pub incomplete: bool,
}

/// A pod that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// The node it was bound to.
    pub node: Option<Name>,
    /// How it ended.
    pub how: HowEnded,
}

/// How a pod ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowEnded {
    /// Succeeded or failed.
    Finished,
    /// Deleted: it was never bound, or its node is ready, or its node is gone too.
    Deleted,
    /// Deleted while its node did not report: it may still run there.
    Unreachable,
}

/// What became of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeChange {
    /// It is there.
    Present {
        /// Its InternalIPs.
        addresses: Vec<IpAddr>,
        /// Whether its kubelet reports.
        ready: bool,
    },
    /// It was deleted.
    Gone,
}

/// The most entries of one set, if nobody takes them.
const MOST: usize = 1 << 16;

impl Effects {
    /// Whether there is nothing to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn ended(&mut self, pod: &PodEntry, how: HowEnded) {
        self.bound.remove(&pod.uid);
        self.waiting
            .remove(&(pod.namespace.clone(), pod.name.clone()));
        self.room(self.ended.len());
        let ended = Ended {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            node: pod.node.clone(),
            how,
        };
        self.ended.entry(pod.uid.clone()).or_insert(ended);
    }

    pub(super) fn bound(&mut self, pod: &PodEntry) {
        self.waiting
            .remove(&(pod.namespace.clone(), pod.name.clone()));
        self.bound
            .insert(pod.uid.clone(), pod.bound_addresses.clone());
    }

    pub(super) fn waiting(&mut self, pod: &PodEntry) {
        self.waiting
            .insert((pod.namespace.clone(), pod.name.clone()));
    }

    pub(super) fn app(&mut self, app: &AppRef) {
        self.apps_perhaps_gone.remove(app);
        self.apps.insert(app.clone());
    }

    pub(super) fn app_perhaps_gone(&mut self, app: &AppRef) {
        self.apps.remove(app);
        self.room(self.apps_perhaps_gone.len());
        self.apps_perhaps_gone.insert(app.clone());
    }

    pub(super) fn node(&mut self, name: &Name, change: NodeChange) {
        self.room(self.nodes.len());
        self.nodes.insert(name.clone(), change);
    }

    /// Drops what concerns objects that are no more, when there is too much of it.
    fn room(&mut self, length: usize) {
        if length >= MOST {
            self.ended.clear();
            self.apps_perhaps_gone.clear();
            self.nodes.clear();
            self.incomplete = true;
        }
    }
}
