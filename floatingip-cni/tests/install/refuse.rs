//! Calls that fail say why and change nothing.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::scene::{PROGRAM, Scene, complaint, told};

/// Root may write everywhere, so it calls as this user.
const NOBODY: u32 = 65534;

#[test]
fn a_folder_that_cannot_be_written_is_named_and_the_other_is_not_changed() {
    for read_only in ["bin", "conf"] {
        let scene = Scene::with_folders();
        let folder = match read_only {
            "bin" => &scene.bin,
            _ => &scene.conf,
        };
        fs::write(scene.name(), "galaxy's own").unwrap();
        let mut call = call_without_rights(&scene);
        fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
        let before = scene.files();
        let complaint = complaint(&call.output().unwrap(), 1);
        assert!(complaint.contains(folder.to_str().unwrap()), "{complaint}");
        assert!(complaint.contains("can be written"), "{complaint}");
        assert_eq!(scene.files(), before);
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_named_before_the_other_is_made() {
    let mut scene = Scene::new();
    let file = scene.root.path().join("file");
    fs::write(&file, "").unwrap();
    scene.conf = file.join("net.d");
    let said = complaint(&scene.install(&["--device", "eth1"]), 1);
    assert!(said.contains("nothing was changed"), "{said}");
    assert!(said.contains(file.to_str().unwrap()), "{said}");
    assert!(!scene.bin.exists());
}

/// The call, by somebody who may write the node's folders as far as their modes go.
fn call_without_rights(scene: &Scene) -> Command {
    let program = scene.build("");
    let mut call = scene.call(&program, "install");
    call.args(["--device", "eth1"]);
    if fs::metadata(&program).unwrap().uid() == 0 {
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(scene.root.path(), open).unwrap();
        for path in [&scene.bin, &scene.conf, &scene.name()] {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        call.uid(NOBODY).gid(NOBODY).current_dir(Path::new("/"));
    }
    call
}

#[test]
fn a_conflist_that_the_plugin_would_refuse_changes_nothing() {
    let scene = Scene::with_folders();
    let own = scene.root.path().join("own");
    for (text, expected) in [
        ("{", "is not a conflist"),
        (
            r#"{"name":"lan","plugins":[{"type":"galaxy-k8s-vlan","switch":"x"}]}"#,
            "\"x\"",
        ),
    ] {
        fs::write(&own, text).unwrap();
        let refused = scene.install(&["--conflist", own.to_str().unwrap()]);
        let complaint = complaint(&refused, 1);
        assert!(complaint.contains(expected), "{complaint}");
        assert!(scene.files().is_empty());
    }
}

#[test]
fn a_wrong_call_is_told_how_it_is_done() {
    for arguments in [&[][..], &["remove"], &["install"], &["install", "--device"]] {
        let mut call = Command::new(PROGRAM);
        let output = call.env_remove("CNI_COMMAND").args(arguments).output();
        let complaint = complaint(&output.unwrap(), 2);
        assert!(complaint.contains("usage: floatingip-cni"), "{complaint}");
    }
    let mut call = Command::new(PROGRAM);
    let output = call.env_remove("CNI_COMMAND").arg("--help").output();
    assert!(told(&output.unwrap()).starts_with("usage:"));
}

#[test]
fn a_runtime_that_calls_it_by_its_own_name_is_answered_as_a_runtime() {
    let mut call = Command::new(PROGRAM);
    let output = call.env("CNI_COMMAND", "ADD").arg("install").output();
    let output = output.unwrap();
    assert!(!output.status.success());
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["code"], 4);
}

#[test]
fn two_at_once_are_one_after_the_other() {
    let scene = Scene::installed();
    let before = scene.files();
    let folder = fs::File::open(&scene.bin).unwrap();
    folder.lock().unwrap();
    let refused = complaint(&scene.install(&["--device", "eth2"]), 1);
    assert!(refused.contains("another install"), "{refused}");
    let refused = complaint(&scene.uninstall(), 1);
    assert!(refused.contains("another install"), "{refused}");
    assert_eq!(scene.files(), before);
    drop(folder);
    told(&scene.uninstall());
}
