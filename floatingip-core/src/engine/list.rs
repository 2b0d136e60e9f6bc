//! Listings: a page at once where an index has the order, else a scan in slices, so that no read
//! keeps the lock for long.

use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use super::Engine;
use super::view::View;
use crate::key::encode;
use crate::name::Name;
use crate::query::{Filter, Page, Query, Row, Sort, SortBy};
use crate::range::{IpRange, RangeSet};
use crate::record::Record;
use crate::topology::Topology;

/// A listing under way: to be advanced under the lock slice by slice, and finished without it.
#[derive(Debug)]
pub struct Listing {
    query: Query,
    lanes: Vec<Lane>,
    rows: Vec<Row>,
    free: Option<Free>,
}

/// Where a listing looks.
#[derive(Clone, Debug)]
struct Lane {
    source: Source,
    after: Option<IpAddr>,
}

#[derive(Clone, Debug)]
enum Source {
    All,
    Namespace(Name),
    App(Name, Name),
    Pool(Name),
    /// Few enough to be named: those of a pod's name.
    These(Vec<IpAddr>),
}

/// What is needed to list addresses that nobody has.
#[derive(Debug)]
struct Free {
    topology: Arc<Topology>,
    owned: Vec<IpAddr>,
}

/// Whether a listing has seen everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is more to look at.
    More,
    /// Everything has been seen.
    Done,
}

/// More free addresses than a listing shows; the caller has to ask for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "{found} free addresses: at most {} can be listed, leave out includeFree",
    Listing::MOST_FREE
)]
pub struct TooManyFree {
    /// How many there are.
    pub found: u128,
}

impl Engine {
    /// A page, where an index has the filter and the order: no filter, a namespace, an app of a
    /// namespace, or a pool; any order but that of address texts. O(page size · log n).
    pub fn page(&self, query: &Query) -> Option<Page<Row>> {
        let indexed = !query.include_free && query.sort.by != SortBy::IpText;
        let view = indexed
            .then(|| self.indexed_view(&query.filter))
            .flatten()?;
        let (total, addresses) = match view {
            Some(view) => {
                let size = query.page.size() as usize;
                (
                    view.len(),
                    view.page(query.sort, query.page.offset(), size)?,
                )
            }
            None => (0, Vec::new()),
        };
        let content = addresses
            .into_iter()
            .filter_map(|ip| self.row(ip))
            .collect();
        Some(Page {
            content,
            total,
            request: query.page,
        })
    }

    /// The view that holds just what the filter lets pass: none where there is no such index,
    /// `Some(None)` where nothing passes.
    fn indexed_view(&self, filter: &Filter) -> Option<Option<&View>> {
        let searched = filter.keyword.is_some() || filter.stored_key.is_some();
        if searched || filter.pod.is_some() || filter.kind.is_some() {
            return None;
        }
        match (&filter.pool, &filter.namespace, &filter.app) {
            (None, None, None) => Some(Some(self.ledger.view_all())),
            (None, Some(namespace), None) => Some(self.ledger.view_of_namespace(namespace)),
            (None, Some(namespace), Some(app)) => Some(self.ledger.view_of_app(namespace, app)),
            (Some(pool), None, None) => Some(self.ledger.view_of_pool(pool)),
            _ => None,
        }
    }

    fn row(&self, ip: IpAddr) -> Option<Row> {
        let record = self.ledger.record(ip)?.clone();
        let draining = self.topology.subnet_of(ip).is_none();
        Some(Row {
            ip,
            record: Some(record),
            draining,
        })
    }

    /// Begins a listing of any kind.
    ///
    /// # Errors
    /// More free addresses than can be listed.
    pub fn listing(&self, query: Query) -> Result<Listing, TooManyFree> {
        let free = (query.include_free && passes_free(&query.filter)).then(|| Free {
            topology: Arc::clone(&self.topology),
            owned: Vec::new(),
        });
        if free.is_some() {
            let found = self
                .spaces
                .iter()
                .fold(0, |sum: u128, s| sum.saturating_add(s.free()));
            if found > Listing::MOST_FREE {
                return Err(TooManyFree { found });
            }
        }
        let lanes = match free {
            Some(_) => vec![Lane {
                source: Source::All,
                after: None,
            }],
            None => self.lanes(&query.filter),
        };
        Ok(Listing {
            query,
            lanes,
            rows: Vec::new(),
            free,
        })
    }

    /// The smallest index that has everything the filter lets pass.
    fn lanes(&self, filter: &Filter) -> Vec<Lane> {
        let mut choices = vec![vec![Source::All]];
        if let Some(pool) = &filter.pool {
            choices.push(vec![Source::Pool(pool.clone())]);
        }
        choices.extend(match (&filter.namespace, &filter.app) {
            (Some(namespace), Some(app)) => Some(vec![Source::App(namespace.clone(), app.clone())]),
            (Some(namespace), None) => Some(vec![Source::Namespace(namespace.clone())]),
            (None, Some(app)) => {
                let namespaces = self.ledger.namespaces_of_app(app).into_iter();
                Some(
                    namespaces
                        .map(|namespace| Source::App(namespace, app.clone()))
                        .collect(),
                )
            }
            (None, None) => None,
        });
        let size = |sources: &Vec<Source>| -> usize {
            sources
                .iter()
                .filter_map(|source| self.view(source))
                .map(View::len)
                .sum()
        };
        let mut best = choices.into_iter().min_by_key(size).unwrap_or_default();
        if let Some(pod) = &filter.pod {
            let all = self.ledger.view_all();
            if all.count_of_pod(pod) <= size(&best) {
                best = vec![Source::These(all.of_pod(pod).collect())];
            }
        }
        best.into_iter()
            .map(|source| Lane {
                source,
                after: None,
            })
            .collect()
    }

    fn view(&self, source: &Source) -> Option<&View> {
        match source {
            Source::All => Some(self.ledger.view_all()),
            Source::Namespace(namespace) => self.ledger.view_of_namespace(namespace),
            Source::App(namespace, app) => self.ledger.view_of_app(namespace, app),
            Source::Pool(pool) => self.ledger.view_of_pool(pool),
            Source::These(_) => None,
        }
    }

    /// Looks at up to `slice` more records. O(slice · log n).
    pub fn advance(&self, listing: &mut Listing, slice: usize) -> Progress {
        let Some(lane) = listing.lanes.last_mut() else {
            return Progress::Done;
        };
        let slice = slice.max(1);
        let addresses = self.next_of(lane, slice);
        lane.after = addresses.last().copied().or(lane.after);
        if addresses.len() < slice {
            listing.lanes.pop();
        }
        for ip in addresses {
            let Some(row) = self.row(ip) else { continue };
            if let Some(free) = &mut listing.free {
                free.owned.push(ip);
            }
            if passes(&listing.query.filter, &row) {
                listing.rows.push(row);
            }
        }
        if listing.lanes.is_empty() {
            Progress::Done
        } else {
            Progress::More
        }
    }

    fn next_of(&self, lane: &Lane, slice: usize) -> Vec<IpAddr> {
        let later = |ip: &IpAddr| lane.after.is_none_or(|after| *ip > after);
        match (&lane.source, self.view(&lane.source)) {
            (Source::These(addresses), _) => addresses
                .iter()
                .copied()
                .filter(later)
                .take(slice)
                .collect(),
            (_, Some(view)) => match &lane.after {
                Some(after) => view
                    .addresses()
                    .iter_after(after)
                    .take(slice)
                    .copied()
                    .collect(),
                None => view.addresses().iter().take(slice).copied().collect(),
            },
            (_, None) => Vec::new(),
        }
    }
}

impl Listing {
    /// The most free addresses that a listing shows.
    pub const MOST_FREE: u128 = 1 << 20;

    /// The page that was asked for. Needs no lock. O(n log n) in what was found.
    pub fn finish(mut self) -> Page<Row> {
        self.add_free();
        self.rows.sort_unstable_by_key(|row| row.ip);
        sort(&mut self.rows, self.query.sort);
        let total = self.rows.len();
        let (offset, size) = (self.query.page.offset(), self.query.page.size() as usize);
        let content = self.rows.into_iter().skip(offset).take(size).collect();
        Page {
            content,
            total,
            request: self.query.page,
        }
    }

    fn add_free(&mut self) {
        let Some(free) = self.free.take() else { return };
        let owned: RangeSet = free.owned.into_iter().map(IpRange::single).collect();
        let left = free
            .topology
            .subnets()
            .iter()
            .map(|s| s.usable().difference(&owned));
        let most = usize::try_from(Self::MOST_FREE).unwrap_or(usize::MAX);
        for set in left {
            let rows = set.iter().map(|ip| Row {
                ip,
                record: None,
                draining: false,
            });
            let good = rows.filter(|row| passes(&self.query.filter, row));
            self.rows.extend(good.take(most));
        }
    }
}

/// Sorts what stands by ascending address; equals stay so.
fn sort(rows: &mut [Row], order: Sort) {
    fn by_key<K: Ord>(rows: &mut [Row], descending: bool, key: impl Fn(&Row) -> K) {
        if descending {
            rows.sort_by_cached_key(|row| std::cmp::Reverse(key(row)));
        } else {
            rows.sort_by_cached_key(key);
        }
    }
    let owner = |row: &Row| row.record.as_ref().map(|record| record.owner.clone());
    match order.by {
        SortBy::Ip => by_key(rows, order.descending, |row| row.ip),
        SortBy::IpText => by_key(rows, order.descending, |row| row.ip.to_string()),
        SortBy::Namespace => by_key(rows, order.descending, |row| {
            owner(row)
                .and_then(|owner| owner.namespace().cloned())
                .unwrap_or_default()
        }),
        SortBy::PodName => by_key(rows, order.descending, |row| {
            owner(row).map(|owner| owner.pod_name()).unwrap_or_default()
        }),
        SortBy::Policy => by_key(rows, order.descending, |row| {
            row.record.as_ref().map_or(0, |record| record.policy.code())
        }),
    }
}

/// Whether an address that nobody has can pass the filter.
fn passes_free(filter: &Filter) -> bool {
    Filter {
        keyword: None,
        ..filter.clone()
    }
    .is_empty()
}

fn passes(filter: &Filter, row: &Row) -> bool {
    let record = row.record.as_deref();
    let tenant = record.and_then(|record| record.owner.tenant());
    let app = tenant.and_then(|tenant| tenant.app.as_ref());
    let pool = record.and_then(|record| record.owner.pool());
    let is = |wanted: &Option<Name>, found: Option<&Name>| match wanted {
        Some(wanted) => found == Some(wanted),
        None => true,
    };
    is(&filter.pool, pool.map(crate::PoolName::name))
        && is(&filter.namespace, tenant.map(|tenant| &tenant.namespace))
        && is(&filter.app, app.map(|app| &app.name))
        && is(&filter.kind, app.map(|app| &app.kind))
        && (filter.pod.is_none() || is(&filter.pod, pod_of(record).as_ref()))
        && filter.stored_key.as_ref().is_none_or(|part| {
            record.is_some_and(|record| encode(&record.owner).key.contains(part))
        })
        && filter
            .keyword
            .as_ref()
            .is_none_or(|keyword| mentions(row.ip, record, keyword))
}

fn pod_of(record: Option<&Record>) -> Option<Name> {
    record.map(|record| record.owner.pod_name())
}

/// Whether the address, or its namespace, app, pod or pool contains the keyword.
fn mentions(ip: IpAddr, record: Option<&Record>, keyword: &str) -> bool {
    let owner = record.map(|record| &record.owner);
    let tenant = owner.and_then(|owner| owner.tenant());
    let app = tenant.and_then(|tenant| tenant.app.as_ref());
    let pool = owner.and_then(|owner| owner.pool());
    let has = |name: Option<&Name>| name.is_some_and(|name| name.contains(keyword));
    has(tenant.map(|tenant| &tenant.namespace))
        || has(app.map(|app| &app.name))
        || has(pool.map(crate::PoolName::name))
        || has(pod_of(record).as_ref())
        || ip.to_string().contains(keyword)
}
