use std::time::{Duration, Instant};

use super::Scene;

const FAILS: &str = r#"[ $CNI_COMMAND != ADD ] || { echo '{"code":11,"msg":"no luck","details":"today"}'; exit 1; }"#;

#[test]
fn a_network_that_fails_undoes_those_before_it_in_reverse() {
    let Some(scene) = Scene::with_debians() else {
        return;
    };
    scene.script("one", "");
    scene.script("two", FAILS);
    scene.script("three", "");
    let before = (scene.lab.host.snapshot(), scene.pod.snapshot());
    let call = scene.add("one,lan,two,three", &["one", "two", "three"]);
    let failed = scene.lab.call(&call);
    failed.fails_with(11, "network two: two: no luck");
    assert_eq!(failed.json()["details"], "today");
    let expected = [
        "ADD one eth0",
        "ADD two eth2",
        "DEL two eth2",
        "DEL one eth0",
    ];
    assert_eq!(scene.calls(), expected);
    scene.assert_nothing_is_left("after the failure");
    assert_eq!(scene.pod.snapshot(), before.1);
    scene.lab.call(&call.verb("DEL")).succeeds();
    assert!(scene.calls().is_empty());
}

#[test]
fn what_cannot_be_undone_is_remembered_and_undone_by_the_next_call() {
    let Some(scene) = Scene::new() else { return };
    let hold = scene.data.path().join("hold");
    let script = format!(
        "[ $CNI_COMMAND != DEL ] || [ -e {} ] || exit 3",
        hold.display()
    );
    scene.script("one", &script);
    scene.script("two", FAILS);
    let call = scene.add("one,two", &["one", "two"]);
    let failed = scene.lab.call(&call);
    failed.fails_with(11, "the next DEL tries again");
    assert_eq!(scene.remembered(), 1);
    scene.lab.call(&call.verb("DEL")).fails_with(5, "one");
    std::fs::write(hold, "").unwrap();
    scene.calls();
    scene.lab.call(&call.verb("DEL")).succeeds();
    assert_eq!(scene.calls(), ["DEL two eth1", "DEL one eth0"]);
    assert_eq!(scene.remembered(), 0);
}

/// Before the first network, between each two, and after the last one.
#[test]
fn a_call_that_was_killed_between_networks_is_undone_or_made_again() {
    for place in 0..3 {
        for verb in ["DEL", "ADD"] {
            let Some(scene) = Scene::with_debians() else {
                return;
            };
            let moment = format!("killed in network {place}, then {verb}");
            let once = scene.data.path().join("killed");
            let kills = format!(
                "[ $CNI_COMMAND != ADD ] || [ -e {0} ] || {{ touch {0}; kill -9 $PPID; exit 0; }}",
                once.display()
            );
            scene.script("kills", &kills);
            let mut names = vec!["lan", "pods@net1"];
            names.insert(place, "kills");
            let call = scene.add(&names.join(","), &["kills"]);
            assert!(!scene.lab.call(&call).success, "{moment}");
            assert!(once.exists(), "{moment}");
            assert_eq!(scene.remembered(), 1, "{moment}");
            if verb == "ADD" {
                let added = scene.lab.call(&call);
                assert!(added.success, "{moment}: {}", added.text);
                scene.lab.call(&call.check(&added)).succeeds();
            }
            scene.lab.call(&call.verb("DEL")).succeeds();
            scene.assert_nothing_is_left(&moment);
        }
    }
}

/// Runtime and kubelet have a limit of their own, behind which the undoing has to fit.
#[test]
fn a_network_that_hangs_is_given_up_in_time() {
    let Some(scene) = Scene::new() else { return };
    scene.script("hangs", "[ $CNI_COMMAND != ADD ] || sleep 600");
    let call = scene.add("lan,hangs", &["hangs"]);
    let since = Instant::now();
    let given_up = scene.lab.call(&call);
    given_up.fails_with(11, "network hangs: the plugin hangs took longer than 20 s");
    assert!(
        since.elapsed() < Duration::from_secs(30),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(scene.calls(), ["ADD hangs eth1", "DEL hangs eth1"]);
    scene.assert_nothing_is_left("after the hanging one");
}

#[test]
fn what_cannot_be_done_is_told_before_anything_is_changed() {
    let Some(scene) = Scene::new() else { return };
    scene.script("one", "");
    let call = scene.add("one,nowhere", &["one"]);
    scene.lab.call(&call).fails_with(7, "nowhere");
    let call = scene.add("one,missing", &["one", "missing"]);
    scene.lab.call(&call).fails_with(7, "missing");
    scene.pod.ip("link add eth1 type veth peer name other");
    let call = scene.add("one,two", &["one", "two"]);
    scene.script("two", "");
    scene.lab.call(&call).fails_with(4, "eth1");
    assert!(scene.calls().is_empty());
    assert_eq!(scene.remembered(), 0);
    assert!(scene.pod.ip("-o link").contains("eth1"));
}

#[test]
fn a_second_call_of_the_same_attachment_changes_nothing() {
    let Some(scene) = Scene::new() else { return };
    let call = scene.add("lan", &[]);
    scene.lab.call(&call).succeeds();
    let before = (scene.lab.host.snapshot(), scene.pod.snapshot());
    scene
        .lab
        .call(&call)
        .fails_with(4, "connected to cluster already");
    assert_eq!((scene.lab.host.snapshot(), scene.pod.snapshot()), before);
    scene.lab.call(&call.verb("DEL")).succeeds();
}

#[test]
fn a_namespace_that_is_another_containers_by_now_is_left_alone() {
    let Some(scene) = Scene::new() else { return };
    scene.script(
        "one",
        "echo \"netns=$CNI_NETNS\" >> \"$(dirname $0)/netns.$CNI_COMMAND\"",
    );
    let call = scene.add("one", &["one"]);
    scene.lab.call(&call).succeeds();
    let other = super::Space::new();
    let mut del = call.verb("DEL");
    del.netns = other.path();
    scene.lab.call(&del).succeeds();
    let told = scene.lab.beside("netns.DEL");
    assert_eq!(told, "netns=\n");
}
