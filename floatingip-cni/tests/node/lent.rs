//! `galaxy-k8s-vlan` with addresses that an IPAM plugin lends: ours from the real server, and Debian's `host-local`.

use std::os::unix::net::UnixListener;
use std::path::Path;

use serde_json::{Value, json};

use super::lab::{Answer, Call, Lab, OUTSIDE_MAC, debians_plugins};
use super::server::Server;
use super::space::Space;

const FOUR: &str = "10.9.0.20~10.9.0.23";
const SUBNET: &str = "10.9.0.0/24";

fn ours(server: &Server) -> Value {
    json!({"type": "floatingip-ipam", "serverURL": server.url(), "nodeName": "n1"})
}

fn host_local(data: &Path) -> Value {
    let range = json!({"subnet": SUBNET, "rangeStart": "10.9.0.20", "gateway": "10.9.0.1"});
    json!({"type": "host-local", "dataDir": data, "ranges": [[range]]})
}

/// `ADD` of a pod that nobody bound.
fn unbound<'a>(lab: &Lab, container: &'a str, pod: &Space, ipam: &Value) -> Call<'a> {
    let fields = json!({"switch": "macvlan", "ipam": ipam});
    let mut call = lab.add(container, pod, &[], &fields);
    call.args = "IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web-0".to_owned();
    call
}

fn ip(answer: &Answer) -> String {
    let result = answer.succeeds().json();
    let address = result["ips"][0]["address"].as_str().unwrap();
    address.replace("/24", "")
}

/// What `host-local` has lent.
fn kept(data: &Path) -> usize {
    let files = std::fs::read_dir(data.join("lan"));
    let names = files.map(|files| files.map(|file| file.unwrap().file_name()));
    let is_address = |name: &std::ffi::OsString| name.to_string_lossy().starts_with("10.");
    names.map_or(0, |names| names.filter(is_address).count())
}

#[test]
fn the_server_lends_an_address_and_hears_of_its_end() {
    let Some(lab) = Lab::new() else { return };
    let Some(server) = Server::start(FOUR, SUBNET, 0) else {
        return;
    };
    let pod = Space::new();
    let call = unbound(&lab, "c1", &pod, &ours(&server));
    lab.call(&call.verb("STATUS")).succeeds();
    let added = lab.call(&call);
    let address = ip(&added);
    assert!(lab.outside.reaches(&pod, &address));
    assert_eq!(server.owned()[0].1["podName"], "web-0");
    lab.call(&call.check(&added)).succeeds();
    lab.call(&call).fails_with(4, "connected to lan already");
    assert_eq!(server.owned_ips(), [address]);
    for _ in 0..2 {
        lab.call(&call.verb("DEL")).succeeds();
        assert_eq!(server.owned_ips(), [""; 0]);
        assert_eq!(lab.remembered(), 0);
    }
}

#[test]
fn what_the_ipam_plugin_finds_is_told_by_check() {
    let (Some(lab), Some(_)) = (Lab::new(), debians_plugins()) else {
        return;
    };
    let Some(server) = Server::start(FOUR, SUBNET, 0) else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let pods = [Space::new(), Space::new()];
    let own = unbound(&lab, "c1", &pods[0], &ours(&server));
    let mut others = unbound(&lab, "c2", &pods[1], &host_local(data.path()));
    others.config["name"] = json!("other");
    others.config["ipam"]["ranges"][0][0]["rangeStart"] = json!("10.9.0.30");
    let answers = [&own, &others].map(|call| lab.call(call).succeeds().clone());
    lab.call(&own.check(&answers[0])).succeeds();
    lab.call(&others.check(&answers[1])).succeeds();
    server.ask("DELETE", "/v1/attachment/n1/lan/c1/eth0", None);
    lab.call(&own.check(&answers[0]))
        .fails_with(101, "the server knows no pod ns/web-0");
    std::fs::remove_dir_all(data.path().join("other")).unwrap();
    let forgotten = lab.call(&others.check(&answers[1]));
    assert!(forgotten.text.contains("host-local"), "{forgotten:?}");
}

#[test]
fn an_address_of_another_plugin_needs_a_gateway_and_has_the_vlan_of_the_configuration() {
    let (Some(lab), Some(_)) = (Lab::new(), debians_plugins()) else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let pod = Space::new();
    let mut fixed = json!({"type": "static", "addresses": [{"address": "10.9.0.20/24"}]});
    lab.call(&unbound(&lab, "c1", &pod, &fixed))
        .fails_with(7, "10.9.0.20/24 without a gateway");
    fixed["addresses"][0]["gateway"] = json!("10.9.0.1");
    let untagged = unbound(&lab, "c1", &pod, &fixed);
    lab.call(&untagged).succeeds();
    lab.call(&untagged.verb("DEL")).succeeds();
    let mut tagged = unbound(&lab, "c1", &pod, &host_local(data.path()));
    tagged.config["vlan"] = json!(5);
    let answer = lab.call(&tagged);
    if answer.success {
        assert!(lab.host.ip("-d link show vlan5").contains("id 5"));
        lab.call(&tagged.verb("DEL")).succeeds();
    } else {
        answer.fails_with(5, "vlan5");
    }
    assert_eq!((kept(data.path()), lab.remembered()), (0, 0));
}

#[test]
fn a_bound_pod_needs_no_ipam_plugin() {
    let Some(lab) = Lab::new() else { return };
    let Some(mut server) = Server::start(FOUR, SUBNET, 0) else {
        return;
    };
    server.kill();
    let pod = Space::new();
    let fields = json!({"switch": "macvlan", "ipam": ours(&server)});
    let call = lab.add("c1", &pod, &["10.9.0.40/24"], &fields);
    let added = lab.call(&call);
    assert_eq!(ip(&added), "10.9.0.40");
    lab.call(&call.check(&added)).succeeds();
    lab.call(&call.verb("DEL")).succeeds();
}

#[test]
fn host_local_lends_an_address_and_gets_it_back() {
    let (Some(lab), Some(_)) = (Lab::new(), debians_plugins()) else {
        return;
    };
    let pod = Space::new();
    let data = tempfile::tempdir().unwrap();
    let call = unbound(&lab, "c1", &pod, &host_local(data.path()));
    let added = lab.call(&call);
    assert_eq!(ip(&added), "10.9.0.20");
    assert!(lab.outside.reaches(&pod, "10.9.0.20"));
    assert_eq!(kept(data.path()), 1);
    lab.call(&call.check(&added)).succeeds();
    // Of this the node remembers nothing, as after its restart.
    std::fs::remove_dir_all(lab.records()).unwrap();
    pod.ip("link delete eth0");
    lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(kept(data.path()), 0);
    lab.call(&call).succeeds();
    for _ in 0..2 {
        lab.call(&call.verb("DEL")).succeeds();
        assert_eq!(kept(data.path()), 0);
    }
}

/// Somebody on the network has the address: `ADD` fails, and what was lent goes back.
#[test]
fn what_was_lent_is_given_back_when_the_container_cannot_be_connected() {
    let (Some(lab), Some(_)) = (Lab::new(), debians_plugins()) else {
        return;
    };
    let Some(server) = Server::start("10.9.0.20", SUBNET, 0) else {
        return;
    };
    lab.outside.ip("address add 10.9.0.20/24 dev out0");
    let data = tempfile::tempdir().unwrap();
    let pod = Space::new();
    for ipam in [ours(&server), host_local(data.path())] {
        let answer = lab.call(&unbound(&lab, "c1", &pod, &ipam));
        answer.fails_with(100, &format!("10.9.0.20 is used by {OUTSIDE_MAC}"));
        assert_eq!(lab.remembered(), 0, "{ipam}");
        assert!(!pod.ip("-o link").contains("eth0"));
    }
    assert_eq!(kept(data.path()), 0);
    // The server that lent it was told, and keeps it from everybody.
    let next = lab.call(&unbound(&lab, "c2", &pod, &ours(&server)));
    next.fails_with(11, "reason: exhausted");
    let rows = server.ask("GET", "/v1/ip?includeFree=true&size=100", None);
    assert_eq!(rows["content"][0]["mark"]["mac"], OUTSIDE_MAC, "{rows}");
}

/// The links cannot be made: no such device.
#[test]
fn what_was_lent_is_given_back_when_no_link_can_be_made() {
    let Some(lab) = Lab::new() else { return };
    let Some(server) = Server::start(FOUR, SUBNET, 0) else {
        return;
    };
    let pod = Space::new();
    let mut call = unbound(&lab, "c1", &pod, &ours(&server));
    call.config["device"] = json!("eth9");
    lab.call(&call).fails_with(7, "eth9");
    assert_eq!(server.owned_ips(), [""; 0]);
    assert_eq!(lab.remembered(), 0);
}

/// An address comes with its VLAN, which a result has no place for. This kernel need not have VLANs: it is named then.
#[test]
fn an_address_of_a_vlan_is_connected_to_it() {
    let Some(lab) = Lab::new() else { return };
    let Some(server) = Server::start(FOUR, SUBNET, 5) else {
        return;
    };
    let pod = Space::new();
    let call = unbound(&lab, "c1", &pod, &ours(&server));
    let added = lab.call(&call);
    if added.success {
        assert!(lab.host.ip("-d link show vlan5").contains("id 5"));
        lab.call(&call.verb("DEL")).succeeds();
    } else {
        added.fails_with(5, "vlan5");
    }
    assert_eq!(server.owned_ips(), [""; 0]);
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn a_call_that_is_killed_while_the_server_is_asked_is_undone_by_del() {
    let Some(lab) = Lab::new() else { return };
    let Some(server) = Server::start(FOUR, SUBNET, 0) else {
        return;
    };
    let pod = Space::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("silent.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut call = unbound(&lab, "c1", &pod, &ours(&server));
    call.config["ipam"]["serverURL"] = json!(format!("unix:{}", socket.display()));
    let mut child = lab.spawn(&call);
    let (asked, _) = listener.accept().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop(asked);
    drop(listener);
    assert_eq!(lab.remembered(), 1);
    lab.call(&call.verb("DEL"))
        .fails_with(11, "cannot be reached");
    assert_eq!(lab.remembered(), 1, "it is still to be given back");
    // The runtime's configuration says by now where the server is.
    std::os::unix::fs::symlink(server.socket(), folder.path().join("now.sock")).unwrap();
    std::fs::rename(folder.path().join("now.sock"), &socket).unwrap();
    lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(lab.remembered(), 0);
}

#[test]
fn what_is_not_listed_is_given_back() {
    let (Some(lab), Some(_)) = (Lab::new(), debians_plugins()) else {
        return;
    };
    let Some(server) = Server::start(FOUR, SUBNET, 0) else {
        return;
    };
    let data = tempfile::tempdir().unwrap();
    let pods = [Space::new(), Space::new()];
    for ipam in [ours(&server), host_local(data.path())] {
        let calls =
            [("c1", &pods[0]), ("c2", &pods[1])].map(|(id, pod)| unbound(&lab, id, pod, &ipam));
        for (call, uid) in calls.iter().zip(["u1", "u2"]) {
            let mut call = call.clone();
            call.args = format!("IgnoreUnknown=1;K8S_POD_NAME={uid}");
            lab.call(&call).succeeds();
        }
        let mut gc = calls[0].verb("GC");
        gc.config["cni.dev/valid-attachments"] = json!([{"containerID": "c1", "ifname": "eth0"}]);
        lab.call(&gc).succeeds();
        assert_eq!(lab.remembered(), 1, "{ipam}");
        assert!(!pods[1].ip("-o link").contains("eth0"));
        match ipam["type"].as_str() {
            Some("host-local") => assert_eq!(kept(data.path()), 1),
            _ => assert_eq!(server.owned_ips().len(), 1),
        }
        lab.call(&calls[0].verb("DEL")).succeeds();
    }
}

#[test]
fn an_ipam_plugin_that_is_not_there_is_named_and_nothing_is_left() {
    let Some(lab) = Lab::new() else { return };
    let pod = Space::new();
    let call = unbound(&lab, "c1", &pod, &json!({"type": "no-such-ipam"}));
    lab.call(&call).fails_with(7, "no-such-ipam");
    lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(lab.remembered(), 0);
}
