//! The extender's port: the scheduler's verbs, and `/healthy` as galaxy-ipam has it.
//!
//! Every verb is answered with 200; what went wrong stands in the answer, where the scheduler looks for it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use floatingip_k8s::extender::wire::{
    Args, BindingArgs, BindingResult, FilterResult, HostPriority, PreemptionArgs, PreemptionResult,
};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{error, warn};

use super::Extender;
use super::front::Front;
use super::latency::{Latencies, Verb};
use super::relay::{Relay, pass_on};
use crate::api::error::{ApiError, no_such_path, panicked, wrong_method};

/// The longest body: whole nodes of a large cluster.
const BODY_LIMIT: usize = 64 << 20;
/// The longest body of a binding: four names.
const SHORT_BODY_LIMIT: usize = 64 << 10;
/// So many bodies that may be long are in memory at once; the scheduler has one pod in hand at a time.
const LONG_BODIES: usize = 32;
/// How long a request may take, its body included: the scheduler waits no longer.
const LIMIT: Duration = Duration::from_secs(30);
/// From this length on, bodies are read on a thread of their own.
const LONG: usize = 256 << 10;

/// What the handlers share.
#[derive(Debug)]
struct Port {
    front: Arc<Front>,
    latencies: Arc<Latencies>,
    places: Semaphore,
}

/// The routes of the extender's port.
pub(super) fn routes(front: Arc<Front>, latencies: Arc<Latencies>, relay: &Arc<Relay>) -> Router {
    let port = Arc::new(Port {
        front,
        latencies,
        places: Semaphore::new(LONG_BODIES),
    });
    let few = from_fn_with_state(Arc::clone(&port), few_at_once);
    let short = DefaultBodyLimit::max(SHORT_BODY_LIMIT);
    let pass_on_long = from_fn_with_state(Arc::clone(relay), pass_on::<BODY_LIMIT>);
    let pass_on_short = from_fn_with_state(Arc::clone(relay), pass_on::<SHORT_BODY_LIMIT>);
    Router::new()
        .route("/v1/filter", post(filter))
        .route("/v1/priority", post(prioritize))
        .route("/v1/prioritize", post(prioritize))
        .route("/v1/preempt", post(preempt))
        .route_layer(pass_on_long)
        .route_layer(few)
        .route("/v1/bind", post(bind).layer(short).layer(pass_on_short))
        .route("/healthy", get(|| async { "ok" }))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(in_time))
        .with_state(port)
}

/// Waits for a place before the body is read.
async fn few_at_once(
    State(port): State<Arc<Port>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let place = port.places.acquire().await;
    let _place = place.map_err(|_| ApiError::Unavailable)?;
    Ok(next.run(request).await)
}

async fn in_time(request: Request, next: Next) -> Result<Response, ApiError> {
    let answered = timeout(LIMIT, next.run(request)).await;
    answered.map_err(|_| ApiError::TimedOut)
}

async fn filter(State(port): State<Arc<Port>>, body: Bytes) -> Response {
    let _took = port.latencies.begin(Verb::Filter);
    let unable = |why: &str| json(&FilterResult::unable(&why));
    let answer = |extender: &Extender, body: &[u8]| match Args::read(body) {
        Ok(args) => json(&extender.filter(&args)),
        Err(error) => {
            warn!("filter: {error}");
            json(&FilterResult::unable(&error))
        }
    };
    port.decide(body, answer, unable).await
}

async fn prioritize(State(port): State<Arc<Port>>, body: Bytes) -> Response {
    let _took = port.latencies.begin(Verb::Prioritize);
    // Without our scores the scheduler goes by its own.
    let unable = |_: &str| json::<[HostPriority<'_>; 0]>(&[]);
    let answer = |extender: &Extender, body: &[u8]| match Args::read(body) {
        Ok(args) => json(&extender.prioritize(&args)),
        Err(error) => {
            warn!("prioritize: {error}");
            json::<[HostPriority<'_>; 0]>(&[])
        }
    };
    port.decide(body, answer, unable).await
}

async fn preempt(State(port): State<Arc<Port>>, body: Bytes) -> Response {
    let _took = port.latencies.begin(Verb::Preempt);
    // No candidate stays: nobody is ended for a pod that may find no address then.
    let unable = |_: &str| json(&PreemptionResult::default());
    let answer = |extender: &Extender, body: &[u8]| match PreemptionArgs::read(body) {
        Ok(args) => json(&extender.preempt(&args)),
        Err(error) => {
            warn!("preempt: {error}");
            json(&PreemptionResult::default())
        }
    };
    port.decide(body, answer, unable).await
}

async fn bind(State(port): State<Arc<Port>>, body: Bytes) -> Response {
    let _took = port.latencies.begin(Verb::Bind);
    let unable = |why: &dyn std::fmt::Display| {
        json(&BindingResult {
            error: why.to_string(),
        })
    };
    let args = match BindingArgs::read(&body) {
        Ok(args) => args,
        Err(error) => return unable(&error),
    };
    let extender = match port.front.deciding() {
        Ok(extender) => extender,
        Err(why) => return unable(&why),
    };
    // To its end also when the scheduler has gone: what is written is to be bound.
    let bound = tokio::spawn(async move { extender.bind(&args).await });
    match bound.await {
        Ok(result) => json(&result),
        Err(error) => {
            error!("a binding did not come to its end: {error}");
            ApiError::Internal.into_response()
        }
    }
}

impl Port {
    /// Answers with a decision, or says why there is none.
    async fn decide(
        &self,
        body: Bytes,
        answer: fn(&Extender, &[u8]) -> Response,
        unable: fn(&str) -> Response,
    ) -> Response {
        let extender = match self.front.deciding() {
            Ok(extender) => extender,
            Err(why) => return unable(why),
        };
        if body.len() < LONG {
            return answer(&extender, &body);
        }
        let answered = tokio::task::spawn_blocking(move || answer(&extender, &body));
        answered.await.unwrap_or_else(|error| {
            error!("a question of the scheduler's was not answered: {error}");
            ApiError::Internal.into_response()
        })
    }
}

fn json<T: Serialize + ?Sized>(answer: &T) -> Response {
    match serde_json::to_vec(answer) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => {
            error!("an answer cannot be written: {error}");
            ApiError::Internal.into_response()
        }
    }
}
