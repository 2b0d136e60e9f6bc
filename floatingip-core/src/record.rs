//! Records: what a store keeps, one per address that is not plainly free, and one per sized pool.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::name::{Name, PoolName};
use crate::owner::Owner;
use crate::policy::ReleasePolicy;
use crate::time::WallTime;

/// What a store keeps of one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who has the address.
    pub owner: Owner,
    /// How long it stays with its slot.
    pub policy: ReleasePolicy,
    /// When the owner last changed.
    pub updated_at: WallTime,
    /// Why nobody, or nobody else, gets the address for a while.
    pub mark: Option<Mark>,
    /// The container interface that uses the address, where a node told.
    pub attachment: Option<Attachment>,
    /// The plan that wrote this, by which a repeated write recognises its own work. None in records
    /// that others wrote.
    pub plan: Option<PlanId>,
}

impl Record {
    /// Whether a pod has the address now.
    pub fn is_live(&self) -> bool {
        self.owner.pod().is_some()
    }

    /// Whether the address is kept for somebody who may take it, without a pod at present.
    pub fn is_reserve(&self) -> bool {
        match &self.owner {
            Owner::Slot(tenant) => tenant.pod.is_none(),
            Owner::Pool(_) => true,
            Owner::Administrator(_) | Owner::Nobody => false,
        }
    }
}

/// A durable mark on an address, beside its owner if it has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What kind of care it asks for.
    pub kind: MarkKind,
    /// Why, for people.
    pub reason: String,
    /// The other MAC address seen on the wire, for a conflict.
    pub mac: Option<String>,
    /// The calendar's end of it, for people and for the next process; measured by elapsed time while
    /// a process runs.
    pub until: WallTime,
    /// How long it was set for: a clock that jumped cannot make it longer.
    pub lasts: Duration,
}

/// What kind of care a mark asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MarkKind {
    /// Somebody else uses the address on the wire: nobody gets it, not even its own slot.
    Quarantine,
    /// The former pod may still run on a node that nobody reaches: only its own slot gets it.
    Rest,
}

/// One CNI ADD: the container interface that uses an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Attachment {
    /// The node.
    pub node: Name,
    /// The name of the CNI network.
    pub network: Name,
    /// The container (sandbox) id.
    pub container: Name,
    /// The interface in the container.
    pub interface: Name,
}

/// What a store keeps of a pool that has a size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolRecord {
    /// The most addresses it may have, 0 to [`PoolRecord::MAX_SIZE`].
    pub size: u32,
    /// Whether it was asked to be filled at once.
    pub pre_allocate: bool,
    /// Addresses are still owed: the size was not reached since the pool was last written.
    pub owed: bool,
    /// The plan that wrote this.
    pub plan: Option<PlanId>,
}

impl PoolRecord {
    /// The largest size, as the API's int32 has it.
    pub const MAX_SIZE: u32 = i32::MAX as u32;
}

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// The record of an address.
    Address(IpAddr),
    /// The record of a pool.
    Pool(PoolName),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "{ip}"),
            Self::Pool(pool) => write!(f, "pool {pool}"),
        }
    }
}

/// A record of either kind; always of the kind its [`Target`] names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Of an address.
    Address(Record),
    /// Of a pool.
    Pool(PoolRecord),
}

impl Value {
    /// The plan that wrote this, if one of ours did.
    pub fn plan(&self) -> Option<PlanId> {
        match self {
            Self::Address(record) => record.plan,
            Self::Pool(record) => record.plan,
        }
    }
}

/// The store's version of one record. Versions of one store are ordered: a later write has a
/// greater one, across all records, deletions included.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Tells a plan from every other plan, also of other processes: `INCARNATION-SERIAL` in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PlanId {
    /// Random per process, given to the engine when it is made.
    pub incarnation: u64,
    /// Counts the plans of that process.
    pub serial: u64,
}

impl fmt::Display for PlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.incarnation, self.serial)
    }
}

impl From<PlanId> for String {
    fn from(id: PlanId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for PlanId {
    type Error = PlanIdError;

    fn try_from(text: String) -> Result<Self, PlanIdError> {
        text.parse()
    }
}

impl FromStr for PlanId {
    type Err = PlanIdError;

    fn from_str(text: &str) -> Result<Self, PlanIdError> {
        let number = |part: &str| u64::from_str_radix(part, 16).ok();
        text.split_once('-')
            .and_then(|(left, right)| {
                Some(Self {
                    incarnation: number(left)?,
                    serial: number(right)?,
                })
            })
            .ok_or_else(|| PlanIdError {
                found: text.to_owned(),
            })
    }
}

/// A text that is no plan id: the record was not written by this software.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{found}` is no plan id: expected two hexadecimal numbers joined by `-`")]
pub struct PlanIdError {
    /// What stood there.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_ids_survive_their_text_at_both_ends() {
        for (incarnation, serial) in [(0, 0), (u64::MAX, u64::MAX), (0xabc, 1)] {
            let id = PlanId {
                incarnation,
                serial,
            };
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for bad in ["", "-", "1", "1-", "g-1", "1-2-3", "1-10000000000000000"] {
            assert!(bad.parse::<PlanId>().is_err(), "{bad}");
        }
    }
}
