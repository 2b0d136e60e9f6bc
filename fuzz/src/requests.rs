//! Requests of the HTTP API, with their bodies, to the server as it runs without Kubernetes: every one is
//! answered in the common form, what is refused changes nothing, and what is accepted means the same
//! however its JSON is written.
//!
//! Which requests there are is not listed here: whatever the router serves is reached by its line, and a
//! test asks for an accepted example of each operation with a body in the corpus.

mod server;

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode, Uri};
use serde_json::Value;

pub use server::Server;

/// More requests than a person would write down to show a fault.
const MOST_REQUESTS: usize = 16;
/// The owners of all addresses. There are fewer than fit on the page.
const LISTING: &str = "/v1/ip?size=9999";

/// Takes requests with a blank line between them: a line `METHOD PATH`, then the body. They are made to a
/// server with `--galaxy-compat` where the first line is `galaxy`.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (galaxy, text) = match text.strip_prefix("galaxy\n") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let requests = Request::all(text);
    let server = Server::fresh(galaxy);
    let accepted = accepted(&server, &requests);
    if accepted.is_empty() {
        return server.keep();
    }
    let twin = Server::fresh(galaxy);
    for (request, answer) in accepted {
        let again = twin.answer(&request.printed_anew());
        assert_eq!(again, answer, "{request:?} printed anew");
    }
    assert_eq!(listing(&twin), listing(&server));
}

/// One request of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What to do.
    pub method: Method,
    /// The path, with the query.
    pub uri: Uri,
    /// The body; may be empty.
    pub body: String,
}

impl Request {
    /// The requests of a transcript, up to the first that is none.
    pub fn all(text: &str) -> Vec<Self> {
        let parts = text.split("\n\n").take(MOST_REQUESTS);
        parts.map_while(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        let (line, body) = text.split_once('\n').unwrap_or((text, ""));
        let (method, path) = line.split_once(' ')?;
        let uri: Uri = path.parse().ok()?;
        Some(Self {
            method: ["GET", "POST", "PUT", "PATCH", "DELETE"]
                .contains(&method)
                .then(|| method.parse().ok())??,
            uri: path.starts_with('/').then_some(uri)?,
            body: body.to_owned(),
        })
    }

    fn reads(&self) -> bool {
        self.method == Method::GET
    }

    /// The same, with other blanks, escapes and order of keys.
    fn printed_anew(&self) -> Self {
        let value: Option<Value> = serde_json::from_str(&self.body).ok();
        let body = value.map_or_else(|| self.body.clone(), |value| value.to_string());
        Self {
            body,
            ..self.clone()
        }
    }
}

/// What a request was answered; times are masked.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body, where it is JSON.
    pub json: Option<Value>,
}

/// Makes the requests; answers with the writes that were accepted.
fn accepted<'a>(server: &Server, requests: &'a [Request]) -> Vec<(&'a Request, Answer)> {
    let mut accepted = Vec::new();
    for request in requests {
        let answer = server.answer(request);
        check_answer(request, &answer);
        if answer.status.is_success() && !request.reads() {
            accepted.push((request, answer));
        }
    }
    accepted
}

fn check_answer(request: &Request, Answer { status, json }: &Answer) {
    assert!(!status.is_server_error(), "{request:?}: {status}, {json:?}");
    if status.is_success() && request.reads() {
        return;
    }
    if status.is_redirection() {
        return;
    }
    assert!(json.is_some(), "{request:?}: {status} without JSON");
    let json = json.clone().unwrap_or_default();
    assert_eq!(json["code"], status.as_u16(), "{request:?}");
    let message = json["message"].as_str();
    assert!(
        message.is_some_and(|text| status.is_success() || !text.is_empty()),
        "{request:?}: {json}"
    );
}

/// All rows with an owner. Each address is there once.
fn listing(server: &Server) -> Value {
    let request = Request {
        method: Method::GET,
        uri: Uri::from_static(LISTING),
        body: String::new(),
    };
    let rows = server
        .answer(&request)
        .json
        .map(|json| json["content"].clone());
    let rows = rows.unwrap_or_default();
    let ips: Vec<&str> = rows
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(ip_of)
        .collect();
    let distinct: BTreeSet<&str> = ips.iter().copied().collect();
    assert_eq!(ips.len(), distinct.len(), "an address twice: {rows}");
    assert!(
        ips.iter().all(|ip| server.serves(ip)),
        "outside the ranges: {rows}"
    );
    rows
}

fn ip_of(row: &Value) -> Option<&str> {
    row["ip"].as_str()
}
