//! `CHECK` names what somebody changed.

use serde_json::json;

use super::lab::{Lab, OUTSIDE_IP};
use super::space::Space;

/// Where somebody changes something.
#[derive(Clone, Copy)]
enum Where {
    Host,
    Pod,
}

/// Switch, where, what `ip` is told, and what `CHECK` says then.
const TAMPERINGS: &[(&str, Where, &str, &str)] = &[
    (
        "bridge",
        Where::Pod,
        "address delete 10.9.0.20/24 dev eth0",
        "eth0 has not the address 10.9.0.20/24, it has none",
    ),
    (
        "bridge",
        Where::Pod,
        "address replace 10.9.0.20/16 dev eth0",
        "",
    ),
    (
        "bridge",
        Where::Pod,
        "route delete default",
        "eth0 has not the route 0.0.0.0/0 by 10.9.0.1",
    ),
    ("bridge", Where::Pod, "link set eth0 down", "eth0 is down"),
    (
        "bridge",
        Where::Pod,
        "link set eth0 mtu 1400",
        "eth0 has mtu 1400, not 1500",
    ),
    (
        "bridge",
        Where::Pod,
        "link delete eth0",
        "the container has no interface eth0",
    ),
    (
        "bridge",
        Where::Host,
        "link set v-hc1-l0 nomaster",
        "v-hc1-l0 is not a port of docker",
    ),
    (
        "bridge",
        Where::Host,
        "link set v-hc1-l0 down",
        "v-hc1-l0 is down",
    ),
    (
        "bridge",
        Where::Host,
        "link set v-hc1-l0 mtu 1400",
        "v-hc1-l0 has mtu 1400, not 1500",
    ),
    (
        "bridge",
        Where::Host,
        "link set eth0 nomaster",
        "eth0 is not a port of docker",
    ),
    (
        "bridge",
        Where::Host,
        "link set docker down",
        "docker is down",
    ),
    (
        "macvlan",
        Where::Pod,
        "link set eth0 address 02:00:00:00:00:77",
        "eth0 is not the macvlan that was made",
    ),
    ("macvlan", Where::Host, "link set eth0 down", "eth0 is down"),
    (
        "pure",
        Where::Host,
        "route delete 10.9.0.20",
        "the host has not the route 10.9.0.20/32 through v-hc1-l0",
    ),
    (
        "pure",
        Where::Host,
        "link set v-hc1-l0 down",
        "v-hc1-l0 is down",
    ),
];

#[test]
fn every_tampering_is_found_and_named() {
    for (switch, place, change, expected) in TAMPERINGS {
        let Some(lab) = Lab::new() else { return };
        let pod = Space::new();
        let fields = json!({"switch": switch, "duplicate_address_probe": false});
        let call = lab.add("c1", &pod, &["10.9.0.20/24"], &fields);
        let added = lab.call(&call);
        lab.call(&call.check(&added)).succeeds();
        match place {
            Where::Host => lab.host.ip(change),
            Where::Pod => pod.ip(change),
        };
        let check = lab.call(&call.check(&added));
        // A second address beside ours is no business of ours.
        match *expected {
            "" => drop(check.succeeds()),
            expected => check.fails_with(101, expected),
        }
        lab.call(&call.verb("DEL")).succeeds();
    }
}

#[test]
fn another_prefix_is_named_with_the_one_that_is_there() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({}));
    let added = lab.call(&call);
    pod.ip("address delete 10.9.0.20/24 dev eth0");
    pod.ip("address add 10.9.0.20/16 dev eth0");
    let check = lab.call(&call.check(&added));
    check.fails_with(
        101,
        "eth0 has not the address 10.9.0.20/24, it has 10.9.0.20/16",
    );
    assert!(
        check.text.contains("eth0 has not the route"),
        "the details have the others: {}",
        check.text
    );
}

#[test]
fn proxy_arp_that_is_off_is_found() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({"switch": "pure"}));
    let added = lab.call(&call);
    lab.host.set("ipv4/conf/v-hc1-l0/proxy_arp", "0");
    lab.call(&call.check(&added))
        .fails_with(101, "net/ipv4/conf/v-hc1-l0/proxy_arp is not 1");
}

#[test]
fn a_node_that_no_longer_routes_is_found() {
    for setting in ["ipv4/ip_forward", "ipv4/conf/eth0/proxy_arp"] {
        let Some(lab) = Lab::new() else { return };
        let pod = Space::new();
        let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({"switch": "pure"}));
        let added = lab.call(&call);
        lab.call(&call.check(&added)).succeeds();
        lab.host.set(setting, "0");
        let expected = format!("net/{setting} is not 1");
        lab.call(&call.check(&added)).fails_with(101, &expected);
    }
}

/// Such as `tuning`, which says in the result what it changed.
#[test]
fn what_a_plugin_behind_this_one_changed_is_no_difference() {
    for switch in ["bridge", "macvlan"] {
        let Some(lab) = Lab::new() else { return };
        let pod = Space::new();
        let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({"switch": switch}));
        let added = lab.call(&call);
        pod.ip("link set eth0 address 02:00:00:00:00:77 mtu 1400");
        let mut check = call.check(&added);
        lab.call(&check).fails_with(101, "eth0");
        let told = &mut check.config["prevResult"]["interfaces"][0];
        (told["mac"], told["mtu"]) = (json!("02:00:00:00:00:77"), json!(1400));
        lab.call(&check).succeeds();
    }
}

#[test]
fn a_device_that_is_the_bridge_itself_is_no_difference() {
    let Some(lab) = Lab::bare() else { return };
    lab.host.ip("link add br0 type bridge");
    lab.host.ip("link set eth0 master br0");
    lab.host.ip("link set br0 up");
    let pod = Space::new();
    let bridge = json!({
        "device": "br0", "default_bridge_name": "br0", "disable_default_bridge": true,
    });
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &bridge);
    let added = lab.call(&call);
    assert!(lab.outside.reaches(&pod, "10.9.0.20"));
    lab.call(&call.check(&added)).succeeds();
}

#[test]
fn an_ipv6_address_that_somebody_else_took_is_found() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let ips = &["fd09::20/64"];
    let call = lab.add("c1", &pod, ips, &json!({}));
    let added = lab.call(&call);
    lab.outside.ip("address add fd09::20/64 dev out0 nodad");
    pod.ip("address delete fd09::20/64 dev eth0");
    pod.ip("address add fd09::20/64 dev eth0");
    let since = std::time::Instant::now();
    while pod.ip("-6 address show dev eth0 dadfailed").is_empty() {
        assert!(since.elapsed().as_secs() < 20, "nobody is heard");
    }
    let said = lab.call(&call.check(&added));
    assert!(!said.success);
    assert!(
        said.text
            .contains("eth0 does not use the address fd09::20/64"),
        "{}",
        said.text
    );
}

#[test]
fn check_needs_what_add_answered() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({}));
    let added = lab.call(&call);
    lab.call(&call.verb("CHECK")).fails_with(7, "no prevResult");
    let mut foreign = call.check(&added);
    foreign.config["prevResult"]["ips"][0]["address"] = json!("10.9.0.21/24");
    lab.call(&foreign)
        .fails_with(101, "prevResult lacks the address 10.9.0.20/24");
    let mut unknown = call.check(&added);
    unknown.container = "c2";
    lab.call(&unknown).fails_with(3, "was never connected");
    assert!(pod.reaches(&lab.outside, OUTSIDE_IP));
}
