//! Views: sorted indexes of a set of records, from which any page of any order is read at once.

use std::cmp::Ordering;
use std::net::IpAddr;

use crate::counted::{CountedMap, CountedSet};
use crate::name::Name;
use crate::query::{Sort, SortBy};
use crate::record::Record;

/// What of a record the listings sort and filter by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Face {
    pub(super) namespace: Name,
    pub(super) app: Option<Name>,
    pub(super) pool: Option<Name>,
    pub(super) pod: Name,
    pub(super) policy: u8,
}

impl Face {
    pub(super) fn of(record: &Record) -> Self {
        let tenant = record.owner.tenant();
        Self {
            namespace: tenant
                .map(|tenant| tenant.namespace.clone())
                .unwrap_or_default(),
            app: tenant.and_then(|tenant| Some(tenant.app.as_ref()?.name.clone())),
            pool: record.owner.pool().map(|pool| pool.name().clone()),
            pod: record.owner.pod_name(),
            policy: record.policy.code(),
        }
    }
}

/// A set of records in every order they may be asked for.
#[derive(Debug)]
pub(super) struct View {
    by_ip: CountedSet<IpAddr>,
    by_pod: CountedSet<(Name, IpAddr)>,
    by_policy: CountedSet<(u8, IpAddr)>,
    /// Only where records of several namespaces come together.
    by_namespace: Option<CountedSet<(Name, IpAddr)>>,
}

impl View {
    pub(super) fn of_one_namespace() -> Self {
        Self {
            by_ip: CountedSet::new(),
            by_pod: CountedSet::new(),
            by_policy: CountedSet::new(),
            by_namespace: None,
        }
    }

    pub(super) fn of_all_namespaces() -> Self {
        Self {
            by_namespace: Some(CountedSet::new()),
            ..Self::of_one_namespace()
        }
    }

    pub(super) fn insert(&mut self, ip: IpAddr, face: &Face) {
        self.by_ip.insert(ip);
        self.by_pod.insert((face.pod.clone(), ip));
        self.by_policy.insert((face.policy, ip));
        if let Some(by_namespace) = &mut self.by_namespace {
            by_namespace.insert((face.namespace.clone(), ip));
        }
    }

    pub(super) fn remove(&mut self, ip: IpAddr, face: &Face) {
        self.by_ip.remove(&ip);
        self.by_pod.remove(&(face.pod.clone(), ip));
        self.by_policy.remove(&(face.policy, ip));
        if let Some(by_namespace) = &mut self.by_namespace {
            by_namespace.remove(&(face.namespace.clone(), ip));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_ip.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.by_ip.len()
    }

    pub(super) fn addresses(&self) -> &CountedSet<IpAddr> {
        &self.by_ip
    }

    /// The addresses whose pod has this name, ascending.
    pub(super) fn of_pod(&self, pod: &Name) -> impl Iterator<Item = IpAddr> {
        let start = self.by_pod.rank_by(|(name, _)| name.cmp(pod));
        let named = self
            .by_pod
            .iter_from(start)
            .take_while(move |(name, _)| name == pod);
        named.map(|(_, ip)| *ip)
    }

    /// How many addresses have a pod of this name. O(log n).
    pub(super) fn count_of_pod(&self, pod: &Name) -> usize {
        group(&self.by_pod, pod).len()
    }

    /// The addresses from the `offset`-th in this order; none where no index has the order.
    /// O((1 + count) log n).
    pub(super) fn page(&self, sort: Sort, offset: usize, count: usize) -> Option<Vec<IpAddr>> {
        let down = sort.descending;
        Some(match sort.by {
            SortBy::Ip => ip_page(&self.by_ip, down, offset, count),
            SortBy::PodName => key_page(&self.by_pod, down, offset, count),
            SortBy::Policy => key_page(&self.by_policy, down, offset, count),
            SortBy::Namespace => match &self.by_namespace {
                Some(by_namespace) => key_page(by_namespace, down, offset, count),
                // One namespace: all are equal in this order, and equals stand by address.
                None => ip_page(&self.by_ip, false, offset, count),
            },
            SortBy::IpText => return None,
        })
    }
}

fn ip_page(set: &CountedSet<IpAddr>, descending: bool, offset: usize, count: usize) -> Vec<IpAddr> {
    if !descending {
        return set.iter_from(offset).take(count).copied().collect();
    }
    let end = set.len().saturating_sub(offset);
    let start = end.saturating_sub(count);
    let mut page: Vec<IpAddr> = set.iter_from(start).take(end - start).copied().collect();
    page.reverse();
    page
}

/// Equals stand by ascending address in both directions, so descending walks the groups of equal
/// keys backwards and each group forwards.
fn key_page<K: Ord + Clone>(
    set: &CountedSet<(K, IpAddr)>,
    descending: bool,
    offset: usize,
    count: usize,
) -> Vec<IpAddr> {
    let ips = |from: usize, many: usize| set.iter_from(from).take(many).map(|(_, ip)| *ip);
    if !descending {
        return ips(offset, count).collect();
    }
    let mut page = Vec::new();
    let mut position = offset;
    while page.len() < count && position < set.len() {
        let Some((key, _)) = set.select(set.len() - 1 - position) else {
            break;
        };
        let group = group(set, key);
        let before = set.len() - group.end;
        let from = group.start + (position - before);
        let many = (group.end - from).min(count - page.len());
        page.extend(ips(from, many));
        position += many;
    }
    page
}

/// The ranks of the members with this key.
fn group<K: Ord + Clone>(set: &CountedSet<(K, IpAddr)>, key: &K) -> std::ops::Range<usize> {
    let start = set.rank_by(|(other, _)| other.cmp(key));
    let end = set.rank_by(|(other, _)| match other.cmp(key) {
        Ordering::Equal => Ordering::Less,
        unequal => unequal,
    });
    start..end
}

/// How many members of `map` lie in `first..=last`. O(log n).
pub(super) fn count_between<V>(map: &CountedMap<IpAddr, V>, first: IpAddr, last: IpAddr) -> usize {
    map.rank_by(|ip| {
        if *ip <= last {
            Ordering::Less
        } else {
            Ordering::Greater
        }
    }) - map.rank(&first)
}
