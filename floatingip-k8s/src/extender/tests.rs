//! The verbs over a store in memory and a modelled API server.

mod bind;
mod decide;

use floatingip_core::memory::MemoryStore;
use floatingip_core::testing::{FaultyStore, VirtualTimer};
use serde_json::{Value, json};

use super::*;
use crate::scripted::{Server, Silence, core_of, entry, node, pod_object, pod_path, store_with};

/// Two racks: nodes a-… use 10.0.70.0/24, nodes b-… 10.0.80.0/24, with two addresses each.
const CONFIG: &str = r#"[
    {"nodeSubnets":["10.1.0.0/16"],"ips":["10.0.70.2~10.0.70.3"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1","vlan":2},
    {"nodeSubnets":["10.2.0.0/16"],"ips":["10.0.80.2~10.0.80.3"],"subnet":"10.0.80.0/24","gateway":"10.0.80.1"}
]"#;

type TestExtender = Extender<FaultyStore<MemoryStore>, VirtualTimer>;

/// An extender with nodes a-1, a-2 and b-1, and the API server behind it.
struct Scene {
    extender: TestExtender,
    server: Server,
    gate: Gate,
}

impl Scene {
    async fn new() -> Self {
        let core = core_of(CONFIG, store_with([])).await;
        let index = core.world().clone();
        for (name, address) in [("a-2", "10.1.0.2"), ("b-1", "10.2.0.1")] {
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
        let pod = pod_object(name, annotations);
        self.server.put(&pod_path(name), pod.clone());
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
