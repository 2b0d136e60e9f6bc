//! Containers that are connected, and disconnected again.

use std::os::unix::fs::symlink;

use serde_json::json;

use super::lab::{HOST_IP, Lab, OUTSIDE_IP};
use super::space::Space;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[test]
fn a_bridged_container_answers_from_outside_until_it_is_disconnected() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let call = lab.add(ID, &pod, &["10.9.0.20/24"], &json!({}));
    let added = lab.call(&call);
    let result = added.succeeds().json();
    assert_eq!(result["ips"][0]["address"], "10.9.0.20/24", "{result}");
    assert_eq!(result["interfaces"][0]["mac"], "02:42:0a:09:00:14");
    assert_eq!(result["interfaces"][1]["name"], "v-h012345678-l0");
    assert!(lab.outside.reaches(&pod, "10.9.0.20"));
    assert!(pod.reaches(&lab.outside, OUTSIDE_IP));
    assert!(lab.host.reaches(&pod, "10.9.0.20"));
    assert!(
        lab.outside.reaches(&lab.host, HOST_IP),
        "the host has its address on the bridge"
    );
    lab.call(&call.check(&added)).succeeds();
    for netns in [call.netns.clone(), String::new()] {
        let mut del = call.verb("DEL");
        del.netns = netns;
        assert_eq!(lab.call(&del).succeeds().text, "");
        assert_eq!(lab.remembered(), 0);
        assert!(!lab.host.ip("-o link").contains("v-h"));
        assert!(!pod.ip("-o link").contains("eth0"));
    }
    assert!(lab.outside.reaches(&lab.host, HOST_IP));
}

#[test]
fn a_routed_container_answers_from_outside() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let call = lab.add(ID, &pod, &["10.9.0.20/24"], &json!({"switch": "pure"}));
    let added = lab.call(&call);
    added.succeeds();
    assert!(lab.outside.reaches(&pod, "10.9.0.20"));
    assert!(pod.reaches(&lab.outside, OUTSIDE_IP));
    assert!(
        !lab.host.ip("-o -d link").contains("bridge"),
        "no bridge is made"
    );
    lab.call(&call.check(&added)).succeeds();
    lab.call(&call.verb("DEL")).succeeds();
    assert!(!lab.host.ip("route").contains("10.9.0.20"));
}

#[test]
fn a_macvlan_container_answers_from_outside_and_its_interface_goes() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let call = lab.add(ID, &pod, &["10.9.0.20/24"], &json!({"switch": "macvlan"}));
    let added = lab.call(&call);
    added.succeeds();
    assert!(lab.outside.reaches(&pod, "10.9.0.20"));
    assert!(lab.outside.reaches(&lab.host, HOST_IP));
    lab.call(&call.check(&added)).succeeds();
    lab.call(&call.verb("DEL")).succeeds();
    assert!(!pod.ip("-o link").contains("eth0"), "{}", pod.ip("-o link"));
}

/// The switches that this test's kernel is sure to have.
const SWITCHES: [&str; 3] = ["bridge", "macvlan", "pure"];

#[test]
fn a_configuration_of_galaxys_is_answered_as_galaxy_answers_it() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let mut call = lab.add(ID, &pod, &["10.9.0.20/24"], &json!({}));
    call.config.as_object_mut().unwrap().remove("cniVersion");
    let expected = json!({
        "cniVersion": "0.2.0",
        "ip4": {"ip": "10.9.0.20/24", "gateway": OUTSIDE_IP, "routes": [{"dst": "0.0.0.0/0"}]},
        "dns": {},
    });
    assert_eq!(lab.call(&call).succeeds().json(), expected);
}

#[test]
fn a_second_network_has_an_interface_of_its_own_and_the_default_route() {
    for switch in SWITCHES {
        let Some(lab) = Lab::new() else { return };
        lab.outside.ip("address add 10.8.0.1/24 dev out0");
        let pod = Space::new();
        let ips = &["10.9.0.20/24", "10.8.0.20/24"];
        let call = lab.add(ID, &pod, ips, &json!({"switch": switch}));
        let added = lab.call(&call);
        let result = added.succeeds().json();
        assert_eq!(result["ips"][1]["address"], "10.8.0.20/24", "{result}");
        assert!(
            pod.ip("route").contains("default via 10.8.0.1 dev eth1"),
            "{switch}"
        );
        for net in ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"] {
            let route = format!("{net} via 10.9.0.1 dev eth0");
            assert!(
                pod.ip("route").contains(&route),
                "{switch}: {}",
                pod.ip("route")
            );
        }
        assert!(lab.outside.reaches(&pod, "10.9.0.20"), "{switch}");
        assert!(lab.outside.reaches(&pod, "10.8.0.20"), "{switch}");
        lab.call(&call.check(&added)).succeeds();
        lab.call(&call.verb("DEL")).succeeds();
        assert!(!pod.ip("-o link").contains("eth"), "{switch}");
        assert!(!lab.host.ip("-o link").contains("v-h"), "{switch}");
    }
}

#[test]
fn ipv4_and_ipv6_share_an_interface() {
    for switch in ["bridge", "macvlan"] {
        let Some(lab) = Lab::new() else { return };
        lab.outside.ip("address add fd09::1/64 dev out0 nodad");
        let pod = Space::new();
        let ips = &["10.9.0.20/24", "fd09::20/64"];
        let call = lab.add(ID, &pod, ips, &json!({"switch": switch}));
        let added = lab.call(&call);
        let result = added.succeeds().json();
        assert_eq!(result["ips"][1]["interface"], 0, "{result}");
        assert!(lab.outside.reaches(&pod, "10.9.0.20"), "{switch}");
        assert!(lab.outside.reaches(&pod, "fd09::20"), "{switch}");
        assert!(
            pod.ip("-6 route").contains("default via fd09::1"),
            "{switch}: {}",
            pod.ip("-6 route")
        );
        lab.call(&call.check(&added)).succeeds();
    }
}

/// The host's own IPv6 address moves with the IPv4 one.
#[test]
fn a_hosts_ipv6_address_moves_too() {
    let Some(lab) = Lab::new() else { return };
    lab.host.ip("address add fd09::10/64 dev eth0 nodad");
    lab.host.ip("route add fd77::/64 via fd09::1");
    lab.outside.ip("address add fd09::1/64 dev out0 nodad");
    let pod = Space::new();
    lab.call(&lab.add(ID, &pod, &["10.9.0.20/24"], &json!({})))
        .succeeds();
    assert!(lab.outside.reaches(&lab.host, "fd09::10"));
    assert!(
        lab.host
            .ip("-6 route")
            .contains("fd77::/64 via fd09::1 dev docker")
    );
    assert!(!lab.host.ip("-6 address show dev eth0").contains("fd09"));
}

#[test]
fn neighbours_hear_of_every_address_at_once() {
    for (switch, form) in [
        ("bridge", false),
        ("macvlan", true),
        ("pure", false),
        ("bridge", true),
    ] {
        let Some(lab) = Lab::new() else { return };
        lab.outside.ip("address add 10.8.0.1/24 dev out0");
        let ips = ["10.9.0.20", "10.8.0.20"];
        for ip in ips {
            lab.outside.ip(&format!(
                "neighbour add {ip} lladdr 02:00:00:00:00:99 dev out0 nud stale"
            ));
        }
        let pod = Space::new();
        let fields = json!({"switch": switch, "gratuitous_arp_request": form});
        let call = lab.add(ID, &pod, &["10.9.0.20/24", "10.8.0.20/24"], &fields);
        lab.call(&call).succeeds();
        for ip in ips {
            let known = lab.outside.ip(&format!("neighbour show {ip}"));
            assert!(
                !known.contains("02:00:00:00:00:99"),
                "{switch} {form}: {known}"
            );
        }
    }
}

#[test]
fn neighbours_hear_of_ipv6_addresses_too() {
    for switch in ["bridge", "macvlan"] {
        let Some(lab) = Lab::new() else { return };
        lab.outside.ip("address add fd09::1/64 dev out0 nodad");
        let stale = "lladdr 02:00:00:00:00:99 dev out0 nud stale";
        lab.outside.ip(&format!("neighbour add fd09::20 {stale}"));
        let pod = Space::new();
        let call = lab.add(ID, &pod, &["fd09::20/64"], &json!({"switch": switch}));
        lab.call(&call).succeeds();
        let known = lab.outside.ip("neighbour show fd09::20");
        assert!(!known.contains("02:00:00:00:00:99"), "{switch}: {known}");
    }
}

#[test]
fn packets_are_as_long_as_the_device_allows_or_as_configured() {
    for switch in SWITCHES {
        let Some(lab) = Lab::new() else { return };
        lab.outside.ip("link set out0 mtu 9000");
        lab.host.ip("link set eth0 mtu 9000");
        let pods = [Space::new(), Space::new()];
        lab.call(&lab.add(
            "a1",
            &pods[0],
            &["10.9.0.20/24"],
            &json!({"switch": switch}),
        ))
        .succeeds();
        assert!(
            pods[0].ip("link show eth0").contains("mtu 9000"),
            "{switch}"
        );
        let fields = json!({"switch": switch, "mtu": 1400});
        lab.call(&lab.add("b1", &pods[1], &["10.9.0.21/24"], &fields))
            .succeeds();
        assert!(
            pods[1].ip("link show eth0").contains("mtu 1400"),
            "{switch}"
        );
    }
}

#[test]
fn a_container_may_be_in_two_networks_and_leave_one() {
    let Some(lab) = Lab::new() else { return };
    lab.outside.ip("address add 10.8.0.1/24 dev out0");
    let pod = Space::new();
    pod.ip("link add foreign type veth peer name ngierof");
    let first = lab.add(ID, &pod, &["10.9.0.20/24"], &json!({}));
    lab.call(&first).succeeds();
    let mut second = lab.add(ID, &pod, &["10.8.0.20/24"], &json!({"name": "other"}));
    second.interface = "net1";
    let added = lab.call(&second);
    let result = added.succeeds().json();
    assert_eq!(result["interfaces"][1]["name"], "v-h012345678-l1");
    assert_eq!(
        result["routes"],
        json!([]),
        "the first network has the default route"
    );
    lab.call(&first.verb("DEL")).succeeds();
    let links = pod.ip("-o link");
    assert!(
        links.contains("net1") && links.contains("foreign") && !links.contains("eth0"),
        "{links}"
    );
    assert!(lab.outside.reaches(&pod, "10.8.0.20"));
    lab.call(&second.check(&added)).succeeds();
}

#[test]
fn containers_are_connected_side_by_side() {
    let Some(lab) = Lab::new() else { return };
    let pods: Vec<Space> = (0..6).map(|_| Space::new()).collect();
    let ips: Vec<String> = (0..6).map(|at| format!("10.9.0.{}", 20 + at)).collect();
    std::thread::scope(|scope| {
        for (at, pod) in pods.iter().enumerate() {
            let (lab, ip) = (&lab, format!("{}/24", ips[at]));
            scope.spawn(move || {
                let container = format!("0123456789-{at}");
                lab.call(&lab.add(&container, pod, &[&ip], &json!({})))
                    .succeeds();
            });
        }
    });
    for (pod, ip) in pods.iter().zip(&ips) {
        assert!(lab.outside.reaches(pod, ip), "{ip}");
    }
    assert_eq!(lab.remembered(), 6);
}

#[test]
fn what_is_not_listed_is_collected_and_nothing_else() {
    let Some(lab) = Lab::new() else { return };
    let pods = [Space::new(), Space::new(), Space::new()];
    let calls = [
        lab.add("a1", &pods[0], &["10.9.0.20/24"], &json!({})),
        lab.add(
            "b1",
            &pods[1],
            &["10.9.0.21/24"],
            &json!({"switch": "pure", "device": "docker"}),
        ),
        lab.add("a1", &pods[2], &["10.9.0.22/24"], &json!({"name": "other"})),
    ];
    for call in &calls {
        lab.call(call).succeeds();
    }
    let mut gc = calls[0].verb("GC");
    lab.call(&gc).succeeds();
    gc.config["cni.dev/valid-attachments"] = json!(null);
    lab.call(&gc).succeeds();
    assert_eq!(lab.remembered(), 2, "without a list nothing is removed");
    let broken = lab.records().join("vlan/lan/0@eth0.json");
    std::fs::write(&broken, "{").unwrap();
    std::fs::write(broken.with_extension("new"), "{").unwrap();
    gc.config["cni.dev/valid-attachments"] = json!([{"containerID": "a1", "ifname": "eth0"}]);
    lab.call(&gc).fails_with(5, "0@eth0.json is no record");
    assert!(broken.exists() && !broken.with_extension("new").exists());
    std::fs::remove_file(broken).unwrap();
    lab.call(&gc).succeeds();
    assert!(lab.outside.reaches(&pods[0], "10.9.0.20"));
    assert!(lab.outside.reaches(&pods[2], "10.9.0.22"));
    assert!(!pods[1].ip("-o link").contains("eth0"));
    gc.config["cni.dev/valid-attachments"] = json!([]);
    lab.call(&gc).succeeds();
    assert!(!pods[0].ip("-o link").contains("eth0"));
    assert!(
        lab.outside.reaches(&pods[2], "10.9.0.22"),
        "another network"
    );
}

#[test]
fn a_namespace_may_be_gone_before_the_container_is_disconnected() {
    for switch in SWITCHES {
        let Some(lab) = Lab::new() else { return };
        let pod = Space::new();
        let call = lab.add(ID, &pod, &["10.9.0.20/24"], &json!({"switch": switch}));
        lab.call(&call).succeeds();
        drop(pod);
        lab.call(&call.verb("DEL")).succeeds();
        assert_eq!(lab.remembered(), 0);
        assert!(!lab.host.ip("-o link").contains("v-h"));
        if switch == "macvlan" {
            // The kernel takes its time to end a namespace with the macvlan in it.
            continue;
        }
        // Nobody answers for its address: another container may have it.
        let next = Space::new();
        let call = lab.add("next", &next, &["10.9.0.20/24"], &json!({"switch": switch}));
        lab.call(&call).succeeds();
    }
}

#[test]
fn links_that_only_have_the_same_name_are_left_alone() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({"switch": "macvlan"}));
    lab.call(&call).succeeds();
    pod.ip("link delete eth0");
    pod.ip("link add eth0 type veth peer name foreign");
    lab.call(&call.verb("DEL")).succeeds();
    assert!(pod.ip("-o link").contains("eth0"));
}

/// As `/proc/PID/ns/net` does once the process has ended.
#[test]
fn a_path_that_leads_to_another_container_by_now_is_not_followed() {
    let Some(lab) = Lab::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let pods = [Space::new(), Space::new()];
    let fields = json!({"switch": "macvlan"});
    let mut call = lab.add("c1", &pods[0], &["10.9.0.20/24"], &fields);
    let path = folder.path().join("net");
    symlink(&call.netns, &path).unwrap();
    call.netns = path.display().to_string();
    lab.call(&call).succeeds();
    std::fs::remove_file(&path).unwrap();
    symlink(pods[1].path(), &path).unwrap();
    // The other one has an interface that looks the same.
    pods[1].ip("link add below type veth peer name other");
    pods[1].ip("link add eth0 link below address 02:42:0a:09:00:14 type macvlan");
    lab.call(&call.verb("DEL")).succeeds();
    assert!(pods[1].ip("-o link").contains("eth0"));
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn a_node_is_ready_without_a_network_but_not_without_its_device() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let status = lab.add("c1", &pod, &[], &json!({})).verb("STATUS");
    assert_eq!(lab.call(&status).succeeds().text, "");
    lab.outside.ip("link set out0 down");
    lab.call(&status).succeeds();
    lab.host.ip("link delete eth0");
    lab.call(&status).fails_with(50, "no link eth0");
    let mut folder = lab
        .add("c1", &pod, &[], &json!({"device": "lo"}))
        .verb("STATUS");
    folder.config["state_folder"] = json!("/proc/no/such");
    lab.call(&folder).fails_with(50, "/proc/no/such");
    // A folder that is there, and that nobody can write to.
    let state = tempfile::tempdir().unwrap();
    symlink("/proc/self/fd", state.path().join("vlan")).unwrap();
    folder.config["state_folder"] = json!(state.path());
    lab.call(&folder).fails_with(50, "vlan/status");
}

#[test]
fn a_device_may_be_named_by_another_name_of_its() {
    for switch in ["bridge", "pure"] {
        let Some(lab) = Lab::new() else { return };
        lab.host.ip("link property add dev eth0 altname enp5s0");
        let pod = Space::new();
        let fields = json!({"device": "enp5s0", "switch": switch});
        let call = lab.add("c1", &pod, &["10.9.0.20/24"], &fields);
        lab.call(&call.verb("STATUS")).succeeds();
        lab.call(&call).succeeds();
        assert!(lab.outside.reaches(&pod, "10.9.0.20"), "{switch}");
    }
}

#[test]
fn the_first_device_that_is_there_is_used() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let fields = json!({"device": "", "devices": ["eth9", "eth0"]});
    lab.call(&lab.add("c1", &pod, &["10.9.0.20/24"], &fields))
        .succeeds();
    assert!(lab.outside.reaches(&pod, "10.9.0.20"));
}

#[test]
fn a_device_without_an_address_and_a_bridge_of_ones_own_will_do() {
    let Some(lab) = Lab::bare() else { return };
    let pods = [Space::new(), Space::new()];
    lab.call(&lab.add("a1", &pods[0], &["10.9.0.20/24"], &json!({})))
        .succeeds();
    let own = json!({"disable_default_bridge": true});
    lab.call(&lab.add("b1", &pods[1], &["10.9.0.21/24"], &own))
        .succeeds();
    assert!(lab.outside.reaches(&pods[1], "10.9.0.21"));
    assert!(pods[0].reaches(&pods[1], "10.9.0.21"));
}
