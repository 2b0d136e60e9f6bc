//! The tables of the file, and what is read from them as a whole.

use std::net::IpAddr;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use floatingip_core::owner::AppRef;
use floatingip_core::plan::Entry;
use floatingip_core::record::{PoolRecord, Version};
use floatingip_core::store::{LoadError, Snapshot};
use floatingip_core::{Owner, PoolName, Record, WallTime};
use redb::{
    Database, Key, ReadTransaction, ReadableDatabase, ReadableTable, ReadableTableMetadata, Table,
    TableDefinition, TableError, TableHandle, WriteTransaction,
};

use super::Options;
use super::age::Reading;
use super::apps::AppRow;
use super::backup::Column;
use super::error::OpenError;
use super::format::{self, AddressKey, AppKey, FormatError, Names, STORE_FORMAT};
use super::keep::{self, JOURNAL, Journal};

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const ADDRESSES: TableDefinition<'_, &AddressKey, &[u8]> = TableDefinition::new("addresses");
const POOLS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("pools");
const DOCUMENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("documents");
const APPS: TableDefinition<'_, AppKey<'static>, &[u8]> = TableDefinition::new("apps");

/// Draining addresses that the journal was told of, with the version of that entry.
const DRAINING: TableDefinition<'_, &AddressKey, u64> = TableDefinition::new("draining");

const FORMAT: &str = "format";
const CREATED: &str = "created";
const VERSION: &str = "version";
/// The version of the latest entry that was dropped from the journal.
const DROPPED: &str = "journal_dropped";
/// What the journal's clock and the calendar showed at the last commit.
const CLOCK: &str = "journal_clock";
const WALL: &str = "journal_wall";

/// Every table of one write transaction.
pub(super) struct Tables<'txn> {
    pub(super) addresses: Table<'txn, &'static AddressKey, &'static [u8]>,
    pub(super) pools: Table<'txn, &'static str, &'static [u8]>,
    pub(super) documents: Table<'txn, &'static str, &'static [u8]>,
    pub(super) apps: Table<'txn, AppKey<'static>, &'static [u8]>,
    pub(super) draining: Table<'txn, &'static AddressKey, u64>,
    meta: Table<'txn, &'static str, u64>,
    pub(super) journal: Journal<'txn>,
}

impl<'txn> Tables<'txn> {
    pub(super) fn open(transaction: &'txn WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            addresses: transaction.open_table(ADDRESSES)?,
            pools: transaction.open_table(POOLS)?,
            documents: transaction.open_table(DOCUMENTS)?,
            apps: transaction.open_table(APPS)?,
            draining: transaction.open_table(DRAINING)?,
            meta: transaction.open_table(META)?,
            journal: Journal::open(transaction)?,
        })
    }

    /// The version of the latest write.
    pub(super) fn version(&self) -> Result<Version, redb::Error> {
        Ok(version(&self.meta)?)
    }

    pub(super) fn set_version(&mut self, version: Version) -> Result<(), redb::Error> {
        self.meta.insert(VERSION, version.0)?;
        Ok(())
    }

    /// The last reading of the journal's clock.
    pub(super) fn reading(&self) -> Result<Option<Reading>, redb::Error> {
        let number = |name| Ok::<_, redb::Error>(self.meta.get(name)?.map(|row| row.value()));
        let (clock, wall) = (number(CLOCK)?, number(WALL)?);
        Ok(clock.zip(wall).map(|(clock, wall)| Reading {
            clock,
            wall: WallTime::from_nanos(wall),
        }))
    }

    pub(super) fn set_reading(&mut self, reading: Reading) -> Result<(), redb::Error> {
        self.meta.insert(CLOCK, reading.clock)?;
        self.meta.insert(WALL, reading.wall.as_nanos())?;
        Ok(())
    }

    /// Drops what the journal has too much, or the first of it. Whether nothing was to be dropped.
    pub(super) fn settle_journal(&mut self, options: &Options) -> Result<bool, redb::Error> {
        let dropped = self.journal.settle(options)?;
        if let Some(version) = dropped {
            self.meta.insert(DROPPED, version.0)?;
        }
        Ok(dropped.is_none())
    }
}

/// What is done with every table, whatever is in it.
pub(super) trait Visitor {
    type Error;

    fn table<K: Column + Key, V: Column>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<(), Self::Error>;
}

/// Shows every table there can be. A backup has those that are shown here, and no others.
pub(super) fn for_each<V: Visitor>(visitor: &mut V) -> Result<(), V::Error> {
    visitor.table(META)?;
    visitor.table(ADDRESSES)?;
    visitor.table(POOLS)?;
    visitor.table(DOCUMENTS)?;
    visitor.table(APPS)?;
    visitor.table(DRAINING)?;
    keep::for_each(visitor)
}

/// Makes the tables of a new file; checks the format of an old one.
pub(super) fn prepare(database: &Database, path: &Path) -> Result<(), OpenError> {
    let failed = |error: redb::Error| OpenError::from_redb(path, error);
    match stored_format(database).map_err(failed)? {
        Stored::Nothing => create(database).map_err(failed),
        stored => {
            check_format(stored, path)?;
            divide(database).map_err(failed)
        }
    }
}

/// Whether it is a store that this server reads. One without any table is none.
pub(super) fn check(database: &Database, path: &Path) -> Result<(), OpenError> {
    let stored = stored_format(database);
    check_format(
        stored.map_err(|error| OpenError::from_redb(path, error))?,
        path,
    )
}

fn check_format(stored: Stored, path: &Path) -> Result<(), OpenError> {
    match stored {
        Stored::Format(STORE_FORMAT) => Ok(()),
        Stored::Format(found) if found > STORE_FORMAT => Err(OpenError::Newer {
            path: path.to_path_buf(),
            found,
            supported: STORE_FORMAT,
        }),
        Stored::Nothing | Stored::Format(_) | Stored::SomethingElse => Err(OpenError::Foreign {
            path: path.to_path_buf(),
        }),
    }
}

#[derive(Clone, Copy)]
enum Stored {
    Nothing,
    Format(u64),
    SomethingElse,
}

fn stored_format(database: &Database) -> Result<Stored, redb::Error> {
    let transaction = database.begin_read()?;
    let mut tables = transaction.list_tables()?.peekable();
    if tables.peek().is_none() {
        return Ok(Stored::Nothing);
    }
    if !tables.any(|table| table.name() == META.name()) {
        return Ok(Stored::SomethingElse);
    }
    match transaction.open_table(META) {
        Ok(meta) => Ok(meta.get(FORMAT)?.map_or(Stored::SomethingElse, |format| {
            Stored::Format(format.value())
        })),
        Err(TableError::Storage(error)) => Err(error.into()),
        Err(_) => Ok(Stored::SomethingElse),
    }
}

fn create(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut tables = Tables::open(&transaction)?;
        let created = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        tables.meta.insert(FORMAT, STORE_FORMAT)?;
        tables.meta.insert(CREATED, created)?;
        tables.meta.insert(VERSION, 0)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Once for a file of before the journal had segments: a million entries take some seconds.
fn divide(database: &Database) -> Result<(), redb::Error> {
    if keep::is_divided(&database.begin_read()?)? {
        return Ok(());
    }
    let transaction = database.begin_write()?;
    Tables::open(&transaction)?.journal.divide()?;
    transaction.commit()?;
    Ok(())
}

/// Everything there is, of one moment.
pub(super) fn snapshot(database: &Database) -> Result<Snapshot, LoadError> {
    let transaction = database.begin_read().map_err(unreadable)?;
    Ok(Snapshot {
        addresses: addresses(&transaction)?,
        pools: pools(&transaction)?,
        version: version(&transaction.open_table(META).map_err(unreadable)?).map_err(unreadable)?,
    })
}

fn addresses(transaction: &ReadTransaction) -> Result<Vec<(IpAddr, Version, Record)>, LoadError> {
    let table = transaction.open_table(ADDRESSES).map_err(unreadable)?;
    let mut names = Names::default();
    let mut found = Vec::with_capacity(capacity(table.len().map_err(unreadable)?));
    for row in table.iter().map_err(unreadable)? {
        let (key, bytes) = row.map_err(unreadable)?;
        let key = key.value();
        let ip = format::key_address(key)
            .ok_or_else(|| damaged(format!("address key {key:?}"), FormatError::Key))?;
        let (version, record) = format::address_value(key, bytes.value())
            .and_then(|value| Ok((value.version(), value.record(&mut names)?)))
            .map_err(|error| damaged(format!("address {ip}"), error))?;
        found.push((ip, version, record));
    }
    Ok(found)
}

fn pools(transaction: &ReadTransaction) -> Result<Vec<(PoolName, Version, PoolRecord)>, LoadError> {
    let table = transaction.open_table(POOLS).map_err(unreadable)?;
    let mut found = Vec::new();
    for row in table.iter().map_err(unreadable)? {
        let (key, bytes) = row.map_err(unreadable)?;
        let place = || format!("pool {}", key.value());
        let name = key
            .value()
            .parse()
            .map_err(|error| damaged(place(), FormatError::Pool(error)))?;
        let value = format::pool_value(key.value(), bytes.value())
            .map_err(|error| damaged(place(), error))?;
        found.push((name, value.version(), value.record()));
    }
    Ok(found)
}

/// Every app that was told of.
pub(super) fn apps(database: &Database) -> Result<Vec<(AppRef, AppRow)>, LoadError> {
    let transaction = database.begin_read().map_err(unreadable)?;
    let table = match transaction.open_table(APPS) {
        // A file of before there were apps has the table from its first write on.
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table.map_err(unreadable)?,
    };
    let mut found = Vec::new();
    for row in table.iter().map_err(unreadable)? {
        let (key, bytes) = row.map_err(unreadable)?;
        let app = format::key_app(key.value());
        let row = format::app_row(key.value(), bytes.value())
            .map_err(|error| damaged(format!("app {app}"), error))?;
        found.push((app, row));
    }
    Ok(found)
}

/// The journal's latest entries of an address, the latest first, with the versions of their writes.
pub(super) fn history(
    database: &Database,
    ip: IpAddr,
    most: usize,
) -> Result<Vec<(Version, Entry)>, LoadError> {
    let transaction = database.begin_read().map_err(unreadable)?;
    let table = transaction.open_table(JOURNAL).map_err(unreadable)?;
    let key = format::address_key(ip);
    let mut names = Names::default();
    let rows = table
        .range((&key, 0)..=(&key, u64::MAX))
        .map_err(unreadable)?;
    rows.rev()
        .take(most)
        .map(|row| {
            let (place, bytes) = row.map_err(unreadable)?;
            let version = Version(place.value().1);
            let entry = format::entry_value(&key, bytes.value())
                .and_then(|value| value.entry(&mut names))
                .map_err(|error| damaged(format!("journal entry {version} of {ip}"), error))?;
            Ok((version, entry))
        })
        .collect()
}

/// The version of the latest entry that was dropped from the journal; 0 where none was.
pub(super) fn dropped(transaction: &ReadTransaction) -> Result<Version, LoadError> {
    let meta = transaction.open_table(META).map_err(unreadable)?;
    let dropped = meta.get(DROPPED).map_err(unreadable)?;
    Ok(Version(dropped.map_or(0, |version| version.value())))
}

/// Who has an address.
pub(super) fn owner(transaction: &ReadTransaction, ip: IpAddr) -> Result<Option<Owner>, LoadError> {
    let table = transaction.open_table(ADDRESSES).map_err(unreadable)?;
    let key = format::address_key(ip);
    let Some(bytes) = table.get(&key).map_err(unreadable)? else {
        return Ok(None);
    };
    let record = format::address_value(&key, bytes.value())
        .and_then(|value| value.record(&mut Names::default()));
    let record = record.map_err(|error| damaged(format!("address {ip}"), error))?;
    Ok(Some(record.owner))
}

pub(super) fn document(database: &Database, name: &str) -> Result<Option<String>, LoadError> {
    let transaction = database.begin_read().map_err(unreadable)?;
    let table = transaction.open_table(DOCUMENTS).map_err(unreadable)?;
    let Some(bytes) = table.get(name).map_err(unreadable)? else {
        return Ok(None);
    };
    format::document_text(name, bytes.value())
        .map(Some)
        .map_err(|error| damaged(format!("document {name}"), error))
}

fn version(meta: &impl ReadableTable<&'static str, u64>) -> Result<Version, redb::StorageError> {
    Ok(Version(meta.get(VERSION)?.map_or(0, |value| value.value())))
}

/// Room for as many rows as a table says it has, within reason.
fn capacity(rows: u64) -> usize {
    const MOST: usize = 1 << 22;
    usize::try_from(rows).map_or(MOST, |rows| rows.min(MOST))
}

pub(super) fn damaged(place: String, error: FormatError) -> LoadError {
    LoadError::Damaged {
        place,
        source: Box::new(error),
    }
}

/// What redb says while reading: a page that is not what it was, or a disk that does not answer.
pub(super) fn unreadable(error: impl Into<redb::Error>) -> LoadError {
    match error.into() {
        error @ redb::Error::Corrupted(_) => LoadError::Damaged {
            place: "the database file".to_owned(),
            source: Box::new(error),
        },
        error => LoadError::Unavailable(Box::new(error)),
    }
}
