use serde_json::{Value, json};

use super::{FLOATING, NETWORKS, Scene};
use crate::lab::{Call, DEVICE, infos};
use crate::space::Space;

const FORMS: [&str; 2] = [
    "lan, default/pods@net1",
    r#"[{"name":"lan"},{"name":"pods","namespace":"default","interface":"net1"}]"#,
];

#[test]
fn a_pod_is_joined_to_the_networks_that_it_names_in_both_forms() {
    for form in FORMS {
        let Some(scene) = Scene::with_debians() else {
            return;
        };
        let call = scene.add(form, &[]);
        let added = scene.lab.call(&call);
        let result = added.succeeds().json();
        let ips: Vec<_> = result["ips"].as_array().unwrap().iter().collect();
        assert_eq!(ips[0]["address"], format!("{FLOATING}/24"));
        let at = |place: usize| ips[place]["interface"].as_u64().unwrap() as usize;
        assert_eq!(result["interfaces"][at(0)]["name"], "eth0");
        assert_eq!(result["interfaces"][at(1)]["name"], "net1");
        let routes = result["routes"].as_array().unwrap();
        let defaults = routes.iter().filter(|route| route["dst"] == "0.0.0.0/0");
        assert_eq!(defaults.count(), 1, "{result}");
        let leaving = scene.pod.ip("route show default");
        assert!(
            leaving.starts_with("default via 10.9.0.1 dev eth0"),
            "{leaving}"
        );
        assert_eq!(leaving.lines().count(), 1, "{leaving}");
        // Its plugin would miss at CHECK what was taken away.
        let record = scene.lab.records().join("floatingip/cluster/c1@eth0.json");
        let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
        let told = record["members"][1]["result"]["routes"].to_string();
        assert!(!told.contains("0.0.0.0/0"), "{told}");
        assert!(scene.lab.outside.reaches(&scene.pod, FLOATING), "{form}");
        let second = ips[1]["address"].as_str().unwrap().trim_end_matches("/24");
        assert!(scene.lab.host.reaches(&scene.pod, second), "{form}");
        scene.lab.call(&call.check(&added)).succeeds();
        scene.lab.call(&call.verb("DEL")).succeeds();
        scene.assert_nothing_is_left(form);
        scene.lab.call(&call.verb("DEL")).succeeds();
    }
}

#[test]
fn a_pod_that_names_no_network_gets_that_of_floating_ips_or_the_defaults() {
    let Some(scene) = Scene::with_debians() else {
        return;
    };
    let call = scene.add("", &[]);
    scene.lab.call(&call).succeeds();
    assert!(scene.lab.outside.reaches(&scene.pod, FLOATING));
    assert!(!scene.lab.host.ip("-o link").contains("cni0"));
    scene.lab.call(&call.verb("DEL")).succeeds();
    let mut plain = call;
    plain.config["runtimeConfig"] = json!({"io.kubernetes.cri.pod-annotations": {NETWORKS: ""}});
    let added = scene.lab.call(&plain);
    assert_eq!(
        added.succeeds().json()["ips"][0]["address"],
        "10.20.0.20/24"
    );
    scene.lab.call(&plain.verb("DEL")).succeeds();
    scene.assert_nothing_is_left("after the defaults");
}

#[test]
fn what_was_joined_is_left_without_annotations_networks_and_namespace() {
    let Some(scene) = Scene::with_debians() else {
        return;
    };
    let call = scene.add("lan,pods", &[]);
    scene.lab.call(&call).succeeds();
    let mut del = call.verb("DEL");
    del.netns = String::new();
    for field in ["NetworkConf", "DefaultNetworks", "runtimeConfig"] {
        del.config.as_object_mut().unwrap().remove(field);
    }
    scene.lab.call(&del).succeeds();
    scene.lab.call(&del).succeeds();
    assert_eq!((scene.remembered(), scene.lab.remembered()), (0, 0));
    let leases = std::fs::read_dir(scene.data.path().join("host-local/pods")).unwrap();
    let names: Vec<_> = leases.map(|entry| entry.unwrap().file_name()).collect();
    assert!(
        !names
            .iter()
            .any(|name| name.to_string_lossy().starts_with("10.20")),
        "{names:?}"
    );
}

#[test]
fn results_are_in_the_version_that_is_asked_for() {
    let Some(scene) = Scene::with_debians() else {
        return;
    };
    for version in ["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let mut call = scene.add("pods,lan", &[]);
        call.config["cniVersion"] = json!(version);
        let result = scene.lab.call(&call).succeeds().json();
        assert_eq!(result["cniVersion"], version);
        let listed = result["ips"].as_array().map_or(1, Vec::len);
        assert_eq!(listed, if version == "0.2.0" { 1 } else { 2 }, "{result}");
        scene.lab.call(&call.verb("DEL")).succeeds();
    }
}

#[test]
fn galaxys_file_is_read_and_its_networks_need_no_version() {
    let Some(scene) = Scene::new() else { return };
    let mut call = scene.add("", &[]);
    let file = scene.data.path().join("galaxy.json");
    let mut vlan = scene.networks(&[])[0].clone();
    for field in ["cniVersion", "name"] {
        vlan.as_object_mut().unwrap().remove(field);
    }
    let galaxy =
        json!({"NetworkConf": [vlan], "DefaultNetworks": [], "ENIIPNetwork": "galaxy-k8s-vlan"});
    std::fs::write(&file, galaxy.to_string()).unwrap();
    let config = call.config.as_object_mut().unwrap();
    for field in ["NetworkConf", "DefaultNetworks", "ENIIPNetwork"] {
        config.remove(field);
    }
    config.insert("networkConfFile".to_owned(), json!(file));
    let added = scene.lab.call(&call);
    let result = added.succeeds().json();
    assert_eq!(result["ips"][0]["address"], format!("{FLOATING}/24"));
    assert_eq!(result["interfaces"][0]["name"], "eth0");
    scene.lab.call(&call.check(&added)).succeeds();
    scene.pod.ip(&format!("address del {FLOATING}/24 dev eth0"));
    scene
        .lab
        .call(&call.check(&added))
        .fails_with(101, FLOATING);
    std::fs::remove_file(&file).unwrap();
    scene.lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(scene.remembered(), 0);
}

#[test]
fn a_later_network_takes_the_way_out_of_no_family_that_has_one() {
    let Some(scene) = Scene::with_debians() else {
        return;
    };
    let mut call = scene.add("pods,both@net1", &[]);
    let ranges = json!([[{"subnet": "10.30.0.0/24"}], [{"subnet": "fd30::/64"}]]);
    call.config["NetworkConf"].as_array_mut().unwrap().push(json!({
        "cniVersion": "1.0.0", "name": "both", "type": "bridge", "bridge": "cni1", "isDefaultGateway": true,
        "ipam": {"type": "host-local", "dataDir": scene.data.path().join("both"), "ranges": ranges},
    }));
    let added = scene.lab.call(&call);
    let result = added.succeeds().json();
    let defaults = [
        scene.pod.ip("-4 route show default"),
        scene.pod.ip("-6 route show default"),
    ];
    assert_eq!(defaults[0].trim(), "default via 10.20.0.1 dev eth0");
    assert!(
        defaults[1].starts_with("default via fd30::1 dev net1"),
        "{}",
        defaults[1]
    );
    let routes = result["routes"].as_array().unwrap();
    let to = |net: &str| routes.iter().filter(|route| route["dst"] == net).count();
    assert_eq!((to("0.0.0.0/0"), to("::/0")), (1, 1), "{result}");
    scene.lab.call(&call.check(&added)).succeeds();
    scene.lab.call(&call.verb("DEL")).succeeds();

    let mut second = call.clone();
    let annotations = &mut second.config["runtimeConfig"]["io.kubernetes.cri.pod-annotations"];
    annotations[NETWORKS] = json!("both,again@net1");
    let again = json!({
        "cniVersion": "1.0.0", "name": "again", "type": "bridge", "bridge": "cni2", "isDefaultGateway": true,
        "ipam": {"type": "host-local", "dataDir": scene.data.path().join("again"), "ranges": [[{"subnet": "fd40::/64"}]]},
    });
    second.config["NetworkConf"]
        .as_array_mut()
        .unwrap()
        .push(again);
    let added = scene.lab.call(&second);
    added.succeeds();
    let leaving = scene.pod.ip("-6 route show default");
    assert!(
        leaving.starts_with("default via fd30::1 dev eth0"),
        "{leaving}"
    );
    assert!(!leaving.contains("net1"), "{leaving}");
    scene.lab.call(&second.check(&added)).succeeds();
    scene.lab.call(&second.verb("DEL")).succeeds();
}

/// As many as a node starts at once after a reboot.
#[test]
fn pods_that_come_at_once_do_not_disturb_each_other() {
    let Some(scene) = Scene::with_debians() else {
        return;
    };
    let pods: Vec<Space> = (0..8).map(|_| Space::new()).collect();
    let calls: Vec<Call<'_>> = (0..8).map(|number| nth(&scene, &pods, number)).collect();
    for verb in ["ADD", "DEL"] {
        let begun: Vec<_> = calls
            .iter()
            .map(|call| scene.lab.spawn(&call.verb(verb)))
            .collect();
        for plugin in begun {
            let output = plugin.wait_with_output().unwrap();
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{verb}: {told}");
        }
        let expected = if verb == "ADD" { 8 } else { 0 };
        assert_eq!(scene.remembered(), expected, "{verb}");
        let host = scene.lab.host.ip("-o link");
        assert_eq!(host.matches(": v-h").count(), expected, "{verb}: {host}");
    }
}

const IDS: [&str; 8] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"];

fn nth(scene: &Scene, pods: &[Space], number: usize) -> Call<'static> {
    let mut call = scene.add("lan,pods", &[]);
    call.container = IDS[number];
    call.netns = pods[number].path();
    let address = format!("10.9.0.{}/24", 20 + number);
    let args = json!({"common": {"ipinfos": infos(&[&address])}}).to_string();
    call.config["runtimeConfig"]["io.kubernetes.cri.pod-annotations"]["k8s.v1.cni.galaxy.io/args"] =
        json!(args);
    call
}

/// `macvlan` as a network; `portmap` and `tuning` after this plugin in the runtime's chain, with its whole answer.
#[test]
fn debians_other_plugins_are_joined_and_chained() {
    let Some(scene) = Scene::with_debians() else {
        return;
    };
    let mut call = scene.add("pods,wire@net1", &[]);
    let ranges = json!([[{"subnet": "10.9.0.0/24", "rangeStart": "10.9.0.60"}]]);
    call.config["NetworkConf"].as_array_mut().unwrap().push(json!({
        "cniVersion": "1.0.0", "name": "wire", "type": "macvlan", "master": DEVICE,
        "ipam": {"type": "host-local", "dataDir": scene.data.path().join("wire"), "ranges": ranges},
    }));
    let added = scene.lab.call(&call);
    assert_eq!(added.succeeds().json()["ips"][1]["address"], "10.9.0.60/24");
    assert!(scene.lab.outside.reaches(&scene.pod, "10.9.0.60"));
    let chained = |kind: &str, more: &str| {
        let mut chained = call.clone();
        let mut config: Value = serde_json::from_str(more).unwrap();
        config["cniVersion"] = json!("1.0.0");
        config["name"] = json!("cluster");
        config["type"] = json!(kind);
        config["prevResult"] = added.json();
        chained.config = config;
        chained
    };
    let ports = r#"{"runtimeConfig":{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}}"#;
    for (kind, more) in [("portmap", ports), ("tuning", r#"{"mtu":1400}"#)] {
        let chained = chained(kind, more);
        let told = scene.lab.call(&chained);
        assert_eq!(told.succeeds().json()["ips"], added.json()["ips"], "{kind}");
        scene.lab.call(&chained.verb("DEL")).succeeds();
    }
    scene.lab.call(&call.verb("DEL")).succeeds();
    scene.assert_nothing_is_left("after the chain");
}
