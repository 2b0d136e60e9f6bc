//! Claims: so many pods pass the filter as can bind.

use super::scene::{Scene, a, ordinal, replica, subnet_a, subnet_b};
use crate::fact::Slots;
use crate::refusal::{Refusal, SubnetReason};

fn one_address() -> Scene {
    Scene::of(&[subnet_a("10.0.0.1")])
}

fn reason(refusal: Result<(), Refusal>) -> Option<SubnetReason> {
    match refusal {
        Err(Refusal::Exhausted(subnets)) => subnets.first().map(|subnet| subnet.reason),
        _ => None,
    }
}

#[test]
fn of_many_pods_for_the_last_address_one_passes() {
    let mut scene = one_address();
    assert_eq!(scene.claim(&replica("web-x")), Ok(()));
    for name in ["web-y", "web-z"] {
        let answer = scene.claim(&replica(name));
        assert_eq!(reason(answer), Some(SubnetReason::Claimed));
    }
    assert_eq!(
        scene.claim(&replica("web-x")),
        Ok(()),
        "its own claim is no obstacle"
    );
    assert_eq!(scene.engine.claimed(), 1);
    assert_eq!(scene.allocate(&replica("web-x")), a(1));
    assert_eq!(scene.engine.claimed(), 0);
}

#[test]
fn a_claim_ends_with_its_pod() {
    let mut scene = one_address();
    scene.claim(&replica("web-x")).unwrap();
    scene.end(&replica("web-x"));
    assert_eq!(scene.claim(&replica("web-y")), Ok(()));
}

#[test]
fn a_claim_ends_with_the_pods_next_filter() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1"), subnet_b("10.0.1.1")]);
    scene.claim(&replica("web-x")).unwrap();
    scene.claim(&replica("web-x").on("b-1")).unwrap();
    assert_eq!(scene.claim(&replica("web-y")), Ok(()));
    assert!(scene.claim(&replica("web-z").on("b-1")).is_err());
}

#[test]
fn a_claim_ends_with_its_time() {
    let mut scene = one_address();
    scene.claim(&replica("web-x")).unwrap();
    scene.wait(29);
    assert!(scene.claim(&replica("web-y")).is_err());
    scene.wait(1);
    assert_eq!(scene.claim(&replica("web-y")), Ok(()));
}

#[test]
fn a_pod_that_may_go_to_two_subnets_claims_in_both() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1"), subnet_b("10.0.1.1")]);
    let reaches = [scene.reach("a-1"), scene.reach("b-1")];
    let request = replica("web-x").request();
    let answers = scene
        .engine
        .claim(&request, &reaches, &scene.world, scene.now);
    assert_eq!(answers, [Ok(()), Ok(())]);
    assert!(scene.claim(&replica("web-y")).is_err());
    assert!(scene.claim(&replica("web-y").on("b-1")).is_err());
}

#[test]
fn asking_whether_it_is_feasible_claims_nothing() {
    let mut scene = one_address();
    let reach = [scene.reach("a-1")];
    let request = replica("web-x").request();
    let answers = scene
        .engine
        .feasible(&request, &reach, &scene.world, scene.now);
    assert_eq!(answers, [Ok(())]);
    assert_eq!(scene.engine.claimed(), 0);
    assert_eq!(scene.claim(&replica("web-y")), Ok(()));
}

#[test]
fn a_slot_with_an_address_claims_none_and_passes_only_where_its_own_can_be_used() {
    let mut scene = Scene::two_subnets();
    let pod = ordinal("db-0").never();
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    let next = pod.uid("next");
    assert_eq!(scene.claim(&next), Ok(()));
    let room = scene.engine.room(&scene.reach("a-1"));
    assert_eq!(room.first().map(|(_, left)| *left), Some(3));
    let refused = scene.claim(&next.on("b-1"));
    assert!(matches!(refused, Err(Refusal::WrongNode { ip: own, .. }) if own == ip));
}

#[test]
fn a_slot_that_comes_back_to_its_own_takes_nothing_from_the_pools_reserve() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.2")]);
    let (own, shared) = (
        ordinal("db-0").in_pool("blue"),
        replica("web-x").in_pool("blue"),
    );
    scene.allocate(&own);
    scene.allocate(&shared);
    scene.end(&own);
    scene.end(&shared);
    assert_eq!(scene.claim(&own.uid("next")), Ok(()));
    assert_eq!(scene.claim(&replica("web-y").in_pool("blue")), Ok(()));
}

#[test]
fn an_apps_slots_are_claimed_too() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y", "web-z"].map(|name| replica(name).immutable());
    scene.app_is(&pods[0], Slots::Count(2));
    scene.allocate(&pods[0]);
    assert_eq!(scene.claim(&pods[1]), Ok(()));
    let refused = scene.claim(&pods[2]);
    assert!(
        matches!(
            refused,
            Err(Refusal::AppFull {
                limit: 2,
                in_use: 2,
                ..
            })
        ),
        "{refused:?}"
    );
}

#[test]
fn a_pools_last_address_is_claimed_once_and_so_is_each_in_its_reserve() {
    let mut scene = Scene::two_subnets();
    scene.put_pool("blue", 2, false);
    let pods = ["web-x", "web-y", "web-z"].map(|name| replica(name).in_pool("blue"));
    scene.allocate(&pods[0]);
    scene.end(&pods[0]);
    assert_eq!(scene.claim(&pods[0]), Ok(()), "the one in reserve");
    assert_eq!(scene.claim(&pods[1]), Ok(()), "a fresh one");
    let refused = scene.claim(&pods[2]);
    assert!(
        matches!(refused, Err(Refusal::PoolFull { size: 2, .. })),
        "{refused:?}"
    );
}

#[test]
fn one_unsuitable_address_of_a_full_pool_is_exchanged_for_one_pod_only() {
    let mut scene = Scene::two_subnets();
    scene.put_pool("blue", 1, true);
    scene.fill_pool("blue");
    let pods = ["web-x", "web-y"].map(|name| replica(name).in_pool("blue").on("b-1"));
    assert_eq!(scene.claim(&pods[0]), Ok(()));
    assert!(scene.claim(&pods[1]).is_err());
}

#[test]
fn an_address_in_reserve_that_one_pod_claims_is_not_exchanged_for_another() {
    let mut scene = Scene::two_subnets();
    scene.put_pool("blue", 1, true);
    scene.fill_pool("blue");
    assert_eq!(scene.claim(&replica("web-x").in_pool("blue")), Ok(()));
    assert!(
        scene
            .claim(&replica("web-y").in_pool("blue").on("b-1"))
            .is_err()
    );
}

#[test]
fn a_pool_is_not_filled_with_what_waiting_pods_are_about_to_take() {
    let mut scene = one_address();
    scene.claim(&replica("web-x")).unwrap();
    scene.put_pool("blue", 1, true);
    assert!(!scene.fill_pool("blue"), "waiting pods go first");
    assert_eq!(scene.allocate(&replica("web-x")), a(1));
}

#[test]
fn ranking_counts_what_is_claimed_and_what_is_disabled_as_gone() {
    let disabled = subnet_b("10.0.1.1~10.0.1.4").replacen('{', r#"{"disabled":true,"#, 1);
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.4"), disabled]);
    scene.claim(&replica("web-x")).unwrap();
    scene.allocate(&replica("web-y"));
    let room = scene.engine.room(&scene.reach("x-1"));
    let left: Vec<u128> = room.into_iter().map(|(_, left)| left).collect();
    assert_eq!(left, [2, 0]);
}
