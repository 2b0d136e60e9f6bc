//! One watch: the changes of a kind from a version on, until the connection ends.

use std::borrow::Cow;
use std::time::Duration;

use floatingip_core::Name;
use floatingip_core::engine::Observed;
use floatingip_core::record::{Value, Version};
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::time::timeout;

use super::call::Kind;
use super::list::message;
use super::transport::{NoReply, no_reply};
use crate::crd::{Fault, Found, Unreadable};

/// How long the API server has to begin its answer.
const OPENING: Duration = Duration::from_secs(10);
/// How long a watch lasts before the API server ends it, so that its load spreads; with up to half of it more.
const LASTS: Duration = Duration::from_secs(240);
/// The longest silence: the API server sends a bookmark about once a minute.
const SILENCE: Duration = Duration::from_secs(120);
/// The longest line, which is one object.
const LONGEST_LINE: usize = 16 << 20;

/// A change that somebody made to a record, this process included.
#[derive(Debug)]
pub struct Change {
    /// The change, for the engine.
    pub observed: Observed,
    /// The object's UID, by which events refer to it.
    pub uid: Name,
    /// Of a deletion: what was there before it.
    pub last: Option<Value>,
    /// Why its address is taken for an administrator's, where it is because it cannot be read.
    pub fault: Option<Fault>,
}

/// Why a watch ended.
#[derive(Debug, Error)]
pub(super) enum WatchError {
    /// It cannot go on from its version: a new list is needed.
    #[error("the version is too old to go on from")]
    Expired,
    #[error(transparent)]
    NoReply(#[from] NoReply),
    #[error("the API server answers {status}: {message}")]
    Refused { status: u16, message: String },
    #[error("the request cannot be made")]
    Request(#[from] http::Error),
    #[error("nothing came for {SILENCE:?}")]
    Silence,
    #[error("a line is longer than {LONGEST_LINE} bytes")]
    LongLine,
    #[error("a line makes no sense")]
    Line(#[source] serde_json::Error),
}

/// What a watch brings.
#[derive(Debug)]
pub(super) enum Event {
    Changed(Change),
    /// An object that is no record, at this version where it has one.
    Unreadable(Unreadable),
    /// Everything up to this version has been told.
    Bookmark(Version),
}

/// A watch that is open.
pub(super) struct Watch {
    kind: Kind,
    body: Body,
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Up to where there is no end of a line.
    seen: usize,
}

impl Watch {
    /// Opens a watch of what happens after a version.
    pub(super) async fn open(
        client: &Client,
        kind: Kind,
        pool_namespace: &str,
        from: Version,
    ) -> Result<Self, WatchError> {
        let path = kind.path(pool_namespace);
        let lasts = LASTS.mul_f64(fastrand::f64().mul_add(0.5, 1.0)).as_secs();
        let request = Request::get(format!(
            "{path}?watch=true&allowWatchBookmarks=true&resourceVersion={from}&timeoutSeconds={lasts}"
        ))
        .header(header::ACCEPT, "application/json")
        .body(Body::empty())?;
        let response = timeout(OPENING, client.send(request))
            .await
            .map_err(|_| NoReply::Late(OPENING))?
            .map_err(no_reply)?;
        let (head, body) = response.into_parts();
        let mut watch = Self {
            kind,
            body,
            buffer: Vec::new(),
            start: 0,
            seen: 0,
        };
        match head.status {
            StatusCode::GONE => Err(WatchError::Expired),
            status if status.is_success() => Ok(watch),
            status => Err(WatchError::Refused {
                status: status.as_u16(),
                message: watch.line().await?.map_or_else(String::new, message),
            }),
        }
    }

    /// The next event; none where the API server has ended the watch.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, WatchError> {
        let kind = self.kind;
        match self.line().await? {
            Some(line) => event(kind, line).map(Some),
            None => Ok(None),
        }
    }

    /// The next line without its end; none at the end, where half a line is dropped. Loses nothing
    /// when it is dropped in between.
    async fn line(&mut self) -> Result<Option<&[u8]>, WatchError> {
        loop {
            let unseen = self.buffer.get(self.seen..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
                let (start, end) = (self.start, self.seen + at);
                self.start = end + 1;
                self.seen = self.start;
                return Ok(self.buffer.get(start..end));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            self.seen = self.buffer.len();
            if self.seen > LONGEST_LINE {
                return Err(WatchError::LongLine);
            }
            let frame = timeout(SILENCE, self.body.frame()).await;
            match frame.map_err(|_| WatchError::Silence)? {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.buffer.extend_from_slice(&data);
                }
                Some(Err(error)) => return Err(no_reply(error).into()),
                None => return Ok(None),
            }
        }
    }
}

fn event(kind: Kind, line: &[u8]) -> Result<Event, WatchError> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(WatchError::Line)?;
    let object = line.object.get();
    match &*line.kind {
        "ADDED" | "MODIFIED" => Ok(changed(kind.read(object), false)),
        "DELETED" => Ok(changed(kind.read(object), true)),
        "BOOKMARK" => bookmark(object),
        _ => Err(failure(object)),
    }
}

fn changed(found: Result<Found, Unreadable>, deleted: bool) -> Event {
    let found = match found {
        Ok(found) => found,
        Err(unreadable) => return Event::Unreadable(unreadable),
    };
    let (value, last) = match deleted {
        false => (Some(found.value), None),
        true => (None, Some(found.value)),
    };
    Event::Changed(Change {
        observed: Observed {
            target: found.target,
            version: found.version,
            value,
        },
        uid: found.uid,
        last,
        fault: found.fault,
    })
}

fn bookmark(object: &str) -> Result<Event, WatchError> {
    #[derive(Deserialize)]
    struct Bookmark<'a> {
        #[serde(borrow)]
        metadata: At<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct At<'a> {
        #[serde(borrow)]
        resource_version: Cow<'a, str>,
    }
    let bookmark: Bookmark<'_> = serde_json::from_str(object).map_err(WatchError::Line)?;
    let version = bookmark.metadata.resource_version.parse();
    // A version that is no number tells nothing, as the first bookmark does.
    Ok(Event::Bookmark(Version(version.unwrap_or_default())))
}

fn failure(object: &str) -> WatchError {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Status {
        code: u16,
        message: String,
    }
    let status: Status = serde_json::from_str(object).unwrap_or_default();
    match status.code {
        410 => WatchError::Expired,
        code => WatchError::Refused {
            status: code,
            message: status.message,
        },
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}
