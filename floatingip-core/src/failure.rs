//! Failures: why nobody got an address, as metrics count it. A closed set, without data.

use crate::orchestrator::{AllocateError, Stuck};
use crate::refusal::Refusal;

/// Why a request for addresses failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Failure {
    /// [`Refusal::NoSubnet`].
    NoSubnet,
    /// [`Refusal::Exhausted`].
    Exhausted,
    /// [`Refusal::WrongNode`].
    WrongNode,
    /// [`Refusal::Withdrawn`].
    Withdrawn,
    /// [`Refusal::Quarantined`].
    Quarantined,
    /// [`Refusal::NodeAddress`].
    NodeAddress,
    /// [`Refusal::WaitingFor`].
    WaitingFor,
    /// [`Refusal::AppFull`].
    AppFull,
    /// [`Refusal::AppGone`].
    AppGone,
    /// [`Refusal::PoolFull`].
    PoolFull,
    /// [`Refusal::Busy`].
    Busy,
    /// [`Refusal::PodEnded`].
    PodEnded,
    /// [`Refusal::OtherRequest`].
    OtherRequest,
    /// [`Refusal::OtherInterface`].
    OtherInterface,
    /// [`Refusal::UidTaken`].
    UidTaken,
    /// [`Refusal::StaleReach`].
    StaleReach,
    /// [`Stuck::Unavailable`].
    Unavailable,
    /// [`Stuck::Uncertain`].
    Uncertain,
    /// [`Stuck::Contended`].
    Contended,
}

impl Failure {
    /// Every failure, in the order of the declaration.
    pub const ALL: [Self; 19] = [
        Self::NoSubnet,
        Self::Exhausted,
        Self::WrongNode,
        Self::Withdrawn,
        Self::Quarantined,
        Self::NodeAddress,
        Self::WaitingFor,
        Self::AppFull,
        Self::AppGone,
        Self::PoolFull,
        Self::Busy,
        Self::PodEnded,
        Self::OtherRequest,
        Self::OtherInterface,
        Self::UidTaken,
        Self::StaleReach,
        Self::Unavailable,
        Self::Uncertain,
        Self::Contended,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoSubnet => "no-subnet",
            Self::Exhausted => "exhausted",
            Self::WrongNode => "wrong-node",
            Self::Withdrawn => "withdrawn",
            Self::Quarantined => "quarantined",
            Self::NodeAddress => "node-address",
            Self::WaitingFor => "waiting-for",
            Self::AppFull => "app-full",
            Self::AppGone => "app-gone",
            Self::PoolFull => "pool-full",
            Self::Busy => "busy",
            Self::PodEnded => "pod-ended",
            Self::OtherRequest => "other-request",
            Self::OtherInterface => "other-interface",
            Self::UidTaken => "uid-taken",
            Self::StaleReach => "stale-reach",
            Self::Unavailable => "store-unavailable",
            Self::Uncertain => "store-uncertain",
            Self::Contended => "contended",
        }
    }
}

impl From<&Refusal> for Failure {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::NoSubnet => Self::NoSubnet,
            Refusal::Exhausted(_) => Self::Exhausted,
            Refusal::WrongNode { .. } => Self::WrongNode,
            Refusal::Withdrawn { .. } => Self::Withdrawn,
            Refusal::Quarantined { .. } => Self::Quarantined,
            Refusal::NodeAddress { .. } => Self::NodeAddress,
            Refusal::WaitingFor { .. } => Self::WaitingFor,
            Refusal::AppFull { .. } => Self::AppFull,
            Refusal::AppGone { .. } => Self::AppGone,
            Refusal::PoolFull { .. } => Self::PoolFull,
            Refusal::Busy { .. } => Self::Busy,
            Refusal::PodEnded { .. } => Self::PodEnded,
            Refusal::OtherRequest { .. } => Self::OtherRequest,
            Refusal::OtherInterface { .. } => Self::OtherInterface,
            Refusal::UidTaken { .. } => Self::UidTaken,
            Refusal::StaleReach => Self::StaleReach,
        }
    }
}

impl From<&AllocateError> for Failure {
    fn from(error: &AllocateError) -> Self {
        match error {
            AllocateError::Refused(refusal) => refusal.into(),
            AllocateError::Stuck(Stuck::Unavailable) => Self::Unavailable,
            AllocateError::Stuck(Stuck::Uncertain) => Self::Uncertain,
            AllocateError::Stuck(Stuck::Contended) => Self::Contended,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_failure_has_a_place_and_a_name_of_its_own() {
        let names: BTreeSet<&str> = Failure::ALL.iter().map(|failure| failure.name()).collect();
        assert_eq!(names.len(), Failure::ALL.len());
        for (place, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, place, "{failure:?}");
        }
    }
}
