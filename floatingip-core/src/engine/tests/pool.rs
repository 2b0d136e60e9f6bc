//! Pools with a size.

use super::scene::{Scene, a, b, ordinal, replica, subnet_a, subnet_b};
use crate::engine::{Observed, PoolStep, Seen, Settings};
use crate::owner::Owner;
use crate::plan::Event;
use crate::record::{Target, Version};
use crate::refusal::Refusal;
use crate::store::Outcome;
use crate::testing::fixture::pool;

fn filled(size: u32) -> Scene {
    let mut scene = Scene::two_subnets();
    scene.put_pool("blue", size, true);
    scene.fill_pool("blue");
    scene
}

#[test]
fn pools_are_filled_in_the_order_of_the_configuration() {
    let scene = filled(6);
    let blue = Owner::Pool(pool("blue"));
    for ip in [a(1), a(2), a(3), a(4), b(1), b(2)] {
        assert_eq!(
            scene.record(ip).map(|record| &record.owner),
            Some(&blue),
            "{ip}"
        );
    }
    assert!(scene.is_free(b(3)));
}

#[test]
fn the_headroom_of_every_subnet_is_left() {
    let settings = Settings {
        pool_headroom: 3,
        ..Settings::default()
    };
    let entries = [subnet_a("10.0.0.1~10.0.0.4"), subnet_b("10.0.1.1~10.0.1.4")];
    let mut scene = Scene::with(&entries, settings);
    scene.put_pool("blue", 8, true);
    assert!(!scene.fill_pool("blue"), "what it has reached stays");
    assert_eq!(scene.pool_total("blue"), 2);
}

#[test]
fn what_is_owed_is_owed_until_the_size_was_reached_once() {
    let mut scene = Scene::two_subnets();
    let others: Vec<_> = (0..4)
        .map(|n| scene.allocate(&replica(&format!("web-{n}"))))
        .collect();
    scene.put_pool("blue", 5, true);
    assert!(!scene.fill_pool("blue"));
    assert!(
        scene
            .engine
            .pool(&pool("blue"))
            .is_some_and(|state| state.owed && state.addresses == 4)
    );
    scene.end(&replica("web-0"));
    assert!(scene.fill_pool("blue"));
    assert_eq!(
        scene.record(others[0]).map(|r| r.owner.clone()),
        Some(Owner::Pool(pool("blue")))
    );
    let pod = replica("web-x").in_pool("blue");
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    let named = super::release::of_pool(ip, "blue");
    let releasing = scene.engine.plan_release(&[named], scene.now).unwrap();
    scene.settle(releasing.plan);
    assert!(scene.fill_pool("blue"));
    assert_eq!(
        scene.pool_total("blue"),
        4,
        "what is released later is not refilled"
    );
}

#[test]
fn a_pool_at_its_size_gives_what_it_has_and_no_more() {
    let mut scene = filled(1);
    let pods = ["web-x", "web-y"].map(|name| replica(name).in_pool("blue"));
    assert_eq!(scene.allocate(&pods[0]), a(1));
    let refused = scene.attempt(&pods[1]);
    assert!(
        matches!(
            refused,
            Err(Refusal::PoolFull {
                size: 1,
                total: 1,
                ..
            })
        ),
        "{refused:?}"
    );
    scene.put_pool("blue", 2, false);
    assert_eq!(scene.allocate(&pods[1]), a(2));
}

#[test]
fn an_unsuitable_unused_address_is_exchanged_and_the_pool_never_has_too_many() {
    let mut scene = filled(1);
    let pod = replica("web-x").in_pool("blue").on("b-1");
    let allocation = scene.plan(&pod).unwrap();
    assert!(allocation.plan.batch().in_order);
    let writes = &allocation.plan.batch().writes;
    let events: Vec<_> = writes
        .iter()
        .filter_map(|w| w.entry.as_ref())
        .map(|e| e.event)
        .collect();
    assert_eq!(events, [Event::Release, Event::Allocate]);
    scene.settle(allocation.plan);
    assert!(scene.is_free(a(1)));
    assert_eq!(
        (scene.holder(b(1)), scene.pool_total("blue")),
        (Some(pod.pod().uid), 1)
    );
}

#[test]
fn half_an_exchange_leaves_the_pool_smaller_not_larger() {
    let mut scene = filled(1);
    let allocation = scene
        .plan(&replica("web-x").in_pool("blue").on("b-1"))
        .unwrap();
    let first = Outcome::Applied(scene.next_version());
    scene.settle_as(allocation.plan, vec![first, Outcome::Unavailable]);
    assert!(scene.is_free(a(1)) && scene.is_free(b(1)));
    assert_eq!(scene.pool_total("blue"), 0);
}

#[test]
fn a_quarantine_outlives_the_exchange_of_its_address() {
    let mut scene = filled(1);
    super::mark::quarantine(&mut scene, a(1), 600);
    scene.allocate(&replica("web-x").in_pool("blue").on("b-1"));
    assert!(!scene.is_free(a(1)));
    assert_eq!(
        scene.record(a(1)).map(|record| &record.owner),
        Some(&Owner::Nobody)
    );
}

#[test]
fn shrinking_frees_the_unused_surplus_and_lets_pods_be() {
    let mut scene = filled(3);
    let pod = replica("web-x").in_pool("blue");
    let ip = scene.allocate(&pod);
    scene.put_pool("blue", 1, false);
    scene.trim_pool("blue");
    assert_eq!(
        (scene.pool_total("blue"), scene.holder(ip)),
        (1, Some(pod.pod().uid))
    );
    scene.put_pool("blue", 0, false);
    scene.trim_pool("blue");
    assert_eq!(scene.pool_total("blue"), 1, "in use");
    scene.end(&pod);
    assert_eq!(scene.pool_total("blue"), 0);
}

#[test]
fn what_ordinals_keep_above_the_size_goes_with_the_sweep() {
    let mut scene = Scene::two_subnets();
    let pods = ["db-0", "db-1"].map(|name| ordinal(name).in_pool("blue"));
    scene.put_pool("blue", 2, false);
    pods.iter().for_each(|pod| _ = scene.allocate(pod));
    pods.iter().for_each(|pod| scene.end(pod));
    scene.put_pool("blue", 1, false);
    scene.sweep();
    assert_eq!(scene.pool_total("blue"), 1);
}

#[test]
fn a_deleted_pool_keeps_what_is_in_use() {
    let mut scene = filled(3);
    let pod = replica("web-x").in_pool("blue");
    let ip = scene.allocate(&pod);
    scene.delete_pool("blue");
    assert!(scene.engine.pool(&pool("blue")).is_none());
    assert_eq!(
        (scene.pool_total("blue"), scene.holder(ip)),
        (1, Some(pod.pod().uid))
    );
}

#[test]
fn what_a_pool_has_unused_is_freed_when_others_delete_it() {
    let mut scene = filled(3);
    let pod = replica("web-x").in_pool("blue");
    let ip = scene.allocate(&pod);
    let blue = pool("blue");
    assert!(matches!(
        scene.engine.plan_empty_pool(&blue, scene.now),
        PoolStep::Done
    ));
    let deletion = Observed {
        target: Target::Pool(blue.clone()),
        version: Version(u64::MAX),
        value: None,
    };
    assert_eq!(scene.engine.observe(deletion, scene.now), Seen::Taken);
    while let PoolStep::More(plan) = scene.engine.plan_empty_pool(&blue, scene.now) {
        scene.settle(plan);
    }
    assert_eq!(
        (scene.pool_total("blue"), scene.holder(ip)),
        (1, Some(pod.pod().uid))
    );
}

#[test]
fn how_many_addresses_of_a_pool_pods_have_is_known() {
    let mut scene = filled(3);
    scene.allocate(&replica("web-x").in_pool("blue"));
    let state = scene.engine.pool(&pool("blue")).unwrap();
    assert_eq!((state.addresses, state.in_use, state.owed), (3, 1, false));
}

#[test]
fn a_pool_under_change_is_not_changed_again() {
    let mut scene = filled(0);
    let blue = pool("blue");
    let open = scene
        .engine
        .plan_put_pool(&blue, 2, true, scene.now)
        .unwrap();
    assert!(
        scene
            .engine
            .plan_put_pool(&blue, 3, true, scene.now)
            .is_none()
    );
    assert!(scene.engine.plan_delete_pool(&blue, scene.now).is_none());
    assert!(matches!(
        scene.engine.plan_fill_pool(&blue, scene.now),
        PoolStep::Done
    ));
    scene.settle(open);
    assert!(
        scene
            .engine
            .pool(&blue)
            .is_some_and(|state| state.size == 2)
    );
}

#[test]
fn a_pool_is_not_deleted_while_addresses_are_on_their_way_into_it() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.4")]);
    scene.put_pool("blue", 2, false);
    let open = scene.plan(&replica("web-x").in_pool("blue")).unwrap();
    let blue = "blue".parse().unwrap();
    assert!(scene.engine.plan_delete_pool(&blue, scene.now).is_none());
    scene.settle(open.plan);
    assert!(scene.engine.plan_delete_pool(&blue, scene.now).is_some());
}

#[test]
fn what_a_pool_keeps_for_one_slot_goes_with_the_pool() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1~10.0.0.4")]);
    scene.put_pool("blue", 2, false);
    let pod = ordinal("db-0").in_pool("blue");
    let ip = scene.allocate(&pod);
    scene.end(&pod);
    assert!(scene.is_kept(ip));
    scene.delete_pool("blue");
    assert!(scene.is_free(ip));
}
