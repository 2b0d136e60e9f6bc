//! What the journal keeps: entries in their order, in segments that know how old they are, and three
//! bounds.

use std::time::Duration;

use floatingip_core::WallTime;
use floatingip_core::record::Version;
use redb::{
    ReadTransaction, ReadableTable, ReadableTableMetadata, Table, TableDefinition, TableError,
    WriteTransaction,
};

use super::Options;
use super::format::{self, AddressKey, Segment};
use super::tables::Visitor;

/// By address, then by the version of the write that the entry tells of.
pub(super) const JOURNAL: TableDefinition<'_, (&AddressKey, u64), &[u8]> =
    TableDefinition::new("journal");
/// The journal's entries from the oldest to the latest, by which it is kept short.
const JOURNAL_ORDER: TableDefinition<'_, u64, &AddressKey> = TableDefinition::new("journal_order");
/// Runs of entries, by the version of the first that was ever in it.
const SEGMENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal_segments");
/// What is known of the journal as a whole.
const KEPT: TableDefinition<'_, &str, u64> = TableDefinition::new("journal_kept");

/// Shows the journal's tables; see [`super::tables::for_each`].
pub(super) fn for_each<V: Visitor>(visitor: &mut V) -> Result<(), V::Error> {
    visitor.table(JOURNAL)?;
    visitor.table(JOURNAL_ORDER)?;
    visitor.table(SEGMENTS)?;
    visitor.table(KEPT)
}

/// Bytes of all entries.
const BYTES: &str = "bytes";
/// The latest date on any entry that was dropped.
const SINCE: &str = "since";

/// A segment takes entries for an hour, and so many.
const SEGMENT_SECONDS: u64 = 60 * 60;
const SEGMENT_ENTRIES: u64 = 4096;

/// What an entry takes beside its value: its keys in both tables.
const KEYS: usize = 2 * (size_of::<AddressKey>() + size_of::<u64>());

/// A commit drops so many entries more than twice what it adds: it catches up with a bound that was
/// lowered, and no commit becomes slow by it.
const SPARE_DROPS: u64 = 256;

/// The journal in one write transaction.
pub(super) struct Journal<'txn> {
    /// The time by the journal's clock, in seconds.
    pub(super) now: u64,
    entries: Table<'txn, (&'static AddressKey, u64), &'static [u8]>,
    order: Table<'txn, u64, &'static AddressKey>,
    segments: Table<'txn, u64, &'static [u8]>,
    kept: Table<'txn, &'static str, u64>,
    /// The segment that is being filled, where this transaction has added to it.
    open: Option<(u64, Segment)>,
    added: u64,
    bytes: u64,
}

impl<'txn> Journal<'txn> {
    pub(super) fn open(transaction: &'txn WriteTransaction) -> Result<Self, TableError> {
        let kept = transaction.open_table(KEPT)?;
        let bytes = kept.get(BYTES)?.map_or(0, |bytes| bytes.value());
        Ok(Self {
            now: 0,
            entries: transaction.open_table(JOURNAL)?,
            order: transaction.open_table(JOURNAL_ORDER)?,
            segments: transaction.open_table(SEGMENTS)?,
            kept,
            open: None,
            added: 0,
            bytes,
        })
    }

    pub(super) fn add(
        &mut self,
        key: &AddressKey,
        version: Version,
        at: WallTime,
        bytes: &[u8],
    ) -> Result<(), redb::Error> {
        self.entries.insert((key, version.0), bytes)?;
        self.order.insert(version.0, key)?;
        self.count(version.0, at, bytes.len())
    }

    /// Takes an entry that is in the tables into a segment.
    fn count(&mut self, version: u64, at: WallTime, len: usize) -> Result<(), redb::Error> {
        let last = match self.open.take() {
            Some(open) => Some(open),
            None => self.segments.last()?.and_then(read_segment),
        };
        let room = |segment: &Segment| {
            segment.entries < SEGMENT_ENTRIES
                && self.now.saturating_sub(segment.begun) < SEGMENT_SECONDS
        };
        let (first, mut segment) = match last {
            Some((first, segment)) if room(&segment) => (first, segment),
            full => {
                self.put(full)?;
                (version, self.empty_segment())
            }
        };
        segment.entries = segment.entries.saturating_add(1);
        segment.earliest = segment.earliest.min(at.as_nanos());
        segment.ended = self.now;
        self.open = Some((first, segment));
        self.added = self.added.saturating_add(1);
        self.bytes = self.bytes.saturating_add(cost(len));
        Ok(())
    }

    const fn empty_segment(&self) -> Segment {
        Segment {
            entries: 0,
            earliest: u64::MAX,
            begun: self.now,
            ended: self.now,
        }
    }

    fn put(&mut self, segment: Option<(u64, Segment)>) -> Result<(), redb::Error> {
        // A segment of four numbers can always be encoded; without its row the entries stay.
        if let Some((first, segment)) = segment
            && let Ok(bytes) = format::segment_bytes(first, &segment)
        {
            self.segments.insert(first, bytes.as_slice())?;
        }
        Ok(())
    }

    /// Writes down what was added, and drops the oldest entries that a bound forbids, or the first of
    /// them. The version of the last one that was dropped.
    pub(super) fn settle(&mut self, options: &Options) -> Result<Option<Version>, redb::Error> {
        let open = self.open.take();
        self.put(open)?;
        let most = self.added.saturating_mul(2).saturating_add(SPARE_DROPS);
        let mut dropped = None;
        let mut since = self.kept.get(SINCE)?.map_or(0, |since| since.value());
        let mut oldest = self.segments.first()?.and_then(read_segment);
        for _ in 0..most {
            if !self.is_too_much(options, oldest.as_ref())? {
                break;
            }
            let Some((version, at)) = self.drop_oldest()? else {
                break;
            };
            dropped = Some(Version(version));
            since = since.max(at.as_nanos());
            oldest = self.without_one(oldest)?;
        }
        self.put(oldest)?;
        self.kept.insert(BYTES, self.bytes)?;
        if dropped.is_some() {
            self.kept.insert(SINCE, since)?;
        }
        Ok(dropped)
    }

    fn is_too_much(
        &self,
        options: &Options,
        oldest: Option<&(u64, Segment)>,
    ) -> Result<bool, redb::Error> {
        let old = |age: Duration| {
            oldest
                .is_some_and(|(_, segment)| self.now.saturating_sub(segment.ended) > age.as_secs())
        };
        Ok(self.order.len()? > options.journal_limit
            || self.bytes > options.journal_bytes
            || options.journal_age.is_some_and(old))
    }

    /// Its version and date; a date that cannot be read any more is none.
    fn drop_oldest(&mut self) -> Result<Option<(u64, WallTime)>, redb::Error> {
        let Some((version, key)) = self.order.pop_first()? else {
            return Ok(None);
        };
        let (version, key) = (version.value(), *key.value());
        let Some(bytes) = self.entries.remove((&key, version))? else {
            return Ok(Some((version, WallTime::default())));
        };
        self.bytes = self.bytes.saturating_sub(cost(bytes.value().len()));
        let at = format::entry_value(&key, bytes.value()).map(|entry| entry.at());
        Ok(Some((version, at.unwrap_or_default())))
    }

    /// The oldest segment once its oldest entry is dropped: the next one, if that was its last.
    fn without_one(
        &mut self,
        oldest: Option<(u64, Segment)>,
    ) -> Result<Option<(u64, Segment)>, redb::Error> {
        let Some((first, mut segment)) = oldest else {
            return Ok(None);
        };
        segment.entries = segment.entries.saturating_sub(1);
        if segment.entries > 0 {
            return Ok(Some((first, segment)));
        }
        self.segments.remove(first)?;
        Ok(self.segments.first()?.and_then(read_segment))
    }

    /// Makes the segments of a journal that was written before there were any.
    pub(super) fn divide(&mut self) -> Result<(), redb::Error> {
        if self.segments.first()?.is_some() {
            return Ok(());
        }
        let mut after = 0;
        while let Some((version, at, len)) = self.next_entry(after)? {
            self.count(version, at, len)?;
            after = version.saturating_add(1);
        }
        let open = self.open.take();
        self.put(open)?;
        self.kept.insert(BYTES, self.bytes)?;
        Ok(())
    }

    fn next_entry(&self, from: u64) -> Result<Option<(u64, WallTime, usize)>, redb::Error> {
        let Some(row) = self.order.range(from..)?.next() else {
            return Ok(None);
        };
        let (version, key) = row?;
        let (version, key) = (version.value(), key.value());
        let Some(bytes) = self.entries.get((key, version))? else {
            return Ok(Some((version, WallTime::default(), 0)));
        };
        let at = format::entry_value(key, bytes.value()).map(|entry| entry.at());
        let at = at.unwrap_or_default();
        Ok(Some((version, at, bytes.value().len())))
    }
}

/// Whether the file has segments already.
pub(super) fn is_divided(transaction: &ReadTransaction) -> Result<bool, redb::Error> {
    match transaction.open_table(SEGMENTS) {
        Ok(_) => Ok(true),
        Err(TableError::TableDoesNotExist(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The version after which all entries are dated after `at`: no need to look there. In time
/// proportional to the segments since then.
pub(super) fn end_of(transaction: &ReadTransaction, at: WallTime) -> Result<Version, redb::Error> {
    let mut end = u64::MAX;
    for row in transaction.open_table(SEGMENTS)?.iter()?.rev() {
        match read_segment(row?) {
            Some((first, segment)) if segment.earliest > at.as_nanos() => end = first,
            _ => break,
        }
    }
    Ok(Version(end))
}

/// The latest date on any entry that was dropped; everything that is dated later is there.
pub(super) fn since(transaction: &ReadTransaction) -> Result<Option<WallTime>, redb::Error> {
    let since = transaction.open_table(KEPT)?.get(SINCE)?;
    Ok(since.map(|since| WallTime::from_nanos(since.value())))
}

/// None for a row that is damaged: it is passed over, for what it tells can be found without it.
fn read_segment(
    (first, bytes): (
        redb::AccessGuard<'_, u64>,
        redb::AccessGuard<'_, &'static [u8]>,
    ),
) -> Option<(u64, Segment)> {
    let first = first.value();
    let segment = format::segment_value(first, bytes.value()).ok()?;
    Some((first, segment))
}

fn cost(len: usize) -> u64 {
    u64::try_from(len.saturating_add(KEYS)).unwrap_or(u64::MAX)
}
