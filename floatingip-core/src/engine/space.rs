//! Space: the free addresses of one subnet, never listed one by one.

use std::net::IpAddr;

use super::tally::Tally;
use crate::range::taken::Runs;
use crate::range::{RangeSet, next};
use crate::record::Record;
use crate::topology::PodSubnet;

/// Which addresses of a subnet can be handed out, and where to look next.
#[derive(Debug)]
pub(super) struct Space {
    usable: RangeSet,
    /// Usable addresses that somebody has, is about to get, or must not get.
    taken: Runs,
    /// Where the search for a fresh address starts: behind the last one handed out, so that a
    /// released address is reused as late as possible.
    cursor: Option<IpAddr>,
    last_given: Option<IpAddr>,
    /// How many addresses of the subnet's ranges have a record.
    pub(super) records: usize,
    /// Of what sorts they are.
    pub(super) tally: Tally,
}

impl Space {
    pub(super) fn of(subnet: &PodSubnet) -> Self {
        Self {
            usable: subnet.usable().clone(),
            taken: Runs::new(),
            cursor: subnet.usable().first(),
            last_given: None,
            records: 0,
            tally: Tally::default(),
        }
    }

    /// Counts the record of one of the subnet's addresses, or takes it back.
    pub(super) fn count(&mut self, record: &Record, up: bool) {
        self.records = match up {
            true => self.records + 1,
            false => self.records.saturating_sub(1),
        };
        self.tally.count(record, up);
    }

    /// How many addresses are free.
    pub(super) fn free(&self) -> u128 {
        self.usable.size() - self.taken.size()
    }

    /// Notes whether an address is taken; says whether it has become free.
    pub(super) fn set_taken(&mut self, ip: IpAddr, taken: bool) -> bool {
        let before = self.taken.size();
        if taken && self.usable.contains(ip) {
            self.taken.insert(ip);
        } else {
            self.taken.remove(ip);
        }
        self.taken.size() < before
    }

    /// Lets the search go on behind `ip`.
    pub(super) fn passed(&mut self, ip: IpAddr) {
        self.cursor = next(ip);
        self.last_given = Some(ip);
    }

    /// Behind which address the search goes on.
    pub(super) fn last_given(&self) -> Option<IpAddr> {
        self.last_given
    }

    /// Up to `count` free addresses within `within`, from the cursor round to the cursor, that are
    /// not among `skip`. O((count + runs of taken addresses met) log n).
    pub(super) fn fresh(
        &self,
        within: Option<&RangeSet>,
        count: usize,
        skip: &[IpAddr],
    ) -> Vec<IpAddr> {
        let narrowed = within.map(|within| self.usable.intersection(within));
        let usable = narrowed.as_ref().unwrap_or(&self.usable);
        let Some(first) = usable.first() else {
            return Vec::new();
        };
        let start = self.cursor.unwrap_or(first);
        let mut found = Vec::new();
        self.collect(usable, start, None, count, skip, &mut found);
        if start > first {
            self.collect(usable, first, Some(start), count, skip, &mut found);
        }
        found
    }

    fn collect(
        &self,
        usable: &RangeSet,
        from: IpAddr,
        until: Option<IpAddr>,
        count: usize,
        skip: &[IpAddr],
        found: &mut Vec<IpAddr>,
    ) {
        let mut from = Some(from);
        while found.len() < count {
            let Some(ip) = from.and_then(|from| self.taken.next_gap(from, usable)) else {
                return;
            };
            if until.is_some_and(|until| ip >= until) {
                return;
            }
            if !skip.contains(&ip) {
                found.push(ip);
            }
            from = next(ip);
        }
    }
}
