//! `galaxy-k8s-vlan` on a card with VLANs.

use serde_json::{Value, json};

use crate::plugin::{GATEWAY, Pod};
use crate::process::ip;
use crate::scene::{CARD_MAC, Scene, is_link};
use crate::wire::PEER_MAC;

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_bridged_container_speaks_in_its_vlan() {
    speaks_in_its_vlan(&json!({"switch": "bridge"}));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_pure_container_speaks_in_its_vlan() {
    speaks_in_its_vlan(&json!({"switch": "pure"}));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_macvlan_container_speaks_in_its_vlan() {
    speaks_in_its_vlan(&json!({"switch": "macvlan"}));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_ipvlan_container_of_layer_2_speaks_in_its_vlan() {
    speaks_in_its_vlan(&json!({"switch": "ipvlan", "ipvlan_mode": "l2"}));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_ipvlan_container_of_layer_3_is_reached_through_the_host() {
    reached_through_the_host("l3");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_ipvlan_container_of_layer_3s_is_reached_through_the_host() {
    reached_through_the_host("l3s");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_ipvlan_container_of_layer_3_is_reached_by_who_heard_its_announcement() {
    reached_after_its_announcement("l3");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_ipvlan_container_of_layer_3s_is_reached_by_who_heard_its_announcement() {
    reached_after_its_announcement("l3s");
}

/// Who knew another one under the address corrects that.
fn reached_after_its_announcement(mode: &str) {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.1/24");
    let wire = scene.wire.netns();
    wire.ip("neighbour add 10.2.0.10 lladdr 02:00:00:00:00:99 dev eth1.2 nud stale");
    let fields = json!({"switch": "ipvlan", "ipvlan_mode": mode});
    Pod::connected(&scene, "c1", "10.2.0.10", 2, &fields);
    let known = wire.ip("neighbour show 10.2.0.10");
    assert!(known.contains(CARD_MAC), "{known}");
    wire.reaches("10.2.0.10");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn above_layer_2_the_hosts_routes_lead_out_of_the_subnet() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.1/24");
    let wire = scene.wire.netns();
    scene.wire.answers(9, "10.8.0.1/24");
    let vlan = scene.vlan(2, "10.2.0.9/24");
    wire.ip("route add 10.2.0.10 via 10.2.0.9");
    let fields = json!({"switch": "ipvlan", "ipvlan_mode": "l3"});
    let pod = Pod::connected(&scene, "c1", "10.2.0.10", 2, &fields);
    pod.netns.reaches(GATEWAY);
    pod.netns.does_not_reach("10.8.0.1");
    ip(&format!("route add 10.8.0.0/24 via {GATEWAY} dev {vlan}"));
    pod.netns.reaches("10.8.0.1");
}

/// From `ADD` to `DEL`: in both directions, with the tag seen on the wire.
fn speaks_in_its_vlan(fields: &Value) {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.1/24");
    comes_and_goes(&scene, fields);
}

/// Layer 3 sends as the host's routes say, and answers no question for its address: the network knows the host as the way to it.
fn reached_through_the_host(mode: &str) {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.1/24");
    scene.vlan(2, "10.2.0.9/24");
    scene.wire.netns().ip("route add 10.2.0.10 via 10.2.0.9");
    comes_and_goes(&scene, &json!({"switch": "ipvlan", "ipvlan_mode": mode}));
}

fn comes_and_goes(scene: &Scene, fields: &Value) {
    let watch = scene.wire.watch("vlan 2 and icmp and src host 10.2.0.10");
    let pod = Pod::connected(scene, "c1", "10.2.0.10", 2, fields);
    pod.netns.reaches(GATEWAY);
    scene.wire.netns().reaches("10.2.0.10");
    let frame = watch.seen();
    assert!(frame.contains("vlan 2,"), "{frame}");
    pod.succeeds("CHECK");
    pod.disconnect();
    scene.wire.netns().does_not_reach("10.2.0.10");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn bridged_containers_of_two_vlans_do_not_hear_each_other() {
    two_vlans(&json!({"switch": "bridge"}));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn macvlan_containers_of_two_vlans_do_not_hear_each_other() {
    two_vlans(&json!({"switch": "macvlan"}));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn ipvlan_containers_of_two_vlans_do_not_hear_each_other() {
    two_vlans(&json!({"switch": "ipvlan", "ipvlan_mode": "l2"}));
}

fn two_vlans(fields: &Value) {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.1/24");
    let one = Pod::connected(&scene, "c2", "10.2.0.10", 2, fields);
    let other = Pod::connected(&scene, "c3", "10.2.0.11", 3, fields);
    one.netns.reaches(GATEWAY);
    other.netns.does_not_reach(GATEWAY);
    other.netns.does_not_reach("10.2.0.10");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn containers_of_one_vlan_share_its_link_and_reach_each_other() {
    let scene = Scene::new();
    let fields = json!({"switch": "macvlan"});
    let [one, other] = ["10.2.0.10", "10.2.0.11"]
        .map(|ip| Pod::connected(&scene, &format!("c{ip}"), ip, 2, &fields));
    one.netns.reaches("10.2.0.11");
    other.netns.reaches("10.2.0.10");
    assert_eq!(ip("-brief link show type vlan").lines().count(), 1);
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_existing_link_of_the_vlan_is_used() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.1/24");
    scene.vlan(2, "10.2.0.9/24");
    let pod = Pod::connected(&scene, "c1", "10.2.0.10", 2, &json!({"switch": "macvlan"}));
    pod.netns.reaches(GATEWAY);
    assert!(!is_link("vlan2"));
    pod.disconnect();
    assert!(is_link("eth0.2"), "what was there before stays");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn the_hosts_address_in_a_vlan_moves_to_the_bridge() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.1/24");
    scene.vlan(2, "10.2.0.9/24");
    let pod = Pod::connected(&scene, "c1", "10.2.0.10", 2, &json!({}));
    scene.wire.netns().reaches("10.2.0.9");
    scene.wire.netns().reaches("10.2.0.10");
    let addresses = ip("-4 -brief address show dev docker2");
    assert!(addresses.contains("10.2.0.9/24"), "{addresses}");
    pod.succeeds("CHECK");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn links_of_a_vlan_stay_when_the_last_container_has_gone() {
    let scene = Scene::new();
    let pod = Pod::connected(&scene, "c1", "10.2.0.10", 2, &json!({}));
    pod.disconnect();
    assert!(is_link("vlan2") && is_link("docker2"));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_container_whose_vlan_is_gone_is_told_of() {
    let scene = Scene::new();
    let pod = Pod::connected(&scene, "c1", "10.2.0.10", 2, &json!({}));
    ip("link delete vlan2");
    pod.fails("CHECK", "vlan2");
    pod.disconnect();
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn another_vlan_under_the_same_name_is_told_of() {
    let scene = Scene::new();
    let pod = Pod::connected(&scene, "c1", "10.2.0.10", 2, &json!({}));
    ip("link delete vlan2");
    ip("link add link eth0 name vlan2 up type vlan id 3");
    ip("link set vlan2 master docker2");
    pod.fails("CHECK", "vlan2 is not VLAN 2");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_address_that_is_used_in_the_vlan_is_refused_with_its_user() {
    refuses_a_duplicate(&json!({"switch": "bridge"}));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_address_that_is_used_in_the_vlan_is_refused_to_an_ipvlan_container() {
    refuses_a_duplicate(&json!({"switch": "ipvlan", "ipvlan_mode": "l2"}));
}

/// Only its own VLAN counts: in another one the same address is free.
fn refuses_a_duplicate(fields: &Value) {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.10/24");
    Pod::connected(&scene, "c3", "10.2.0.10", 3, fields);
    let pod = Pod::new(&scene, "c2", "10.2.0.10", 2, fields);
    pod.fails("ADD", PEER_MAC);
    assert!(!pod.is_connected());
}
