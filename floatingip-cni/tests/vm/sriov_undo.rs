//! `galaxy-k8s-sriov` gives functions back as they were, whatever happened.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use floatingip_cni::connect::{Connects as _, Plan, Spaces, carry_out};
use floatingip_cni::delegate::Limit;
use floatingip_cni::link::{Kernel, Netns};
use floatingip_cni::spec::{Args, Attachment, IpInfos, Network};
use floatingip_cni::sriov::{SriovConfig, Wish};
use serde_json::{Value, json};

use crate::plugin::Pod;
use crate::process::{eventually, ip};
use crate::scene::Scene;
use crate::sriov::fields;

fn quick() -> Value {
    fields(&json!({"duplicate_address_probe": false}))
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_pod_that_came_and_went_leaves_card_and_function_as_they_were() {
    let scene = Scene::new();
    scene.functions(2);
    let before = scene.functions_as_they_are();
    for round in 0..2 {
        let pod = Pod::connected(&scene, &format!("s{round}"), "10.2.0.10", 2, &quick());
        assert_ne!(scene.functions_as_they_are(), before);
        pod.disconnect();
        assert_eq!(scene.functions_as_they_are(), before, "round {round}");
        pod.succeeds("DEL");
        pod.is_forgotten();
    }
    let unknown = Pod::new(&scene, "s9", "10.2.0.11", 2, &quick());
    unknown.succeeds("DEL");
    assert_eq!(scene.functions_as_they_are(), before);
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_function_whose_namespace_went_first_is_given_back_under_its_name() {
    let scene = Scene::new();
    scene.functions(2);
    let before = scene.functions_as_they_are();
    let pod = Pod::connected(&scene, "s1", "10.2.0.10", 2, &quick());
    ip("netns delete s1");
    pod.is_forgotten();
    assert_eq!(scene.functions_as_they_are(), before);
    pod.succeeds("DEL");
}

/// As `/proc/PID/ns/net` leads to another container once the process has ended.
#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_function_is_not_taken_out_of_another_namespace_than_was_written_down() {
    let scene = Scene::new();
    scene.functions(1);
    let before = scene.functions_as_they_are();
    let pod = Pod::connected(&scene, "s1", "10.2.0.10", 2, &quick());
    let other = scene.container("other");
    pod.netns
        .ip(&format!("link set eth0 netns {}", other.name()));
    ip("netns delete s1");
    symlink(other.path(), pod.netns.path()).unwrap();
    pod.fails("CHECK", "another network namespace");
    pod.fails("DEL", "is not in its container");
    assert!(other.ip("-brief link").contains("eth0"));
    fs::remove_file(pod.netns.path()).unwrap();
    ip("netns delete other");
    pod.is_forgotten();
    assert_eq!(scene.functions_as_they_are(), before);
}

/// The next call of the same interface takes over where the killed one was.
#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_call_that_is_killed_may_be_made_again_and_undone() {
    let scene = Scene::new();
    scene.functions(2);
    let before = scene.functions_as_they_are();
    let pod = Pod::new(&scene, "s1", "10.2.0.10", 2, &fields(&json!({})));
    let call = pod.begin("ADD");
    eventually("the function is the pod's", || {
        pod.is_connected().then_some(())
    });
    call.kill();
    pod.succeeds("ADD");
    pod.fails("ADD", "call DEL first");
    pod.disconnect();
    assert_eq!(scene.functions_as_they_are(), before);
}

#[test]
#[ignore = "needs the virtual machine of `cargo xtask vm-test`"]
fn a_killed_call_is_undone_whichever_of_its_steps_was_the_last() {
    let scene = Scene::new();
    scene.functions(2);
    let before = scene.functions_as_they_are();
    for steps in 0.. {
        let pod = Pod::new(&scene, &format!("k{steps}"), "10.2.0.10", 2, &quick());
        let all = killed_after(&pod, steps);
        pod.succeeds("DEL");
        assert!(!pod.is_connected(), "after {steps} steps");
        assert_eq!(scene.functions_as_they_are(), before, "after {steps} steps");
        if steps >= all {
            break;
        }
    }
}

/// As if the plugin had been killed after some of its steps; how many there are in all.
fn killed_after(pod: &Pod, steps: usize) -> usize {
    let input = pod.input();
    let config: SriovConfig = Network::own(input.as_bytes()).unwrap();
    let netns = pod.netns.path();
    let mut spaces = Spaces {
        host: Kernel::here().unwrap(),
        container: Kernel::inside(Netns::open(Path::new(&netns)).unwrap()).unwrap(),
        within: Limit::starting_now(Duration::from_secs(60)),
    };
    let plan = decided(pod, &config, &mut spaces);
    config.records().write(&plan.record).unwrap();
    let all = [plan.prepare, plan.finish].concat();
    let done = &all[..steps.min(all.len())];
    carry_out(done, &mut spaces.host, &mut spaces.container).unwrap();
    all.len()
}

fn decided(pod: &Pod, config: &SriovConfig, spaces: &mut Spaces) -> Plan {
    let args: Args = pod.args().parse().unwrap();
    let netns = pod.netns.path();
    let infos: IpInfos = args.ip_infos().unwrap().unwrap();
    let wish = Wish {
        config,
        network: &Network::read(pod.input().as_bytes()).unwrap(),
        attachment: &Attachment {
            container: pod.netns.name().parse().unwrap(),
            interface: "eth0".parse().unwrap(),
        },
        netns: Path::new(&netns),
        infos: &infos,
    };
    SriovConfig::decide(&wish, spaces).unwrap()
}
