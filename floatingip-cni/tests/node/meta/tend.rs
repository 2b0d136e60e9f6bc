use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Scene;
use crate::lab::{Call, Lab};

#[test]
fn what_was_changed_in_any_network_is_found() {
    for (tamper, expected) in [
        ("address del 10.9.0.20/24 dev eth0", "10.9.0.20"),
        ("link set eth0 down", "eth0"),
        ("address del 10.20.0.20/24 dev eth1", "bridge"),
        ("link del eth1", "eth1"),
    ] {
        let Some(scene) = Scene::with_debians() else {
            return;
        };
        let call = scene.add("lan,pods", &[]);
        let added = scene.lab.call(&call);
        scene.lab.call(&call.check(added.succeeds())).succeeds();
        scene.pod.ip(tamper);
        let told = scene.lab.call(&call.check(&added));
        assert!(!told.success, "{tamper}");
        assert!(told.text.contains(expected), "{tamper}: {}", told.text);
    }
}

#[test]
fn a_check_with_the_result_of_another_call_or_of_none_is_refused() {
    let Some(scene) = Scene::new() else { return };
    let call = scene.add("lan", &[]);
    scene
        .lab
        .call(&call.verb("CHECK"))
        .fails_with(3, "never connected");
    let added = scene.lab.call(&call);
    added.succeeds();
    scene
        .lab
        .call(&call.verb("CHECK"))
        .fails_with(7, "prevResult");
    let mut other = call.check(&added);
    other.config["prevResult"]["ips"] = json!([]);
    scene.lab.call(&other).fails_with(101, "prevResult lacks");
}

fn gc<'a>(call: &Call<'a>, valid: &Value) -> Call<'a> {
    let mut gc = call.verb("GC");
    gc.config["cni.dev/valid-attachments"] = valid.clone();
    gc
}

#[test]
fn attachments_that_no_runtime_knows_are_undone_and_others_left() {
    let Some(scene) = Scene::with_debians() else {
        return;
    };
    let call = scene.add("lan,pods@net1", &[]);
    scene.lab.call(&call).succeeds();
    let before = scene.pod.snapshot();
    scene.lab.call(&gc(&call, &Value::Null)).succeeds();
    let valid = json!([{"containerID": "c1", "ifname": "eth0"}]);
    scene.lab.call(&gc(&call, &valid)).succeeds();
    assert_eq!(scene.pod.snapshot(), before);
    let mut other = gc(&call, &json!([]));
    other.config["name"] = json!("other");
    scene.lab.call(&other).succeeds();
    assert_eq!(scene.pod.snapshot(), before);
    // The beginning of a record, whose writer was killed.
    let begun = scene.lab.records().join("floatingip/cluster/c9@eth0.new");
    std::fs::write(begun, "{").unwrap();
    scene.lab.call(&gc(&call, &json!([]))).succeeds();
    scene.assert_nothing_is_left("after GC");
}

/// The data centre's network in the version that has `GC`.
fn in_latest(call: &mut Call<'_>) {
    for network in call.config["NetworkConf"].as_array_mut().unwrap() {
        if network["name"] != "pods" {
            network["cniVersion"] = json!("1.1.0");
        }
    }
}

#[test]
fn each_plugin_is_told_which_attachments_of_its_own_stay() {
    let Some(scene) = Scene::new() else { return };
    scene.script("one", "");
    let mut call = scene.add("lan,one@net1", &["one"]);
    in_latest(&mut call);
    scene.lab.call(&call).succeeds();
    let before = scene.pod.snapshot();
    let valid = json!([{"containerID": "c1", "ifname": "eth0"}]);
    scene.calls();
    scene.lab.call(&gc(&call, &valid)).succeeds();
    assert_eq!(scene.calls(), ["GC one "]);
    let told = scene.given("one", "GC");
    let own = json!([{"containerID": "c1", "ifname": "net1"}]);
    assert_eq!(told["cni.dev/valid-attachments"], own);
    assert_eq!(told["name"], "one");
    assert_eq!(scene.pod.snapshot(), before);
}

/// Whoever does not know all that stays would have some of it removed.
#[test]
fn plugins_are_told_nothing_while_an_attachment_is_not_known() {
    let Some(scene) = Scene::new() else { return };
    scene.script("one", "");
    let call = scene.add("one", &["one"]);
    scene.lab.call(&call).succeeds();
    scene.calls();
    let valid = json!([
        {"containerID": "c1", "ifname": "eth0"},
        {"containerID": "c2", "ifname": "eth0"},
    ]);
    scene.lab.call(&gc(&call, &valid)).succeeds();
    assert!(scene.calls().is_empty());
    let record = scene.lab.records().join("floatingip/cluster/c3@eth0.json");
    std::fs::write(record, "{").unwrap();
    let known = json!([{"containerID": "c1", "ifname": "eth0"}]);
    scene
        .lab
        .call(&gc(&call, &known))
        .fails_with(5, "c3@eth0.json");
    assert!(scene.calls().is_empty());
}

/// Two configurations may name one network, and keep their records in one folder.
#[test]
fn attachments_of_another_configuration_stay() {
    let Some(scene) = Scene::new() else { return };
    let mut call = scene.add("lan", &[]);
    in_latest(&mut call);
    scene.lab.call(&call).succeeds();
    let before = scene.pod.snapshot();
    let mut other = gc(&call, &json!([]));
    other.config["name"] = json!("other");
    scene.lab.call(&other).succeeds();
    assert_eq!(scene.pod.snapshot(), before);
    scene.lab.call(&gc(&call, &json!([]))).succeeds();
    scene.assert_nothing_is_left("after its own GC");
}

/// The runtime waits for it, and the node for the runtime.
#[test]
fn a_gc_of_many_that_hang_ends_and_leaves_the_rest_for_the_next() {
    let Some(scene) = Scene::new() else { return };
    scene.script("hangs", "[ $CNI_COMMAND != DEL ] || sleep 600");
    let mut call = scene.add("hangs", &["hangs"]);
    for container in ["c1", "c2", "c3", "c4"] {
        call.container = container;
        scene.lab.call(&call).succeeds();
    }
    let since = Instant::now();
    let left = scene.lab.call(&gc(&call, &json!([])));
    left.fails_with(11, "hangs took longer");
    assert!(left.text.contains("the next GC"), "{}", left.text);
    let took = since.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert_eq!(scene.remembered(), 4);
}

fn status(lab: &Lab, call: &Call<'_>) -> crate::lab::Answer {
    let mut call = call.verb("STATUS");
    call.config.as_object_mut().unwrap().remove("runtimeConfig");
    lab.call(&call)
}

#[test]
fn a_node_is_fit_while_the_plugins_of_its_usual_networks_are() {
    let Some(scene) = Scene::new() else { return };
    let mut call = scene.add("", &["one", "missing"]);
    call.config["DefaultNetworks"] = json!(["one"]);
    status(&scene.lab, &call).fails_with(50, "one");
    scene.script("one", "");
    status(&scene.lab, &call).succeeds();
    assert_eq!(scene.calls(), ["STATUS one "]);
    scene.script(
        "one",
        r#"[ $CNI_COMMAND != STATUS ] || { echo '{"code":50,"msg":"no device"}'; exit 1; }"#,
    );
    status(&scene.lab, &call).fails_with(50, "one: no device");
    call.config["DefaultNetworks"] = json!(["nowhere"]);
    status(&scene.lab, &call).fails_with(50, "nowhere");
    call.config["DefaultNetworks"] = json!([]);
    call.config["kubeconfig"] = json!("/nowhere");
    status(&scene.lab, &call).fails_with(50, "/nowhere");
}

/// The runtime takes the node out of service for a `STATUS` that fails.
#[test]
fn a_fault_that_passes_leaves_the_node_in_service() {
    let Some(scene) = Scene::new() else { return };
    let says = |code| {
        format!(
            r#"[ $CNI_COMMAND != STATUS ] || {{ echo '{{"code":{code},"msg":"not now"}}'; exit 1; }}"#
        )
    };
    let mut call = scene.add("", &["busy", "broken"]);
    scene.script("busy", &says(11));
    call.config["DefaultNetworks"] = json!(["busy"]);
    status(&scene.lab, &call).succeeds();
    assert_eq!(scene.calls(), ["STATUS busy "]);
    scene.script("broken", &says(50));
    call.config["DefaultNetworks"] = json!(["busy", "broken"]);
    status(&scene.lab, &call).fails_with(50, "broken: not now");
}
