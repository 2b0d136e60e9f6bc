//! One kind: listed, then watched, for ever.
//!
//! kube's own `watcher` keeps the version of a list to itself. It is needed here: what is missing from a list
//! may be dropped only if it is not newer than the list.

use std::collections::HashSet;
use std::time::Duration;

use floatingip_core::Name;
use futures::{Stream, StreamExt, TryStreamExt};
use jiff::Timestamp;
use kube::api::{ListParams, WatchParams};
use kube::core::{ObjectMeta, WatchEvent};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::backoff::Backoff;
use super::failure::Failure;
use super::feed::Seen;
use super::kinds::Kind;
use super::shared::SharedIndex;
use crate::object::Guarded;

/// Objects of one page of a list.
const PAGE: u32 = 500;
/// How long a page may take. The server itself gives up after a minute.
const PAGE_TIME: Duration = Duration::from_secs(65);
/// How long a watch may take to begin.
const BEGIN_TIME: Duration = Duration::from_secs(30);
/// A server ends a watch after so many seconds, and up to half as many again: not all at a time.
const WATCH_SECONDS: u32 = 120;
/// How much later than the server's end an open connection counts as dead.
const MARGIN: Duration = Duration::from_secs(10);
/// The most events that are taken in under one lock.
const MOST_EVENTS: usize = 256;
/// The most unreadable objects of one list or chunk that get a line in the log each.
const MOST_LINES: usize = 10;

/// Puts what a watch sees into the index.
pub(super) trait Sink<K>: Send {
    /// Takes in what was seen, in order. Those that are no objects at all come back.
    fn take(
        &mut self,
        seen: Vec<Seen<K>>,
    ) -> impl Future<Output = Vec<(ObjectMeta, String)>> + Send;

    /// Tries again what could not be done, if it is time.
    fn tend(&mut self) -> impl Future<Output = ()> + Send;

    /// How long until there is something to tend.
    fn pause(&self) -> Duration;
}

pub(super) struct Reflector<K, S> {
    pub(super) api: Api<Guarded<K>>,
    pub(super) kind: Kind,
    pub(super) index: SharedIndex,
    pub(super) sink: S,
    pub(super) backoff: Backoff,
    pub(super) requests: Receiver<u64>,
}

/// Why a watch is over.
enum End {
    /// The server ended it, as it does from time to time.
    Closed,
    /// It can go on from where it was.
    Broken(Failure),
    /// Everything has to be listed again.
    Lost(Failure),
    /// Somebody wants it to be listed again.
    Asked,
}

impl<K, S> Reflector<K, S>
where
    K: Resource + Clone + std::fmt::Debug + DeserializeOwned + Send + 'static,
    S: Sink<K>,
{
    /// Lists and watches until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let request = *self.requests.borrow_and_update();
            match self.list().await {
                Ok(version) => {
                    self.index.answered(&self.kind, request);
                    self.follow(version).await;
                }
                Err(failure) => self.failed(&failure).await,
            }
        }
    }

    /// Lists everything at quorum, page by page, and returns the version of the list.
    async fn list(&mut self) -> Result<u64, Failure> {
        let mut listed = Listed::default();
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = timeout(PAGE_TIME, self.api.list(&params)).await??;
            let version = page.metadata.resource_version.unwrap_or_default();
            listed.note(&page.items);
            let seen = page.items.into_iter().map(Seen::Listed);
            self.take(seen.collect()).await;
            params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
            if params.continue_token.is_none() {
                return self.listed(&listed, &version);
            }
        }
    }

    fn listed(&self, listed: &Listed, version: &str) -> Result<u64, Failure> {
        let version = version.parse().map_err(|_| Failure::NoVersion)?;
        let now = Timestamp::now();
        let mut index = self.index.write();
        index.listed(&self.kind, &listed.names, version, listed.nameless, now);
        debug!(kind = ?self.kind, version, objects = listed.names.len(), "listed");
        Ok(version)
    }

    /// Watches from a version on, until a list is needed.
    async fn follow(&mut self, mut version: u64) {
        loop {
            self.sink.tend().await;
            let begun = Instant::now();
            match self.watch(&mut version).await {
                // A server that ends watches at once is not to be asked again at once.
                End::Closed if begun.elapsed() > Duration::from_secs(1) => {}
                End::Closed => sleep(self.backoff.pause()).await,
                End::Broken(failure) => self.failed(&failure).await,
                End::Lost(failure) => return self.failed(&failure).await,
                End::Asked => return,
            }
        }
    }

    async fn watch(&mut self, version: &mut u64) -> End {
        let seconds = WATCH_SECONDS + fastrand::u32(0..=WATCH_SECONDS / 2);
        let params = WatchParams::default().timeout(seconds);
        let api = self.api.clone();
        let from = version.to_string();
        let begun = tokio::select! {
            begun = timeout(BEGIN_TIME, api.watch(&params, &from)) => begun,
            Ok(()) = self.requests.changed() => return End::Asked,
        };
        let stream = match begun {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return end_of(error),
            Err(late) => return End::Broken(late.into()),
        };
        self.recovered();
        let last = Instant::now() + Duration::from_secs(u64::from(seconds)) + MARGIN;
        let chunks = stream.into_stream().ready_chunks(MOST_EVENTS);
        self.consume(Box::pin(chunks), last, version).await
    }

    /// Takes in events until the stream or its time is over.
    async fn consume(
        &mut self,
        mut chunks: impl Stream<Item = Vec<kube::Result<WatchEvent<Guarded<K>>>>> + Unpin,
        last: Instant,
        version: &mut u64,
    ) -> End {
        loop {
            let wait = self
                .sink
                .pause()
                .min(last.saturating_duration_since(Instant::now()));
            let next = tokio::select! {
                next = timeout(wait, chunks.next()) => next,
                Ok(()) = self.requests.changed() => return End::Asked,
            };
            let chunk = match next {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return End::Closed,
                Err(_) if Instant::now() >= last => return End::Closed,
                Err(_) => Vec::new(),
            };
            if let Some(end) = self.chunk(chunk, version).await {
                return end;
            }
            self.sink.tend().await;
        }
    }

    async fn chunk(
        &mut self,
        chunk: Vec<kube::Result<WatchEvent<Guarded<K>>>>,
        version: &mut u64,
    ) -> Option<End> {
        let before = *version;
        let (mut seen, mut end) = (Vec::new(), None);
        for event in chunk {
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    *version = newer(*version, object.meta().resource_version.as_deref());
                    seen.push(Seen::Present(object));
                }
                Ok(WatchEvent::Deleted(object)) => {
                    *version = newer(*version, object.meta().resource_version.as_deref());
                    seen.push(Seen::Deleted(object));
                }
                Ok(WatchEvent::Bookmark(mark)) => {
                    *version = newer(*version, Some(&mark.metadata.resource_version));
                }
                Ok(WatchEvent::Error(status)) => end = Some(end_of(kube::Error::Api(status))),
                Err(error) => end = Some(end_of(error)),
            }
            if end.is_some() {
                break;
            }
        }
        self.take(seen).await;
        if *version > before {
            self.index.write().reached(&self.kind, *version);
        }
        end
    }

    /// Hands over what can be read, and notes what cannot.
    async fn take(&mut self, seen: Vec<Seen<Guarded<K>>>) {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for object in seen {
            match object {
                Seen::Present(Guarded(Ok(object))) => good.push(Seen::Present(object)),
                Seen::Listed(Guarded(Ok(object))) => good.push(Seen::Listed(object)),
                Seen::Deleted(Guarded(Ok(object))) => good.push(Seen::Deleted(object)),
                Seen::Present(Guarded(Err(unreadable)))
                | Seen::Listed(Guarded(Err(unreadable))) => {
                    bad.push((*unreadable.metadata, unreadable.detail));
                }
                Seen::Deleted(Guarded(Err(unreadable))) => {
                    bad.extend(self.sink.take(std::mem::take(&mut good)).await);
                    self.vanished(&unreadable.metadata);
                }
            }
        }
        bad.extend(self.sink.take(good).await);
        self.note_unreadable(&bad);
    }

    /// Its name is enough to know that it is gone.
    fn vanished(&self, metadata: &ObjectMeta) {
        if let Some(name) = metadata.name.as_deref() {
            let namespace = Name::from(metadata.namespace.as_deref().unwrap_or_default());
            let version = newer(0, metadata.resource_version.as_deref());
            let mut index = self.index.write();
            index.vanished(&self.kind, &namespace, &Name::from(name), version);
        }
    }

    fn note_unreadable(&self, bad: &[(ObjectMeta, String)]) {
        if bad.is_empty() {
            return;
        }
        let mut index = self.index.write();
        for (metadata, _) in bad {
            index.unreadable(&self.kind, metadata);
        }
        drop(index);
        for (metadata, detail) in bad.iter().take(MOST_LINES) {
            let (namespace, name) = (&metadata.namespace, &metadata.name);
            warn!(kind = ?self.kind, ?namespace, ?name, detail, "object cannot be read, skipped");
        }
    }

    async fn failed(&mut self, failure: &Failure) {
        let pause = self.backoff.pause();
        warn!(kind = ?self.kind, %failure, ?pause, "watch failed, trying again");
        self.index.write().failed(&self.kind, failure.to_string());
        sleep(pause).await;
    }

    fn recovered(&mut self) {
        if self.backoff.reset() {
            info!(kind = ?self.kind, "watch works again");
        }
        self.index.write().recovered(&self.kind);
    }
}

/// What a list had in it.
#[derive(Default)]
struct Listed {
    names: HashSet<(Name, Name)>,
    nameless: bool,
}

impl Listed {
    fn note<K: Resource>(&mut self, page: &[Guarded<K>]) {
        for object in page {
            let meta = object.meta();
            let Some(name) = meta.name.as_deref() else {
                self.nameless = true;
                continue;
            };
            let namespace = meta.namespace.as_deref().unwrap_or_default();
            self.names.insert((Name::from(namespace), Name::from(name)));
        }
    }
}

fn newer(version: u64, seen: Option<&str>) -> u64 {
    let seen = seen.and_then(|seen| seen.parse().ok());
    version.max(seen.unwrap_or(0))
}

/// 410: the server has forgotten the version. What is no JSON would come again with the same version.
fn end_of(error: kube::Error) -> End {
    match &error {
        kube::Error::Api(status) if status.code == 410 => End::Lost(error.into()),
        kube::Error::SerdeError(_) => End::Lost(error.into()),
        _ => End::Broken(error.into()),
    }
}
