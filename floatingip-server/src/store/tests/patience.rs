//! A disk that hangs: whoever waits is told so.

use super::apps::tell;
use super::disk::Disk;
use super::drains::{at, configured};
use super::*;

/// What a document, an app and notes of what drains come to.
type Answers = (
    Result<(), DocumentError>,
    Result<(), AppError>,
    Result<usize, DocumentError>,
);

/// Asks for all three at once; none where they wait for longer than anybody should.
async fn ask(store: &EmbeddedStore) -> Option<Answers> {
    let topology = configured("10.0.0.1");
    let all = async {
        tokio::join!(
            store.put_document("config", "[1]"),
            store.change_app(tell("web", &Told::Gone)),
            store.note_drains(|| Arc::clone(&topology), at(1)),
        )
    };
    tokio::time::timeout(Duration::from_secs(60), all)
        .await
        .ok()
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_disk_that_hangs_is_told_that_it_is_perhaps_written() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    disk.hold_flushes(true);
    let told = ask(&store).await;
    disk.hold_flushes(false);
    let document = Err(DocumentError::Unknown);
    let drains = Err(DocumentError::Unknown);
    assert_eq!(told, Some((document, Err(AppError::Unknown), drains)));
    // It was only late.
    store.close();
    drop(store);
    let store = disk.store().unwrap();
    assert_eq!(store.document("config").unwrap().as_deref(), Some("[1]"));
    assert_eq!(store.apps().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_in_the_queue_is_told_that_it_is_not_written() {
    let disk = Disk::default();
    let store = disk.store().unwrap();
    disk.hold_flushes(true);
    let batches: Vec<Batch> = (1..=1024).map(web).collect();
    let mut waiting: Vec<_> = batches.iter().map(|b| Box::pin(store.apply(b))).collect();
    for future in &mut waiting {
        assert!(poll(future.as_mut()).is_pending());
    }
    let told = ask(&store).await;
    disk.hold_flushes(false);
    let document = Err(DocumentError::Unavailable);
    let drains = Err(DocumentError::Unavailable);
    assert_eq!(told, Some((document, Err(AppError::Unavailable), drains)));
    for future in waiting {
        assert_applied(&future.await);
    }
    assert_eq!(store.document("config").unwrap(), None);
}
