//! A disk that fails, or waits, when told to.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard};

use redb::StorageBackend;

use super::*;

/// Bytes in memory with faults at will; clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    flushed: Vec<u8>,
    /// Calls that change or flush something, counted down to the fault.
    calls_until_fault: Option<u32>,
    /// Whether the fault loses what was not flushed.
    loses: bool,
    broken: bool,
    held: bool,
    /// What becomes of the database when it is opened, before the store has it.
    meddling: Option<fn(&redb::Database)>,
    flushes_waiting: u32,
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    pub(crate) fn fail_at(&self, call: u32, loses: bool) {
        let mut state = self.state();
        state.calls_until_fault = Some(call);
        state.loses = loses;
    }

    /// Every call fails from now on, or none.
    pub(super) fn set_broken(&self, broken: bool) {
        self.state().broken = broken;
    }

    /// Does something with the database at each opening from now on, or nothing.
    pub(super) fn meddle(&self, meddling: Option<fn(&redb::Database)>) {
        self.state().meddling = meddling;
    }

    pub(crate) fn hold_flushes(&self, held: bool) {
        self.state().held = held;
        self.0.changed.notify_all();
    }

    pub(super) fn wait_for_a_flush(&self) {
        drop(self.wait_while(|state| state.flushes_waiting == 0));
    }

    fn wait_while(&self, condition: impl FnMut(&mut State) -> bool) -> MutexGuard<'_, State> {
        self.0.changed.wait_while(self.state(), condition).unwrap()
    }

    pub(crate) fn store(&self) -> Result<EmbeddedStore, OpenError> {
        let disk = self.clone();
        let opener = Box::new(move || disk.open());
        let file = DatabaseFile::on_medium("disk/floatingip.redb".into(), opener, None)?;
        EmbeddedStore::start(file, Options::default())
    }

    fn open(&self) -> Result<redb::Database, DatabaseError> {
        let database = database::builder().create_with_backend(self.clone())?;
        let meddling = self.state().meddling;
        if let Some(meddle) = meddling {
            meddle(&database);
        }
        Ok(database)
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> io::Result<()> {
        let mut state = self.state();
        if state.calls_until_fault == Some(0) {
            state.calls_until_fault = None;
            if state.loses {
                state.bytes = state.flushed.clone();
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.calls_until_fault = state.calls_until_fault.map(|calls| calls - 1);
        if state.broken {
            return Err(io::Error::other("no such device"));
        }
        change(&mut state);
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if state.broken {
            return Err(io::Error::other("no such device"));
        }
        let offset = size(offset);
        let from = state.bytes.get(offset..offset + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(|state| state.bytes.resize(size(len), 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state().flushes_waiting += 1;
        self.0.changed.notify_all();
        self.wait_while(|state| state.held).flushes_waiting -= 1;
        self.change(|state| state.flushed = state.bytes.clone())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let offset = size(offset);
        self.change(|state| state.bytes[offset..offset + data.len()].copy_from_slice(data))
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}

/// Repeats a batch as the contract asks, until the answer is definite.
pub(super) async fn settle(store: &EmbeddedStore, batch: &Batch) -> Vec<Outcome> {
    for _ in 0..10 {
        let answers = store.apply(batch).await;
        let definite = answers.into_iter().map(|answer| match answer {
            Answer::Definite(outcome) => Some(outcome),
            Answer::Unknown => None,
        });
        if let Some(outcomes) = definite.collect() {
            return outcomes;
        }
    }
    panic!("no definite answer after ten repetitions");
}

#[tokio::test]
async fn batches_that_wait_for_a_flush_share_the_next_one() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    let batches: Vec<Batch> = (1..=64).map(web).collect();
    let mut waiting: Vec<_> = batches.iter().map(|b| Box::pin(store.apply(b))).collect();
    disk.hold_flushes(true);
    assert!(poll(waiting[0].as_mut()).is_pending());
    disk.wait_for_a_flush();
    for future in &mut waiting {
        assert!(poll(future.as_mut()).is_pending());
    }
    disk.hold_flushes(false);
    for future in waiting {
        assert_applied(&future.await);
    }
    let counts = store.counts();
    assert_eq!((counts.batches, counts.commits), (64, 2));
    assert!(counts.last_commit > Duration::ZERO);
}

#[tokio::test]
async fn later_batches_of_a_group_see_the_earlier_ones() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    let first = web(1);
    let [a, b] = ["a", "b"].map(|name| create(ip(2), record(pod(name).owner())));
    let (a, b) = (batch(2, [a]), batch(3, [b]));
    disk.hold_flushes(true);
    let mut first = Box::pin(store.apply(&first));
    assert!(poll(first.as_mut()).is_pending());
    disk.wait_for_a_flush();
    let (mut a, mut b) = (Box::pin(store.apply(&a)), Box::pin(store.apply(&b)));
    assert!(poll(a.as_mut()).is_pending() && poll(b.as_mut()).is_pending());
    disk.hold_flushes(false);
    assert_eq!(first.await, applied(1));
    assert_eq!(a.await, applied(2));
    assert!(matches!(
        b.await[..],
        [Answer::Definite(Outcome::Refused(Some((Version(2), _))))]
    ));
    assert_eq!(store.counts().commits, 2);
}

/// Fails every call of a commit in turn, with and without loss of what was not flushed.
#[tokio::test]
async fn a_failure_at_any_call_is_settled_by_repeating() {
    let (mut unknown, mut landed) = (0, 0);
    for (call, loses) in (0..40).flat_map(|call| [(call, false), (call, true)]) {
        let disk = Disk::default();
        let store = disk.store().unwrap();
        assert_eq!(store.apply(&web(1)).await, applied(1));
        let reserve = update(ip(1), Version(1), record(pod("web").reserve()));
        let both = batch(2, [reserve, create(ip(2), record(pod("two").owner()))]);
        disk.fail_at(call, loses);
        let failed = store.apply(&both).await.contains(&Answer::Unknown);
        if failed {
            let commits = store.counts().commits;
            let outcomes = settle(&store, &both).await;
            let all = [2, 3].map(|version| Outcome::Applied(Version(version)));
            assert_eq!(outcomes, all, "call {call}, loses {loses}");
            unknown += 1;
            landed += u32::from(store.counts().commits == commits);
        }
        let there = store.load().await.unwrap();
        assert_eq!((there.addresses.len(), there.version), (2, Version(3)));
        assert_eq!(store.history(ip(1), 9).unwrap().len(), 2, "no line twice");
    }
    assert!(unknown > 4, "{unknown} failures were unknown");
    assert!(landed > 0, "no failed commit had landed");
    assert!(landed < unknown, "every failed commit had landed");
}

#[tokio::test]
async fn a_plan_in_doubt_stays_unknown_while_the_disk_is_away() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    let doubtful = web(1);
    disk.set_broken(true);
    assert_eq!(store.apply(&doubtful).await, [Answer::Unknown]);
    let unavailable = vec![Answer::Definite(Outcome::Unavailable)];
    assert_eq!(store.apply(&web(2)).await, unavailable, "never begun");
    assert_eq!(store.apply(&doubtful).await, [Answer::Unknown]);
    let document = store.put_document("config", "").await;
    assert_eq!(document, Err(DocumentError::Unavailable));
    assert!(matches!(store.load().await, Err(LoadError::Unavailable(_))));
    assert_eq!(store.counts().commits, 0);
    assert_eq!(store.counts().failures, 4);

    disk.set_broken(false);
    assert_eq!(store.load().await.unwrap().addresses, []);
    assert_eq!(store.apply(&web(2)).await, applied(1));
    assert_eq!(store.apply(&doubtful).await, applied(2));
}

#[tokio::test]
async fn what_is_in_doubt_at_the_end_stays_unknown() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    disk.set_broken(true);
    assert_eq!(store.apply(&web(1)).await, [Answer::Unknown]);
    store.close();
    assert_eq!(store.apply(&web(1)).await, [Answer::Unknown]);
}

#[test]
fn a_full_disk_says_so_at_the_start() {
    let disk = Disk::default();
    disk.fail_at(0, false);
    let error = disk.store().unwrap_err();
    assert!(matches!(error, OpenError::Disk { .. }), "{error}");
    assert!(error.to_string().contains("free space"), "{error}");
}

#[tokio::test]
async fn callers_beyond_the_queue_wait_and_are_answered() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    disk.hold_flushes(true);
    let batches: Vec<Batch> = (1..=1500).map(web).collect();
    let mut waiting: Vec<_> = batches.iter().map(|b| Box::pin(store.apply(b))).collect();
    for future in &mut waiting {
        assert!(poll(future.as_mut()).is_pending());
    }
    disk.hold_flushes(false);
    for future in waiting {
        assert_applied(&future.await);
    }
    assert_eq!(store.load().await.unwrap().version, Version(1500));
}
