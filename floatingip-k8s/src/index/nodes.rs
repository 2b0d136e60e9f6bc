use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use floatingip_core::Name;
use floatingip_core::fact::NodeState;
use floatingip_core::topology::{Reach, Topology};

use super::effects::NodeChange;
use super::kinds::Key;
use crate::object::Identity;

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
    /// A reach, and the places of the nodes that have it among the names asked for; by first place.
    pub groups: Vec<(Reach, Vec<usize>)>,
    /// The places of names that no known node has.
    pub unknown: Vec<usize>,
}

impl Nodes {
    pub(super) fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        self.all.get(name).map(|node| node.addresses.as_slice())
    }

    /// The one place where core's type is made.
    pub(super) fn state(&self, name: &str) -> Option<NodeState> {
        self.all.get(name).map(|node| NodeState::new(node.ready))
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.all.keys().map(|name| (Name::default(), name.clone()))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&Name, &[IpAddr])> {
        self.all
            .iter()
            .map(|(name, node)| (name, node.addresses.as_slice()))
    }

    /// Takes in a node, unless a newer state of it is here. Says what that changed, if anything.
    pub(super) fn insert(
        &mut self,
        identity: &Identity,
        addresses: Vec<IpAddr>,
        ready: bool,
    ) -> Option<NodeChange> {
        if let Some(former) = self.all.get_mut(&identity.name) {
            if former.version >= identity.version {
                return None;
            }
            if former.addresses == addresses && former.ready == ready {
                former.version = identity.version;
                return None;
            }
        }
        let entry = NodeEntry {
            version: identity.version,
            reach: self.reaches.place(self.topology.reach(&addresses)),
            addresses: addresses.clone(),
            ready,
        };
        self.all.insert(identity.name.clone(), entry);
        self.compact();
        Some(NodeChange::Present { addresses, ready })
    }

    /// Takes out a node, unless a state of it newer than `version` is here.
    pub(super) fn remove(&mut self, name: &Name, version: u64) -> Option<NodeChange> {
        let node = self.all.get(name)?;
        if node.version > version {
            return None;
        }
        self.all.remove(name);
        Some(NodeChange::Gone)
    }

    /// Forgets reaches that no node has any more, once they are the most.
    fn compact(&mut self) {
        if self.reaches.list.len() > 2 * self.all.len() + 16 {
            self.set_topology(Arc::clone(&self.topology));
        }
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

    /// Every reach that some node has had since the topology was set.
    pub(super) fn reaches(&self) -> &[Reach] {
        &self.reaches.list
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
        let mut groups: Vec<_> = groups
            .map(|(reach, places)| (reach.clone(), places))
            .collect();
        groups.sort_unstable_by_key(|(_, places)| places.first().copied());
        Grouped { groups, unknown }
    }
}
