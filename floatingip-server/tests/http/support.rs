//! The scripted backend, and requests in one line.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use floatingip_core::PoolName;
use floatingip_core::engine::Named;
use floatingip_core::query::{Page, Query, Row};
use floatingip_server::app::{Mode, Settings, router};
use floatingip_server::backend::{
    Backend, Explained, Gauge, History, HistoryError, HistoryQuestion, ListError, MarkError,
    PoolReport, PoolSpec, PoolView, Quarantine, Readiness, ReleaseError, ReleaseReport,
    SubnetUsage, WriteError,
};
use floatingip_server::native::FromCluster;
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::ServiceExt;

/// What the API asked of the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    List(Query),
    Release(Vec<Named>),
    Pool(PoolName),
    Explain(String, String),
    Quarantine(Quarantine),
    Lift(IpAddr),
    History(HistoryQuestion),
    Put(PoolSpec),
    Delete(PoolName),
}

/// A backend that answers as it was told and remembers what it was asked.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) rows: Result<Vec<Row>, ListError>,
    /// All rows of the listing; by default those of the page.
    pub(crate) total: Option<usize>,
    pub(crate) release: Result<ReleaseReport, ReleaseError>,
    pub(crate) pool: Option<PoolView>,
    pub(crate) explained: Option<Explained>,
    pub(crate) put: Result<PoolReport, WriteError>,
    pub(crate) delete: Result<bool, WriteError>,
    pub(crate) marked: Result<(), MarkError>,
    pub(crate) history: Result<History, HistoryError>,
    pub(crate) readiness: Readiness,
    pub(crate) usage: Vec<SubnetUsage>,
    pub(crate) gauges: Vec<Gauge>,
    /// Listing and releasing wait for a permit of it.
    pub(crate) gate: Semaphore,
    pub(crate) calls: Mutex<Vec<Call>>,
    /// Listing panics.
    pub(crate) broken: bool,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            rows: Ok(Vec::new()),
            total: None,
            release: Ok(ReleaseReport::default()),
            pool: None,
            explained: None,
            put: Ok(PoolReport {
                real_size: 0,
                complete: true,
            }),
            delete: Ok(false),
            marked: Ok(()),
            history: Ok(History::default()),
            readiness: Readiness::default(),
            usage: Vec::new(),
            gauges: Vec::new(),
            gate: Semaphore::new(1_000),
            calls: Mutex::default(),
            broken: false,
        }
    }
}

impl Fake {
    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }

    /// What it was asked so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }
}

impl Backend for Fake {
    type Native = FromCluster;

    fn native(&self) -> Option<&FromCluster> {
        None
    }

    async fn list(&self, query: &Query) -> Result<Page<Row>, ListError> {
        assert!(!self.broken, "told to break");
        self.note(Call::List(query.clone()));
        let _permit = self.gate.acquire().await.unwrap();
        let content = self.rows.clone()?;
        Ok(Page {
            total: self.total.unwrap_or(content.len()),
            content,
            request: query.page,
        })
    }

    async fn release(&self, entries: Vec<Named>) -> Result<ReleaseReport, ReleaseError> {
        let _permit = self.gate.acquire().await.unwrap();
        self.note(Call::Release(entries));
        self.release.clone()
    }

    async fn pool(&self, name: &PoolName) -> Result<Option<PoolView>, ListError> {
        self.note(Call::Pool(name.clone()));
        Ok(self.pool)
    }

    async fn put_pool(&self, pool: PoolSpec) -> Result<PoolReport, WriteError> {
        self.note(Call::Put(pool));
        self.put.clone()
    }

    async fn delete_pool(&self, name: &PoolName) -> Result<bool, WriteError> {
        self.note(Call::Delete(name.clone()));
        self.delete.clone()
    }

    async fn explain(&self, namespace: &str, pod: &str) -> Result<Option<Explained>, ListError> {
        self.note(Call::Explain(namespace.to_owned(), pod.to_owned()));
        Ok(self.explained.clone())
    }

    async fn quarantine(&self, quarantine: Quarantine) -> Result<(), MarkError> {
        self.note(Call::Quarantine(quarantine));
        self.marked.clone()
    }

    async fn lift(&self, ip: IpAddr) -> Result<(), MarkError> {
        self.note(Call::Lift(ip));
        self.marked.clone()
    }

    async fn history(&self, question: HistoryQuestion) -> Result<History, HistoryError> {
        self.note(Call::History(question));
        self.history.clone()
    }

    fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    fn usage(&self) -> Vec<SubnetUsage> {
        self.usage.clone()
    }

    fn gauges(&self) -> Vec<Gauge> {
        self.gauges.clone()
    }
}

/// A server with its backend.
pub(crate) struct Server {
    pub(crate) fake: Arc<Fake>,
    router: axum::Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The status and the message of an answer in the common form.
    pub(crate) fn verdict(&self) -> (u16, String) {
        let json = self.json();
        assert_eq!(json["code"], self.status.as_u16());
        let message = json["message"].as_str().unwrap().to_owned();
        (self.status.as_u16(), message)
    }
}

impl Server {
    pub(crate) fn new(fake: Fake, settings: Settings) -> Self {
        let fake = Arc::new(fake);
        let router = router(Arc::clone(&fake), settings);
        Self { fake, router }
    }

    pub(crate) fn standard(fake: Fake) -> Self {
        Self::new(fake, Settings::default())
    }

    pub(crate) fn galaxy(fake: Fake) -> Self {
        let mode = Mode::Galaxy;
        Self::new(
            fake,
            Settings {
                mode,
                ..Settings::default()
            },
        )
    }

    /// As `standard`, with hardly any time for a request, and one at a time.
    pub(crate) fn hasty(fake: Fake) -> Self {
        let settings = Settings {
            timeout: Duration::from_millis(20),
            concurrency: 1,
            ..Settings::default()
        };
        Self::new(fake, settings)
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
        }
    }

    pub(crate) async fn ask(&self, method: &str, path: &str) -> Answer {
        self.send(request(method, path).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Body>) -> Answer {
        let request = request("POST", path).header("Content-type", "application/json");
        self.send(request.body(body.into()).unwrap()).await
    }
}

pub(crate) fn request(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(path)
}
