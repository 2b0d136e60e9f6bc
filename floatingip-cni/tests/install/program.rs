//! What is on the node after calls that work.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::scene::{File, PROGRAM, Scene, told};

#[test]
fn a_node_without_anything_has_a_plugin_that_answers_and_a_conflist() {
    let scene = Scene::new();
    let lines = told(&scene.install(&["--device", "eth1"]));
    for path in [scene.program(), scene.name(), scene.conflist()] {
        assert!(lines.contains(path.to_str().unwrap()), "{lines}");
    }
    let files = scene.files();
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "10-floatingip.conflist",
            "floatingip",
            "floatingip-cni",
            "floatingip-ipam",
            "galaxy-k8s-sriov",
            "galaxy-k8s-vlan"
        ]
    );
    assert_eq!(files["floatingip-cni"].mode, 0o755);
    assert_eq!(files["10-floatingip.conflist"].mode, 0o644);
    for name in [scene.name(), scene.bin.join("galaxy-k8s-sriov")] {
        let target = fs::read_link(name).unwrap();
        assert_eq!(target, Path::new("floatingip-cni"));
    }
    assert!(scene.versions().contains("supportedVersions"));
}

#[test]
fn the_conflist_is_that_of_the_documentation_with_the_device_and_version_that_are_given() {
    let scene = Scene::new();
    told(&scene.install(&["--device=bond0", "--cni-version=0.4.0"]));
    let written: serde_json::Value =
        serde_json::from_slice(&fs::read(scene.conflist()).unwrap()).unwrap();
    let page = include_str!("../../../docs/cni.md");
    let documented = page.split("```json").nth(1).unwrap();
    let documented = documented.split("```").next().unwrap();
    let mut documented: serde_json::Value = serde_json::from_str(documented).unwrap();
    documented["cniVersion"] = "0.4.0".into();
    documented["plugins"][0]["device"] = "bond0".into();
    assert_eq!(written, documented);
}

#[test]
fn the_conflist_with_networks_for_each_pod_is_taken_as_it_is_documented() {
    let scene = Scene::new();
    let page = include_str!("../../../docs/cni.md");
    let section = page.split("## Networks for each pod").nth(1).unwrap();
    let documented = section.split("```json").nth(1).unwrap();
    let documented = documented.split("```").next().unwrap();
    let file = scene.root.path().join("documented");
    fs::write(&file, documented).unwrap();
    told(&scene.install(&["--conflist", file.to_str().unwrap()]));
    assert_eq!(fs::read_to_string(scene.conflist()).unwrap(), documented);
    let mut conflist: serde_json::Value = serde_json::from_str(documented).unwrap();
    for (place, field, value, expected) in [
        (0, "switch", "brigde", "brigde"),
        (1, "name", "lan", "two networks named lan"),
    ] {
        conflist["plugins"][0]["NetworkConf"][place][field] = value.into();
        fs::write(&file, conflist.to_string()).unwrap();
        let refused = scene.install(&["--conflist", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains(expected), "{said}");
    }
    let mut conflist: serde_json::Value = serde_json::from_str(documented).unwrap();
    conflist["plugins"][0]["DefaultNetworks"] = serde_json::json!(["nowhere"]);
    fs::write(&file, conflist.to_string()).unwrap();
    let refused = scene.install(&["--conflist", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("\"nowhere\""), "{said}");
}

#[test]
fn a_conflist_of_ones_own_is_taken_as_it_is() {
    let scene = Scene::new();
    let text = r#"{"cniVersion":"1.0.0","name":"lan","plugins":[{"type":"galaxy-k8s-vlan","device":"eth7"}]}"#;
    let own = scene.root.path().join("own");
    fs::write(&own, text).unwrap();
    told(&scene.install(&["--conflist", own.to_str().unwrap()]));
    assert_eq!(fs::read_to_string(scene.conflist()).unwrap(), text);
}

#[test]
fn a_second_install_touches_nothing() {
    let scene = Scene::installed();
    let before = scene.files();
    let lines = told(&scene.install(&["--device", "eth1"]));
    assert!(lines.starts_with("nothing to do"), "{lines}");
    assert_eq!(scene.files(), before);
    // Nor does the installed program, when it installs itself.
    let mut call = scene.call(scene.program(), "install");
    told(&call.args(["--device", "eth1"]).output().unwrap());
    assert_eq!(scene.files(), before);
}

#[test]
fn an_older_program_is_replaced_while_it_runs() {
    let scene = Scene::with_folders();
    let older = scene.build("older");
    let mut call = scene.call(&older, "install");
    told(&call.args(["--device", "eth1"]).output().unwrap());

    let mut running = Command::new(scene.name());
    running.env("CNI_COMMAND", "VERSION");
    running.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = running.spawn().unwrap();
    let lines = told(&scene.install(&["--device", "eth1"]));
    assert!(lines.contains("installed"), "{lines}");
    assert_eq!(
        fs::read(scene.program()).unwrap(),
        fs::read(PROGRAM).unwrap()
    );
    assert_eq!(scene.files().len(), 6);

    let mut input = running.stdin.take().unwrap();
    input.write_all(br#"{"cniVersion":"1.0.0"}"#).unwrap();
    drop(input);
    let output = running.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_was_there_of_others_is_kept_and_put_back() {
    let scene = Scene::with_folders();
    fs::write(scene.name(), "galaxy's own").unwrap();
    fs::write(scene.conflist(), "another's").unwrap();
    fs::write(scene.conf.join("99-other.conflist"), "other").unwrap();
    let before = scene.files();

    let lines = told(&scene.install(&["--device", "eth1"]));
    assert!(
        lines.contains("galaxy-k8s-vlan.before-floatingip"),
        "{lines}"
    );
    assert!(scene.versions().contains("supportedVersions"));
    told(&scene.install(&["--device", "eth2"]));
    let kept = &scene.files()["galaxy-k8s-vlan.before-floatingip"];
    assert_eq!(kept.bytes, b"galaxy's own");

    let lines = told(&scene.uninstall());
    assert!(lines.contains("put back"), "{lines}");
    assert_eq!(contents(scene.files()), contents(before));
}

fn contents(files: BTreeMap<String, File>) -> Vec<(String, Vec<u8>, u32)> {
    let files = files.into_iter();
    files
        .map(|(name, file)| (name, file.bytes, file.mode))
        .collect()
}

#[test]
fn what_another_put_there_since_is_left_alone() {
    let scene = Scene::installed();
    fs::remove_file(scene.name()).unwrap();
    fs::write(scene.name(), "galaxy's own").unwrap();
    let lines = told(&scene.uninstall());
    assert!(
        lines.contains(&format!("left {}", scene.name().display())),
        "{lines}"
    );
    let names: Vec<_> = scene.files().into_keys().collect();
    assert_eq!(names, ["galaxy-k8s-vlan"]);
}

#[test]
fn a_second_uninstall_is_a_success_and_so_is_one_where_nothing_was() {
    let scene = Scene::installed();
    let lines = told(&scene.uninstall());
    assert!(lines.starts_with("removed"), "{lines}");
    let conflist = lines.find("10-floatingip.conflist").unwrap();
    assert!(conflist < lines.find("galaxy-k8s-vlan").unwrap(), "{lines}");
    assert!(scene.files().is_empty());
    assert!(told(&scene.uninstall()).starts_with("nothing to do"));
    assert!(told(&Scene::new().uninstall()).starts_with("nothing to do"));
}
