//! Answers: what a reply of the API server says of a write.

use std::borrow::Cow;
use std::time::Duration;

use floatingip_core::record::{Value, Version};
use http::StatusCode;
use serde::Deserialize;

use super::call::Call;
use super::metrics::{Result, Verb};
use super::transport::{NoReply, Reply};
use crate::causes::Causes;
use crate::crd::Unreadable;

/// What one request came to.
#[expect(clippy::large_enum_variant, reason = "it lives for one request")]
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is durable, at this version.
    Applied(Version),
    /// Its expectation does not hold; none: nothing is there.
    Refused(Option<(Version, Value)>),
    /// Its expectation does not hold, and it takes a look to see why.
    Conflict,
    /// It did nothing and may be tried again, after so long if the API server says so.
    Later(Option<Duration>, String),
    /// It did nothing, and trying again is of no use.
    Rejected(String),
    /// It was not sent: this process may not write, or has too much under way.
    NotBegun,
    /// It may have been applied, or may still be.
    Unknown(String),
}

impl Verdict {
    pub(super) const fn result(&self) -> Result {
        match self {
            Self::Applied(_) => Result::Done,
            Self::Refused(_) | Self::Conflict => Result::Refused,
            Self::Later(..) | Self::Rejected(_) | Self::NotBegun => Result::Undone,
            Self::Unknown(_) => Result::Unknown,
        }
    }
}

/// What the answer to a write says, or that there is none.
pub(super) fn verdict(call: &Call, reply: std::result::Result<Reply, NoReply>) -> Verdict {
    match reply {
        Ok(reply) if reply.status.is_success() => done(call, &reply.body),
        Ok(reply) => failed(call, &reply),
        Err(error @ NoReply::NotSent(_)) => Verdict::Later(None, told(&error)),
        Err(error) => Verdict::Unknown(told(&error)),
    }
}

fn done(call: &Call, body: &[u8]) -> Verdict {
    let Ok(object) = serde_json::from_slice::<Object<'_>>(body) else {
        return Verdict::Unknown("the answer to a write makes no sense".to_owned());
    };
    match call.verb {
        // What the deletion left is an object that others still hold on to by a finalizer.
        Verb::Delete if object.kind != "Status" => there(call, body),
        Verb::Delete => Verdict::Applied(call.expect),
        _ => object.metadata.version().map_or_else(
            || Verdict::Unknown("the answer to a write has no version".to_owned()),
            Verdict::Applied,
        ),
    }
}

fn failed(call: &Call, reply: &Reply) -> Verdict {
    let status = serde_json::from_slice::<Status<'_>>(&reply.body).unwrap_or_default();
    let message = || format!("{}: {}", reply.status, status.message);
    match reply.status {
        StatusCode::CONFLICT => Verdict::Conflict,
        StatusCode::NOT_FOUND if status.is_about(call) => absent(call, message),
        // Turned away at the door, before anything was looked at.
        StatusCode::TOO_MANY_REQUESTS => Verdict::Later(reply.retry_after, message()),
        StatusCode::SERVICE_UNAVAILABLE if reply.retry_after.is_some() => {
            Verdict::Later(reply.retry_after, message())
        }
        StatusCode::REQUEST_TIMEOUT => Verdict::Unknown(message()),
        status if status.is_server_error() => Verdict::Unknown(message()),
        _ => Verdict::Rejected(message()),
    }
}

fn absent(call: &Call, message: impl Fn() -> String) -> Verdict {
    match call.verb {
        Verb::Delete => Verdict::Applied(call.expect),
        Verb::Update => Verdict::Refused(None),
        Verb::Create | Verb::Look => Verdict::Rejected(message()),
    }
}

/// What a look at the object says of a write that met a conflict. `put` is what it was to write.
pub(super) fn looked(
    call: &Call,
    put: Option<&Value>,
    reply: std::result::Result<Reply, NoReply>,
) -> Verdict {
    let reply = match reply {
        Ok(reply) => reply,
        Err(error) => return Verdict::Unknown(told(&error)),
    };
    if reply.status.is_success() {
        return compared(call, put, &reply.body);
    }
    let status = serde_json::from_slice::<Status<'_>>(&reply.body).unwrap_or_default();
    let gone = reply.status == StatusCode::NOT_FOUND && status.is_about(call);
    match call.verb {
        _ if !gone => Verdict::Unknown(format!("{}: {}", reply.status, status.message)),
        Verb::Delete => Verdict::Applied(call.expect),
        Verb::Update => Verdict::Refused(None),
        Verb::Create | Verb::Look => {
            Verdict::Later(None, "it was there, and is gone again".to_owned())
        }
    }
}

fn compared(call: &Call, put: Option<&Value>, body: &[u8]) -> Verdict {
    match there(call, body) {
        // Its own work, from an attempt before. Whatever else was changed about the object since is
        // no part of the record.
        Verdict::Refused(Some((version, value)))
            if value.plan().is_some() && put == Some(&value) =>
        {
            Verdict::Applied(version)
        }
        Verdict::Refused(Some((version, _))) if is_expected(call, version) => {
            Verdict::Later(None, "refused although its expectation holds".to_owned())
        }
        verdict => verdict,
    }
}

fn is_expected(call: &Call, version: Version) -> bool {
    call.verb != Verb::Create && version == call.expect
}

/// The object is in the way.
fn there(call: &Call, body: &[u8]) -> Verdict {
    let found = std::str::from_utf8(body)
        .map_err(|error| error.to_string())
        .and_then(|text| {
            call.kind
                .read(text)
                .map_err(|error: Unreadable| error.to_string())
        });
    match found {
        Ok(found) => Verdict::Refused(Some((found.version, found.value))),
        Err(error) => Verdict::Rejected(error),
    }
}

/// An error with its causes, in one line.
pub(super) fn told(error: &dyn std::error::Error) -> String {
    Causes(error).to_string()
}

/// As much of an object, or of a Status, as an answer to a write is read for.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    resource_version: Cow<'a, str>,
}

impl Metadata<'_> {
    fn version(&self) -> Option<Version> {
        self.resource_version.parse().ok().map(Version)
    }
}

/// As much of a failure as says what failed.
#[derive(Default, Deserialize)]
struct Status<'a> {
    #[serde(borrow, default)]
    message: Cow<'a, str>,
    #[serde(borrow, default)]
    details: Option<Details<'a>>,
}

#[derive(Default, Deserialize)]
struct Details<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
}

impl Status<'_> {
    /// Whether it speaks of the call's own object. A path that the API server does not serve at
    /// present is "not found" too, and says nothing of what is stored.
    fn is_about(&self, call: &Call) -> bool {
        self.details.as_ref().is_some_and(|details| {
            details.name == call.name.as_str() && details.kind == call.kind.plural()
        })
    }
}
