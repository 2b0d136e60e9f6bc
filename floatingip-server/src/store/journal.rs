//! What the journal says of one address.

use std::net::IpAddr;

use floatingip_core::plan::Entry;
use floatingip_core::record::Version;
use floatingip_core::store::LoadError;
use floatingip_core::{Owner, WallTime};
use redb::{Database, ReadTransaction, ReadableDatabase};

use super::format::{self, Names};
use super::tables::{self, damaged, unreadable};
use crate::backend::{History, HistoryQuestion};

/// Answers by one snapshot of the file.
pub(super) fn answer(
    database: &Database,
    question: &HistoryQuestion,
) -> Result<History, LoadError> {
    let transaction = database.begin_read().map_err(unreadable)?;
    let whole = tables::dropped(&transaction)? == Version(0);
    match question.at {
        None => page(&transaction, question, whole),
        Some(at) => moment(&transaction, question.ip, at, whole),
    }
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
        owner: None,
    })
}

/// The last change that is dated at `at` or earlier, and what follows from it.
fn moment(
    transaction: &ReadTransaction,
    ip: IpAddr,
    at: WallTime,
    whole: bool,
) -> Result<History, LoadError> {
    let mut found = None;
    let mut oldest = None;
    walk(transaction, ip, Version(u64::MAX), |version, entry| {
        if entry.at <= at {
            found = Some((version, entry));
            return false;
        }
        oldest = Some(entry);
        true
    })?;
    let owner = match (&found, oldest) {
        (Some((_, entry)), _) => entry.to.clone(),
        // What was dropped may have been dated before: nobody knows.
        (None, _) if !whole => None,
        (None, Some(oldest)) => oldest.from,
        (None, None) => tables::owner(transaction, ip)?,
    };
    Ok(History {
        complete: whole || found.is_some(),
        entries: found.into_iter().collect(),
        more: false,
        owner: owner.filter(|owner| *owner != Owner::Nobody),
    })
}

/// Shows the address's entries before a version, the latest first, as long as `more` says so.
fn walk(
    transaction: &ReadTransaction,
    ip: IpAddr,
    before: Version,
    mut more: impl FnMut(Version, Entry) -> bool,
) -> Result<(), LoadError> {
    let table = transaction
        .open_table(tables::JOURNAL)
        .map_err(unreadable)?;
    let key = format::address_key(ip);
    let mut names = Names::default();
    let rows = table
        .range((&key, 0)..(&key, before.0))
        .map_err(unreadable)?;
    for row in rows.rev() {
        let (place, bytes) = row.map_err(unreadable)?;
        let version = Version(place.value().1);
        let entry = format::entry_value(&key, bytes.value())
            .and_then(|value| value.entry(&mut names))
            .map_err(|error| damaged(format!("journal entry {version} of {ip}"), error))?;
        if !more(version, entry) {
            break;
        }
    }
    Ok(())
}
