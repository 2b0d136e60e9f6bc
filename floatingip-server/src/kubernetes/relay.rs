//! Passing on: what a process is asked that does not decide goes to the one that does.
//!
//! So every process can stand behind a Service, and the scheduler and the API's users need not know which one leads.
//! A request is passed on once at most: one that another process sent is answered here, or refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, uri};
use axum::middleware::Next;
use axum::response::Response;
use floatingip_k8s::causes::Causes;
use floatingip_k8s::lease::{Leadership, Places};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use thiserror::Error;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

use super::front::Duty;
use super::surroundings::Surroundings;
use crate::api::error::ApiError;

/// Marks what was passed on, with who did.
const RELAYED: HeaderName = HeaderName::from_static("floatingip-relayed");
/// How long the way to the one that decides may take: it is near, or gone.
const CONNECT: Duration = Duration::from_secs(1);
/// How long it may take to answer; a little less than whoever asks waits.
const LIMIT: Duration = Duration::from_secs(28);
/// So many requests are passed on at once; others wait.
const AT_ONCE: usize = 128;
/// How long a connection is kept that nothing uses.
const IDLE: Duration = Duration::from_secs(30);
/// What concerns one connection and not the request: RFC 9110, section 7.6.1.
const OF_CONNECTIONS: [HeaderName; 7] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Which port of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Port {
    Extender,
    Api,
}

/// How many requests were passed on, and how many could not be.
#[derive(Debug, Default)]
pub(super) struct Relayed {
    answered: AtomicU64,
    failed: AtomicU64,
}

/// What passes on the requests of one port.
#[derive(Debug)]
pub(super) struct Relay {
    around: Arc<Surroundings>,
    port: Port,
    identity: HeaderValue,
    client: Client<HttpConnector, Full<Bytes>>,
    turns: Semaphore,
    /// Whether the last request could not be passed on.
    fails: AtomicBool,
}

/// Why the one that decides has not answered.
#[derive(Debug, Error)]
enum Unanswered {
    #[error("its place {0:?} is none")]
    Place(String),
    #[error("it does not answer in time")]
    Silent,
    #[error("it has not answered, and leads no longer")]
    Deposed,
    #[error("it cannot be reached")]
    Client(#[from] hyper_util::client::legacy::Error),
}

impl Relayed {
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Port {
    /// Where a process answers at this port.
    fn of(self, places: &Places) -> Option<&str> {
        match self {
            Self::Extender => places.extender.as_deref(),
            Self::Api => places.api.as_deref(),
        }
    }
}

/// Where a process of this duty passes on the requests of a port, if it does.
pub(super) fn destination(duty: Duty, leadership: &Leadership, port: Port) -> Option<String> {
    let leader = leader(leadership, port).filter(|_| duty == Duty::Standby);
    leader.map(str::to_owned)
}

fn leader(leadership: &Leadership, port: Port) -> Option<&str> {
    match leadership {
        Leadership::Other(holder) => port.of(&holder.places),
        _ => None,
    }
}

impl Relay {
    /// For one port of this process.
    pub(super) fn new(around: Arc<Surroundings>, port: Port, identity: &str) -> Arc<Self> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(AT_ONCE)
            .build(connector);
        Arc::new(Self {
            around,
            port,
            // Of a host's name and hexadecimal digits.
            identity: HeaderValue::from_str(identity)
                .unwrap_or(HeaderValue::from_static("another process")),
            client,
            turns: Semaphore::new(AT_ONCE),
            fails: AtomicBool::new(false),
        })
    }

    fn destination(&self) -> Option<String> {
        let duty = *self.around.duty.borrow();
        destination(duty, &self.around.leadership.borrow(), self.port)
    }

    /// Asks the one that decides.
    async fn ask(&self, place: &str, asked: &Parts, body: Bytes) -> Result<Response, Unanswered> {
        let request = self.request(place, asked, body)?;
        let answer = tokio::select! {
            answer = timeout(LIMIT, self.client.request(request)) => answer,
            () = self.deposed(place) => return Err(Unanswered::Deposed),
        };
        let (mut parts, body) = answer.map_err(|_| Unanswered::Silent)??.into_parts();
        strip(&mut parts.headers);
        Ok(Response::from_parts(parts, Body::new(body)))
    }

    fn request(
        &self,
        place: &str,
        asked: &Parts,
        body: Bytes,
    ) -> Result<hyper::Request<Full<Bytes>>, Unanswered> {
        let uri = at(place, &asked.uri).map_err(|_| Unanswered::Place(place.to_owned()))?;
        let mut request = hyper::Request::new(Full::new(body));
        *request.method_mut() = asked.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = asked.headers.clone();
        strip(request.headers_mut());
        request.headers_mut().insert(RELAYED, self.identity.clone());
        Ok(request)
    }

    /// Waits until who answers there does not lead any more: a process that is frozen or cut off would keep everybody
    /// waiting whose question it was passed.
    async fn deposed(&self, place: &str) {
        let mut leadership = self.around.leadership.clone();
        let other = |now: &Leadership| leader(now, self.port) != Some(place);
        if leadership.wait_for(other).await.is_err() {
            // Nobody follows the lease any more: the process is about to end.
            std::future::pending().await
        }
    }

    /// Every failure counts; the first of several is told.
    fn count(&self, place: &str, answer: &Result<Response, Unanswered>) {
        let relayed = &self.around.relayed;
        let fails = self.fails.swap(answer.is_err(), Ordering::Relaxed);
        match answer {
            Ok(_) => relayed.answered.fetch_add(1, Ordering::Relaxed),
            Err(why) => {
                if !fails {
                    warn!(
                        "requests cannot be passed on to {place}, which leads: {}",
                        Causes(why)
                    );
                }
                relayed.failed.fetch_add(1, Ordering::Relaxed)
            }
        };
    }

    /// What is listed here may be older than at the one that decides: says how much.
    fn date(&self, mut response: Response) -> Response {
        let age = self.around.running.get().and_then(|it| it.following.age());
        if let Some(age) = age {
            let age = HeaderValue::from(age.as_secs());
            response.headers_mut().insert(header::AGE, age);
        }
        response
    }
}

/// Passes a request on where this process does not decide, and answers it here where nobody else does.
pub(super) async fn pass_on<const LONGEST: usize>(
    State(relay): State<Arc<Relay>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let here = !request.uri().path().starts_with("/v1/") || request.headers().contains_key(RELAYED);
    if here || relay.destination().is_none() {
        return Ok(relay.answer_here(request, next).await);
    }
    let turn = relay.turns.acquire().await;
    let _turn = turn.map_err(|_| ApiError::Unavailable)?;
    let (parts, body) = request.into_parts();
    let read = timeout(LIMIT, to_bytes(body, LONGEST)).await;
    let body = read.map_err(|_| ApiError::TimedOut)?;
    // The body was too long, or was cut off, in which case nobody hears this.
    let body = body.map_err(|_| ApiError::TooLong { limit: LONGEST })?;
    // The one that leads, and if it is deposed meanwhile its successor: every request may be repeated.
    let mut asked = None;
    for _ in 0..2 {
        let Some(place) = relay.destination().filter(|it| asked.as_ref() != Some(it)) else {
            break;
        };
        let answer = relay.ask(&place, &parts, body.clone()).await;
        relay.count(&place, &answer);
        if let Ok(response) = answer {
            return Ok(response);
        }
        asked = Some(place);
    }
    let request = Request::from_parts(parts, Body::from(body));
    Ok(relay.answer_here(request, next).await)
}

impl Relay {
    /// Reads are answered from the view of this process; writes and the scheduler are refused if it does not decide.
    async fn answer_here(&self, request: Request, next: Next) -> Response {
        let reads = self.port == Port::Api && request.method() == Method::GET;
        let decides = *self.around.duty.borrow() == Duty::Deciding;
        let response = next.run(request).await;
        match reads && !decides && response.status().is_success() {
            true => self.date(response),
            false => response,
        }
    }
}

/// The same path and query at another place.
fn at(place: &str, asked: &Uri) -> Result<Uri, axum::http::Error> {
    let path = asked.path_and_query().map_or("/", |path| path.as_str());
    uri::Builder::new()
        .scheme("http")
        .authority(place)
        .path_and_query(path)
        .build()
}

fn strip(headers: &mut HeaderMap) {
    for header in &OF_CONNECTIONS {
        headers.remove(header);
    }
}

#[cfg(test)]
mod tests {
    use floatingip_k8s::lease::Holder;

    use super::*;

    fn led_from(extender: Option<&str>) -> Leadership {
        let places = Places {
            extender: extender.map(str::to_owned),
            api: None,
        };
        Leadership::Other(Holder {
            identity: "a".to_owned(),
            places,
        })
    }

    #[test]
    fn only_who_waits_passes_on_and_only_to_who_says_where() {
        let there = led_from(Some("10.0.0.5:9040"));
        let of = |duty, now: &Leadership| destination(duty, now, Port::Extender);
        assert_eq!(of(Duty::Standby, &there).as_deref(), Some("10.0.0.5:9040"));
        assert_eq!(destination(Duty::Standby, &there, Port::Api), None);
        assert_eq!(of(Duty::Standby, &led_from(None)), None);
        for duty in [Duty::Starting, Duty::Preparing, Duty::Deciding] {
            assert_eq!(of(duty, &there), None, "{duty:?}");
        }
        for nobody in [Leadership::Own, Leadership::Unknown] {
            assert_eq!(of(Duty::Standby, &nobody), None);
        }
    }

    #[test]
    fn path_and_query_stay_as_they_were_asked() {
        for (asked, expected) in [
            (
                "/v1/ip?poolName=a%2Fb&size=1",
                "http://[fd00::5]:9041/v1/ip?poolName=a%2Fb&size=1",
            ),
            (
                "http://elsewhere:1/v1/pool/x",
                "http://[fd00::5]:9041/v1/pool/x",
            ),
        ] {
            let uri = at("[fd00::5]:9041", &asked.parse().unwrap()).unwrap();
            assert_eq!(uri.to_string(), expected);
        }
        assert!(at("no place", &Uri::from_static("/v1/ip")).is_err());
    }
}
