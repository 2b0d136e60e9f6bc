//! Counts for metrics: what is in each subnet, what has happened, what has failed.

use super::mark::quarantine;
use super::scene::{Scene, a, ordinal, replica, subnet_a};
use crate::engine::{Settings, Usage};
use crate::failure::Failure;
use crate::plan::Event;

fn usage(scene: &Scene) -> Usage {
    scene.engine.usage()[0]
}

#[test]
fn each_subnet_knows_its_addresses_by_sort_through_changes_and_reloads() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.10")]);
    let (kept, other) = (ordinal("web-0").never(), replica("web-x"));
    assert_eq!(scene.allocate(&kept), a(1));
    assert_eq!(scene.allocate(&other), a(2));
    scene.end(&kept);
    quarantine(&mut scene, a(9), 600);
    let now = usage(&scene);
    assert_eq!((now.total, now.allocated, now.free), (10, 3, 7));
    assert_eq!((now.tally.live, now.tally.reserved), (1, 1));
    assert_eq!((now.tally.quarantined, now.tally.draining), (1, 0));
    assert_eq!(now.percent(), 30);
    scene.configure(&[subnet_a("10.0.0.2~10.0.0.5")]);
    let now = usage(&scene);
    assert_eq!((now.total, now.allocated, now.free), (4, 1, 3));
    assert_eq!((now.tally.live, now.tally.reserved), (1, 0));
    assert_eq!((now.tally.quarantined, now.tally.draining), (0, 2));
    assert_eq!(scene.engine.tally().draining, 2);
    scene.configure(&[subnet_a("10.0.0.1~10.0.0.10")]);
    assert_eq!(usage(&scene).tally.draining, 0);
    scene.end(&other);
    let now = usage(&scene);
    assert_eq!((now.allocated, now.tally.live), (2, 0));
}

#[test]
fn a_subnet_with_nothing_to_hand_out_is_full() {
    let scene = Scene::of(&[subnet_a("10.0.0.254")]);
    assert_eq!((usage(&scene).total, usage(&scene).percent()), (0, 100));
}

#[test]
fn what_is_durable_is_counted_by_its_event() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.10")]);
    let pod = replica("web-x");
    scene.allocate(&pod);
    let count = |scene: &Scene, event| scene.engine.counts().of_event(event);
    assert_eq!(count(&scene, Event::Allocate), 1);
    scene.end(&pod);
    assert_eq!(count(&scene, Event::Release), 1);
    assert_eq!(count(&scene, Event::Reserve), 0);
    scene.engine.note_failure(Failure::Exhausted);
    assert_eq!(scene.engine.counts().of_failure(Failure::Exhausted), 1);
    assert_eq!(scene.engine.counts().of_failure(Failure::Busy), 0);
}

#[test]
fn a_pod_is_bound_to_what_was_kept_for_it_where_nobody_binds_later() {
    for (binds_at_once, allocated, bound) in [(true, 1, 1), (false, 2, 0)] {
        let settings = Settings {
            binds_at_once,
            ..Settings::default()
        };
        let mut scene = Scene::with(&[subnet_a("10.0.0.1~10.0.0.10")], settings);
        let pod = ordinal("web-0").never();
        scene.allocate(&pod);
        scene.end(&pod);
        scene.allocate(&pod.uid("next"));
        let count = |event| scene.engine.counts().of_event(event);
        assert_eq!(count(Event::Allocate), allocated, "{binds_at_once}");
        assert_eq!(count(Event::Bind), bound, "{binds_at_once}");
    }
}
