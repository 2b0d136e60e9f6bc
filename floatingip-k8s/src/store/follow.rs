//! Following: what others write to the custom resources, told as it happens.
//!
//! Each kind is listed once, as of a moment that no cache may be behind, and watched from there. A
//! watch that is cut goes on from where it was; where that is too long ago, the kind is listed again.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use floatingip_core::engine::WholeList;
use floatingip_core::record::Version;
use kube::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{error, info, warn};

use super::answer::told;
use super::call::Kind;
use super::list::{List, list};
use super::watch::{Change, Event, Watch, WatchError};
use super::{ListVersions, StoreOptions};
use crate::crd::Unreadable;

/// The pause after a first failure, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A watch that lasted so long was a good one.
const GOOD_WATCH: Duration = Duration::from_secs(1);

/// What happened to the custom resources.
#[expect(
    clippy::large_enum_variant,
    reason = "a change is what nearly all of them are"
)]
#[derive(Debug)]
pub enum News {
    /// All objects of a kind as of this version: what the list lacks is gone.
    List(WholeList, Version),
    /// Somebody changed a record.
    Changed(Change),
    /// An object that is no record; it is passed over.
    Unreadable(Kind, Unreadable),
    /// All changes of both kinds up to this version have been told.
    CaughtUp(Version),
}

/// Who is told. Called from one task, one after the other; must be quick, for no change is read
/// meanwhile.
pub trait Sink: Send + Sync {
    /// Takes in what happened.
    fn take(&self, news: News);
}

impl<F: Fn(News) + Send + Sync> Sink for F {
    fn take(&self, news: News) {
        self(news);
    }
}

/// How far the following of one kind is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindStatus {
    /// Everything up to this version has been told; 0 before the first list.
    pub version: Version,
    /// Whether a watch is open.
    pub connected: bool,
    /// How often the kind was listed.
    pub lists: u64,
    /// Why the latest attempt failed; none once a watch is open again.
    pub last_error: Option<String>,
    /// The latest wish for a new list that has been fulfilled.
    round: u64,
    /// When the API server last said how things are; none before it did.
    heard: Option<Instant>,
}

/// A view of how far a [`Follower`] is. Clones see the same.
#[derive(Clone)]
pub struct Following {
    shared: Arc<Shared>,
}

struct Shared {
    addresses: watch::Sender<KindStatus>,
    pools: watch::Sender<KindStatus>,
    /// Counts the wishes for new lists.
    wanted: watch::Sender<u64>,
}

impl fmt::Debug for Following {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = Kind::ALL.map(|kind| self.status(kind));
        f.debug_tuple("Following").field(&status).finish()
    }
}

impl Following {
    fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                addresses: watch::Sender::default(),
                pools: watch::Sender::default(),
                wanted: watch::Sender::default(),
            }),
        }
    }

    /// How far a kind is.
    pub fn status(&self, kind: Kind) -> KindStatus {
        self.of(kind).borrow().clone()
    }

    /// As [`Following::status`], and to wait for changes of it.
    pub fn subscribe(&self, kind: Kind) -> watch::Receiver<KindStatus> {
        self.of(kind).subscribe()
    }

    /// Whether both kinds were listed and are being watched.
    pub fn is_synced(&self) -> bool {
        let synced = |kind| {
            let status = self.of(kind).borrow();
            status.connected && status.version > Version::default()
        };
        Kind::ALL.into_iter().all(synced)
    }

    /// Everything of both kinds up to this version has been told.
    pub fn version(&self) -> Version {
        let [addresses, pools] = Kind::ALL.map(|kind| self.of(kind).borrow().version);
        addresses.min(pools)
    }

    /// How old the view may be: so long ago the API server last said how one of the kinds is. It does at
    /// every change, and about once a minute where there is none. None before both were listed.
    pub fn age(&self) -> Option<Duration> {
        let [addresses, pools] = Kind::ALL.map(|kind| self.of(kind).borrow().heard);
        Some(addresses?.min(pools?).elapsed())
    }

    /// Lists both kinds again and waits until that was told, at most so long; says whether it was.
    /// Afterwards everything that was written before this call has been told: what a new leader has
    /// to wait for before it decides.
    pub async fn catch_up(&self, limit: Duration) -> bool {
        let mut round = 0;
        self.shared.wanted.send_modify(|wanted| {
            *wanted += 1;
            round = *wanted;
        });
        let done = async |kind| {
            let mut status = self.of(kind).subscribe();
            status
                .wait_for(|status| status.round >= round)
                .await
                .is_ok()
        };
        let both = async { done(Kind::FloatingIp).await && done(Kind::Pool).await };
        timeout(limit, both).await.unwrap_or(false)
    }

    fn of(&self, kind: Kind) -> &watch::Sender<KindStatus> {
        match kind {
            Kind::FloatingIp => &self.shared.addresses,
            Kind::Pool => &self.shared.pools,
        }
    }
}

/// Lists and watches both kinds.
pub struct Follower {
    client: Client,
    options: StoreOptions,
    from: Option<ListVersions>,
    following: Following,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("from", &self.from)
            .field("following", &self.following)
            .finish_non_exhaustive()
    }
}

impl Follower {
    /// A follower that goes on from the lists of a load
    /// ([`CrdStore::listed`](super::CrdStore::listed)), or lists for itself.
    pub fn new(client: Client, options: StoreOptions, from: Option<ListVersions>) -> Self {
        Self {
            client,
            options,
            from,
            following: Following::new(),
        }
    }

    /// How far it is.
    pub fn following(&self) -> Following {
        self.following.clone()
    }

    /// Follows until it is dropped. Failures are repeated with growing pauses, and told once when they
    /// begin and once when they end.
    pub async fn run(self, sink: impl Sink) -> Infallible {
        let addresses = Thread::new(&self, Kind::FloatingIp, &sink).run();
        let pools = Thread::new(&self, Kind::Pool, &sink).run();
        match futures::future::select(Box::pin(addresses), Box::pin(pools)).await {
            futures::future::Either::Left((never, _))
            | futures::future::Either::Right((never, _)) => never,
        }
    }
}

/// The following of one kind.
struct Thread<'a, S> {
    owner: &'a Follower,
    kind: Kind,
    sink: &'a S,
    /// Everything up to here has been told; none where a list is needed.
    at: Option<Version>,
    failures: u32,
}

impl<'a, S: Sink> Thread<'a, S> {
    fn new(owner: &'a Follower, kind: Kind, sink: &'a S) -> Self {
        let at = owner.from.map(|versions| match kind {
            Kind::FloatingIp => versions.addresses,
            Kind::Pool => versions.pools,
        });
        Self {
            owner,
            kind,
            sink,
            at,
            failures: 0,
        }
    }

    async fn run(mut self) -> Infallible {
        if let Some(version) = self.at {
            self.progress(version);
        }
        let mut wanted = self.owner.following.shared.wanted.subscribe();
        let mut round = *wanted.borrow_and_update();
        loop {
            let start = Instant::now();
            if self.at.is_none() {
                round = *wanted.borrow_and_update();
            }
            let ended = tokio::select! {
                ended = self.follow(round) => ended,
                _ = wanted.changed() => {
                    self.at = None;
                    continue;
                }
            };
            self.ended(ended, start).await;
        }
    }

    /// Lists if need be, then watches until that ends.
    async fn follow(&mut self, round: u64) -> Result<(), String> {
        let from = match self.at {
            Some(version) => version,
            None => self.list(round).await?,
        };
        match self.watch(from).await {
            Ok(()) | Err(WatchError::Silence) => Ok(()),
            Err(WatchError::Expired) => {
                self.at = None;
                Ok(())
            }
            Err(error) => {
                if matches!(error, WatchError::Line(_) | WatchError::LongLine) {
                    self.at = None;
                }
                Err(told(&error))
            }
        }
    }

    async fn list(&mut self, round: u64) -> Result<Version, String> {
        let owner = self.owner;
        let listed = list(&owner.client, self.kind, &owner.options).await;
        let mut listed = listed.map_err(|error| told(&error))?;
        let version = listed.version;
        for unreadable in std::mem::take(&mut listed.unreadable) {
            self.sink.take(News::Unreadable(self.kind, unreadable));
        }
        self.sink.take(News::List(self.whole(listed), version));
        self.at = Some(version);
        self.status(|status| {
            status.version = version;
            status.lists += 1;
            status.round = round;
            status.heard = Some(Instant::now());
        });
        self.caught_up();
        Ok(version)
    }

    fn whole(&self, list: List) -> WholeList {
        let version = list.version;
        match self.kind {
            Kind::FloatingIp => WholeList::of_addresses(version, list.into_addresses()),
            Kind::Pool => WholeList::of_pools(version, list.into_pools()),
        }
    }

    async fn watch(&mut self, from: Version) -> Result<(), WatchError> {
        let owner = self.owner;
        let namespace = &owner.options.pool_namespace;
        let mut watch = Watch::open(&owner.client, self.kind, namespace, from).await?;
        self.connected();
        while let Some(event) = watch.next().await? {
            self.told(event);
        }
        Ok(())
    }

    fn told(&mut self, event: Event) {
        match event {
            Event::Changed(change) => {
                let version = change.observed.version;
                self.report(&change);
                self.sink.take(News::Changed(change));
                self.progress(version);
            }
            Event::Unreadable(unreadable) => {
                self.sink.take(News::Unreadable(self.kind, unreadable));
            }
            Event::Bookmark(version) => {
                self.progress(version);
                self.caught_up();
            }
        }
    }

    fn report(&self, change: &Change) {
        if let Some(fault) = &change.fault {
            let (kind, target) = (self.kind.plural(), &change.observed.target);
            warn!(kind, %target, %fault, "an object cannot be read: its address is given to nobody");
        }
    }

    fn progress(&mut self, version: Version) {
        let version = self.at.map_or(version, |at| at.max(version));
        self.at = Some(version);
        self.status(|status| {
            status.version = version;
            status.heard = Some(Instant::now());
        });
    }

    fn caught_up(&self) {
        let version = self.owner.following.version();
        if version > Version::default() {
            self.sink.take(News::CaughtUp(version));
        }
    }

    fn connected(&self) {
        let mut failed = false;
        self.status(|status| {
            status.connected = true;
            failed = status.last_error.take().is_some();
        });
        if failed {
            info!(kind = self.kind.plural(), "changes are followed again");
        }
    }

    /// A pause before the next attempt, unless the watch was a good one.
    async fn ended(&mut self, ended: Result<(), String>, start: Instant) {
        let good = ended.is_ok() && start.elapsed() >= GOOD_WATCH;
        if let Err(reason) = ended {
            self.failed(&reason);
        }
        self.failures = if good {
            0
        } else {
            self.failures.saturating_add(1)
        };
        if !good {
            let grown = FIRST_PAUSE.saturating_mul(1 << (self.failures - 1).min(10));
            let pause = grown.min(LONGEST_PAUSE);
            sleep(pause.mul_f64(fastrand::f64().mul_add(0.5, 0.5))).await;
        }
    }

    fn failed(&self, reason: &str) {
        let kind = self.kind.plural();
        let mut first = false;
        self.status(|status| {
            status.connected = false;
            first = status.last_error.is_none();
            status.last_error = Some(reason.to_owned());
        });
        if first {
            error!(
                kind,
                reason, "changes cannot be followed; it is tried again"
            );
        }
    }

    fn status(&self, change: impl FnOnce(&mut KindStatus)) {
        self.owner.following.of(self.kind).send_modify(change);
    }
}
