//! What this adapter knows of the cluster: pods, nodes and apps, kept by watches, asked by everybody.
//!
//! [`Index`] is synchronous and does no I/O: [`watch`] feeds it, [`SharedIndex`] shares it, and core
//! asks it as its [`World`]. What its changes mean for the life cycle is collected in [`Effects`].
//!
//! - A pod that wants no address is not kept at all. Absence is `Gone` only while the watch of the kind
//!   works and nothing in it is unreadable that might be what was asked for; else it is `Unknown`.
//! - An absent app is `Unknown` until a live read did not find it either ([`Index::confirm_gone`]).
//! - Of two states of one object the one with the higher resourceVersion stays, in whatever order they
//!   come.
//! - Nodes that reach the same subnets share one [`Reach`], so that a list of names is grouped by one
//!   hash look-up each.
//!
//! [`World`]: floatingip_core::fact::World

pub use self::apps::{AppEntry, Rollout};
pub use self::discover::Discovered;
pub use self::effects::{Effects, Ended, HowEnded, NodeChange};
pub use self::entry::{Annotations, PodEntry};
pub use self::failure::Failure;
pub use self::feed::Seen;
pub use self::kinds::{Kind, KindRef, KindStatus};
pub use self::nodes::Grouped;
pub use self::shared::{SharedIndex, Writing};

mod apps;
mod backoff;
mod demand;
mod discover;
mod effects;
mod entry;
mod facts;
mod failure;
mod feed;
mod groups;
mod kinds;
pub mod live;
mod nodes;
mod pods;
mod reflector;
mod scale;
mod shared;
pub mod watch;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use floatingip_core::Name;
use floatingip_core::owner::AppRef;
use floatingip_core::topology::{Reach, Topology};

use self::apps::Apps;
use self::demand::Demand;
use self::kinds::Kinds;
use self::nodes::Nodes;
use self::pods::Pods;

/// Pods, nodes and apps as last seen.
#[derive(Debug, Default)]
pub struct Index {
    pods: Pods,
    nodes: Nodes,
    apps: Apps,
    kinds: Kinds,
    demand: Demand,
    effects: Effects,
}

impl Index {
    /// The pod of that name, if it wants an address or names some. One look-up.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&PodEntry> {
        self.pods.named(namespace, name).map(AsRef::as_ref)
    }

    /// The same, to be kept without the lock: not copied, but shared.
    #[must_use]
    pub fn shared_pod(&self, namespace: &str, name: &str) -> Option<Arc<PodEntry>> {
        self.pods.named(namespace, name).cloned()
    }

    /// The pod of that UID, if it is there and concerns us.
    #[must_use]
    pub fn pod_of_uid(&self, uid: &str) -> Option<&PodEntry> {
        self.pods.with_uid(uid).map(AsRef::as_ref)
    }

    /// Every pod that wants an address or names some, in no order.
    pub fn pods(&self) -> impl Iterator<Item = &Arc<PodEntry>> {
        self.pods.all()
    }

    /// Those that are bound to a node.
    pub fn pods_on(&self, node: &str) -> impl Iterator<Item = &PodEntry> {
        self.pods.on(node)
    }

    /// Those of an app: that it controls, or that a ReplicaSet controls which it controls.
    pub fn pods_of_app(&self, app: &AppRef) -> impl Iterator<Item = &PodEntry> {
        let through = self.apps.replica_sets(app);
        let through = through.flat_map(|replica_set| self.pods.controlled_by(replica_set));
        self.pods.controlled_by(app).chain(through)
    }

    /// Unbound pods that want an address, by priority from high to low, then by age. Those that end or
    /// that a gate holds back are not among them.
    pub fn waiting(&self) -> impl Iterator<Item = &PodEntry> {
        self.pods.waiting()
    }

    /// What is known of an app, whether core may be told of it or not.
    #[must_use]
    pub fn app_entry(&self, app: &AppRef) -> Option<&AppEntry> {
        self.apps.of(app)
    }

    /// The InternalIPs of a node; none if no such node is known.
    #[must_use]
    pub fn node_addresses(&self, node: &str) -> Option<&[IpAddr]> {
        self.nodes.addresses(node)
    }

    /// Every node with its InternalIPs, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = (&Name, &[IpAddr])> {
        self.nodes.all()
    }

    /// From now on nodes reach what this topology says. Takes time proportional to nodes times subnets.
    pub fn set_topology(&mut self, topology: Arc<Topology>) {
        self.nodes.set_topology(topology);
    }

    /// The subnets that the node may use, under the present topology.
    #[must_use]
    pub fn reach_of(&self, node: &str) -> Option<&Reach> {
        self.nodes.reach_of(node)
    }

    /// Groups nodes by what they reach, in one hash look-up for each name.
    #[must_use]
    pub fn group(&self, names: &[&str]) -> Grouped {
        self.nodes.group(names)
    }

    /// Every reach that nodes have, each once.
    #[must_use]
    pub fn reaches(&self) -> &[Reach] {
        self.nodes.reaches()
    }

    /// Whether every kind that is always watched has been listed as a whole.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.kinds.are_listed(&Kind::built_in())
    }

    /// How each kind's watch fares, in order.
    #[must_use]
    pub fn synced(&self) -> BTreeMap<Kind, KindStatus> {
        let status = self.kinds.all();
        status
            .map(|(kind, state)| (kind.clone(), state.status(self.objects(kind))))
            .collect()
    }

    fn objects(&self, kind: &Kind) -> usize {
        match kind {
            Kind::Pods => self.pods.len(),
            Kind::Nodes => self.nodes.len(),
            Kind::Apps(kind) => self.apps.count(kind),
        }
    }

    /// Hands over what is to be looked at, and begins anew.
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    pub(crate) fn answered(&mut self, kind: &Kind, request: u64) {
        self.kinds.answered(kind, request);
    }

    pub(crate) fn is_caught_up(&self, request: u64) -> bool {
        self.kinds.all_answered(request, &Kind::built_in())
    }

    pub(crate) fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// A live read did not find the app, while its kind is served: unless it is here, it is gone. Holds
    /// until the app appears; of the confirmations only so many are kept.
    pub fn confirm_gone(&mut self, app: &AppRef) {
        // Whoever asks for it again, by an old record without its group too, asks by its full name.
        let app = self.full(app).into_owned();
        self.apps.confirm_gone(&app);
    }
}

#[cfg(test)]
mod tests;
