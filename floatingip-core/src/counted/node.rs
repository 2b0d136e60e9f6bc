use std::cmp::Ordering;
use std::iter::FusedIterator;
use std::mem;
use std::slice;

/// Entries of a leaf or branches of an inner node, at most.
pub(super) const MAX: usize = 64;

/// Below this a node is merged with a neighbour. A third, where a split leaves halves, so that
/// a key that comes and goes does not split and merge each time.
pub(super) const MIN: usize = MAX / 3;

/// Unused room a vector grows by, at most.
const STEP: usize = MAX / 8;

/// A subtree. All leaves are equally deep.
#[derive(Debug, Clone)]
pub(super) enum Node<K, V> {
    Leaf(Vec<(K, V)>),
    Inner(Vec<Branch<K, V>>),
}

/// A child of an inner node.
#[derive(Debug, Clone)]
pub(super) struct Branch<K, V> {
    /// Not above any key in `node`, and above every key in the branches to the left. In a first
    /// branch nothing is to the left, and keys may be below it.
    pub(super) low: K,
    /// Entries in `node`, at every depth.
    pub(super) count: usize,
    pub(super) node: Node<K, V>,
}

impl<K, V> Node<K, V> {
    pub(super) const EMPTY: Self = Self::Leaf(Vec::new());

    pub(super) fn width(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(branches) => branches.len(),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(branches) => branches.iter().map(|branch| branch.count).sum(),
        }
    }

    fn low(&self) -> Option<&K> {
        match self {
            Self::Leaf(entries) => entries.first().map(|(key, _)| key),
            Self::Inner(branches) => branches.first().map(|branch| &branch.low),
        }
    }

    pub(super) fn select(&self, mut rank: usize) -> Option<(&K, &V)> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(entries) => return entries.get(rank).map(|(key, value)| (key, value)),
                Self::Inner(branches) => node = &branches.get(child_at(branches, &mut rank))?.node,
            }
        }
    }
}

impl<K: Ord + Clone, V> Node<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(entries) => {
                    let at = position(entries, key).ok()?;
                    return entries.get(at).map(|(_, value)| value);
                }
                Self::Inner(branches) => node = &branches.get(child_of(branches, key))?.node,
            }
        }
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(entries) => {
                    let at = position(entries, key).ok()?;
                    return entries.get_mut(at).map(|(_, value)| value);
                }
                Self::Inner(branches) => {
                    let at = child_of(branches, key);
                    node = &mut branches.get_mut(at)?.node;
                }
            }
        }
    }

    pub(super) fn rank_by(&self, mut compare: impl FnMut(&K) -> Ordering) -> usize {
        let mut node = self;
        let mut rank = 0;
        loop {
            match node {
                Self::Leaf(entries) => {
                    return rank + entries.partition_point(|(key, _)| compare(key).is_lt());
                }
                Self::Inner(branches) => {
                    let lower = branches.partition_point(|branch| compare(&branch.low).is_lt());
                    let (left, right) = branches.split_at(lower.saturating_sub(1));
                    let Some(child) = right.first() else {
                        return rank;
                    };
                    rank += left.iter().map(|branch| branch.count).sum::<usize>();
                    node = &child.node;
                }
            }
        }
    }

    /// Adds or replaces an entry; may leave this node, though none below it, wider than [`MAX`].
    pub(super) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self {
            Self::Leaf(entries) => match position(entries, &key) {
                Ok(at) => entries
                    .get_mut(at)
                    .map(|entry| mem::replace(&mut entry.1, value)),
                Err(at) => {
                    make_room(entries);
                    entries.insert(at, (key, value));
                    None
                }
            },
            Self::Inner(branches) => {
                let at = child_of(branches, &key);
                let branch = branches.get_mut(at)?;
                let old = branch.node.insert(key, value);
                if old.is_none() {
                    branch.count += 1;
                    split_if_wide(branches, at);
                }
                old
            }
        }
    }

    /// Removes an entry; may leave this node, though none below it, narrower than [`MIN`].
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        match self {
            Self::Leaf(entries) => {
                let at = position(entries, key).ok()?;
                let (_, value) = entries.remove(at);
                trim(entries);
                Some(value)
            }
            Self::Inner(branches) => {
                let at = child_of(branches, key);
                let branch = branches.get_mut(at)?;
                let value = branch.node.remove(key)?;
                branch.count -= 1;
                merge_if_narrow(branches, at);
                Some(value)
            }
        }
    }

    /// Puts a level on top of a root that has become too wide.
    pub(super) fn deepen(&mut self) {
        if self.width() > MAX {
            let old = mem::replace(self, Self::EMPTY);
            let mut branches: Vec<_> = Branch::new(old).into_iter().collect();
            split_if_wide(&mut branches, 0);
            *self = Self::Inner(branches);
        }
    }

    /// Takes off the levels of a root that leave no choice.
    pub(super) fn flatten(&mut self) {
        while let Self::Inner(branches) = self
            && branches.len() <= 1
        {
            *self = branches.pop().map_or(Self::EMPTY, |branch| branch.node);
        }
    }

    fn split(&mut self) -> Self {
        match self {
            Self::Leaf(entries) => Self::Leaf(upper_half(entries)),
            Self::Inner(branches) => Self::Inner(upper_half(branches)),
        }
    }

    /// Moves the content of the right neighbour, which is of the same kind, over to this node.
    fn absorb(&mut self, right: &mut Self) {
        match (self, right) {
            (Self::Leaf(left), Self::Leaf(right)) => append(left, right),
            (Self::Inner(left), Self::Inner(right)) => append(left, right),
            (Self::Leaf(_), Self::Inner(_)) | (Self::Inner(_), Self::Leaf(_)) => {}
        }
    }
}

impl<K: Ord + Clone, V> Branch<K, V> {
    /// A branch for `node`, unless that is empty.
    fn new(node: Node<K, V>) -> Option<Self> {
        let low = node.low()?.clone();
        Some(Self {
            low,
            count: node.count(),
            node,
        })
    }
}

/// Entries of a [`CountedMap`](super::CountedMap), ascending by key.
#[derive(Debug)]
pub struct Iter<'a, K, V> {
    /// What is still to come on each inner level, the lowest last.
    levels: Vec<slice::Iter<'a, Branch<K, V>>>,
    leaf: slice::Iter<'a, (K, V)>,
    left: usize,
}

impl<'a, K, V> Iter<'a, K, V> {
    pub(super) fn new(root: &'a Node<K, V>, mut rank: usize, len: usize) -> Self {
        let left = len.saturating_sub(rank);
        let mut levels = Vec::new();
        let mut node = root;
        loop {
            match node {
                Node::Leaf(entries) => {
                    let leaf = entries.get(rank..).unwrap_or_default().iter();
                    return Self { levels, leaf, left };
                }
                Node::Inner(branches) => {
                    let (_, right) = branches.split_at(child_at(branches, &mut rank));
                    let Some((child, rest)) = right.split_first() else {
                        return Self {
                            levels: Vec::new(),
                            leaf: [].iter(),
                            left,
                        };
                    };
                    levels.push(rest.iter());
                    node = &child.node;
                }
            }
        }
    }
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((key, value)) = self.leaf.next() {
                self.left = self.left.saturating_sub(1);
                return Some((key, value));
            }
            match self.levels.last_mut()?.next().map(|branch| &branch.node) {
                Some(Node::Leaf(entries)) => self.leaf = entries.iter(),
                Some(Node::Inner(branches)) => self.levels.push(branches.iter()),
                None => {
                    self.levels.pop();
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

impl<K, V> FusedIterator for Iter<'_, K, V> {}

fn position<K: Ord, V>(entries: &[(K, V)], key: &K) -> Result<usize, usize> {
    entries.binary_search_by(|(member, _)| member.cmp(key))
}

/// The branch in which `key` is, or belongs.
fn child_of<K: Ord, V>(branches: &[Branch<K, V>], key: &K) -> usize {
    branches
        .partition_point(|branch| branch.low <= *key)
        .saturating_sub(1)
}

/// The branch that holds the entry of that rank, which becomes the rank in the branch; the number
/// of branches if the rank is beyond them.
fn child_at<K, V>(branches: &[Branch<K, V>], rank: &mut usize) -> usize {
    let mut at = 0;
    for branch in branches {
        if *rank < branch.count {
            break;
        }
        *rank -= branch.count;
        at += 1;
    }
    at
}

fn split_if_wide<K: Ord + Clone, V>(branches: &mut Vec<Branch<K, V>>, at: usize) {
    let Some(branch) = branches
        .get_mut(at)
        .filter(|branch| branch.node.width() > MAX)
    else {
        return;
    };
    if let Some(right) = Branch::new(branch.node.split()) {
        branch.count -= right.count;
        make_room(branches);
        branches.insert(at + 1, right);
    }
}

/// Merges a narrow branch with a neighbour, and divides the two evenly if that is too much for
/// one.
fn merge_if_narrow<K: Ord + Clone, V>(branches: &mut Vec<Branch<K, V>>, at: usize) {
    if branches
        .get(at)
        .is_none_or(|branch| branch.node.width() >= MIN)
    {
        return;
    }
    let at = at.saturating_sub(1);
    if let Ok([left, right]) = branches.get_disjoint_mut([at, at + 1]) {
        left.node.absorb(&mut right.node);
        if right.node.width() == 0 {
            left.count += right.count;
            branches.remove(at + 1);
            trim(branches);
            split_if_wide(branches, at);
        }
    }
}

fn upper_half<T>(items: &mut Vec<T>) -> Vec<T> {
    let upper = items.split_off(items.len() / 2);
    items.shrink_to_fit();
    upper
}

fn append<T>(left: &mut Vec<T>, right: &mut Vec<T>) {
    left.reserve_exact(right.len());
    left.append(right);
}

/// Growing in steps, rather than by doubling, keeps a set within a few percent of its content;
/// small ones start smaller still.
fn make_room<T>(items: &mut Vec<T>) {
    if items.len() == items.capacity() {
        items.reserve_exact(items.len().clamp(1, STEP));
    }
}

fn trim<T>(items: &mut Vec<T>) {
    if items.capacity() - items.len() > 2 * STEP {
        items.shrink_to(items.len() + STEP);
    }
}
