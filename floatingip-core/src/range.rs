//! Addresses in order: ranges, sets of ranges, and runs of taken addresses.
//!
//! Everything here orders addresses as `std` does, every IPv4 address before every IPv6 address,
//! and is exact at both ends of both address spaces. Nothing lists addresses unless asked to, so
//! a /8 or a /64 costs as much as a single address.

use std::iter::FusedIterator;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

pub use self::error::RangeError;
pub use self::family::Family;
pub use self::set::RangeSet;
pub use self::taken::Runs;

mod error;
mod family;
pub mod set;
pub mod taken;
mod text;

/// Consecutive addresses of one family, both ends included; never empty.
///
/// The text form is `first~last`, or the address alone when there is only one. Parsing also
/// accepts spaces around the `~` and CIDR notation of a whole network; it refuses whatever could
/// be read in two ways (leading zeros, IPv4-mapped IPv6 addresses, zone ids, host bits in a
/// network), see [`RangeError`].
///
/// IPv4-mapped addresses (RFC 4291, section 2.5.5.2) are refused in text only. A range that ends
/// in `::ffff:0:0/96`, which takes code to build, therefore prints but does not parse.
///
/// Ranges sort by first address, then by last.
///
/// ```
/// use floatingip_core::range::IpRange;
///
/// let range: IpRange = "10.0.0.2 ~ 10.0.0.9".parse()?;
/// assert_eq!(range.to_string(), "10.0.0.2~10.0.0.9");
/// assert_eq!(range.size(), 8);
/// assert!(range.contains("10.0.0.9".parse()?));
/// assert_eq!(range.nth(1), Some("10.0.0.3".parse()?));
///
/// let top: IpRange = "255.255.255.254/31".parse()?;
/// assert_eq!(top.iter().count(), 2);
///
/// let reversed = "10.0.0.9~10.0.0.2".parse::<IpRange>().unwrap_err();
/// assert_eq!(
///     reversed.to_string(),
///     "the range `10.0.0.9~10.0.0.2` runs backwards, write `10.0.0.2~10.0.0.9`",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    /// The range from `first` to `last`, both included.
    ///
    /// # Errors
    ///
    /// [`RangeError::MixedFamilies`] if the ends are of different families,
    /// [`RangeError::Reversed`] if `last` comes before `first`.
    pub fn new(first: IpAddr, last: IpAddr) -> Result<Self, RangeError> {
        if Family::of(first) != Family::of(last) {
            return Err(RangeError::MixedFamilies { first, last });
        }
        if last < first {
            return Err(RangeError::Reversed { first, last });
        }
        Ok(Self { first, last })
    }

    /// The range of one address.
    #[must_use]
    pub fn single(ip: IpAddr) -> Self {
        Self {
            first: ip,
            last: ip,
        }
    }

    /// All addresses of `net`, network and broadcast address included; host bits are ignored.
    #[must_use]
    pub fn from_net(net: IpNet) -> Self {
        Self {
            first: net.network(),
            last: net.broadcast(),
        }
    }

    /// The smallest address.
    #[must_use]
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// The largest address.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// The family of every address of the range.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.first)
    }

    /// Whether `ip` lies in the range; an address of the other family never does.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.first <= ip && ip <= self.last
    }

    /// The number of addresses.
    ///
    /// Saturates at [`u128::MAX`], and does so only for the whole of IPv6, which has one more.
    #[must_use]
    pub fn size(&self) -> u128 {
        self.steps().saturating_add(1)
    }

    /// Whether some address lies in both ranges.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// The addresses that lie in both ranges.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        self.overlaps(other).then(|| Self {
            first: self.first.max(other.first),
            last: self.last.min(other.last),
        })
    }

    /// The address `n` places after the first, counted from 0, if it lies in the range.
    #[must_use]
    pub fn nth(&self, n: u128) -> Option<IpAddr> {
        let bits = bits(self.first).checked_add(n)?;
        self.family().address(bits).filter(|&ip| self.contains(ip))
    }

    /// Every address in order, from either end.
    pub fn iter(&self) -> Addresses {
        Addresses { rest: Some(*self) }
    }

    /// How often [`next`] leads from the first address to the last; exact, unlike the size.
    fn steps(&self) -> u128 {
        bits(self.last) - bits(self.first)
    }

    /// Whether `ip` is at most one step past the end: a later range that begins there joins up.
    fn reaches(&self, ip: IpAddr) -> bool {
        ip <= self.last || next(self.last) == Some(ip)
    }

    /// The smallest range around two ranges of one family.
    fn hull(&self, other: &Self) -> Self {
        Self {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }

    /// What is left below and above `hole`, a range that overlaps this one.
    fn without(&self, hole: &Self) -> (Option<Self>, Option<Self>) {
        let below = previous(hole.first)
            .filter(|&last| self.contains(last))
            .map(|last| Self { last, ..*self });
        let above = next(hole.last)
            .filter(|&first| self.contains(first))
            .map(|first| Self { first, ..*self });
        (below, above)
    }
}

/// The addresses of an [`IpRange`] in order, made by [`IpRange::iter`].
///
/// [`Iterator::nth`] and [`DoubleEndedIterator::nth_back`] jump, they do not step.
#[derive(Clone, Debug)]
#[must_use = "iterators are lazy and do nothing unless consumed"]
pub struct Addresses {
    rest: Option<IpRange>,
}

impl Iterator for Addresses {
    type Item = IpAddr;

    fn next(&mut self) -> Option<IpAddr> {
        self.nth(0)
    }

    fn nth(&mut self, n: usize) -> Option<IpAddr> {
        let rest = self.rest.take()?;
        let ip = rest.nth(u128::try_from(n).ok()?)?;
        self.rest = rest.without(&IpRange::single(ip)).1;
        Some(ip)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.rest.map_or(0, |rest| rest.size());
        let exact = usize::try_from(left).ok();
        (exact.unwrap_or(usize::MAX), exact)
    }
}

impl DoubleEndedIterator for Addresses {
    fn next_back(&mut self) -> Option<IpAddr> {
        self.nth_back(0)
    }

    fn nth_back(&mut self, n: usize) -> Option<IpAddr> {
        let rest = self.rest.take()?;
        let ip = rest.nth(rest.steps().checked_sub(u128::try_from(n).ok()?)?)?;
        self.rest = rest.without(&IpRange::single(ip)).0;
        Some(ip)
    }
}

impl FusedIterator for Addresses {}

/// The address after `ip`, or `None` at the end of its family's space.
///
/// ```
/// use floatingip_core::range::next;
///
/// assert_eq!(next("10.0.0.255".parse()?), Some("10.0.1.0".parse()?));
/// assert_eq!(next("255.255.255.255".parse()?), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn next(ip: IpAddr) -> Option<IpAddr> {
    Family::of(ip).address(bits(ip).checked_add(1)?)
}

/// The address before `ip`, or `None` at the beginning of its family's space.
///
/// ```
/// use floatingip_core::range::previous;
///
/// assert_eq!(previous("10.0.1.0".parse()?), Some("10.0.0.255".parse()?));
/// assert_eq!(previous("::".parse()?), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn previous(ip: IpAddr) -> Option<IpAddr> {
    Family::of(ip).address(bits(ip).checked_sub(1)?)
}

/// The address after `ip` in the order of all addresses, where `::` follows 255.255.255.255.
fn following(ip: IpAddr) -> Option<IpAddr> {
    match Family::of(ip) {
        Family::V4 => next(ip).or(Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED))),
        Family::V6 => next(ip),
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod universe;
