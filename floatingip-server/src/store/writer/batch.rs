//! One batch within a transaction: as a whole, or not at all.

use floatingip_core::plan::{Batch, Write};
use floatingip_core::record::{PlanId, Target, Value, Version};
use floatingip_core::store::Outcome;
use floatingip_core::{PoolName, WallTime};
use redb::ReadableTable;
use tracing::error;

use super::super::format::{self, AddressKey, FormatError, Names};
use super::super::tables::Tables;
use super::work::Verdict;

/// Why one batch cannot be written, while others can.
enum Fault {
    Redb(redb::Error),
    Format(Target, FormatError),
    /// A record of one kind for a target of the other.
    Kind,
}

impl From<redb::StorageError> for Fault {
    fn from(error: redb::StorageError) -> Self {
        Self::Redb(error.into())
    }
}

/// Makes the writes of a batch if all of them can be made. `version` is the latest one in use.
pub(super) fn perform(
    batch: &Batch,
    tables: &mut Tables<'_>,
    version: &mut Version,
) -> Result<Verdict, redb::Error> {
    let (outcomes, changes, last) = match plan(batch, tables, *version) {
        Ok(planned) => planned,
        Err(Fault::Redb(error)) => return Err(error),
        Err(fault) => {
            fault.report(batch);
            return Ok(Verdict::Unavailable);
        }
    };
    for change in changes {
        change.make(tables)?;
    }
    *version = last;
    Ok(Verdict::Answers(outcomes))
}

type Planned<'a> = (Vec<Outcome>, Vec<Change<'a>>, Version);

/// The outcomes of a batch, the changes that bring them about, and the last version they use.
fn plan<'a>(batch: &'a Batch, tables: &Tables<'_>, before: Version) -> Result<Planned<'a>, Fault> {
    let mut answers = Vec::with_capacity(batch.writes.len());
    for write in &batch.writes {
        answers.push(answer(write, batch.id, tables)?);
    }
    if let Some(refusal) = Refusal::of(batch, &answers) {
        let outcomes =
            batch.writes.iter().zip(answers).map(|(write, answer)| {
                answer.map_or_else(|| refusal.of_the_rest(write, tables), Ok)
            });
        return Ok((outcomes.collect::<Result<_, _>>()?, Vec::new(), before));
    }
    let mut last = before;
    let mut outcomes = Vec::with_capacity(answers.len());
    let mut changes = Vec::with_capacity(answers.len());
    for (write, answer) in batch.writes.iter().zip(answers) {
        if answer.is_none() {
            last = Version(last.0.saturating_add(1));
            changes.push(Change::of(write, last)?);
        }
        outcomes.push(answer.unwrap_or(Outcome::Applied(last)));
    }
    Ok((outcomes, changes, last))
}

/// Why nothing of a batch is written, not even what could be.
enum Refusal {
    /// A write of it cannot be made.
    NotAll,
    /// All of it was written once: what others have changed since stays as they left it.
    Before,
}

impl Refusal {
    fn of(batch: &Batch, answers: &[Option<Outcome>]) -> Option<Self> {
        let own_work = |(write, answer): (&Write, &Option<Outcome>)| {
            write.put.is_some() && matches!(answer, Some(Outcome::Applied(_)))
        };
        if batch.writes.iter().zip(answers).any(own_work) {
            return Some(Self::Before);
        }
        answers
            .iter()
            .any(|answer| matches!(answer, Some(Outcome::Refused(_))))
            .then_some(Self::NotAll)
    }

    /// The outcome of a write whose own expectation holds.
    fn of_the_rest(&self, write: &Write, tables: &Tables<'_>) -> Result<Outcome, Fault> {
        match self {
            Self::NotAll => Ok(Outcome::Unavailable),
            Self::Before => Ok(Outcome::Refused(found(&write.target, tables)?)),
        }
    }
}

/// The outcome of a write that what is there settles: it is the write's own work, or not what the
/// write expects. None where its expectation holds.
fn answer(write: &Write, id: PlanId, tables: &Tables<'_>) -> Result<Option<Outcome>, Fault> {
    let there = glance(&write.target, tables)?;
    Ok(match (&write.put, there) {
        // As after a deletion that was made, but not answered.
        (None, None) => Some(Outcome::Applied(write.expect.unwrap_or_default())),
        (Some(_), Some((version, Some(by)))) if by == id => Some(Outcome::Applied(version)),
        (_, there) if there.map(|(version, _)| version) == write.expect => None,
        _ => Some(Outcome::Refused(found(&write.target, tables)?)),
    })
}

/// The version of what is there, and the plan that wrote it.
fn glance(
    target: &Target,
    tables: &Tables<'_>,
) -> Result<Option<(Version, Option<PlanId>)>, Fault> {
    let glanced = match target {
        Target::Address(ip) => {
            let key = format::address_key(*ip);
            tables.addresses.get(&key)?.map(|bytes| {
                let value = format::address_value(&key, bytes.value())?;
                Ok((value.version(), value.plan()))
            })
        }
        Target::Pool(name) => tables.pools.get(name.as_str())?.map(|bytes| {
            let value = format::pool_value(name.as_str(), bytes.value())?;
            Ok((value.version(), value.plan()))
        }),
    };
    glanced
        .transpose()
        .map_err(|error| Fault::Format(target.clone(), error))
}

/// What is there.
fn found(target: &Target, tables: &Tables<'_>) -> Result<Option<(Version, Value)>, Fault> {
    let found = match target {
        Target::Address(ip) => {
            let key = format::address_key(*ip);
            tables.addresses.get(&key)?.map(|bytes| {
                let value = format::address_value(&key, bytes.value())?;
                let record = value.record(&mut Names::default())?;
                Ok((value.version(), Value::Address(record)))
            })
        }
        Target::Pool(name) => tables.pools.get(name.as_str())?.map(|bytes| {
            let value = format::pool_value(name.as_str(), bytes.value())?;
            Ok((value.version(), Value::Pool(value.record())))
        }),
    };
    found
        .transpose()
        .map_err(|error| Fault::Format(target.clone(), error))
}

/// A write as bytes.
struct Change<'a> {
    place: Place<'a>,
    put: Option<Vec<u8>>,
    version: Version,
    entry: Option<(WallTime, Vec<u8>)>,
}

enum Place<'a> {
    Address(AddressKey),
    Pool(&'a PoolName),
}

impl<'a> Change<'a> {
    fn of(write: &'a Write, version: Version) -> Result<Self, Fault> {
        let (place, put) = match (&write.target, &write.put) {
            (Target::Address(ip), None) => (Place::Address(format::address_key(*ip)), None),
            (Target::Address(ip), Some(Value::Address(record))) => {
                let key = format::address_key(*ip);
                let bytes = format::address_bytes(&key, version, record);
                (Place::Address(key), Some(bytes))
            }
            (Target::Pool(name), None) => (Place::Pool(name), None),
            (Target::Pool(name), Some(Value::Pool(record))) => {
                let bytes = format::pool_bytes(name, version, record);
                (Place::Pool(name), Some(bytes))
            }
            (Target::Address(_), Some(Value::Pool(_)))
            | (Target::Pool(_), Some(Value::Address(_))) => return Err(Fault::Kind),
        };
        let entry = match (&place, &write.entry) {
            (Place::Address(key), Some(entry)) => {
                Some(format::entry_bytes(key, entry).map(|bytes| (entry.at, bytes)))
            }
            _ => None,
        };
        let fault = |error| Fault::Format(write.target.clone(), error);
        Ok(Self {
            place,
            put: put.transpose().map_err(fault)?,
            version,
            entry: entry.transpose().map_err(fault)?,
        })
    }

    fn make(self, tables: &mut Tables<'_>) -> Result<(), redb::Error> {
        match (&self.place, &self.put) {
            (Place::Address(key), Some(bytes)) => {
                tables.addresses.insert(key, bytes.as_slice())?;
            }
            (Place::Address(key), None) => {
                tables.addresses.remove(key)?;
                tables.draining.remove(key)?;
            }
            (Place::Pool(name), Some(bytes)) => {
                tables.pools.insert(name.as_str(), bytes.as_slice())?;
            }
            (Place::Pool(name), None) => {
                tables.pools.remove(name.as_str())?;
            }
        }
        match (&self.place, &self.entry) {
            (Place::Address(key), Some((at, entry))) => {
                tables.journal.add(key, self.version, *at, entry)
            }
            _ => Ok(()),
        }
    }
}

impl Fault {
    fn report(&self, batch: &Batch) {
        let plan = batch.id;
        match self {
            Self::Format(target, error) => error!(
                %plan,
                %target,
                error = error as &dyn std::error::Error,
                "a record in the way of a plan cannot be understood, and is left as it is"
            ),
            Self::Redb(error) => error!(%plan, %error, "the store cannot be read"),
            Self::Kind => error!(%plan, "a record of the wrong kind is not stored"),
        }
    }
}
