//! VLANs, and macvlan and ipvlan above them, made by iproute2.

use crate::process::ip;
use crate::scene::{Netns, Scene};

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_vlan_of_the_card_tags_what_it_sends() {
    let scene = Scene::new();
    scene.vlan(2, "10.2.0.1/24");
    scene.wire.answers(2, "10.2.0.99/24");
    let watch = scene.wire.watch("vlan 2 and icmp and src host 10.2.0.1");
    scene.wire.netns().reaches("10.2.0.1");
    let frame = watch.seen();
    assert!(
        frame.contains("802.1Q") && frame.contains("vlan 2,"),
        "{frame}"
    );
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn two_vlans_do_not_hear_each_other() {
    let scene = Scene::new();
    scene.vlan(2, "10.2.0.1/24");
    scene.vlan(3, "10.2.0.2/24");
    scene.wire.answers(2, "10.2.0.99/24");
    scene.wire.netns().reaches("10.2.0.1");
    let watch = scene.wire.watch("vlan 3 and arp");
    let container = macvlan(&scene, "eth0.3");
    container.does_not_reach("10.2.0.99");
    let frame = watch.seen();
    assert!(frame.contains("vlan 3,"), "asked in its own VLAN: {frame}");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_macvlan_on_a_vlan_reaches_the_wire() {
    let scene = Scene::new();
    scene.vlan(2, "10.2.0.1/24");
    scene.wire.answers(2, "10.2.0.99/24");
    macvlan(&scene, "eth0.2").reaches("10.2.0.99");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_ipvlan_of_layer_2_asks_for_its_peer_itself() {
    let scene = Scene::new();
    scene.vlan(2, "10.2.0.1/24");
    scene.wire.answers(2, "10.2.0.99/24");
    ipvlan(&scene, "l2", "10.2.0.10/24").reaches("10.2.0.99");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_ipvlan_of_layer_3_is_reached_by_a_route() {
    reached_by_a_route("l3");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_ipvlan_of_layer_3s_is_reached_by_a_route() {
    reached_by_a_route("l3s");
}

/// Layer 3 answers no question for its address: the peer has to know the host as the way to it.
fn reached_by_a_route(mode: &str) {
    let scene = Scene::new();
    scene.vlan(2, "10.2.0.1/24");
    scene.wire.answers(2, "10.2.0.99/24");
    let wire = scene.wire.netns();
    wire.ip("route add 10.9.0.0/24 via 10.2.0.1");
    let container = ipvlan(&scene, mode, "10.9.0.10/24");
    container.ip("route add default dev net1");
    container.reaches("10.2.0.99");
    wire.reaches("10.9.0.10");
}

fn macvlan(scene: &Scene, on: &str) -> Netns {
    let container = scene.container("c1");
    ip(&format!("link add v1 link {on} type macvlan mode bridge"));
    container.take("v1", "net1", "10.2.0.10/24");
    container
}

fn ipvlan(scene: &Scene, mode: &str, address: &str) -> Netns {
    let container = scene.container("c1");
    ip(&format!("link add v1 link eth0.2 type ipvlan mode {mode}"));
    container.take("v1", "net1", address);
    container
}
