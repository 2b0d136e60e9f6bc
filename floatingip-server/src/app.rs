//! The HTTP application: which path is answered by whom, and what holds for every request.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, delete, get, post};
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::error::{no_such_path, panicked, wrong_method};
use crate::api::extract::BODY_LIMIT;
use crate::api::metrics::RequestCounters;
use crate::api::{
    apps, attachment, documents, explain, guard, health, history, ip, mark, metrics, pool, token,
};
use crate::backend::Backend;

pub use crate::api::token::{TokenFile, TokenFileError, Tokens};

/// How the API answers where galaxy-ipam and common sense part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The sensible thing: strict parameters, numeric order, filters that all apply.
    #[default]
    Standard,
    /// As galaxy-ipam, for clients that rely on it (`--galaxy-compat`).
    Galaxy,
}

/// What the application can be told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How to answer where galaxy-ipam and common sense part.
    pub mode: Mode,
    /// The address it is reached at, `HOST:PORT`, for documents asked for without a `Host` header.
    pub listen: String,
    /// How long a request may take before it is answered with 503.
    pub timeout: Duration,
    /// Whose tokens allow to change something; without it everybody may who reaches the API.
    pub token: Option<TokenFile>,
    /// How many requests of the API are worked on at once; others wait, at most `timeout`.
    pub concurrency: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Standard,
            listen: "127.0.0.1:32761".to_owned(),
            timeout: Duration::from_secs(30),
            token: None,
            concurrency: 256,
        }
    }
}

/// What handlers share.
#[derive(Debug)]
pub(crate) struct Api<B> {
    pub(crate) backend: Arc<B>,
    pub(crate) settings: Settings,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) requests: RequestCounters,
}

/// The whole HTTP API over `backend`.
///
/// Every error is `{"code", "message"}`, also those of unknown paths and methods. A panic of a
/// handler is a 500 of its request and nothing else.
///
/// ```
/// use std::sync::Arc;
///
/// use floatingip_server::app::{Settings, router};
/// use floatingip_server::backend::Backend;
///
/// async fn serve(backend: Arc<impl Backend>) -> std::io::Result<()> {
///     let settings = Settings::default();
///     let listener = tokio::net::TcpListener::bind(&settings.listen).await?;
///     axum::serve(listener, router(backend, settings)).await
/// }
/// ```
pub fn router<B: Backend>(backend: Arc<B>, settings: Settings) -> Router {
    let api = Arc::new(Api {
        backend,
        permits: Arc::new(Semaphore::new(
            settings.concurrency.min(Semaphore::MAX_PERMITS),
        )),
        requests: RequestCounters::new(paths::<B>()),
        settings,
    });
    let limited = from_fn_with_state(Arc::clone(&api), guard::limit::<B>);
    let authorized = from_fn_with_state(Arc::clone(&api), token::authorize::<B>);
    let counted = from_fn_with_state(Arc::clone(&api), metrics::count::<B>);
    assemble(api_routes())
        .layer(limited)
        .layer(authorized)
        .merge(assemble(side_routes()))
        .fallback(no_such_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(counted)
        .with_state(api)
}

/// The paths that are served, as templates.
pub fn paths<B: Backend>() -> Vec<&'static str> {
    let routes = api_routes::<B>().into_iter().chain(side_routes::<B>());
    routes.map(|(path, _)| path).collect()
}

/// A path with its handlers by method.
type Routed<B> = (&'static str, MethodRouter<Arc<Api<B>>>);

/// What is bounded in number and time.
fn api_routes<B: Backend>() -> Vec<Routed<B>> {
    let unnamed = || get(pool::unnamed).delete(pool::unnamed);
    vec![
        ("/v1/ip", get(ip::list::<B>).post(ip::release::<B>)),
        ("/v1/ip/{ip}/history", get(history::show::<B>)),
        (
            "/v1/ip/{ip}/quarantine",
            post(mark::quarantine::<B>).delete(mark::lift::<B>),
        ),
        ("/v1/explain/{namespace}/{pod}", get(explain::show::<B>)),
        ("/v1/pool", unnamed().post(pool::put::<B>)),
        ("/v1/pool/", unnamed()),
        (
            "/v1/pool/{name}",
            get(pool::show::<B>).delete(pool::delete::<B>),
        ),
    ]
    .into_iter()
    .chain(native_routes())
    .collect()
}

/// What is told and asked where no cluster tells of pods.
fn native_routes<B: Backend>() -> Vec<Routed<B>> {
    vec![
        ("/v1/attachment", post(attachment::attach::<B>)),
        ("/v1/attachment/gc", post(attachment::collect::<B>)),
        (
            "/v1/attachment/{nodeName}/{network}/{containerID}/{interface}",
            delete(attachment::detach::<B>),
        ),
        ("/v1/pod/{podUID}", delete(apps::end_pod::<B>)),
        ("/v1/app", post(apps::tell::<B>)),
        (
            "/v1/app/{namespace}/{appType}/{appName}",
            get(apps::show::<B>).delete(apps::delete::<B>),
        ),
    ]
}

/// What also answers while the API is busy: probes, metrics, documents.
fn side_routes<B: Backend>() -> Vec<Routed<B>> {
    vec![
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz::<B>)),
        ("/metrics", get(metrics::show::<B>)),
        ("/apidocs.json", get(documents::swagger_listing)),
        ("/apidocs.json/v1", get(documents::swagger::<B>)),
        ("/openapi.json", get(documents::openapi)),
        ("/docs", get(documents::docs_redirect)),
        ("/docs/", get(documents::docs_page)),
        ("/docs/docs.js", get(documents::docs_script)),
    ]
}

fn assemble<B: Backend>(routes: Vec<Routed<B>>) -> Router<Arc<Api<B>>> {
    let add = |router: Router<_>, (path, methods)| router.route(path, methods);
    routes.into_iter().fold(Router::new(), add)
}
