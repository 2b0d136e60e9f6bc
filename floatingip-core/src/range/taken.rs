//! Addresses that are taken, held as runs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Family, IpRange, RangeSet, following, next};

/// Addresses that come and go, held as runs without gaps.
///
/// Full blocks cost one entry whatever their size; the worst case, every second address, costs
/// one entry per address. Each operation on one address takes O(log n) of the number of runs.
///
/// ```
/// use floatingip_core::range::{RangeSet, Runs};
///
/// let pods: RangeSet = "10.0.0.2~10.0.0.5,10.0.0.9".parse()?;
/// let mut taken = Runs::new();
/// taken.insert_range("10.0.0.2~10.0.0.4".parse()?);
/// assert!(taken.insert("10.0.0.5".parse()?));
/// assert_eq!(taken.size(), 4);
///
/// let from = "10.0.0.3".parse()?;
/// assert_eq!(taken.next_gap(from, &pods), Some("10.0.0.9".parse()?));
/// assert!(taken.remove("10.0.0.4".parse()?));
/// assert_eq!(taken.next_gap(from, &pods), Some("10.0.0.4".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// First to last address of each run. Runs are disjoint and never touch.
    runs: BTreeMap<IpAddr, IpAddr>,
    /// The steps inside all runs of each family. Unlike sizes, their sums cannot overflow: the
    /// whole of IPv6 has 2^128 addresses but one step less.
    steps_v4: u128,
    steps_v6: u128,
}

impl Runs {
    /// No address taken.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes `ip`. The answer tells whether it was not taken before.
    pub fn insert(&mut self, ip: IpAddr) -> bool {
        let newly = !self.contains(ip);
        if newly {
            self.insert_range(IpRange::single(ip));
        }
        newly
    }

    /// Takes every address of `range`, in O(log n) for each run that it covers or touches.
    pub fn insert_range(&mut self, range: IpRange) {
        let mut joined = range;
        while let Some(run) = self.touching(&joined) {
            self.drop_run(run);
            joined = joined.hull(&run);
        }
        self.add_run(joined);
    }

    /// Frees `ip`. The answer tells whether it was taken.
    pub fn remove(&mut self, ip: IpAddr) -> bool {
        let Some(run) = self.run_of(ip) else {
            return false;
        };
        let (below, above) = run.without(&IpRange::single(ip));
        self.drop_run(run);
        for rest in [below, above].into_iter().flatten() {
            self.add_run(rest);
        }
        true
    }

    /// Frees every address.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether `ip` is taken.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.run_of(ip).is_some()
    }

    /// The run that `ip` lies in: its taken neighbours on both sides, as far as there is no gap.
    #[must_use]
    pub fn run_of(&self, ip: IpAddr) -> Option<IpRange> {
        self.last_from(ip).filter(|run| run.contains(ip))
    }

    /// Every run in order.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = IpRange> {
        self.runs
            .iter()
            .map(|(&first, &last)| IpRange { first, last })
    }

    /// The number of taken addresses, in O(1). Saturates at [`u128::MAX`].
    #[must_use]
    pub fn size(&self) -> u128 {
        u128::try_from(self.runs.len())
            .unwrap_or(u128::MAX)
            .saturating_add(self.steps_v4)
            .saturating_add(self.steps_v6)
    }

    /// The smallest address of `within` that is not less than `from` and not taken.
    ///
    /// Jumps over whole runs and ranges, so that the time is O(log n) for each run and range
    /// between `from` and the answer, however many addresses these hold. As every IPv6 address is
    /// greater than every IPv4 address, the answer to an IPv4 address may be an IPv6 address.
    #[must_use]
    pub fn next_gap(&self, from: IpAddr, within: &RangeSet) -> Option<IpAddr> {
        let mut candidate = within.next_in(from)?;
        while let Some(run) = self.run_of(candidate) {
            candidate = within.next_in(following(run.last)?)?;
        }
        Some(candidate)
    }

    /// The last run that overlaps `range` or touches one of its ends.
    fn touching(&self, range: &IpRange) -> Option<IpRange> {
        let end = next(range.last).unwrap_or(range.last);
        self.last_from(end).filter(|run| run.reaches(range.first))
    }

    /// The last run that begins at `ip` or before.
    fn last_from(&self, ip: IpAddr) -> Option<IpRange> {
        let (&first, &last) = self.runs.range(..=ip).next_back()?;
        Some(IpRange { first, last })
    }

    fn add_run(&mut self, run: IpRange) {
        self.runs.insert(run.first, run.last);
        *self.steps_of(run.family()) += run.steps();
    }

    fn drop_run(&mut self, run: IpRange) {
        self.runs.remove(&run.first);
        *self.steps_of(run.family()) -= run.steps();
    }

    fn steps_of(&mut self, family: Family) -> &mut u128 {
        match family {
            Family::V4 => &mut self.steps_v4,
            Family::V6 => &mut self.steps_v6,
        }
    }
}

#[cfg(test)]
mod tests;
