mod api;
mod apps;
mod nodes;
mod order;
mod pods;
mod watches;

use std::collections::HashSet;

use floatingip_core::Name;
use floatingip_core::fact::{Fact, World};
use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::object::NodeObject;

fn key(name: &str) -> (Name, Name) {
    ("ns".into(), name.into())
}

/// An unbound pod that wants an address, of UID `NAME-uid`.
fn pod(name: &str, version: u64) -> PodEntry {
    PodEntry {
        namespace: "ns".into(),
        name: name.into(),
        uid: Name::from(format!("{name}-uid")),
        version,
        node: None,
        finished: false,
        deleting: false,
        gated: false,
        controller: None,
        annotations: Annotations::default(),
        wanted: Some(1),
        priority: 0,
        created: Timestamp::UNIX_EPOCH,
        bound_addresses: Vec::new(),
        pod_ips: Vec::new(),
    }
}

fn bound(name: &str, version: u64, node: &str) -> PodEntry {
    PodEntry {
        node: Some(node.into()),
        bound_addresses: vec!["10.0.0.2".parse().unwrap()],
        ..pod(name, version)
    }
}

fn node(name: &str, version: u64, address: &str, ready: bool) -> Seen<NodeObject> {
    let ready = if ready { "True" } else { "Unknown" };
    let node = json!({
        "metadata": {"name": name, "uid": name, "resourceVersion": version.to_string()},
        "status": {"addresses": [{"type": "InternalIP", "address": address}],
            "conditions": [{"type": "Ready", "status": ready}]}});
    Seen::Present(serde_json::from_value(node).unwrap())
}

/// The end of a list of these names.
fn list(index: &mut Index, kind: &Kind, names: &[&str], version: u64) {
    let namespace = if *kind == Kind::Nodes { "" } else { "ns" };
    let names = names
        .iter()
        .map(|name| (Name::from(namespace), Name::from(*name)));
    let names: HashSet<_> = names.collect();
    index.listed(kind, &names, version, false, Timestamp::UNIX_EPOCH);
}

/// An index whose pods and nodes are in sync, and empty.
fn synced() -> Index {
    let mut index = Index::default();
    list(&mut index, &Kind::Pods, &[], 1);
    list(&mut index, &Kind::Nodes, &[], 1);
    index
}

fn pod_fact(index: &Index, name: &str) -> Fact<bool> {
    World::pod(index, "ns", name).map(|state| state.bound)
}
