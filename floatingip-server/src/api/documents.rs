//! What describes the API: the Swagger 1.2 document that clients of galaxy-ipam know, OpenAPI 3.1,
//! and a page to try it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::dto::{JSON, pretty};
use crate::app::Api;

/// The contract as galaxy-ipam publishes it, from one of its servers.
const SWAGGER: &str = include_str!("../../assets/swagger-1.2.json");

/// Where that server was.
const SWAGGER_BASE: &str = "http://192.168.99.100:32761";

const OPENAPI: &str = include_str!("../../assets/openapi.json");
const DOCS_PAGE: &str = include_str!("../../assets/docs.html");
const DOCS_SCRIPT: &str = include_str!("../../assets/docs.js");

/// `GET /apidocs.json`: which documents there are.
pub(crate) async fn swagger_listing() -> Response {
    let listing = json!({
        "swaggerVersion": "1.2",
        "apiVersion": "",
        "apis": [{ "path": "/v1", "description": "" }],
        "info": { "title": "", "description": "" },
    });
    pretty(StatusCode::OK, &listing)
}

/// `GET /apidocs.json/v1`: the contract, with the address it was asked for at as its base.
pub(crate) async fn swagger<B: Send + Sync + 'static>(
    State(api): State<Arc<Api<B>>>,
    headers: HeaderMap,
) -> Response {
    let base = host(&headers).unwrap_or_else(|| api.settings.listen.clone());
    let document = SWAGGER.replacen(SWAGGER_BASE, &format!("http://{base}"), 1);
    ([JSON], document).into_response()
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    ([JSON], OPENAPI).into_response()
}

/// `GET /docs`: the page's links need the slash.
pub(crate) async fn docs_redirect() -> Redirect {
    Redirect::permanent("/docs/")
}

/// `GET /docs/`: a page that asks no other server for anything, and says so to the browser.
pub(crate) async fn docs_page() -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
                          style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    (headers, DOCS_PAGE).into_response()
}

/// `GET /docs/docs.js`.
pub(crate) async fn docs_script() -> Response {
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (kind, DOCS_SCRIPT).into_response()
}

/// The `Host` header, where it is one: what is no host and port has no place in a document.
fn host(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::HOST)?.to_str().ok()?;
    let authority: Authority = text.parse().ok()?;
    (!text.contains('@')).then(|| authority.to_string())
}
