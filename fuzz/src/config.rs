//! The configuration: whatever is accepted keeps the promises of a topology.

use floatingip_core::Topology;
use floatingip_core::config::{Config, Strictness};
use floatingip_core::range::IpRange;
use floatingip_core::topology::{PodSubnet, difference};

/// Takes a document, read both strictly and as galaxy-ipam does.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let strict = Config::parse(text, Strictness::Strict);
    let compat = Config::parse(text, Strictness::GalaxyCompat);
    if let Ok(strict) = &strict {
        let compat = compat.as_ref().map(Config::topology);
        assert_eq!(compat, Ok(strict.topology()), "compat accepts less");
    }
    for result in [strict, compat] {
        match result {
            Ok(config) => check_topology(config.topology()),
            Err(faults) => {
                let lines = faults.to_string().lines().count();
                assert!(lines >= faults.iter().count() && lines > 0, "{faults}");
            }
        }
    }
}

fn check_topology(topology: &Topology) {
    assert!(!topology.subnets().is_empty(), "no entry is a fault");
    for subnet in topology.subnets() {
        check_subnet(topology, subnet);
    }
    let disjoint = |pair: &[(IpRange, _)]| match pair {
        [(a, _), (b, _)] => a.last() < b.first(),
        _ => true,
    };
    assert!(topology.ranges().windows(2).all(disjoint));
    assert!(difference(topology, topology).is_empty());
    assert_eq!(
        difference(&Topology::default(), topology).added,
        topology.configured()
    );
}

fn check_subnet(topology: &Topology, subnet: &PodSubnet) {
    let whole = IpRange::from_net(subnet.net());
    assert!(subnet.configured().is_subset(&whole.into()));
    assert!(subnet.usable().is_subset(subnet.configured()));
    assert!(subnet.usable().is_disjoint(subnet.excluded()));
    assert!(whole.contains(subnet.gateway()));
    assert!(!subnet.usable().contains(subnet.gateway()));
    for range in subnet.configured().ranges() {
        for ip in [range.first(), range.last()] {
            assert_eq!(topology.subnet_of(ip).map(PodSubnet::id), Some(subnet.id()));
        }
    }
    for net in subnet.node_subnets() {
        assert!(topology.reach(&[net.addr()]).contains(subnet.id()));
    }
}
