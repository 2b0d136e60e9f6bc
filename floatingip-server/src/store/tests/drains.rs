//! What the journal tells of addresses that the configuration does not have any more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use floatingip_core::config::{Config, Strictness};

use super::disk::Disk;
use super::*;
use crate::store::writer::Place;

/// The configuration with these addresses of the fixtures' network.
pub(super) fn configured(ips: &str) -> Arc<Topology> {
    let entry = serde_json::json!([{
        "routableSubnet": "10.1.0.0/16",
        "ips": ips.split(',').collect::<Vec<_>>(),
        "subnet": "10.0.0.0/16",
        "gateway": "10.0.255.254",
    }]);
    let config = Config::parse(&entry.to_string(), Strictness::Strict).unwrap();
    Arc::new(config.into_topology())
}

pub(super) fn at(seconds: u64) -> WallTime {
    WallTime::from_nanos(seconds * 1_000_000_000)
}

fn events(store: &EmbeddedStore, n: u32) -> Vec<Event> {
    let lines = store.history(ip(n), 9).unwrap().into_iter();
    lines.map(|(_, entry)| entry.event).collect()
}

async fn note(store: &EmbeddedStore, topology: &Arc<Topology>) -> usize {
    let in_force = || Arc::clone(topology);
    store.note_drains(in_force, at(9)).await.unwrap()
}

fn all_but_the_second() -> Arc<Topology> {
    let text = format!("{},{}", ip(1), ip(3));
    configured(&text)
}

fn whole() -> Arc<Topology> {
    configured(&format!("{}~{}", ip(1), ip(3)))
}

#[tokio::test]
async fn the_journal_tells_once_what_drains_and_what_is_back_also_over_restarts() {
    let folder = folder();
    let store = open(&folder);
    for n in 1..=3 {
        store.apply(&web(n)).await;
    }
    assert_eq!(note(&store, &all_but_the_second()).await, 1);
    assert_eq!(events(&store, 2), [Event::Drain, Event::Allocate]);
    let (_, entry) = store.history(ip(2), 1).unwrap().remove(0);
    assert_eq!((entry.at, &entry.from), (at(9), &entry.to));
    assert_eq!(entry.to, Some(pod("web").owner()));
    drop(store);

    let store = open(&folder);
    assert_eq!(note(&store, &all_but_the_second()).await, 0);
    let whole = whole();
    assert_eq!(note(&store, &whole).await, 1);
    assert_eq!(note(&store, &whole).await, 0);
    assert_eq!(
        events(&store, 2),
        [Event::Undrain, Event::Drain, Event::Allocate]
    );
    assert_eq!(events(&store, 1), [Event::Allocate]);
    assert_eq!(events(&store, 3), [Event::Allocate]);
}

#[tokio::test]
async fn what_was_released_while_it_drained_is_not_told_of_when_somebody_else_has_it() {
    let folder = folder();
    let store = open(&folder);
    store.apply(&web(2)).await;
    note(&store, &all_but_the_second()).await;
    store.apply(&batch(7, [delete(ip(2), Version(1))])).await;
    store
        .apply(&batch(8, [create(ip(2), record(pod("db").owner()))]))
        .await;
    let whole = whole();
    assert_eq!(note(&store, &whole).await, 0);
    assert!(!events(&store, 2).contains(&Event::Undrain));
}

/// The latter half of them is looked at in a round of its own.
const MANY: u32 = 5000;

/// So many addresses, from the tenth on.
async fn with_many() -> EmbeddedStore {
    let store = EmbeddedStore::in_memory().unwrap();
    for first in (10..10 + MANY).step_by(500) {
        let writes = (first..first + 500).map(|n| create(ip(n), record(pod("web").owner())));
        store.apply(&batch(first.into(), writes)).await;
    }
    store
}

#[tokio::test]
async fn many_draining_addresses_are_told_of_step_by_step() {
    let store = with_many().await;
    let commits = store.counts().commits;
    assert_eq!(note(&store, &all_but_the_second()).await, 5000);
    assert_eq!(store.counts().commits, commits + 2);
    assert_eq!(note(&store, &all_but_the_second()).await, 0);
}

#[tokio::test]
async fn each_round_goes_on_where_the_former_one_stopped() {
    let store = with_many().await;
    let topology = all_but_the_second();
    note(&store, &topology).await;
    let (mut rounds, mut place) = (0, Some(Place::START));
    while let Some(from) = place.filter(|_| rounds < 9) {
        let round = store.writer.note_some(&topology, from, at(9)).await;
        let round = round.unwrap();
        assert_eq!(round.changes, 0);
        (rounds, place) = (rounds + 1, round.next);
    }
    // 5000 notes and 5000 records, at most 4096 at a time.
    assert_eq!(rounds, 3);
}

#[tokio::test]
async fn nothing_is_asked_of_the_writer_while_neither_records_nor_the_configuration_change() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    store.apply(&web(2)).await;
    let former = all_but_the_second();
    for news in [1, 0] {
        assert_eq!(note(&store, &former).await, news);
    }
    let fourth = web(4);
    let mut under_way = Box::pin(store.apply(&fourth));
    disk.hold_flushes(true);
    assert!(poll(under_way.as_mut()).is_pending());
    disk.wait_for_a_flush();
    let same = poll(Box::pin(note(&store, &former)).as_mut());
    disk.hold_flushes(false);
    assert_eq!(same, Poll::Ready(0));
    under_way.await;
    assert_eq!(note(&store, &former).await, 1, "the fourth");
    assert_eq!(note(&store, &former).await, 0);
    assert_eq!(note(&store, &whole()).await, 1, "the second is back");
}

#[tokio::test]
async fn what_a_former_configuration_noted_does_not_come_after_the_one_in_force() {
    let folder = folder();
    let store = open(&folder);
    store.apply(&web(2)).await;
    let (former, whole) = (all_but_the_second(), whole());
    let in_force = || Arc::clone(&whole);
    let later = Mutex::new(Box::pin(store.note_drains(in_force, at(10))));
    let reconfigured = Once::new();
    let changing = || {
        // As soon as it is known, and before it is used.
        reconfigured.call_once(|| assert!(poll(later.lock().unwrap().as_mut()).is_pending()));
        Arc::clone(&former)
    };
    store.note_drains(changing, at(9)).await.unwrap();
    later.into_inner().unwrap().await.unwrap();
    let told = [Event::Undrain, Event::Drain, Event::Allocate];
    assert_eq!(events(&store, 2), told);
}

#[tokio::test]
async fn a_configuration_that_comes_between_two_rounds_is_the_one_that_counts() {
    let store = with_many().await;
    let former = all_but_the_second();
    let all = configured(&format!("{}~{}", ip(1), ip(10 + MANY)));
    let asked = AtomicUsize::new(0);
    let in_force = || match asked.fetch_add(1, Ordering::Relaxed) {
        0 => Arc::clone(&former),
        _ => Arc::clone(&all),
    };
    let noted = store.note_drains(in_force, at(9)).await.unwrap();
    assert_eq!(noted, 2 * 4096, "began to drain, and are back");
    assert_eq!(events(&store, 10)[0], Event::Undrain);
    assert_eq!(events(&store, 10 + MANY - 1), [Event::Allocate]);
}
