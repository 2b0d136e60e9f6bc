//! What the journal tells of addresses that the configuration does not have any more.

use floatingip_core::config::{Config, Strictness};

use super::*;

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
    store.note_drains(topology, at(9)).await.unwrap()
}

fn all_but_the_second() -> Arc<Topology> {
    let text = format!("{},{}", ip(1), ip(3));
    configured(&text)
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
    let whole = configured(&format!("{}~{}", ip(1), ip(3)));
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
    let whole = configured(&format!("{}~{}", ip(1), ip(3)));
    assert_eq!(note(&store, &whole).await, 0);
    assert!(!events(&store, 2).contains(&Event::Undrain));
}

#[tokio::test]
async fn many_draining_addresses_are_told_of_step_by_step() {
    let store = EmbeddedStore::in_memory().unwrap();
    let many = 5000;
    for first in (10..10 + many).step_by(500) {
        let writes = (first..first + 500).map(|n| create(ip(n), record(pod("web").owner())));
        store.apply(&batch(first.into(), writes)).await;
    }
    let commits = store.counts().commits;
    assert_eq!(note(&store, &all_but_the_second()).await, 5000);
    assert_eq!(store.counts().commits, commits + 2);
    assert_eq!(note(&store, &all_but_the_second()).await, 0);
}
