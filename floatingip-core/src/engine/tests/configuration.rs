//! Configurations that change, and nodes that have addresses themselves.

use super::scene::{Scene, a, b, ordinal, replica, subnet_a, subnet_b};
use crate::name::Name;
use crate::refusal::{Refusal, SubnetReason};
use crate::store::Outcome;

const WIDE: &str = "10.0.0.1~10.0.0.4";

fn disabled(entry: &str) -> String {
    entry.replacen('{', r#"{"disabled":true,"#, 1)
}

#[test]
fn an_allocation_in_flight_survives_a_reload() {
    let mut scene = Scene::of(&[subnet_a(WIDE)]);
    let open = scene.plan(&replica("web-x")).unwrap();
    scene.configure(&[subnet_b("10.0.1.1"), subnet_a(WIDE)]);
    assert!(!scene.is_free(a(1)), "held");
    scene.settle(open.plan);
    assert_eq!(scene.holder(a(1)), Some(replica("web-x").pod().uid));
    assert_eq!(scene.allocate(&replica("web-y")), a(2));
}

#[test]
fn an_allocation_in_flight_that_fails_after_a_reload_is_free_again() {
    let mut scene = Scene::of(&[subnet_a(WIDE)]);
    let open = scene.plan(&replica("web-x")).unwrap();
    scene.configure(&[subnet_a("10.0.0.1")]);
    scene.settle_as(open.plan, vec![Outcome::Unavailable]);
    assert_eq!(scene.allocate(&replica("web-y")), a(1));
}

#[test]
fn an_answer_for_a_former_configuration_is_not_used() {
    let mut scene = Scene::of(&[subnet_a(WIDE)]);
    let stale = scene.reach("a-1");
    scene.configure(&[subnet_b("10.0.1.1"), subnet_a(WIDE)]);
    let request = replica("web-x").request();
    let refused = scene
        .engine
        .plan_allocate(&request, &stale, &scene.world, scene.now);
    assert_eq!(refused.unwrap_err(), Refusal::StaleReach);
}

#[test]
fn an_address_that_is_no_longer_configured_stays_with_its_live_pod() {
    let mut scene = Scene::of(&[subnet_a(WIDE)]);
    let pod = replica("web-x");
    scene.allocate(&pod);
    let difference = scene.configure(&[subnet_a("10.0.0.3~10.0.0.4")]);
    assert!(difference.removed.contains(a(1)));
    scene.sweep();
    assert_eq!(scene.holder(a(1)), Some(pod.pod().uid));
    assert_eq!(scene.allocate(&replica("web-y")), a(3));
    scene.end(&pod);
    assert!(scene.record(a(1)).is_none());
    assert_eq!(
        scene.allocate(&replica("web-z")),
        a(4),
        "a draining one is not given out"
    );
}

#[test]
fn a_draining_address_goes_back_to_its_own_slot_only() {
    let mut scene = Scene::of(&[subnet_a(WIDE)]);
    let (own, shared) = (ordinal("db-0").never(), replica("web-x").never());
    let ip = scene.allocate(&own);
    let reserve = scene.allocate(&shared);
    scene.end(&own);
    scene.end(&shared);
    scene.configure(&[subnet_a("10.0.0.3~10.0.0.4")]);
    assert_eq!(
        scene.allocate(&own.uid("next")),
        ip,
        "its network is still there"
    );
    assert_eq!(
        scene.allocate(&replica("web-y").never()),
        a(3),
        "not {reserve}"
    );
}

#[test]
fn a_slot_whose_network_is_gone_waits_until_the_range_is_put_back() {
    let entries = [subnet_a(WIDE), subnet_b("10.0.1.1")];
    let mut scene = Scene::of(&entries);
    let pod = ordinal("db-0").never();
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    scene.configure(&[subnet_b("10.0.1.1")]);
    let next = pod.uid("next").on("b-1");
    assert_eq!(scene.attempt(&next), Err(Refusal::Withdrawn { ip }));
    scene.configure(&entries);
    assert_eq!(scene.allocate(&next.on("a-1")), ip);
}

#[test]
fn a_range_that_is_put_back_knows_what_is_taken() {
    let mut scene = Scene::of(&[subnet_a(WIDE)]);
    scene.allocate(&replica("web-x"));
    scene.configure(&[subnet_b("10.0.1.1")]);
    scene.configure(&[subnet_a("10.0.0.1~10.0.0.2")]);
    assert_eq!(scene.allocate(&replica("web-y")), a(2));
    assert!(scene.attempt(&replica("web-z")).is_err());
}

#[test]
fn a_disabled_subnet_keeps_and_gives_nothing_new() {
    let mut scene = Scene::of(&[subnet_a(WIDE)]);
    let pod = ordinal("db-0").never();
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    scene.configure(&[disabled(&subnet_a(WIDE))]);
    let Err(Refusal::Exhausted(subnets)) = scene.attempt(&replica("web-x")) else {
        panic!("a disabled subnet gave an address");
    };
    assert_eq!(subnets[0].reason, SubnetReason::Disabled);
    assert_eq!(scene.allocate(&pod.uid("next")), ip);
}

#[test]
fn an_excluded_address_is_not_taken_from_a_reserve() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.2")]);
    let pod = replica("web-x").in_pool("blue");
    scene.allocate(&pod);
    scene.end(&pod);
    let excluded = subnet_a("10.0.0.1~10.0.0.2").replacen('{', r#"{"exclude":["10.0.0.1"],"#, 1);
    scene.configure(&[excluded]);
    assert_eq!(scene.allocate(&replica("web-y").in_pool("blue")), a(2));
}

#[test]
fn addresses_of_nodes_are_never_given_out() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.2")]);
    let node = Name::from("a-9");
    assert_eq!(scene.engine.observe_node(&node, &[a(1), b(9)]), []);
    assert_eq!(scene.allocate(&replica("web-x")), a(2));
    assert!(scene.attempt(&replica("web-y")).is_err());
    scene.engine.observe_node(&node, &[b(9)]);
    assert_eq!(scene.allocate(&replica("web-y")), a(1));
}

#[test]
fn a_node_that_comes_with_an_owned_address_is_reported_and_lives_beside_the_pod() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.2")]);
    let pod = ordinal("db-0").never();
    let ip = scene.allocate(&pod);
    let owned = scene.engine.observe_node(&Name::from("a-9"), &[ip]);
    assert_eq!(owned, [(ip, pod.owner())]);
    assert_eq!(scene.attempt(&pod), Ok(vec![ip]), "its live pod keeps it");
    scene.end(&pod);
    let refused = scene.attempt(&pod.clone().uid("next"));
    assert_eq!(
        refused,
        Err(Refusal::NodeAddress {
            ip,
            node: Name::from("a-9")
        })
    );
    scene.engine.forget_node(&Name::from("a-9"));
    assert_eq!(scene.allocate(&pod.uid("next")), ip);
}

#[test]
fn an_address_of_a_node_is_not_taken_from_a_reserve() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.2")]);
    let pod = replica("web-x").never();
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    scene.engine.observe_node(&Name::from("a-9"), &[ip]);
    assert_eq!(scene.allocate(&replica("web-y").never()), a(2));
}

#[test]
fn two_nodes_that_say_the_same_address_both_have_to_go() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
    for node in ["a-8", "a-9"] {
        scene.engine.observe_node(&Name::from(node), &[a(1)]);
    }
    scene.engine.forget_node(&Name::from("a-8"));
    assert!(!scene.is_free(a(1)));
    scene.engine.forget_node(&Name::from("a-9"));
    assert!(scene.is_free(a(1)));
}

#[test]
fn who_uses_what_a_configuration_no_longer_has_is_told() {
    let mut scene = Scene::of(&[subnet_a(WIDE)]);
    let (first, second) = (replica("web-x"), replica("web-y"));
    scene.allocate(&first);
    scene.allocate(&second);
    let removed = scene.configure(&[subnet_a("10.0.0.2~10.0.0.4")]).removed;
    let owners: Vec<_> = scene.engine.records_in(&removed).collect();
    let [(ip, record)] = owners[..] else {
        panic!("one address was removed, not {owners:?}")
    };
    assert_eq!(ip, a(1));
    assert_eq!(
        record.owner.pod().map(|pod| &pod.uid),
        Some(&first.pod().uid)
    );
}
