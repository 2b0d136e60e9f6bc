//! What the HTTP API needs of the rest of the server: one trait, answered by the orchestrator and
//! in tests by a scripted fake.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::engine::Named;
use floatingip_core::plan::Entry;
use floatingip_core::query::{Page, Query, Row};
use floatingip_core::record::Version;
use floatingip_core::times::Times;
use floatingip_core::{Owner, PoolName, WallTime};
use ipnet::IpNet;
use thiserror::Error;

use crate::native::Native;

/// The floating IPs behind the API.
///
/// Writes are run to their end even when the client has gone away: the API never drops the future
/// of [`release`](Self::release), [`put_pool`](Self::put_pool) or [`delete_pool`](Self::delete_pool).
/// Futures of reads may be dropped at any await.
pub trait Backend: Send + Sync + 'static {
    /// Who is told of containers, pods and apps.
    type Native: Native;

    /// The native resource; none where a cluster tells of pods ([`FromCluster`]).
    ///
    /// [`FromCluster`]: crate::native::FromCluster
    fn native(&self) -> Option<&Self::Native>;

    /// A page of addresses.
    ///
    /// # Errors
    /// Too many free addresses to list, or nobody can answer now.
    fn list(&self, query: &Query) -> impl Future<Output = Result<Page<Row>, ListError>> + Send;

    /// Frees addresses of owners that no pod is, in one step: none if one of them is live.
    /// The list is not empty; an address may stand in it more than once. An IPv4 address never comes
    /// as an IPv6 one.
    ///
    /// # Errors
    /// A live owner among them, or nobody can answer now; nothing was released.
    fn release(
        &self,
        entries: Vec<Named>,
    ) -> impl Future<Output = Result<ReleaseReport, ReleaseError>> + Send;

    /// The pool of that name, if it has a size.
    ///
    /// # Errors
    /// Nobody can answer now.
    fn pool(
        &self,
        name: &PoolName,
    ) -> impl Future<Output = Result<Option<PoolView>, ListError>> + Send;

    /// Creates or updates a pool with a size.
    ///
    /// # Errors
    /// It could not be stored.
    fn put_pool(
        &self,
        pool: PoolSpec,
    ) -> impl Future<Output = Result<PoolReport, WriteError>> + Send;

    /// Deletes a pool with a size; whether there was one.
    ///
    /// # Errors
    /// It could not be deleted.
    fn delete_pool(&self, name: &PoolName)
    -> impl Future<Output = Result<bool, WriteError>> + Send;

    /// How a pod stands: what it asks for, and what it would be answered at each kind of node. None
    /// where no such pod is known.
    ///
    /// # Errors
    /// Nobody can answer now.
    fn explain(
        &self,
        namespace: &str,
        pod: &str,
    ) -> impl Future<Output = Result<Option<Explained>, ListError>> + Send;

    /// Keeps everybody from an address for a while.
    ///
    /// # Errors
    /// Why not.
    fn quarantine(
        &self,
        quarantine: Quarantine,
    ) -> impl Future<Output = Result<(), MarkError>> + Send {
        drop(quarantine);
        async { Err(MarkError::Unavailable) }
    }

    /// Takes the mark, a quarantine or a rest, off an address.
    ///
    /// # Errors
    /// Why not.
    fn lift(&self, ip: IpAddr) -> impl Future<Output = Result<(), MarkError>> + Send {
        let _ = ip;
        async { Err(MarkError::Unavailable) }
    }

    /// A part of the journal about an address.
    ///
    /// # Errors
    /// There is no journal, or nobody can answer now.
    fn history(
        &self,
        question: HistoryQuestion,
    ) -> impl Future<Output = Result<History, HistoryError>> + Send {
        let _ = question;
        async { Err(HistoryError::NoJournal) }
    }

    /// Numbers in `/metrics` by one label; each name once. Quick.
    fn series(&self) -> Vec<Series> {
        Vec::new()
    }

    /// Whether requests can be served now. Quick: it is asked by every probe.
    fn readiness(&self) -> Readiness;

    /// How full each subnet is, each once. Quick: it is asked by every scrape.
    fn usage(&self) -> Vec<SubnetUsage>;

    /// What else `/metrics` shows; each name once. Quick.
    fn gauges(&self) -> Vec<Gauge>;

    /// Distributions in `/metrics`; those of one name one after the other. Quick.
    fn histograms(&self) -> Vec<Histogram> {
        Vec::new()
    }
}

/// What became of a release request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleaseReport {
    /// The addresses that are free now.
    pub released: Vec<IpAddr>,
    /// The others, each with a reason for people.
    pub unreleased: Vec<(IpAddr, String)>,
}

/// A pool as a client wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolSpec {
    /// Its name, an RFC 1123 label.
    pub name: PoolName,
    /// The most addresses it may have, 0 to 2^31-1.
    pub size: u32,
    /// Fill it at once.
    pub pre_allocate: bool,
}

/// A pool as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolView {
    /// The most addresses it may have.
    pub size: u32,
    /// Whether it was asked to be filled at once.
    pub pre_allocate: bool,
    /// How many addresses it has.
    pub addresses: u32,
    /// How many of them pods have.
    pub in_use: u32,
    /// Whether addresses are still owed to it: its size was not reached since it was last changed.
    pub owed: bool,
}

/// What became of a pool after it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolReport {
    /// How many addresses it has now.
    pub real_size: u32,
    /// Whether all addresses that were asked for are there.
    pub complete: bool,
}

/// How a pod stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// Its UID.
    pub uid: String,
    /// The node it is bound to; empty before.
    pub node: String,
    /// The workload it belongs to, with its namespace; empty for a bare pod.
    pub app: String,
    /// What makes it the same one again, for people.
    pub slot: String,
    /// Its pool; empty where it names none.
    pub pool: String,
    /// The release policy that holds for it: 0, 1 or 2.
    pub policy: u8,
    /// The addresses that it has.
    pub addresses: Vec<IpAddr>,
    /// In a sentence, for people.
    pub summary: String,
    /// What it would be answered, for nodes that are alike.
    pub nodes: Vec<ExplainedNodes>,
}

/// What a pod would be answered at nodes that are alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExplainedNodes {
    /// How many there are.
    pub count: usize,
    /// Some of them, by name.
    pub examples: Vec<String>,
    /// What it would get; empty where it would get nothing.
    pub addresses: Vec<IpAddr>,
    /// Why it would get nothing; empty where it would get something.
    pub reason: String,
    /// For each address that it asks for: the subnets that have nothing fresh for it, and why.
    pub subnets: Vec<Vec<(IpNet, String)>>,
    /// Addresses that nobody gets for a while, why, and for how many seconds.
    pub marked: Vec<(IpAddr, String, u64)>,
}

/// Whether requests can be served, and what that rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Every check that counts is good.
    pub ready: bool,
    /// The checks by name.
    pub checks: Vec<Check>,
}

/// One condition of readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is checked: `config`, `store`.
    pub name: &'static str,
    /// Whether it is good.
    pub ok: bool,
    /// What an operator should know; may be empty.
    pub detail: String,
}

/// How full a subnet is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetUsage {
    /// The subnet.
    pub subnet: IpNet,
    /// Its first configured address, which tells entries of one subnet apart.
    pub first_ip: IpAddr,
    /// Addresses with an owner.
    pub allocated: u128,
    /// Addresses that are configured.
    pub total: u128,
    /// How many addresses there are of each sort, by its name.
    pub states: Vec<(&'static str, u128)>,
}

/// Numbers of `/metrics` that differ in one label, whose values are a closed set.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The name; a [`GaugeKind::Counter`]'s ends in `_total`.
    pub name: &'static str,
    /// What it is, for people, in one line.
    pub help: &'static str,
    /// Whether the numbers may fall.
    pub kind: GaugeKind,
    /// The label.
    pub label: &'static str,
    /// Its values, each with its number.
    pub values: Vec<(&'static str, f64)>,
}

/// A mark to be set on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The address.
    pub ip: IpAddr,
    /// Why, for people.
    pub reason: String,
    /// Who else uses the address, as `02:00:5e:10:00:01`.
    pub mac: Option<String>,
    /// For how long.
    pub lasts: Duration,
}

/// What is asked of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuestion {
    /// The address.
    pub ip: IpAddr,
    /// Only changes before the one of this version.
    pub before: Option<Version>,
    /// Only the last change that is dated then or earlier.
    pub at: Option<WallTime>,
    /// The most changes to tell.
    pub most: usize,
}

/// What the journal says of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The changes, the latest first.
    pub entries: Vec<(Version, Entry)>,
    /// Whether there are older ones.
    pub more: bool,
    /// Whether nothing that belongs to the answer was dropped from the journal.
    pub complete: bool,
    /// The latest date on any change that was dropped, whatever its address: all that are dated later are
    /// there. None if none was dropped.
    pub since: Option<WallTime>,
    /// Who had the address at the moment asked for; none if nobody had it, or nobody knows.
    pub owner: Option<Owner>,
}

/// Why there is no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// This server keeps none.
    #[error(
        "no journal is kept on Kubernetes: see the FloatingIP objects, their events, and the API server's audit log"
    )]
    NoJournal,
    /// Nobody can answer now; the client may try again.
    #[error("the journal is not available now")]
    Unavailable,
}

/// Why a mark was not set or taken off.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MarkError {
    /// The address is not configured, or has no mark.
    #[error("{0}")]
    NotFound(String),
    /// A change of it is under way; the client may try again.
    #[error("{0}")]
    Busy(String),
    /// It could not be stored; the client may try again.
    #[error("the store is not available now")]
    Unavailable,
}

/// A number without labels in `/metrics`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gauge {
    /// Its name; a [`GaugeKind::Counter`]'s ends in `_total`, a time's in `_seconds`.
    pub name: &'static str,
    /// What it is, for people, in one line.
    pub help: &'static str,
    /// Whether it may fall.
    pub kind: GaugeKind,
    /// Its value now.
    pub value: f64,
}

/// How a number of `/metrics` behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaugeKind {
    /// Rises and falls.
    Gauge,
    /// Only rises, from zero at the start of the process.
    Counter,
}

/// A distribution in `/metrics`.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Its name.
    pub name: &'static str,
    /// What it is, for people, in one line.
    pub help: &'static str,
    /// What tells it from others of its name: a label and its value.
    pub label: (&'static str, &'static str),
    /// How many values there were up to each bound, ascending.
    pub buckets: Vec<Bucket>,
    /// How many values there were.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
}

impl Histogram {
    /// Times in seconds.
    pub fn of(
        name: &'static str,
        help: &'static str,
        label: (&'static str, &'static str),
        times: &Times,
    ) -> Self {
        let bucket = |(bound, count): (Duration, u64)| Bucket {
            at_most: bound.as_secs_f64(),
            count,
        };
        Self {
            name,
            help,
            label,
            buckets: times.up_to().into_iter().map(bucket).collect(),
            count: times.count(),
            sum: times.sum().as_secs_f64(),
        }
    }
}

/// How many values were not above a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// The bound.
    pub at_most: f64,
    /// How many.
    pub count: u64,
}

/// Why there is no listing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ListError {
    /// The client has to leave the free addresses out.
    #[error(
        "{found} free addresses are too many to list, the limit is {limit}: leave out the free ones"
    )]
    TooManyFree {
        /// How many there are.
        found: u128,
        /// How many may be listed.
        limit: u128,
    },
    /// Nobody can answer now; the client may try again.
    #[error("the listing is not available now")]
    Unavailable,
}

/// Why nothing was released.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// These are used by live pods of the owners named.
    #[error("in use by live pods: {0:?}")]
    Live(Vec<IpAddr>),
    /// It could not be stored; the client may try again.
    #[error("the store is not available now")]
    Unavailable,
}

/// Why a pool was not written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// It could not be stored; the client may try again.
    #[error("the store is not available now")]
    Unavailable,
}
