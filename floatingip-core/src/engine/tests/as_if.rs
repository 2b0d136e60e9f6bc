//! What could be had if others ended: preemption.

use super::mark::quarantine;
use super::scene::{Asker, Scene, a, ordinal, replica, subnet_a};
use crate::fact::Slots;
use crate::name::Name;
use crate::owner::Slot;

fn api(name: &str) -> Asker {
    replica(name).of("apps", "deployment", "api", Slot::Any)
}

/// Whether the pod could have its address if these had ended.
fn without(scene: &Scene, asker: &Asker, victims: &[&Asker]) -> bool {
    let reach = scene.reach(&asker.pod().node);
    let victims: Vec<Name> = victims.iter().map(|victim| victim.pod().uid).collect();
    let (request, now) = (asker.request(), scene.now);
    let engine = &scene.engine;
    let answers = engine.feasible_without(&request, &[reach], &victims, &scene.world, now);
    answers[0].is_ok()
}

#[test]
fn a_victim_helps_if_its_policy_frees_its_address() {
    for (victim, helps) in [
        (replica("web-x"), true),
        (replica("web-x").never(), false),
        (ordinal("db-0"), true),
        (ordinal("db-0").immutable(), false),
        (replica("web-x").in_pool("blue"), false),
    ] {
        let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
        scene.app_is(&victim, Slots::Count(1));
        scene.allocate(&victim);
        let asker = api("api-x");
        assert!(!without(&scene, &asker, &[]), "{victim:?}");
        assert_eq!(without(&scene, &asker, &[&victim]), helps, "{victim:?}");
        scene.end(&victim);
        assert_eq!(scene.attempt(&asker).is_ok(), helps, "{victim:?}");
    }
}

#[test]
fn of_an_app_that_was_scaled_down_only_the_surplus_is_freed() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.3")]);
    let pods = ["web-x", "web-y", "web-z"].map(|name| replica(name).immutable());
    scene.app_is(&pods[0], Slots::Count(3));
    pods.iter().for_each(|pod| _ = scene.allocate(pod));
    scene.app_is(&pods[0], Slots::Count(2));
    let victims = pods.each_ref();
    let family = crate::range::Family::V4;
    assert!(without(&scene, &api("api-x"), &victims[..1]));
    assert!(!without(
        &scene,
        &api("api-x").wants(&[family; 2]),
        &victims
    ));
}

#[test]
fn a_victim_leaves_its_place_in_the_app_and_its_reserve_to_its_like() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
    let victim = replica("web-x").immutable();
    scene.app_is(&victim, Slots::Count(1));
    scene.allocate(&victim);
    let next = replica("web-y").immutable();
    assert!(!without(&scene, &next, &[]));
    assert!(without(&scene, &next, &[&victim]));
    assert!(!without(&scene, &next, &[&replica("web-z")]), "it has none");
}

#[test]
fn the_same_in_a_pool_with_a_size() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.9")]);
    scene.put_pool("blue", 1, false);
    let victim = replica("web-x").in_pool("blue");
    scene.allocate(&victim);
    let next = api("api-x").in_pool("blue");
    assert!(!without(&scene, &next, &[]));
    assert!(without(&scene, &next, &[&victim]));
}

#[test]
fn what_a_victim_claims_is_not_claimed_any_more() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
    let victim = replica("web-x");
    scene.claim(&victim).unwrap();
    assert!(!without(&scene, &api("api-x"), &[]));
    assert!(without(&scene, &api("api-x"), &[&victim, &victim]));
    assert_eq!(scene.engine.claimed(), 1);
}

#[test]
fn a_quarantined_address_a_nodes_and_one_under_change_are_not_counted_on() {
    let (victim, asker) = (replica("web-x"), api("api-x"));
    let full = || {
        let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
        scene.allocate(&victim);
        scene
    };
    let mut scene = full();
    quarantine(&mut scene, a(1), 600);
    assert!(!without(&scene, &asker, &[&victim]));
    let mut scene = full();
    scene.engine.observe_node(&Name::from("n"), &[a(1)]);
    assert!(!without(&scene, &asker, &[&victim]));
    let mut scene = full();
    let open = scene.engine.plan_quarantine(
        a(1),
        String::new(),
        None,
        std::time::Duration::from_secs(1),
        scene.now,
    );
    assert!(!without(&scene, &asker, &[&victim]));
    scene.settle(open.unwrap());
}
