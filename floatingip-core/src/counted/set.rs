use std::cmp::Ordering;
use std::fmt;

use super::CountedMap;

/// A sorted set that finds members by value and by position, each in O(log n).
///
/// Memory behaves as in [`CountedMap`].
///
/// ```
/// use floatingip_core::counted::CountedSet;
///
/// let owners: CountedSet<&str> = ["web-0", "db-0", "web-1", "db-1"].into_iter().collect();
/// assert_eq!(owners.select(2), Some(&"web-0"));
/// assert_eq!(owners.rank(&"web-1"), 3);
/// // Where the owners from "w" on begin.
/// let start = owners.rank_by(|owner| owner.cmp(&"w"));
/// assert!(owners.iter_from(start).eq(&["web-0", "web-1"]));
/// ```
#[derive(Clone)]
pub struct CountedSet<K> {
    pub(super) map: CountedMap<K, ()>,
}

impl<K: Ord + Clone> CountedSet<K> {
    /// An empty set; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            map: CountedMap::new(),
        }
    }

    /// Adds `key`; `false` if it was there already, in which case it is kept. O(log n).
    pub fn insert(&mut self, key: K) -> bool {
        self.map.insert(key, ()).is_none()
    }

    /// Removes `key`; `false` if it was not there. O(log n).
    pub fn remove(&mut self, key: &K) -> bool {
        self.map.remove(key).is_some()
    }

    /// Whether `key` is a member. O(log n).
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.map.contains_key(key)
    }

    /// The number of members below `key`, which need not be one. O(log n).
    #[must_use]
    pub fn rank(&self, key: &K) -> usize {
        self.map.rank(key)
    }

    /// The number of members for which `compare` answers `Less`. O(log n).
    ///
    /// `compare` must be monotone, as for [`CountedMap::rank_by`].
    #[must_use]
    pub fn rank_by(&self, compare: impl FnMut(&K) -> Ordering) -> usize {
        self.map.rank_by(compare)
    }

    /// The member with `rank` members below it, or `None` if `rank` is not below
    /// [`len`](Self::len). O(log n).
    #[must_use]
    pub fn select(&self, rank: usize) -> Option<&K> {
        self.map.select(rank).map(|(key, ())| key)
    }

    /// The members above `key`, which need not be one, ascending; see [`CountedMap::iter_after`].
    pub fn iter_after(&self, key: &K) -> impl ExactSizeIterator<Item = &K> {
        self.map.iter_after(key).map(|(key, ())| key)
    }
}

impl<K> CountedSet<K> {
    /// The number of members. O(1).
    #[must_use]
    pub const fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there is no member. O(1).
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// All members, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &K> {
        self.iter_from(0)
    }

    /// The members from the one with `rank` members below it, ascending; none if `rank` is too
    /// large. O(log n) to start, then amortised O(1) per member.
    pub fn iter_from(&self, rank: usize) -> impl ExactSizeIterator<Item = &K> {
        self.map.iter_from(rank).map(|(key, ())| key)
    }
}

impl<K: Ord + Clone> Default for CountedSet<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug> fmt::Debug for CountedSet<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone> FromIterator<K> for CountedSet<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut set = Self::new();
        set.extend(keys);
        set
    }
}

impl<K: Ord + Clone> Extend<K> for CountedSet<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        for key in keys {
            self.insert(key);
        }
    }
}
