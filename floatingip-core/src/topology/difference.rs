//! What changes when one topology takes the place of another.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{PodSubnet, SubnetId, Topology, VlanId};
use crate::range::{IpRange, RangeSet};

/// What becomes of the addresses when one topology takes the place of another.
///
/// Entries have no names, so the two are compared address by address: entries that are moved,
/// split or joined change nothing for the addresses in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Configured now, but not before.
    pub added: RangeSet,
    /// Configured before, but not now: those with an owner become draining.
    pub removed: RangeSet,
    /// Configured before and now.
    pub kept: RangeSet,
    /// May be handed out now, but not before: added, no longer excluded, or no longer disabled.
    pub opened: RangeSet,
    /// Might be handed out before, but not now.
    pub closed: RangeSet,
    /// What is different for kept addresses, by old and then new subnet.
    pub changes: Vec<SubnetChange>,
}

/// What is different for the addresses that an old and a new subnet have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetChange {
    /// The subnet in the old topology.
    pub old: SubnetId,
    /// The subnet in the new topology.
    pub new: SubnetId,
    /// The addresses concerned.
    pub addresses: RangeSet,
    /// The network before and now, if it is another.
    pub net: Option<(IpNet, IpNet)>,
    /// The gateway before and now, if it is another.
    pub gateway: Option<(IpAddr, IpAddr)>,
    /// The VLAN before and now, if it is another.
    pub vlan: Option<(VlanId, VlanId)>,
    /// The node subnets before and now, if they are others.
    pub node_subnets: Option<(Vec<IpNet>, Vec<IpNet>)>,
    /// Whether it was disabled and is now, if that changed.
    pub disabled: Option<(bool, bool)>,
}

impl Difference {
    /// Whether nothing changes for any address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let sets = [&self.added, &self.removed, &self.opened, &self.closed];
        self.changes.is_empty() && sets.iter().all(|set| set.is_empty())
    }
}

impl SubnetChange {
    /// Whether pods that run on these addresses have something else in their network now: only
    /// their next attachment will have it right.
    #[must_use]
    pub fn concerns_running_pods(&self) -> bool {
        self.net.is_some() || self.gateway.is_some() || self.vlan.is_some()
    }
}

/// Compares two topologies, in O(n log n) of the number of their ranges.
#[must_use]
pub fn difference(old: &Topology, new: &Topology) -> Difference {
    let (before, now) = (old.configured(), new.configured());
    let (open_before, open_now) = (open(old), open(new));
    Difference {
        added: now.difference(&before),
        removed: before.difference(&now),
        kept: now.intersection(&before),
        opened: open_now.difference(&open_before),
        closed: open_before.difference(&open_now),
        changes: changes(old, new),
    }
}

/// What may be handed out.
fn open(topology: &Topology) -> RangeSet {
    let enabled = topology
        .subnets()
        .iter()
        .filter(|subnet| !subnet.disabled());
    enabled
        .flat_map(|subnet| subnet.usable().ranges())
        .copied()
        .collect()
}

fn changes(old: &Topology, new: &Topology) -> Vec<SubnetChange> {
    let compare = |((old_id, new_id), ranges): (_, Vec<IpRange>)| {
        let changed = compare(old.subnet(old_id)?, new.subnet(new_id)?)?;
        Some(SubnetChange {
            addresses: ranges.into_iter().collect(),
            ..changed
        })
    };
    common(old, new).into_iter().filter_map(compare).collect()
}

/// The addresses that an old and a new subnet have in common, for each two that have any.
fn common(old: &Topology, new: &Topology) -> BTreeMap<(SubnetId, SubnetId), Vec<IpRange>> {
    let mut common: BTreeMap<_, Vec<IpRange>> = BTreeMap::new();
    let (mut before, mut now) = (
        old.ranges().iter().peekable(),
        new.ranges().iter().peekable(),
    );
    while let (Some((a, old_id)), Some((b, new_id))) = (before.peek(), now.peek()) {
        if let Some(both) = a.intersection(b) {
            common.entry((*old_id, *new_id)).or_default().push(both);
        }
        if a.last() < b.last() {
            before.next();
        } else {
            now.next();
        }
    }
    common
}

/// The difference without its addresses, if there is any.
fn compare(old: &PodSubnet, new: &PodSubnet) -> Option<SubnetChange> {
    let nodes = changed(old.node_subnets(), new.node_subnets());
    let change = SubnetChange {
        old: old.id(),
        new: new.id(),
        addresses: RangeSet::new(),
        net: changed(old.net(), new.net()),
        gateway: changed(old.gateway(), new.gateway()),
        vlan: changed(old.vlan(), new.vlan()),
        node_subnets: nodes.map(|(old, new)| (old.to_vec(), new.to_vec())),
        disabled: changed(old.disabled(), new.disabled()),
    };
    let differs = change.concerns_running_pods()
        || change.node_subnets.is_some()
        || change.disabled.is_some();
    differs.then_some(change)
}

fn changed<T: PartialEq>(old: T, new: T) -> Option<(T, T)> {
    (old != new).then_some((old, new))
}

#[cfg(test)]
mod tests;
