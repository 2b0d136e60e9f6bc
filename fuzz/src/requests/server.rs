//! A server to make requests to, in this process and without a disk.

use std::cell::RefCell;
use std::net::IpAddr;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::Response;
use floatingip_core::Topology;
use floatingip_core::config::{Config, Strictness};
use floatingip_server::app::{Mode, Settings};
use floatingip_server::standalone::in_memory;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

use super::{Answer, Request};

/// Small enough that requests meet each other, and that subnets become full.
const CONFIG: &str = r#"[
    {"nodeSubnets":["10.0.0.0/16","fd01::/64"],"ips":["10.0.70.2~10.0.70.5"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2},
    {"nodeSubnets":["10.0.0.0/16","fd01::/64"],"ips":["fd00::2~fd00::9"],"subnet":"fd00::/64","gateway":"fd00::1"}
]"#;

thread_local! {
    static RUNTIME: Runtime = runtime();
    /// A server of each mode that nothing was changed in.
    static UNCHANGED: RefCell<[Option<Router>; 2]> = const { RefCell::new([None, None]) };
}

/// A server of its own, which ends with the value.
#[derive(Debug)]
pub struct Server {
    router: Router,
    galaxy: bool,
}

impl Server {
    /// One that has given nothing yet.
    pub fn fresh(galaxy: bool) -> Self {
        let kept = UNCHANGED.with_borrow_mut(|kept| kept[usize::from(galaxy)].take());
        let router = kept.unwrap_or_else(|| started(galaxy));
        Self { router, galaxy }
    }

    /// It was not changed and serves again as a fresh one.
    pub(super) fn keep(self) {
        UNCHANGED.with_borrow_mut(|kept| kept[usize::from(self.galaxy)] = Some(self.router));
    }

    /// Makes a request.
    pub fn answer(&self, request: &Request) -> Answer {
        let mut sent = axum::http::Request::new(Body::from(request.body.clone()));
        *sent.method_mut() = request.method.clone();
        *sent.uri_mut() = request.uri.clone();
        let json = HeaderValue::from_static("application/json");
        sent.headers_mut().insert(CONTENT_TYPE, json);
        RUNTIME.with(|runtime| {
            let response = runtime.block_on(self.router.clone().oneshot(sent));
            let response = response.unwrap_or_else(|never| match never {});
            let status = response.status();
            let is_json = is_json(&response);
            let body = runtime.block_on(to_bytes(response.into_body(), usize::MAX));
            let json = is_json.then(|| read(&body.unwrap_or_default()));
            Answer { status, json }
        })
    }

    /// Whether it may give an address.
    pub(super) fn serves(&self, ip: &str) -> bool {
        ip.parse()
            .is_ok_and(|ip: IpAddr| topology().subnet_of(ip).is_some())
    }
}

fn started(galaxy: bool) -> Router {
    let settings = Settings {
        mode: if galaxy { Mode::Galaxy } else { Mode::Standard },
        ..Settings::default()
    };
    let started = RUNTIME.with(|runtime| runtime.block_on(in_memory(topology(), settings)));
    started.expect("a server")
}

fn topology() -> Topology {
    let config = Config::parse(CONFIG, Strictness::Strict);
    config
        .map(|config| config.topology().clone())
        .unwrap_or_default()
}

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.expect("a server")
}

fn is_json(response: &Response) -> bool {
    let found = response.headers().get(CONTENT_TYPE);
    found.is_some_and(|found| found == "application/json")
}

fn read(body: &Bytes) -> Value {
    let mut value = serde_json::from_slice(body).expect("what is called JSON is JSON");
    mask_times(&mut value);
    value
}

/// Two servers that do the same do it at two times.
fn mask_times(value: &mut Value) {
    match value {
        Value::String(text) if is_time(text) => "TIME".clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(mask_times),
        Value::Object(fields) => fields.values_mut().for_each(mask_times),
        _ => {}
    }
}

fn is_time(text: &str) -> bool {
    let shape = text.bytes().zip("0000-00-00T00:00:00".bytes());
    let mut fits = shape.map(|(found, wanted)| match wanted {
        b'0' => found.is_ascii_digit(),
        wanted => found == wanted,
    });
    text.ends_with('Z') && text.len() >= 20 && fits.all(|fits| fits)
}
