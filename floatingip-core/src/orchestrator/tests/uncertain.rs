//! Writes whose outcome is not known at first: nothing is lost, and nobody else gets the address.

use super::*;

#[test]
fn a_write_is_repeated_until_its_outcome_is_certain_and_applied_once() {
    use Fault::{UnknownAfter, UnknownBefore};
    for store in each_kind() {
        let lab = lab(store, addresses_to(9));
        let faults = [UnknownBefore, UnknownBefore, UnknownAfter, UnknownBefore];
        lab.store().faults.next(faults.map(Some));
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
        assert_eq!(lab.store().changes(), 1);
        assert_eq!(lab.now().elapsed.as_millis(), 20 + 40 + 80 + 160);
    }
}

/// What a second attempt did not do says nothing of the first one.
#[test]
fn a_store_that_is_not_available_does_not_settle_what_may_still_land() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        lab.store()
            .faults
            .next([Fault::Late, Fault::Before, Fault::Before].map(Some));
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
        assert_eq!(block_on(lab.store().store.deliver()), 1);
        assert_eq!(lab.store().holder(2).as_deref(), Some("web"));
        assert_eq!(lab.store().changes(), 1);
    }
}

#[test]
fn a_late_write_that_lands_after_an_unavailable_one_finds_its_address_still_held() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        lab.store().faults.next([Some(Fault::Late)]);
        lab.store().faults.always(Some(Fault::Before));
        assert_eq!(block_on(lab.give("web")), UNCERTAIN);
        assert_eq!(block_on(lab.store().store.deliver()), 1);
        assert!(lab.is_exhausted_for("api"));
        lab.store().faults.always(None);
        block_on(lab.tend());
        assert_eq!(lab.holder(2).as_deref(), Some("web"));
    }
}

#[test]
fn nobody_else_gets_an_address_while_its_outcome_is_not_certain() {
    for store in each_kind() {
        let timer = VirtualTimer::new();
        let net = Net::to(store);
        let lab = lab_in(timer.clone(), net, addresses_to(2), Limits::default());
        lab.store().faults.always(Some(Fault::UnknownBefore));
        let mut allocation = Box::pin(lab.give("web"));
        for _ in 0..5 {
            assert_eq!(poll_once(allocation.as_mut()), None);
            assert!(lab.is_exhausted_for("api"));
        }
        lab.store().faults.always(None);
        timer.advance(Duration::from_millis(20));
        assert_eq!(block_on(allocation), Ok(vec![ip(2)]));
    }
}

#[test]
fn when_patience_is_over_the_plan_goes_on_in_the_background() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        lab.store().faults.always(Some(Fault::UnknownBefore));
        assert_eq!(block_on(lab.give("web")), UNCERTAIN);
        assert_eq!(lab.now().elapsed, lab.limits.patience);
        block_on(lab.tend());
        assert_eq!((lab.uncertain(), lab.open_plans()), (1, 1));
        assert!(lab.is_exhausted_for("api"));
        lab.store().faults.always(None);
        block_on(lab.tend());
        assert_eq!((lab.uncertain(), lab.open_plans()), (0, 0));
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
        assert_eq!(lab.store().changes(), 1);
    }
}

#[test]
fn the_same_request_waits_for_a_change_of_its_own_address_until_it_is_certain() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(9));
        let place = Place::Anywhere;
        let web = request_of(&pod("web"), ReleasePolicy::Never);
        block_on(lab.allocate(&web, &place)).expect("there is room");
        lab.store().faults.always(Some(Fault::UnknownBefore));
        let moved = request_of(&pod("web").on_node("node-2"), ReleasePolicy::Never);
        assert_eq!(block_on(lab.allocate(&moved, &place)), UNCERTAIN);
        let busy = Err(crate::refusal::Refusal::Busy { ip: ip(2) }.into());
        assert_eq!(block_on(lab.allocate(&moved, &place)), busy);
        lab.store().faults.always(None);
        let mut again = Box::pin(lab.allocate(&moved, &place));
        assert_eq!(poll_once(again.as_mut()), None);
        block_on(lab.tend());
        assert_eq!(block_on(again), Ok(vec![ip(2)]));
    }
}

#[test]
fn an_allocation_that_is_dropped_at_any_point_is_finished_in_the_background() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(30));
        for (n, hang) in [(2, 1), (3, 2)] {
            let name = format!("web-{n}");
            lab.store().hang(hang);
            let mut allocation = Box::pin(lab.give(&name));
            for _ in 0..5 {
                assert_eq!(poll_once(allocation.as_mut()), None);
            }
            drop(allocation);
            assert_eq!((lab.uncertain(), lab.open_plans()), (1, 1));
            lab.store().hang(0);
            block_on(lab.tend());
            assert_eq!((lab.uncertain(), lab.open_plans()), (0, 0));
            assert_eq!(lab.holder(n), Some(name.clone()));
            assert_eq!(lab.store().holder(n), Some(name));
        }
    }
}

#[test]
fn a_plan_whose_future_is_never_polled_is_not_lost() {
    let lab = lab(MemoryStore::atomic(), addresses_to(9));
    for (n, patiently) in [(2, false), (3, true)] {
        let plan = {
            let mut engine = lab.engine();
            let reach = engine.topology().reach_all();
            let web = request(&format!("web-{n}"));
            let allocation = engine.plan_allocate(&web, &reach, &lab.world, Now::default());
            allocation.expect("there is room").plan
        };
        match patiently {
            true => drop(lab.carry_out_patiently(plan)),
            false => drop(lab.carry_out(plan)),
        }
        assert_eq!(lab.uncertain(), 1);
        block_on(lab.tend());
        assert_eq!(lab.holder(n), Some(format!("web-{n}")));
    }
}

/// A lab with three plans whose outcome is not certain.
fn lab_in_doubt(store: MemoryStore) -> Lab {
    let lab = lab(store, addresses_to(9));
    lab.store().faults.always(Some(Fault::UnknownBefore));
    for name in ["a", "b", "c"] {
        assert_eq!(block_on(lab.give(name)), UNCERTAIN);
    }
    lab.store().faults.always(None);
    lab
}

#[test]
fn tending_that_is_dropped_at_any_point_loses_no_plan() {
    for polls in 0..16 {
        let lab = lab_in_doubt(MemoryStore::per_record());
        let mut tending = Box::pin(lab.tend());
        for _ in 0..polls {
            _ = poll_once(tending.as_mut()).map(|()| tending = Box::pin(lab.tend()));
        }
        drop(tending);
        assert_eq!(lab.uncertain(), lab.open_plans());
        block_on(lab.tend());
        assert_eq!((lab.uncertain(), lab.open_plans()), (0, 0));
        assert_eq!(lab.engine().len(), 3);
    }
}

#[test]
fn tending_twice_at_once_settles_each_plan_once() {
    for store in each_kind() {
        let lab = lab_in_doubt(store);
        block_on(together(vec![Box::pin(lab.tend()), Box::pin(lab.tend())]));
        assert_eq!((lab.uncertain(), lab.open_plans()), (0, 0));
        assert_eq!((lab.engine().len(), lab.store().changes()), (3, 3));
    }
}

#[test]
fn tending_ends_in_time_even_when_the_store_never_answers() {
    let lab = lab_in_doubt(MemoryStore::atomic());
    lab.store().hang(1);
    let before = lab.now().elapsed;
    block_on(lab.tend());
    assert_eq!(lab.now().elapsed - before, lab.limits.patience);
    assert_eq!(lab.uncertain(), 3);
    lab.store().hang(0);
    block_on(lab.tend());
    assert_eq!(lab.uncertain(), 0);
}

#[test]
fn nothing_new_is_begun_while_too_much_is_uncertain() {
    let limits = Limits {
        most_uncertain: 2,
        ..Limits::default()
    };
    let lab = lab_with(Net::to(MemoryStore::atomic()), addresses_to(9), limits);
    lab.store().faults.always(Some(Fault::UnknownBefore));
    for name in ["a", "b"] {
        assert_eq!(block_on(lab.give(name)), UNCERTAIN);
    }
    lab.store().faults.always(None);
    let blue = crate::testing::fixture::pool("blue");
    let minute = Duration::from_secs(60);
    assert_eq!(block_on(lab.give("c")), UNAVAILABLE);
    assert_eq!(
        block_on(lab.release(&[])),
        Err(ReleaseError::Stuck(Stuck::Unavailable))
    );
    assert_eq!(
        block_on(lab.put_pool(&blue, 1, true)),
        Err(Stuck::Unavailable)
    );
    let marked = block_on(lab.quarantine(ip(9), String::new(), None, minute));
    assert_eq!(marked, Ok(Err(Stuck::Unavailable)));
    assert_eq!(lab.open_plans(), 2);
    block_on(lab.tend());
    assert_eq!(block_on(lab.give("c")), Ok(vec![ip(4)]));
}

#[test]
fn many_uncertain_plans_are_tried_again_at_once_and_no_more_than_the_limits_allow() {
    for (at_once, rounds) in [(1, 6), (4, 2), (16, 1)] {
        let timer = VirtualTimer::new();
        let limits = Limits {
            at_once,
            ..Limits::default()
        };
        let net = Net::to(MemoryStore::per_record());
        let lab = lab_in(timer.clone(), net, addresses_to(9), limits);
        lab.store().hang(1);
        for n in 0..6 {
            let name = format!("web-{n}");
            let mut allocation = Box::pin(lab.give(&name));
            assert_eq!(poll_once(allocation.as_mut()), None);
        }
        assert_eq!(lab.uncertain(), 6);
        lab.store().hang(0);
        let mut tending = Box::pin(lab.tend());
        let mut polls = 0;
        while poll_once(tending.as_mut()).is_none() {
            polls += 1;
        }
        // Each attempt is on its way for two polls, once there and once back.
        assert_eq!(
            (lab.uncertain(), polls),
            (0, 2 * rounds),
            "{at_once} at once"
        );
    }
}
