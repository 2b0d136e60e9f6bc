//! What cannot be done is refused with a reason, and leaves nothing behind.

use std::time::{Duration, Instant};

use serde_json::json;

use super::lab::{Lab, OUTSIDE_MAC};
use super::space::Space;

/// Snapshots of everything that a refused call must not change.
#[track_caller]
fn refused(lab: &Lab, pod: &Space, ips: &[&str], more: &serde_json::Value, code: u64, words: &str) {
    let before = (lab.host.snapshot(), pod.snapshot(), lab.remembered());
    let call = lab.add("c1", pod, ips, more);
    lab.call(&call).fails_with(code, words);
    assert_eq!(
        (lab.host.snapshot(), pod.snapshot(), lab.remembered()),
        before,
        "{words}"
    );
    // A runtime calls DEL after a failed ADD.
    lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(
        (lab.host.snapshot(), pod.snapshot(), lab.remembered()),
        before,
        "{words}"
    );
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_changed() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let ip = &["10.9.0.20/24"][..];
    refused(
        &lab,
        &pod,
        ip,
        &json!({"device": "eth7"}),
        7,
        "no link eth7",
    );
    refused(&lab, &pod, ip, &json!({"device": ""}), 7, "names no device");
    refused(&lab, &pod, ip, &json!({"mtu": 9000}), 7, "mtu 9000");
    refused(
        &lab,
        &pod,
        ip,
        &json!({"disable_default_bridge": true}),
        7,
        "docker is not a bridge",
    );
    refused(
        &lab,
        &pod,
        ip,
        &json!({"default_bridge_name": "eth0"}),
        7,
        "eth0 is not a bridge",
    );
    refused(
        &lab,
        &pod,
        &["fd00::2/64"],
        &json!({"switch": "pure"}),
        7,
        "fd00::2",
    );
    refused(&lab, &pod, &["10.9.0.0/24"], &json!({}), 4, "10.9.0.0/24");
    refused(&lab, &pod, &[], &json!({}), 4, "0 addresses");
    let foreign = lab.add("c1", &pod, ip, &json!({"cniVersion": "9.9.9"}));
    lab.call(&foreign).fails_with(1, "9.9.9");
}

/// 802.1Q and ipvlan are modules that a kernel may lack; where it has them this passes by connecting.
#[test]
fn a_module_that_the_kernel_lacks_is_named_and_leaves_nothing() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    for (ip, switch, module) in [
        ("10.9.0.20/24@2", "bridge", "8021q"),
        ("10.9.0.20/24@2", "macvlan", "8021q"),
        ("10.9.0.20/24", "ipvlan", "ipvlan"),
    ] {
        let before = lab.host.snapshot();
        let call = lab.add("c1", &pod, &[ip], &json!({"switch": switch}));
        let answer = lab.call(&call);
        if !answer.success {
            answer.fails_with(5, &format!("modprobe {module}"));
            assert_eq!(lab.host.snapshot(), before);
        }
        lab.call(&call.verb("DEL")).succeeds();
    }
}

#[test]
fn an_address_that_is_in_use_is_refused_and_its_user_named() {
    let Some(lab) = Lab::new() else { return };
    lab.outside.ip("address add 10.9.0.20/24 dev out0");
    for switch in ["pure", "macvlan", "bridge"] {
        let pod = Space::new();
        let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({"switch": switch}));
        let answer = lab.call(&call);
        answer.fails_with(100, &format!("10.9.0.20 is used by {OUTSIDE_MAC}"));
        assert!(!lab.host.ip("-o link").contains("v-h"), "{switch}");
        assert!(!pod.ip("-o link").contains("eth0"), "{switch}");
        assert_eq!(lab.remembered(), 0, "{switch}");
    }
    let pod = Space::new();
    let unasked = json!({"duplicate_address_probe": false});
    lab.call(&lab.add("c1", &pod, &["10.9.0.20/24"], &unasked))
        .succeeds();
}

/// As that node's kernel answers, which does not answer a probe.
#[test]
fn an_address_that_another_node_answers_for_is_refused() {
    let Some(lab) = Lab::new() else { return };
    let other = &lab.outside;
    other.set("ipv4/ip_forward", "1");
    other.set("ipv4/conf/out0/proxy_arp", "1");
    other.ip("link add far type veth peer name pod");
    other.ip("link set far up");
    other.ip("link set pod up");
    other.ip("route add 10.9.0.20 dev far");
    let pod = Space::new();
    let pure = json!({"switch": "pure"});
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &pure);
    lab.call(&call)
        .fails_with(100, &format!("10.9.0.20 is used by {OUTSIDE_MAC}"));
    lab.call(&lab.add("c2", &pod, &["10.9.0.21/24"], &pure))
        .succeeds();
}

/// The node does not hear a macvlan's question, nor its own.
#[test]
fn an_address_of_the_node_is_refused() {
    let Some(lab) = Lab::new() else { return };
    for switch in ["pure", "macvlan", "bridge"] {
        let pod = Space::new();
        let more = json!({"switch": switch});
        refused(
            &lab,
            &pod,
            &["10.9.0.10/24"],
            &more,
            100,
            "10.9.0.10 is used by this node",
        );
    }
}

/// As that of a card that was just switched on, which takes its time. Without the wait the question would be over.
#[test]
fn nobody_is_asked_before_the_device_has_a_carrier() {
    let Some(lab) = Lab::new() else { return };
    lab.outside.ip("address add 10.9.0.20/24 dev out0");
    lab.outside.ip("link set out0 down");
    let pod = Space::new();
    let mut call = lab.spawn(&lab.add("c1", &pod, &["10.9.0.20/24"], &json!({})));
    let since = Instant::now();
    while call.try_wait().unwrap().is_none() && since.elapsed() < Duration::from_secs(2) {
        lab.host.ip("-o link");
    }
    lab.outside.ip("link set out0 up");
    let told = call.wait_with_output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("10.9.0.20 is used by"), "{told}");
}

/// A pod that runs on, on a node that is thought to be gone, has the hardware address that goes with its address.
#[test]
fn an_address_that_is_in_use_by_a_pod_of_another_node_is_refused() {
    let Some(lab) = Lab::new() else { return };
    lab.outside.ip("link set out0 address 02:42:0a:09:00:14");
    lab.outside.ip("address add 10.9.0.20/24 dev out0");
    let pod = Space::new();
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({}));
    lab.call(&call)
        .fails_with(100, "10.9.0.20 is used by 02:42:0a:09:00:14");
}

#[test]
fn an_ipv6_address_that_is_in_use_is_refused() {
    let Some(lab) = Lab::new() else { return };
    lab.outside.ip("address add fd09::20/64 dev out0 nodad");
    let pod = Space::new();
    let call = lab.add("c1", &pod, &["fd09::20/64"], &json!({}));
    lab.call(&call)
        .fails_with(100, "fd09::20 is used on this network already");
    assert!(!pod.ip("-o link").contains("eth0"));
}

#[test]
fn a_second_add_is_refused_and_changes_nothing() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({}));
    lab.call(&call).succeeds();
    let before = (lab.host.snapshot(), pod.snapshot());
    lab.call(&call).fails_with(4, "is connected to lan already");
    let mut other = call.clone();
    other.config["name"] = json!("other");
    lab.call(&other)
        .fails_with(4, "the container has an interface eth0 already");
    assert_eq!((lab.host.snapshot(), pod.snapshot()), before);
    assert!(lab.outside.reaches(&pod, "10.9.0.20"));
}

/// Nobody on the wire would tell: the node itself answers for both.
#[test]
fn an_address_that_is_routed_to_another_container_stays_there() {
    let Some(lab) = Lab::new() else { return };
    let pods = [Space::new(), Space::new()];
    let pure = json!({"switch": "pure"});
    lab.call(&lab.add("c1", &pods[0], &["10.9.0.20/24"], &pure))
        .succeeds();
    let before = lab.host.snapshot();
    let second = lab.add("c2", &pods[1], &["10.9.0.20/24"], &pure);
    lab.call(&second).fails_with(
        100,
        "10.9.0.20 is used on this node already, which routes it to v-hc1-l0",
    );
    assert_eq!(lab.host.snapshot(), before);
    assert!(lab.outside.reaches(&pods[0], "10.9.0.20"));
}

/// The kernel finds a link by any of its names, and gives none of them to another.
#[test]
fn other_names_of_links_are_taken_too() {
    let Some(lab) = Lab::new() else { return };
    lab.host.ip("link add other type veth peer name rehto");
    lab.host.ip("link property add dev other altname v-hc1-l0");
    let pod = Space::new();
    pod.ip("link add other type veth peer name rehto");
    pod.ip("link property add dev other altname eth1");
    let ips = &["10.9.0.20/24", "10.8.0.20/24"];
    lab.call(&lab.add("c1", &pod, ips, &json!({}))).succeeds();
    let links = lab.host.ip("-o link show type veth");
    assert!(
        links.contains("v-hc1-l1") && links.contains("v-hc1-l2"),
        "{links}"
    );
    assert!(pod.ip("-o -4 address show dev eth2").contains("10.8.0.20"));
}

#[test]
fn names_and_namespaces_that_cannot_be_are_refused() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let mut call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({}));
    call.interface = "abcdefghijklmnop";
    lab.call(&call).fails_with(4, "abcdefghijklmnop");
    call.interface = "eth0";
    call.netns = "/no/such/namespace".to_owned();
    lab.call(&call).fails_with(3, "/no/such/namespace");
    call.netns = lab.host.path();
    lab.call(&call)
        .fails_with(3, "the host's own network namespace");
    call.netns = "/dev/null".to_owned();
    lab.call(&call).fails_with(3, "/dev/null");
    call.netns = pod.path();
    call.args = "IgnoreUnknown=1".to_owned();
    lab.call(&call).fails_with(4, "no floating IP");
}
