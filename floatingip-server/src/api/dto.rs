//! The JSON of the API: field names, types and order as the Swagger document and galaxy-ipam have
//! them; what is false or empty is left out of a row.

use std::net::IpAddr;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use floatingip_core::query::{Page, Row};
use floatingip_core::record::{Mark, MarkKind};
use floatingip_core::{Name, Owner, Record, WallTime};
use jiff::Timestamp;
use serde::de::{Deserializer, Error, Unexpected};
use serde::{Deserialize, Serialize};
use serde_json::ser::{PrettyFormatter, Serializer};
use serde_json::{Map, Number, Value};

use super::error::ApiError;
use super::field::Object;

/// `httputil.Resp`.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) message: String,
}

/// `api.ListIPResp`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListAnswer {
    last: bool,
    total_elements: usize,
    total_pages: usize,
    first: bool,
    number_of_elements: usize,
    size: u32,
    number: u32,
    content: Vec<FloatingIp>,
}

impl From<Page<Row>> for ListAnswer {
    fn from(page: Page<Row>) -> Self {
        Self {
            last: page.is_last(),
            total_elements: page.total,
            total_pages: page.pages(),
            first: page.is_first(),
            number_of_elements: page.content.len(),
            size: page.request.size(),
            number: page.request.page(),
            content: page.content.iter().map(FloatingIp::from).collect(),
        }
    }
}

/// `api.FloatingIP` as it is listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FloatingIp {
    ip: IpAddr,
    #[serde(skip_serializing_if = "is_blank")]
    namespace: Option<Name>,
    #[serde(skip_serializing_if = "is_blank")]
    app_name: Option<Name>,
    #[serde(skip_serializing_if = "is_blank")]
    pod_name: Option<Name>,
    #[serde(skip_serializing_if = "is_blank")]
    pool_name: Option<Name>,
    policy: u8,
    #[serde(skip_serializing_if = "is_false")]
    is_deployment: bool,
    #[serde(skip_serializing_if = "is_blank")]
    app_type: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    #[serde(skip_serializing_if = "is_false")]
    releasable: bool,
    /// Not in galaxy-ipam's rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<MarkShown>,
}

/// Why nobody, or nobody else, gets an address for a while.
#[derive(Debug, Serialize)]
struct MarkShown {
    kind: &'static str,
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

impl From<&Mark> for MarkShown {
    fn from(mark: &Mark) -> Self {
        Self {
            kind: match mark.kind {
                MarkKind::Quarantine => "quarantine",
                MarkKind::Rest => "rest",
            },
            reason: mark.reason.clone(),
            mac: mark.mac.clone(),
            until: timestamp(mark.until),
        }
    }
}

fn is_blank(name: &Option<Name>) -> bool {
    name.as_ref().is_none_or(|name| name.is_empty())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

impl From<&Row> for FloatingIp {
    fn from(row: &Row) -> Self {
        let record = row.record.as_deref();
        let owner = record.map(|record| &record.owner);
        let app = owner.and_then(Owner::tenant).and_then(|t| t.app.as_ref());
        let kind = app.map(|app| app.kind.clone());
        Self {
            ip: row.ip,
            namespace: owner.and_then(Owner::namespace).cloned(),
            app_name: app.map(|app| app.name.clone()),
            pod_name: owner.map(Owner::pod_name).filter(|name| !name.is_empty()),
            pool_name: owner.and_then(Owner::pool).map(|pool| pool.name().clone()),
            policy: record.map_or(0, |record| record.policy.code()),
            is_deployment: kind.as_ref().is_some_and(|kind| *kind == "deployment"),
            app_type: kind,
            update_time: record.and_then(|record| timestamp(record.updated_at)),
            status: record.and_then(status),
            releasable: record.is_some_and(Record::is_reserve),
            mark: record.and_then(|record| record.mark.as_ref().map(MarkShown::from)),
        }
    }
}

/// A live record is that of a running pod: nobody told the standalone server any other phase.
fn status(record: &Record) -> Option<&'static str> {
    match (record.is_live(), record.is_reserve()) {
        (true, _) => Some("Running"),
        (_, true) => Some("Deleted"),
        _ => None,
    }
}

pub(super) fn timestamp(time: WallTime) -> Option<Timestamp> {
    Timestamp::from_nanosecond(time.as_nanos().into()).ok()
}

/// `api.ReleaseIPReq`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleaseRequest {
    pub(crate) ips: Vec<Object<ReleaseItem>>,
}

/// `api.FloatingIP` as it is sent back for release: only `ip` is required. The fields with an
/// underscore are there because rows of a listing have them; they must be well-typed, nothing more.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReleaseItem {
    pub(crate) ip: String,
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) app_name: String,
    #[serde(default)]
    pub(crate) pod_name: String,
    #[serde(default)]
    pub(crate) pool_name: String,
    #[serde(default)]
    pub(crate) app_type: String,
    #[serde(default)]
    pub(crate) is_deployment: bool,
    #[serde(default, rename = "policy", deserialize_with = "integer")]
    _policy: i32,
    #[serde(default, rename = "status")]
    _status: String,
    #[serde(default, rename = "updateTime")]
    _update_time: String,
    #[serde(default, rename = "releasable")]
    _releasable: bool,
    #[serde(default, rename = "mark")]
    _mark: Map<String, Value>,
}

/// `api.ReleaseIPResp`.
#[derive(Debug, Serialize)]
pub(crate) struct ReleaseAnswer {
    pub(crate) code: u16,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) unreleased: Vec<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasons: Vec<String>,
}

/// `api.Pool` as a client sends it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PoolRequest {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "integer")]
    pub(crate) size: i64,
    #[serde(default, rename = "preAllocateIP")]
    pub(crate) pre_allocate: bool,
}

/// `api.Pool` as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) size: u32,
    #[serde(rename = "preAllocateIP")]
    pub(crate) pre_allocate: bool,
}

/// `api.GetPoolResp`.
#[derive(Debug, Serialize)]
pub(crate) struct PoolAnswer {
    pub(crate) code: u16,
    pub(crate) message: String,
    pub(crate) pool: Pool,
    /// Not in galaxy-ipam's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<PoolStatus>,
}

/// How a pool stands; the same fields as in the status of its object in a cluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolStatus {
    pub(crate) addresses: u32,
    pub(crate) in_use: u32,
    pub(crate) owed: bool,
}

/// `api.UpdatePoolResp`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PutPoolAnswer {
    pub(crate) code: u16,
    pub(crate) message: String,
    pub(crate) real_pool_size: u32,
}

/// A whole number, be it written `4`, `4.0` or `4e0`: to JSON they are the same.
pub(super) fn integer<'de, D: Deserializer<'de>, T: TryFrom<i64>>(
    deserializer: D,
) -> Result<T, D::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = Number::deserialize(deserializer)?;
    let float = number.as_f64().unwrap_or(f64::NAN);
    let whole = number.as_i64().or_else(|| {
        let exact = float.fract() == 0.0 && float.abs() <= EXACT;
        exact.then_some(float as i64)
    });
    whole
        .and_then(|whole| T::try_from(whole).ok())
        .ok_or_else(|| {
            D::Error::invalid_value(Unexpected::Float(float), &"a whole number in range")
        })
}

/// It is done, and there is nothing to tell.
pub(super) fn done() -> Response {
    let answer = Answer {
        code: StatusCode::OK.as_u16(),
        message: String::new(),
    };
    pretty(StatusCode::OK, &answer)
}

/// JSON with one space per level, as galaxy-ipam prints it.
pub(crate) fn pretty(status: StatusCode, value: &impl Serialize) -> Response {
    let mut text = Vec::new();
    let formatter = PrettyFormatter::with_indent(b" ");
    let mut serializer = Serializer::with_formatter(&mut text, formatter);
    if let Err(error) = value.serialize(&mut serializer) {
        tracing::error!(%error, "an answer could not be printed");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    text.push(b'\n');
    (status, [JSON], text).into_response()
}

/// The header of every JSON answer.
pub(crate) const JSON: (header::HeaderName, HeaderValue) = (
    header::CONTENT_TYPE,
    HeaderValue::from_static("application/json"),
);

/// What a handler of JSON returns.
pub(crate) type Answered = Result<Response, ApiError>;
