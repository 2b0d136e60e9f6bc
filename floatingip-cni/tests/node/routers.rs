//! Who advertises IPv6 routers on a link that the plugin made does not become the node's way.

use std::time::Duration;

use serde_json::json;

use super::lab::{DEVICE, Lab};
use super::space::Space;

/// `accept_ra` and `autoconf` of a link of the node.
fn listening(lab: &Lab, link: &str) -> [String; 2] {
    ["accept_ra", "autoconf"].map(|it| lab.host.setting(&format!("ipv6/conf/{link}/{it}")))
}

#[test]
fn links_that_are_made_take_nothing_from_advertisements() {
    for switch in ["bridge", "pure"] {
        let Some(lab) = Lab::new() else { return };
        let pod = Space::new();
        let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({"switch": switch}));
        lab.call(&call).succeeds();
        assert_eq!(listening(&lab, "v-hc1-l0"), ["0", "0"], "{switch}");
        if switch == "bridge" {
            assert_eq!(listening(&lab, "docker"), ["0", "0"]);
        }
    }
}

/// The node would lose its address otherwise.
#[test]
fn a_bridge_with_an_address_from_a_router_listens_as_the_device_did() {
    let Some(lab) = Lab::bare() else { return };
    let lent = Duration::from_secs(1800).as_secs();
    lab.host.ip(&format!(
        "address add fd09::10/64 dev {DEVICE} nodad valid_lft {lent} preferred_lft {lent}"
    ));
    lab.host.set(&format!("ipv6/conf/{DEVICE}/accept_ra"), "2");
    let pod = Space::new();
    lab.call(&lab.add("c1", &pod, &["10.9.0.20/24"], &json!({})))
        .succeeds();
    assert_eq!(listening(&lab, "docker"), ["2", "1"]);
    assert_eq!(listening(&lab, "v-hc1-l0"), ["0", "0"]);
}

/// A link whose packets are too short for IPv6 has no settings of it, as all have none where the kernel has no IPv6.
#[test]
fn a_link_without_ipv6_does_without() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let fields = json!({"switch": "pure", "mtu": 1000});
    lab.call(&lab.add("c1", &pod, &["10.9.0.20/24"], &fields))
        .succeeds();
    assert!(lab.outside.reaches(&pod, "10.9.0.20"));
}

/// Where the container's namespace filters all links strictly, its interface is let through all the same.
#[test]
fn a_container_that_filters_by_return_path_answers_on_every_interface() {
    let Some(lab) = Lab::new() else { return };
    lab.outside.ip("address add 192.168.9.1/24 dev out0");
    lab.outside.ip("address add 10.7.0.1/32 dev lo");
    lab.outside.ip("route add 10.9.0.20 dev out0 src 10.7.0.1");
    // The other interface would answer for it.
    lab.outside
        .ip("neighbour add 10.9.0.20 lladdr 02:42:0a:09:00:14 dev out0 nud permanent");
    let pod = Space::new();
    pod.set("ipv4/conf/all/rp_filter", "1");
    let ips = &["192.168.9.20/24", "10.9.0.20/24"];
    lab.call(&lab.add("c1", &pod, ips, &json!({}))).succeeds();
    assert!(lab.outside.reaches(&pod, "10.9.0.20"));
}
