use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::task::{Context, Poll, Waker};

use floatingip_core::WallTime;
use floatingip_core::plan::Event;
use floatingip_core::record::{Target, Value};
use floatingip_core::store::Outcome;
use floatingip_core::testing::fixture::{
    batch, create, delete, ip, ip6, pod, pool_record, put_pool, record, update,
};
use redb::{ReadableDatabase, TableDefinition};
use tempfile::TempDir;

use super::*;

mod apps;
pub(crate) mod disk;
mod doubt;
mod drains;
mod journal;
mod patience;
mod power;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("floatingip.redb")
}

fn open(folder: &TempDir) -> EmbeddedStore {
    EmbeddedStore::open(folder.path()).unwrap()
}

fn web(n: u32) -> Batch {
    batch(n.into(), [create(ip(n), record(pod("web").owner()))])
}

fn applied(version: u64) -> Vec<Answer> {
    vec![Answer::Definite(Outcome::Applied(Version(version)))]
}

/// An error with its causes, as the operator reads it.
fn text(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(|error| format!("{error}\n"))
        .collect()
}

/// Changes the file behind the store's back, by redb.
fn tamper<T>(folder: &TempDir, change: impl FnOnce(&redb::WriteTransaction) -> T) -> T {
    let database = redb::Database::open(file(folder)).unwrap();
    let transaction = database.begin_write().unwrap();
    let changed = change(&transaction);
    transaction.commit().unwrap();
    changed
}

#[tokio::test]
async fn everything_is_there_again_after_reopening() {
    let folder = folder();
    let store = open(&folder);
    let writes = [
        create(ip6(1), record(pod("six").owner())),
        create(ip(2), record(pod("web").in_pool("blue").owner())),
        put_pool("blue", None, pool_record(3)),
    ];
    store.apply(&batch(1, writes)).await;
    let gone = store.apply(&batch(2, [delete(ip6(1), Version(1))])).await;
    assert_eq!(gone, applied(4), "a deletion has a version of its own");
    store.put_document("config", "[1]").await.unwrap();
    store.put_document("config", "[2]").await.unwrap();
    let before = store.load().await.unwrap();
    drop(store);

    let store = open(&folder);
    let after = store.load().await.unwrap();
    assert_eq!(after, before);
    assert_eq!((after.addresses.len(), after.pools.len()), (1, 1));
    assert_eq!(after.version, Version(4));
    assert_eq!(store.document("config").unwrap().as_deref(), Some("[2]"));
    assert_eq!(store.document("other").unwrap(), None);
}

#[tokio::test]
async fn addresses_are_loaded_in_their_order() {
    let folder = folder();
    let store = open(&folder);
    let ips = [ip6(0), ip(256), ip(2), ip6(9), ip(10)];
    let writes = ips.map(|ip| create(ip, record(pod("web").owner())));
    store.apply(&batch(1, writes)).await;
    let loaded = store.load().await.unwrap().addresses;
    let loaded: Vec<_> = loaded.into_iter().map(|(ip, ..)| ip).collect();
    assert_eq!(loaded, [ip(2), ip(10), ip(256), ip6(0), ip6(9)]);
}

#[tokio::test]
async fn the_journal_tells_the_latest_first_and_forgets_the_oldest() {
    let folder = folder();
    let options = Options {
        journal_limit: 3,
        ..Options::default()
    };
    let store = EmbeddedStore::open_with(folder.path(), options).unwrap();
    store.apply(&web(1)).await;
    let reserve = update(ip(1), Version(1), record(pod("web").reserve()));
    store.apply(&batch(11, [reserve])).await;
    store.apply(&batch(12, [delete(ip(1), Version(2))])).await;
    let events = |most| {
        let lines = store.history(ip(1), most).unwrap();
        lines
            .iter()
            .map(|(v, e)| (v.0, e.event))
            .collect::<Vec<_>>()
    };
    let (released, reserved) = ((3, Event::Release), (2, Event::Reserve));
    assert_eq!(events(9), [released, reserved, (1, Event::Allocate)]);
    assert_eq!(events(1), [released]);
    store.apply(&web(2)).await;
    assert_eq!(events(9), [released, reserved], "the oldest made room");
    assert_eq!(store.history(ip(2), 9).unwrap().len(), 1);
    assert_eq!(store.history(ip(3), 9).unwrap(), []);
}

#[tokio::test]
async fn whoever_had_an_address_is_told_by_the_order_of_changes_and_not_by_the_clock() {
    let folder = folder();
    let store = open(&folder);
    let dated = |mut batch: Batch, nanos| {
        for write in &mut batch.writes {
            write.entry.as_mut().unwrap().at = WallTime::from_nanos(nanos);
        }
        batch
    };
    let owner = |name: &str| record(pod(name).owner());
    let first = batch(1, [create(ip(1), owner("a"))]);
    store.apply(&dated(first, 100)).await;
    // The clock was set back.
    let second = batch(2, [update(ip(1), Version(1), owner("b"))]);
    store.apply(&dated(second, 50)).await;
    let third = batch(3, [delete(ip(1), Version(2))]);
    store.apply(&dated(third, 200)).await;
    let told = |nanos| {
        let question = HistoryQuestion {
            ip: ip(1),
            before: None,
            at: Some(WallTime::from_nanos(nanos)),
            most: 1,
        };
        let answer = store.journal(&question).unwrap();
        assert!(answer.complete);
        answer.owner.map(|owner| owner.pod_name().to_string())
    };
    assert_eq!(told(49), None);
    assert_eq!(told(100).as_deref(), Some("b"));
    assert_eq!(told(199).as_deref(), Some("b"));
    assert_eq!(told(200), None);
}

#[tokio::test]
async fn a_refused_batch_leaves_no_line_and_costs_no_flush() {
    let folder = folder();
    let store = open(&folder);
    store.apply(&web(1)).await;
    let commits = store.counts().commits;
    let other = [1, 2].map(|n| create(ip(n), record(pod("other").owner())));
    let answers = store.apply(&batch(2, other)).await;
    assert!(matches!(
        answers[..],
        [
            Answer::Definite(Outcome::Refused(Some((Version(1), _)))),
            Answer::Definite(Outcome::Unavailable)
        ]
    ));
    assert_eq!(store.history(ip(1), 9).unwrap().len(), 1);
    assert_eq!(store.counts().commits, commits);
    assert_eq!(store.counts().batches, 2);
}

#[tokio::test]
async fn a_record_of_the_wrong_kind_is_not_stored() {
    let folder = folder();
    let store = open(&folder);
    let mut wrong = batch(1, [create(ip(1), record(pod("web").owner()))]);
    wrong.writes[0].put = Some(Value::Pool(pool_record(1)));
    let unavailable = vec![Answer::Definite(Outcome::Unavailable)];
    assert_eq!(store.apply(&wrong).await, unavailable);
    wrong.writes[0].target = Target::Pool("blue".parse().unwrap());
    wrong.writes[0].put = Some(Value::Address(record(pod("web").owner())));
    assert_eq!(store.apply(&wrong).await, unavailable);
    assert_eq!(store.load().await.unwrap(), Snapshot::default());
}

#[tokio::test]
async fn a_closed_store_takes_nothing_and_reads_nothing() {
    let folder = folder();
    let store = open(&folder);
    store.close();
    store.close();
    let unavailable = vec![Answer::Definite(Outcome::Unavailable)];
    assert_eq!(store.apply(&web(1)).await, unavailable);
    let document = store.put_document("config", "").await;
    assert_eq!(document, Err(DocumentError::Unavailable));
    let error = store.load().await.unwrap_err();
    assert!(text(&error).contains("was closed"), "{}", text(&error));
    drop(open(&folder));
}

#[tokio::test]
async fn closing_writes_and_answers_what_waits() {
    let folder = folder();
    let store = open(&folder);
    let batches: Vec<Batch> = (1..=20).map(web).collect();
    let mut waiting: Vec<_> = batches.iter().map(|b| Box::pin(store.apply(b))).collect();
    for future in &mut waiting {
        let _ = poll(future.as_mut());
    }
    store.close();
    for future in waiting {
        assert!(matches!(
            future.await[..],
            [Answer::Definite(Outcome::Applied(_))]
        ));
    }
    drop(store);
    assert_eq!(open(&folder).load().await.unwrap().addresses.len(), 20);
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_second_opening_is_refused_and_names_the_folder() {
    let folder = folder();
    let _store = open(&folder);
    let error = EmbeddedStore::open(folder.path()).unwrap_err();
    let message = text(&error);
    assert!(matches!(error, OpenError::Locked { .. }), "{message}");
    assert!(message.contains(folder.path().to_str().unwrap()));
    assert!(message.contains("stop that one"), "{message}");
}

const CHILD_FOLDER: &str = "FLOATINGIP_TEST_STORE_FOLDER";

/// Runs as another process for the next test; on its own it does nothing.
#[tokio::test]
async fn child_that_writes_and_waits_to_be_killed() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else {
        return;
    };
    let store = EmbeddedStore::open(Path::new(&folder)).unwrap();
    println!("\nanswered {:?}", store.apply(&web(1)).await);
    let _ = io::stdin().read_line(&mut String::new());
}

fn child(folder: &TempDir) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture"])
        .arg("store::tests::child_that_writes_and_waits_to_be_killed")
        .env(CHILD_FOLDER, folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn what_another_process_was_answered_survives_its_kill_and_keeps_us_out_before() {
    let folder = folder();
    let mut child = child(&folder);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answered = lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("answered"));
    assert!(answered.unwrap().contains("Applied"));

    let locked = EmbeddedStore::open(folder.path()).unwrap_err();
    assert!(matches!(locked, OpenError::Locked { .. }), "{locked}");
    child.kill().unwrap();
    child.wait().unwrap();
    let store = open(&folder);
    assert_eq!(store.load().await.unwrap().addresses.len(), 1);
    assert_eq!(store.apply(&web(1)).await, applied(1), "its own work again");
}

/// Names and types of the tables are the format too: they are written out here on purpose.
#[tokio::test]
async fn the_tables_of_format_one_are_pinned() {
    let folder = folder();
    let store = open(&folder);
    let writes = [
        create(ip(1), record(pod("web").owner())),
        put_pool("blue", None, pool_record(1)),
    ];
    store.apply(&batch(1, writes)).await;
    store.put_document("config", "[]").await.unwrap();
    drop(store);
    let database = redb::Database::open(file(&folder)).unwrap();
    let read = database.begin_read().unwrap();

    let meta = TableDefinition::<&str, u64>::new("meta");
    let meta = read.open_table(meta).unwrap();
    assert_eq!(meta.get("format").unwrap().unwrap().value(), 1);
    assert_eq!(meta.get("version").unwrap().unwrap().value(), 2);
    assert!(meta.get("created").unwrap().unwrap().value() > 1_600_000_000);
    let mut key = [0; 17];
    key[..5].copy_from_slice(&[4, 10, 0, 0, 1]);
    let addresses = TableDefinition::<&[u8; 17], &[u8]>::new("addresses");
    assert!(
        read.open_table(addresses)
            .unwrap()
            .get(&key)
            .unwrap()
            .is_some()
    );
    let journal = TableDefinition::<(&[u8; 17], u64), &[u8]>::new("journal");
    assert!(
        read.open_table(journal)
            .unwrap()
            .get((&key, 1))
            .unwrap()
            .is_some()
    );
    let order = TableDefinition::<u64, &[u8; 17]>::new("journal_order");
    assert_eq!(
        read.open_table(order)
            .unwrap()
            .get(1)
            .unwrap()
            .unwrap()
            .value(),
        &key
    );
    for (table, key) in [("pools", "blue"), ("documents", "config")] {
        let table = TableDefinition::<&str, &[u8]>::new(table);
        assert!(read.open_table(table).unwrap().get(key).unwrap().is_some());
    }
}

#[test]
fn a_newer_format_is_refused_with_both_numbers() {
    let folder = folder();
    drop(open(&folder));
    tamper(&folder, |transaction| {
        let meta = TableDefinition::<&str, u64>::new("meta");
        transaction
            .open_table(meta)
            .unwrap()
            .insert("format", 2)
            .unwrap();
    });
    for _ in 0..2 {
        let error = EmbeddedStore::open(folder.path()).unwrap_err();
        let message = text(&error);
        assert!(
            matches!(
                error,
                OpenError::Newer {
                    found: 2,
                    supported: 1,
                    ..
                }
            ),
            "{message}"
        );
        assert!(message.contains("start the version that wrote it"));
    }
}

#[test]
fn another_programs_database_is_not_touched() {
    let folder = folder();
    let database = redb::Database::create(file(&folder)).unwrap();
    let transaction = database.begin_write().unwrap();
    let table = TableDefinition::<u64, u64>::new("theirs");
    transaction.open_table(table).unwrap().insert(1, 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = EmbeddedStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = folder();
    let dir = folder.path().join("file");
    fs::write(&dir, "").unwrap();
    let error = EmbeddedStore::open(&dir).unwrap_err();
    assert!(matches!(error, OpenError::Folder { .. }), "{error}");
    assert!(error.to_string().contains(dir.to_str().unwrap()));
}

#[test]
fn a_server_killed_while_making_the_file_leaves_nothing_in_the_way() {
    let folder = folder();
    fs::write(folder.path().join("floatingip.redb.new"), [0; 5000]).unwrap();
    drop(open(&folder));
    assert!(!folder.path().join("floatingip.redb.new").exists());
}

#[tokio::test]
async fn a_spoilt_record_stops_the_load_and_the_plans_that_need_it_alone() {
    let folder = folder();
    let store = open(&folder);
    store.apply(&web(1)).await;
    drop(store);
    tamper(&folder, |transaction| {
        let addresses = TableDefinition::<&[u8; 17], &[u8]>::new("addresses");
        let mut table = transaction.open_table(addresses).unwrap();
        table
            .insert(&format::address_key(ip(1)), [1_u8; 40].as_slice())
            .unwrap();
    });
    let store = open(&folder);
    let error = store.load().await.unwrap_err();
    let message = text(&error);
    assert!(matches!(&error, LoadError::Damaged { place, .. } if place == "address 10.0.0.1"));
    assert!(message.contains("put back a backup"), "{message}");

    let unavailable = vec![Answer::Definite(Outcome::Unavailable)];
    assert_eq!(
        store.apply(&batch(2, [delete(ip(1), Version(1))])).await,
        unavailable
    );
    assert_eq!(store.apply(&web(3)).await, applied(2));
}

/// A store of some pages, closed cleanly.
async fn filled(folder: &TempDir) -> Snapshot {
    let store = open(folder);
    let writes = (1..=200).map(|n| create(ip(n), record(pod("web").owner())));
    store.apply(&batch(1, writes)).await;
    store.load().await.unwrap()
}

/// Opens and reads a file that was tampered with: the former contents, or an error with a remedy.
async fn examine(folder: &TempDir, whole: &Snapshot) -> bool {
    let error: Box<dyn std::error::Error> = match EmbeddedStore::open(folder.path()) {
        Ok(store) => match store.load().await {
            Ok(snapshot) => {
                assert_eq!(snapshot, *whole, "damage that nobody noticed");
                return false;
            }
            Err(error) => error.into(),
        },
        Err(error) => error.into(),
    };
    let message = text(&*error);
    assert!(
        message.contains("backup") || message.contains("move it away"),
        "{message}"
    );
    true
}

#[tokio::test]
async fn a_flipped_byte_anywhere_changes_nothing_or_is_an_error_with_a_remedy() {
    let folder = folder();
    let whole = filled(&folder).await;
    let good = fs::read(file(&folder)).unwrap();
    let step = 1009;
    let mut noticed = 0;
    for place in (0..64).chain((64..good.len()).step_by(step)) {
        let mut bad = good.clone();
        bad[place] ^= 0x41;
        fs::write(file(&folder), bad).unwrap();
        noticed += usize::from(examine(&folder, &whole).await);
    }
    assert!(noticed > 20, "only {noticed} flips were noticed");
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_an_error_with_a_remedy() {
    let folder = folder();
    let whole = filled(&folder).await;
    let good = fs::read(file(&folder)).unwrap();
    let mut noticed = 0;
    let lengths = [
        1,
        9,
        64,
        320,
        4095,
        4096,
        8192,
        good.len() / 2,
        good.len() - 1,
    ];
    for length in lengths {
        fs::write(file(&folder), &good[..length]).unwrap();
        noticed += usize::from(examine(&folder, &whole).await);
    }
    assert_eq!(noticed, lengths.len());
    fs::write(file(&folder), "").unwrap();
    assert!(
        examine(&folder, &whole).await,
        "an empty file is no new store"
    );
}

fn assert_applied(answers: &[Answer]) {
    assert!(
        matches!(answers, [Answer::Definite(Outcome::Applied(_))]),
        "{answers:?}"
    );
}
