//! Addresses of pods that are not bound yet.

use super::scene::{Scene, a, b, ordinal, replica};
use crate::engine::Settings;
use crate::fact::Slots;
use crate::testing::fixture::pool;

#[test]
fn the_same_bind_again_gives_the_same_address_and_writes_nothing() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    let first = scene.attempt(&pod).unwrap();
    let again = scene.plan(&pod).unwrap();
    assert!(again.plan.is_empty());
    assert_eq!(again.addresses, first);
    scene.settle(again.plan);
    assert_eq!(scene.engine.open_plans(), 0);
}

#[test]
fn a_bind_to_another_node_of_the_subnet_reuses_the_address() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    let first = scene.attempt(&pod).unwrap();
    let again = scene.attempt(&pod.on("a-2")).unwrap();
    assert_eq!(again, first);
    assert_eq!(scene.record(a(1)).unwrap().owner.pod().unwrap().node, "a-2");
}

#[test]
fn a_bind_in_another_subnet_takes_another_address_and_the_former_is_freed() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    scene.attempt(&pod).unwrap();
    assert_eq!(scene.allocate(&pod.on("b-1")), b(1));
    assert!(scene.is_free(a(1)));
}

#[test]
fn what_was_kept_before_a_failed_attempt_is_kept_after_it() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y"].map(|name| replica(name).immutable());
    scene.app_is(&pods[0], Slots::Count(2));
    scene.allocate(&pods[0]);
    scene.allocate(&pods[1].clone().on("b-1"));
    pods.iter().for_each(|pod| scene.end(pod));
    let next = replica("web-z").immutable();
    assert_eq!(scene.attempt(&next), Ok(vec![a(1)]));
    assert_eq!(scene.allocate(&next.on("b-1")), b(1));
    assert!(scene.is_kept(a(1)), "the app has a slot for it");
}

#[test]
fn a_pools_reserve_gets_back_what_a_failed_attempt_took() {
    let mut scene = Scene::two_subnets();
    scene.put_pool("blue", 5, true);
    scene.fill_pool("blue");
    let pod = replica("web-x").in_pool("blue");
    scene.attempt(&pod).unwrap();
    scene.allocate(&pod.on("b-1"));
    assert_eq!(scene.pool_total("blue"), 5);
    assert_eq!(
        scene
            .engine
            .ledger
            .pool(&pool("blue"))
            .unwrap()
            .reserve
            .len(),
        4
    );
}

#[test]
fn a_pod_that_is_gone_before_it_was_bound_leaves_nothing() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    scene.attempt(&pod).unwrap();
    scene.end(&pod);
    assert!(scene.is_free(a(1)));
}

#[test]
fn a_pod_that_is_never_bound_has_its_address_for_two_minutes_after_its_last_attempt() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    scene.attempt(&pod).unwrap();
    scene.wait(100);
    scene.attempt(&pod).unwrap();
    scene.wait(119);
    scene.sweep();
    assert_eq!(scene.holder(a(1)), Some(pod.pod().uid));
    scene.wait(1);
    scene.sweep();
    assert!(scene.is_free(a(1)));
}

#[test]
fn a_new_slot_that_cannot_be_bound_is_not_tied_to_a_subnet_for_ever() {
    let mut scene = Scene::two_subnets();
    let pod = ordinal("db-0").never();
    scene.attempt(&pod).unwrap();
    let elsewhere = pod.clone().on("b-1");
    assert!(scene.attempt(&elsewhere).unwrap_err().is_about_the_node());
    scene.wait(120);
    scene.sweep();
    assert!(scene.is_free(a(1)), "nothing ever ran with it");
    assert_eq!(scene.attempt(&elsewhere), Ok(vec![b(1)]));
}

#[test]
fn a_slot_that_comes_back_and_cannot_be_bound_keeps_its_address() {
    let mut scene = Scene::two_subnets();
    let pod = ordinal("db-0").never();
    scene.allocate(&pod);
    scene.end(&pod);
    scene.attempt(&pod.uid("next")).unwrap();
    scene.wait(120);
    scene.sweep();
    assert!(scene.is_kept(a(1)));
}

#[test]
fn a_bound_pod_is_not_provisional_and_a_restart_gives_every_other_its_time_again() {
    let mut scene = Scene::two_subnets();
    let (bound, waiting) = (replica("web-x"), replica("web-y"));
    scene.allocate(&bound);
    scene.attempt(&waiting).unwrap();
    let entries = [
        super::scene::subnet_a("10.0.0.1~10.0.0.4"),
        super::scene::subnet_b("10.0.1.1~10.0.1.4"),
    ];
    scene.restart(&entries);
    scene.sweep();
    scene.wait(119);
    scene.sweep();
    assert_eq!(scene.holder(a(2)), Some(waiting.pod().uid));
    scene.wait(1);
    scene.sweep();
    assert!(scene.is_free(a(2)));
    assert_eq!(scene.holder(a(1)), Some(bound.pod().uid));
}

#[test]
fn another_pod_of_the_address_has_all_of_its_own_time() {
    let mut scene = Scene::two_subnets();
    let (former, later) = (replica("web-x"), replica("web-y"));
    scene.attempt(&former).unwrap();
    scene.wait(100);
    scene.see(&later, false);
    scene.others_write(a(1), Some(super::scene::record_of(&later)));
    scene.sweep();
    scene.wait(100);
    scene.sweep();
    assert_eq!(scene.holder(a(1)), Some(later.pod().uid));
}

#[test]
fn where_pods_need_no_binding_nothing_is_provisional() {
    let settings = Settings {
        binds_at_once: true,
        ..Settings::default()
    };
    let mut scene = Scene::with(&[super::scene::subnet_a("10.0.0.1")], settings);
    let pod = replica("web-x");
    scene.attempt(&pod).unwrap();
    scene.wait(10_000);
    scene.sweep();
    assert_eq!(scene.holder(a(1)), Some(pod.pod().uid));
}

#[test]
fn of_two_addresses_of_a_bound_pod_the_sweep_frees_the_one_that_its_binding_does_not_name() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    scene.attempt(&pod).unwrap();
    scene.attempt(&pod.clone().on("b-1")).unwrap();
    scene.see(&pod, true);
    scene.sweep();
    assert_eq!(
        scene.engine.addresses_of(&pod.pod().uid),
        [a(1), b(1)],
        "nobody can tell"
    );
    scene.see_with(&pod, &[a(9)]);
    scene.sweep();
    assert_eq!(
        scene.engine.addresses_of(&pod.pod().uid),
        [a(1), b(1)],
        "neither is named"
    );
    scene.see_with(&pod, &[b(1)]);
    scene.sweep();
    assert_eq!(scene.engine.addresses_of(&pod.pod().uid), [b(1)]);
    assert!(scene.is_free(a(1)));
}

#[test]
fn a_record_that_is_deleted_while_its_pod_is_being_bound_comes_back() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    scene.attempt(&pod).unwrap();
    scene.wait(100);
    scene.others_write(a(1), None);
    scene.sweep();
    assert_eq!(
        scene.holder(a(1)),
        Some(pod.pod().uid),
        "its binding may be on its way"
    );
    scene.wait(19);
    scene.sweep();
    assert!(!scene.is_free(a(1)));
    scene.wait(1);
    scene.sweep();
    assert!(scene.is_free(a(1)), "the time counts from its attempt");
}

#[test]
fn a_record_that_is_deleted_when_its_pod_had_its_time_is_let_go() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    scene.attempt(&pod).unwrap();
    scene.wait(120);
    scene.others_write(a(1), None);
    scene.sweep();
    assert_eq!(scene.record(a(1)), None);
    assert!(scene.is_free(a(1)));
}

#[test]
fn one_address_is_repaired_at_once() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y"].map(replica);
    pods.iter().for_each(|pod| _ = scene.allocate(pod));
    scene.others_write(a(1), None);
    scene.others_write(a(2), None);
    let plan = scene.engine.plan_repair(a(2), &scene.world, scene.now);
    scene.settle(plan);
    assert_eq!(
        (scene.holder(a(1)), scene.holder(a(2))),
        (None, Some(pods[1].pod().uid))
    );
}

/// ONE-OWNER, LIVE-KEEPS: who may edit a pod can make its binding name any address.
#[test]
fn a_binding_that_names_nothing_of_the_pods_frees_nothing() {
    let mut scene = Scene::two_subnets();
    let (pod, other) = (replica("web-x"), replica("web-y"));
    let ips = [&pod, &other].map(|pod| scene.allocate(pod));
    for named in [&[a(3)][..], &[ips[1]], &[]] {
        scene.bound(&pod, named);
        assert_eq!(scene.holder(ips[0]), Some(pod.pod().uid), "{named:?}");
    }
    assert_eq!(scene.holder(ips[1]), Some(other.pod().uid));
    assert_eq!(scene.engine.len(), 2);
}
