//! Marks, endings, sweeps and listings.

use super::*;
use crate::engine::MarkRefusal;
use crate::query::{Filter, PageRequest, Sort};

const MINUTE: Duration = Duration::from_secs(60);

impl Lab {
    fn mark(&self, n: u32) -> Result<Result<(), Stuck>, MarkRefusal> {
        block_on(self.quarantine(ip(n), "seen twice".to_owned(), None, MINUTE))
    }

    async fn end_of(&self, name: &str) -> Result<(), Stuck> {
        let uid = pod(name).pod().uid;
        self.ended(&uid, &Ending::Certain).await
    }
}

#[test]
fn a_quarantined_address_is_given_to_nobody_until_the_mark_is_lifted() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        assert_eq!(lab.mark(2), Ok(Ok(())));
        assert!(lab.is_exhausted_for("web"));
        assert_eq!(block_on(lab.lift(ip(2))), Ok(Ok(())));
        assert_eq!(
            block_on(lab.lift(ip(2))),
            Err(MarkRefusal::None { ip: ip(2) })
        );
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
        lab.store().faults.next([Some(Fault::Before)]);
        assert_eq!(lab.mark(2), Ok(Err(Stuck::Unavailable)));
    }
}

#[test]
fn a_sweep_frees_a_mark_that_is_over() {
    for store in each_kind() {
        let lab = lab(store, addresses_to(2));
        assert_eq!(lab.mark(2), Ok(Ok(())));
        assert_eq!(block_on(lab.sweep()), Ok(0));
        lab.timer.advance(MINUTE);
        assert_eq!(block_on(lab.sweep()), Ok(1));
        assert_eq!(block_on(lab.give("web")), Ok(vec![ip(2)]));
    }
}

/// A lab with seven pods whose end nobody told; a sweep takes three slices.
fn unswept(store: MemoryStore) -> Lab {
    let limits = Limits {
        slice: 3,
        ..Limits::default()
    };
    let lab = lab_with(Net::to(store), addresses_to(9), limits);
    for n in 0..7 {
        let name = format!("web-{n}");
        block_on(lab.give(&name)).expect("there is room");
        lab.world.gone(&name);
    }
    lab
}

#[test]
fn a_sweep_of_many_slices_frees_what_every_missed_event_left_behind() {
    for store in each_kind() {
        let lab = unswept(store);
        block_on(lab.give("alive")).expect("there is room");
        assert_eq!(block_on(lab.sweep()), Ok(7));
        assert_eq!(lab.engine().len(), 1);
        assert_eq!(block_on(lab.sweep()), Ok(0));
    }
}

#[test]
fn a_sweep_goes_on_behind_what_the_store_did_not_do_and_says_so() {
    for store in each_kind() {
        let lab = unswept(store);
        lab.store().faults.next([Some(Fault::Before)]);
        assert_eq!(block_on(lab.sweep()), Err(Stuck::Unavailable));
        assert!(lab.engine().len() <= 3);
        block_on(lab.sweep()).expect("the store works again");
        assert!(lab.engine().is_empty());
    }
}

#[test]
fn a_sweep_that_is_not_certain_is_finished_by_the_next() {
    for store in each_kind() {
        let lab = unswept(store);
        lab.store().faults.always(Some(Fault::UnknownBefore));
        assert_eq!(block_on(lab.sweep()), Err(Stuck::Uncertain));
        lab.store().faults.always(None);
        assert_eq!(block_on(lab.sweep()), Ok(4));
        block_on(lab.tend());
        assert!(lab.engine().is_empty());
    }
}

#[test]
fn a_pod_that_ends_while_its_address_is_on_its_way_keeps_nothing() {
    for store in each_kind() {
        for hang in [1, 2] {
            let lab = lab(store.clone(), addresses_to(2));
            lab.store().hang(hang);
            let mut allocation = Box::pin(lab.give("web"));
            for _ in 0..5 {
                assert_eq!(poll_once(allocation.as_mut()), None);
            }
            assert_eq!(block_on(lab.end_of("web")), Ok(()));
            lab.store().hang(0);
            assert_eq!(block_on(allocation), Ok(vec![ip(2)]));
            block_on(lab.tend());
            assert_eq!((lab.holder(2), lab.store().holder(2)), (None, None));
        }
    }
}

/// A lab with a pod that ended while the outcome of its allocation was uncertain.
fn ended_in_doubt(store: MemoryStore) -> Lab {
    let lab = lab(store, addresses_to(2));
    lab.store().faults.always(Some(Fault::UnknownAfter));
    assert_eq!(block_on(lab.give("web")), UNCERTAIN);
    assert_eq!(block_on(lab.end_of("web")), Ok(()));
    lab.store().faults.always(None);
    lab
}

#[test]
fn an_end_that_had_to_wait_is_tried_again_until_the_store_does_it() {
    for store in each_kind() {
        let lab = ended_in_doubt(store);
        // The allocation becomes certain; the end does not get through, three times.
        let faults = [None, Some(Fault::Before), Some(Fault::Before)];
        lab.store().faults.next(faults);
        block_on(lab.tend());
        assert_eq!(lab.holder(2).as_deref(), Some("web"));
        block_on(lab.tend());
        assert_eq!(lab.holder(2).as_deref(), Some("web"));
        block_on(lab.tend());
        assert_eq!((lab.holder(2), lab.store().holder(2)), (None, None));
    }
}

#[test]
fn an_end_that_had_to_wait_survives_tending_that_is_dropped_at_any_point() {
    for polls in 0..12 {
        let lab = ended_in_doubt(MemoryStore::per_record());
        let mut tending = Box::pin(lab.tend());
        for _ in 0..polls {
            if poll_once(tending.as_mut()).is_some() {
                break;
            }
        }
        drop(tending);
        block_on(lab.tend());
        assert_eq!(lab.store().holder(2), None, "dropped after {polls} polls");
        assert_eq!(lab.open_plans(), 0);
    }
}

#[test]
fn an_end_is_decided_anew_when_somebody_else_changed_the_record() {
    for store in each_kind() {
        let lab = lab(store.clone(), addresses_to(2));
        block_on(lab.give("web")).expect("there is room");
        let other = lab_with(
            Net::of_another(store.clone()),
            addresses_to(2),
            Limits::default(),
        );
        assert_eq!(other.mark(2), Ok(Ok(())));
        assert_eq!(block_on(lab.end_of("web")), Ok(()));
        assert_eq!((lab.holder(2), lab.store().holder(2)), (None, None));
    }
}

#[test]
fn a_listing_in_slices_is_the_listing_in_one_go() {
    let query = |include_free, sort: &str, page| Query {
        filter: Filter::default(),
        sort: sort.parse::<Sort>().expect("a sort in a test"),
        page: PageRequest::new(page, 4).expect("a page in a test"),
        include_free,
    };
    for slice in [1, 2, 7, 10_000] {
        let limits = Limits {
            slice,
            ..Limits::default()
        };
        let lab = lab_with(Net::to(MemoryStore::atomic()), addresses_to(30), limits);
        for n in 0..9 {
            block_on(lab.give(&format!("web-{n}"))).expect("there is room");
        }
        for sort in ["podname desc", "ip asc"] {
            for page in 0..9 {
                let query = query(true, sort, page);
                let mut listing = lab.engine().listing(query.clone()).expect("few are free");
                while lab.engine().advance(&mut listing, usize::MAX) == Progress::More {}
                let whole = listing.finish();
                assert_eq!(whole.total, 29);
                assert_eq!(lab.list(&query), Ok(whole));
            }
        }
        let indexed = lab
            .list(&query(false, "podname", 0))
            .expect("it is indexed");
        assert_eq!((indexed.total, indexed.content.len()), (9, 4));
    }
}
