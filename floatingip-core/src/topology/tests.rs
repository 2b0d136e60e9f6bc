use std::net::IpAddr;

use super::*;
use crate::config::{Config, Strictness};

fn topology(json: &str) -> Topology {
    Config::parse(json, Strictness::Strict)
        .unwrap_or_else(|faults| panic!("{faults}"))
        .into_topology()
}

/// Two entries of one subnet for a /16 of nodes and a /24 of it, one IPv6 entry for other nodes.
fn three() -> Topology {
    topology(
        r#"[
        {"nodeSubnets": ["10.1.0.0/16"], "ips": ["10.0.70.10~10.0.70.19", "10.0.70.40"],
         "subnet": "10.0.70.0/24", "gateway": "10.0.70.1"},
        {"nodeSubnets": ["10.1.2.0/24", "192.168.0.0/24"], "ips": ["10.0.70.30"],
         "subnet": "10.0.70.0/24", "gateway": "10.0.70.2", "vlan": 7},
        {"nodeSubnets": ["fd00:1::/64"], "ips": ["fd00::10/124"],
         "subnet": "fd00::/64", "gateway": "fd00::1"}]"#,
    )
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn reached(topology: &Topology, ips: &[&str]) -> Vec<usize> {
    let ips: Vec<IpAddr> = ips.iter().map(|text| ip(text)).collect();
    topology.reach(&ips).iter().map(SubnetId::index).collect()
}

#[test]
fn overlapping_node_subnets_all_count() {
    let topology = three();
    assert_eq!(reached(&topology, &["10.1.2.3"]), [0, 1]);
    assert_eq!(reached(&topology, &["10.1.3.3"]), [0]);
    assert_eq!(reached(&topology, &["192.168.0.9"]), [1]);
}

#[test]
fn any_address_of_a_node_will_do() {
    let topology = three();
    assert_eq!(reached(&topology, &["10.1.3.3", "fd00:1::9"]), [0, 2]);
    assert_eq!(
        reached(&topology, &["172.16.0.1", "fd00:2::9"]),
        [] as [usize; 0]
    );
    assert!(topology.reach(&[]).is_empty());
    assert_eq!(topology.reach_all().iter().len(), 3);
}

#[test]
fn every_address_finds_the_subnet_that_has_it_in_its_ranges() {
    let topology = three();
    let found = |text| {
        topology
            .subnet_of(ip(text))
            .map(|subnet| subnet.id().index())
    };
    for (text, expected) in [
        ("10.0.70.9", None),
        ("10.0.70.10", Some(0)),
        ("10.0.70.19", Some(0)),
        ("10.0.70.20", None),
        ("10.0.70.30", Some(1)),
        ("10.0.70.40", Some(0)),
        ("0.0.0.0", None),
        ("255.255.255.255", None),
        ("::", None),
        ("fd00::f", None),
        ("fd00::1f", Some(2)),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
    ] {
        assert_eq!(found(text), expected, "{text}");
    }
    assert!(Topology::default().subnet_of(ip("10.0.70.10")).is_none());
}

#[test]
fn address_info_prefers_the_ranges_and_falls_back_to_the_network() {
    let topology = three();
    let info = topology.address_info(ip("10.0.70.30")).unwrap();
    assert_eq!(
        (info.gateway, info.vlan.get(), info.prefix_len),
        (ip("10.0.70.2"), 7, 24)
    );
    let draining = topology.address_info(ip("10.0.70.31")).unwrap();
    assert_eq!(
        (draining.gateway, draining.vlan.get()),
        (ip("10.0.70.1"), 0)
    );
    assert_eq!(topology.address_info(ip("10.0.71.1")), None);
}

#[test]
fn a_reach_belongs_to_its_generation() {
    let first = three().with_generation(1);
    let second = three().with_generation(2);
    let reach = first.reach_all();
    let id = first.subnets()[0].id();
    assert_eq!(reach.generation(), 1);
    assert!(first.is_reachable(id, &reach));
    assert!(!second.is_reachable(id, &reach));
    assert_ne!(reach, second.reach_all());
}
