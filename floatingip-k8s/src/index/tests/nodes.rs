use floatingip_core::config::{Config, Strictness};

use super::*;

/// One subnet for nodes 10.0.1.x, one for 10.0.2.x.
fn topology(generation: u64) -> Arc<Topology> {
    let config = Config::parse(
        r#"[{"nodeSubnets": ["10.0.1.0/24"], "ips": ["10.1.0.2~10.1.0.9"], "subnet": "10.1.0.0/24", "gateway": "10.1.0.1"},
            {"nodeSubnets": ["10.0.2.0/24"], "ips": ["10.2.0.2~10.2.0.9"], "subnet": "10.2.0.0/24", "gateway": "10.2.0.1"}]"#,
        Strictness::Strict,
    );
    Arc::new(
        config
            .unwrap()
            .topology()
            .clone()
            .with_generation(generation),
    )
}

fn places(grouped: &Grouped) -> Vec<(usize, Vec<usize>)> {
    let groups = grouped.groups.iter();
    groups
        .map(|(reach, places)| (reach.iter().count(), places.clone()))
        .collect()
}

#[test]
fn nodes_are_grouped_by_what_they_reach() {
    let mut index = synced();
    index.set_topology(topology(1));
    for (name, address) in [
        ("a", "10.0.1.1"),
        ("b", "10.0.2.1"),
        ("c", "10.0.1.2"),
        ("d", "9.9.9.9"),
    ] {
        index.feed(&node(name, 2, address, true)).unwrap();
    }
    let grouped = index.group(&["c", "x", "b", "a", "d"]);
    assert_eq!(grouped.unknown, [1]);
    assert_eq!(
        places(&grouped),
        [(1, vec![0, 3]), (1, vec![2]), (0, vec![4])]
    );
    assert_eq!(index.reach_of("a"), index.reach_of("c"));
    assert_ne!(index.reach_of("a"), index.reach_of("b"));
    index.set_topology(topology(2));
    assert_eq!(index.reach_of("a").unwrap().generation(), 2);
    assert_eq!(
        places(&index.group(&["a", "b", "c"])),
        [(1, vec![0, 2]), (1, vec![1])]
    );
}

#[test]
fn reaches_that_no_node_has_any_more_are_forgotten() {
    let mut index = synced();
    index.set_topology(topology(1));
    for version in 2..500 {
        let address = format!("10.0.{}.7", version % 3);
        index.feed(&node("a", version, &address, true)).unwrap();
    }
    assert!(index.group(&["a"]).groups.len() == 1);
    assert!(index.reach_of("a").is_some());
}

#[test]
fn nodes_that_come_change_and_go_are_told_once() {
    let mut index = synced();
    index.feed(&node("a", 2, "10.0.1.1", true)).unwrap();
    let present = |ready| NodeChange::Present {
        addresses: vec!["10.0.1.1".parse().unwrap()],
        ready,
    };
    let change = |index: &mut Index| index.take_effects().nodes.remove("a");
    assert_eq!(change(&mut index), Some(present(true)));
    index.feed(&node("a", 3, "10.0.1.1", true)).unwrap();
    assert_eq!(change(&mut index), None, "a heartbeat");
    index.feed(&node("a", 4, "10.0.1.1", false)).unwrap();
    assert_eq!(change(&mut index), Some(present(false)));
    assert_eq!(
        index.node("a").known().map(|state| state.ready),
        Some(false)
    );
    index.feed(&node("a", 3, "10.0.1.1", true)).unwrap();
    assert_eq!(change(&mut index), None, "older");
    list(&mut index, &Kind::Nodes, &[], 9);
    assert_eq!(change(&mut index), Some(NodeChange::Gone));
    assert_eq!(index.node("a"), Fact::Gone);
    assert_eq!(index.node_addresses("a"), None);
}
