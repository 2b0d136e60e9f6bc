//! What a killed server has left in its folder.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use floatingip_core::owner::AppRef;
use floatingip_core::plan::{Entry, Event};
use floatingip_core::record::{PoolRecord, Version};
use floatingip_core::store::LoadError;
use floatingip_core::{Owner, Record, Store};
use floatingip_server::store::{Apps, EmbeddedStore, Told};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use tokio::runtime::Builder;

use super::Broken;
use super::left::Left;

/// Records and journal, read before any server has seen them. Who finds there what it knows takes it
/// away; nothing is left in the end.
#[derive(Debug)]
pub(super) struct Found {
    records: BTreeMap<IpAddr, (Version, Record)>,
    pools: BTreeMap<String, PoolRecord>,
    marks: BTreeMap<IpAddr, String>,
    journal: BTreeMap<IpAddr, Vec<(Version, Entry)>>,
    apps: Apps,
    /// How many of these somebody took.
    apps_taken: usize,
    /// The addresses that are noted as draining.
    notes: BTreeSet<IpAddr>,
}

impl Found {
    /// Reads what is left; of the journal, what it says of these addresses and of those with a record.
    pub(super) fn read(left: &Left, seen: BTreeSet<IpAddr>) -> Result<Self, Broken> {
        let store = EmbeddedStore::open(left.folder()).map_err(|error| format!("{error:?}"))?;
        let words = |error: LoadError| format!("{error:?}");
        let runtime = Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let snapshot = runtime.block_on(store.load()).map_err(words)?;
        let mut found = Self {
            records: BTreeMap::new(),
            pools: BTreeMap::new(),
            marks: BTreeMap::new(),
            journal: BTreeMap::new(),
            apps: store.apps().map_err(words)?,
            apps_taken: 0,
            notes: BTreeSet::new(),
        };
        for (ip, version, record) in snapshot.addresses {
            if let Some(mark) = &record.mark {
                found.marks.insert(ip, mark.reason.clone());
            }
            found.records.insert(ip, (version, record));
        }
        let pools = snapshot.pools.into_iter();
        found.pools = pools
            .map(|(name, _, record)| (name.to_string(), record))
            .collect();
        for ip in seen.into_iter().chain(found.records.keys().copied()) {
            let lines = store.history(ip, usize::MAX).map_err(words)?;
            found.journal.insert(ip, lines);
        }
        drop(store);
        found.notes = notes(&left.file()).map_err(|error| format!("{error:?}"))?;
        Ok(found)
    }

    /// Each line goes on from the one before it, and the last one names the present owner. What drains is
    /// told of beside that, and changes no record.
    pub(super) fn check_journal(&self) -> Result<(), Broken> {
        for (ip, lines) in &self.journal {
            let goes_on = lines
                .windows(2)
                .all(|pair| pair[0].0 > pair[1].0 && pair[0].1.from == pair[1].1.to);
            let record = self.records.get(ip);
            let owner = record.map(|(_, record)| &record.owner);
            let last = lines.first();
            let tells = last.and_then(|(_, line)| line.to.as_ref()) == owner;
            let version = record.map(|(version, _)| *version);
            let changed = lines.iter().find(|(_, line)| !is_drain(line));
            let dated = version.is_none_or(|version| Some(version) == changed.map(|last| last.0));
            if !(goes_on && tells && dated) {
                return Err(format!(
                    "the journal of {ip} does not agree with {record:?}: {lines:?}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn pool(&self, name: &str) -> Option<&PoolRecord> {
        self.pools.get(name)
    }

    /// The addresses of a pool that no pod has.
    pub(super) fn take_pool(&mut self, name: &str) -> BTreeSet<IpAddr> {
        self.pools.remove(name);
        let mine = |owner: &Owner| matches!(owner, Owner::Pool(pool) if pool.as_str() == name);
        self.take(mine).into_iter().map(|(ip, _)| ip).collect()
    }

    /// The addresses that are marked for this reason.
    pub(super) fn take_marks(&mut self, reason: &str) -> BTreeSet<IpAddr> {
        let marked = self.marks.extract_if(.., |_, found| found == reason);
        let marked: BTreeSet<IpAddr> = marked.map(|(ip, _)| ip).collect();
        self.records
            .retain(|ip, (_, record)| record.owner != Owner::Nobody || !marked.contains(ip));
        marked
    }

    /// What these owners have.
    pub(super) fn take(&mut self, mine: impl Fn(&Owner) -> bool) -> Vec<(IpAddr, Owner)> {
        let taken = self
            .records
            .extract_if(.., |_, (_, record)| mine(&record.owner));
        taken.map(|(ip, (_, record))| (ip, record.owner)).collect()
    }

    /// What was told of an app.
    pub(super) fn take_told(&mut self, app: &AppRef) -> Option<Told> {
        let row = self.apps.told(app)?;
        self.apps_taken += 1;
        Some(row.told)
    }

    /// When an address began or ceased to drain, by the journal, the oldest first.
    pub(super) fn drains(&self, ip: IpAddr) -> Vec<(u64, bool)> {
        let lines = self.journal.get(&ip).into_iter().flatten().rev();
        let drains = lines.filter(|(_, line)| is_drain(line));
        drains
            .map(|(version, line)| (version.0, line.event == Event::Drain))
            .collect()
    }

    /// Whether an address is noted as draining.
    pub(super) fn take_note(&mut self, ip: IpAddr) -> bool {
        self.notes.remove(&ip)
    }

    /// Everything was somebody's.
    pub(super) fn nothing_is_left(&self) -> Result<(), Broken> {
        let (records, pools, marks, notes) = (&self.records, &self.pools, &self.marks, &self.notes);
        let apps = self.apps.len() - self.apps_taken;
        if records.is_empty()
            && pools.is_empty()
            && marks.is_empty()
            && notes.is_empty()
            && apps == 0
        {
            return Ok(());
        }
        Err(format!(
            "nobody was told of {records:?}, {pools:?}, {marks:?}, {notes:?}, {apps} apps"
        ))
    }
}

fn is_drain(line: &Entry) -> bool {
    matches!(line.event, Event::Drain | Event::Undrain)
}

/// What the file notes as draining; the store has no question for that.
fn notes(file: &Path) -> Result<BTreeSet<IpAddr>, redb::Error> {
    let table = TableDefinition::<&[u8; 17], u64>::new("draining");
    let database = Database::open(file)?;
    let mut notes = BTreeSet::new();
    for row in database.begin_read()?.open_table(table)?.iter()? {
        let [_, a, b, c, d, ..] = *row?.0.value();
        notes.insert(IpAddr::from([a, b, c, d]));
    }
    Ok(notes)
}
