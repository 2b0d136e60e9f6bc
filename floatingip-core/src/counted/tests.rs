use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use proptest::prelude::*;

use super::node::{Branch, MAX, MIN};
use super::*;

impl<V> CountedMap<u32, V> {
    /// Panics unless every invariant of the tree holds.
    fn check(&self) {
        if let Node::Inner(branches) = &self.root {
            assert!(
                branches.len() >= 2,
                "a root with one child is one level too many"
            );
        }
        assert_eq!(check_node(&self.root, 0..=u64::MAX, true).count, self.len);
        assert!(self.iter().map(|(key, _)| key).is_sorted_by(|a, b| a < b));
    }
}

struct Checked {
    depth: usize,
    count: usize,
}

/// Checks a subtree whose keys have to be in `keys`.
fn check_node<V>(node: &Node<u32, V>, keys: std::ops::RangeInclusive<u64>, root: bool) -> Checked {
    assert!(node.width() <= MAX, "{} in one node", node.width());
    assert!(root || node.width() >= MIN, "{} in one node", node.width());
    match node {
        Node::Leaf(entries) => {
            assert!(
                entries
                    .iter()
                    .all(|(key, _)| keys.contains(&u64::from(*key)))
            );
            assert_slim(entries);
            Checked {
                depth: 0,
                count: entries.len(),
            }
        }
        Node::Inner(branches) => {
            assert_slim(branches);
            check_branches(branches, &keys)
        }
    }
}

fn check_branches<V>(branches: &[Branch<u32, V>], keys: &std::ops::RangeInclusive<u64>) -> Checked {
    let mut sum = Checked { depth: 0, count: 0 };
    for (i, branch) in branches.iter().enumerate() {
        let low = if i == 0 {
            *keys.start()
        } else {
            u64::from(branch.low)
        };
        let next = branches
            .get(i + 1)
            .map(|next| u64::from(next.low).saturating_sub(1));
        let high = next.unwrap_or_else(|| *keys.end());
        assert!(low <= high && *keys.start() <= low && high <= *keys.end());
        let child = check_node(&branch.node, low..=high, false);
        assert_eq!(child.count, branch.count);
        assert!(
            i == 0 || sum.depth == child.depth + 1,
            "leaves at different depths"
        );
        sum = Checked {
            depth: child.depth + 1,
            count: sum.count + child.count,
        };
    }
    sum
}

/// A vector holds at most a fixed number of unused places.
fn assert_slim<T>(items: &Vec<T>) {
    assert!(
        items.capacity() - items.len() <= MAX / 4,
        "{} of {}",
        items.len(),
        items.capacity()
    );
}

#[derive(Debug, Clone)]
enum Op {
    Insert(u32, u8),
    Remove(u32),
    Change(u32, u8),
    InsertRun { start: u32, len: u32, step: u32 },
    RemoveRun { start: u32, len: u32, step: u32 },
}

/// Few enough keys that operations meet, with the ends of the type among them.
fn any_key() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..3000_u32, 1 => Just(0), 1 => Just(u32::MAX), 1 => Just(u32::MAX - 1)]
}

fn any_op() -> impl Strategy<Value = Op> {
    let run = || (0..3000_u32, 1..700_u32, 1..4_u32);
    prop_oneof![
        3 => (any_key(), any::<u8>()).prop_map(|(key, value)| Op::Insert(key, value)),
        3 => any_key().prop_map(Op::Remove),
        1 => (any_key(), any::<u8>()).prop_map(|(key, value)| Op::Change(key, value)),
        2 => run().prop_map(|(start, len, step)| Op::InsertRun { start, len, step }),
        2 => run().prop_map(|(start, len, step)| Op::RemoveRun { start, len, step }),
    ]
}

fn run_keys(start: u32, len: u32, step: u32) -> impl Iterator<Item = u32> {
    (0..len).map(move |i| start + i * step)
}

/// Applies one operation to both maps and compares what they answer.
fn apply(op: &Op, map: &mut CountedMap<u32, u8>, model: &mut BTreeMap<u32, u8>) {
    match *op {
        Op::Insert(key, value) => assert_eq!(map.insert(key, value), model.insert(key, value)),
        Op::Remove(key) => assert_eq!(map.remove(&key), model.remove(&key)),
        Op::Change(key, value) => {
            let (ours, theirs) = (map.get_mut(&key), model.get_mut(&key));
            assert_eq!(ours, theirs);
            ours.into_iter().chain(theirs).for_each(|old| *old = value);
        }
        Op::InsertRun { start, len, step } => {
            for key in run_keys(start, len, step) {
                assert_eq!(map.insert(key, 1), model.insert(key, 1));
            }
        }
        Op::RemoveRun { start, len, step } => {
            for key in run_keys(start, len, step) {
                assert_eq!(map.remove(&key), model.remove(&key));
            }
        }
    }
}

/// Long enough to go through several leaves.
const PAGE: usize = 200;

/// Compares every query about `key` and about its position.
fn compare_at(key: u32, map: &CountedMap<u32, u8>, model: &BTreeMap<u32, u8>) {
    let rank = model.range(..key).count();
    assert_eq!(map.rank(&key), rank);
    let eights = model.range(..key / 8 * 8).count();
    assert_eq!(map.rank_by(|member| (member / 8).cmp(&(key / 8))), eights);
    assert_eq!(map.get(&key), model.get(&key));
    assert_eq!(map.contains_key(&key), model.contains_key(&key));
    let above = model.range((Excluded(key), Unbounded));
    assert!(map.iter_after(&key).take(PAGE).eq(above.take(PAGE)));

    let page = map.iter_from(rank);
    assert_eq!(page.len(), model.len() - rank);
    assert!(page.take(PAGE).eq(model.range(key..).take(PAGE)));
    assert_eq!(map.select(rank), model.range(key..).next());
}

proptest! {
    #[test]
    fn answers_like_the_standard_map_after_every_operation(
        ops in prop::collection::vec(any_op(), 1..40),
        probes in prop::collection::vec(any_key(), 1..4),
    ) {
        let (mut map, mut model) = (CountedMap::new(), BTreeMap::new());
        for op in ops {
            apply(&op, &mut map, &mut model);
            map.check();
            prop_assert!(map.iter().eq(&model));
            prop_assert_eq!(map.len(), model.len());
            prop_assert_eq!(map.is_empty(), model.is_empty());
            prop_assert_eq!(map.select(model.len()), None);
            prop_assert_eq!(map.iter_from(model.len()).next(), None);
            for key in probes.iter().copied().chain([0, u32::MAX]) {
                compare_at(key, &map, &model);
            }
        }
    }

    #[test]
    fn set_answers_like_the_standard_set(
        ops in prop::collection::vec((any::<bool>(), 0..400_u32), 1..600),
        probe in 0..401_u32,
    ) {
        let (mut set, mut model) = (CountedSet::new(), BTreeSet::new());
        for (add, key) in ops {
            if add {
                prop_assert_eq!(set.insert(key), model.insert(key));
            } else {
                prop_assert_eq!(set.remove(&key), model.remove(&key));
            }
            let rank = model.range(..key).count();
            prop_assert_eq!(set.rank(&key), rank);
            prop_assert_eq!(set.contains(&key), model.contains(&key));
            prop_assert_eq!(set.select(rank), model.range(key..).next());
        }
        set.map.check();
        prop_assert_eq!((set.len(), set.is_empty()), (model.len(), model.is_empty()));
        prop_assert!(set.iter().eq(&model));
        prop_assert!(set.iter_from(set.rank(&probe)).eq(model.range(probe..)));
        prop_assert!(set.iter_after(&probe).eq(model.range(probe + 1..)));
        prop_assert_eq!(set.rank_by(|key| key.cmp(&probe)), set.rank(&probe));
    }
}

const MANY: u32 = 100_000;

/// The numbers below `MANY`, each once, in an order without pattern.
fn scattered(factor: u32) -> impl Iterator<Item = u32> {
    (0..MANY).map(move |i| (u64::from(i) * u64::from(factor) % u64::from(MANY)) as u32)
}

/// Inserts and removes in the given orders, checking on the way, down to the empty map.
fn fill_and_empty(insert: impl Iterator<Item = u32>, remove: impl Iterator<Item = u32>) {
    let mut map = CountedMap::new();
    for (i, key) in insert.enumerate() {
        assert_eq!(map.insert(key, key), None);
        if i % 9973 == 0 {
            map.check();
        }
    }
    map.check();
    assert!(map.iter().map(|(key, _)| *key).eq(0..MANY));
    for rank in (0..MANY).step_by(97) {
        assert_eq!(map.select(rank as usize), Some((&rank, &rank)));
        assert_eq!(map.rank(&rank), rank as usize);
        let page = map.iter_from(rank as usize).take(PAGE).map(|(key, _)| *key);
        assert!(page.eq(rank..MANY.min(rank + PAGE as u32)));
    }
    for (i, key) in remove.enumerate() {
        assert_eq!(map.remove(&key), Some(key));
        assert_eq!(map.remove(&key), None);
        if i % 9973 == 0 {
            map.check();
        }
    }
    map.check();
    assert!(map.is_empty() && map.iter().next().is_none());
    assert!(matches!(&map.root, Node::Leaf(entries) if entries.capacity() <= MAX / 4));
}

#[test]
fn ascending_keys_come_and_go() {
    fill_and_empty(0..MANY, 0..MANY);
    fill_and_empty(0..MANY, (0..MANY).rev());
}

#[test]
fn descending_keys_come_and_go() {
    fill_and_empty((0..MANY).rev(), 0..MANY);
    fill_and_empty((0..MANY).rev(), (0..MANY).rev());
}

#[test]
fn scattered_keys_come_and_go() {
    fill_and_empty(scattered(61_803), scattered(31_831));
}

#[test]
fn every_other_key_goes_first() {
    let evens = (0..MANY).step_by(2);
    fill_and_empty(scattered(61_803), evens.chain((0..MANY).skip(1).step_by(2)));
}

#[test]
fn a_window_that_moves_on_leaves_nothing_behind() {
    const WINDOW: u32 = 1000;
    let mut set = CountedSet::new();
    for key in 0..MANY {
        set.insert(key);
        set.remove(&key.wrapping_sub(WINDOW));
        assert_eq!(set.rank(&key) + 1, set.len());
    }
    set.map.check();
    assert!(set.iter().copied().eq(MANY - WINDOW..MANY));
}

#[test]
fn inserting_a_key_again_keeps_the_first_one() {
    #[derive(Debug, Clone)]
    struct Named(u32, &'static str);
    impl PartialEq for Named {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }
    impl Eq for Named {}
    impl PartialOrd for Named {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Named {
        fn cmp(&self, other: &Self) -> Ordering {
            self.0.cmp(&other.0)
        }
    }

    let mut map = CountedMap::new();
    assert_eq!(map.insert(Named(1, "first"), 'a'), None);
    assert_eq!(map.insert(Named(1, "second"), 'b'), Some('a'));
    assert_eq!(
        map.select(0).map(|(key, value)| (key.1, *value)),
        Some(("first", 'b'))
    );
}

#[test]
fn an_empty_map_answers_and_allocates_nothing() {
    let mut map: CountedMap<u32, u8> = CountedMap::default();
    assert_eq!(
        (map.len(), map.rank(&7), map.rank_by(|_| Ordering::Less)),
        (0, 0, 0)
    );
    assert_eq!((map.select(0), map.get(&0)), (None, None));
    assert_eq!(map.remove(&0), None);
    assert_eq!(map.iter_from(usize::MAX).len(), 0);
    assert!(matches!(&map.root, Node::Leaf(entries) if entries.capacity() == 0));
}

#[test]
fn ranks_out_of_range_select_nothing() {
    let map: CountedMap<u32, u32> = (0..MANY).map(|key| (key, key)).collect();
    for rank in [MANY as usize, MANY as usize + 1, usize::MAX] {
        assert_eq!(map.select(rank), None);
        assert_eq!(map.iter_from(rank).next(), None);
        assert_eq!(map.iter_from(rank).len(), 0);
    }
    assert_eq!(map.iter_after(&u32::MAX).next(), None);
}

#[test]
fn a_predicate_that_is_not_monotone_stays_in_bounds() {
    let set: CountedSet<u32> = (0..MANY).collect();
    let odd = |key: &u32| {
        if key % 2 == 1 {
            Ordering::Less
        } else {
            Ordering::Greater
        }
    };
    assert!(set.rank_by(odd) <= set.len());
    assert_eq!(set.rank_by(|_| Ordering::Less), set.len());
    assert_eq!(set.rank_by(|_| Ordering::Equal), 0);
}

#[test]
fn a_clone_goes_its_own_way() {
    let mut set: CountedSet<u32> = (0..1000).collect();
    let before = set.clone();
    for key in 0..900 {
        set.remove(&key);
    }
    assert_eq!((set.len(), before.len()), (100, 1000));
    assert!(before.iter().copied().eq(0..1000));
}

#[test]
fn prints_like_the_standard_collections() {
    let set: CountedSet<u32> = [2, 1].into_iter().collect();
    let map: CountedMap<u32, char> = [(2, 'b'), (1, 'a')].into_iter().collect();
    assert_eq!(format!("{set:?} {map:?}"), "{1, 2} {1: 'a', 2: 'b'}");
}
