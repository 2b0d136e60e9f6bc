//! Probes, in the plain text that Kubernetes' own servers answer with.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::params::Params;
use crate::app::Api;
use crate::backend::{Backend, Readiness};

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok"
}

/// `GET /readyz`: requests can be served. `?verbose`, or not being ready, shows every check.
pub(crate) async fn readyz<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    params: Params,
) -> (StatusCode, String) {
    let readiness = api.backend.readiness();
    match (readiness.ready, params.has("verbose")) {
        (true, false) => (StatusCode::OK, "ok".to_owned()),
        (true, true) => (StatusCode::OK, report(&readiness)),
        (false, _) => (StatusCode::SERVICE_UNAVAILABLE, report(&readiness)),
    }
}

fn report(readiness: &Readiness) -> String {
    let mut text = String::new();
    for check in &readiness.checks {
        let (sign, verdict) = if check.ok {
            ('+', "ok")
        } else {
            ('-', "failed")
        };
        let colon = if check.detail.is_empty() { "" } else { ": " };
        let _ = writeln!(
            text,
            "[{sign}]{} {verdict}{colon}{}",
            check.name, check.detail
        );
    }
    let verdict = if readiness.ready { "passed" } else { "failed" };
    let _ = writeln!(text, "readyz check {verdict}");
    text
}
