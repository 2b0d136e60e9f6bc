//! The extender with a store in memory, two nodes of two subnets, and an API server that has two pods.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{Method, Request, Response};
use floatingip_core::Topology;
use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine;
use floatingip_core::memory::MemoryStore;
use floatingip_core::orchestrator::{self, Orchestrator};
use floatingip_core::testing::{VirtualTimer, block_on};
use floatingip_k8s::event::Reporter;
use floatingip_k8s::extender::wire::BindingArgs;
use floatingip_k8s::extender::{Extender, Limits};
use floatingip_k8s::index::{PodEntry, Seen, SharedIndex};
use floatingip_k8s::object::{NodeObject, PodObject};
use floatingip_k8s::store::Gate;
use floatingip_k8s::waiting::Waiting;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tower::service_fn;

const CONFIG: &str = r#"[
    {"nodeSubnets":["10.1.0.0/16"],"ips":["10.0.70.2~10.0.70.3"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2},
    {"nodeSubnets":["10.2.0.0/16"],"ips":["10.0.80.2"],"subnet":"10.0.80.0/24","gateway":"10.0.80.1"}
]"#;

type Core = Orchestrator<MemoryStore, VirtualTimer, SharedIndex>;

/// Everything the extender needs.
pub(super) struct Cluster {
    pub(super) extender: Extender<MemoryStore, VirtualTimer>,
    core: Arc<Core>,
    server: Server,
    runtime: Runtime,
}

impl Cluster {
    pub(super) fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a sound cluster");
        let _entered = runtime.enter();
        let index = SharedIndex::default();
        let core = Arc::new(core(index.clone()));
        let server = Server::default();
        let client = server.client();
        fill(&index, &core, &server);
        let (reporter, _) = Reporter::new(client.clone(), "fuzz".to_owned());
        let (gate, waiting) = (Gate::open(), Waiting::default());
        let limits = Limits::default();
        let extender = Extender::new(Arc::clone(&core), client, gate, reporter, waiting, limits);
        drop(_entered);
        Self {
            extender,
            core,
            server,
            runtime,
        }
    }

    /// Why the pod was not bound; empty when it was.
    pub(super) fn bind(&self, args: &BindingArgs) -> String {
        self.runtime.block_on(self.extender.bind(args)).error
    }

    /// Whether the API server was told to bind that pod to that node.
    pub(super) fn has_bound(&self, args: &BindingArgs) -> bool {
        let pods = self.server.pods();
        let bound = pods.get(&args.pod_name);
        bound.is_some_and(|pod| {
            pod["metadata"]["namespace"] == *args.pod_namespace
                && pod["metadata"]["uid"] == *args.pod_uid
                && pod["spec"]["nodeName"] == *args.node
        })
    }

    /// Nothing is on its way any more, and only pods of the API server have addresses.
    pub(super) fn check(&self) {
        let engine = self.core.engine();
        assert_eq!(engine.open_plans(), 0);
        assert!(engine.len() <= self.server.pods().len(), "{}", engine.len());
    }
}

fn core(index: SharedIndex) -> Core {
    let settings = engine::Settings {
        shared_store: true,
        ..engine::Settings::default()
    };
    let started = Orchestrator::start(
        settings,
        topology(),
        MemoryStore::per_record(),
        VirtualTimer::automatic(),
        index,
        orchestrator::Limits::default(),
    );
    block_on(started).expect("a sound cluster")
}

fn topology() -> Topology {
    let config = Config::parse(CONFIG, Strictness::Strict);
    config
        .map(|config| config.topology().clone())
        .unwrap_or_default()
}

fn fill(index: &SharedIndex, core: &Core, server: &Server) {
    let topology = Arc::clone(core.engine().topology());
    let mut index = index.write();
    index.set_topology(topology);
    for (name, address) in [("a-1", "10.1.0.1"), ("b-1", "10.2.0.1")] {
        let node: NodeObject = read(node(name, address));
        index.feed(&Seen::Present(node)).expect("a sound cluster");
    }
    // The second one is not in the index: it is asked for.
    for name in ["web-0", "web-1"] {
        server.put(name, pod(name));
    }
    let known: PodObject = read(pod("web-0"));
    index.apply_pod(PodEntry::try_from(&known).expect("a sound cluster"));
}

fn node(name: &str, address: &str) -> Value {
    json!({
        "metadata": { "name": name, "uid": name, "resourceVersion": "1" },
        "status": { "addresses": [{ "type": "InternalIP", "address": address }] },
    })
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": "default", "name": name, "uid": format!("{name}-uid"), "resourceVersion": "7",
        },
        "spec": { "containers": [
            { "resources": { "requests": { "tke.cloud.tencent.com/eni-ip": "1" } } }
        ]},
    })
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a sound cluster")
}

/// An API server that reads and binds pods.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<BTreeMap<String, Value>>>);

impl Server {
    fn pods(&self) -> BTreeMap<String, Value> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn put(&self, name: &str, pod: Value) {
        let mut pods = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pods.insert(name.to_owned(), pod);
    }

    fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        Client::new(service, "default")
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let name = parts.uri.path().split('/').nth(6).unwrap_or_default();
        let body = body.collect_bytes().await.unwrap_or_default();
        let (status, answer) = match (self.pods().remove(name), parts.method) {
            (Some(pod), Method::GET) => (200, pod),
            (Some(pod), Method::POST) => self.bind(name, pod, &body),
            _ => refusal(404, "NotFound"),
        };
        let mut response = Response::new(Body::from(answer.to_string().into_bytes()));
        *response.status_mut() = status.try_into().unwrap_or_default();
        response
    }

    fn bind(&self, name: &str, mut pod: Value, body: &[u8]) -> (u16, Value) {
        let binding: Value = serde_json::from_slice(body).unwrap_or_default();
        if pod["spec"]["nodeName"].is_string() {
            return refusal(409, "Conflict");
        }
        pod["spec"]["nodeName"] = binding["target"]["name"].clone();
        pod["metadata"]["annotations"] = binding["metadata"]["annotations"].clone();
        pod["metadata"]["resourceVersion"] = json!("8");
        self.put(name, pod);
        let done =
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
        (201, done)
    }
}

fn refusal(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
    });
    (code, status)
}
