use super::*;
use crate::config::{Config, Strictness};

fn topology(entries: &[&str]) -> Topology {
    let text = format!("[{}]", entries.join(","));
    Config::parse(&text, Strictness::Strict)
        .unwrap_or_else(|faults| panic!("{faults}"))
        .into_topology()
}

fn entry(ips: &str, gateway: &str, more: &str) -> String {
    format!(
        r#"{{"nodeSubnets": ["10.1.0.0/16"], "ips": ["{ips}"], "subnet": "10.0.70.0/24",
            "gateway": "{gateway}"{more}}}"#
    )
}

#[test]
fn a_topology_does_not_differ_from_itself() {
    let one = topology(&[&entry("10.0.70.2~10.0.70.9", "10.0.70.1", "")]);
    let same = difference(&one, &one.clone().with_generation(7));
    assert!(same.is_empty());
    assert_eq!(same.kept, one.configured());
}

#[test]
fn splitting_and_reordering_entries_changes_nothing() {
    let one = topology(&[&entry("10.0.70.2~10.0.70.9", "10.0.70.1", "")]);
    let two = topology(&[
        &entry("10.0.70.6~10.0.70.9", "10.0.70.1", ""),
        &entry("10.0.70.2~10.0.70.5", "10.0.70.1", ""),
    ]);
    assert!(difference(&one, &two).is_empty());
    assert!(difference(&two, &one).is_empty());
}

#[test]
fn moved_ranges_are_kept_added_and_removed() {
    let old = topology(&[&entry("10.0.70.2~10.0.70.9", "10.0.70.1", "")]);
    let new = topology(&[&entry("10.0.70.6~10.0.70.19", "10.0.70.1", "")]);
    let difference = difference(&old, &new);
    assert_eq!(difference.kept.to_string(), "10.0.70.6~10.0.70.9");
    assert_eq!(difference.added.to_string(), "10.0.70.10~10.0.70.19");
    assert_eq!(difference.removed.to_string(), "10.0.70.2~10.0.70.5");
    assert_eq!(difference.opened, difference.added);
    assert_eq!(difference.closed, difference.removed);
    assert!(difference.changes.is_empty() && !difference.is_empty());
}

#[test]
fn everything_is_added_to_nothing_and_removed_to_nothing() {
    let nothing = Topology::default();
    let one = topology(&[&entry("10.0.70.0/24", "10.0.70.1", "")]);
    let added = difference(&nothing, &one);
    assert_eq!(added.added, one.configured());
    assert_eq!(added.opened.to_string(), "10.0.70.2~10.0.70.254");
    let removed = difference(&one, &nothing);
    assert_eq!(
        (removed.removed, removed.closed),
        (added.added, added.opened)
    );
}

#[test]
fn exclusions_and_cordons_close_and_open_addresses_that_are_kept() {
    let open = topology(&[&entry("10.0.70.2~10.0.70.9", "10.0.70.1", "")]);
    let excluded = r#", "exclude": ["10.0.70.4"]"#;
    let excluded = topology(&[&entry("10.0.70.2~10.0.70.9", "10.0.70.1", excluded)]);
    let cordoned = topology(&[&entry(
        "10.0.70.2~10.0.70.9",
        "10.0.70.1",
        r#", "disabled": true"#,
    )]);

    let closed = difference(&open, &excluded);
    assert_eq!(closed.closed.to_string(), "10.0.70.4");
    assert!(closed.removed.is_empty() && closed.changes.is_empty());
    assert_eq!(difference(&excluded, &open).opened, closed.closed);

    let cordon = difference(&open, &cordoned);
    assert_eq!(cordon.closed, open.configured());
    assert_eq!(cordon.changes[0].disabled, Some((false, true)));
    assert!(!cordon.changes[0].concerns_running_pods());
}

#[test]
fn changes_tell_which_kept_addresses_they_concern() {
    let old = topology(&[
        &entry("10.0.70.10~10.0.70.19", "10.0.70.1", ""),
        &entry("10.0.70.20~10.0.70.29", "10.0.70.2", r#", "vlan": 5"#),
    ]);
    let new = topology(&[&entry(
        "10.0.70.15~10.0.70.24",
        "10.0.70.2",
        r#", "vlan": 6"#,
    )]);
    let difference = difference(&old, &new);
    let concerned: Vec<String> = difference
        .changes
        .iter()
        .map(|change| change.addresses.to_string())
        .collect();
    assert_eq!(
        concerned,
        ["10.0.70.15~10.0.70.19", "10.0.70.20~10.0.70.24"]
    );
    let [first, second] = &difference.changes[..] else {
        panic!("two changes");
    };
    assert!(first.gateway.is_some() && first.vlan.is_some());
    assert!(second.gateway.is_none() && second.vlan.is_some());
    assert!(second.net.is_none() && second.node_subnets.is_none() && second.disabled.is_none());
    assert!(first.concerns_running_pods() && second.concerns_running_pods());
}

#[test]
fn other_node_subnets_are_a_change_that_running_pods_do_not_feel() {
    let text = entry("10.0.70.2~10.0.70.9", "10.0.70.1", "");
    let old = topology(&[&text]);
    let new = topology(&[&text.replace("10.1.0.0/16", "10.2.0.0/16")]);
    let difference = difference(&old, &new);
    let [change] = &difference.changes[..] else {
        panic!("one change");
    };
    assert!(change.node_subnets.is_some() && !change.concerns_running_pods());
    assert!(!difference.is_empty());
}

#[test]
fn a_long_range_is_compared_with_every_short_one_in_it() {
    let old = topology(&[&entry("10.0.70.10~10.0.70.29", "10.0.70.1", "")]);
    let new = topology(&[
        &entry("10.0.70.12~10.0.70.14", "10.0.70.2", ""),
        &entry("10.0.70.20~10.0.70.24", "10.0.70.3", ""),
    ]);
    let forth = difference(&old, &new).changes;
    let back = difference(&new, &old).changes;
    for changes in [&forth, &back] {
        let concerned = changes.iter().map(|change| change.addresses.to_string());
        assert!(concerned.eq(["10.0.70.12~10.0.70.14", "10.0.70.20~10.0.70.24"]));
    }
    assert!(
        forth
            .iter()
            .zip(&back)
            .all(|(there, again)| there.old == again.new)
    );
}
