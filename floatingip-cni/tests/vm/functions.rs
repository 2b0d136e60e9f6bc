//! Virtual functions of the card.

use crate::process::{eventually, ip};
use crate::scene::{CARD, Netns, Scene, is_link};

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn functions_of_one_vlan_reach_each_other_and_no_other_vlan() {
    let scene = Scene::new();
    let functions = scene.functions(3);
    let [first, second, other] = [(0, 2), (1, 2), (2, 3)].map(|(index, vlan)| {
        let name = &functions[index];
        container(&scene, index, name, vlan)
    });
    scene.wire.answers(2, "10.2.0.99/24");
    first.reaches("10.2.0.11");
    second.reaches("10.2.0.10");
    scene.wire.netns().reaches("10.2.0.10");
    other.does_not_reach("10.2.0.10");
    first.does_not_reach("10.2.0.12");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn the_vlan_of_a_function_is_seen_on_the_wire_as_a_tag() {
    let scene = Scene::new();
    let functions = scene.functions(1);
    scene.wire.answers(2, "10.2.0.99/24");
    let watch = scene.wire.watch("vlan 2 and icmp and src host 10.2.0.10");
    container(&scene, 0, &functions[0], 2).reaches("10.2.0.99");
    let frame = watch.seen();
    assert!(
        frame.contains("802.1Q") && frame.contains("vlan 2,"),
        "{frame}"
    );
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_function_comes_back_from_a_deleted_namespace_under_the_name_it_had_there() {
    let scene = Scene::new();
    let functions = scene.functions(1);
    let container = container(&scene, 0, &functions[0], 2);
    ip(&format!("netns delete {}", container.name()));
    eventually("net1 is the host's", || is_link("net1").then_some(()));
}

/// The administrator's MAC comes after the link's own: the other order is refused.
fn container(scene: &Scene, index: usize, link: &str, vlan: u16) -> Netns {
    let mac = format!("02:00:00:00:00:a{index}");
    ip(&format!("link set {link} address {mac}"));
    ip(&format!("link set {CARD} vf {index} mac {mac}"));
    ip(&format!("link set {CARD} vf {index} vlan {vlan}"));
    let container = scene.container(&format!("c{index}"));
    container.take(link, "net1", &format!("10.2.0.1{index}/24"));
    container
}
