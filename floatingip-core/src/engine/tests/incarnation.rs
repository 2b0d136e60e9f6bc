//! One pod after the other in the same slot.

use super::scene::{Scene, a, b, daemon, ordinal, record_of, replica};
use crate::engine::{End, Ending};
use crate::fact::Slots;
use crate::refusal::Refusal;
use crate::store::Outcome;

#[test]
fn a_late_end_of_the_former_pod_does_not_free_the_address_of_the_new_one() {
    let mut scene = Scene::two_subnets();
    let (former, new) = (ordinal("db-0"), ordinal("db-0").uid("new"));
    scene.allocate(&former);
    scene.see(&new, false);
    let ip = scene.allocate(&new);
    scene.end_late(&former);
    assert_eq!(scene.holder(ip), Some(new.pod().uid));
    assert_eq!(ip, a(1), "moved in one write");
    assert_eq!(scene.engine.len(), 1);
}

#[test]
fn a_request_alone_does_not_prove_that_the_former_pod_is_gone() {
    let mut scene = Scene::two_subnets();
    let (former, new) = (ordinal("db-0").never(), ordinal("db-0").never().uid("new"));
    let ip = scene.allocate(&former);
    let uid = former.pod().uid;
    let waits = Err(Refusal::WaitingFor {
        pod: former.pod().name,
        uid,
        ip,
    });
    assert_eq!(scene.claim(&new), waits, "the world still has the former");
    scene.world.pods.clear();
    assert_eq!(scene.claim(&new), waits, "nobody can tell");
    scene.finish(&former);
    assert_eq!(scene.claim(&new), Ok(()), "it has finished");
    scene.vanish(&former);
    assert_eq!(scene.claim(&new), Ok(()), "it is gone");
}

#[test]
fn a_takeover_expects_the_version_of_the_record_it_takes() {
    let mut scene = Scene::two_subnets();
    let (former, new) = (ordinal("db-0"), ordinal("db-0").uid("new"));
    let ip = scene.allocate(&former);
    let version = scene.engine.ledger.known(ip).map(|known| known.version);
    scene.see(&new, false);
    let allocation = scene.plan(&new).unwrap();
    assert_eq!(allocation.plan.batch().writes.len(), 1);
    assert_eq!(allocation.plan.batch().writes[0].expect, version);
    scene.settle(allocation.plan);
}

#[test]
fn a_missed_end_is_found_by_the_sweep() {
    let mut scene = Scene::two_subnets();
    let (gone, replaced, finished) = (replica("web-x"), ordinal("db-0"), replica("web-y"));
    let ips = [&gone, &replaced, &finished].map(|pod| scene.allocate(pod));
    scene.vanish(&gone);
    scene.see(&replaced.uid("new"), true);
    scene.finish(&finished);
    scene.sweep();
    assert!(ips.into_iter().all(|ip| scene.is_free(ip)));
}

#[test]
fn a_pod_that_ends_while_its_plan_is_open_ends_when_that_is_settled() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    let open = scene.plan(&pod).unwrap();
    scene.end(&pod);
    assert!(scene.engine.due_ends().is_empty(), "not before");
    scene.settle(open.plan);
    let refused = scene.attempt(&pod).unwrap_err();
    assert!(matches!(refused, Refusal::PodEnded { .. }), "{refused}");
    let due = scene.engine.due_ends();
    assert_eq!(due, [End::Pod(pod.pod().uid, Ending::Certain)]);
    scene.end_late(&pod);
    assert!(scene.is_free(a(1)));
    assert!(scene.engine.due_ends().is_empty(), "once");
}

#[test]
fn the_next_pod_of_a_slot_waits_for_what_the_former_one_is_about_to_have() {
    let mut scene = Scene::two_subnets();
    let former = ordinal("web-0").never();
    let next = former.clone().uid("next");
    let open = scene.plan(&former).unwrap();
    scene.end(&former);
    scene.see(&next, false);
    let refused = scene.attempt(&next).unwrap_err();
    assert!(matches!(refused, Refusal::Busy { .. }), "{refused}");
    let openings = scene.engine.openings(scene.now);
    scene.settle(open.plan);
    assert_ne!(scene.engine.openings(scene.now), openings);
    scene.end_late(&former);
    assert_eq!(scene.attempt(&next), Ok(vec![a(1)]));
    assert!(scene.is_free(a(2)), "the slot has one address");
}

#[test]
fn of_two_addresses_the_one_that_is_not_in_the_open_plan_is_freed_at_once() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    scene.attempt(&pod).unwrap();
    let open = scene.plan(&pod.clone().on("b-1")).unwrap();
    scene.end(&pod);
    assert!(scene.is_free(a(1)));
    scene.settle_as(open.plan, vec![Outcome::Unavailable]);
    assert!(scene.is_free(b(1)));
    assert!(scene.engine.due_ends().is_empty(), "nothing is left");
}

#[test]
fn a_daemon_pod_that_overlaps_its_successor_is_waited_for_only_where_something_is_kept() {
    let mut scene = Scene::two_subnets();
    let former = daemon("agent-x", "a-1");
    scene.app_is(&former, Slots::EveryNode);
    scene.allocate(&former.clone().never());
    let new = daemon("agent-y", "a-1");
    assert!(matches!(
        scene.attempt(&new.clone().never()),
        Err(Refusal::WaitingFor { .. })
    ));
    assert_eq!(scene.allocate(&new), a(2));
    assert_eq!(scene.holder(a(1)), Some(former.pod().uid));
}

#[test]
fn a_second_address_that_a_slot_was_left_with_is_freed_by_the_sweep() {
    let mut scene = Scene::two_subnets();
    let pod = ordinal("db-0").never();
    scene.allocate(&pod);
    let mut left = record_of(&pod);
    left.owner = crate::owner::Owner::Slot(pod.tenant());
    scene.others_write(a(4), Some(left));
    scene.sweep();
    assert!(scene.is_free(a(4)));
    assert_eq!(scene.holder(a(1)), Some(pod.pod().uid));
}

#[test]
fn a_live_pod_whose_record_does_not_know_its_uid_keeps_its_address() {
    let mut scene = Scene::two_subnets();
    let pod = replica("web-x");
    scene.others_write(a(1), Some(record_of(&pod.clone().uid(""))));
    scene.see(&pod, true);
    scene.sweep();
    assert_eq!(scene.holder(a(1)).as_deref(), Some(""));
    scene.vanish(&pod);
    scene.sweep();
    assert!(scene.is_free(a(1)));
}

#[test]
fn pods_without_known_uids_are_counted_one_by_one() {
    let mut scene = Scene::two_subnets();
    for n in 1..=3 {
        let pod = replica(&format!("web-{n}")).uid("").immutable();
        scene.others_write(a(n), Some(record_of(&pod)));
        scene.see(&pod, true);
    }
    let next = replica("web-x").immutable();
    scene.app_is(&next, Slots::Count(3));
    assert!(matches!(
        scene.attempt(&next),
        Err(Refusal::AppFull { in_use: 3, .. })
    ));
}
