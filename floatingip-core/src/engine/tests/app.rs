//! Apps in order and in slices, and what is counted of everything.

use super::mark::quarantine;
use super::scene::{Asker, Scene, a, bare, ordinal, record_of, replica, subnet_a};
use crate::engine::{AppHolding, Tally};
use crate::fact::Slots;
use crate::owner::{Owner, Slot};
use crate::testing::fixture;

fn of(app: &str, name: &str) -> Asker {
    replica(name).of("apps", "deployment", app, Slot::Any)
}

#[test]
fn apps_come_in_order_in_slices_each_once() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.20")]);
    let pods = ["a", "b", "c", "d", "e"].map(|app| of(app, &format!("{app}-x")));
    pods.iter().rev().for_each(|pod| _ = scene.allocate(pod));
    scene.allocate(&bare("alone"));
    let all = scene.engine.apps_after(None, usize::MAX);
    let names: Vec<_> = all.iter().map(|app| app.app.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
    let mut found: Vec<AppHolding> = Vec::new();
    while let slice = scene
        .engine
        .apps_after(found.last().map(|last| &last.app), 2)
        && !slice.is_empty()
    {
        found.extend(slice);
    }
    assert_eq!(found, all);
}

#[test]
fn a_holding_tells_what_the_end_of_the_app_would_free() {
    for (pod, freed) in [
        (of("web", "web-x").immutable(), 1),
        (of("web", "web-x").never(), 0),
        (of("web", "web-x"), 0),
        (of("web", "web-x").immutable().in_pool("blue"), 0),
    ] {
        let mut scene = Scene::two_subnets();
        scene.app_is(&pod, Slots::Count(1));
        scene.allocate(&pod);
        let holding = |scene: &Scene| scene.engine.apps_after(None, 9).into_iter().next();
        let there = holding(&scene).unwrap();
        assert_eq!((there.addresses, there.pods), (1, 1));
        assert_eq!(there.freed_with_it, freed, "{pod:?}");
        scene.end(&pod);
        let kept = holding(&scene).map(|holding| holding.freed_with_it);
        assert_eq!(kept.unwrap_or(0), freed, "{pod:?}");
    }
}

#[test]
fn an_app_in_slices_frees_what_it_does_in_one_go() {
    for slice in [1, 2, 3, 100] {
        let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.9")]);
        let pods: Vec<Asker> = (0..7)
            .map(|n| of("web", &format!("web-{n}")).immutable())
            .collect();
        scene.app_is(&pods[0], Slots::Count(7));
        pods.iter().for_each(|pod| _ = scene.allocate(pod));
        pods.iter().for_each(|pod| scene.end(pod));
        scene.app_is(&pods[0], Slots::Count(3));
        let (mut from, app) = (None, pods[0].app());
        loop {
            let (engine, world) = (&mut scene.engine, &scene.world);
            let part = engine.plan_app_slice(&app, from.as_ref(), slice, world, scene.now);
            scene.settle(part.plan);
            from = part.next;
            if from.is_none() {
                break;
            }
        }
        let left: Vec<u8> = (1..=9).filter(|n| scene.is_kept(a(*n))).collect();
        assert_eq!(left, [1, 2, 3], "in slices of {slice}");
    }
}

#[test]
fn what_is_known_of_an_app_outlives_a_change_of_its_only_record() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.9")]);
    let pod = of("web", "web-x").immutable();
    scene.app_is(&pod, Slots::Count(1));
    scene.allocate(&pod);
    quarantine(&mut scene, a(1), 60);
    scene.app_unknown(&pod);
    let refused = scene.attempt(&of("web", "web-y").immutable());
    assert!(matches!(
        refused,
        Err(crate::refusal::Refusal::AppFull { .. })
    ));
}

#[test]
fn everything_is_counted_and_taken_back() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.9")]);
    assert_eq!(scene.engine.tally(), Tally::default());
    let (kept, resting) = (ordinal("db-0").never(), ordinal("kv-0"));
    scene.allocate(&kept);
    scene.end(&kept);
    scene.allocate(&resting);
    scene.end_unreachable(&resting, 300);
    scene.allocate(&replica("web-x"));
    let key = Owner::Administrator("boss".into());
    scene.others_write(a(9), Some(fixture::record(key)));
    quarantine(&mut scene, a(7), 60);
    let counted = Tally {
        live: 1,
        reserved: 2,
        administrators: 1,
        quarantined: 1,
        resting: 1,
        draining: 0,
        apps_without_cap: 1,
    };
    assert_eq!(scene.engine.tally(), counted);
    scene.configure(&[subnet_a("10.0.0.1~10.0.0.2")]);
    assert_eq!(scene.engine.tally().draining, 3);
    for n in 1..=9 {
        scene.others_write(a(n), None);
    }
    // The record of the live pod is held for the sweep, and counts no more.
    assert_eq!(scene.engine.tally(), Tally::default());
}

#[test]
fn an_app_has_no_cap_until_its_slots_are_known_once() {
    let mut scene = Scene::two_subnets();
    let pods = ["web-x", "web-y"].map(|name| replica(name).immutable());
    let uncapped = |scene: &Scene| scene.engine.tally().apps_without_cap;
    scene.allocate(&pods[0]);
    scene.allocate(&replica("tmp-x").of("apps", "deployment", "tmp", Slot::Any));
    assert_eq!(uncapped(&scene), 1);
    scene.scale(&pods[0], 2);
    assert_eq!(uncapped(&scene), 0);
    scene.app_unknown(&pods[0]);
    scene.allocate(&pods[1]);
    assert_eq!(uncapped(&scene), 0, "what was known once is not forgotten");
    scene.others_write(a(4), Some(record_of(&ordinal("db-0").immutable())));
    assert_eq!(uncapped(&scene), 1);
}

#[test]
fn a_node_that_is_back_ends_its_rests_and_no_others() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.9")]);
    let pods = [
        ordinal("db-0"),
        ordinal("db-1").never(),
        ordinal("db-2").on("a-2"),
    ];
    pods.iter().for_each(|pod| _ = scene.allocate(pod));
    pods.iter().for_each(|pod| scene.end_unreachable(pod, 300));
    let rested = |scene: &mut Scene| {
        let (engine, world) = (&mut scene.engine, &scene.world);
        let plan = engine.plan_rested(&"a-1".into(), world, scene.now);
        let writes = plan.batch().writes.len();
        scene.settle(plan);
        writes
    };
    assert_eq!(
        rested(&mut scene),
        0,
        "the world does not say that it is back"
    );
    scene.node_is("a-1", true);
    assert_eq!(rested(&mut scene), 2);
    assert!(scene.is_free(a(1)));
    assert!(scene.is_kept(a(2)) && scene.record(a(2)).is_some_and(|r| r.mark.is_none()));
    assert!(!scene.is_free(a(3)));
    assert_eq!(rested(&mut scene), 0);
}
