//! Pools: created, filled, resized and deleted while pods come and go.

use super::*;
use crate::name::PoolName;
use crate::testing::fixture::{batch, pool, update};

const fn full(addresses: u64) -> Result<PoolReport, Stuck> {
    Ok(PoolReport {
        addresses,
        complete: true,
    })
}

const fn short(addresses: u64) -> Result<PoolReport, Stuck> {
    Ok(PoolReport {
        addresses,
        complete: false,
    })
}

fn in_blue(name: &str) -> PodFixture {
    pod(name).of_deployment("web").in_pool("blue")
}

impl Lab {
    async fn give_from_blue(&self, name: &str) -> Allocated {
        let request = request_of(&in_blue(name), ReleasePolicy::Never);
        self.allocate(&request, &Place::Anywhere).await
    }

    fn addresses(&self, pool: &PoolName) -> Option<u64> {
        self.engine().pool(pool).map(|state| state.addresses)
    }
}

/// The most addresses that the pool has ever had in the store.
fn most_ever(store: &MemoryStore, pool: &PoolName) -> usize {
    let changes = store.changes_since(Version(0)).expect("all are remembered");
    let mut there = std::collections::BTreeSet::new();
    let mut most = 0;
    for change in changes {
        match change.value {
            Some(Value::Address(record)) if record.owner.pool() == Some(pool) => {
                there.insert(change.target);
            }
            _ => _ = there.remove(&change.target),
        }
        most = most.max(there.len());
    }
    most
}

#[test]
fn a_pool_is_filled_grown_and_shrunk_in_as_many_steps_as_it_takes() {
    let blue = pool("blue");
    for store in each_kind() {
        let lab = lab(store.clone(), addresses_to(4000));
        assert_eq!(block_on(lab.put_pool(&blue, 2500, true)), full(2500));
        assert_eq!(block_on(lab.put_pool(&blue, 3000, true)), full(3000));
        assert_eq!(block_on(lab.put_pool(&blue, 3500, false)), full(3000));
        assert_eq!(block_on(lab.put_pool(&blue, 10, false)), full(10));
        assert_eq!(most_ever(&store, &blue), 3000);
        assert_eq!(lab.open_plans(), 0);
    }
}

#[test]
fn a_pool_that_does_not_fit_keeps_what_it_reached_and_gets_the_rest_with_the_next_sweep() {
    let blue = pool("blue");
    for store in each_kind() {
        let lab = lab(store, addresses_to(6));
        assert_eq!(block_on(lab.put_pool(&blue, 8, true)), short(5));
        assert!(lab.engine().pool(&blue).is_some_and(|state| state.owed));
        assert!(lab.is_exhausted_for("web"));
        lab.reconfigure(addresses_to(20));
        assert_eq!(block_on(lab.sweep()), Ok(0));
        assert_eq!(lab.addresses(&blue), Some(8));
        assert!(!lab.engine().pool(&blue).is_some_and(|state| state.owed));
    }
}

#[test]
fn the_same_pool_put_by_many_at_once_is_complete_for_each_and_never_too_large() {
    let blue = pool("blue");
    for store in each_kind() {
        let lab = lab(store.clone(), addresses_to(40));
        let puts = (0..5).map(|_| Box::pin(lab.put_pool(&blue, 7, true)) as _);
        let reports: Vec<_> = block_on(together(puts.collect()));
        assert_eq!(reports, [full(7); 5]);
        assert_eq!(most_ever(&store, &blue), 7);
        assert_eq!((lab.open_plans(), lab.uncertain()), (0, 0));
    }
}

/// What is on its way may still not come.
#[test]
fn a_pool_is_not_complete_before_the_addresses_on_their_way_are_there() {
    let blue = pool("blue");
    let lab = lab(MemoryStore::per_record(), addresses_to(40));
    let mut first = Box::pin(lab.put_pool(&blue, 3, true));
    while lab.open_plans() == 0 || lab.engine().pool(&blue).is_none() {
        assert_eq!(poll_once(first.as_mut()), None);
    }
    lab.store().faults.next([Some(Fault::Before); 3]);
    assert_eq!(block_on(lab.repair_pool(&blue)), Ok(()));
    assert!(lab.engine().pool(&blue).is_some_and(|state| state.owed));
    assert_eq!(block_on(first), Err(Stuck::Unavailable));
    assert_eq!(block_on(lab.put_pool(&blue, 3, true)), full(3));
}

#[test]
fn a_pool_filled_while_pods_take_from_it_never_exceeds_its_size() {
    let blue = pool("blue");
    for store in each_kind() {
        let lab = lab(store.clone(), addresses_to(40));
        block_on(lab.put_pool(&blue, 2, false)).expect("the store works");
        let names: Vec<String> = (0..9).map(|n| format!("web-{n}")).collect();
        let put = async {
            let report = lab.put_pool(&blue, 6, true).await;
            report.map(|_| ()).map_err(AllocateError::from)
        };
        let mut all: Vec<std::pin::Pin<Box<dyn Future<Output = _> + '_>>> = vec![Box::pin(put)];
        for name in &names {
            all.push(Box::pin(async {
                lab.give_from_blue(name).await.map(|_| ())
            }));
        }
        block_on(together(all));
        for name in &names {
            _ = block_on(lab.give_from_blue(name));
        }
        assert_eq!(most_ever(&store, &blue), 6);
        let live = (2..41).filter(|n| lab.holder(*n).is_some()).count();
        assert_eq!(live, 6);
    }
}

#[test]
fn a_pool_is_deleted_whole_however_large_but_what_pods_use_stays() {
    let blue = pool("blue");
    for store in each_kind() {
        let lab = lab(store, addresses_to(20_000));
        assert_eq!(block_on(lab.put_pool(&blue, 17_500, true)), full(17_500));
        let given = block_on(lab.give_from_blue("web-1")).expect("the pool has some");
        assert_eq!(block_on(lab.delete_pool(&blue)), Ok(true));
        assert_eq!((lab.addresses(&blue), lab.engine().len()), (None, 1));
        assert_eq!(block_on(lab.give_from_blue("web-1")), Ok(given));
        assert_eq!(block_on(lab.delete_pool(&blue)), Ok(false));
    }
}

#[test]
fn deleting_a_pool_says_when_the_store_does_not_do_it() {
    let blue = pool("blue");
    for store in each_kind() {
        let lab = lab(store, addresses_to(9));
        block_on(lab.put_pool(&blue, 3, true)).expect("the store works");
        lab.store().faults.always(Some(Fault::Before));
        assert_eq!(block_on(lab.delete_pool(&blue)), Err(Stuck::Unavailable));
        lab.store().faults.always(Some(Fault::UnknownBefore));
        assert_eq!(block_on(lab.delete_pool(&blue)), Err(Stuck::Uncertain));
        lab.store().faults.always(None);
        block_on(lab.tend());
        assert_eq!(block_on(lab.delete_pool(&blue)), Ok(true));
        assert!(lab.engine().is_empty());
    }
}

#[test]
fn a_pool_under_change_is_waited_for_as_long_as_patience_lasts() {
    let blue = pool("blue");
    for store in each_kind() {
        let lab = lab(store, addresses_to(9));
        block_on(lab.put_pool(&blue, 3, true)).expect("the store works");
        lab.store().faults.always(Some(Fault::UnknownBefore));
        assert_eq!(
            block_on(lab.put_pool(&blue, 4, true)),
            Err(Stuck::Uncertain)
        );
        lab.store().faults.always(None);
        let before = lab.now().elapsed;
        assert_eq!(
            block_on(lab.put_pool(&blue, 5, true)),
            Err(Stuck::Contended)
        );
        assert_eq!(block_on(lab.delete_pool(&blue)), Err(Stuck::Contended));
        assert!(lab.now().elapsed - before >= 2 * lab.limits.patience);
        let tend = async { lab.tend().await };
        let put = async { assert_eq!(lab.put_pool(&blue, 5, true).await, full(5)) };
        block_on(together(vec![Box::pin(put), Box::pin(tend)]));
    }
}

/// Nobody knows yet whether the pool is there: it is not said that it is not.
#[test]
fn a_pool_whose_creation_is_open_is_not_said_to_be_missing() {
    let blue = pool("blue");
    for store in each_kind() {
        let lab = lab(store, addresses_to(9));
        lab.store().faults.always(Some(Fault::UnknownBefore));
        let put = block_on(lab.put_pool(&blue, 3, false));
        assert_eq!(put, Err(Stuck::Uncertain));
        lab.store().faults.always(None);
        assert_eq!(block_on(lab.delete_pool(&blue)), Err(Stuck::Contended));
        let tend = async { lab.tend().await };
        let delete = async { assert_eq!(lab.delete_pool(&blue).await, Ok(true)) };
        block_on(together(vec![Box::pin(delete), Box::pin(tend)]));
        assert_eq!(block_on(lab.delete_pool(&blue)), Ok(false));
    }
}

/// A pool of one address, which is of no use for nodes in 10.2.0.0/16.
fn exchange_lab(store: MemoryStore) -> Lab {
    let here = r#"{"nodeSubnets":["10.1.0.0/16"],"ips":["10.0.0.2"],"subnet":"10.0.0.0/24","gateway":"10.0.0.1"}"#;
    let there = r#"{"nodeSubnets":["10.2.0.0/16"],"ips":["10.0.1.2"],"subnet":"10.0.1.0/24","gateway":"10.0.1.1"}"#;
    let lab = lab(store, topology(&format!("[{here},{there}]")));
    assert_eq!(block_on(lab.put_pool(&pool("blue"), 1, true)), full(1));
    lab
}

/// The second of two writes in order waits for the first, whatever becomes of that: the pool gives up
/// an address before it gets one.
#[test]
fn an_exchange_whose_first_half_is_uncertain_is_made_whole_and_in_order() {
    use Fault::{Before, Late, UnknownAfter, UnknownBefore};
    for store in each_kind() {
        for faults in [
            vec![Some(UnknownAfter)],
            vec![Some(UnknownBefore)],
            vec![Some(Late), Some(Before)],
            vec![None, Some(UnknownAfter), Some(Before)],
            vec![None, Some(Late), Some(UnknownBefore)],
        ] {
            let store = match store.atomic() {
                true => MemoryStore::atomic(),
                false => MemoryStore::per_record(),
            };
            let lab = exchange_lab(store.clone().with_history(usize::MAX));
            lab.store().faults.next(faults);
            let web = request_of(&in_blue("web-1"), ReleasePolicy::Never);
            let node = Place::Node(vec![IpAddr::from([10, 2, 0, 1])]);
            assert_eq!(block_on(lab.allocate(&web, &node)), Ok(vec![ip(258)]));
            assert_eq!(lab.addresses(&pool("blue")), Some(1));
            assert_eq!(most_ever(&store, &pool("blue")), 1);
        }
    }
}

#[test]
fn an_exchange_is_decided_anew_when_somebody_else_took_what_was_to_be_given_up() {
    for store in each_kind() {
        let lab = exchange_lab(store.clone());
        let (version, _) = store.current(&at(ip(2))).expect("it is there");
        let taken = crate::testing::fixture::record(in_blue("web-9").owner());
        block_on(store.apply(&batch(1, [update(ip(2), version, taken)])));
        let web = request_of(&in_blue("web-1"), ReleasePolicy::Never);
        let node = Place::Node(vec![IpAddr::from([10, 2, 0, 1])]);
        let refused = block_on(lab.allocate(&web, &node));
        assert!(
            matches!(refused, Err(AllocateError::Refused(_))),
            "{refused:?}"
        );
        assert_eq!(lab.holder(2).as_deref(), Some("web-9"));
        assert_eq!(lab.open_plans(), 0);
    }
}
