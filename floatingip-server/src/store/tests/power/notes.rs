//! What the store has acknowledged, and whether all of it is found again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use floatingip_core::owner::AppRef;
use floatingip_core::plan::{Batch, Write};
use floatingip_core::record::{Target, Value, Version};
use floatingip_core::store::{Answer, Outcome};
use floatingip_core::{Owner, Topology};

use super::Broken;
use super::found::{Found, Journal};
use super::witness::DOCUMENT;
use crate::store::{AppChange, AppRow, EmbeddedStore, Told};

/// What was acknowledged, and what was asked and not answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    records: BTreeMap<Target, (Version, Value)>,
    /// The journal without what drains, the oldest line first.
    journal: Journal,
    apps: BTreeMap<AppRef, AppRow>,
    /// What drains for sure, or does not: addresses that have an owner, by the last note that was made of
    /// them, with the versions of their records then.
    drains: Drains,
    latest: Version,
    document: u64,
    /// In the order in which the store got them.
    open: Vec<Batch>,
    /// At most one of each app.
    open_apps: Vec<AppChange>,
    open_drains: bool,
    open_documents: BTreeSet<u64>,
}

/// Owned addresses with the versions of their records, and whether they drain.
pub(super) type Drains = BTreeMap<IpAddr, (Version, bool)>;

/// Whether an open batch was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Written,
    NotWritten,
}

impl Notes {
    /// The number that is written next.
    pub(super) fn begin_document(&mut self) -> u64 {
        let last = self.open_documents.last().copied();
        let number = last.unwrap_or(self.document) + 1;
        self.open_documents.insert(number);
        number
    }

    pub(super) fn end_document(&mut self, number: u64) {
        self.document = number;
        self.open_documents.remove(&number);
    }

    pub(super) fn begin_app(&mut self, change: &AppChange) {
        self.open_apps.push(change.clone());
    }

    pub(super) fn end_app(&mut self, app: &AppRef, row: Option<AppRow>) {
        self.open_apps.retain(|open| app_of(open) != app);
        match row {
            Some(row) => {
                self.latest = self.latest.max(row.version);
                self.apps.insert(app.clone(), row);
            }
            None => drop(self.apps.remove(app)),
        }
    }

    /// What a note under this configuration says at least, whatever else is written meanwhile.
    pub(super) fn begin_drains(&mut self, topology: &Topology) -> Drains {
        self.open_drains = true;
        self.draining_by(topology)
    }

    pub(super) fn end_drains(&mut self, drains: Drains) {
        self.open_drains = false;
        self.drains = drains;
    }

    pub(super) fn ask(&mut self, batch: &Batch) {
        if !batch.writes.is_empty() && !self.open.iter().any(|open| open.id == batch.id) {
            self.open.push(batch.clone());
        }
    }

    /// Only what was applied is noted: after the cut nobody hears the rest.
    pub(super) fn answer(&mut self, batch: &Batch, answers: &[Answer]) {
        let applied = answers.iter().map(|answer| match answer {
            Answer::Definite(Outcome::Applied(version)) => Some(*version),
            _ => None,
        });
        let Some(versions) = applied.collect::<Option<Vec<_>>>() else {
            return;
        };
        self.open.retain(|open| open.id != batch.id);
        for (write, version) in batch.writes.iter().zip(versions) {
            self.note(write, version);
        }
    }

    fn note(&mut self, write: &Write, version: Version) {
        self.latest = self.latest.max(version);
        match &write.put {
            Some(value) => {
                let stands = (version, value.clone());
                self.records.insert(write.target.clone(), stands);
            }
            None => {
                self.records.remove(&write.target);
            }
        }
        if let (Target::Address(ip), Some(entry)) = (&write.target, &write.entry) {
            let lines = self.journal.entry(*ip).or_default();
            lines.push((version, entry.clone()));
        }
    }

    /// Compares the notes with what a store holds, and takes over what was written without an answer.
    /// From then on nothing is open.
    pub(super) async fn compare(&mut self, store: &EmbeddedStore) -> Result<(), Broken> {
        let found = Found::read(store, self.journal.keys()).await?;
        self.compare_apps(store)?;
        if found.snapshot.version < self.latest {
            return Err(format!(
                "version {} was given, and the store stands at {}",
                self.latest, found.snapshot.version
            ));
        }
        let open = std::mem::take(&mut self.open);
        let mut fates = Vec::new();
        for batch in &open {
            fates.push(self.fate(batch, &found)?);
        }
        in_order(&open, &fates)?;
        for (batch, fate) in open.iter().zip(fates) {
            if fate == Some(Fate::Written) {
                self.take_over(batch, &found)?;
            }
        }
        same("record", &self.records, &found.records)?;
        same("journal", &self.journal, &found.changes())?;
        found.check_journal()?;
        found.check_notes()?;
        self.compare_drains(&found)?;
        self.latest = found.snapshot.version;
        self.compare_document(store)
    }

    /// What became of a batch without an answer; none where both ways look the same.
    fn fate(&self, batch: &Batch, found: &Found) -> Result<Option<Fate>, Broken> {
        let mut fate = None;
        for write in &batch.writes {
            let now = found.records.get(&write.target);
            let not_written = now == self.records.get(&write.target);
            let written = now.map(|(_, value)| value) == write.put.as_ref();
            let this = match (written, not_written) {
                (true, true) => continue,
                (true, false) => Fate::Written,
                (false, true) => Fate::NotWritten,
                (false, false) => return Err(format!("{} is neither", write.target)),
            };
            if *fate.get_or_insert(this) != this {
                return Err(format!("plan {} is written in part", batch.id));
            }
        }
        Ok(fate)
    }

    fn take_over(&mut self, batch: &Batch, found: &Found) -> Result<(), Broken> {
        for write in &batch.writes {
            let version = found.version_of(write);
            let version = version.filter(|version| *version > self.latest);
            let missing = || format!("{} is written again at an old version", write.target);
            self.note_landed(write, version.ok_or_else(missing)?);
        }
        Ok(())
    }

    /// As [`Self::note`], but what counts as given stays as it was until all is compared.
    fn note_landed(&mut self, write: &Write, version: Version) {
        let latest = self.latest;
        self.note(write, version);
        self.latest = latest;
    }

    /// Every app is as it was told of last, or as a change without an answer leaves it.
    fn compare_apps(&mut self, store: &EmbeddedStore) -> Result<(), Broken> {
        let shown = store.apps().map_err(|error| format!("{error:?}"))?;
        let open = std::mem::take(&mut self.open_apps);
        let known = self.apps.keys().chain(open.iter().map(app_of));
        let mut found = BTreeMap::new();
        for app in known.collect::<BTreeSet<_>>() {
            let row = shown.told(app);
            let change = open.iter().find(|change| app_of(change) == app);
            let landed = change.is_some_and(|change| self.may_be(change, row.as_ref()));
            if row.as_ref() != self.apps.get(app) && !landed {
                let told = self.apps.get(app);
                return Err(format!("{app} is {row:?}, told {told:?}, open {change:?}"));
            }
            found.extend(row.map(|row| (app.clone(), row)));
        }
        if found.len() != shown.len() {
            return Err(format!("{} apps, known are {found:?}", shown.len()));
        }
        self.apps = found;
        Ok(())
    }

    /// Whether a change leads to this.
    fn may_be(&self, change: &AppChange, row: Option<&AppRow>) -> bool {
        match (change, row) {
            (AppChange::Tell(_, told), Some(row)) => row.told == *told && row.version > self.latest,
            (AppChange::End(_), Some(row)) => row.told == Told::Gone && row.version > self.latest,
            (AppChange::Revive(_) | AppChange::Forget(..), None) => true,
            _ => false,
        }
    }

    /// The addresses with an owner, with whether they drain under this configuration.
    fn draining_by(&self, topology: &Topology) -> Drains {
        let owned = self
            .records
            .iter()
            .filter_map(|(target, stands)| match (target, stands) {
                (Target::Address(ip), (version, Value::Address(record)))
                    if record.owner != Owner::Nobody =>
                {
                    Some((*ip, *version))
                }
                _ => None,
            });
        let drains = |ip: IpAddr| topology.subnet_of(ip).is_none();
        owned
            .map(|(ip, version)| (ip, (version, drains(ip))))
            .collect()
    }

    /// What was noted of an address that nobody has changed since is still noted, unless another note may
    /// have been made.
    fn compare_drains(&mut self, found: &Found) -> Result<(), Broken> {
        let open = std::mem::take(&mut self.open_drains);
        for (ip, (version, drains)) in std::mem::take(&mut self.drains) {
            let now = found.records.get(&Target::Address(ip));
            let same = now.is_some_and(|(now, _)| *now == version);
            if same && !open && found.notes.contains(&ip) != drains {
                return Err(format!("{ip} was noted: draining {drains}, and is not now"));
            }
        }
        Ok(())
    }

    fn compare_document(&mut self, store: &EmbeddedStore) -> Result<(), Broken> {
        let text = store
            .document(DOCUMENT)
            .map_err(|error| error.to_string())?;
        let number = text.map_or(0, |text| text.parse().unwrap());
        let open = std::mem::take(&mut self.open_documents);
        if number != self.document && !open.contains(&number) {
            return Err(format!("document {} was {number}", self.document));
        }
        self.document = number;
        Ok(())
    }

    /// Tells these notes from others.
    pub(super) fn sum(&self) -> u32 {
        crc32fast::hash(format!("{self:?}").as_bytes())
    }

    /// Who is known to have an address.
    pub(super) fn owner_uid(&self, ip: IpAddr) -> Option<String> {
        match self.records.get(&Target::Address(ip)) {
            Some((_, Value::Address(record))) => record.owner.pod().map(|pod| pod.uid.to_string()),
            _ => None,
        }
    }

    /// The addresses that a pod has.
    pub(super) fn addresses_of(&self, uid: &str) -> Vec<IpAddr> {
        let addresses = self.records.keys().filter_map(|target| match target {
            Target::Address(ip) => Some(*ip),
            Target::Pool(_) => None,
        });
        addresses
            .filter(|ip| self.owner_uid(*ip).as_deref() == Some(uid))
            .collect()
    }
}

pub(super) fn app_of(change: &AppChange) -> &AppRef {
    match change {
        AppChange::Tell(app, _)
        | AppChange::End(app)
        | AppChange::Revive(app)
        | AppChange::Forget(app, _) => app,
    }
}

/// The store makes batches in the order in which it gets them: of those without an answer the first
/// ones are written, or none.
fn in_order(open: &[Batch], fates: &[Option<Fate>]) -> Result<(), Broken> {
    let mut known = open
        .iter()
        .zip(fates)
        .filter_map(|(batch, fate)| fate.map(|fate| (batch, fate)));
    let first_left = known.find(|(_, fate)| *fate == Fate::NotWritten);
    let later = known.find(|(_, fate)| *fate == Fate::Written);
    match (first_left, later) {
        (Some((left, _)), Some((written, _))) => Err(format!(
            "plan {} is written, and {} before it is not",
            written.id, left.id
        )),
        _ => Ok(()),
    }
}

fn same<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    noted: &BTreeMap<K, V>,
    found: &BTreeMap<K, V>,
) -> Result<(), Broken> {
    let keys: BTreeSet<&K> = noted.keys().chain(found.keys()).collect();
    let differs = keys
        .into_iter()
        .find(|key| noted.get(key) != found.get(key));
    differs.map_or(Ok(()), |key| {
        let (noted, found) = (noted.get(key), found.get(key));
        Err(format!(
            "{what} of {key:?}: acknowledged {noted:?}, found {found:?}"
        ))
    })
}
