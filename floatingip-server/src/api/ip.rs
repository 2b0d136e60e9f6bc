//! `/v1/ip`: listing addresses and releasing them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use floatingip_core::Name;
use floatingip_core::engine::Named;
use thiserror::Error;

use super::dto::{Answered, ListAnswer, ReleaseAnswer, ReleaseItem, ReleaseRequest, pretty};
use super::error::ApiError;
use super::extract::Json;
use super::field::Object;
use super::guard::{Permit, to_the_end};
use super::listing;
use super::params::Params;
use crate::app::{Api, Mode};
use crate::backend::{Backend, ReleaseReport};

/// `GET /v1/ip`.
pub(crate) async fn list<B: Backend>(State(api): State<Arc<Api<B>>>, params: Params) -> Answered {
    let query = listing::query(&params, api.settings.mode)?;
    let page = api.backend.list(&query).await?;
    Ok(pretty(StatusCode::OK, &ListAnswer::from(page)))
}

/// `POST /v1/ip`.
pub(crate) async fn release<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    Extension(permit): Extension<Permit>,
    body: Json,
) -> Answered {
    let body = match api.settings.mode {
        Mode::Standard => body,
        Mode::Galaxy => body.leniently(FIELDS)?,
    };
    let entries = entries(body.read()?)?;
    if entries.is_empty() {
        return Ok(released(ReleaseReport::default()));
    }
    let backend = Arc::clone(&api.backend);
    let report = to_the_end(permit, async move { backend.release(entries).await }).await??;
    Ok(released(report))
}

/// Every field of a release request, at any depth.
const FIELDS: &[&str] = &[
    "ips",
    "ip",
    "namespace",
    "appName",
    "podName",
    "poolName",
    "policy",
    "isDeployment",
    "appType",
    "updateTime",
    "status",
    "releasable",
];

/// All entries, or every fault of them.
fn entries(request: ReleaseRequest) -> Result<Vec<Named>, ApiError> {
    let mut entries = Vec::with_capacity(request.ips.len());
    let mut faults = Vec::new();
    for (at, Object(item)) in request.ips.into_iter().enumerate() {
        match entry(item) {
            Ok(entry) => entries.push(entry),
            Err(fault) => faults.push(format!("ips[{at}].{fault}")),
        }
    }
    if faults.is_empty() {
        Ok(entries)
    } else {
        Err(ApiError::Entries(faults))
    }
}

fn entry(item: ReleaseItem) -> Result<Named, EntryFault> {
    let given = |text: String| Some(text).filter(|t| !t.is_empty()).map(Name::from);
    let ip: Result<IpAddr, _> = item.ip.parse();
    Ok(Named {
        ip: ip.map_err(|_| EntryFault::Address(item.ip))?.to_canonical(),
        kind: kind(item.app_type, item.is_deployment)?,
        pool: given(item.pool_name),
        namespace: given(item.namespace),
        app: given(item.app_name),
        pod: given(item.pod_name),
    })
}

/// `isDeployment: false` says nothing here: rows of every other kind leave it out or have it so.
fn kind(app_type: String, is_deployment: bool) -> Result<Option<Name>, EntryFault> {
    let deployment = Name::from("deployment");
    let named = Some(app_type.as_str()).filter(|text| !text.is_empty());
    match (named.map(listing::kind_named), is_deployment) {
        (Some(kind), true) if kind != deployment => Err(EntryFault::Kinds(app_type)),
        (None, true) => Ok(Some(deployment)),
        (kind, _) => Ok(kind),
    }
}

/// Why an entry is refused, with the field in front.
#[derive(Debug, Error)]
enum EntryFault {
    #[error("ip: `{0}` is not an IP address")]
    Address(String),
    #[error("isDeployment: true disagrees with appType `{0}`: leave it out")]
    Kinds(String),
}

fn released(report: ReleaseReport) -> Response {
    let (unreleased, reasons): (Vec<_>, Vec<_>) = report.unreleased.into_iter().unzip();
    let (status, message) = if unreleased.is_empty() {
        (StatusCode::OK, String::new())
    } else {
        let (done, failed) = (report.released.len(), unreleased.len());
        let message = format!(
            "Released {done} ips, {failed} ips failed, they have been released or allocated to \
             other pods, or are not within valid range"
        );
        (StatusCode::ACCEPTED, message)
    };
    let answer = ReleaseAnswer {
        code: status.as_u16(),
        message,
        unreleased,
        reasons,
    };
    pretty(status, &answer)
}
