use std::io::Read;

use tempfile::TempDir;

use super::*;
use crate::store::EmbeddedStore;
use crate::store::backup::{PassError, ReadError};

/// The longest wait for anything that has to happen.
const LIMIT: Duration = Duration::from_secs(60);

/// A store with a backup that no socket's buffer holds, and its server.
struct Fixture {
    folder: TempDir,
    store: EmbeddedStore,
    tally: Tally,
    serving: tokio::task::JoinHandle<()>,
}

impl Fixture {
    async fn new(stall: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let text = "long ".repeat(200_000);
        for name in ["a", "b", "c", "d"] {
            store.put_document(name, &text).await.unwrap();
        }
        let (tally, copier) = (Tally::default(), store.copier());
        let patience = Patience { stall, ..PATIENCE };
        let backups = Backups::open_with(folder.path(), copier, tally.clone(), patience).unwrap();
        Self {
            serving: tokio::spawn(backups.serve()),
            folder,
            store,
            tally,
        }
    }

    /// A reader who has read the first byte: its backup is under way.
    async fn reader(&self) -> UnixStream {
        let path = self.folder.path().join(SOCKET);
        in_a_thread(move || {
            let stream = UnixStream::connect(path).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            (&stream).read_exact(&mut [0]).unwrap();
            stream
        })
        .await
    }

    async fn backup(&self) -> Result<(Summary, Vec<u8>), PassError> {
        let path = self.folder.path().join(SOCKET);
        in_a_thread(move || {
            let stream = UnixStream::connect(path).unwrap();
            stream.set_read_timeout(Some(LIMIT)).unwrap();
            let mut bytes = Vec::new();
            backup::pass_on(stream, &mut bytes).map(|summary| (summary, bytes))
        })
        .await
    }

    async fn failures_become(&self, failures: u64) {
        let all = async {
            while self.tally.failed() < failures {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LIMIT, all).await.unwrap();
    }
}

async fn in_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

async fn rest(mut reader: UnixStream) -> usize {
    // An end that was cut may be told as a fault: what matters is that it comes.
    in_a_thread(move || {
        let mut bytes = Vec::new();
        let _ = reader.read_to_end(&mut bytes);
        bytes.len()
    })
    .await
}

#[tokio::test]
async fn one_backup_after_the_other_is_what_the_store_holds() {
    let fixture = Fixture::new(LIMIT).await;
    let first = fixture.backup().await.unwrap();
    for _ in 0..20 {
        assert!(fixture.backup().await.unwrap() == first);
    }
    fixture.store.close();
    let mut bytes = Vec::new();
    let folder = fixture.folder.path();
    fixture.serving.abort();
    assert_eq!(backup::back_up(folder, &mut bytes).unwrap(), first.0);
    assert!(bytes == first.1);
}

#[tokio::test]
async fn a_reader_who_stalls_is_dropped_and_the_next_one_is_served() {
    let fixture = Fixture::new(Duration::from_secs(2)).await;
    let reader = fixture.reader().await;
    fixture.failures_become(1).await;
    fixture.backup().await.unwrap();
    let (whole, _) = fixture.backup().await.unwrap();
    assert!(whole.rows >= 4);
    assert!(rest(reader).await < 4_000_000);
}

#[tokio::test]
async fn who_asks_while_another_one_reads_is_told_so() {
    let fixture = Fixture::new(LIMIT).await;
    let reader = fixture.reader().await;
    let error = fixture.backup().await.unwrap_err();
    assert!(
        matches!(&error, PassError::Read(ReadError::GivenUp { why }) if why == BUSY),
        "{error}"
    );
    assert!(rest(reader).await > 4_000_000);
}

#[tokio::test]
async fn the_end_of_the_server_cuts_a_backup_and_takes_the_socket_away() {
    let fixture = Fixture::new(LIMIT).await;
    let reader = fixture.reader().await;
    fixture.serving.abort();
    assert!(rest(reader).await < 4_000_000);
    assert!(!fixture.folder.path().join(SOCKET).exists());
}

#[tokio::test]
async fn a_store_that_closes_meanwhile_is_told_to_the_reader() {
    let fixture = Fixture::new(LIMIT).await;
    let stream = fixture.reader().await;
    fixture.store.close();
    let told = in_a_thread(move || backup::check((&b"f"[..]).chain(stream))).await;
    assert!(matches!(told, Err(ReadError::GivenUp { .. })), "{told:?}");
}

#[test]
fn another_file_of_the_sockets_name_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(SOCKET);
    fs::write(&path, "mine").unwrap();
    assert!(Door::open(path.clone()).is_err());
    assert_eq!(fs::read_to_string(path).unwrap(), "mine");
}
