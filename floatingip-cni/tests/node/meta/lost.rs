//! What a killed call, a lost record or a runtime that tells less leaves for the next `DEL`.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Scene;
use crate::lab::Call;

/// It waits for the file `go` before it makes something, which `DEL` removes.
fn slow(scene: &Scene) -> String {
    let data = scene.data.path().display();
    format!(
        "if [ $CNI_COMMAND = ADD ]; then touch {data}/begun; for i in $(seq 400); do [ -e {data}/go ] && break; sleep 0.05; done; \
         touch {data}/made; elif [ $CNI_COMMAND = DEL ]; then rm -f {data}/made; fi"
    )
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < Duration::from_secs(20), "never {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Nobody stops the other plugin when this one is killed.
#[test]
fn a_plugin_that_outlives_its_caller_is_waited_for_before_it_is_undone() {
    let Some(scene) = Scene::new() else { return };
    scene.script("slow", &slow(&scene));
    let call = scene.add("slow", &["slow"]);
    let at = |name: &str| scene.data.path().join(name);
    let mut add = scene.lab.spawn(&call);
    until("begun", || at("begun").exists());
    add.kill().unwrap();
    add.wait().unwrap();
    let mut del = scene.lab.spawn(&call.verb("DEL"));
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(500) {
        assert!(del.try_wait().unwrap().is_none(), "DEL beside its ADD");
        thread::sleep(Duration::from_millis(10));
    }
    fs::write(at("go"), "").unwrap();
    let output = del.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(!at("made").exists());
    assert_eq!(scene.calls(), ["ADD slow eth0", "DEL slow eth0"]);
    assert_eq!(scene.remembered(), 0);
}

/// What a plugin starts may live as long as the container.
#[test]
fn a_program_that_a_plugin_leaves_behind_keeps_nobody_waiting() {
    let Some(scene) = Scene::new() else { return };
    let pid = scene.data.path().join("pid");
    let script = format!(
        "[ $CNI_COMMAND != ADD ] || {{ sleep 60 >/dev/null 2>&1 </dev/null & echo $! > {}; }}",
        pid.display()
    );
    scene.script("one", &script);
    let call = scene.add("one", &["one"]);
    scene.lab.call(&call).succeeds();
    let since = Instant::now();
    scene.lab.call(&call.verb("DEL")).succeeds();
    assert!(since.elapsed() < Duration::from_secs(5));
    let pid = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_network_that_hangs_keeps_no_other_from_being_undone() {
    let Some(scene) = Scene::new() else { return };
    let done = scene.data.path().join("done");
    let script = format!(
        "[ $CNI_COMMAND != DEL ] || {{ sleep 0.2; touch {}; }}",
        done.display()
    );
    scene.script("one", &script);
    scene.script("hangs", "[ $CNI_COMMAND != DEL ] || sleep 600");
    let call = scene.add("one,hangs", &["one", "hangs"]);
    scene.lab.call(&call).succeeds();
    let failed = scene.lab.call(&call.verb("DEL"));
    failed.fails_with(11, "hangs took longer than");
    assert!(done.exists());
    assert_eq!(scene.remembered(), 1);
}

/// As they may, once the namespace is gone; it need not be.
#[test]
fn a_runtime_that_tells_no_namespace_has_the_remembered_one_left() {
    let Some(scene) = Scene::new() else { return };
    let script = "echo \"netns=$CNI_NETNS\" >> \"$(dirname $0)/netns.$CNI_COMMAND\"";
    scene.script("one", script);
    let call = scene.add("one", &["one"]);
    scene.lab.call(&call).succeeds();
    let mut del = call.verb("DEL");
    del.netns = String::new();
    scene.lab.call(&del).succeeds();
    let told = scene.lab.beside("netns.DEL");
    assert_eq!(told, format!("netns={}\n", scene.pod.path()));
}

/// Records are gone after a reboot; what others keep elsewhere is not.
fn lose(scene: &Scene, call: &Call<'_>) -> Call<'static> {
    fs::remove_dir_all(scene.lab.records()).unwrap();
    Call {
        verb: "DEL",
        container: "c1",
        interface: "eth0",
        netns: String::new(),
        args: call.args.clone(),
        config: call.config.clone(),
    }
}

#[test]
fn without_a_record_the_usual_networks_are_told_and_may_know_nothing() {
    let Some(scene) = Scene::new() else { return };
    let names = ["one", "two", "three", "four"];
    let fails = "[ $CNI_COMMAND != DEL ] || { echo \"netns=$CNI_NETNS\" >> \"$(dirname $0)/netns\"; exit 1; }";
    for name in names {
        scene.script(name, fails);
    }
    let mut call = scene.add("four", &names);
    call.config["DefaultNetworks"] = json!(["one", "two"]);
    call.config["ENIIPNetwork"] = json!("three");
    scene.lab.call(&call).succeeds();
    scene.calls();
    scene.lab.call(&lose(&scene, &call)).succeeds();
    let expected = ["DEL three eth0", "DEL two eth1", "DEL one eth0"];
    assert_eq!(scene.calls(), expected);
    assert_eq!(scene.lab.beside("netns"), "netns=\n".repeat(3));
}

/// Two configurations may name one network.
#[test]
fn what_another_configuration_has_joined_is_told_nothing_by_a_guess() {
    let Some(scene) = Scene::new() else { return };
    scene.script("one", "");
    let mut call = scene.add("one", &["one"]);
    call.config["DefaultNetworks"] = json!(["one"]);
    scene.lab.call(&call).succeeds();
    scene.calls();
    let mut other = call.verb("DEL");
    other.config["name"] = json!("other");
    scene.lab.call(&other).succeeds();
    assert!(scene.calls().is_empty());
}

#[test]
fn a_lease_that_survives_a_reboot_is_given_back() {
    let Some(scene) = Scene::with_debians() else {
        return;
    };
    let mut call = scene.add("", &[]);
    call.config["runtimeConfig"] = json!({"io.kubernetes.cri.pod-annotations": {"a": "b"}});
    scene.lab.call(&call).succeeds();
    let lease = scene.data.path().join("host-local/pods/10.20.0.20");
    assert!(lease.exists());
    let mut del = lose(&scene, &call);
    del.config["runtimeConfig"] = Value::Null;
    scene.lab.call(&del).succeeds();
    assert!(!lease.exists());
}
