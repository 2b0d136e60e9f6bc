//! `floatingip-ipam` under Debian's main plugins, with addresses of annotations and of the real server.

use std::io::Read as _;

use serde_json::{Value, json};

use super::lab::{Answer, Call, DEVICE, HOST_IP, Lab, debians_plugins, infos};
use super::server::Server;
use super::space::Space;

/// A main plugin over the node's device, with our IPAM plugin.
fn config(lab: &Lab, main: &str, ipam: &Value) -> Value {
    let mut section = json!({"type": "floatingip-ipam", "stateFolder": lab.records()});
    for (key, value) in ipam.as_object().unwrap() {
        section[key] = value.clone();
    }
    let mut config = json!({"cniVersion": "1.0.0", "name": "lan", "type": main, "ipam": section});
    match main {
        "bridge" => config["bridge"] = json!("br0"),
        _ => config["master"] = json!(DEVICE),
    }
    config
}

fn annotated(mut config: Value, ips: &[&str]) -> Value {
    let args = json!({"common": {"ipinfos": infos(ips)}}).to_string();
    config["runtimeConfig"] =
        json!({"io.kubernetes.cri.pod-annotations": {"k8s.v1.cni.galaxy.io/args": args}});
    config
}

fn call<'a>(lab: &Lab, container: &'a str, pod: &Space, config: Value) -> Call<'a> {
    let mut call = lab.add(container, pod, &[], &json!({}));
    call.args = "IgnoreUnknown=1".to_owned();
    call.config = config;
    call
}

fn pod_args(name: &str, uid: &str) -> String {
    format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME={name};K8S_POD_UID={uid}")
}

/// The node's device is a port of the bridge that Debian's plugin uses.
fn bridge_the_device(lab: &Lab) {
    lab.host.ip("link add br0 type bridge");
    lab.host.ip("link set br0 up");
    lab.host.ip(&format!("link set {DEVICE} master br0"));
    lab.host.ip(&format!("address flush dev {DEVICE}"));
    lab.host.ip(&format!("address add {HOST_IP}/24 dev br0"));
}

fn remembered(lab: &Lab) -> usize {
    std::fs::read_dir(lab.records().join("ipam/lan")).map_or(0, Iterator::count)
}

fn address(answer: &Answer) -> String {
    let result = answer.succeeds().json();
    result["ips"][0]["address"].as_str().unwrap().to_owned()
}

#[test]
fn a_bound_pod_has_its_address_by_debians_bridge_and_macvlan() {
    for main in ["bridge", "macvlan"] {
        let (Some(lab), Some(_)) = (Lab::new(), debians_plugins()) else {
            return;
        };
        bridge_or_not(&lab, main);
        let pod = Space::new();
        let bound = annotated(config(&lab, main, &json!({})), &["10.9.0.20/24"]);
        let call = call(&lab, "c1", &pod, bound);
        let added = lab.call(&call);
        assert_eq!(address(&added), "10.9.0.20/24", "{main}");
        assert!(lab.outside.reaches(&pod, "10.9.0.20"), "{main}");
        let route = pod.ip("route");
        assert!(route.contains("default via 10.9.0.1"), "{main}: {route}");
        lab.call(&call.check(&added)).succeeds();
        assert_eq!(remembered(&lab), 1);
        let mut without = call.verb("DEL");
        without
            .config
            .as_object_mut()
            .unwrap()
            .remove("runtimeConfig");
        for _ in 0..2 {
            lab.call(&without).succeeds();
            assert_eq!(remembered(&lab), 0, "{main}");
        }
        assert!(!pod.ip("-o link").contains("eth0"), "{main}");
    }
}

fn bridge_or_not(lab: &Lab, main: &str) {
    if main == "bridge" {
        bridge_the_device(lab);
    }
}

#[test]
fn a_pod_gets_its_address_from_the_server_and_gives_it_back() {
    for main in ["bridge", "macvlan"] {
        let (Some(lab), Some(_)) = (Lab::new(), debians_plugins()) else {
            return;
        };
        let Some(server) = Server::start("10.9.0.20~10.9.0.29", "10.9.0.0/24", 0) else {
            return;
        };
        bridge_or_not(&lab, main);
        let pod = Space::new();
        let standalone = json!({"serverURL": server.url(), "nodeName": "n1"});
        let mut call = call(&lab, "c1", &pod, config(&lab, main, &standalone));
        call.args = pod_args("web-0", "u1");
        let added = lab.call(&call);
        let ip = address(&added).replace("/24", "");
        assert!(lab.outside.reaches(&pod, &ip), "{main}");
        let (owned, row) = &server.owned()[0];
        assert_eq!((owned, &row["podName"]), (&ip, &json!("web-0")), "{row}");
        assert_eq!(row["namespace"], "ns");
        lab.call(&call.check(&added)).succeeds();
        for netns in [call.netns.clone(), String::new()] {
            let mut del = call.verb("DEL");
            del.netns = netns;
            lab.call(&del).succeeds();
            assert_eq!(server.owned(), [], "{main}");
        }
        assert_eq!(remembered(&lab), 0);
    }
}

#[test]
fn a_slot_keeps_its_address_under_a_policy_of_the_arguments() {
    let Some((lab, server)) = standalone() else {
        return;
    };
    let pod = Space::new();
    let mut first = call(&lab, "c1", &pod, own(&lab, &server));
    first.args =
        pod_args("web-0", "u1") + ";FLOATINGIP_POLICY=never;FLOATINGIP_APP=statefulset/web";
    let ip = address(&lab.call(&first));
    lab.call(&first.verb("DEL")).succeeds();
    let row = &server.owned()[0].1;
    assert_eq!(
        (&row["appName"], &row["policy"]),
        (&json!("web"), &json!(2))
    );
    let mut other = call(&lab, "c2", &pod, own(&lab, &server));
    other.args = pod_args("web-1", "u2") + ";FLOATINGIP_APP=statefulset/web";
    assert_ne!(address(&lab.call(&other)), ip);
    let mut again = first.clone();
    again.container = "c3";
    again.args = first.args.replace("u1", "u3");
    assert_eq!(address(&lab.call(&again)), ip);
}

/// The IPAM plugin as a main plugin calls it, and the real server.
fn standalone() -> Option<(Lab, Server)> {
    let lab = Lab::new()?;
    let server = Server::start("10.9.0.20~10.9.0.23", "10.9.0.0/24", 0)?;
    Some((lab, server))
}

/// As the main plugin passes its configuration on: only the call is for the IPAM plugin.
fn own(lab: &Lab, server: &Server) -> Value {
    let ipam = json!({"serverURL": server.url(), "nodeName": "n1"});
    let mut config = config(lab, "bridge", &ipam);
    config["type"] = json!("floatingip-ipam");
    config
}

/// `ptp` asks for an address before it makes the link, and calls `DEL` when that is there already.
#[test]
fn a_second_add_takes_nothing_away_from_the_first() {
    let (Some((lab, mut server)), Some(_)) = (standalone(), debians_plugins()) else {
        return;
    };
    for main in ["ptp", "floatingip-ipam"] {
        let pod = Space::new();
        let mut call = call(&lab, "c1", &pod, own(&lab, &server));
        call.config["type"] = json!(main);
        let ip = address(&lab.call(&call)).replace("/24", "");
        lab.call(&call).fails_with(4, "call DEL first");
        assert_eq!(server.owned_ips(), [ip.as_str()], "{main}");
        server.kill();
        lab.call(&call).fails_with(4, &ip);
        server.again();
        assert_eq!(remembered(&lab), 1, "{main}");
        // A container without a pod is its own owner.
        assert_eq!(server.owned()[0].1["podName"], "c1");
        if main == "ptp" {
            assert!(pod.ip("-o address").contains(&format!("{ip}/24")), "{main}");
        }
        lab.call(&call.verb("DEL")).succeeds();
        assert_eq!(server.owned_ips(), [""; 0], "{main}");
        lab.call(&call).succeeds();
        lab.call(&call.verb("DEL")).succeeds();
        assert_eq!(remembered(&lab), 0, "{main}");
    }
}

#[test]
fn an_end_that_was_told_is_told_again_without_the_server() {
    let Some((lab, mut server)) = standalone() else {
        return;
    };
    let pod = Space::new();
    let calls = ["c1", "c2", "c3"].map(|id| call(&lab, id, &pod, own(&lab, &server)));
    lab.call(&calls[0]).succeeds();
    lab.call(&calls[0].verb("DEL")).succeeds();
    server.kill();
    lab.call(&calls[1]).fails_with(11, "cannot be reached");
    // Ended, and never begun.
    for call in [&calls[0], &calls[1]] {
        lab.call(&call.verb("DEL")).succeeds();
    }
    // Of this one nothing is known, as after a restart of the node.
    let unknown = lab.call(&calls[2].verb("DEL"));
    unknown.fails_with(11, "cannot be reached");
    server.again();
    lab.call(&calls[0]).succeeds();
    assert_eq!(server.owned_ips().len(), 1);
    lab.call(&calls[0].verb("DEL")).succeeds();
    assert_eq!(server.owned_ips(), [""; 0], "it was given again in between");
}

#[test]
fn a_del_waits_for_the_add_of_its_container_and_says_so() {
    let Some(lab) = Lab::new() else { return };
    let Some(server) = Server::start("10.9.0.20~10.9.0.23", "10.9.0.0/24", 0) else {
        return;
    };
    let pod = Space::new();
    let held = Held::new();
    let mut call = call(&lab, "c1", &pod, own(&lab, &server));
    call.config["ipam"]["serverURL"] = json!(held.url());
    let mut add = lab.spawn(&call);
    let asked = held.request();
    lab.call(&call.verb("DEL"))
        .fails_with(11, "another call of the plugin has held");
    add.kill().unwrap();
    add.wait().unwrap();
    held.becomes(&server);
    lab.call(&call.verb("DEL")).succeeds();
    // What the killed one had asked arrives only now.
    let late = server.forward(&asked);
    assert!(late.starts_with("HTTP/1.1 409 "), "{late}");
    assert!(late.contains("podEnded"), "{late}");
    assert_eq!(server.owned_ips(), [""; 0]);
    // Another attempt of the same container is none of that.
    lab.call(&call).succeeds();
    assert_eq!(server.owned_ips().len(), 1);
}

/// A socket file where requests are taken and not answered.
struct Held {
    folder: tempfile::TempDir,
    listener: std::os::unix::net::UnixListener,
}

impl Held {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = std::os::unix::net::UnixListener::bind(folder.path().join("f.sock"));
        let listener = listener.unwrap();
        Self { folder, listener }
    }

    fn url(&self) -> String {
        format!("unix:{}", self.folder.path().join("f.sock").display())
    }

    /// One that has come whole; it is answered with nothing when the caller is gone.
    fn request(&self) -> Vec<u8> {
        let (mut stream, _) = self.listener.accept().unwrap();
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"}") {
            let mut some = [0; 4096];
            let count = stream.read(&mut some).unwrap();
            assert!(count > 0, "{:?}", String::from_utf8_lossy(&bytes));
            bytes.extend(&some[..count]);
        }
        // Held for as long as the process that asks.
        std::mem::forget(stream);
        bytes
    }

    /// From now on a server answers there.
    fn becomes(&self, server: &Server) {
        let now = self.folder.path().join("now");
        std::os::unix::fs::symlink(server.socket(), &now).unwrap();
        std::fs::rename(now, self.folder.path().join("f.sock")).unwrap();
    }
}

#[test]
fn while_the_server_is_down_calls_ask_to_be_repeated_and_nothing_is_lost() {
    let Some((lab, mut server)) = standalone() else {
        return;
    };
    let pod = Space::new();
    let call = call(&lab, "c1", &pod, own(&lab, &server));
    lab.call(&call).succeeds();
    server.kill();
    let mut unwritable = call.verb("STATUS");
    unwritable.config["ipam"]["stateFolder"] = json!("/proc/no/such");
    lab.call(&unwritable).fails_with(50, "/proc/no/such");
    let added = lab.call(&Call {
        container: "c2",
        ..call.clone()
    });
    added.fails_with(11, &server.url());
    lab.call(&call.verb("STATUS")).succeeds();
    lab.call(&call.verb("DEL"))
        .fails_with(11, "cannot be reached");
    // What failed for certain is not remembered, what was given is.
    assert_eq!(remembered(&lab), 1);
    server.again();
    assert_eq!(server.owned_ips().len(), 1, "it is still given");
    lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(server.owned_ips(), Vec::<String>::new());
    assert_eq!(remembered(&lab), 0);
}

/// Killed in the middle: a server that takes the question and never answers.
#[test]
fn a_killed_add_is_remembered_and_undone_by_del() {
    let Some((lab, server)) = standalone() else {
        return;
    };
    let pod = Space::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("silent.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut call = call(&lab, "c1", &pod, own(&lab, &server));
    call.config["ipam"]["serverURL"] = json!(format!("unix:{}", socket.display()));
    let mut child = lab.spawn(&call);
    let (asked, _) = listener.accept().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    drop((asked, listener));
    assert_eq!(remembered(&lab), 1, "it may have been given");
    call.config["ipam"]["serverURL"] = json!(server.url());
    let interface =
        json!({"nodeName": "n1", "network": "lan", "containerID": "c1", "interface": "eth0"});
    server.ask("POST", "/v1/attachment", Some(&interface));
    lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(server.owned_ips(), Vec::<String>::new());
    assert_eq!(remembered(&lab), 0);
}

#[test]
fn what_the_server_refuses_is_passed_on_and_not_remembered() {
    let Some((lab, server)) = standalone() else {
        return;
    };
    let pod = Space::new();
    for id in ["a0", "a1", "a2", "a3"] {
        lab.call(&call(&lab, id, &pod, own(&lab, &server)))
            .succeeds();
    }
    let full = lab.call(&call(&lab, "c1", &pod, own(&lab, &server)));
    full.fails_with(11, "reason: exhausted");
    let mut odd = call(&lab, "c2", &pod, own(&lab, &server));
    odd.config["ipam"]["policy"] = json!("nevver");
    lab.call(&odd).fails_with(7, "nevver");
    assert_eq!(remembered(&lab), 4);
    let mut tls = odd.clone();
    tls.config["ipam"]["serverURL"] = json!("https://127.0.0.1");
    lab.call(&tls).fails_with(6, "no TLS");
}

#[test]
fn a_server_that_asks_for_a_token_takes_the_one_of_the_file_as_it_is_now() {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";
    let Some(lab) = Lab::new() else { return };
    let ips = "10.9.0.20~10.9.0.23";
    let Some(server) = Server::guarded(ips, "10.9.0.0/24", TOKEN) else {
        return;
    };
    let pod = Space::new();
    let mut call = call(&lab, "c1", &pod, own(&lab, &server));
    lab.call(&call).fails_with(7, "tokenFile");
    let file = tempfile::NamedTempFile::new().unwrap();
    call.config["ipam"]["tokenFile"] = json!(file.path());
    lab.call(&call).fails_with(5, "it is empty");
    std::fs::write(file.path(), TOKEN).unwrap();
    lab.call(&call).succeeds();
    std::fs::write(file.path(), "another").unwrap();
    lab.call(&call.verb("DEL")).fails_with(7, "tokenFile");
    assert_eq!(remembered(&lab), 1);
    std::fs::write(file.path(), TOKEN).unwrap();
    lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(server.owned_ips(), [""; 0]);
}

#[test]
fn an_address_of_another_vlan_than_the_main_plugins_is_refused_and_given_back() {
    let Some(lab) = Lab::new() else { return };
    let Some(server) = Server::start("10.9.0.20~10.9.0.23", "10.9.0.0/24", 5) else {
        return;
    };
    let pod = Space::new();
    let call = call(&lab, "c1", &pod, own(&lab, &server));
    lab.call(&call).fails_with(7, "VLAN 5");
    assert_eq!(server.owned_ips(), Vec::<String>::new());
    assert_eq!(remembered(&lab), 0);
    for (field, value) in [("vlan", json!(5)), ("ignoreVlan", json!(true))] {
        let mut fits = call.clone();
        fits.config["ipam"][field] = value;
        lab.call(&fits).succeeds();
        lab.call(&fits.verb("DEL")).succeeds();
    }
}

#[test]
fn what_is_not_listed_is_collected_here_and_on_the_server() {
    let Some((lab, server)) = standalone() else {
        return;
    };
    let pod = Space::new();
    let calls = ["c1", "c2"].map(|id| call(&lab, id, &pod, own(&lab, &server)));
    let kept = address(&lab.call(&calls[0]));
    lab.call(&calls[1]).succeeds();
    // Of this one the node knows nothing, as after a restart.
    let lost =
        json!({"nodeName": "n1", "network": "lan", "containerID": "c9", "interface": "eth0"});
    server.ask("POST", "/v1/attachment", Some(&lost));
    let elsewhere =
        json!({"nodeName": "n2", "network": "lan", "containerID": "c9", "interface": "eth0"});
    let elsewhere = server.ask("POST", "/v1/attachment", Some(&elsewhere));
    let mut gc = calls[0].verb("GC");
    lab.call(&gc).succeeds();
    assert_eq!(
        server.owned_ips().len(),
        4,
        "without a list nothing is done"
    );
    gc.config["cni.dev/valid-attachments"] = json!([{"containerID": "c1", "ifname": "eth0"}]);
    lab.call(&gc).succeeds();
    let left = [&kept, elsewhere["ipinfos"][0]["ip"].as_str().unwrap()];
    let mut left = left.map(|ip| ip.replace("/24", ""));
    left.sort();
    assert_eq!(server.owned_ips(), left);
    assert_eq!(remembered(&lab), 1);
}

#[test]
fn check_names_what_has_become_of_an_address() {
    let Some((lab, server)) = standalone() else {
        return;
    };
    let pod = Space::new();
    let call = call(&lab, "c1", &pod, own(&lab, &server));
    let added = lab.call(&call);
    lab.call(&call.check(&added)).succeeds();
    lab.call(&call.verb("CHECK")).fails_with(7, "prevResult");
    let mut other = call.check(&added);
    other.config["prevResult"]["ips"][0]["address"] = json!("10.9.0.99/24");
    lab.call(&other)
        .fails_with(101, "prevResult has no 10.9.0.");
    let mut unknown = call.check(&added);
    unknown.container = "c2";
    lab.call(&unknown).fails_with(3, "c2");
    server.ask("DELETE", "/v1/attachment/n1/lan/c1/eth0", None);
    lab.call(&call.check(&added))
        .fails_with(101, "the server knows no pod default/c1");
}

#[test]
fn portmap_and_tuning_come_after_a_bridge_with_our_address() {
    let (Some(lab), Some(_)) = (Lab::new(), debians_plugins()) else {
        return;
    };
    bridge_the_device(&lab);
    let pod = Space::new();
    let bound = annotated(config(&lab, "bridge", &json!({})), &["10.9.0.20/24"]);
    let bridge = call(&lab, "c1", &pod, bound);
    let mut result = lab.call(&bridge);
    let mut chain = vec![];
    for (kind, field, value) in [
        (
            "portmap",
            "runtimeConfig",
            json!({"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}),
        ),
        (
            "tuning",
            "sysctl",
            json!({"net.ipv4.conf.eth0.arp_notify": "1"}),
        ),
    ] {
        let mut next = bridge.clone();
        next.config = json!({"cniVersion": "1.0.0", "name": "lan", "type": kind, "prevResult": result.succeeds().json()});
        next.config[field] = value;
        result = lab.call(&next);
        chain.push(next);
    }
    assert_eq!(address(&result), "10.9.0.20/24");
    assert_eq!(pod.setting("ipv4/conf/eth0/arp_notify"), "1");
    assert!(lab.outside.reaches(&pod, "10.9.0.20"));
    for call in chain.iter().rev().chain([&bridge]) {
        lab.call(&call.verb("DEL")).succeeds();
    }
    assert_eq!(remembered(&lab), 0);
}

/// Both servers answer: the one that gave is told, though the configuration names the other by now.
#[test]
fn the_server_that_gave_is_told_after_the_configuration_names_another() {
    let Some((lab, server)) = standalone() else {
        return;
    };
    let Some(mut other) = Server::start("10.9.0.30~10.9.0.33", "10.9.0.0/24", 0) else {
        return;
    };
    let pod = Space::new();
    let mut call = call(&lab, "c1", &pod, own(&lab, &server));
    lab.call(&call).succeeds();
    call.config["ipam"]["serverURL"] = json!(other.url());
    lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(server.owned_ips(), [""; 0]);
    // One that is gone has moved, and hears at its new place.
    lab.call(&call).succeeds();
    other.kill();
    call.config["ipam"]["serverURL"] = json!(server.url());
    lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(remembered(&lab), 0);
}

/// What is left is for the next `GC`: the server is silent, and each end would wait for it.
#[test]
fn a_collection_ends_after_its_time_whatever_is_left() {
    let Some((lab, server)) = standalone() else {
        return;
    };
    let pod = Space::new();
    let silent = Held::new();
    let calls = ["c1", "c2", "c3", "c4"].map(|id| call(&lab, id, &pod, own(&lab, &server)));
    for call in &calls {
        lab.call(call).succeeds();
    }
    let mut gc = calls[0].verb("GC");
    gc.config["cni.dev/valid-attachments"] = json!([]);
    gc.config["ipam"]["serverURL"] = json!(silent.url());
    let since = std::time::Instant::now();
    lab.call(&gc).fails_with(11, "and 4 more");
    let took = since.elapsed().as_secs_f32();
    assert!((9.0..12.0).contains(&took), "{took} s");
    gc.config["ipam"]["serverURL"] = json!(server.url());
    lab.call(&gc).succeeds();
    assert_eq!((remembered(&lab), server.owned_ips().len()), (0, 0));
}
