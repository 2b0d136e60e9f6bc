//! Which addresses a pod gets.

use super::scene::{Scene, a, b, entry, ordinal, replica, subnet_a, subnet_b};
use crate::range::Family::{V4, V6};
use crate::refusal::{Refusal, SubnetReason};
use crate::testing::fixture::ip6;

fn dual() -> Scene {
    let v6 = entry(
        r#"["10.1.0.0/16","10.2.0.0/16"]"#,
        "fd00::1~fd00::4",
        "fd00::/64",
    );
    Scene::of(&[subnet_a("10.0.0.1~10.0.0.4"), v6])
}

fn reasons(refusal: Refusal) -> Vec<SubnetReason> {
    match refusal {
        Refusal::Exhausted(subnets) => subnets.iter().map(|subnet| subnet.reason).collect(),
        other => panic!("{other}"),
    }
}

#[test]
fn a_released_address_is_used_again_as_late_as_possible() {
    let mut scene = Scene::two_subnets();
    for (n, expected) in [1, 2, 3, 4, 1, 2].into_iter().enumerate() {
        let pod = replica(&format!("web-{n}"));
        assert_eq!(scene.allocate(&pod), a(expected));
        scene.end(&pod);
    }
}

#[test]
fn the_round_goes_on_after_a_reload_and_after_a_restart() {
    let entries = [subnet_a("10.0.0.1~10.0.0.4"), subnet_b("10.0.1.1~10.0.1.4")];
    let mut scene = Scene::of(&entries);
    scene.allocate(&replica("web-1"));
    scene.wait(1);
    scene.allocate(&replica("web-2"));
    scene.end(&replica("web-1"));
    scene.configure(&entries);
    assert_eq!(scene.plan(&replica("web-3")).unwrap().addresses, [a(3)]);
    scene.restart(&entries);
    assert_eq!(
        scene.allocate(&replica("web-4")),
        a(3),
        "behind the most recently used"
    );
}

#[test]
fn the_same_state_and_request_give_the_same_choice() {
    let choose = || {
        let mut scene = dual();
        scene.attempt(&replica("web-x").wants(&[V6, V4]))
    };
    assert_eq!(choose(), Ok(vec![ip6(1), a(1)]));
    assert_eq!(choose(), choose());
}

#[test]
fn the_first_subnet_of_the_configuration_that_has_room_gives() {
    let mut scene = Scene::two_subnets();
    let chosen: Vec<_> = (0..6)
        .map(|n| scene.allocate(&replica(&format!("web-{n}")).on("x-1")))
        .collect();
    assert_eq!(chosen, [a(1), a(2), a(3), a(4), b(1), b(2)]);
}

#[test]
fn an_app_uses_what_it_keeps_before_anything_fresh() {
    let mut scene = Scene::two_subnets();
    let former = replica("web-x").never().on("b-1");
    let kept = scene.allocate(&former);
    scene.end(&former);
    assert_eq!(scene.allocate(&replica("web-y").never().on("x-1")), kept);
}

#[test]
fn overlapping_node_subnets_all_count() {
    let wide = entry(r#"["10.0.0.0/8"]"#, "10.0.2.1", "10.0.2.0/24");
    let mut scene = Scene::of(&[subnet_a("10.0.0.1"), wide]);
    assert_eq!(scene.allocate(&replica("web-x")), a(1));
    assert_eq!(scene.allocate(&replica("web-y")).to_string(), "10.0.2.1");
}

#[test]
fn overlapping_range_lists_are_matched() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x").ranges(&["10.0.0.1~10.0.0.2", "10.0.0.1"]);
    assert_eq!(scene.allocate_all(&pod), [a(2), a(1)]);
}

#[test]
fn an_empty_intersection_of_ranges_is_a_refusal_not_freedom() {
    let mut scene = Scene::two_subnets();
    let refused = scene.attempt(&replica("web-x").ranges(&["10.0.1.1~10.0.1.4"]));
    let expected = [SubnetReason::NotAskedFor, SubnetReason::WrongNodeSubnet];
    assert_eq!(reasons(refused.unwrap_err()), expected);
}

#[test]
fn all_of_several_addresses_or_none() {
    let mut scene = dual();
    for n in 0..4 {
        scene.allocate(&replica(&format!("v6-{n}")).wants(&[V6]));
    }
    let refused = scene.attempt(&replica("web-x").wants(&[V4, V6]));
    assert!(reasons(refused.unwrap_err()).contains(&SubnetReason::Full));
    assert!(scene.is_free(a(1)), "nothing is held for it");
    assert_eq!(scene.engine.open_plans(), 0);
}

#[test]
fn ipv6_only_where_no_ipv4_subnet_fits() {
    let mut scene = dual();
    assert_eq!(scene.allocate(&replica("web-x")), a(1));
    assert_eq!(scene.allocate(&replica("web-y").on("b-1")), ip6(1));
}

#[test]
fn a_slot_that_asks_for_a_second_family_keeps_the_first_address() {
    let mut scene = dual();
    let pod = ordinal("db-0").never();
    let first = scene.allocate(&pod);
    scene.end(&pod);
    let both = pod.uid("next").wants(&[V6, V4]);
    assert_eq!(scene.allocate_all(&both), [ip6(1), first]);
}

#[test]
fn a_node_outside_every_node_subnet_is_told_so() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
    assert_eq!(
        scene.attempt(&replica("web-x").on("b-1")),
        Err(Refusal::NoSubnet)
    );
}

#[test]
fn an_explanation_says_for_every_subnet_why_it_gives_nothing() {
    let disabled = entry(r#"["10.1.0.0/16"]"#, "10.0.2.1", "10.0.2.0/24");
    let disabled = disabled.replacen('{', r#"{"disabled":true,"#, 1);
    let full = entry(r#"["10.1.0.0/16"]"#, "10.0.3.1", "10.0.3.0/24");
    let mut scene = Scene::of(&[full, subnet_a("10.0.0.1"), subnet_b("10.0.1.1"), disabled]);
    scene.allocate(&replica("web-x"));
    scene.claim(&replica("web-y")).unwrap();
    let explanation = scene.explain(&replica("web-z"));
    let by_entry: Vec<_> = explanation.wants[0]
        .iter()
        .map(|s| (s.entry, s.reason))
        .collect();
    let expected = [
        (0, SubnetReason::Full),
        (1, SubnetReason::Claimed),
        (2, SubnetReason::WrongNodeSubnet),
        (3, SubnetReason::Disabled),
    ];
    assert_eq!(by_entry, expected);
    assert!(explanation.verdict.is_err());
    assert_eq!(
        scene.explain(&replica("web-y")).verdict.map(|ips| ips[0]),
        Ok(a(1))
    );
}

#[test]
fn a_block_of_any_size_costs_nothing() {
    let huge = entry(
        r#"["10.1.0.0/16"]"#,
        "fd00::1:0~fd00::ffff:ffff:ffff:ffff",
        "fd00::/64",
    );
    let mut scene = Scene::of(&[huge]);
    let first = scene.allocate(&replica("web-x"));
    assert_eq!(first.to_string(), "fd00::1:0");
    let usage = scene.engine.usage()[0];
    assert_eq!((usage.total - usage.free, usage.allocated), (1, 1));
}
