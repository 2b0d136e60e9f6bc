//! Whole lists, after a watch was cut.

use super::scene::{Asker, Scene, a, record_of, replica, subnet_a};
use crate::engine::{Observed, Progress, Relisted, Seen, Settings, WholeList};
use crate::record::{Target, Value, Version};
use crate::store::Outcome;
use crate::testing::fixture::{at, pool, pool_record};

fn shared() -> Scene {
    let settings = Settings {
        shared_store: true,
        ..Settings::default()
    };
    Scene::with(&[subnet_a("10.0.0.1~10.0.0.9")], settings)
}

/// What the store has of addresses, as of a version.
fn list(version: u64, records: &[(u8, u64, &Asker)]) -> WholeList {
    let records = records.iter();
    let records = records.map(|(n, version, pod)| (a(*n), Version(*version), record_of(pod)));
    WholeList::of_addresses(Version(version), records.collect::<Vec<_>>())
}

fn observe(scene: &mut Scene, n: u8, version: u64, pod: Option<&Asker>) -> Seen {
    let observed = Observed {
        target: at(a(n)),
        version: Version(version),
        value: pod.map(|pod| Value::Address(record_of(pod))),
    };
    scene.engine.observe(observed, scene.now)
}

/// Takes in a list, so many records at a time.
fn relist(scene: &mut Scene, mut list: WholeList, slice: usize) -> Relisted {
    while scene.engine.observe_slice(&mut list, slice, scene.now) == Progress::More {}
    list.finish()
}

#[test]
fn a_list_brings_what_is_new_and_deletes_what_it_lacks() {
    for slice in [1, 2, usize::MAX] {
        let mut scene = shared();
        let (x, y, z) = (replica("web-x"), replica("web-y"), replica("web-z"));
        observe(&mut scene, 1, 10, Some(&x));
        observe(&mut scene, 2, 11, Some(&y));
        let list = list(20, &[(2, 11, &y), (3, 15, &z)]);
        let found = relist(&mut scene, list, slice);
        assert_eq!(found.taken, [at(a(3))]);
        assert_eq!(found.deleted, [at(a(1))]);
        assert_eq!(found.waiting, []);
        assert_eq!(scene.holder(a(3)), Some(z.pod().uid));
        assert!(!scene.is_free(a(1)), "its pod may live: the sweep tells");
        assert_eq!(scene.engine.len(), 2);
    }
}

#[test]
fn a_list_deletes_nothing_that_is_newer_and_brings_nothing_older() {
    let mut scene = shared();
    let (x, y) = (replica("web-x"), replica("web-y"));
    observe(&mut scene, 1, 30, Some(&x));
    observe(&mut scene, 2, 31, None);
    observe(&mut scene, 3, 32, Some(&x));
    let list = list(25, &[(2, 10, &y), (3, 12, &y)]);
    assert_eq!(
        scene.engine.observe_all(list, scene.now),
        Relisted::default()
    );
    assert_eq!(scene.holder(a(1)), Some(x.pod().uid));
    assert_eq!(scene.record(a(2)), None);
    assert_eq!(scene.holder(a(3)), Some(x.pod().uid));
}

#[test]
fn what_an_open_plan_writes_survives_an_older_list_and_not_a_newer_one() {
    for (written, stays) in [(40, true), (15, false)] {
        let mut scene = shared();
        let pod = replica("web-x");
        let open = scene.plan(&pod).unwrap();
        let found = scene.engine.observe_all(list(20, &[]), scene.now);
        assert_eq!(found.waiting, [at(a(1))]);
        scene.settle_as(open.plan, vec![Outcome::Applied(Version(written))]);
        assert_eq!(scene.holder(a(1)).is_some(), stays, "written at {written}");
    }
}

#[test]
fn an_end_that_is_under_way_is_not_undone_by_a_list() {
    let mut scene = shared();
    let pod = replica("web-x");
    observe(&mut scene, 1, 10, Some(&pod));
    scene.vanish(&pod);
    let ending = crate::engine::Ending::Certain;
    let plan = scene
        .engine
        .plan_ended(&pod.pod().uid, &ending, &scene.world, scene.now);
    let found = scene
        .engine
        .observe_all(list(20, &[(1, 10, &pod)]), scene.now);
    assert_eq!(
        found,
        Relisted {
            waiting: vec![at(a(1))],
            ..Relisted::default()
        }
    );
    scene.settle_as(plan, vec![Outcome::Applied(Version(25))]);
    assert!(scene.is_free(a(1)));
}

#[test]
fn a_list_of_pools_says_nothing_of_addresses_and_the_other_way_round() {
    let mut scene = shared();
    let pod = replica("web-x");
    observe(&mut scene, 1, 10, Some(&pod));
    let pools = |version, names: &[&str]| {
        let pools = names
            .iter()
            .map(|name| (pool(name), Version(11), pool_record(3)));
        WholeList::of_pools(Version(version), pools.collect::<Vec<_>>())
    };
    let found = relist(&mut scene, pools(20, &["blue", "red"]), 1);
    assert_eq!(found.taken.len(), 2);
    let found = relist(&mut scene, list(21, &[(1, 10, &pod)]), 1);
    assert_eq!(found, Relisted::default());
    let found = relist(&mut scene, pools(22, &["red"]), 1);
    assert_eq!(found.deleted, [Target::Pool(pool("blue"))]);
    assert_eq!(scene.engine.pools().count(), 1);
    assert_eq!(scene.holder(a(1)), Some(pod.pod().uid));
}

#[test]
fn what_a_watch_brings_between_slices_is_not_lost() {
    let mut scene = shared();
    let (x, y) = (replica("web-x"), replica("web-y"));
    let mut whole = list(20, &[(1, 10, &x), (3, 11, &x)]);
    assert_eq!(
        scene.engine.observe_slice(&mut whole, 1, scene.now),
        Progress::More
    );
    observe(&mut scene, 1, 21, None);
    observe(&mut scene, 2, 22, Some(&y));
    observe(&mut scene, 3, 23, Some(&y));
    while scene.engine.observe_slice(&mut whole, 1, scene.now) == Progress::More {}
    assert_eq!(scene.record(a(1)), None);
    assert_eq!(scene.holder(a(2)), Some(y.pod().uid));
    assert_eq!(scene.holder(a(3)), Some(y.pod().uid));
}
