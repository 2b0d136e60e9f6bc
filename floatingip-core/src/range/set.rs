//! Sets of addresses, held as sorted ranges.

use std::net::IpAddr;
use std::ops::Range;

use super::IpRange;

/// A set of addresses: ranges that are sorted, disjoint and joined where they touch, IPv4 before
/// IPv6. Equal sets are equal values and print alike, however they were put together.
///
/// Made for configurations: built once, asked often. Changing it costs time proportional to the
/// number of ranges; for addresses that come and go use [`Runs`](super::Runs).
///
/// The text form lists the ranges with commas, as in `10.0.0.2~10.0.0.9,fd00::5`. Parsing accepts
/// all that [`IpRange`] accepts, in any order and overlapping; the empty text is the empty set.
///
/// ```
/// use floatingip_core::range::RangeSet;
///
/// let pods: RangeSet = "10.0.0.8~10.0.0.9, 10.0.0.2~10.0.0.7".parse()?;
/// assert_eq!(pods.to_string(), "10.0.0.2~10.0.0.9");
///
/// let gateway: RangeSet = "10.0.0.5".parse()?;
/// let usable = pods.difference(&gateway);
/// assert_eq!(usable.to_string(), "10.0.0.2~10.0.0.4,10.0.0.6~10.0.0.9");
/// assert_eq!(usable.size(), 7);
/// assert_eq!(usable.next_in("10.0.0.5".parse()?), Some("10.0.0.6".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RangeSet {
    ranges: Vec<IpRange>,
}

impl RangeSet {
    /// The empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the addresses of `range`, those already there included.
    pub fn insert(&mut self, range: IpRange) {
        let start = self
            .ranges
            .partition_point(|held| !held.reaches(range.first));
        let end = self
            .ranges
            .partition_point(|held| range.reaches(held.first));
        let touched = self.ranges.drain(start..end);
        let joined = touched.fold(range, |joined, held| joined.hull(&held));
        self.ranges.insert(start, joined);
    }

    /// Takes the addresses of `range` out, as far as they are there.
    pub fn remove(&mut self, range: IpRange) {
        let touched = self.overlapping(&range);
        let kept: Vec<IpRange> = self
            .slice(touched.clone())
            .iter()
            .flat_map(|held| <[_; 2]>::from(held.without(&range)))
            .flatten()
            .collect();
        self.ranges.splice(touched, kept);
    }

    /// Whether `ip` is a member, in O(log n) of the number of ranges.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.range_of(ip).is_some()
    }

    /// The range that `ip` lies in, in O(log n) of the number of ranges.
    #[must_use]
    pub fn range_of(&self, ip: IpAddr) -> Option<IpRange> {
        self.not_before(ip).filter(|range| range.contains(ip))
    }

    /// The smallest member that is not less than `from`, in O(log n) of the number of ranges.
    ///
    /// Every IPv6 address is greater than every IPv4 address, so that the answer to an IPv4
    /// address may be an IPv6 address.
    #[must_use]
    pub fn next_in(&self, from: IpAddr) -> Option<IpAddr> {
        self.not_before(from).map(|range| range.first.max(from))
    }

    /// The addresses of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.ranges.iter().chain(&other.ranges).copied().collect()
    }

    /// The addresses that are in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let shared = |range: &IpRange| {
            let range = *range;
            let touched = other.slice(other.overlapping(&range));
            touched
                .iter()
                .filter_map(move |held| range.intersection(held))
        };
        Self {
            ranges: self.ranges.iter().flat_map(shared).collect(),
        }
    }

    /// The addresses of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let mut ranges = Vec::new();
        for range in &self.ranges {
            let mut rest = Some(*range);
            for hole in other.slice(other.overlapping(range)) {
                let pieces = rest.map(|piece| piece.without(hole));
                let (below, above) = pieces.unwrap_or_default();
                ranges.extend(below);
                rest = above;
            }
            ranges.extend(rest);
        }
        Self { ranges }
    }

    /// Whether no address is in both sets.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        let mut ranges = self.ranges.iter();
        ranges.all(|range| other.overlapping(range).is_empty())
    }

    /// Whether every address of this set is in `other`.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.ranges.iter().all(|range| {
            let around = other.range_of(range.first);
            around.is_some_and(|around| around.contains(range.last))
        })
    }

    /// The number of addresses, saturating at [`u128::MAX`]; in O(n) of the number of ranges.
    #[must_use]
    pub fn size(&self) -> u128 {
        self.ranges
            .iter()
            .fold(0, |size, range| size.saturating_add(range.size()))
    }

    /// Whether there is no address in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The ranges in order. Between two of one family at least one address is missing.
    #[must_use]
    pub fn ranges(&self) -> &[IpRange] {
        &self.ranges
    }

    /// The smallest member.
    #[must_use]
    pub fn first(&self) -> Option<IpAddr> {
        self.ranges.first().map(IpRange::first)
    }

    /// The largest member.
    #[must_use]
    pub fn last(&self) -> Option<IpAddr> {
        self.ranges.last().map(IpRange::last)
    }

    /// The member with `n` smaller ones, in O(n) of the number of ranges.
    #[must_use]
    pub fn nth(&self, n: u128) -> Option<IpAddr> {
        let mut left = n;
        for range in &self.ranges {
            match range.nth(left) {
                Some(ip) => return Some(ip),
                None => left = left.saturating_sub(range.size()),
            }
        }
        None
    }

    /// Every member in order, from either end.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = IpAddr> {
        self.ranges.iter().flat_map(IpRange::iter)
    }

    /// The first range that does not lie wholly before `ip`.
    fn not_before(&self, ip: IpAddr) -> Option<IpRange> {
        let index = self.ranges.partition_point(|range| range.last < ip);
        self.ranges.get(index).copied()
    }

    /// Where the ranges that share an address with `range` are; an empty span if there are none.
    fn overlapping(&self, range: &IpRange) -> Range<usize> {
        let start = self.ranges.partition_point(|held| held.last < range.first);
        let end = self.ranges.partition_point(|held| held.first <= range.last);
        start..end
    }

    fn slice(&self, span: Range<usize>) -> &[IpRange] {
        self.ranges.get(span).unwrap_or_default()
    }
}

impl From<IpRange> for RangeSet {
    fn from(range: IpRange) -> Self {
        Self {
            ranges: vec![range],
        }
    }
}

impl FromIterator<IpRange> for RangeSet {
    fn from_iter<I: IntoIterator<Item = IpRange>>(ranges: I) -> Self {
        let mut ranges: Vec<IpRange> = ranges.into_iter().collect();
        join(&mut ranges);
        Self { ranges }
    }
}

impl Extend<IpRange> for RangeSet {
    fn extend<I: IntoIterator<Item = IpRange>>(&mut self, ranges: I) {
        self.ranges.extend(ranges);
        join(&mut self.ranges);
    }
}

/// Sorts ranges and joins those that overlap or touch.
fn join(ranges: &mut Vec<IpRange>) {
    ranges.sort_unstable();
    ranges.dedup_by(|range, before| {
        let joins = before.reaches(range.first);
        if joins {
            *before = before.hull(range);
        }
        joins
    });
}

#[cfg(test)]
mod tests;
