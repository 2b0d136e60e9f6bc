use floatingip_core::Name;

use crate::index::Index;
use crate::index::kinds::Kind;
use crate::object::{Identity, Malformed, NodeObject};

impl Index {
    pub(super) fn apply_node(&mut self, node: &NodeObject) -> Result<(), Malformed> {
        let identity = Identity::of(&node.metadata)?;
        self.kinds
            .readable(&Kind::Nodes, &identity.namespace, &identity.name);
        let addresses = node.addresses().collect();
        let change = self.nodes.insert(&identity, addresses, node.ready());
        if let Some(change) = change {
            self.effects.node(&identity.name, change);
        }
        Ok(())
    }

    pub(super) fn delete_node(&mut self, node: &NodeObject) -> Result<(), Malformed> {
        let identity = Identity::of(&node.metadata)?;
        self.kinds
            .readable(&Kind::Nodes, &identity.namespace, &identity.name);
        if let Some(change) = self.nodes.remove(&identity.name, identity.version) {
            self.effects.node(&identity.name, change);
        }
        Ok(())
    }

    pub(super) fn node_vanished(&mut self, name: &Name, version: u64) {
        if let Some(change) = self.nodes.remove(name, version) {
            self.effects.node(name, change);
        }
    }
}
