//! `galaxy-k8s-sriov` between pods, each with a virtual function of the card.

use serde_json::{Value, json};

use crate::plugin::Pod;
use crate::process::ip;
use crate::scene::{CARD, Scene};
use crate::wire::PEER_MAC;

/// A configuration of the plugin, with what differs from it.
pub(crate) fn fields(more: &Value) -> Value {
    let mut fields = json!({"type": "galaxy-k8s-sriov", "vf_num": 4});
    for (field, value) in more.as_object().unwrap() {
        fields[field] = value.clone();
    }
    fields
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn pods_with_functions_reach_each_other_in_one_vlan_and_not_across() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.1/24");
    let usual = fields(&json!({}));
    let [one, two, other] = [(10, 2), (11, 2), (12, 3)].map(|(last, vlan)| {
        let name = format!("s{last}");
        Pod::connected(&scene, &name, &format!("10.2.0.{last}"), vlan, &usual)
    });
    one.netns.reaches("10.2.0.11");
    two.netns.reaches("10.2.0.10");
    scene.wire.netns().reaches("10.2.0.10");
    other.netns.does_not_reach("10.2.0.10");
    one.netns.does_not_reach("10.2.0.12");
    for pod in [&one, &two, &other] {
        pod.succeeds("CHECK");
    }
    let card = ip(&format!("link show {CARD}"));
    assert!(
        card.contains("02:42:0a:02:00:0a"),
        "the card holds it: {card}"
    );
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_address_that_is_used_in_the_vlan_is_refused_and_the_function_given_back() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.10/24");
    scene.functions(1);
    let before = scene.functions_as_they_are();
    let pod = Pod::new(&scene, "s1", "10.2.0.10", 2, &fields(&json!({})));
    pod.fails("ADD", PEER_MAC);
    assert!(!pod.is_connected());
    assert_eq!(scene.functions_as_they_are(), before);
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_address_of_the_node_is_refused_before_any_function_is_enabled() {
    let scene = Scene::new();
    ip(&format!("address add 10.2.0.10/24 dev {CARD}"));
    let pod = Pod::new(&scene, "s1", "10.2.0.10", 2, &fields(&json!({})));
    pod.fails("ADD", "10.2.0.10 is used by this node");
    assert_eq!(scene.functions_as_they_are(), "");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_card_may_be_named_by_another_name_of_its() {
    let scene = Scene::new();
    ip(&format!("link property add dev {CARD} altname enp9s9"));
    let fields = fields(&json!({"device": "enp9s9", "duplicate_address_probe": false}));
    let pod = Pod::connected(&scene, "s1", "10.2.0.10", 2, &fields);
    for verb in ["STATUS", "CHECK", "DEL"] {
        pod.succeeds(verb);
    }
    ip(&format!("link property del dev {CARD} altname enp9s9"));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn links_that_are_switched_on_listen_to_no_router() {
    let scene = Scene::new();
    let function = scene.functions(1).remove(0);
    let files = |link: &str| {
        ["accept_ra", "autoconf"].map(|name| format!("/proc/sys/net/ipv6/conf/{link}/{name}"))
    };
    for file in files(CARD) {
        std::fs::write(file, "1").unwrap();
    }
    ip(&format!("link set {CARD} down"));
    ip(&format!("link set {function} up"));
    let usual = fields(&json!({"duplicate_address_probe": false}));
    let pod = Pod::connected(&scene, "s1", "10.2.0.10", 2, &usual);
    pod.disconnect();
    for file in [files(CARD), files(&function)].as_flattened() {
        assert_eq!(std::fs::read_to_string(file).unwrap(), "0\n", "{file}");
    }
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn four_pods_at_once_get_four_functions_and_a_fifth_is_told_why_not() {
    let scene = Scene::new();
    let usual = fields(&json!({"duplicate_address_probe": false}));
    let pod = |last: u8| {
        Pod::new(
            &scene,
            &format!("s{last}"),
            &format!("10.2.0.{last}"),
            2,
            &usual,
        )
    };
    let pods = [10, 11, 12, 13].map(pod);
    let running = pods.each_ref().map(|pod| pod.begin("ADD"));
    for (success, printed) in running.map(|running| running.ends()) {
        assert!(success, "{printed}");
    }
    assert!(pods.iter().all(Pod::is_connected));
    pods[0].netns.reaches("10.2.0.13");
    let fifth = pod(14);
    fifth.fails("ADD", "is free: of 4, 4 are used by pods");
    fifth.fails("ADD", r#""code":11"#);
    pods[1].disconnect();
    fifth.succeeds("ADD");
    fifth.netns.reaches("10.2.0.10");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn spoof_check_trust_and_rate_are_set_as_configured_and_put_back() {
    let scene = Scene::new();
    scene.functions(1);
    let before = scene.functions_as_they_are();
    let set = fields(&json!({"spoofchk": "off", "trust": "on", "duplicate_address_probe": false}));
    let pod = Pod::connected(&scene, "s1", "10.2.0.10", 2, &set);
    let card = ip(&format!("link show {CARD}"));
    assert!(
        card.contains("spoof checking off") && card.contains("trust on"),
        "{card}"
    );
    pod.succeeds("CHECK");
    pod.disconnect();
    assert_eq!(scene.functions_as_they_are(), before);
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn every_difference_is_told_by_its_name() {
    let scene = Scene::new();
    scene.functions(1);
    let usual = fields(&json!({"duplicate_address_probe": false}));
    let pod = Pod::connected(&scene, "s1", "10.2.0.10", 2, &usual);
    pod.succeeds("CHECK");
    ip(&format!("link set {CARD} vf 0 vlan 3"));
    pod.fails("CHECK", "function 0 of eth0 has VLAN 3, not VLAN 2");
    ip(&format!("link set {CARD} vf 0 vlan 2 spoofchk on"));
    ip(&format!("link set {CARD} vf 0 mac 02:00:00:00:00:99"));
    pod.fails("CHECK", "02:00:00:00:00:99, not the hardware address");
    ip(&format!("link set {CARD} vf 0 mac 02:42:0a:02:00:0a"));
    pod.succeeds("CHECK");
    pod.netns.ip("route delete default");
    pod.fails("CHECK", "eth0 has not the route 0.0.0.0/0");
    pod.netns.ip("address flush dev eth0");
    pod.fails("CHECK", "eth0 has not the address 10.2.0.10/24");
    pod.netns.ip("link set eth0 down");
    pod.fails("CHECK", "eth0 is down");
    pod.netns.ip("link set eth0 name eth7");
    pod.fails("CHECK", "the container has no interface eth0");
    pod.disconnect();
    assert!(!pod.netns.ip("-brief link").contains("eth7"));
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_collection_gives_back_what_is_lost_and_leaves_what_is_not() {
    let scene = Scene::new();
    let usual = fields(&json!({"duplicate_address_probe": false, "cniVersion": "1.1.0"}));
    let mut kept = Pod::connected(&scene, "s1", "10.2.0.10", 2, &usual);
    let lost = Pod::connected(&scene, "s2", "10.2.0.11", 2, &usual);
    let valid = json!([{"containerID": "s1", "ifname": "eth0"}]);
    kept.set("cni.dev/valid-attachments", valid);
    kept.succeeds("GC");
    assert!(kept.is_connected() && !lost.is_connected());
    kept.succeeds("CHECK");
    lost.fails("CHECK", "never connected");
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_node_without_functions_is_told_of() {
    let scene = Scene::new();
    let mut pod = Pod::new(&scene, "s1", "10.2.0.10", 2, &fields(&json!({})));
    pod.succeeds("STATUS");
    pod.set("vf_num", json!(0));
    pod.fails("STATUS", "set `vf_num`");
    pod.fails("ADD", "set `vf_num`");
    pod.set("device", json!("lo"));
    pod.fails("STATUS", "lo has no virtual functions");
}
