//! Stores: what makes plans durable.

use std::future::Future;

use thiserror::Error;

use crate::name::PoolName;
use crate::plan::Batch;
use crate::record::{PoolRecord, Record, Value, Version};
use std::net::IpAddr;

/// What makes plans durable: objects of a cluster, an embedded database, memory.
///
/// # Contract
/// - Each write happens only if its expectation holds at that instant (compare-and-swap).
/// - A record carries the id of the plan that wrote it; a write that is repeated after an
///   [`Answer::Unknown`] finds its own id there and answers `Applied` with the version it got then.
///   A repeated deletion that finds nothing answers `Applied`.
/// - Versions grow with every write of the store.
/// - [`Store::atomic`] stores apply a batch as a whole or not at all. Where one write is refused, the
///   others are [`Outcome::Unavailable`].
///
/// The suite in the feature `testing` checks all of it.
pub trait Store: Send + Sync {
    /// Whether a batch is applied as a whole or not at all.
    fn atomic(&self) -> bool;

    /// Everything there is.
    ///
    /// # Errors
    /// What cannot be read; nothing may be decided then.
    fn load(&self) -> impl Future<Output = Result<Snapshot, LoadError>> + Send;

    /// Makes the writes of a batch; answers one by one, in the batch's order.
    fn apply(&self, batch: &Batch) -> impl Future<Output = Vec<Answer>> + Send;
}

/// Everything a store has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The addresses.
    pub addresses: Vec<(IpAddr, Version, Record)>,
    /// The sized pools.
    pub pools: Vec<(PoolName, Version, PoolRecord)>,
    /// Nothing in the snapshot is newer than this.
    pub version: Version,
}

/// What a store says of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is certain what became of it.
    Definite(Outcome),
    /// It may have been applied, or may still be: repeat the same write until the answer is definite.
    Unknown,
}

/// What certainly became of one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable, at this version. For a deletion: its version, or the one that was deleted.
    Applied(Version),
    /// Not applied: the expectation does not hold, this is there instead (none: nothing is).
    Refused(Option<(Version, Value)>),
    /// Certainly not applied, for reasons of the store.
    Unavailable,
}

/// Why a store cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It cannot be reached at present; trying again may help.
    #[error("the store cannot be read at present")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What is there cannot be understood; somebody has to look.
    #[error("the store holds what cannot be understood at {place}")]
    Damaged {
        /// Where.
        place: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
