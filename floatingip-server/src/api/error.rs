//! Every way a request can fail, its status, and the one form all are answered in.

use std::any::Any;
use std::net::IpAddr;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use floatingip_core::PoolNameError;
use floatingip_core::record::PoolRecord;
use thiserror::Error;

use super::dto::{Answer, pretty};
use super::params::ParamError;
use super::refused::{Refused, RefusedAnswer};
use crate::backend::{HistoryError, ListError, MarkError, ReleaseError, WriteError};

/// A request that cannot be answered as asked. The text is for the client; what only an operator
/// may know is logged where it happens.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum ApiError {
    #[error(transparent)]
    Param(#[from] ParamError),
    #[error(transparent)]
    PoolName(#[from] PoolNameError),
    #[error(
        "pool name `{0}` is no RFC 1123 label: use lower-case letters, digits and `-` inside, at most 63"
    )]
    PoolLabel(String),
    #[error("size: {found} is outside the valid range [0,{max}]", max = PoolRecord::MAX_SIZE)]
    PoolSize { found: i64 },
    #[error("bad request: {0}")]
    Body(String),
    #[error("bad request: {}", .0.join("; "))]
    Entries(Vec<String>),
    #[error("{}", not_releasable(.0))]
    Live(Vec<IpAddr>),
    #[error("{0}")]
    TooManyFree(String),
    #[error("pool not found")]
    PoolNotFound,
    /// A mark that is not there, or an address that is not configured.
    #[error("{0}")]
    MarkNotFound(String),
    #[error("{0}")]
    Busy(String),
    #[error(transparent)]
    Quarantine(#[from] super::mark::QuarantineFault),
    #[error("`{0}` is not an IP address")]
    Address(String),
    #[error("{0}")]
    NoJournal(String),
    #[error("pod {namespace}/{pod} is not known, or asks for no floating IP")]
    PodNotFound { namespace: String, pod: String },
    /// As galaxy-ipam words it.
    #[error("not found: pool {0}")]
    GalaxyPoolNotFound(String),
    #[error("{0} is not known, and has no addresses")]
    AppNotFound(String),
    #[error("{}", .0.message)]
    Refused(Box<Refused>),
    #[error(
        "not served in a cluster, whose own objects say which pods and apps there are: see /docs/"
    )]
    FromCluster,
    #[error("no such path: see /docs/ for those there are")]
    NoSuchPath,
    #[error("this path does not take that method: see the Allow header")]
    Method,
    #[error("body is longer than {limit} bytes")]
    TooLong { limit: usize },
    #[error("content type is `{found}`: send application/json")]
    MediaType { found: String },
    #[error(
        "this changes something: send `Authorization: Bearer TOKEN` with a token of the server's --api-token-file"
    )]
    Unauthorized,
    #[error("the server cannot answer now: try again")]
    Unavailable,
    #[error("the request took too long: it may have had an effect, look before trying again")]
    TimedOut,
    #[error("internal server error")]
    Internal,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Param(_)
            | Self::PoolName(_)
            | Self::PoolLabel(_)
            | Self::PoolSize { .. }
            | Self::Body(_)
            | Self::Entries(_)
            | Self::Live(_)
            | Self::Quarantine(_)
            | Self::Address(_)
            | Self::TooManyFree(_) => StatusCode::BAD_REQUEST,
            Self::Refused(refused) => refused.status(),
            Self::PoolNotFound
            | Self::MarkNotFound(_)
            | Self::AppNotFound(_)
            | Self::FromCluster
            | Self::PodNotFound { .. }
            | Self::GalaxyPoolNotFound(_)
            | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoJournal(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable | Self::TimedOut | Self::Busy(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.status();
        let answer = Answer {
            code: status.as_u16(),
            message: self.to_string(),
        };
        let mut response = match self {
            Self::Refused(refused) => pretty(status, &RefusedAnswer::new(answer, *refused)),
            _ => pretty(status, &answer),
        };
        let told = match status {
            StatusCode::SERVICE_UNAVAILABLE => Some((header::RETRY_AFTER, "1")),
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, "Bearer")),
            _ => None,
        };
        if let Some((name, value)) = told {
            let value = HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<ListError> for ApiError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::TooManyFree { .. } => Self::TooManyFree(error.to_string()),
            ListError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<ReleaseError> for ApiError {
    fn from(error: ReleaseError) -> Self {
        match error {
            ReleaseError::Live(ips) => Self::Live(ips),
            ReleaseError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<WriteError> for ApiError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<MarkError> for ApiError {
    fn from(error: MarkError) -> Self {
        match error {
            MarkError::NotFound(text) => Self::MarkNotFound(text),
            MarkError::Busy(text) => Self::Busy(text),
            MarkError::Unavailable => Self::Unavailable,
        }
    }
}

impl From<HistoryError> for ApiError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::NoJournal => Self::NoJournal(error.to_string()),
            HistoryError::Unavailable => Self::Unavailable,
        }
    }
}

fn not_releasable(ips: &[IpAddr]) -> String {
    let names: Vec<String> = ips.iter().map(IpAddr::to_string).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb} not releasable", names.join(", "))
}

/// Answers a path that nobody serves.
pub(crate) async fn no_such_path() -> ApiError {
    ApiError::NoSuchPath
}

/// Answers a method that a path does not have.
pub(crate) async fn wrong_method() -> ApiError {
    ApiError::Method
}

/// Answers a request whose handler panicked.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the panic layer hands over the payload"
)]
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned());
    tracing::error!(panic = text.as_deref(), "a request handler panicked");
    ApiError::Internal.into_response()
}
