//! `/v1/ip/{ip}/history`: what happened to an address, and who had it when.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use floatingip_core::plan::Entry;
use floatingip_core::record::Version;
use floatingip_core::{Name, Owner, WallTime};
use jiff::Timestamp;
use serde::Serialize;

use super::dto::{Answered, pretty, timestamp};
use super::extract::IpPath;
use super::listing;
use super::params::{ParamError, Params};
use crate::app::Api;
use crate::backend::{Backend, History, HistoryQuestion};

/// How many changes one answer tells, unless asked for fewer or more.
const LIMIT: u32 = 100;
/// The most of them.
const MOST: u32 = 1000;

/// `GET /v1/ip/{ip}/history`.
pub(crate) async fn show<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    IpPath(ip): IpPath,
    params: Params,
) -> Answered {
    let question = question(ip, &params)?;
    let history = api.backend.history(question).await?;
    let answer = HistoryAnswer::new(&question, &history);
    Ok(pretty(StatusCode::OK, &answer))
}

fn question(ip: IpAddr, params: &Params) -> Result<HistoryQuestion, ParamError> {
    params.check(&["at", "before", "limit"])?;
    let at = params.first("at").map(time).transpose()?;
    let limit = listing::number(params, "limit", 1, MOST, "[1,1000]")?.unwrap_or(LIMIT);
    Ok(HistoryQuestion {
        ip,
        before: params.first("before").map(version).transpose()?,
        at,
        most: match at {
            Some(_) => 1,
            None => usize::try_from(limit).unwrap_or(1),
        },
    })
}

fn time(text: &str) -> Result<WallTime, ParamError> {
    let parsed = text.parse::<Timestamp>().ok();
    let nanos = parsed.and_then(|time| u64::try_from(time.as_nanosecond()).ok());
    nanos
        .map(WallTime::from_nanos)
        .ok_or_else(|| ParamError::Time {
            name: "at",
            found: text.to_owned(),
        })
}

fn version(text: &str) -> Result<Version, ParamError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = text.parse().ok().filter(|_| digits);
    parsed.map(Version).ok_or_else(|| ParamError::Range {
        name: "before",
        found: text.to_owned(),
        range: "[0,18446744073709551615]",
    })
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HistoryAnswer {
    code: u16,
    message: String,
    ip: IpAddr,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Who>,
    entries: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl HistoryAnswer {
    fn new(question: &HistoryQuestion, history: &History) -> Self {
        let last = history.entries.last().filter(|_| history.more);
        Self {
            code: StatusCode::OK.as_u16(),
            message: match history.complete {
                true => String::new(),
                false => "older changes have been dropped from the journal".to_owned(),
            },
            ip: question.ip,
            complete: history.complete,
            since: history.since.and_then(timestamp),
            at: question.at.and_then(timestamp),
            owner: history.owner.as_ref().and_then(who),
            entries: history.entries.iter().map(Line::from).collect(),
            next: last.map(|(version, _)| version.to_string()),
        }
    }
}

#[derive(Debug, Serialize)]
struct Line {
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Timestamp>,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Who>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Who>,
}

impl From<&(Version, Entry)> for Line {
    fn from((version, entry): &(Version, Entry)) -> Self {
        Self {
            version: version.to_string(),
            time: timestamp(entry.at),
            event: entry.event.name(),
            from: entry.from.as_ref().and_then(who),
            to: entry.to.as_ref().and_then(who),
        }
    }
}

/// An owner, in the words of the listing; what is empty is left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Who {
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_type: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    administrator: Option<Name>,
    live: bool,
}

/// None where the record is there for its mark alone.
fn who(owner: &Owner) -> Option<Who> {
    let given = |name: Name| Some(name).filter(|name| !name.is_empty());
    let app = owner.app();
    let pod = owner.pod();
    let administrator = match owner {
        Owner::Nobody => return None,
        Owner::Administrator(name) => Some(name.clone()),
        Owner::Slot(_) | Owner::Pool(_) => None,
    };
    Some(Who {
        namespace: owner.namespace().cloned(),
        app_name: app.as_ref().map(|app| app.name.clone()),
        app_type: app.map(|app| app.kind),
        pod_name: given(owner.pod_name()),
        pool_name: owner.pool().map(|pool| pool.name().clone()),
        uid: pod.and_then(|pod| given(pod.uid.clone())),
        node: pod.and_then(|pod| given(pod.node.clone())),
        administrator,
        live: pod.is_some(),
    })
}
