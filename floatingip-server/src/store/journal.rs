//! What the journal says of one address.

use std::net::IpAddr;

use floatingip_core::plan::Entry;
use floatingip_core::record::Version;
use floatingip_core::store::LoadError;
use floatingip_core::{Owner, WallTime};
use redb::{Database, ReadTransaction, ReadableDatabase};

use super::format::{self, AddressKey, Names};
use super::keep::{self, JOURNAL};
use super::tables::{self, damaged, unreadable};
use crate::backend::{History, HistoryQuestion};

/// Answers by one snapshot of the file.
pub(super) fn answer(
    database: &Database,
    question: &HistoryQuestion,
) -> Result<History, LoadError> {
    let transaction = database.begin_read().map_err(unreadable)?;
    let whole = tables::dropped(&transaction)? == Version(0);
    let mut told = match question.at {
        None => page(&transaction, question, whole),
        Some(at) => moment(&transaction, question.ip, at, whole),
    }?;
    told.since = keep::since(&transaction).map_err(unreadable)?;
    Ok(told)
}

fn page(
    transaction: &ReadTransaction,
    question: &HistoryQuestion,
    whole: bool,
) -> Result<History, LoadError> {
    let before = question.before.unwrap_or(Version(u64::MAX));
    // One more, to know whether there is one.
    let most = question.most.saturating_add(1);
    let mut entries = Vec::new();
    walk(transaction, question.ip, before, |version, entry| {
        entries.push((version, entry));
        entries.len() < most
    })?;
    let more = entries.len() > question.most;
    entries.truncate(question.most);
    Ok(History {
        entries,
        more,
        complete: whole || more,
        ..History::default()
    })
}

/// The last change that is dated at `at` or earlier, and what follows from it.
fn moment(
    transaction: &ReadTransaction,
    ip: IpAddr,
    at: WallTime,
    whole: bool,
) -> Result<History, LoadError> {
    let end = keep::end_of(transaction, at).map_err(unreadable)?;
    let mut found = None;
    walk(transaction, ip, end, |version, entry| {
        found = (entry.at <= at).then_some((version, entry));
        found.is_none()
    })?;
    let since = keep::since(transaction).map_err(unreadable)?;
    // All that was dropped is dated before: the oldest entry that is there says what it came to.
    let known = whole || since.is_some_and(|since| since <= at);
    let owner = match &found {
        Some((_, entry)) => entry.to.clone(),
        None if known => before_all(transaction, ip)?,
        None => None,
    };
    Ok(History {
        complete: known || found.is_some(),
        entries: found.into_iter().collect(),
        owner: owner.filter(|owner| *owner != Owner::Nobody),
        ..History::default()
    })
}

/// Who had the address before the oldest entry about it, or has it, where there is none.
fn before_all(transaction: &ReadTransaction, ip: IpAddr) -> Result<Option<Owner>, LoadError> {
    let table = transaction.open_table(JOURNAL).map_err(unreadable)?;
    let key = format::address_key(ip);
    let mut rows = table
        .range((&key, 0)..=(&key, u64::MAX))
        .map_err(unreadable)?;
    match rows.next() {
        Some(row) => {
            let (place, bytes) = row.map_err(unreadable)?;
            let version = Version(place.value().1);
            let entry = read_entry(&key, version, bytes.value(), ip, &mut Names::default())?;
            Ok(entry.from)
        }
        None => tables::owner(transaction, ip),
    }
}

/// Shows the address's entries before a version, the latest first, as long as `more` says so.
fn walk(
    transaction: &ReadTransaction,
    ip: IpAddr,
    before: Version,
    mut more: impl FnMut(Version, Entry) -> bool,
) -> Result<(), LoadError> {
    let table = transaction.open_table(JOURNAL).map_err(unreadable)?;
    let key = format::address_key(ip);
    let mut names = Names::default();
    let rows = table
        .range((&key, 0)..(&key, before.0))
        .map_err(unreadable)?;
    for row in rows.rev() {
        let (place, bytes) = row.map_err(unreadable)?;
        let version = Version(place.value().1);
        let entry = read_entry(&key, version, bytes.value(), ip, &mut names)?;
        if !more(version, entry) {
            break;
        }
    }
    Ok(())
}

fn read_entry(
    key: &AddressKey,
    version: Version,
    bytes: &[u8],
    ip: IpAddr,
    names: &mut Names,
) -> Result<Entry, LoadError> {
    format::entry_value(key, bytes)
        .and_then(|value| value.entry(names))
        .map_err(|error| damaged(format!("journal entry {version} of {ip}"), error))
}
