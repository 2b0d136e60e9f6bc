use serde_json::json;

use super::{FLOATING, NETWORKS, Scene};

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
