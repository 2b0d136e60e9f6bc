//! Releases by name.

use super::*;
use crate::engine::{Live, Named, NotReleased};
use crate::testing::fixture::{batch, pool, record, update};

/// A pool of three addresses, 10.0.0.2 to 10.0.0.4.
fn pool_lab(store: MemoryStore) -> Lab {
    let lab = lab(store, addresses_to(9));
    block_on(lab.put_pool(&pool("blue"), 3, true)).expect("the store works");
    lab
}

fn named(n: u32) -> Named {
    Named {
        ip: ip(n),
        pool: Some("blue".into()),
        namespace: None,
        app: None,
        kind: None,
        pod: None,
    }
}

fn blue_pod() -> PodFixture {
    pod("web-1").of_deployment("web").in_pool("blue")
}

#[test]
fn addresses_that_are_named_with_their_owner_are_free_afterwards() {
    for store in each_kind() {
        let lab = pool_lab(store);
        let report = block_on(lab.release(&[named(2), named(4), named(9)]));
        let report = report.expect("none is live");
        assert_eq!(report.released, [ip(2), ip(4)]);
        assert_eq!(report.unreleased, [(ip(9), NotReleased::AlreadyFree)]);
        assert_eq!(lab.store().plain.current(&at(ip(2))), None);
        assert_eq!(lab.open_plans(), 0);
    }
}

#[test]
fn nothing_is_released_when_one_of_them_is_live() {
    for store in each_kind() {
        let lab = pool_lab(store);
        let web = request_of(&blue_pod(), ReleasePolicy::Never);
        block_on(lab.allocate(&web, &Place::Anywhere)).expect("the pool has some");
        let changes = lab.store().changes();
        let report = block_on(lab.release(&[named(2), named(3), named(4)]));
        assert_eq!(report, Err(ReleaseError::Live(Live(vec![ip(2)]))));
        assert_eq!(lab.store().changes(), changes);
    }
}

/// Another leader gave 10.0.0.3 to a pod, and this one has not heard of it.
fn take_unheard(store: &MemoryStore) {
    let (version, _) = store.current(&at(ip(3))).expect("it is there");
    let taken = update(ip(3), version, record(blue_pod().owner()));
    block_on(store.apply(&batch(1, [taken])));
}

#[test]
fn what_somebody_else_changed_is_not_released_and_the_reason_is_told() {
    let store = MemoryStore::per_record();
    let lab = pool_lab(store.clone());
    take_unheard(&store);
    let report = block_on(lab.release(&[named(2), named(3)])).expect("not known to be live");
    assert_eq!(report.released, [ip(2)]);
    assert_eq!(report.unreleased, [(ip(3), NotReleased::Changed)]);
    assert_eq!(lab.holder(3).as_deref(), Some("web-1"));
}

#[test]
fn in_an_atomic_store_a_change_by_somebody_else_is_seen_before_anything_is_released() {
    let store = MemoryStore::atomic();
    let lab = pool_lab(store.clone());
    take_unheard(&store);
    let report = block_on(lab.release(&[named(2), named(3)]));
    assert_eq!(report, Err(ReleaseError::Live(Live(vec![ip(3)]))));
    assert!(store.current(&at(ip(2))).is_some());
}

#[test]
fn what_the_store_does_not_release_is_told_and_stays() {
    for store in each_kind() {
        let lab = pool_lab(store);
        lab.store().faults.next([Some(Fault::Before), None]);
        let report = block_on(lab.release(&[named(2)])).expect("none is live");
        assert_eq!(report.unreleased, [(ip(2), NotReleased::Unavailable)]);
        assert_eq!(
            block_on(lab.release(&[named(2)])).map(|report| report.released),
            Ok(vec![ip(2)])
        );
    }
}

#[test]
fn a_release_that_is_not_certain_keeps_the_address_from_everybody_until_it_is() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        block_on(lab.put_pool(&pool("blue"), 1, true)).expect("the store works");
        lab.store().faults.always(Some(Fault::UnknownAfter));
        let report = block_on(lab.release(&[named(2)]));
        assert_eq!(report, Err(ReleaseError::Stuck(Stuck::Uncertain)));
        assert!(lab.is_exhausted_for("web"));
        lab.store().faults.always(None);
        block_on(lab.tend());
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
    }
}
