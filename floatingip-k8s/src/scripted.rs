//! For unit tests: a cluster in memory. An API server that has the objects it was given, and an index that was
//! fed what a test says.

mod server;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use floatingip_core::Name;
use floatingip_core::config::{Config, Strictness};
use floatingip_core::engine;
use floatingip_core::memory::MemoryStore;
use floatingip_core::orchestrator::{self, Orchestrator};
use floatingip_core::testing::{Fault, FaultyStore, VirtualTimer};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

pub(crate) use self::server::{Server, Silence};
use crate::index::{Kind, PodEntry, Seen, SharedIndex};
use crate::object::{NodeObject, PodObject};

/// One rack, whose nodes have addresses in 10.1.0.0/16, with the two addresses .2 and .3 of 10.0.70.0/24.
const CONFIG: &str = r#"[{"nodeSubnets":["10.1.0.0/16"],"ips":["10.0.70.2~10.0.70.3"],"subnet":"10.0.70.0/24",
    "gateway":"10.0.70.1"}]"#;

pub(crate) type Core = Orchestrator<FaultyStore<MemoryStore>, VirtualTimer, SharedIndex>;

/// A core over `store` and the index of a cluster that has the one node a-1 and is in sync.
pub(crate) async fn core(store: FaultyStore<MemoryStore>) -> Arc<Core> {
    core_of(CONFIG, store).await
}

/// The same with another configuration.
pub(crate) async fn core_of(config: &str, store: FaultyStore<MemoryStore>) -> Arc<Core> {
    let index = SharedIndex::default();
    let config = Config::parse(config, Strictness::Strict).unwrap();
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
    entry(&pod_object(name, &json!({})))
}

/// The same as the API server has it, with these annotations.
pub(crate) fn pod_object(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": "default", "name": name, "uid": format!("{name}-uid"), "resourceVersion": "7",
            "annotations": annotations,
        },
        "spec": { "containers": [
            { "resources": { "requests": { "tke.cloud.tencent.com/eni-ip": "1" } } }
        ]},
    })
}

/// The path of a pod.
pub(crate) fn pod_path(name: &str) -> String {
    format!("/api/v1/namespaces/default/pods/{name}")
}

pub(crate) fn entry(pod: &Value) -> PodEntry {
    let object: PodObject = serde_json::from_value(pod.clone()).unwrap();
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
