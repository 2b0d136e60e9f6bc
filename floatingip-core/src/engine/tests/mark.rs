//! Quarantined, resting and reserved addresses.

use std::net::IpAddr;
use std::time::Duration;

use super::scene::{Scene, a, ordinal, replica, subnet_a};
use crate::engine::MarkRefusal;
use crate::name::Name;
use crate::owner::Owner;
use crate::refusal::Refusal;

/// Somebody else was seen to use the address.
pub(super) fn quarantine(scene: &mut Scene, ip: IpAddr, seconds: u64) {
    let lasts = Duration::from_secs(seconds);
    let reason = "seen twice on the wire".to_owned();
    let plan = scene
        .engine
        .plan_quarantine(ip, reason, None, lasts, scene.now);
    scene.settle(plan.unwrap());
}

#[test]
fn a_quarantined_free_address_is_passed_over_until_its_time_is_over() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.2")]);
    quarantine(&mut scene, a(1), 600);
    assert_eq!(scene.allocate(&replica("web-x")), a(2));
    assert!(scene.attempt(&replica("web-y")).is_err());
    scene.wait(600);
    scene.sweep();
    assert_eq!(scene.allocate(&replica("web-y")), a(1));
}

#[test]
fn an_explanation_names_what_is_marked_and_for_how_long() {
    let mut scene = Scene::two_subnets();
    quarantine(&mut scene, a(3), 600);
    quarantine(&mut scene, a(1), 700);
    quarantine(&mut scene, super::scene::b(1), 60);
    scene.wait(100);
    let marked = scene.explain(&replica("web-x")).marked;
    let left: Vec<_> = marked
        .iter()
        .map(|m| (m.ip, m.remaining.as_secs()))
        .collect();
    assert_eq!(left, [(a(3), 500), (a(1), 600)]);
    scene.wait(500);
    assert_eq!(scene.explain(&replica("web-x")).marked.len(), 1);
}

#[test]
fn a_slot_waits_for_its_own_address_while_that_is_quarantined() {
    let mut scene = Scene::two_subnets();
    let pod = ordinal("db-0").never();
    let ip = scene.allocate(&pod);
    quarantine(&mut scene, ip, 600);
    scene.end(&pod);
    let next = pod.uid("next");
    scene.wait(100);
    let refused = scene.attempt(&next).unwrap_err();
    assert!(
        matches!(&refused, Refusal::Quarantined { remaining, .. } if remaining.as_secs() == 500)
    );
    scene.wait(500);
    assert_eq!(scene.allocate(&next), ip);
}

#[test]
fn a_quarantine_outlives_its_owner() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    let ip = scene.allocate(&pod);
    quarantine(&mut scene, ip, 600);
    scene.end(&pod);
    assert_eq!(
        scene.record(ip).map(|record| &record.owner),
        Some(&Owner::Nobody)
    );
    let lifted = scene.engine.plan_lift(ip, scene.now).unwrap();
    scene.settle(lifted);
    assert!(scene.is_free(ip));
}

#[test]
fn a_reserve_skips_what_is_quarantined() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y"].map(|name| replica(name).never());
    let ips = pods.each_ref().map(|pod| scene.allocate(pod));
    pods.iter().for_each(|pod| scene.end(pod));
    quarantine(&mut scene, ips[0], 600);
    assert_eq!(scene.allocate(&replica("web-z").never()), ips[1]);
}

#[test]
fn a_clock_that_jumped_makes_no_quarantine_longer() {
    let entries = [subnet_a("10.0.0.1")];
    let mut scene = Scene::of(&entries);
    scene.now.wall = scene.now.wall.plus(Duration::from_secs(1_000_000));
    quarantine(&mut scene, a(1), 600);
    scene.now.wall = crate::WallTime::default();
    scene.restart(&entries);
    scene.wait(600);
    scene.sweep();
    assert!(scene.is_free(a(1)));
}

#[test]
fn a_resting_address_goes_to_its_own_slot_at_once_and_to_nobody_else() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
    let pod = ordinal("db-0");
    let ip = scene.allocate(&pod);
    scene.end_unreachable(&pod, 300);
    scene.sweep();
    assert!(scene.attempt(&ordinal("db-1")).is_err());
    let next = pod.uid("next");
    assert_eq!(scene.allocate(&next), ip);
    assert_eq!(
        scene.record(ip).and_then(|record| record.mark.clone()),
        None
    );
}

#[test]
fn a_resting_address_of_a_deployment_waits_for_all() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
    let pod = replica("web-x").never();
    let ip = scene.allocate(&pod);
    scene.end_unreachable(&pod, 300);
    assert!(scene.attempt(&replica("web-y").never()).is_err());
    scene.wait(300);
    assert_eq!(scene.allocate(&replica("web-y").never()), ip);
}

#[test]
fn a_rest_ends_with_its_time_or_when_the_node_is_back_within_one_sweep() {
    for back in [true, false] {
        let mut scene = Scene::two_subnets();
        let pod = ordinal("db-0");
        let ip = scene.allocate(&pod);
        scene.node_is("a-1", false);
        scene.end_unreachable(&pod, 300);
        scene.sweep();
        assert!(!scene.is_free(ip));
        match back {
            true => scene.node_is("a-1", true),
            false => scene.wait(300),
        }
        scene.sweep();
        assert!(scene.is_free(ip), "back: {back}");
    }
}

#[test]
fn an_administrator_takes_a_free_address_out_of_use() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
    let plan = scene
        .engine
        .plan_reserve(a(1), Name::from("router"), scene.now);
    scene.settle(plan.unwrap());
    scene.sweep();
    assert!(scene.attempt(&replica("web-x")).is_err());
    let again = scene
        .engine
        .plan_reserve(a(1), Name::from("other"), scene.now);
    assert_eq!(again.unwrap_err(), MarkRefusal::Owned { ip: a(1) });
    let plan = scene.engine.plan_unreserve(a(1), scene.now).unwrap();
    scene.settle(plan);
    assert_eq!(scene.allocate(&replica("web-x")), a(1));
}

#[test]
fn marks_and_reservations_say_why_they_cannot_be_made_or_ended() {
    let mut scene = Scene::two_subnets();
    let now = scene.now;
    let unknown = IpAddr::from([192, 0, 2, 1]);
    let lift = scene.engine.plan_lift(a(1), now).unwrap_err();
    assert_eq!(lift, MarkRefusal::None { ip: a(1) });
    let unreserve = scene.engine.plan_unreserve(a(1), now).unwrap_err();
    assert_eq!(unreserve, MarkRefusal::None { ip: a(1) });
    let outside = scene
        .engine
        .plan_reserve(unknown, Name::from("x"), now)
        .unwrap_err();
    assert_eq!(outside, MarkRefusal::OutOfRange { ip: unknown });
    let open = scene.plan(&replica("web-x")).unwrap();
    let busy = scene
        .engine
        .plan_reserve(open.addresses[0], Name::from("x"), now)
        .unwrap_err();
    assert_eq!(busy, MarkRefusal::Busy { ip: a(1) });
    scene.settle(open.plan);
}

#[test]
fn a_calendar_that_jumps_while_the_process_runs_ends_no_quarantine() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.2")]);
    let pod = ordinal("db-0").never();
    let ip = scene.allocate(&pod);
    quarantine(&mut scene, ip, 600);
    scene.now.wall = scene.now.wall.plus(Duration::from_secs(3600));
    scene.end(&pod);
    let refused = scene.attempt(&pod.uid("next"));
    assert!(
        matches!(refused, Err(Refusal::Quarantined { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_quarantine_and_a_rest_do_not_take_each_other_off() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.2")]);
    let pod = ordinal("db-0").never();
    let ip = scene.allocate(&pod);
    quarantine(&mut scene, ip, 100);
    scene.end_unreachable(&pod, 600);
    scene.wait(300);
    scene.sweep();
    let refused = scene.attempt(&pod.uid("next"));
    assert!(
        matches!(refused, Err(Refusal::Quarantined { .. })),
        "{refused:?}"
    );

    let short = replica("web-x");
    let resting = scene.allocate(&short);
    scene.end_unreachable(&short, 600);
    quarantine(&mut scene, resting, 1);
    scene.wait(300);
    scene.sweep();
    assert!(scene.attempt(&replica("web-y")).is_err());
}

/// Nobody saw it end: it may have been deleted by force, and still run there.
#[test]
fn an_address_rests_too_when_a_sweep_finds_its_pod_gone_from_a_silent_node() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
    let pod = ordinal("db-0");
    let ip = scene.allocate(&pod);
    let node = pod.pod().node;
    scene.node_is(&node, false);
    scene.vanish(&pod);
    scene.sweep();
    assert!(!scene.is_free(ip));
    assert!(scene.attempt(&ordinal("db-1")).is_err());
    scene.node_is(&node, true);
    scene.sweep();
    assert!(scene.is_free(ip));
}

/// It finished before anybody forgot it, or never ran.
#[test]
fn an_address_does_not_rest_for_a_pod_that_certainly_does_not_run() {
    let mut scene = Scene::two_subnets();
    let (done, never) = (ordinal("db-0"), ordinal("db-1"));
    let first = scene.allocate(&done);
    let second = scene.attempt(&never).unwrap()[0];
    scene.node_is(&done.pod().node, false);
    scene.finish(&done);
    scene.vanish(&never);
    scene.sweep();
    assert!(scene.is_free(first) && scene.is_free(second));
}
