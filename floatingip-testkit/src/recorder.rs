//! A scheduler extender that agrees to everything and keeps what it was asked: for golden files of real requests.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kube::Client;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use crate::control_plane::Extender;

/// The largest request that is read, in bytes.
const LARGEST: usize = 16 << 20;

/// One request of the scheduler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `filter`, `priority`, `bind` or `preempt`.
    pub verb: String,
    /// The body as it came.
    pub body: String,
}

/// The running extender; it ends when it is dropped.
#[derive(Debug)]
pub struct Recorder {
    port: u16,
    asked: Asks,
    serving: AbortHandle,
}

type Asks = Arc<Mutex<Vec<Asked>>>;

impl Recorder {
    /// Listens on a free port; pods are bound with `client`.
    ///
    /// # Errors
    /// There is no port.
    pub async fn start(client: Client) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let asked = Asks::default();
        let serving = tokio::spawn(serve(listener, client, Arc::clone(&asked)));
        Ok(Self {
            port,
            asked,
            serving: serving.abort_handle(),
        })
    }

    /// Where the scheduler is to ask.
    pub fn extender(&self) -> Extender {
        Extender::at(self.port)
    }

    /// What was asked so far, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The first request with this verb.
    ///
    /// # Errors
    /// There was none yet.
    pub fn first(&self, verb: &str) -> Result<Asked> {
        let mut asked = self.asked().into_iter();
        asked
            .find(|asked| asked.verb == verb)
            .with_context(|| format!("nobody asked for {verb}"))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, client: Client, asked: Asks) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(stream, client.clone(), Arc::clone(&asked)));
    }
}

/// A connection that breaks is the scheduler's to repeat.
async fn connection(stream: TcpStream, client: Client, asked: Asks) {
    let service = service_fn(|request| answer(request, client.clone(), Arc::clone(&asked)));
    let served = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    drop(served);
}

async fn answer(
    request: Request<Incoming>,
    client: Client,
    asked: Asks,
) -> Result<Response<Full<Bytes>>> {
    let verb = request
        .uri()
        .path()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let body = Limited::new(request.into_body(), LARGEST).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!(error))?.to_bytes();
    let body = String::from_utf8(body.to_vec())?;
    let question: Value = serde_json::from_str(&body)?;
    let answer = match verb.as_str() {
        "filter" => pick(&question, &["Nodes", "NodeNames"]),
        "bind" => {
            json!({"Error": bind(&client, &question).await.err().map_or_else(String::new, |e| format!("{e:#}"))})
        }
        "preempt" => json!({"NodeNameToMetaVictims": victims(&question)}),
        _ => json!([]),
    };
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Asked { verb, body });
    Ok(Response::new(Full::new(answer.to_string().into())))
}

/// All nodes pass, in the form in which they came.
fn pick(question: &Value, names: &[&str]) -> Value {
    let field = |name: &&str| Some(((*name).to_owned(), question.get(*name)?.clone()));
    names
        .iter()
        .filter_map(field)
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// All candidates stay, by their UIDs.
fn victims(question: &Value) -> Value {
    let meta = question
        .get("NodeNameToMetaVictims")
        .filter(|victims| !victims.is_null());
    if let Some(meta) = meta {
        return meta.clone();
    }
    let whole = question.get("NodeNameToVictims").and_then(Value::as_object);
    let short = |victims: &Value| {
        let pods = victims
            .get("Pods")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let uid = |pod: &Value| json!({"UID": pod.pointer("/metadata/uid")});
        json!({
            "Pods": pods.map(uid).collect::<Vec<_>>(),
            "NumPDBViolations": victims.get("NumPDBViolations"),
        })
    };
    let nodes = whole.into_iter().flatten();
    nodes
        .map(|(node, victims)| (node.clone(), short(victims)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

async fn bind(client: &Client, question: &Value) -> Result<()> {
    let text = |name: &str| {
        question
            .get(name)
            .and_then(Value::as_str)
            .with_context(|| format!("no {name}"))
    };
    let (namespace, pod, node) = (text("PodNamespace")?, text("PodName")?, text("Node")?);
    let binding = json!({
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": pod, "namespace": namespace, "uid": text("PodUID")?},
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/binding");
    let request = Request::post(path).header("content-type", "application/json");
    client
        .request_text(request.body(binding.to_string().into_bytes())?)
        .await?;
    Ok(())
}
