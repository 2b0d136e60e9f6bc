//! Openings: whether a refusal may have become a success, so that nobody asks in vain.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::Engine;
use super::ledger::Known;
use crate::name::PoolName;
use crate::record::{PoolRecord, Record, Version};
use crate::time::Now;

impl Engine {
    /// A number that changes whenever a refusal may have become a success: an address was freed or
    /// vacated, is kept for others now, or left its pool; a mark ended or was lifted; a claim ended
    /// without a bind, or claimed more than the bind took; a plan failed; an app's cap or a pool's
    /// size grew; another configuration is in force; a node gave up an address. Whoever has pods
    /// waiting asks for them again when it has changed, and only then; it may change without one of
    /// them having a chance. To be read before they are asked, so that what opens meanwhile is not
    /// missed. O(1) but for the claims and marks that are over by now, which end here.
    ///
    /// It does not see facts of the world before the engine is told of them: that a pod which the
    /// slot waits for is gone (until [`Engine::plan_ended`] or the sweep), that an app without any
    /// address has more slots, that an app exists again, that a node uses other subnets. And a
    /// transient refusal ([`Refusal::is_transient`](crate::refusal::Refusal::is_transient)) is not
    /// counted: whoever gets one tries again by itself.
    pub fn openings(&mut self, now: Now) -> u64 {
        self.claims.expire(now.elapsed);
        if self.mark_ends.pass(now.elapsed) {
            self.note_opening();
        }
        self.opened + self.claims.opened()
    }

    pub(super) const fn note_opening(&mut self) {
        self.opened += 1;
    }

    /// Puts the record of a pool in the place of what is there, or nothing.
    pub(super) fn set_pool(&mut self, pool: PoolName, known: Option<(Version, PoolRecord)>) {
        let size = known.as_ref().map(|(_, record)| record.size);
        let former = match known {
            Some(known) => self.pools.insert(pool, known),
            None => self.pools.remove(&pool),
        };
        // With a size, the pool's apps are not capped each by its slots any more, and vice versa.
        let opens = match (former.map(|(_, record)| record.size), size) {
            (Some(former), Some(size)) => size > former,
            (former, size) => former != size,
        };
        if opens {
            self.note_opening();
        }
    }
}

/// Whether others may get something because this record stands where that one stood.
pub(super) fn opens(former: Option<&Known>, record: Option<&Record>) -> bool {
    let former = former.map(|known| &*known.record);
    match (former, record) {
        (None, None) => false,
        (None, Some(record)) => record.is_reserve(),
        (Some(_), None) => true,
        (Some(former), Some(record)) => {
            let lifted = former.mark.is_some() && record.mark.is_none();
            let (from, to) = (&former.owner, &record.owner);
            let leaves = from.pool() != to.pool() || from.app() != to.app();
            lifted || from != to && (record.is_reserve() || leaves)
        }
    }
}

/// When marks end, by elapsed time.
#[derive(Debug, Default)]
pub(super) struct MarkEnds {
    ends: BTreeMap<IpAddr, Duration>,
    /// Those that were not over when somebody last looked.
    ahead: BTreeSet<(Duration, IpAddr)>,
}

impl MarkEnds {
    pub(super) fn set(&mut self, ip: IpAddr, end: Duration) {
        self.remove(ip);
        self.ends.insert(ip, end);
        self.ahead.insert((end, ip));
    }

    pub(super) fn remove(&mut self, ip: IpAddr) {
        if let Some(end) = self.ends.remove(&ip) {
            self.ahead.remove(&(end, ip));
        }
    }

    pub(super) fn end_of(&self, ip: IpAddr) -> Option<Duration> {
        self.ends.get(&ip).copied()
    }

    /// When marks end that were not over when somebody last looked, the first end first.
    pub(super) fn ahead(&self) -> impl Iterator<Item = &(Duration, IpAddr)> {
        self.ahead.iter()
    }

    /// Whether a mark has ended since this was asked last.
    fn pass(&mut self, elapsed: Duration) -> bool {
        let mut passed = false;
        while self.ahead.first().is_some_and(|(end, _)| *end <= elapsed) {
            passed |= self.ahead.pop_first().is_some();
        }
        passed
    }
}
