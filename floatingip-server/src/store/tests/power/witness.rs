//! What the store has acknowledged, and whether all of it is found again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard};

use floatingip_core::Store;
use floatingip_core::plan::{Batch, Entry, Write};
use floatingip_core::record::{Target, Value, Version};
use floatingip_core::store::{Answer, LoadError, Outcome, Snapshot};

use crate::store::{DocumentError, EmbeddedStore};

/// The one document that is written again and again, each time with a higher number.
const DOCUMENT: &str = "number";

/// The embedded store with somebody who takes notes of what it is asked and what it answers.
#[derive(Debug)]
pub(super) struct Witness {
    store: EmbeddedStore,
    notes: Mutex<Notes>,
}

/// What was acknowledged, and what was asked and not answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    records: BTreeMap<Target, (Version, Value)>,
    /// The journal, the oldest line first.
    journal: BTreeMap<IpAddr, Vec<(Version, Entry)>>,
    latest: Version,
    document: u64,
    /// In the order in which the store got them.
    open: Vec<Batch>,
    open_documents: BTreeSet<u64>,
}

/// A promise that was not kept, in words.
pub(super) type Broken = String;

/// What a store holds.
struct Found {
    snapshot: Snapshot,
    records: BTreeMap<Target, (Version, Value)>,
    journal: BTreeMap<IpAddr, Vec<(Version, Entry)>>,
}

/// Whether an open batch was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Written,
    NotWritten,
}

impl Witness {
    pub(super) fn new(store: EmbeddedStore, notes: Notes) -> Self {
        Self {
            store,
            notes: Mutex::new(notes),
        }
    }

    pub(super) fn notes(&self) -> Notes {
        self.lock().clone()
    }

    /// Writes the next number.
    pub(super) async fn put_document(&self) {
        let number = {
            let mut notes = self.lock();
            let last = notes.open_documents.last().copied();
            let number = last.unwrap_or(notes.document) + 1;
            notes.open_documents.insert(number);
            number
        };
        let put = self.store.put_document(DOCUMENT, &number.to_string()).await;
        if put == Ok(()) {
            let mut notes = self.lock();
            notes.document = number;
            notes.open_documents.remove(&number);
        } else {
            assert_ne!(put, Err(DocumentError::Unavailable), "before the cut");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap()
    }
}

impl Store for Witness {
    fn atomic(&self) -> bool {
        self.store.atomic()
    }

    async fn load(&self) -> Result<Snapshot, LoadError> {
        self.store.load().await
    }

    async fn apply(&self, batch: &Batch) -> Vec<Answer> {
        self.lock().ask(batch);
        let answers = self.store.apply(batch).await;
        self.lock().answer(batch, &answers);
        answers
    }
}

impl Notes {
    fn ask(&mut self, batch: &Batch) {
        if !batch.writes.is_empty() && !self.open.iter().any(|open| open.id == batch.id) {
            self.open.push(batch.clone());
        }
    }

    /// Only what was applied is noted: after the cut nobody hears the rest.
    fn answer(&mut self, batch: &Batch, answers: &[Answer]) {
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
        same("journal", &self.journal, &found.journal)?;
        found.check_journal()?;
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

impl Found {
    async fn read<'a>(
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
            snapshot,
        })
    }

    /// The version at which a write stands that was made.
    fn version_of(&self, write: &Write) -> Option<Version> {
        match (&write.put, &write.target) {
            (Some(_), target) => self.records.get(target).map(|(version, _)| *version),
            (None, Target::Address(ip)) => {
                let line = self.journal.get(ip)?.last()?;
                Some(line.0)
            }
            // No line tells of a pool.
            (None, Target::Pool(_)) => Some(self.snapshot.version),
        }
    }

    /// Each line goes on from the one before it, and the last one tells who has the address.
    fn check_journal(&self) -> Result<(), Broken> {
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
            let last = self.journal.get(ip).and_then(|lines| lines.last());
            let tells = last
                .is_some_and(|(at, line)| at == version && line.to.as_ref() == Some(&record.owner));
            if !tells {
                return Err(format!("the journal does not tell who has {ip}: {last:?}"));
            }
        }
        Ok(())
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
