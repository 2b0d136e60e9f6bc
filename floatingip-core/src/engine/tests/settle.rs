//! What becomes of plans, and what others write meanwhile.

use super::scene::{Scene, a, ordinal, record_of, replica, subnet_a};
use crate::engine::{Observed, Seen, Settings, Settled};
use crate::fact::Slots;
use crate::range::Family;
use crate::record::{Target, Value, Version};
use crate::refusal::Refusal;
use crate::store::Outcome;
use crate::testing::fixture::at;

fn shared() -> Scene {
    let settings = Settings {
        shared_store: true,
        ..Settings::default()
    };
    Scene::with(&[subnet_a("10.0.0.1~10.0.0.4")], settings)
}

fn observe(scene: &mut Scene, version: u64, pod: Option<&super::scene::Asker>) -> Seen {
    let observed = Observed {
        target: at(a(1)),
        version: Version(version),
        value: pod.map(|pod| Value::Address(record_of(pod))),
    };
    scene.engine.observe(observed, scene.now)
}

#[test]
fn an_open_plan_holds_its_address() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
    let open = scene.plan(&replica("web-x")).unwrap();
    assert!(scene.attempt(&replica("web-y")).is_err());
    scene.settle_as(open.plan, vec![Outcome::Unavailable]);
    assert_eq!(scene.attempt(&replica("web-y")), Ok(vec![a(1)]));
}

#[test]
fn a_missing_answer_leaves_the_address_held() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1")]);
    let open = scene.plan(&replica("web-x")).unwrap();
    scene.settle_as(open.plan, vec![]);
    assert!(!scene.is_free(a(1)));
}

#[test]
fn what_somebody_else_wrote_first_is_what_is_true() {
    let mut scene = shared();
    let other = ordinal("db-0");
    let open = scene.plan(&replica("web-x")).unwrap();
    let theirs = Some((Version(500), Value::Address(record_of(&other))));
    let settled = scene
        .engine
        .settle(open.plan, vec![Outcome::Refused(theirs)], scene.now);
    assert_eq!(settled.refused, [at(a(1))]);
    assert!(!settled.is_complete());
    assert_eq!(scene.holder(a(1)), Some(other.pod().uid));
    assert_eq!(scene.attempt(&replica("web-x")), Ok(vec![a(2)]));
}

#[test]
fn an_update_of_what_others_deleted_finds_it_gone() {
    let mut scene = shared();
    let pod = ordinal("db-0").never();
    scene.allocate(&pod);
    scene.vanish(&pod);
    let uid = pod.pod().uid;
    let plan = scene.engine.plan_ended(
        &uid,
        &crate::engine::Ending::Certain,
        &scene.world,
        scene.now,
    );
    scene.settle_as(plan, vec![Outcome::Refused(None)]);
    scene.sweep();
    assert!(scene.is_free(a(1)));
}

#[test]
fn all_addresses_of_a_pod_or_none_and_what_was_written_is_used_by_the_next_attempt() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.4")]);
    let pod = replica("web-x").ranges(&["10.0.0.1~10.0.0.4", "10.0.0.1~10.0.0.4"]);
    let open = scene.plan(&pod).unwrap();
    let first = Outcome::Applied(scene.next_version());
    let settled = scene
        .engine
        .settle(open.plan, vec![first, Outcome::Unavailable], scene.now);
    let expected = Settled {
        applied: vec![at(a(1))],
        unavailable: vec![at(a(2))],
        ..Settled::default()
    };
    assert_eq!(settled, expected);
    let again = scene.plan(&pod).unwrap();
    assert_eq!(again.plan.batch().writes.len(), 1);
    assert!(again.addresses.contains(&a(1)));
    scene.settle(again.plan);
}

#[test]
fn older_versions_and_echoes_are_ignored() {
    let mut scene = shared();
    let (former, new) = (ordinal("db-0"), ordinal("db-1"));
    assert_eq!(observe(&mut scene, 600, Some(&new)), Seen::Taken);
    assert_eq!(observe(&mut scene, 600, Some(&former)), Seen::Old);
    assert_eq!(observe(&mut scene, 599, None), Seen::Old);
    assert_eq!(scene.holder(a(1)), Some(new.pod().uid));
}

#[test]
fn a_deletion_is_remembered_until_everything_before_it_was_seen() {
    let mut scene = shared();
    let pod = ordinal("db-0");
    assert_eq!(observe(&mut scene, 600, Some(&pod)), Seen::Taken);
    scene.vanish(&pod);
    scene.end_late(&pod);
    let deleted = scene.engine.tombstones[&at(a(1))];
    assert_eq!(
        observe(&mut scene, deleted.0, Some(&pod)),
        Seen::Old,
        "a late echo"
    );
    scene.engine.caught_up(Version(deleted.0 + 1));
    assert!(scene.engine.tombstones.is_empty());
    assert_eq!(observe(&mut scene, deleted.0 + 2, Some(&pod)), Seen::Taken);
}

#[test]
fn what_concerns_an_open_plan_waits_for_it() {
    let mut scene = shared();
    let other = ordinal("db-0");
    let open = scene.plan(&replica("web-x")).unwrap();
    assert_eq!(observe(&mut scene, 600, Some(&other)), Seen::Waits);
    assert_eq!(observe(&mut scene, 599, None), Seen::Old);
    assert_eq!(scene.holder(a(1)), None);
    scene.settle_as(open.plan, vec![Outcome::Unavailable]);
    assert_eq!(scene.holder(a(1)), Some(other.pod().uid));
}

#[test]
fn an_observed_version_is_taken_in_only_if_it_is_newer_than_what_was_written() {
    let mut scene = shared();
    let (ours, other) = (replica("web-x"), ordinal("db-0"));
    let open = scene.plan(&ours).unwrap();
    observe(&mut scene, 600, Some(&other));
    scene.settle_as(open.plan, vec![Outcome::Applied(Version(700))]);
    assert_eq!(scene.holder(a(1)), Some(ours.pod().uid));
}

#[test]
fn a_record_that_was_deleted_under_a_live_pod_comes_back() {
    let mut scene = shared();
    let pod = replica("web-x");
    let ip = scene.allocate(&pod);
    scene.others_write(ip, None);
    assert!(!scene.is_free(ip), "held");
    assert_eq!(scene.attempt(&pod), Err(Refusal::Busy { ip }));
    scene.sweep();
    assert_eq!(scene.holder(ip), Some(pod.pod().uid));
}

#[test]
fn a_record_that_was_deleted_under_a_pod_that_ends_does_not_come_back() {
    for told in [true, false] {
        let mut scene = shared();
        let pod = replica("web-x");
        let ip = scene.allocate(&pod);
        scene.others_write(ip, None);
        match told {
            true => scene.end(&pod),
            false => scene.vanish(&pod),
        }
        scene.sweep();
        assert!(scene.is_free(ip), "told: {told}");
    }
}

#[test]
fn however_many_records_were_deleted_one_sweep_brings_them_back() {
    let mut scene = Scene::of(&[super::scene::entry(
        r#"["10.1.0.0/16"]"#,
        "fd00::1~fd00::1fff",
        "fd00::/64",
    )]);
    let many = super::super::lifecycle::MOST_WRITES + 10;
    let pods: Vec<_> = (0..many)
        .map(|n| replica(&format!("web-{n}")).wants(&[Family::V6]))
        .collect();
    let ips: Vec<_> = pods.iter().map(|pod| scene.allocate(pod)).collect();
    for ip in &ips {
        scene.others_write(*ip, None);
    }
    scene.sweep();
    assert_eq!(scene.engine.len(), many);
}

#[test]
fn a_record_that_others_made_counts_in_its_app() {
    let mut scene = shared();
    let (theirs, ours) = (replica("web-x").immutable(), replica("web-y").immutable());
    scene.app_is(&ours, Slots::Count(1));
    observe(&mut scene, 600, Some(&theirs));
    assert!(matches!(scene.attempt(&ours), Err(Refusal::AppFull { .. })));
    scene.vanish(&theirs);
    scene.end_late(&theirs);
    assert_eq!(scene.attempt(&ours), Ok(vec![a(1)]));
}

#[test]
fn pools_are_observed_like_addresses() {
    let mut scene = shared();
    let blue = crate::testing::fixture::pool("blue");
    let size = |scene: &Scene| scene.engine.pool(&blue).map(|state| state.size);
    let observed = |version, size: Option<u32>| Observed {
        target: Target::Pool(blue.clone()),
        version: Version(version),
        value: size.map(|size| Value::Pool(crate::testing::fixture::pool_record(size))),
    };
    for (version, written, seen, now) in [
        (600, Some(3), Seen::Taken, Some(3)),
        (599, Some(2), Seen::Old, Some(3)),
        (601, None, Seen::Taken, None),
        (600, Some(3), Seen::Old, None),
    ] {
        assert_eq!(
            scene.engine.observe(observed(version, written), scene.now),
            seen
        );
        assert_eq!(size(&scene), now, "{version}");
    }
}
