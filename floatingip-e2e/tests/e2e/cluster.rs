//! The whole product: a control plane, our server as the scheduler's extender, and two nodes with kubelets whose network is our plugin.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{ControlPlane, Server, ServerPlan, Workload, eventually, node, object};
use k8s_openapi::api::core::v1::{self as api, Event, Pod};
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use crate::containerd::Version;
use crate::image::RESIDENT;
use crate::kit::Kit;
use crate::kubelet::Kubelet;
use crate::lan::Lan;
use crate::node::{Node, Wiring};

/// The longest wait for anything that has to happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
/// After a refusal a kubelet tries again some fifteen seconds later.
const GRACE: Duration = Duration::from_secs(20);
/// How many addresses pods may have.
const ADDRESSES: u8 = 100;

/// A node with its kubelet.
#[derive(Debug)]
pub(crate) struct Worker {
    // Dropped in this order: what asks before who answers.
    kubelet: Kubelet,
    pub(crate) node: Node,
    pub(crate) name: &'static str,
}

/// All of it, which ends with the value.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) workers: [Worker; 2],
    pub(crate) server: Server,
    plane: ControlPlane,
    pub(crate) lan: Lan,
}

impl Cluster {
    /// Starts it, and waits until the nodes take pods.
    pub(crate) async fn start(kit: &Arc<Kit>) -> Result<Self> {
        let lan = Lan::new()?;
        let plan = ServerPlan::new(kit.ours("floatingip-server"))?.for_nodes();
        let api = format!("http://{}:{}", lan.gateway(), plan.api_port());
        let plane = ControlPlane::builder(kit.assets.clone())
            .scheduler(plan.extender())
            .controller_manager()
            .node_grace(GRACE)
            .for_nodes_at(lan.gateway().into())
            .start()
            .await?;
        object::apply(&plane.client(), &configuration(&lan)).await?;
        let server = plan.start(&plane).await?;
        let workers = tokio::try_join!(
            Worker::start(kit, Version::One, &lan, &plane, &api),
            Worker::start(kit, Version::Two, &lan, &plane, &api),
        )?;
        let cluster = Self {
            workers: workers.into(),
            server,
            plane,
            lan,
        };
        cluster.nodes_are_ready().await?;
        Ok(cluster)
    }

    pub(crate) fn client(&self) -> Client {
        self.plane.client()
    }

    /// Makes a namespace of a test's own.
    pub(crate) async fn namespace(&self, name: &str) -> Result<()> {
        let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        object::create(&self.client(), &manifest).await.map(drop)
    }

    /// Waits until the one pod of an app runs that is not `former`, and has the address that it was bound with.
    pub(crate) async fn pod(
        &self,
        app: &Workload,
        former: Option<&RunningPod>,
    ) -> Result<RunningPod> {
        let namespace = app.manifest()["metadata"]["namespace"].as_str();
        let namespace = namespace.context("an app without a namespace")?;
        let what = format!("the pod of {} in {namespace} runs", app.selector());
        let found = eventually(LIMIT, &what, || async {
            let pods = object::pods(&self.client(), namespace, &app.selector()).await?;
            let [pod] = pods.as_slice() else {
                anyhow::bail!("there are {} pods", pods.len());
            };
            ensure!(
                pod.uid().as_deref() != former.map(|pod| pod.uid.as_str()),
                "it is the former one"
            );
            RunningPod::read(pod)
        });
        match found.await {
            Ok(pod) => Ok(pod),
            Err(error) => Err(error.context(self.report(namespace).await?)),
        }
    }

    /// Waits for an event in a namespace that has all these words.
    pub(crate) async fn told(&self, namespace: &str, words: &[&str]) -> Result<()> {
        let what = format!("an event in {namespace} that says {words:?}");
        eventually(LIMIT, &what, || async {
            let events = self.events(namespace).await?;
            let fits = |event: &String| words.iter().all(|word| event.contains(word));
            ensure!(events.iter().any(fits), "{}", events.join("\n"));
            Ok(())
        })
        .await
    }

    /// The node of this name.
    pub(crate) fn worker(&self, name: &str) -> Result<&Worker> {
        let mut workers = self.workers.iter();
        let found = workers.find(|worker| worker.name == name);
        found.with_context(|| format!("there is no node {name}"))
    }

    /// Waits until all nodes take pods.
    pub(crate) async fn nodes_are_ready(&self) -> Result<()> {
        for worker in &self.workers {
            let ready = node::ready(&self.client(), worker.name, LIMIT).await;
            ready.with_context(|| worker.report())?;
        }
        Ok(())
    }

    /// Waits until a node is not ready, with these words as the reason.
    pub(crate) async fn is_not_ready(&self, worker: &Worker, words: &str) -> Result<()> {
        let nodes: Api<api::Node> = Api::all(self.client());
        let what = format!("node {} is not ready because of {words:?}", worker.name);
        eventually(LIMIT, &what, || async {
            let node = serde_json::to_value(nodes.get(worker.name).await?.status)?;
            let conditions = node["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().find(|one| one["type"] == "Ready");
            let ready = ready.context("it has not said so far")?;
            let message = ready["message"].as_str().unwrap_or_default();
            ensure!(
                ready["status"] == "False" && message.contains(words),
                "{ready}"
            );
            Ok(())
        })
        .await
    }

    async fn events(&self, namespace: &str) -> Result<Vec<String>> {
        let events: Api<Event> = Api::namespaced(self.client(), namespace);
        let events = events.list(&ListParams::default()).await?;
        let line = |event: &Event| {
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            let pod = text(&event.involved_object.name);
            format!("  {pod}: {} {}", text(&event.reason), text(&event.message))
        };
        Ok(events.iter().map(line).collect())
    }

    /// What helps to understand why a pod does not run.
    async fn report(&self, namespace: &str) -> Result<String> {
        let events = self.events(namespace).await?.join("\n");
        let workers: Vec<String> = self.workers.iter().map(Worker::report).collect();
        Ok(format!("events:\n{events}\n{}", workers.join("\n")))
    }
}

impl Worker {
    /// The one with the older containerd moves its own address to a bridge; the other gives pods links beside its own.
    async fn start(
        kit: &Arc<Kit>,
        version: Version,
        lan: &Lan,
        plane: &ControlPlane,
        server: &str,
    ) -> Result<Self> {
        let (name, last, switch) = match version {
            Version::One => ("n1", 11, "bridge"),
            Version::Two => ("n2", 12, "macvlan"),
        };
        let wiring = Wiring { switch, server };
        let node = Node::wired(kit, version, lan, last, wiring).await?;
        let kubelet = Kubelet::start(kit, &node, name, &plane.kubeconfig_for_nodes())?;
        Ok(Self {
            kubelet,
            node,
            name,
        })
    }

    /// Asks from inside a pod of this node who answers at an address.
    pub(crate) async fn ask(&self, pod: &RunningPod, address: Ipv4Addr) -> Result<String> {
        let address = format!("{address}:{}", crate::resident::PORT);
        let words = [
            "exec",
            "--sync",
            &pod.container,
            crate::image::PROGRAM,
            "ask",
            &address,
        ];
        self.node.containerd.crictl(&words).await
    }

    fn report(&self) -> String {
        let (kubelet, containerd) = (self.kubelet.log_tail(), self.node.containerd.log_tail());
        format!(
            "--- kubelet of {}\n{kubelet}\n--- its containerd\n{containerd}",
            self.name
        )
    }
}

/// A pod that runs.
#[derive(Clone, Debug)]
pub(crate) struct RunningPod {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) node: String,
    uid: String,
    container: String,
}

impl RunningPod {
    /// Fails where it does not run, or has another address than it was bound with.
    fn read(pod: &Pod) -> Result<Self> {
        let pod = serde_json::to_value(pod)?;
        let text = |path: &str| {
            let found = pod.pointer(path).and_then(Value::as_str);
            found
                .map(str::to_owned)
                .with_context(|| format!("no {path}: {}", pod["status"]))
        };
        ensure!(text("/status/phase")? == "Running", "{}", pod["status"]);
        let address = text("/status/podIP")?;
        let bound = text("/metadata/annotations/k8s.v1.cni.galaxy.io~1args")?;
        ensure!(
            bound.contains(&format!("\"{address}/")),
            "{address} is not in {bound}"
        );
        let container = text("/status/containerStatuses/0/containerID")?;
        Ok(Self {
            name: text("/metadata/name")?,
            address: address.parse()?,
            node: text("/spec/nodeName")?,
            uid: text("/metadata/uid")?,
            container: container.trim_start_matches("containerd://").to_owned(),
        })
    }
}

/// An app whose pods answer, and which the API server deletes only when the kubelet has ended them.
pub(crate) fn answering(app: Workload) -> Workload {
    app.image(RESIDENT.name).seconds_to_end(1)
}

/// The ConfigMap that the server reads.
fn configuration(lan: &Lan) -> Value {
    let range = format!("{}~{}", lan.pod_address(0), lan.pod_address(ADDRESSES - 1));
    let entry = json!([{
        "routableSubnet": lan.subnet(), "subnet": lan.subnet(), "ips": [range], "gateway": lan.gateway(), "vlan": 0,
    }]);
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "floatingip-config", "namespace": "kube-system"},
        "data": {"floatingips": entry.to_string()},
    })
}
