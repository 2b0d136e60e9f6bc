use std::net::IpAddr;

use proptest::prelude::*;

use crate::range::universe::{
    Model, any_address, far_ranges, ip, near_range, near_ranges, range, set, universe,
};
use crate::range::{IpRange, RangeSet, Runs};

#[derive(Clone, Debug)]
enum Step {
    Insert(IpAddr),
    InsertRange(IpRange),
    Remove(IpAddr),
    Clear,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => any_address().prop_map(Step::Insert),
        3 => near_range().prop_map(Step::InsertRange),
        10 => any_address().prop_map(Step::Remove),
        1 => Just(Step::Clear),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(), 0..80)
}

/// Does `step` on both sides; whether they answered alike.
fn agrees(step: &Step, taken: &mut Runs, model: &mut Model) -> bool {
    match step {
        Step::Insert(ip) => taken.insert(*ip) == model.insert(*ip),
        Step::Remove(ip) => taken.remove(*ip) == model.remove(ip),
        Step::InsertRange(range) => {
            taken.insert_range(*range);
            model.extend(range.iter());
            true
        }
        Step::Clear => {
            taken.clear();
            model.clear();
            true
        }
    }
}

fn filled(ranges: impl IntoIterator<Item = IpRange>) -> Runs {
    let mut taken = Runs::new();
    for range in ranges {
        taken.insert_range(range);
    }
    taken
}

#[test]
fn neighbours_join_into_one_run_and_part_again() {
    let mut taken = Runs::new();
    for text in ["10.0.0.1", "10.0.0.3", "10.0.0.2"] {
        assert!(taken.insert(ip(text)));
    }
    assert!(!taken.insert(ip("10.0.0.2")));
    assert_eq!(
        taken.run_of(ip("10.0.0.3")),
        Some(range("10.0.0.1~10.0.0.3"))
    );
    assert!(taken.remove(ip("10.0.0.2")));
    assert!(!taken.remove(ip("10.0.0.2")));
    assert_eq!(
        taken.ranges().collect::<Vec<_>>(),
        [range("10.0.0.1"), range("10.0.0.3")]
    );
}

#[test]
fn runs_of_different_families_never_join() {
    let taken = filled([range("255.255.255.255"), range("::")]);
    assert_eq!(taken.ranges().count(), 2);
    assert_eq!(taken.run_of(ip("::")), Some(range("::")));
}

#[test]
fn the_count_survives_taking_everything() {
    let mut taken = filled([range("::/0"), range("0.0.0.0/0")]);
    assert_eq!(taken.size(), u128::MAX);
    assert!(taken.remove(ip("fd00::1")));
    taken.insert_range(range("fd00::1"));
    for half in [range("0.0.0.0/0"), range("::/0")] {
        assert_eq!(taken.run_of(half.first()), Some(half));
        assert!(taken.remove(half.first()) && taken.remove(half.last()));
    }
    let only_v4 = filled([range("0.0.0.0/0")]);
    assert_eq!(only_v4.size(), 1 << 32);
}

#[test]
fn a_gap_is_found_across_ranges_runs_and_families() {
    let within = set("10.0.0.2~10.0.0.5,10.0.0.9,255.255.255.254/31,::/127");
    let mut taken = Runs::new();
    let mut found = Vec::new();
    while let Some(gap) = taken.next_gap(ip("10.0.0.3"), &within) {
        found.push(gap);
        taken.insert(gap);
    }
    let expected: Vec<_> = within.iter().skip(1).collect();
    assert_eq!(found, expected);
    assert_eq!(taken.next_gap(ip("0.0.0.0"), &within), Some(ip("10.0.0.2")));
}

#[test]
fn a_gap_behind_huge_runs_and_many_ranges_is_found_at_once() {
    let all = range("fd00::/64");
    let odd = (0..50_000).filter_map(|n| all.nth(2 * n + 1));
    let within = RangeSet::from(all).difference(&odd.map(IpRange::single).collect());
    let taken = filled([range("fd00::~fd00::ffff:ffff:ffff:fffd")]);
    let last = ip("fd00::ffff:ffff:ffff:fffe");
    for _ in 0..10_000 {
        assert_eq!(taken.next_gap(ip("10.0.0.1"), &within), Some(last));
    }
}

#[test]
fn there_is_no_gap_behind_the_last_address() {
    let taken = filled([range("::/0")]);
    assert_eq!(taken.next_gap(ip("::"), &set("::/0")), None);
    assert_eq!(taken.next_gap(ip("::"), &set("0.0.0.0/0")), None);
    assert_eq!(Runs::new().next_gap(ip("::"), &RangeSet::new()), None);
}

proptest! {
    #[test]
    fn runs_agree_with_a_plain_set_after_every_step(steps in steps()) {
        let (mut taken, mut model) = (Runs::new(), Model::new());
        for step in &steps {
            prop_assert!(agrees(step, &mut taken, &mut model), "{step:?}");
            prop_assert_eq!(taken.size(), model.len() as u128);
            let agreed = universe().all(|ip| taken.contains(ip) == model.contains(&ip));
            prop_assert!(agreed, "{step:?}");
        }
        let expected: RangeSet = model.iter().copied().map(IpRange::single).collect();
        prop_assert_eq!(taken.ranges().collect::<Vec<_>>(), expected.ranges());
        prop_assert!(universe().all(|ip| taken.run_of(ip) == expected.range_of(ip)));
    }

    #[test]
    fn the_gap_is_the_first_free_address(
        steps in steps(), within in near_ranges(), from in any_address(),
    ) {
        let (mut taken, mut model) = (Runs::new(), Model::new());
        for step in &steps {
            agrees(step, &mut taken, &mut model);
        }
        let within: RangeSet = within.into_iter().collect();
        let naive = within.iter().find(|ip| *ip >= from && !model.contains(ip));
        prop_assert_eq!(taken.next_gap(from, &within), naive);
    }

    #[test]
    fn wide_runs_join_like_a_range_set(ranges in far_ranges(), freed in any_address()) {
        let mut taken = filled(ranges.iter().copied());
        let mut set: RangeSet = ranges.into_iter().collect();
        prop_assert_eq!(taken.ranges().collect::<Vec<_>>(), set.ranges());
        prop_assert_eq!(taken.size(), set.size());
        prop_assert_eq!(taken.remove(freed), set.contains(freed));
        set.remove(IpRange::single(freed));
        prop_assert_eq!(taken.size(), set.size());
        prop_assert_eq!(taken, filled(set.ranges().iter().copied()));
    }
}
