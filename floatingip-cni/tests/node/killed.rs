//! An `ADD` that was killed: the next call of the same attachment finds what it left.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use floatingip_cni::connect::{Plan, carry_out};
use floatingip_cni::state::Folder;
use serde_json::json;

use super::lab::{Call, Lab};
use super::space::Space;
use super::takeover::{decided, with_kernels};

const SWITCHES: [&str; 3] = ["bridge", "macvlan", "pure"];

/// As if the plugin had been killed after some of its steps.
fn kill_after(lab: &Lab, call: &Call<'_>, plan: &Plan, steps: usize) {
    let records = Folder::at(lab.records().join("vlan"));
    records.write(&plan.record).unwrap();
    let all: Vec<_> = plan.prepare.iter().chain(&plan.finish).cloned().collect();
    with_kernels(lab, call, |host, container| {
        let steps = &all[..steps];
        carry_out(steps, host, container)
            .map_err(|it| it.error)
            .unwrap();
    });
}

/// Goes through all steps of all switches; `then` is what happens next.
fn for_every_step(then: impl Fn(&Lab, &Space, &Call<'_>, &str)) {
    for switch in SWITCHES {
        let mut steps = 0;
        loop {
            let Some(lab) = Lab::bare() else { return };
            let pod = Space::new();
            let fields = json!({"switch": switch, "duplicate_address_probe": false});
            let call = lab.add("c1", &pod, &["10.9.0.20/24"], &fields);
            let plan = decided(&lab, &call);
            if steps > plan.prepare.len() + plan.finish.len() {
                break;
            }
            kill_after(&lab, &call, &plan, steps);
            then(&lab, &pod, &call, &format!("{switch} after {steps} steps"));
            steps += 1;
        }
    }
}

#[test]
fn a_killed_call_is_undone_wherever_it_was() {
    for_every_step(|lab, pod, call, moment| {
        let mut del = call.verb("DEL");
        del.netns = String::new();
        lab.call(&del).succeeds();
        assert!(!lab.host.ip("-o link").contains("v-h"), "{moment}");
        assert!(!pod.ip("-o link").contains("eth0"), "{moment}");
        assert_eq!(lab.remembered(), 0, "{moment}");
    });
}

#[test]
fn a_killed_call_may_be_made_again_wherever_it_was() {
    for_every_step(|lab, pod, call, moment| {
        let added = lab.call(call);
        assert!(added.success, "{moment}: {}", added.text);
        lab.call(&call.check(&added)).succeeds();
        assert!(pod.ip("-o address").contains("10.9.0.20/24"), "{moment}");
    });
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
