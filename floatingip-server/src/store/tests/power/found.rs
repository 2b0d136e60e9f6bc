//! What a power cut has left in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use floatingip_core::plan::{Entry, Event, Write};
use floatingip_core::record::{Target, Value, Version};
use floatingip_core::store::{LoadError, Snapshot};
use floatingip_core::{Owner, Store};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};

use super::Broken;
use crate::store::format::{self, AddressKey};
use crate::store::{EmbeddedStore, read};

/// The entries of each address, the oldest first.
pub(super) type Journal = BTreeMap<IpAddr, Vec<(Version, Entry)>>;

/// What a store holds.
pub(super) struct Found {
    pub(super) snapshot: Snapshot,
    pub(super) records: BTreeMap<Target, (Version, Value)>,
    /// With what drains.
    journal: Journal,
    /// Addresses that are noted as draining.
    pub(super) notes: BTreeSet<IpAddr>,
}

impl Found {
    pub(super) async fn read<'a>(
        store: &EmbeddedStore,
        known: impl Iterator<Item = &'a IpAddr>,
    ) -> Result<Self, Broken> {
        let words = |error: LoadError| format!("{error:?}");
        let snapshot = store.load().await.map_err(words)?;
        let mut ips: BTreeSet<IpAddr> = known.copied().collect();
        ips.extend(snapshot.addresses.iter().map(|(ip, ..)| *ip));
        let mut journal = BTreeMap::new();
        for ip in ips {
            let mut lines = store.history(ip, usize::MAX).map_err(words)?;
            lines.reverse();
            journal.insert(ip, lines);
        }
        journal.retain(|_, lines| !lines.is_empty());
        let notes = read(&store.file, |database| Ok(notes(database))).map_err(words)?;
        let addresses = snapshot.addresses.iter().map(|(ip, version, record)| {
            let value = Value::Address(record.clone());
            (Target::Address(*ip), (*version, value))
        });
        let pools = snapshot.pools.iter().map(|(name, version, record)| {
            let value = Value::Pool(record.clone());
            (Target::Pool(name.clone()), (*version, value))
        });
        Ok(Self {
            records: addresses.chain(pools).collect(),
            journal,
            notes: notes.map_err(|error| error.to_string())?,
            snapshot,
        })
    }

    /// The journal without what drains.
    pub(super) fn changes(&self) -> Journal {
        let mut changes = self.journal.clone();
        for lines in changes.values_mut() {
            lines.retain(|(_, line)| !is_drain(line));
        }
        changes
    }

    /// What the journal tells of draining is what is noted, and of nothing that is free. Of an address that
    /// nobody owns no line tells.
    pub(super) fn check_notes(&self) -> Result<(), Broken> {
        let records = self.snapshot.addresses.iter();
        let owned = records
            .filter(|(_, _, record)| record.owner != Owner::Nobody)
            .map(|(ip, ..)| *ip);
        let unlike = |ip: &IpAddr| self.drains(*ip) != self.notes.contains(ip);
        if let Some(ip) = owned.collect::<Vec<_>>().into_iter().find(unlike) {
            let lines = self.journal.get(&ip);
            return Err(format!("the note of {ip} does not agree with {lines:?}"));
        }
        let recorded = |ip: &&IpAddr| self.records.contains_key(&Target::Address(**ip));
        match self.notes.iter().find(|ip| !recorded(ip)) {
            Some(ip) => Err(format!("{ip} is free and noted as draining")),
            None => Ok(()),
        }
    }

    /// Whether an address drains by what the journal tells of its present owners.
    fn drains(&self, ip: IpAddr) -> bool {
        let lines = self.journal.get(&ip).into_iter().flatten();
        lines.fold(false, |drains, (_, line)| match line.event {
            Event::Drain => true,
            Event::Undrain => false,
            _ => drains && line.from.is_some(),
        })
    }

    /// The version at which a write stands that was made.
    pub(super) fn version_of(&self, write: &Write) -> Option<Version> {
        match (&write.put, &write.target) {
            (Some(_), target) => self.records.get(target).map(|(version, _)| *version),
            (None, Target::Address(ip)) => {
                let lines = self.journal.get(ip)?.iter();
                let line = lines.rev().find(|(_, line)| !is_drain(line))?;
                Some(line.0)
            }
            // No line tells of a pool.
            (None, Target::Pool(_)) => Some(self.snapshot.version),
        }
    }

    /// Each line goes on from the one before it, and the last one tells who has the address.
    pub(super) fn check_journal(&self) -> Result<(), Broken> {
        for (ip, lines) in &self.journal {
            let ordered = lines
                .windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1.to == pair[1].1.from);
            let begins = lines.first().is_none_or(|(_, first)| first.from.is_none());
            if !ordered || !begins {
                return Err(format!("the journal of {ip} has a gap: {lines:?}"));
            }
        }
        for (ip, version, record) in &self.snapshot.addresses {
            let mut lines = self.journal.get(ip).into_iter().flatten();
            let last = lines.rfind(|(_, line)| !is_drain(line));
            let tells = last
                .is_some_and(|(at, line)| at == version && line.to.as_ref() == Some(&record.owner));
            if !tells {
                return Err(format!("the journal does not tell who has {ip}: {last:?}"));
            }
        }
        Ok(())
    }
}

fn is_drain(line: &Entry) -> bool {
    matches!(line.event, Event::Drain | Event::Undrain)
}

/// The addresses that the file notes as draining.
fn notes(database: &redb::Database) -> Result<BTreeSet<IpAddr>, redb::Error> {
    let table = TableDefinition::<&AddressKey, u64>::new("draining");
    let mut notes = BTreeSet::new();
    // A file in which nothing was written yet has no table.
    let Ok(table) = database.begin_read()?.open_table(table) else {
        return Ok(notes);
    };
    for row in table.iter()? {
        notes.extend(format::key_address(row?.0.value()));
    }
    Ok(notes)
}
