use std::collections::BTreeSet;
use std::fs;

use fastrand::Rng;
use floatingip_core::Store;
use floatingip_core::testing::fixture::{
    batch, create, ip, ip6, pod, pool_record, put_pool, record,
};
use redb::{ReadableDatabase, TableDefinition, TableHandle};
use tempfile::TempDir;

use super::super::EmbeddedStore;
use super::*;

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A store with rows in every table that a server fills by itself.
async fn filled(dir: &Path) -> EmbeddedStore {
    let store = EmbeddedStore::open(dir).unwrap();
    let writes = [
        create(ip6(1), record(pod("six").owner())),
        create(ip(2), record(pod("web").in_pool("blue").owner())),
        put_pool("blue", None, pool_record(3)),
    ];
    store.apply(&batch(1, writes)).await;
    store.put_document("config", "[1]").await.unwrap();
    store
}

async fn example() -> Vec<u8> {
    let folder = folder();
    filled(folder.path()).await.close();
    let mut bytes = Vec::new();
    back_up(folder.path(), &mut bytes).unwrap();
    bytes
}

/// What is in a folder beside the lock.
fn left_in(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "floatingip.lock").collect()
}

fn refused(bytes: &[u8]) -> RestoreError {
    let folder = folder();
    let error = restore(folder.path(), bytes).unwrap_err();
    assert_eq!(left_in(folder.path()), [""; 0], "{error}");
    error
}

/// The names of the tables that a visitor is shown.
#[derive(Default)]
struct Shown(BTreeSet<String>);

impl tables::Visitor for Shown {
    type Error = ();

    fn table<K: Column + redb::Key, V: Column>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<(), ()> {
        assert!(self.0.insert(definition.name().to_owned()), "shown twice");
        Ok(())
    }
}

#[tokio::test]
async fn every_table_of_a_store_is_in_its_backup() {
    let folder = folder();
    filled(folder.path()).await.close();
    let database = redb::Database::open(folder.path().join("floatingip.redb")).unwrap();
    let transaction = database.begin_read().unwrap();
    let there = transaction.list_tables().unwrap();
    let there: BTreeSet<_> = there.map(|table| table.name().to_owned()).collect();
    assert_eq!(transaction.list_multimap_tables().unwrap().count(), 0);
    let mut shown = Shown::default();
    tables::for_each(&mut shown).unwrap();
    assert_eq!(shown.0, there);
}

#[tokio::test]
async fn what_is_restored_is_what_was_backed_up() {
    let (from, to) = (folder(), folder());
    let store = filled(from.path()).await;
    let before = (
        store.load().await.unwrap(),
        store.history(ip(2), 9).unwrap(),
    );
    store.close();
    let mut bytes = Vec::new();
    let written = back_up(from.path(), &mut bytes).unwrap();
    let dir = to.path().join("new");
    assert_eq!(restore(&dir, &bytes[..]).unwrap(), written);
    assert_eq!(left_in(&dir), ["floatingip.redb"]);
    assert_eq!(check(&bytes[..]).unwrap(), written);

    let mut again = Vec::new();
    back_up(&dir, &mut again).unwrap();
    assert_eq!(again, bytes, "the backup of what is restored is the same");
    let store = EmbeddedStore::open(&dir).unwrap();
    let after = (
        store.load().await.unwrap(),
        store.history(ip(2), 9).unwrap(),
    );
    assert_eq!(after, before);
    assert_eq!(store.document("config").unwrap().as_deref(), Some("[1]"));
}

#[tokio::test]
async fn a_backup_cut_off_anywhere_is_refused_and_leaves_nothing() {
    let bytes = example().await;
    for length in 0..bytes.len() {
        let error = check(&bytes[..length]).unwrap_err();
        let cut = matches!(error, ReadError::CutOff { bytes } if bytes <= length as u64);
        assert!(
            cut || matches!(error, ReadError::Foreign) && length < 17,
            "{length}: {error}"
        );
    }
    for length in (0..bytes.len()).step_by(97) {
        refused(&bytes[..length]);
    }
    let longer = [&bytes[..], &[0]].concat();
    let error = refused(&longer);
    assert!(error.to_string().contains("follows its end"), "{error}");
}

#[tokio::test]
async fn a_backup_with_any_bit_turned_is_refused_and_leaves_nothing() {
    let bytes = example().await;
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(check(&bad[..]).is_err(), "bit {bit}");
    }
    let mut random = Rng::with_seed(7);
    for _ in 0..40 {
        let mut bad = bytes.clone();
        bad[random.usize(..bytes.len())] ^= random.u8(1..);
        refused(&bad);
    }
}

/// A backup whose checksum is right, whatever is in it.
fn sealed(write: impl FnOnce(&mut frame::Sink<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sink = frame::Sink::begin(&mut bytes).unwrap();
    write(&mut sink);
    sink.end().unwrap();
    bytes
}

#[test]
fn what_is_whole_and_makes_no_sense_is_refused_and_leaves_nothing() {
    let table = |name: &'static str, key: &'static [u8], value: &'static [u8]| {
        sealed(|sink| {
            sink.table(name).unwrap();
            sink.row(key, value).unwrap();
            sink.end_table().unwrap();
        })
    };
    for (bytes, said) in [
        (sealed(|_| {}), "no tables"),
        (table("shoes", b"", b""), "does not know"),
        (table("meta", b"\xff", &[0; 8]), "cannot have"),
        (table("meta", b"format", b"\x01"), "cannot have"),
        (table("addresses", b"four", b""), "cannot have"),
        (
            table("apps", b"\xff\xff\xff\xff\xff\xff\xff\xff", b""),
            "cannot have",
        ),
        (table("meta", b"created", &[0; 8]), "no store"),
        (table("meta", b"format", &[1; 8]), "no store"),
        (b"ustar".to_vec(), "no backup"),
        (Vec::new(), "no backup"),
    ] {
        let error = refused(&bytes).to_string();
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn a_table_with_fewer_rows_than_it_says_is_refused() {
    let mut bytes = sealed(|sink| {
        sink.table("meta").unwrap();
        sink.row(b"format", &[1; 8]).unwrap();
        sink.end_table().unwrap();
    });
    let end = bytes.len() - 4;
    let rows = end - 9;
    bytes[rows] += 1;
    let sum = crc32fast::hash(&bytes[..end]);
    bytes[end..].copy_from_slice(&sum.to_le_bytes());
    let error = refused(&bytes).to_string();
    assert!(error.contains("rows are missing"), "{error}");
}

#[tokio::test]
async fn a_backup_of_a_later_version_is_refused_by_its_name() {
    let mut bytes = example().await;
    bytes[18] = 200;
    let error = refused(&bytes).to_string();
    let version = env!("CARGO_PKG_VERSION");
    assert!(error.contains("200") && error.contains(version), "{error}");
    bytes[17] = 9;
    assert!(refused(&bytes).to_string().contains("format 9"));
}

#[tokio::test]
async fn a_store_that_is_there_or_in_use_is_left_alone() {
    let bytes = example().await;
    let folder = folder();
    let store = filled(folder.path()).await;
    let error = restore(folder.path(), &bytes[..]).unwrap_err();
    let locked = RestoreError::Folder(OpenError::Locked {
        dir: folder.path().into(),
    });
    assert_eq!(error.to_string(), locked.to_string());
    let error = back_up(folder.path(), &mut Vec::new()).unwrap_err();
    assert!(
        matches!(error, CopyError::Open(OpenError::Locked { .. })),
        "{error}"
    );
    store.close();
    let file = folder.path().join("floatingip.redb");
    let before = fs::read(&file).unwrap();
    let error = restore(folder.path(), &bytes[..]).unwrap_err();
    assert!(matches!(error, RestoreError::Exists { .. }), "{error}");
    assert!(fs::read(&file).unwrap() == before);
}

#[test]
fn a_folder_without_a_store_is_not_made_one() {
    let folder = folder();
    let dir = folder.path().join("none");
    let error = back_up(&dir, &mut Vec::new()).unwrap_err();
    assert!(
        matches!(error, CopyError::Open(OpenError::Missing { .. })),
        "{error}"
    );
    assert!(!dir.exists());
}

#[tokio::test]
async fn many_rows_are_restored_by_several_transactions() {
    let example = example().await;
    let mut frames = Frames::begin(&example[..]).unwrap();
    let backup = sealed(|sink| {
        let mut many = false;
        loop {
            match frames.next().unwrap() {
                Frame::Table(name) => {
                    many = name == "journal_order";
                    sink.table(name).unwrap();
                }
                Frame::Row { .. } if many => {}
                Frame::Row { key, value } => sink.row(key, value).unwrap(),
                Frame::TableEnd => {
                    for row in (0..70_000_u64).filter(|_| many) {
                        sink.row(&row.to_le_bytes(), &[4; 17]).unwrap();
                    }
                    sink.end_table().unwrap();
                }
                Frame::End(_) => break,
            }
        }
    });
    let folder = folder();
    let restored = restore(folder.path(), &backup[..]).unwrap();
    assert!(restored.rows > 70_000);
    let mut again = Vec::new();
    back_up(folder.path(), &mut again).unwrap();
    assert!(again == backup);
}

#[test]
fn a_length_that_is_a_lie_costs_no_memory() {
    let mut bytes = Vec::new();
    let mut sink = frame::Sink::begin(&mut bytes).unwrap();
    sink.table("pools").unwrap();
    bytes.extend([2, 255, 255, 255, 255, 0, 0, 0, 0]);
    let error = check(&bytes[..]).unwrap_err();
    assert!(
        error.to_string().contains("a length that no row has"),
        "{error}"
    );
}
