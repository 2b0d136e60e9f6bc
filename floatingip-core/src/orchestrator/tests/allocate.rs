//! Allocations that end for certain.

use super::*;
use crate::testing::fixture::{batch, create, record};

#[test]
fn the_same_request_again_gives_the_same_address_and_writes_nothing() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(9));
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
        assert_eq!(block_on(lab.give("api")), Ok(vec![ip(3)]));
        assert_eq!(lab.store().changes(), 2);
        assert_eq!(lab.store().holder(2).as_deref(), Some("web"));
        assert_eq!(lab.open_plans(), 0);
    }
}

#[test]
fn the_same_request_twice_at_once_gives_the_same_address() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(9));
        let web = request_of(&pod("web"), ReleasePolicy::Never);
        let place = Place::Anywhere;
        block_on(lab.allocate(&web, &place)).expect("there is room");
        let moved = request_of(&pod("web").on_node("node-2"), ReleasePolicy::Never);
        let both = block_on(together(vec![
            Box::pin(lab.allocate(&moved, &place)),
            Box::pin(lab.allocate(&moved, &place)),
        ]));
        assert_eq!(both, [Ok(vec![ip(2)]), Ok(vec![ip(2)])]);
        assert_eq!(lab.store().changes(), 2);
    }
}

#[test]
fn of_many_who_want_the_last_address_one_gets_it() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        let names: Vec<String> = (0..16).map(|n| format!("web-{n}")).collect();
        let all = names.iter().map(|name| Box::pin(lab.give(name)) as _);
        let all: Vec<Allocated> = block_on(together(all.collect()));
        let won: Vec<usize> = (0..all.len()).filter(|n| all[*n].is_ok()).collect();
        let [won] = won[..] else {
            panic!("won: {won:?}")
        };
        assert_eq!(all[won], Ok(vec![ip(2)]));
        assert_eq!(lab.store().holder(2), Some(names[won].clone()));
        for (n, lost) in all.iter().enumerate().filter(|(n, _)| *n != won) {
            assert!(
                matches!(lost, Err(AllocateError::Refused(_))),
                "{n}: {lost:?}"
            );
        }
    }
}

#[test]
fn what_the_store_does_not_do_leaves_the_address_free() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        lab.store().faults.next([Some(Fault::Before)]);
        assert_eq!(block_on(lab.give("web")), UNAVAILABLE);
        assert_eq!((lab.open_plans(), lab.uncertain()), (0, 0));
        assert_eq!(lab.store().changes(), 0);
        assert_eq!(block_on(lab.give("api")), Ok(vec![ip(2)]));
    }
}

#[test]
fn where_another_writer_was_quicker_another_address_is_given() {
    for store in each_kind() {
        let lab = lab(store.clone(), addresses_to(9));
        let others = [2, 3].map(|n| create(ip(n), record(pod("other").owner())));
        block_on(store.apply(&batch(1, others)));
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(4)]));
        assert_eq!(lab.holder(2).as_deref(), Some("other"));
        assert_eq!(lab.holder(3).as_deref(), Some("other"));
    }
}

#[test]
fn after_so_many_lost_races_an_allocation_gives_up_with_nothing_held() {
    for store in each_kind() {
        let limits = Limits {
            attempts: 3,
            ..Limits::default()
        };
        let lab = lab_with(Net::to(store.clone()), addresses_to(9), limits);
        let others = (2..5).map(|n| create(ip(n), record(pod("other").owner())));
        block_on(store.apply(&batch(1, others)));
        assert_eq!(block_on(lab.give("web")), CONTENDED);
        assert_eq!(lab.open_plans(), 0);
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(5)]));
    }
}

/// TRAPS: an address that is "free" in memory and "exists" in the store, failing for ever.
#[test]
fn an_address_allocated_while_the_configuration_is_reloaded_is_not_lost() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(3));
        for (name, n, hang) in [("web", 2, 1), ("api", 3, 2)] {
            lab.store().hang(hang);
            let mut allocation = Box::pin(lab.give(name));
            for _ in 0..5 {
                assert_eq!(poll_once(allocation.as_mut()), None);
            }
            lab.reconfigure(addresses_to(3));
            lab.store().hang(0);
            assert_eq!(block_on(allocation), Ok(vec![ip(n)]));
            assert_eq!(lab.holder(n).as_deref(), Some(name));
        }
        assert!(lab.is_exhausted_for("db"));
    }
}

#[test]
fn an_address_that_leaves_the_configuration_on_its_way_stays_with_its_pod() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        lab.store().hang(1);
        let mut allocation = Box::pin(lab.give("web"));
        assert_eq!(poll_once(allocation.as_mut()), None);
        lab.reconfigure(topology(
            r#"[{"nodeSubnets":["10.1.0.0/16"],"ips":["10.0.0.7"],"subnet":"10.0.0.0/16","gateway":"10.0.0.1"}]"#,
        ));
        lab.store().hang(0);
        assert_eq!(block_on(allocation), Ok(vec![ip(2)]));
        assert_eq!(block_on(lab.give("api")), Ok(vec![ip(7)]));
        assert!(lab.is_exhausted_for("db"));
        lab.reconfigure(addresses_to(2));
        assert!(lab.is_exhausted_for("db"));
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
    }
}
