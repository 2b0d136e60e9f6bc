//! IN-RANGE and DURABLE: the records by themselves, beside configuration and nodes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use floatingip_core::record::Version;
use floatingip_core::topology::{PodSubnet, Reserved};
use floatingip_core::{Name, Owner, Record, Topology};

use super::{Invariant, Report, Subject, View};

pub(super) fn check(view: View<'_>, report: &mut Report) {
    for (subject, fault) in &view.records.unreadable {
        report.violation(
            Invariant::Durable,
            vec![subject.clone()],
            format!("it cannot be read: {fault}"),
            "mend or delete the object; until then its address is given to nobody",
        );
    }
    let nodes = node_addresses(view);
    for (ip, (version, record)) in &view.records.addresses {
        if matches!(record.owner, Owner::Slot(_) | Owner::Pool(_)) {
            handed_out(view.topology, &nodes, (*ip, *version, record), report);
        }
    }
}

fn node_addresses(view: View<'_>) -> BTreeMap<IpAddr, &Name> {
    let nodes = view.index.nodes();
    nodes
        .flat_map(|(name, addresses)| addresses.iter().map(move |ip| (*ip, name)))
        .collect()
}

fn handed_out(
    topology: &Topology,
    nodes: &BTreeMap<IpAddr, &Name>,
    (ip, version, record): (IpAddr, Version, &Record),
    report: &mut Report,
) {
    let subject = Subject::address(ip, version);
    if let Some(node) = nodes.get(&ip) {
        report.violation(
            Invariant::InRange,
            vec![subject, Subject::new("node", node, None)],
            format!("{} has the address of a node", holder(record)),
            "exclude the address in the configuration, and delete the pod or release the address",
        );
    } else if let Some(why) = reserved(topology, ip) {
        report.violation(
            Invariant::InRange,
            vec![subject],
            format!("{} has the {why} of a subnet", holder(record)),
            "delete the pod or release the address, so that it is not used any more",
        );
    } else if !topology
        .subnet_of(ip)
        .is_some_and(|subnet| subnet.usable().contains(ip))
    {
        report.notes.push(format!(
            "{subject} is draining: {} keeps it, though the configuration does not have it any more",
            holder(record)
        ));
    }
}

/// Who has the address, for people.
pub(super) fn holder(record: &Record) -> String {
    let Some(tenant) = record.owner.tenant() else {
        return match &record.owner {
            Owner::Pool(pool) => format!("pool {pool}"),
            Owner::Administrator(_) => "an administrator".to_owned(),
            _ => "nobody".to_owned(),
        };
    };
    let named = |kind: &str, name: &Name| format!("{kind} {}/{name}", tenant.namespace);
    match (&tenant.pod, tenant.app_ref()) {
        (Some(pod), _) => format!("{} (UID {})", named("pod", &pod.name), pod.uid),
        (None, Some(app)) if record.owner.pod_name().is_empty() => app.to_string(),
        (None, _) => named("the slot of pod", &record.owner.pod_name()),
    }
}

fn reserved(topology: &Topology, ip: IpAddr) -> Option<Reserved> {
    let mut reasons = topology
        .subnets()
        .iter()
        .filter_map(|subnet| reserved_in(subnet, ip));
    reasons.next()
}

/// The ends of a network of two addresses are ordinary ones.
fn reserved_in(subnet: &PodSubnet, ip: IpAddr) -> Option<Reserved> {
    let net = subnet.net();
    let wide = net.max_prefix_len() - net.prefix_len() >= 2;
    match ip {
        _ if ip == subnet.gateway() => Some(Reserved::Gateway),
        _ if wide && ip == net.network() => Some(Reserved::Network),
        IpAddr::V4(_) if wide && ip == net.broadcast() => Some(Reserved::Broadcast),
        _ => None,
    }
}
