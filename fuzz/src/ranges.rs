//! Ranges and sets of them, from text: printing is canonical, and the algebra of sets holds.

use std::net::IpAddr;

use floatingip_core::range::{IpRange, RangeSet, next, previous};

/// Takes two sets, joined by `|`.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (left, right) = text.split_once('|').unwrap_or((text, ""));
    for range in left.split(',').filter_map(|text| text.parse().ok()) {
        check_range(range);
    }
    if let (Ok(left), Ok(right)) = (left.parse(), right.parse()) {
        check_sets(&left, &right);
    }
}

fn check_range(range: IpRange) {
    assert!(range.to_string().parse() == Ok(range) || has_mapped_end(&range));
    assert_eq!(range.nth(0), Some(range.first()));
    // The whole of IPv6 has one address more than its size can say.
    assert!(range.size() == u128::MAX || range.nth(range.size()).is_none());
    assert!(range.contains(range.first()) && range.contains(range.last()));
    assert!(outside(range).all(|ip| !range.contains(ip)));
    assert_eq!(range.iter().next(), Some(range.first()));
    assert_eq!(range.iter().next_back(), Some(range.last()));
}

/// Whether an end is in `::ffff:0:0/96`: such a range is printed, but not taken as input, where it
/// would be a mistake for IPv4.
fn has_mapped_end(range: &IpRange) -> bool {
    let mapped = |ip: IpAddr| matches!(ip, IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
    mapped(range.first()) || mapped(range.last())
}

/// The neighbours of a range, where the address space goes on.
fn outside(range: IpRange) -> impl Iterator<Item = IpAddr> {
    [previous(range.first()), next(range.last())]
        .into_iter()
        .flatten()
}

fn check_sets(left: &RangeSet, right: &RangeSet) {
    let parsed = left.to_string().parse();
    assert!(parsed.as_ref() == Ok(left) || left.ranges().iter().any(has_mapped_end));
    check_canonical(left);
    let (both, either) = (left.intersection(right), left.union(right));
    let (only_left, only_right) = (left.difference(right), right.difference(left));
    for set in [&both, &either, &only_left, &only_right] {
        check_canonical(set);
    }
    assert_eq!(both, right.intersection(left));
    assert_eq!(either, right.union(left));
    assert_eq!(only_left.union(&both), *left);
    assert_eq!(only_left.union(right), either);
    assert!(only_left.is_disjoint(right) && both.is_subset(left) && left.is_subset(&either));
    if let Some(sum) = left.size().checked_add(only_right.size()) {
        assert_eq!(either.size(), sum);
    }
    for ip in edges(&either) {
        assert_eq!(either.contains(ip), left.contains(ip) || right.contains(ip));
        assert_eq!(both.contains(ip), left.contains(ip) && right.contains(ip));
        assert_eq!(
            only_left.contains(ip),
            left.contains(ip) && !right.contains(ip)
        );
    }
}

/// Sorted, and neither overlapping nor adjacent.
fn check_canonical(set: &RangeSet) {
    let gap = |pair: &[IpRange]| match pair {
        [a, b] => a.last() < b.first() && next(a.last()) != Some(b.first()),
        _ => true,
    };
    assert!(set.ranges().windows(2).all(gap), "{set}");
}

fn edges(set: &RangeSet) -> Vec<IpAddr> {
    let of = |range: &IpRange| {
        [range.first(), range.last()]
            .into_iter()
            .chain(outside(*range))
    };
    set.ranges().iter().flat_map(of).collect()
}
