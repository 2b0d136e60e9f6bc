//! An `ADD` that was killed: the next call of the same attachment finds what it left.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use floatingip_cni::connect::{Plan, carry_out};
use floatingip_cni::link::Netns;
use floatingip_cni::state::Folder;
use serde_json::json;

use super::lab::{Call, Lab};
use super::space::{Space, assert_same};
use super::takeover::{decided, with_kernels};

const SWITCHES: [&str; 3] = ["bridge", "macvlan", "pure"];

/// Switches, with addresses: one, two families on one interface, and two interfaces.
const KINDS: [(&str, &[&str]); 8] = [
    ("bridge", &["10.9.0.20/24"]),
    ("bridge", &["10.9.0.20/24", "fd09::20/64"]),
    ("bridge", &["10.9.0.20/24", "10.8.0.20/24"]),
    ("macvlan", &["10.9.0.20/24"]),
    ("macvlan", &["10.9.0.20/24", "fd09::20/64"]),
    ("macvlan", &["10.9.0.20/24", "10.8.0.20/24"]),
    ("pure", &["10.9.0.20/24"]),
    ("pure", &["10.9.0.20/24", "10.8.0.20/24"]),
];

/// A node that has connected a container before, so that its bridge is there and its settings are set; a pod, and what
/// both were like.
struct Scene {
    lab: Lab,
    pod: Space,
    before: (String, String),
}

impl Scene {
    fn new(switch: &str) -> Option<Self> {
        let lab = Lab::new()?;
        let pod = Space::new();
        let fields = json!({"switch": switch, "duplicate_address_probe": false});
        let first = lab.add("first", &pod, &["10.9.0.9/24"], &fields);
        lab.call(&first).succeeds();
        lab.call(&first.verb("DEL")).succeeds();
        let before = (lab.host.snapshot(), pod.snapshot());
        Some(Self { lab, pod, before })
    }

    fn call(&self, switch: &str, ips: &[&str]) -> Call<'static> {
        let fields = json!({"switch": switch, "duplicate_address_probe": false});
        self.lab.add("c1", &self.pod, ips, &fields)
    }

    #[track_caller]
    fn assert_as_before(&self, moment: &str) {
        assert_same(&self.lab.host.snapshot(), &self.before.0, moment);
        assert_same(&self.pod.snapshot(), &self.before.1, moment);
        assert_eq!(self.lab.remembered(), 0, "{moment}");
    }
}

/// As if the plugin had been killed after some of its steps.
fn kill_after(lab: &Lab, call: &Call<'_>, plan: &Plan, steps: usize) {
    let records = Folder::at(lab.records().join("vlan"));
    let all: Vec<_> = plan.prepare.iter().chain(&plan.finish).cloned().collect();
    with_kernels(lab, call, |host, container| {
        let mut record = plan.record.clone();
        record.space = container.netns().map(Netns::identity);
        records.write(&record).unwrap();
        carry_out(&all[..steps], host, container)
            .map_err(|it| it.error)
            .unwrap();
    });
}

/// Goes through all steps of all kinds; `then` is what happens next.
fn for_every_step(then: impl Fn(&Scene, &Call<'_>, &str)) {
    for (switch, ips) in KINDS {
        let mut steps = 0;
        loop {
            let Some(scene) = Scene::new(switch) else {
                return;
            };
            let call = scene.call(switch, ips);
            let plan = decided(&scene.lab, &call);
            if steps > plan.prepare.len() + plan.finish.len() {
                break;
            }
            kill_after(&scene.lab, &call, &plan, steps);
            then(
                &scene,
                &call,
                &format!("{switch} {ips:?} after {steps} steps"),
            );
            steps += 1;
        }
    }
}

#[test]
fn a_killed_call_is_undone_wherever_it_was() {
    for_every_step(|scene, call, moment| {
        let mut del = call.verb("DEL");
        del.netns = String::new();
        scene.lab.call(&del).succeeds();
        scene.assert_as_before(moment);
    });
}

#[test]
fn a_killed_call_may_be_made_again_wherever_it_was() {
    for_every_step(|scene, call, moment| {
        let added = scene.lab.call(call);
        assert!(added.success, "{moment}: {}", added.text);
        scene.lab.call(&call.check(&added)).succeeds();
        scene.lab.call(&call.verb("DEL")).succeeds();
        scene.assert_as_before(moment);
    });
}

/// `DEL` removes one link after the other, and then forgets them.
#[test]
fn a_killed_del_may_be_made_again_wherever_it_was() {
    for (switch, ips) in KINDS {
        let mut removed = 0;
        loop {
            let Some(scene) = Scene::new(switch) else {
                return;
            };
            let (lab, pod) = (&scene.lab, &scene.pod);
            let call = scene.call(switch, ips);
            lab.call(&call).succeeds();
            let record = Folder::at(lab.records().join("vlan"))
                .read(&"lan".parse().unwrap(), &Lab::attachment(&call))
                .unwrap();
            let mut endpoints = record.unwrap().endpoints;
            endpoints.reverse();
            let Some(gone) = endpoints.get(..removed) else {
                break;
            };
            for endpoint in gone {
                pod.ip(&format!("link delete {}", endpoint.inside.name));
            }
            lab.call(&call.verb("DEL")).succeeds();
            scene.assert_as_before(&format!("{switch} {ips:?} after {removed} links"));
            removed += 1;
        }
    }
}

/// The process itself, while it waits for answers to its probes.
#[test]
fn a_process_that_is_killed_leaves_what_the_next_call_removes() {
    for switch in SWITCHES {
        let Some(lab) = Lab::new() else { return };
        let pod = Space::new();
        let call = lab.add("c1", &pod, &["10.9.0.20/24"], &json!({"switch": switch}));
        let mut plugin: Child = lab.spawn(&call);
        await_interface(&pod);
        plugin.kill().unwrap();
        plugin.wait().unwrap();
        assert_eq!(lab.remembered(), 1, "{switch}");
        lab.call(&call).succeeds();
        assert!(lab.outside.reaches(&pod, "10.9.0.20"), "{switch}");
        lab.call(&call.verb("DEL")).succeeds();
        assert!(!pod.ip("-o link").contains("eth0"), "{switch}");
    }
}

fn await_interface(pod: &Space) {
    let since = Instant::now();
    while !pod.ip("-o link").contains("eth0") {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "the plugin makes no interface"
        );
        thread::yield_now();
    }
}
