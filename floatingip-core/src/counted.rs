//! Ordered collections that know positions: a sorted map and set with order statistics.
//!
//! A listing of a million records is answered one page at a time, from any offset. The standard
//! [`BTreeMap`](std::collections::BTreeMap) has to walk to the offset; [`CountedMap`] and
//! [`CountedSet`] keep, beside each child of their B+tree, how many members it holds, so that the
//! member at a position and the position of a key are found in O(log n).
//!
//! # Why our own
//!
//! `indexset`, the closest library, finds positions well, but never merges nodes that empty (a few
//! members left per node keep the whole node's memory), rebuilds its index over all nodes at each
//! split, so that inserting is O(n) in the worst case, takes room for 1024 members in the smallest
//! set (we keep one per app), cannot partition by a predicate ([`CountedSet::rank_by`]), and
//! panics or goes through `unsafe` on ordinary paths. This one is safe, shrinks with its content
//! and allocates nothing while empty.

mod node;
mod set;

use std::cmp::Ordering;
use std::fmt;

use node::Node;

pub use node::Iter;
pub use set::CountedSet;

/// A sorted map that finds entries by key and by position, each in O(log n).
///
/// Memory is about the size of the entries plus a fifth, whatever the order of insertions and
/// removals. Keys are cloned now and then to separate nodes (about one clone per 40 entries), so
/// `Clone` should be cheap, and a removed key may live on as a separator.
///
/// ```
/// use floatingip_core::counted::CountedMap;
///
/// let ports: CountedMap<&str, u16> = [("ssh", 22), ("dns", 53), ("https", 443)].into_iter().collect();
/// assert_eq!(ports.get(&"dns"), Some(&53));
/// assert_eq!(ports.rank(&"https"), 1);
/// assert_eq!(ports.select(2), Some((&"ssh", &22)));
/// let second_page: Vec<_> = ports.iter_from(1).take(1).collect();
/// assert_eq!(second_page, [(&"https", &443)]);
/// ```
#[derive(Clone)]
pub struct CountedMap<K, V> {
    root: Node<K, V>,
    len: usize,
}

impl<K: Ord + Clone, V> CountedMap<K, V> {
    /// An empty map; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            root: Node::EMPTY,
            len: 0,
        }
    }

    /// Sets the value of `key` and returns the one it had. O(log n).
    ///
    /// As in the standard maps, a key that is there already is kept, not replaced by its equal.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let old = self.root.insert(key, value);
        if old.is_none() {
            self.len += 1;
            self.root.deepen();
        }
        old
    }

    /// Removes `key` and returns its value, or `None` if it was not there. O(log n).
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let value = self.root.remove(key)?;
        self.len -= 1;
        self.root.flatten();
        Some(value)
    }

    /// The value of `key`, to be changed in place. O(log n).
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.root.get_mut(key)
    }

    /// The value of `key`. O(log n).
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.root.get(key)
    }

    /// Whether `key` is in the map. O(log n).
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// The number of keys below `key`, which need not be in the map. O(log n).
    #[must_use]
    pub fn rank(&self, key: &K) -> usize {
        self.rank_by(|member| member.cmp(key))
    }

    /// The number of keys for which `compare` answers `Less`. O(log n).
    ///
    /// `compare` must be monotone over the order of `K`: wherever it answers `Less`, it answers
    /// `Less` for all smaller keys. It may be asked about keys that were removed; for a `compare`
    /// that is not monotone the result is meaningless, but at most [`len`](Self::len).
    #[must_use]
    pub fn rank_by(&self, compare: impl FnMut(&K) -> Ordering) -> usize {
        self.root.rank_by(compare)
    }

    /// The entry with `rank` keys below it, or `None` if `rank` is not below [`len`](Self::len).
    /// O(log n).
    #[must_use]
    pub fn select(&self, rank: usize) -> Option<(&K, &V)> {
        self.root.select(rank)
    }
}

impl<K, V> CountedMap<K, V> {
    /// The number of entries. O(1).
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry. O(1).
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, ascending by key.
    pub fn iter(&self) -> Iter<'_, K, V> {
        self.iter_from(0)
    }

    /// The entries from the one with `rank` keys below it, ascending; none if `rank` is too large.
    ///
    /// O(log n) to start, then amortised O(1) per entry.
    pub fn iter_from(&self, rank: usize) -> Iter<'_, K, V> {
        Iter::new(&self.root, rank, self.len)
    }
}

impl<K: Ord + Clone, V> CountedMap<K, V> {
    /// The entries with keys above `key`, which need not be in the map, ascending.
    ///
    /// Continues a listing behind the last key that was shown, whatever came and went before it.
    /// Costs are those of [`iter_from`](Self::iter_from).
    pub fn iter_after(&self, key: &K) -> Iter<'_, K, V> {
        self.iter_from(self.rank_by(|member| member.cmp(key).then(Ordering::Less)))
    }
}

impl<K: Ord + Clone, V> Default for CountedMap<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for CountedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V> FromIterator<(K, V)> for CountedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord + Clone, V> Extend<(K, V)> for CountedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests;
