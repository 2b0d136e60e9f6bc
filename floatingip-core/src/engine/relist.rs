//! Relisting: taking in a whole list of one kind, after a start or where a watch was cut. What the
//! list lacks is gone.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Bound;

use super::list::Progress;
use super::{Engine, Observed, Seen};
use crate::name::PoolName;
use crate::record::{PoolRecord, Record, Target, Value, Version};
use crate::time::Now;

/// Everything that a store has of one kind, as of one version; taken in slice by slice.
#[derive(Clone, Debug)]
pub struct WholeList {
    kind: Kind,
    version: Version,
    /// By target; what has been taken in has no value any more.
    items: Vec<(Target, Version, Option<Value>)>,
    step: Step,
    found: Relisted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Addresses,
    Pools,
}

/// How far a list has been taken in.
#[derive(Clone, Debug)]
enum Step {
    /// From this item on, what it has.
    Listed(usize),
    /// Behind this target, what it lacks.
    Lacking(Option<Target>),
}

/// What a whole list was good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relisted {
    /// What was news.
    pub taken: Vec<Target>,
    /// What the list lacks, and is deleted therefore.
    pub deleted: Vec<Target>,
    /// What an open plan is about to change: the list's word on it waits until that is settled.
    pub waiting: Vec<Target>,
}

impl WholeList {
    /// All addresses that have a record, as of `version`. O(n log n), and needs no lock.
    pub fn of_addresses(
        version: Version,
        records: impl IntoIterator<Item = (IpAddr, Version, Record)>,
    ) -> Self {
        let item = |(ip, version, record)| {
            let value = Value::Address(record);
            (Target::Address(ip), version, Some(value))
        };
        Self::of(
            Kind::Addresses,
            version,
            records.into_iter().map(item).collect(),
        )
    }

    /// All sized pools, as of `version`.
    pub fn of_pools(
        version: Version,
        records: impl IntoIterator<Item = (PoolName, Version, PoolRecord)>,
    ) -> Self {
        let item = |(pool, version, record)| {
            let value = Value::Pool(record);
            (Target::Pool(pool), version, Some(value))
        };
        Self::of(
            Kind::Pools,
            version,
            records.into_iter().map(item).collect(),
        )
    }

    fn of(kind: Kind, version: Version, mut items: Vec<(Target, Version, Option<Value>)>) -> Self {
        items.sort_unstable_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        Self {
            kind,
            version,
            items,
            step: Step::Listed(0),
            found: Relisted::default(),
        }
    }

    /// What has been found so far; all of it once [`Engine::observe_slice`] says that it is done.
    pub fn finish(self) -> Relisted {
        self.found
    }

    fn has(&self, target: &Target) -> bool {
        let found = self.items.binary_search_by(|(other, ..)| other.cmp(target));
        found.is_ok()
    }

    /// The next so many items, and where those after them begin.
    fn take(&mut self, from: usize, slice: usize) -> (Vec<Observed>, usize) {
        let next = self.items.iter_mut().skip(from).take(slice);
        let observed = next.filter_map(|(target, version, value)| {
            Some(Observed {
                target: target.clone(),
                version: *version,
                value: Some(value.take()?),
            })
        });
        (observed.collect(), from.saturating_add(slice))
    }
}

impl Engine {
    /// Takes in a whole list at once: [`Engine::observe_slice`] to its end. For the start, when
    /// nobody waits for the lock; O(n log n), and the comparison of a version for each record that
    /// has not changed.
    pub fn observe_all(&mut self, mut list: WholeList, now: Now) -> Relisted {
        while self.observe_slice(&mut list, usize::MAX, now) == Progress::More {}
        list.finish()
    }

    /// Takes in up to `slice` more records of a whole list: first what it has, then, going through
    /// the ledger, what it lacks. Each record is treated as by [`Engine::observe`]: what the list
    /// lacks was deleted at the list's version at the latest, so nothing that is newer than the list
    /// is lost, and what concerns an open plan waits. Between slices anything may happen, changes
    /// that a new watch brings among them. O(slice · log n).
    pub fn observe_slice(&mut self, list: &mut WholeList, slice: usize, now: Now) -> Progress {
        let slice = slice.max(1);
        match list.step.clone() {
            Step::Listed(from) => {
                let (items, next) = list.take(from, slice);
                list.step = match next < list.items.len() {
                    true => Step::Listed(next),
                    false => Step::Lacking(None),
                };
                for item in items {
                    self.observe_listed(list, item, now);
                }
                Progress::More
            }
            Step::Lacking(after) => {
                let batch = self.targets_after(list.kind, after.as_ref(), slice);
                let Some(last) = batch.last().cloned() else {
                    return Progress::Done;
                };
                list.step = Step::Lacking(Some(last));
                for target in batch {
                    self.observe_lacking(list, target, now);
                }
                Progress::More
            }
        }
    }

    fn observe_listed(&mut self, list: &mut WholeList, item: Observed, now: Now) {
        let target = item.target.clone();
        match self.observe(item, now) {
            Seen::Taken => list.found.taken.push(target),
            Seen::Waits => list.found.waiting.push(target),
            Seen::Old => {}
        }
    }

    fn observe_lacking(&mut self, list: &mut WholeList, target: Target, now: Now) {
        if list.has(&target) {
            return;
        }
        let gone = Observed {
            target: target.clone(),
            version: list.version,
            value: None,
        };
        match self.observe(gone, now) {
            Seen::Taken => list.found.deleted.push(target),
            Seen::Waits => list.found.waiting.push(target),
            Seen::Old => {}
        }
    }

    /// The next targets of a kind that have a record, or may be about to get one by an open plan.
    fn targets_after(&self, kind: Kind, after: Option<&Target>, slice: usize) -> Vec<Target> {
        let known: Vec<Target> = match (kind, after) {
            (Kind::Addresses, Some(Target::Address(ip))) => {
                let later = self.ledger.records().iter_after(ip).take(slice);
                later.map(|(ip, _)| Target::Address(*ip)).collect()
            }
            (Kind::Addresses, _) => {
                let all = self.ledger.records().iter().take(slice);
                all.map(|(ip, _)| Target::Address(*ip)).collect()
            }
            (Kind::Pools, _) => {
                let all = self.pools.keys().cloned().map(Target::Pool);
                all.filter(|pool| is_behind(pool, after))
                    .take(slice)
                    .collect()
            }
        };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let held = self.held.range((from, Bound::Unbounded));
        let held = held
            .map(|(target, _)| target)
            .filter(|target| kind.is_of(target));
        let both = known.into_iter().chain(held.take(slice).cloned());
        let both: BTreeSet<Target> = both.collect();
        both.into_iter().take(slice).collect()
    }
}

impl Kind {
    const fn is_of(self, target: &Target) -> bool {
        match target {
            Target::Address(_) => matches!(self, Self::Addresses),
            Target::Pool(_) => matches!(self, Self::Pools),
        }
    }
}

fn is_behind(target: &Target, after: Option<&Target>) -> bool {
    after.is_none_or(|after| target > after)
}
