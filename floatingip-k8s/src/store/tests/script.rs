//! An API server that says what it is told to, one answer after the other.

use std::collections::VecDeque;
use std::future::pending;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use floatingip_core::record::Value;
use http::{Request, Response, header};
use kube::client::Body;
use kube::{Client, Config};
use serde_json::{Value as Json, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tower::{BoxError, service_fn};

use crate::crd::encode_record;
use crate::store::{CrdStore, Gate, StoreOptions, connect};

/// One answer.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// A status, a `Retry-After`, a body.
    Says(u16, Option<u32>, String),
    /// Never.
    Nothing,
}

impl Reply {
    pub(super) fn says(status: u16, body: &str) -> Self {
        Self::Says(status, None, body.to_owned())
    }

    /// With a wish to be left alone for so many seconds.
    pub(super) fn after(self, seconds: u32) -> Self {
        match self {
            Self::Says(status, _, body) => Self::Says(status, Some(seconds), body),
            Self::Nothing => Self::Nothing,
        }
    }
}

/// What is still to be said, and what was asked so far.
#[derive(Clone, Debug)]
pub(super) struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Script {
    pub(super) fn of(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self {
            replies: Arc::new(Mutex::new(replies.into_iter().collect())),
            asked: Arc::default(),
        }
    }

    pub(super) fn store(&self) -> CrdStore {
        self.store_behind(Gate::open())
    }

    pub(super) fn store_behind(&self, gate: Gate) -> CrdStore {
        CrdStore::new(self.client(), StoreOptions::default(), gate)
    }

    /// Method and path of each request.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn client(&self) -> Client {
        let script = self.clone();
        let answer = move |request: Request<Body>| {
            let line = format!("{} {}", request.method(), request.uri());
            script.asked.lock().unwrap().push(line);
            let reply = script.replies.lock().unwrap().pop_front();
            async move { say(reply.expect("a request that the script does not expect")).await }
        };
        Client::new(service_fn(answer), "default")
    }
}

async fn say(reply: Reply) -> Result<Response<Body>, BoxError> {
    let Reply::Says(status, after, body) = reply else {
        return pending().await;
    };
    let mut response = Response::builder().status(status);
    if let Some(seconds) = after {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    Ok(response.body(Body::from(body.into_bytes()))?)
}

/// The object of a record at 10.0.0.7 or of the pool `blue`.
pub(super) fn object(version: u64, value: &Value) -> String {
    let metadata = |name: &str, extra: Json| {
        let mut metadata = json!({ "name": name, "resourceVersion": version.to_string() });
        metadata
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        metadata
    };
    let object = match value {
        Value::Address(record) => {
            let encoded = encode_record(record);
            let labels = if encoded.reserved {
                json!({ "reserved": "" })
            } else {
                json!({})
            };
            json!({
                "kind": "FloatingIP",
                "metadata": metadata("10.0.0.7", json!({ "labels": labels })),
                "spec": encoded.spec,
            })
        }
        Value::Pool(record) => json!({
            "kind": "Pool",
            "metadata": metadata("blue", json!({})),
            "size": record.size,
            "preAllocateIP": record.pre_allocate,
        }),
    };
    object.to_string()
}

/// A Status about a FloatingIP of this name.
pub(super) fn status(code: u16, name: &str) -> String {
    json!({
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "message": format!("floatingips \"{name}\" says {code}"),
        "details": { "name": name, "group": "galaxy.k8s.io", "kind": "floatingips" },
    })
    .to_string()
}

/// A store whose API server is not there.
pub(super) async fn closed_port() -> CrdStore {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    store_at(port)
}

/// A store whose API server hangs up on every request.
pub(super) async fn hangs_up() -> CrdStore {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let _ = connection.read(&mut [0; 64]).await;
        }
    });
    store_at(port)
}

fn store_at(port: u16) -> CrdStore {
    let url = format!("http://127.0.0.1:{port}").parse().unwrap();
    let client = connect(Config::new(url)).unwrap();
    CrdStore::new(client, StoreOptions::default(), Gate::open())
}
