//! Plans: decided, not yet durable changes. A plan holds its addresses until it is settled.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::name::PoolName;
use crate::owner::Owner;
use crate::record::{PlanId, PoolRecord, Record, Target, Value, Version};
use crate::time::WallTime;

/// A decided change of one or more records, made by the engine.
///
/// Every plan is settled exactly once, by `Engine::settle`: until then its addresses are held,
/// and a plan that is dropped instead would hold them for ever.
///
/// `Engine::settle`: crate::Engine::settle
#[derive(Debug)]
#[must_use = "a plan holds its addresses until it is settled"]
pub struct Plan {
    pub(crate) batch: Batch,
}

impl Plan {
    /// What a store has to write.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The plan's id, which every record it writes carries.
    pub fn id(&self) -> PlanId {
        self.batch.id
    }

    /// Whether there is nothing to write. Such a plan is settled like any other.
    pub fn is_empty(&self) -> bool {
        self.batch.writes.is_empty()
    }
}

/// The writes of a plan, or those of them whose answer is still open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The plan's id.
    pub id: PlanId,
    /// What to write, at most one write per target.
    pub writes: Vec<Write>,
    /// Whether the writes have to be made one after the other, each only if the one before was
    /// applied (the rest is `Unavailable`). Else they are independent and may run at once.
    pub in_order: bool,
}

/// A conditional write of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Which record.
    pub target: Target,
    /// What must be there before: a record at this version, or none.
    pub expect: Option<Version>,
    /// What is there afterwards: this, or nothing. Always of the target's kind.
    pub put: Option<Value>,
    /// The line for the journal, in the same transaction where the store has them.
    pub entry: Option<Entry>,
}

impl Write {
    /// A write of an address's record.
    pub fn address(ip: IpAddr, expect: Option<Version>, put: Option<Record>, entry: Entry) -> Self {
        Self {
            target: Target::Address(ip),
            expect,
            put: put.map(Value::Address),
            entry: Some(entry),
        }
    }

    /// A write of a pool's record.
    pub fn pool(pool: PoolName, expect: Option<Version>, put: Option<PoolRecord>) -> Self {
        Self {
            target: Target::Pool(pool),
            expect,
            put: put.map(Value::Pool),
            entry: None,
        }
    }
}

/// A line of the journal: who had an address, who has it now, when and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was decided.
    pub at: WallTime,
    /// What happened.
    pub event: Event,
    /// Who had the address before.
    pub from: Option<Owner>,
    /// Who has it now.
    pub to: Option<Owner>,
}

/// What happens to an address, as the journal names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A pod got it that nobody had, or that is not known to be bound with it yet.
    Allocate,
    /// A pod has taken the place of the former one, or what was kept for its slot, app or pool. Only
    /// where an address is in use as soon as it is allocated.
    Bind,
    /// Its pod ended; it is kept.
    Reserve,
    /// It became free.
    Release,
    /// A pool was filled with it.
    PreAllocate,
    /// An administrator took it out of use.
    AdminReserve,
    /// It must not be used for a while.
    Quarantine,
    /// Its former pod may still run somewhere.
    Rest,
    /// A mark was taken off.
    Lift,
    /// Its record was lost under a live pod and is written again.
    Restore,
    /// Its attachment changed.
    Attach,
    /// A bound pod used it without a record.
    Adopt,
    /// The configuration does not have it any more; its owner keeps it. The owner does not change.
    Drain,
    /// The configuration has it again. The owner does not change.
    Undrain,
}

impl Event {
    /// Every event, in the order of the declaration.
    pub const ALL: [Self; 14] = [
        Self::Allocate,
        Self::Bind,
        Self::Reserve,
        Self::Release,
        Self::PreAllocate,
        Self::AdminReserve,
        Self::Quarantine,
        Self::Rest,
        Self::Lift,
        Self::Restore,
        Self::Attach,
        Self::Adopt,
        Self::Drain,
        Self::Undrain,
    ];

    /// Its name in the journal and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allocate => "allocate",
            Self::Bind => "bind",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::PreAllocate => "pre-allocate",
            Self::AdminReserve => "admin-reserve",
            Self::Quarantine => "quarantine",
            Self::Rest => "rest",
            Self::Lift => "lift",
            Self::Restore => "restore",
            Self::Attach => "attach",
            Self::Adopt => "adopt",
            Self::Drain => "drain",
            Self::Undrain => "undrain",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_written_as_it_is_named() {
        for (place, event) in Event::ALL.into_iter().enumerate() {
            assert_eq!(event as usize, place, "{event:?}");
            let written = serde_json::to_value(event).unwrap();
            assert_eq!(written, event.name());
        }
    }
}
