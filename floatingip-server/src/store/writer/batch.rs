//! One batch within a transaction: as a whole, or not at all.

use floatingip_core::PoolName;
use floatingip_core::plan::{Batch, Write};
use floatingip_core::record::{PlanId, PoolRecord, Record, Target, Value, Version};
use floatingip_core::store::Outcome;
use redb::ReadableTable;
use tracing::error;

use super::super::format::{self, AddressKey, FormatError, Names};
use super::super::tables::Tables;

/// What became of one job of a group.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// It was looked at; for a batch, write by write.
    Answers(Vec<Outcome>),
    /// Not written this time.
    Unavailable,
    /// Perhaps written.
    Unknown,
}

/// Why one batch cannot be written, while others can.
enum Fault {
    Redb(redb::Error),
    Format(FormatError),
    /// A record of one kind for a target of the other.
    Kind,
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// Makes the writes of a batch if all of them can be made. `version` is the latest one in use.
pub(super) fn perform(
    batch: &Batch,
    tables: &mut Tables<'_>,
    version: &mut Version,
) -> Result<Verdict, redb::Error> {
    let mut outcomes = Vec::with_capacity(batch.writes.len());
    let mut changes = Vec::new();
    let mut next = *version;
    for write in &batch.writes {
        match plan(write, batch.id, tables, &mut next) {
            Ok(Step::Answered(outcome)) => outcomes.push(*outcome),
            Ok(Step::Change(change)) => {
                outcomes.push(Outcome::Applied(next));
                changes.push((outcomes.len() - 1, change));
            }
            Err(Fault::Redb(error)) => return Err(error),
            Err(fault) => {
                fault.report(write);
                return Ok(Verdict::Unavailable);
            }
        }
    }
    if outcomes.iter().any(|o| matches!(o, Outcome::Refused(_))) {
        withdraw(&mut outcomes, &changes);
        return Ok(Verdict::Answers(outcomes));
    }
    for (_, change) in changes {
        change.make(tables)?;
    }
    *version = next;
    Ok(Verdict::Answers(outcomes))
}

/// What is to be done about one write: it is answered by what is there already, or changes it.
enum Step<'a> {
    Answered(Box<Outcome>),
    Change(Change<'a>),
}

fn plan<'a>(
    write: &'a Write,
    id: PlanId,
    tables: &Tables<'_>,
    version: &mut Version,
) -> Result<Step<'a>, Fault> {
    if let Some(outcome) = answer(write, id, tables)? {
        return Ok(Step::Answered(Box::new(outcome)));
    }
    *version = Version(version.0 + 1);
    Change::of(write, *version).map(Step::Change)
}

/// The writes that could have been made are not, because another one cannot.
fn withdraw(outcomes: &mut [Outcome], changes: &[(usize, Change<'_>)]) {
    for (index, _) in changes {
        if let Some(outcome) = outcomes.get_mut(*index) {
            *outcome = Outcome::Unavailable;
        }
    }
}

/// What is there already answers a write: it is its own work, or not what it expects. None where
/// its expectation holds.
fn answer(write: &Write, id: PlanId, tables: &Tables<'_>) -> Result<Option<Outcome>, Fault> {
    match &write.target {
        Target::Address(ip) => {
            let key = format::address_key(*ip);
            let Some(bytes) = tables.addresses.get(&key)? else {
                return Ok(answer_of_nothing(write));
            };
            let value = format::address_value(&key, bytes.value()).map_err(Fault::Format)?;
            answer_of(write, id, value.version(), value.plan(), || {
                value.record(&mut Names::default()).map(Value::Address)
            })
        }
        Target::Pool(name) => {
            let Some(bytes) = tables.pools.get(name.as_str())? else {
                return Ok(answer_of_nothing(write));
            };
            let value = format::pool_value(name.as_str(), bytes.value()).map_err(Fault::Format)?;
            answer_of(write, id, value.version(), value.plan(), || {
                Ok(Value::Pool(value.record()))
            })
        }
    }
}

fn answer_of_nothing(write: &Write) -> Option<Outcome> {
    match (&write.put, write.expect) {
        // As after a deletion that was made, but not answered.
        (None, expect) => Some(Outcome::Applied(expect.unwrap_or_default())),
        (Some(_), None) => None,
        (Some(_), Some(_)) => Some(Outcome::Refused(None)),
    }
}

fn answer_of(
    write: &Write,
    id: PlanId,
    version: Version,
    by: Option<PlanId>,
    value: impl FnOnce() -> Result<Value, FormatError>,
) -> Result<Option<Outcome>, Fault> {
    if write.put.is_some() && by == Some(id) {
        return Ok(Some(Outcome::Applied(version)));
    }
    if write.expect == Some(version) {
        return Ok(None);
    }
    let value = value().map_err(Fault::Format)?;
    Ok(Some(Outcome::Refused(Some((version, value)))))
}

/// A write as bytes.
struct Change<'a> {
    place: Place<'a>,
    put: Option<Vec<u8>>,
    version: Version,
    entry: Option<Vec<u8>>,
}

enum Place<'a> {
    Address(AddressKey),
    Pool(&'a PoolName),
}

impl<'a> Change<'a> {
    fn of(write: &'a Write, version: Version) -> Result<Self, Fault> {
        let (place, put) = match &write.target {
            Target::Address(ip) => {
                let key = format::address_key(*ip);
                let bytes = |record| format::address_bytes(&key, version, record);
                let put = write
                    .put
                    .as_ref()
                    .map(|v| bytes(address(v)?).map_err(Fault::Format));
                (Place::Address(key), put)
            }
            Target::Pool(name) => {
                let bytes = |record| format::pool_bytes(name, version, record);
                let put = write
                    .put
                    .as_ref()
                    .map(|v| bytes(pool(v)?).map_err(Fault::Format));
                (Place::Pool(name), put)
            }
        };
        let entry = match (&place, &write.entry) {
            (Place::Address(key), Some(entry)) => Some(format::entry_bytes(key, entry)),
            _ => None,
        };
        Ok(Self {
            place,
            put: put.transpose()?,
            version,
            entry: entry.transpose().map_err(Fault::Format)?,
        })
    }

    fn make(self, tables: &mut Tables<'_>) -> Result<(), redb::Error> {
        match (&self.place, &self.put) {
            (Place::Address(key), Some(bytes)) => {
                tables.addresses.insert(key, bytes.as_slice())?;
            }
            (Place::Address(key), None) => {
                tables.addresses.remove(key)?;
            }
            (Place::Pool(name), Some(bytes)) => {
                tables.pools.insert(name.as_str(), bytes.as_slice())?;
            }
            (Place::Pool(name), None) => {
                tables.pools.remove(name.as_str())?;
            }
        }
        match (&self.place, &self.entry) {
            (Place::Address(key), Some(entry)) => tables.add_entry(key, self.version, entry),
            _ => Ok(()),
        }
    }
}

fn address(value: &Value) -> Result<&Record, Fault> {
    match value {
        Value::Address(record) => Ok(record),
        Value::Pool(_) => Err(Fault::Kind),
    }
}

fn pool(value: &Value) -> Result<&PoolRecord, Fault> {
    match value {
        Value::Pool(record) => Ok(record),
        Value::Address(_) => Err(Fault::Kind),
    }
}

impl Fault {
    fn report(&self, write: &Write) {
        let target = &write.target;
        match self {
            Self::Format(error) => error!(
                %target,
                error = error as &dyn std::error::Error,
                "the store's record cannot be understood, so it is left as it is"
            ),
            Self::Redb(error) => error!(%target, %error, "the store's record cannot be read"),
            Self::Kind => error!(%target, "a record of the wrong kind was not stored"),
        }
    }
}
