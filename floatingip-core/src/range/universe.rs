//! A universe small enough for naive models: the first and last few addresses of both families.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::{Family, IpRange, RangeSet};

/// Addresses at each of the four ends.
pub(super) const WIDTH: u32 = 12;

pub(super) type Model = BTreeSet<IpAddr>;

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(super) fn range(text: &str) -> IpRange {
    text.parse().unwrap()
}

pub(super) fn set(text: &str) -> RangeSet {
    text.parse().unwrap()
}

pub(super) fn universe() -> impl Iterator<Item = IpAddr> {
    (0..4).flat_map(|end| (0..WIDTH).map(move |offset| address(end, offset)))
}

pub(super) fn model(ranges: &[IpRange]) -> Model {
    universe()
        .filter(|&ip| ranges.iter().any(|range| range.contains(ip)))
        .collect()
}

pub(super) fn any_address() -> impl Strategy<Value = IpAddr> {
    (0..4_u8, 0..WIDTH).prop_map(|(end, offset)| address(end, offset))
}

/// A range within one end of one family, so that a model holds all its addresses.
pub(super) fn near_range() -> impl Strategy<Value = IpRange> {
    (0..4_u8, 0..WIDTH, 0..WIDTH).prop_map(|(end, a, b)| ordered(address(end, a), address(end, b)))
}

pub(super) fn near_ranges() -> impl Strategy<Value = Vec<IpRange>> {
    prop::collection::vec(near_range(), 0..10)
}

/// A range that may span its family, of which a model knows only the ends.
pub(super) fn far_range() -> impl Strategy<Value = IpRange> {
    let ends = (any::<bool>(), 0..2_u8, 0..WIDTH, 0..2_u8, 0..WIDTH);
    ends.prop_map(|(v6, end, offset, other_end, other_offset)| {
        let family = if v6 { 2 } else { 0 };
        let one = address(family + end, offset);
        let other = address(family + other_end, other_offset);
        ordered(one, other)
    })
}

pub(super) fn far_ranges() -> impl Strategy<Value = Vec<IpRange>> {
    prop::collection::vec(far_range(), 0..6)
}

fn ordered(a: IpAddr, b: IpAddr) -> IpRange {
    IpRange::new(a.min(b), a.max(b)).unwrap()
}

fn address(end: u8, offset: u32) -> IpAddr {
    let (family, bits) = match end {
        0 => (Family::V4, u128::from(offset)),
        1 => (Family::V4, u128::from(u32::MAX - WIDTH + 1 + offset)),
        2 => (Family::V6, u128::from(offset)),
        _ => (Family::V6, u128::MAX - u128::from(WIDTH - 1 - offset)),
    };
    family.address(bits).unwrap()
}
