//! Whether those who wait are worth asking again.

use std::time::Duration;

use super::mark::quarantine;
use super::scene::{Asker, Scene, a, ordinal, replica, subnet_a, subnet_b};
use crate::fact::Slots;
use crate::name::Name;
use crate::store::Outcome;

fn small() -> Scene {
    Scene::of(&[subnet_a("10.0.0.1~10.0.0.2")])
}

/// Whether what is done is an opening.
fn opens(scene: &mut Scene, act: impl FnOnce(&mut Scene)) -> bool {
    let before = scene.engine.openings(scene.now);
    act(scene);
    let after = scene.engine.openings(scene.now);
    assert_eq!(
        scene.engine.openings(scene.now),
        after,
        "asking is no opening"
    );
    after != before
}

#[test]
fn an_allocation_and_its_binding_open_nothing_and_the_end_of_the_pod_does() {
    for policy in [Asker::immutable, Asker::never, |pod: Asker| pod] {
        let mut scene = small();
        let pod = policy(replica("web-x"));
        scene.app_is(&pod, Slots::Count(2));
        assert!(!opens(&mut scene, |scene| {
            scene.claim(&pod).unwrap();
            scene.allocate(&pod);
            scene.sweep();
        }));
        assert!(opens(&mut scene, |scene| scene.end(&pod)));
        assert!(!opens(&mut scene, Scene::sweep));
    }
}

#[test]
fn a_plan_that_fails_opens_what_it_held() {
    let mut scene = small();
    let open = scene.plan(&replica("web-x")).unwrap();
    assert!(opens(&mut scene, |scene| {
        scene.settle_as(open.plan, vec![Outcome::Unavailable]);
    }));
}

#[test]
fn a_claim_that_ends_without_a_bind_is_an_opening() {
    let mut scene = small();
    let pod = replica("web-x");
    scene.claim(&pod).unwrap();
    assert!(!opens(&mut scene, |scene| scene.claim(&pod).unwrap()));
    assert!(!opens(&mut scene, |scene| scene.wait(29)));
    assert!(opens(&mut scene, |scene| scene.wait(1)));
    scene.claim(&pod).unwrap();
    assert!(opens(&mut scene, |scene| scene
        .engine
        .unclaim(&pod.pod().uid)));
}

#[test]
fn a_claim_in_two_subnets_leaves_one_to_others_when_its_pod_is_bound() {
    let mut scene = Scene::of(&[subnet_a("10.0.0.1"), subnet_b("10.0.1.1")]);
    let pod = replica("web-x").on("x-1");
    let reaches = ["a", "b"].map(|node| scene.reach(node));
    let request = pod.request();
    scene
        .engine
        .claim(&request, &reaches, &scene.world, scene.now);
    assert!(scene.claim(&replica("web-y").on("b-1")).is_err());
    assert!(opens(&mut scene, |scene| {
        scene.allocate(&pod.clone().on("a-1"));
    }));
    assert_eq!(scene.claim(&replica("web-y").on("b-1")), Ok(()));
}

#[test]
fn growth_of_an_app_or_a_pool_is_an_opening_and_shrinking_is_not() {
    let mut scene = small();
    let pod = replica("web-x").immutable();
    scene.scale(&pod, 1);
    scene.allocate(&pod);
    assert!(opens(&mut scene, |scene| scene.scale(&pod, 3)));
    assert!(!opens(&mut scene, |scene| scene.scale(&pod, 2)));
    assert!(opens(&mut scene, |scene| scene.put_pool("blue", 1, false)));
    assert!(!opens(&mut scene, |scene| scene.put_pool("blue", 1, true)));
    assert!(opens(&mut scene, |scene| scene.put_pool("blue", 2, false)));
    assert!(!opens(&mut scene, |scene| scene.put_pool("blue", 1, false)));
    assert!(opens(&mut scene, |scene| scene.delete_pool("blue")));
}

#[test]
fn the_end_of_a_mark_is_an_opening_by_time_and_by_hand() {
    let mut scene = small();
    assert!(!opens(&mut scene, |scene| quarantine(scene, a(1), 60)));
    assert!(!opens(&mut scene, |scene| scene.wait(59)));
    assert!(opens(&mut scene, |scene| scene.wait(1)));
    assert!(opens(&mut scene, Scene::sweep), "now it is free");
    quarantine(&mut scene, a(1), 60);
    assert!(opens(&mut scene, |scene| {
        let plan = scene.engine.plan_lift(a(1), scene.now).unwrap();
        scene.settle(plan);
    }));
}

#[test]
fn a_rest_that_ends_is_an_opening() {
    let mut scene = small();
    let pod = ordinal("db-0");
    scene.allocate(&pod);
    scene.node_is("a-1", false);
    scene.end_unreachable(&pod, 300);
    assert!(!opens(&mut scene, Scene::sweep));
    scene.node_is("a-1", true);
    assert!(opens(&mut scene, Scene::sweep));
}

#[test]
fn another_configuration_and_a_node_that_leaves_are_openings() {
    let mut scene = small();
    assert!(opens(&mut scene, |scene| {
        scene.configure(&[subnet_a("10.0.0.1~10.0.0.3")]);
    }));
    scene.claim(&replica("web-x")).unwrap();
    assert!(opens(&mut scene, |scene| {
        scene.configure(&[subnet_a("10.0.0.1~10.0.0.3")]);
    }));
    let node = Name::from("n");
    scene.engine.observe_node(&node, &[a(1)]);
    assert!(opens(&mut scene, |scene| scene.engine.forget_node(&node)));
    assert!(!opens(&mut scene, |scene| scene.now.elapsed +=
        Duration::from_secs(1)));
}
