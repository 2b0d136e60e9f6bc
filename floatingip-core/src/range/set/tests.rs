use proptest::prelude::*;

use crate::range::universe::{
    Model, any_address, far_range, far_ranges, ip, model, near_ranges, range, set, universe,
};
use crate::range::{IpRange, RangeError, RangeSet, next};

fn built(ranges: &[IpRange]) -> RangeSet {
    ranges.iter().copied().collect()
}

/// The members that the model can know.
fn known(set: &RangeSet) -> Model {
    universe().filter(|&ip| set.contains(ip)).collect()
}

fn is_canonical(set: &RangeSet) -> bool {
    set.ranges().windows(2).all(|pair| {
        let (one, two) = (pair[0], pair[1]);
        one.last() < two.first() && next(one.last()) != Some(two.first())
    })
}

#[test]
fn ranges_are_sorted_and_joined_where_they_touch() {
    let table = [
        ("", ""),
        (" ", ""),
        ("10.0.0.9, 10.0.0.2", "10.0.0.2,10.0.0.9"),
        ("10.0.0.5~10.0.0.9,10.0.0.2~10.0.0.4", "10.0.0.2~10.0.0.9"),
        (
            "10.0.0.2~10.0.0.9,10.0.0.3,10.0.0.8~10.0.0.12",
            "10.0.0.2~10.0.0.12",
        ),
        ("10.0.0.0/25,10.0.0.128/25", "10.0.0.0~10.0.0.255"),
        ("fd00::1,10.0.0.1,9.0.0.1", "9.0.0.1,10.0.0.1,fd00::1"),
        ("::,255.255.255.255", "255.255.255.255,::"),
        (
            "0.0.0.0/0,::/0,10.0.0.1",
            "0.0.0.0~255.255.255.255,::~ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ),
    ];
    for (text, canonical) in table {
        assert_eq!(set(text).to_string(), canonical, "{text}");
        let mut inserted = RangeSet::new();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            inserted.insert(range(part));
        }
        assert_eq!(inserted, set(text), "{text}");
    }
}

#[test]
fn a_list_with_an_empty_or_faulty_entry_is_refused() {
    for faulty in [",", "10.0.0.1,", ",10.0.0.1", "10.0.0.1,,10.0.0.2"] {
        assert_eq!(
            faulty.parse::<RangeSet>(),
            Err(RangeError::Empty),
            "{faulty}"
        );
    }
    let text = String::from("x");
    let expected = Err(RangeError::NotAnAddress { text });
    assert_eq!("10.0.0.1,x".parse::<RangeSet>(), expected);
}

#[test]
fn removal_splits_a_range() {
    let mut pods = set("10.0.0.0/24");
    pods.remove(range("10.0.0.1"));
    pods.remove(range("10.0.0.254~10.0.1.7"));
    pods.remove(range("fd00::1"));
    assert_eq!(pods.to_string(), "10.0.0.0,10.0.0.2~10.0.0.253");
}

#[test]
fn removal_works_at_the_ends_of_each_family() {
    let mut all = set("0.0.0.0/0,::/0");
    for end in universe().filter(|&ip| next(ip).is_none() || ip.is_unspecified()) {
        all.remove(IpRange::single(end));
    }
    let left = "0.0.0.1~255.255.255.254,::1~ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe";
    assert_eq!(all.to_string(), left);
}

#[test]
fn sizes_saturate_only_at_all_of_ipv6() {
    assert_eq!(RangeSet::new().size(), 0);
    assert_eq!(set("0.0.0.0/0,fd00::/64").size(), (1 << 32) + (1 << 64));
    assert_eq!(set("0.0.0.0/0,::/0").size(), u128::MAX);
}

#[test]
fn the_next_member_of_an_ipv4_address_may_be_ipv6() {
    let pods = set("10.0.0.2~10.0.0.3,fd00::5");
    assert_eq!(pods.next_in(ip("10.0.0.4")), Some(ip("fd00::5")));
    assert_eq!(pods.next_in(ip("fd00::6")), None);
    assert_eq!(RangeSet::new().next_in(ip("0.0.0.0")), None);
}

#[test]
fn the_nth_member_counts_across_families() {
    let pods = set("0.0.0.0/0,::/0");
    assert_eq!(pods.nth((1 << 32) - 1), Some(ip("255.255.255.255")));
    assert_eq!(pods.nth(1 << 32), Some(ip("::")));
    assert_eq!(RangeSet::new().nth(0), None);
}

#[test]
fn sets_are_strings_in_serde() {
    let pods = set("10.0.0.2~10.0.0.3,fd00::5");
    let json = serde_json::to_string(&pods).unwrap();
    assert_eq!(json, r#""10.0.0.2~10.0.0.3,fd00::5""#);
    assert_eq!(serde_json::from_str::<RangeSet>(&json).unwrap(), pods);
}

proptest! {
    #[test]
    fn a_set_agrees_with_the_list_of_its_members(ranges in near_ranges(), at in any_address()) {
        let (set, model) = (built(&ranges), model(&ranges));
        let members: Vec<_> = model.iter().copied().collect();
        prop_assert!(is_canonical(&set));
        prop_assert_eq!(set.size(), members.len() as u128);
        prop_assert_eq!(set.is_empty(), members.is_empty());
        prop_assert_eq!(&set.iter().collect::<Vec<_>>(), &members);
        prop_assert!(set.iter().rev().eq(members.iter().rev().copied()));
        prop_assert_eq!((set.first(), set.last()), (model.first().copied(), model.last().copied()));
        prop_assert_eq!(set.next_in(at), model.range(at..).next().copied());
        for n in 0..=members.len() {
            prop_assert_eq!(set.nth(n as u128), members.get(n).copied());
        }
        let around = set.range_of(at);
        prop_assert_eq!(around.is_some(), model.contains(&at));
        let held = |range: IpRange| range.contains(at) && set.ranges().contains(&range);
        prop_assert!(around.is_none_or(held));
    }

    #[test]
    fn every_way_to_build_a_set_gives_the_same_value(ranges in far_ranges(), split in 0..6_usize) {
        let set = built(&ranges);
        let (head, tail) = ranges.split_at(split.min(ranges.len()));
        let mut extended = built(head);
        extended.extend(tail.iter().copied());
        prop_assert_eq!(&extended, &set);
        prop_assert_eq!(&built(head).union(&built(tail)), &set);
        let mut inserted = RangeSet::new();
        for range in &ranges {
            inserted.insert(*range);
            prop_assert!(inserted.contains(range.first()) && inserted.contains(range.last()));
        }
        prop_assert_eq!(&inserted, &set);
        prop_assert_eq!(set.to_string().parse(), Ok(set));
    }

    #[test]
    fn algebra_agrees_with_the_model(a in far_ranges(), b in far_ranges()) {
        let (one, two, in_one, in_two) = (built(&a), built(&b), model(&a), model(&b));
        let (union, both) = (one.union(&two), one.intersection(&two));
        let rest = one.difference(&two);
        prop_assert!([&union, &both, &rest].into_iter().all(is_canonical));
        prop_assert_eq!(known(&union), &in_one | &in_two);
        prop_assert_eq!(known(&both), &in_one & &in_two);
        prop_assert_eq!(known(&rest), &in_one - &in_two);
        prop_assert_eq!(&rest.union(&both), &one);
        prop_assert_eq!(one.is_disjoint(&two), both.is_empty());
        prop_assert_eq!(one.is_subset(&two), rest.is_empty());
        prop_assert!(rest.is_disjoint(&two) && both.is_subset(&two));
    }

    #[test]
    fn removal_is_the_difference_with_one_range(ranges in far_ranges(), hole in far_range()) {
        let mut set = built(&ranges);
        set.remove(hole);
        prop_assert!(is_canonical(&set));
        prop_assert_eq!(&set, &built(&ranges).difference(&RangeSet::from(hole)));
        prop_assert_eq!(known(&set), &model(&ranges) - &model(&[hole]));
    }
}
