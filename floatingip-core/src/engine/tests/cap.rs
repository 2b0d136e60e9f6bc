//! Caps of apps: no step raises an app's addresses in use above its slots.

use super::scene::{Scene, ordinal, replica};
use crate::fact::Slots;
use crate::refusal::Refusal;

fn is_full(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::AppFull { .. })
}

#[test]
fn a_rollout_waits_for_an_old_pod_and_says_for_which() {
    let mut scene = Scene::two_subnets();
    let old = replica("web-old").immutable();
    scene.app_is(&old, Slots::Count(1));
    let ip = scene.allocate(&old);
    let new = replica("web-new").immutable();
    let refused = scene.attempt(&new).unwrap_err();
    assert!(refused.to_string().contains("web-old"), "{refused}");
    scene.end(&old);
    assert_eq!(scene.allocate(&new), ip);
}

#[test]
fn without_a_policy_there_is_no_cap() {
    let mut scene = Scene::two_subnets();
    scene.app_is(&replica("web-x"), Slots::Count(1));
    scene.allocate(&replica("web-x"));
    scene.allocate(&replica("web-surge"));
}

#[test]
fn an_open_plan_counts_like_a_pod() {
    let mut scene = Scene::two_subnets();
    let (first, second) = (replica("web-x").immutable(), replica("web-y").immutable());
    scene.app_is(&first, Slots::Count(1));
    let open = scene.plan(&first).unwrap();
    assert!(is_full(&scene.plan(&second).unwrap_err()));
    let ip = open.addresses[0];
    scene.settle_as(open.plan, vec![crate::store::Outcome::Unavailable]);
    assert!(scene.is_free(ip));
    scene.allocate(&second);
}

#[test]
fn with_surge_the_app_has_and_keeps_so_many_more() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y", "web-z"].map(|name| replica(name).immutable());
    scene.app_surges(&pods[0], Slots::Count(1), 1);
    let ips = [&pods[0], &pods[1]].map(|pod| scene.allocate(pod));
    assert!(is_full(&scene.attempt(&pods[2]).unwrap_err()));
    scene.end(&pods[0]);
    scene.app_changed(&pods[0]);
    assert!(scene.is_kept(ips[0]), "kept as a set");
    assert_eq!(scene.allocate(&pods[2]), ips[0]);
}

#[test]
fn a_cap_that_nobody_can_tell_any_more_stays_as_last_known() {
    let mut scene = Scene::two_subnets();
    let (first, second) = (replica("web-x").immutable(), replica("web-y").immutable());
    scene.app_is(&first, Slots::Count(1));
    scene.allocate(&first);
    scene.app_unknown(&first);
    assert!(is_full(&scene.attempt(&second).unwrap_err()));
}

#[test]
fn a_cap_that_was_never_known_is_none() {
    let mut scene = Scene::two_subnets();
    scene.allocate(&replica("web-x").immutable());
    scene.allocate(&replica("web-y").immutable());
}

#[test]
fn after_shrinking_no_pod_comes_in_before_there_is_a_slot() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y"].map(|name| replica(name).never());
    scene.app_is(&pods[0], Slots::Count(2));
    pods.iter().for_each(|pod| _ = scene.allocate(pod));
    scene.scale(&pods[0], 1);
    scene.end(&pods[0]);
    assert!(is_full(
        &scene.attempt(&replica("web-z").never()).unwrap_err()
    ));
    scene.end(&pods[1]);
    scene.allocate(&replica("web-z").never());
}

#[test]
fn an_app_that_is_gone_gets_nothing_to_keep() {
    let mut scene = Scene::two_subnets();
    let pod = ordinal("db-0").immutable();
    scene.app_gone(&pod);
    let refused = scene.attempt(&pod);
    assert_eq!(refused, Err(Refusal::AppGone { app: pod.app() }));
}

#[test]
fn a_pool_without_a_size_is_capped_by_each_of_its_apps() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y"].map(|name| replica(name).in_pool("blue"));
    scene.app_is(&pods[0], Slots::Count(1));
    scene.allocate(&pods[0]);
    assert!(is_full(&scene.attempt(&pods[1]).unwrap_err()));
    scene.put_pool("blue", 2, false);
    scene.allocate(&pods[1]);
}

#[test]
fn pods_with_two_addresses_use_one_slot_each_and_keep_both() {
    let mut scene = Scene::two_subnets();
    let two = |name| {
        let ranges = ["10.0.0.1~10.0.0.4", "10.0.0.1~10.0.0.4"];
        replica(name).immutable().ranges(&ranges)
    };
    scene.app_is(&two("web-x"), Slots::Count(2));
    scene.allocate_all(&two("web-x"));
    let ips = scene.allocate_all(&two("web-y"));
    scene.end(&two("web-y"));
    assert!(ips.iter().all(|ip| scene.is_kept(*ip)));
    scene.scale(&two("web-x"), 1);
    assert!(ips.iter().all(|ip| scene.is_free(*ip)));
}

#[test]
fn a_failed_attempt_in_another_subnet_does_not_make_slots_worth_two_addresses() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y"].map(|name| replica(name).immutable());
    scene.app_is(&pods[0], Slots::Count(2));
    scene.attempt(&pods[0]).unwrap();
    scene.allocate(&pods[0].clone().on("b-1"));
    let ip = scene.allocate(&pods[1]);
    scene.end(&pods[1]);
    scene.scale(&pods[0], 1);
    assert!(scene.is_free(ip), "surplus");
}
