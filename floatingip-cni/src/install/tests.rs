//! Killed after any number of steps: what a runtime finds then, and what the next run makes of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::content::MARK;
use super::*;

/// What is on a node before.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    Older,
    Galaxy,
}

const STARTS: [Before; 3] = [Before::Nothing, Before::Older, Before::Galaxy];
const GALAXYS_CONFLIST: &str = r#"{"name":"galaxy","plugins":[{"type":"galaxy-sdn"}]}"#;

struct Scene {
    root: tempfile::TempDir,
    node: Node,
}

impl Scene {
    fn new(before: Before) -> Self {
        let root = tempfile::tempdir().unwrap();
        let node = Node {
            bin: root.path().join("bin"),
            conf: root.path().join("net.d"),
            conf_name: "10-floatingip.conflist".to_owned(),
        };
        fs::create_dir(&node.bin).unwrap();
        fs::create_dir(&node.conf).unwrap();
        let scene = Self { root, node };
        scene.prepare(before);
        scene
    }

    fn prepare(&self, before: Before) {
        match before {
            Before::Nothing => {}
            Before::Older => carry_out(&self.install("older", "eth0")).unwrap(),
            Before::Galaxy => {
                fs::write(self.name(), "galaxy").unwrap();
                fs::write(self.node.conflist(), GALAXYS_CONFLIST).unwrap();
            }
        }
    }

    fn install(&self, build: &str, device: &str) -> Vec<Step> {
        let conflist = Conflist::built_in(&device.parse().unwrap(), crate::spec::Version::V1_0_0);
        install(
            &self.node,
            program(build),
            Some(kubeconfig(build)),
            Conflist::check(conflist).unwrap(),
        )
        .unwrap()
    }

    fn fresh(&self) -> Vec<Step> {
        self.install("new", "eth1")
    }

    fn name(&self) -> PathBuf {
        self.node.bin.join("galaxy-k8s-vlan")
    }

    /// Every file by its path, with its bytes and mode.
    fn files(&self) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
        let folders = [&self.node.bin, &self.node.conf];
        let entries = folders.map(|folder| fs::read_dir(folder).unwrap());
        let paths = entries.into_iter().flatten();
        let paths = paths.map(|entry| entry.unwrap().path());
        let inside = |path: &Path| path.strip_prefix(self.root.path()).unwrap().to_owned();
        paths.map(|path| (inside(&path), file(&path))).collect()
    }

    fn assert_sound(&self, before: Before, at: &str) {
        let conflist = fs::read(self.node.conflist()).unwrap_or_default();
        let called = fs::read(self.name()).unwrap_or_default();
        if Conflist::is_ours(&conflist) {
            assert!(
                [program("new"), program("older")].contains(&called),
                "{before:?}: a conflist without its program {at}"
            );
        }
        if matches!(before, Before::Galaxy) {
            assert!(!called.is_empty(), "{before:?}: no plugin at all {at}");
        }
    }
}

fn kubeconfig(token: &str) -> Vec<u8> {
    let text = format!(r#"{{"current-context":"floatingip-cni","token":"{token}"}}"#);
    text.into_bytes()
}

fn program(build: &str) -> Vec<u8> {
    [MARK, build.as_bytes()].concat()
}

fn file(path: &Path) -> (Vec<u8>, u32) {
    let mode = path.symlink_metadata().unwrap().permissions().mode();
    (fs::read(path).unwrap(), mode)
}

fn carry_out_some(steps: &[Step], count: usize) {
    let some = steps.iter().take(count);
    some.for_each(|step| step.carry_out().unwrap());
}

#[test]
fn an_install_killed_anywhere_leaves_no_conflist_without_its_program_and_is_finished_by_the_next() {
    for before in STARTS {
        let whole = Scene::new(before);
        let steps = whole.fresh().len();
        carry_out(&whole.fresh()).unwrap();
        for count in 0..=steps {
            let scene = Scene::new(before);
            carry_out_some(&scene.fresh(), count);
            scene.assert_sound(before, &format!("after {count} steps"));
            carry_out(&scene.fresh()).unwrap();
            assert_eq!(scene.files(), whole.files(), "{before:?}, {count}");
            assert_eq!(scene.fresh(), []);
        }
    }
}

#[test]
fn an_uninstall_killed_anywhere_leaves_no_conflist_without_its_program_and_is_finished_by_the_next()
{
    for before in STARTS {
        let whole = Scene::new(before);
        carry_out(&whole.fresh()).unwrap();
        let steps = uninstall(&whole.node).unwrap().len();
        carry_out(&uninstall(&whole.node).unwrap()).unwrap();
        for count in 0..=steps {
            let scene = Scene::new(before);
            carry_out(&scene.fresh()).unwrap();
            carry_out_some(&uninstall(&scene.node).unwrap(), count);
            scene.assert_sound(before, &format!("after {count} steps"));
            carry_out(&uninstall(&scene.node).unwrap()).unwrap();
            assert_eq!(scene.files(), whole.files(), "{before:?}, {count}");
        }
    }
}

#[test]
fn an_install_killed_anywhere_can_be_taken_away() {
    for before in STARTS {
        let steps = Scene::new(before).fresh().len();
        for count in 0..=steps {
            let scene = Scene::new(before);
            let found = scene.files();
            carry_out_some(&scene.fresh(), count);
            carry_out(&uninstall(&scene.node).unwrap()).unwrap();
            match before {
                Before::Galaxy => assert_eq!(scene.files(), found, "{count}"),
                _ => assert!(scene.files().is_empty(), "{before:?}, {count}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_written_beside_one_name_changes_no_other() {
    let scene = Scene::new(Before::Galaxy);
    let found = scene.files();
    let steps = scene.fresh();
    let elsewhere = Step::Stage {
        path: scene.root.path().join("absent/x"),
        content: Content::Link,
    };
    let places = steps
        .iter()
        .position(|step| !matches!(step, Step::Stage { .. }));
    let (stages, places) = steps.split_at(places.unwrap());
    let broken = [stages, &[elsewhere], places].concat();
    assert!(carry_out(&broken).is_err());
    assert_eq!(scene.files(), found);
}

#[test]
fn a_folder_under_a_name_is_refused_before_anything_is_changed() {
    let scene = Scene::new(Before::Nothing);
    fs::create_dir(scene.name()).unwrap();
    let conflist = Conflist::built_in(&"eth1".parse().unwrap(), crate::spec::Version::V1_0_0);
    let conflist = Conflist::check(conflist).unwrap();
    for refused in [
        install(&scene.node, program("new"), None, conflist),
        uninstall(&scene.node),
    ] {
        let refused = refused.unwrap_err();
        assert!(matches!(refused, InstallError::Folder(path) if path == scene.name()));
    }
}
