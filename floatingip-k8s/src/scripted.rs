//! For unit tests: a cluster in memory. An API server that has the objects it was given, and an index that was
//! fed what a test says.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use floatingip_core::Name;
use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine;
use floatingip_core::memory::MemoryStore;
use floatingip_core::orchestrator::{self, Orchestrator};
use floatingip_core::testing::{Fault, FaultyStore, VirtualTimer};
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::index::{Kind, PodEntry, Seen, SharedIndex};
use crate::object::{NodeObject, PodObject};

/// One rack, whose nodes have addresses in 10.1.0.0/16, with the two addresses .2 and .3 of 10.0.70.0/24.
const CONFIG: &str = r#"[{"nodeSubnets":["10.1.0.0/16"],"ips":["10.0.70.2~10.0.70.3"],"subnet":"10.0.70.0/24",
    "gateway":"10.0.70.1"}]"#;

pub(crate) type Core = Orchestrator<FaultyStore<MemoryStore>, VirtualTimer, SharedIndex>;

/// A core over `store` and the index of a cluster that has the one node a-1 and is in sync.
pub(crate) async fn core(store: FaultyStore<MemoryStore>) -> Arc<Core> {
    let index = SharedIndex::default();
    let config = Config::parse(CONFIG, Strictness::Strict).unwrap();
    let settings = engine::Settings {
        shared_store: true,
        ..engine::Settings::default()
    };
    let topology = config.topology().clone();
    let (timer, limits) = (VirtualTimer::automatic(), orchestrator::Limits::default());
    let core = Orchestrator::start(settings, topology, store, timer, index.clone(), limits);
    let core = Arc::new(core.await.unwrap());
    let topology = Arc::clone(core.engine().topology());
    index.write().set_topology(topology);
    for kind in Kind::built_in() {
        let (nothing, now) = (HashSet::new(), Timestamp::UNIX_EPOCH);
        index.write().listed(&kind, &nothing, 1, false, now);
    }
    index.write().feed(&node("a-1", "10.1.0.1")).unwrap();
    core
}

/// A store that does as it is told until it is told `fault`, how often.
pub(crate) fn store_with(faults: impl IntoIterator<Item = Fault>) -> FaultyStore<MemoryStore> {
    let faults: Vec<_> = faults.into_iter().map(Some).collect();
    FaultyStore::scripted(MemoryStore::per_record(), faults)
}

pub(crate) fn node(name: &str, address: &str) -> Seen<NodeObject> {
    let node = json!({
        "metadata": { "name": name, "uid": name, "resourceVersion": "2" },
        "status": {
            "addresses": [{ "type": "InternalIP", "address": address }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    });
    Seen::Present(serde_json::from_value(node).unwrap())
}

/// A bare pod of UID `NAME-uid` that waits for an address.
pub(crate) fn pod(name: &str) -> PodEntry {
    let pod = json!({
        "metadata": {
            "namespace": "default", "name": name, "uid": format!("{name}-uid"), "resourceVersion": "7",
        },
        "spec": { "containers": [
            { "resources": { "requests": { "tke.cloud.tencent.com/eni-ip": "1" } } }
        ]},
    });
    let object: PodObject = serde_json::from_value(pod).unwrap();
    PodEntry::try_from(&object).unwrap()
}

/// The same, bound to a-1 with that address, which the node reports too.
pub(crate) fn running(name: &str, address: &str) -> PodEntry {
    PodEntry {
        version: 8,
        node: Some("a-1".into()),
        bound_addresses: vec![address.parse().unwrap()],
        pod_ips: vec![address.parse().unwrap()],
        ..pod(name)
    }
}

/// Waits until it is so, some minutes at most, which pass at once.
pub(crate) async fn until(what: impl Fn() -> bool) {
    let seen = async {
        while !what() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(300), seen).await.unwrap();
}

/// Who owns an address, for people; none where nobody does.
pub(crate) fn owner(core: &Core, ip: &str) -> Option<Name> {
    let engine = core.engine();
    let record = engine.record(ip.parse().unwrap())?;
    let pod = record.owner.pod().map(|pod| pod.uid.clone());
    Some(pod.unwrap_or_else(|| "a reserve".into()))
}

/// Objects by path, and the requests that came.
#[derive(Clone, Default)]
pub(crate) struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    requests: Vec<(Method, String, Value)>,
    /// Requests of this method fail.
    broken: Option<Method>,
}

impl Server {
    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        Client::new(service, "default")
    }

    pub(crate) fn put(&self, path: &str, object: Value) {
        self.state().objects.insert(path.to_owned(), object);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.state().objects.remove(path);
    }

    pub(crate) fn break_down(&self, method: Option<Method>) {
        self.state().broken = method;
    }

    /// The paths of the requests of a method, in order.
    pub(crate) fn paths(&self, method: &Method) -> Vec<String> {
        let state = self.state();
        let requests = state.requests.iter().filter(|(of, ..)| of == method);
        requests.map(|(_, path, _)| path.clone()).collect()
    }

    /// The notes of the events that came.
    pub(crate) fn notes(&self) -> Vec<String> {
        let state = self.state();
        let notes = state.requests.iter().map(|(.., body)| &body["note"]);
        notes
            .filter_map(|note| note.as_str().map(str::to_owned))
            .collect()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = self.state().take(&parts.method, parts.uri.path(), body);
        let body = Body::from(serde_json::to_vec(&answer).unwrap());
        Response::builder().status(status).body(body).unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn take(&mut self, method: &Method, path: &str, body: Value) -> (StatusCode, Value) {
        self.requests
            .push((method.clone(), path.to_owned(), body.clone()));
        if self.broken.as_ref() == Some(method) {
            return refusal(500, "InternalError", "");
        }
        if *method == Method::POST {
            return (StatusCode::CREATED, body);
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        match self.objects.get(path) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => refusal(404, "NotFound", name),
        }
    }
}

fn refusal(code: u16, reason: &str, name: &str) -> (StatusCode, Value) {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code, "details": { "name": name },
    });
    (StatusCode::from_u16(code).unwrap(), status)
}
