//! After a commit whose outcome nobody knows: what is shown of apps is what the file has, or nothing is
//! written.

use std::sync::atomic::{AtomicBool, Ordering};

use floatingip_core::Now;
use floatingip_core::fact::{AppState, Slots};

use super::apps::{APPS, app, tell};
use super::disk::Disk;
use super::*;
use crate::store::format::app_key;

/// Nobody waits for so long unless something is wrong.
const LONG: Duration = Duration::from_secs(30);

fn sized(size: u32) -> Told {
    Told::There(AppState::new(Slots::Count(size)))
}

/// Loses the file by a failed write.
async fn lose_file(disk: &Disk, store: &EmbeddedStore) {
    disk.set_broken(true);
    let put = store.put_document("config", "[]").await;
    assert_eq!(put, Err(DocumentError::Unknown));
    disk.set_broken(false);
}

#[tokio::test]
async fn apps_are_shown_as_the_file_has_them_once_anything_is_written_again() {
    let (mut unknown, mut landed) = (0, 0);
    for (call, loses) in (0..40).flat_map(|call| [(call, false), (call, true)]) {
        let disk = Disk::default();
        let store = disk.store().unwrap();
        store.change_app(tell("web", &sized(1))).await.unwrap();
        disk.fail_at(call, loses);
        if store.change_app(tell("web", &sized(2))).await.is_ok() {
            continue;
        }
        store.put_document("config", "[]").await.unwrap();
        let shown = store.apps.told(&app("web"));
        assert_eq!(shown, store.apps().unwrap().told(&app("web")), "{call}");
        unknown += 1;
        landed += u32::from(shown.unwrap().told == sized(2));
    }
    assert!(landed > 0, "no failed commit had landed");
    assert!(landed < unknown, "every failed commit had landed");
}

#[tokio::test]
async fn nothing_is_written_while_the_apps_cannot_be_read_again() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    store.change_app(tell("web", &sized(1))).await.unwrap();
    lose_file(&disk, &store).await;
    disk.meddle(Some(|database| put_app(database, b"?")));
    let told = store.change_app(tell("other", &sized(1))).await;
    assert_eq!(told, Err(AppError::Unavailable));
    let unavailable = vec![Answer::Definite(Outcome::Unavailable)];
    assert_eq!(store.apply(&web(1)).await, unavailable);
    assert_eq!(store.apps.told(&app("other")), None);

    disk.meddle(Some(remove_app));
    assert_eq!(store.apply(&web(1)).await, applied(2));
    assert_eq!(store.apps.told(&app("web")), None, "as the file has it");
}

fn put_app(database: &redb::Database, bytes: &[u8]) {
    let transaction = database.begin_write().unwrap();
    let mut table = transaction.open_table(APPS).unwrap();
    table.insert(app_key(&app("web")), bytes).unwrap();
    drop(table);
    transaction.commit().unwrap();
}

fn remove_app(database: &redb::Database) {
    let transaction = database.begin_write().unwrap();
    let mut table = transaction.open_table(APPS).unwrap();
    table.remove(app_key(&app("web"))).unwrap();
    drop(table);
    transaction.commit().unwrap();
}

#[tokio::test]
async fn a_database_that_panics_while_it_is_opened_again_does_not_end_the_writer() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    lose_file(&disk, &store).await;
    disk.meddle(Some(|_| panic!("as redb may over a file that was altered")));
    let unavailable = vec![Answer::Definite(Outcome::Unavailable)];
    for n in 1..=2 {
        assert_eq!(store.apply(&web(n)).await, unavailable, "nothing was begun");
    }
    assert!(store.is_writable());
    disk.meddle(None);
    assert_eq!(store.apply(&web(3)).await, applied(1));
}

#[tokio::test]
async fn a_store_whose_writer_broke_down_says_so_and_refuses() {
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&broken);
    let clock = RunningClock::new(move || {
        assert!(!breaks.load(Ordering::Relaxed), "a fault of ours");
        Now::default()
    });
    let file = DatabaseFile::in_memory().unwrap();
    let store = EmbeddedStore::start_at(file, Options::default(), clock).unwrap();
    assert!(store.is_writable());
    broken.store(true, Ordering::Relaxed);
    drop(store.apply(&web(1)).await);
    let ended = async {
        while store.is_writable() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, ended).await.unwrap();
    let unavailable = vec![Answer::Definite(Outcome::Unavailable)];
    assert_eq!(store.apply(&web(2)).await, unavailable);
    let app = store.change_app(tell("web", &sized(1))).await;
    assert_eq!(app, Err(AppError::Unavailable));
}
