//! The verbs over a store in memory and a modelled API server.

mod bind;
mod decide;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine;
use floatingip_core::memory::MemoryStore;
use floatingip_core::orchestrator;
use floatingip_core::testing::VirtualTimer;
use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::index::{PodEntry, Seen};
use crate::object::{NodeObject, PodObject};

/// Two racks: nodes a-… use 10.0.70.0/24, nodes b-… 10.0.80.0/24, with two addresses each.
const CONFIG: &str = r#"[
    {"nodeSubnets":["10.1.0.0/16"],"ips":["10.0.70.2~10.0.70.3"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2},
    {"nodeSubnets":["10.2.0.0/16"],"ips":["10.0.80.2~10.0.80.3"],"subnet":"10.0.80.0/24","gateway":"10.0.80.1"}
]"#;

type TestExtender = Extender<MemoryStore, VirtualTimer>;

/// An extender with nodes a-1, a-2 and b-1, and the API server behind it.
struct Scene {
    extender: TestExtender,
    server: Server,
    gate: Gate,
}

impl Scene {
    async fn new() -> Self {
        let index = SharedIndex::default();
        let config = Config::parse(CONFIG, Strictness::Strict).unwrap();
        let settings = engine::Settings {
            shared_store: true,
            ..engine::Settings::default()
        };
        let core = Orchestrator::start(
            settings,
            config.topology().clone(),
            MemoryStore::per_record(),
            VirtualTimer::automatic(),
            index.clone(),
            orchestrator::Limits::default(),
        );
        let core = Arc::new(core.await.unwrap());
        index
            .write()
            .set_topology(Arc::clone(core.engine().topology()));
        for (name, address) in [
            ("a-1", "10.1.0.1"),
            ("a-2", "10.1.0.2"),
            ("b-1", "10.2.0.1"),
        ] {
            index.write().feed(&node(name, address)).unwrap();
        }
        let server = Server::default();
        let client = server.client();
        let (reporter, _) = Reporter::new(client.clone(), "test".to_owned());
        let gate = Gate::open();
        let waiting = Waiting::default();
        let limits = Limits::default();
        let extender = Extender::new(core, client, gate.clone(), reporter, waiting, limits);
        Self {
            extender,
            server,
            gate,
        }
    }

    /// Makes a pod, in the API server and in the index.
    fn pod(&self, name: &str, annotations: &Value) -> Value {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "namespace": "default", "name": name, "uid": format!("{name}-uid"),
                "resourceVersion": "7", "annotations": annotations,
            },
            "spec": { "containers": [
                { "resources": { "requests": { "tke.cloud.tencent.com/eni-ip": "1" } } }
            ]},
        });
        self.server.put(pod.clone());
        self.extender.index().write().apply_pod(entry(&pod));
        pod
    }

    fn filter(&self, pod: &Value, nodes: &[&str]) -> Value {
        let body = json!({ "Pod": pod, "Nodes": null, "NodeNames": nodes }).to_string();
        let args = wire::Args::read(body.as_bytes()).unwrap();
        serde_json::to_value(self.extender.filter(&args)).unwrap()
    }

    async fn bind(&self, pod: &str, node: &str) -> String {
        self.bind_uid(pod, &format!("{pod}-uid"), node).await
    }

    async fn bind_uid(&self, pod: &str, uid: &str, node: &str) -> String {
        let args = wire::BindingArgs {
            pod_name: pod.to_owned(),
            pod_namespace: "default".to_owned(),
            pod_uid: uid.to_owned(),
            node: node.to_owned(),
        };
        self.extender.bind(&args).await.error
    }
}

fn entry(pod: &Value) -> PodEntry {
    let object: PodObject = serde_json::from_value(pod.clone()).unwrap();
    PodEntry::try_from(&object).unwrap()
}

fn node(name: &str, address: &str) -> Seen<NodeObject> {
    let node = json!({
        "metadata": { "name": name, "uid": name, "resourceVersion": "1" },
        "status": {
            "addresses": [{ "type": "InternalIP", "address": address }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    Seen::Present(serde_json::from_value(node).unwrap())
}

/// Pods, and what becomes of their bindings.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    pods: BTreeMap<String, Value>,
    /// The bindings that came, also those that were not answered.
    bindings: Vec<Value>,
    /// Bindings are done, but never answered.
    silent: bool,
    /// How long a reading takes.
    slow: Duration,
}

impl Server {
    fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        Client::new(service, "default")
    }

    fn put(&self, pod: Value) {
        let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
        self.0.lock().unwrap().pods.insert(name, pod);
    }

    fn remove(&self, name: &str) {
        self.0.lock().unwrap().pods.remove(name);
    }

    fn be_silent(&self, silent: bool) {
        self.0.lock().unwrap().silent = silent;
    }

    fn read_slowly(&self, slow: Duration) {
        self.0.lock().unwrap().slow = slow;
    }

    fn bindings(&self) -> Vec<Value> {
        self.0.lock().unwrap().bindings.clone()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        if parts.method == Method::GET {
            let slow = self.0.lock().unwrap().slow;
            tokio::time::sleep(slow).await;
        }
        let name = parts.uri.path().split('/').nth(6).unwrap_or_default();
        let (status, answer, silent) = {
            let mut state = self.0.lock().unwrap();
            let (status, answer) = match parts.method {
                Method::POST => state.bind(name, &body),
                _ => state.get(name),
            };
            (status, answer, state.silent && parts.method == Method::POST)
        };
        if silent {
            std::future::pending::<()>().await;
        }
        let body = Body::from(serde_json::to_vec(&answer).unwrap());
        Response::builder().status(status).body(body).unwrap()
    }
}

impl State {
    fn get(&self, name: &str) -> (StatusCode, Value) {
        match self.pods.get(name) {
            Some(pod) => (StatusCode::OK, pod.clone()),
            None => refusal(404, "NotFound", name),
        }
    }

    fn bind(&mut self, name: &str, body: &[u8]) -> (StatusCode, Value) {
        let binding: Value = serde_json::from_slice(body).unwrap();
        self.bindings.push(binding.clone());
        let Some(pod) = self.pods.get_mut(name) else {
            return refusal(404, "NotFound", name);
        };
        let bound = pod["spec"]["nodeName"].is_string();
        if bound || binding["metadata"]["uid"] != pod["metadata"]["uid"] {
            return refusal(409, "Conflict", name);
        }
        pod["spec"]["nodeName"] = binding["target"]["name"].clone();
        pod["metadata"]["annotations"] = binding["metadata"]["annotations"].clone();
        pod["metadata"]["resourceVersion"] = json!("8");
        let status =
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
        (StatusCode::CREATED, status)
    }
}

fn refusal(code: u16, reason: &str, name: &str) -> (StatusCode, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
        "details": { "name": name, "kind": "pods" },
    });
    (StatusCode::from_u16(code).unwrap(), status)
}
