//! `galaxy-k8s-vlan` itself, with VLANs and ipvlan.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::process::ip;
use crate::scene::{CARD, Netns, PEER, Scene};

/// Where the machine's image has it.
const PLUGIN: &str = "/bin/galaxy-k8s-vlan";

/// What the plugin answered: whether it worked, and its words.
struct Answer(bool, String);

impl Answer {
    fn json(&self) -> Value {
        assert!(self.0, "{}", self.1);
        serde_json::from_str(&self.1).unwrap()
    }

    fn works(&self) {
        assert!(self.0, "{}", self.1);
    }

    fn says(&self, words: &str) {
        assert!(!self.0 && self.1.contains(words), "{}", self.1);
    }
}

/// A container that is, or is going to be, connected. Disconnected in the end, as links in it would outlive the test.
struct Pod {
    netns: Netns,
    id: String,
    ip: String,
    config: Value,
}

impl Pod {
    /// `address` is that of a subnet with 24 bits, whose gateway is at 99 as the wire is.
    fn new(scene: &Scene, id: &str, address: &str, vlan: u16, fields: &Value) -> Self {
        let (subnet, _) = address.rsplit_once('.').unwrap();
        let mut config = json!({"cniVersion": "1.0.0", "name": "lan", "device": CARD});
        for (key, value) in fields.as_object().unwrap() {
            config[key] = value.clone();
        }
        let gateway = format!("{subnet}.99");
        let infos = json!([{"ip": format!("{address}/24"), "vlan": vlan, "gateway": gateway}]);
        Self {
            netns: scene.container(id),
            id: id.to_owned(),
            ip: format!("ipinfos={infos}"),
            config,
        }
    }

    fn call(&self, verb: &str, config: &Value) -> Answer {
        let mut command = Command::new(PLUGIN);
        command.env("CNI_COMMAND", verb).env("CNI_IFNAME", "eth0");
        command
            .env("CNI_CONTAINERID", &self.id)
            .env("CNI_ARGS", &self.ip);
        command.env("CNI_NETNS", format!("/run/netns/{}", self.netns.name()));
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = config.to_string();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Answer(output.status.success(), text)
    }

    fn add(&self) -> Value {
        self.call("ADD", &self.config).json()
    }

    fn check(&self, added: &Value) -> Answer {
        let mut config = self.config.clone();
        config["prevResult"] = added.clone();
        self.call("CHECK", &config)
    }

    fn del(&self) {
        self.call("DEL", &self.config).works();
        assert!(!self.netns.ip("-o link").contains("eth0"));
    }
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_bridged_containers_frames_have_its_vlans_tag() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.99/24");
    let pod = Pod::new(&scene, "c1", "10.2.0.10", 2, &json!({}));
    let added = pod.add();
    let watch = scene.wire.watch("vlan 2 and icmp and src host 10.2.0.10");
    scene.wire.netns().reaches("10.2.0.10");
    assert!(watch.seen().contains("vlan 2,"));
    pod.netns.reaches("10.2.0.99");
    pod.check(&added).works();
    pod.del();
    let links = ip("-o link");
    assert!(
        links.contains("vlan2@") && links.contains("docker2:"),
        "shared ones stay: {links}"
    );
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn containers_of_two_vlans_do_not_hear_each_other() {
    for switch in ["bridge", "macvlan"] {
        let scene = Scene::new();
        scene.wire.answers(2, "10.2.0.99/24");
        let fields = json!({"switch": switch});
        let near = Pod::new(&scene, "c1", "10.2.0.10", 2, &fields);
        let far = Pod::new(&scene, "c2", "10.2.0.11", 3, &fields);
        near.add();
        far.add();
        near.netns.reaches("10.2.0.99");
        let watch = scene.wire.watch("vlan 3 and arp");
        far.netns.does_not_reach("10.2.0.99");
        far.netns.does_not_reach("10.2.0.10");
        assert!(watch.seen().contains("vlan 3,"), "it asked in its own VLAN");
        near.del();
        far.del();
    }
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_vlan_that_the_host_uses_keeps_the_hosts_address() {
    let scene = Scene::new();
    scene.vlan(2, "10.2.0.1/24");
    scene.wire.answers(2, "10.2.0.99/24");
    let pod = Pod::new(&scene, "c1", "10.2.0.10", 2, &json!({}));
    let added = pod.add();
    scene.wire.netns().reaches("10.2.0.1");
    scene.wire.netns().reaches("10.2.0.10");
    assert!(ip("-o -4 address show dev docker2").contains("10.2.0.1/24"));
    assert!(!ip("-o link").contains("vlan2"), "eth0.2 is VLAN 2 already");
    pod.check(&added).works();
    pod.del();
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn another_vlan_under_the_same_name_is_found() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.99/24");
    let pod = Pod::new(&scene, "c1", "10.2.0.10", 2, &json!({}));
    let added = pod.add();
    ip("link delete vlan2");
    ip(&format!(
        "link add link {CARD} name vlan2 up type vlan id 3"
    ));
    ip("link set vlan2 master docker2");
    pod.check(&added).says("vlan2 is not VLAN 2");
    pod.del();
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_ipvlan_container_of_layer_2_is_reached() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.99/24");
    let fields = json!({"switch": "ipvlan", "ipvlan_mode": "l2"});
    let pod = Pod::new(&scene, "c1", "10.2.0.10", 2, &fields);
    let added = pod.add();
    scene.wire.netns().reaches("10.2.0.10");
    pod.netns.reaches("10.2.0.99");
    pod.check(&added).works();
    pod.del();
}

/// Who has to reach it knows it by the announcement, for it answers no question itself.
#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_ipvlan_container_of_layer_3_is_reached_by_who_heard_of_it() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.99/24");
    for (mode, address) in [("l3", "10.2.0.10"), ("l3s", "10.2.0.11")] {
        let wire = scene.wire.netns();
        wire.ip(&format!(
            "neighbour add {address} lladdr 02:00:00:00:00:99 dev {PEER}.2 nud stale"
        ));
        let fields = json!({"switch": "ipvlan", "ipvlan_mode": mode});
        let pod = Pod::new(&scene, mode, address, 2, &fields);
        let added = pod.add();
        wire.reaches(address);
        pod.check(&added).works();
        pod.del();
        // A card has ipvlans of one mode at a time.
        ip("link delete vlan2");
    }
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn an_address_in_use_in_the_same_vlan_is_refused_and_in_another_is_not() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.10/24");
    for fields in [json!({}), json!({"switch": "ipvlan", "ipvlan_mode": "l2"})] {
        let pod = Pod::new(
            &scene,
            &format!("a{}", fields.to_string().len()),
            "10.2.0.10",
            2,
            &fields,
        );
        pod.call("ADD", &pod.config).says("10.2.0.10 is used by ");
        assert!(!pod.netns.ip("-o link").contains("eth0"));
        ip("link delete vlan2");
    }
    let other = Pod::new(&scene, "b", "10.2.0.10", 3, &json!({}));
    other.add();
    other.del();
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_pure_switch_has_bridges_for_vlans() {
    let scene = Scene::new();
    scene.wire.answers(2, "10.2.0.99/24");
    let pod = Pod::new(&scene, "c1", "10.2.0.10", 2, &json!({"switch": "pure"}));
    let added = pod.add();
    scene.wire.netns().reaches("10.2.0.10");
    pod.check(&added).works();
    pod.del();
}
