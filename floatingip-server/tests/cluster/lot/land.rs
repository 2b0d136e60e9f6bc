//! Where a lot's nodes and addresses lie.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use floatingip_testkit::Node;
use serde_json::{Value, json};

use super::LOT;

/// What a lot has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Land {
    /// Pairs of a node subnet and a pod subnet.
    pub(crate) racks: u8,
    /// Nodes in each rack.
    pub(crate) nodes: u8,
    /// Addresses for pods in each rack.
    pub(crate) addresses: u8,
}

/// Nodes of rack 1 of lot 7 are in 10.101.7.0/24, its pods in 10.201.7.0/24.
fn node_subnet(number: u8, rack: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 100 + rack, number, 0)
}

pub(super) fn pod_address(number: u8, rack: u8, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 200 + rack, number, last)
}

pub(super) fn entries(number: u8, land: Land) -> Vec<Value> {
    let last = 1 + land.addresses;
    (0..land.racks)
        .map(|rack| entry(number, rack, rack, 2..=last))
        .collect()
}

pub(super) fn entry(number: u8, nodes: u8, pods: u8, last: RangeInclusive<u8>) -> Value {
    let address = |last| pod_address(number, pods, last);
    json!({
        "nodeSubnets": [format!("{}/24", node_subnet(number, nodes))],
        "ips": [format!("{}~{}", address(*last.start()), address(*last.end()))],
        "subnet": format!("{}/24", address(0)),
        "gateway": address(1),
        "vlan": 2,
    })
}

pub(super) fn node_of(number: u8, rack: u8, last: u8) -> Node {
    let [a, b, c, _] = node_subnet(number, rack).octets();
    let name = format!("lot-{number}-{rack}-{last}");
    Node::new(name, [a, b, c, last].into())
        .label(LOT, number.to_string())
        .label("rack", rack.to_string())
}
