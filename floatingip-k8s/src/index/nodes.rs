use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use floatingip_core::fact::{Fact, NodeState};
use floatingip_core::Name;
use floatingip_core::topology::{Reach, Topology};

/// Nodes by name, and what they reach. Nodes that reach the same share it.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    all: HashMap<Name, NodeEntry>,
    topology: Arc<Topology>,
    reaches: Reaches,
}

/// What is kept of a node.
#[derive(Clone, Debug)]
struct NodeEntry {
    version: u64,
    addresses: Vec<IpAddr>,
    ready: bool,
    /// Its place in the list of reaches.
    reach: usize,
}

/// Every reach that some node has, once.
#[derive(Debug, Default)]
struct Reaches {
    list: Vec<Reach>,
    places: HashMap<Reach, usize>,
}

impl Reaches {
    fn place(&mut self, reach: Reach) -> usize {
        if let Some(place) = self.places.get(&reach) {
            return *place;
        }
        let place = self.list.len();
        self.list.push(reach.clone());
        self.places.insert(reach, place);
        place
    }
}

/// Nodes that reach the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouped {
    /// A reach, and the places of the nodes that have it among the names asked for.
    pub groups: Vec<(Reach, Vec<usize>)>,
    /// The places of names that no known node has.
    pub unknown: Vec<usize>,
}

impl Nodes {
    pub(super) fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        self.all.get(name).map(|node| node.addresses.as_slice())
    }

    pub(super) fn fact(&self, name: &str) -> Fact<NodeState> {
        let ready = |node: &NodeEntry| NodeState { ready: node.ready };
        self.all
            .get(name)
            .map_or(Fact::Unknown, |node| Fact::Known(ready(node)))
    }

    pub(super) fn reach_of(&self, name: &str) -> Option<&Reach> {
        let node = self.all.get(name)?;
        self.reaches.list.get(node.reach)
    }

    pub(super) fn set_topology(&mut self, topology: Arc<Topology>) {
        self.topology = topology;
        self.reaches = Reaches::default();
        for node in self.all.values_mut() {
            node.reach = self.reaches.place(self.topology.reach(&node.addresses));
        }
    }

    pub(super) fn group(&self, names: &[&str]) -> Grouped {
        let mut places: Vec<Vec<usize>> = vec![Vec::new(); self.reaches.list.len()];
        let mut unknown = Vec::new();
        for (place, name) in names.iter().enumerate() {
            let node = self.all.get(*name);
            match node.and_then(|node| places.get_mut(node.reach)) {
                Some(group) => group.push(place),
                None => unknown.push(place),
            }
        }
        let groups = self.reaches.list.iter().zip(places);
        let groups = groups.filter(|(_, places)| !places.is_empty());
        Grouped {
            groups: groups
                .map(|(reach, places)| (reach.clone(), places))
                .collect(),
            unknown,
        }
    }
}
