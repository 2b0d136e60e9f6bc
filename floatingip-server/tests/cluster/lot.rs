//! The part of the cluster that one test has to itself.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{Node, Workload, eventually, node, object};
use k8s_openapi::api::core::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::cluster::{Cluster, LIMIT};
use crate::seed;
use crate::suite::Test;
use crate::view::PodView;

/// The label of a lot's nodes; its value is the lot's number.
const LOT: &str = "lot";

/// A namespace, nodes and addresses.
#[derive(Clone, Debug)]
pub(crate) struct Lot {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) namespace: String,
    number: u8,
}

impl Lot {
    /// Configures the addresses of all tests, so that a test has the same ones when it runs alone, and makes the
    /// namespaces and nodes of those that run.
    pub(crate) async fn lay_out(
        cluster: &Arc<Cluster>,
        all: &[Test],
        chosen: &[(usize, &Test)],
    ) -> Result<Vec<Self>> {
        let entries = all
            .iter()
            .enumerate()
            .flat_map(|(number, test)| entries(number as u8, test));
        let entries: Vec<Value> = seed::entries()?.into_iter().chain(entries).collect();
        let own: u64 = all
            .iter()
            .map(|test| u64::from(test.racks) * u64::from(test.addresses))
            .sum();

        let nodes: Vec<Node> = chosen
            .iter()
            .flat_map(|(number, test)| nodes(*number as u8, test))
            .collect();
        node::create_all(&cluster.client(), &nodes).await?;
        cluster
            .configure(&Value::Array(entries), own + seed::ADDRESSES)
            .await?;
        node::all_ready(&cluster.client(), LIMIT).await?;

        let mut lots = Vec::new();
        for (number, _) in chosen {
            let lot = Self {
                cluster: Arc::clone(cluster),
                namespace: format!("lot-{number}"),
                number: *number as u8,
            };
            object::create(&cluster.client(), &namespace(&lot.namespace)).await?;
            lots.push(lot);
        }
        Ok(lots)
    }

    /// Makes an app whose pods stay on this lot's nodes.
    pub(crate) async fn create(&self, app: Workload) -> Result<Workload> {
        let app = app.on_nodes(LOT, &self.number.to_string());
        object::create(&self.cluster.client(), app.manifest()).await?;
        Ok(app)
    }

    /// The pods of an app, by name.
    pub(crate) async fn pods(&self, app: &Workload) -> Result<Vec<PodView>> {
        let pods = object::pods(&self.cluster.client(), &self.namespace, &app.selector()).await?;
        Ok(pods.iter().map(PodView::of).collect())
    }

    /// Waits until an app has so many pods and all of them run, and returns them by name.
    pub(crate) async fn running(&self, app: &Workload, count: usize) -> Result<Vec<PodView>> {
        self.eventually(
            &format!("{count} running pods of {}", app.selector()),
            || async {
                let pods = self.pods(app).await?;
                let running = pods.iter().filter(|pod| pod.is_running()).count();
                ensure!(
                    pods.len() == count && running == count,
                    "{running} of {} run",
                    pods.len()
                );
                Ok(pods)
            },
        )
        .await
    }

    /// Deletes a pod, and waits until another one of that name runs.
    pub(crate) async fn replace(&self, app: &Workload, pod: &PodView) -> Result<PodView> {
        let manifest = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod.name, "namespace": self.namespace},
        });
        object::delete(&self.cluster.client(), &manifest).await?;
        self.eventually(&format!("another {}", pod.name), || async {
            let pods = self.pods(app).await?;
            let same = pods
                .into_iter()
                .find(|new| new.name == pod.name)
                .context("no such pod")?;
            ensure!(same.uid != pod.uid && same.is_running(), "{same:?}");
            Ok(same)
        })
        .await
    }

    /// The rows of the API's listing for these parameters, besides this namespace.
    pub(crate) async fn listed(&self, parameters: &str) -> Result<Vec<Value>> {
        let path = format!("/v1/ip?size=9999&namespace={}&{parameters}", self.namespace);
        let page = self.cluster.server.api().get(&path).await?.json(200)?;
        page["content"].as_array().cloned().context("no content")
    }

    /// Waits for something; a failure tells how the namespace and the server are.
    pub(crate) async fn eventually<T, F: Future<Output = Result<T>>>(
        &self,
        what: &str,
        ask: impl FnMut() -> F,
    ) -> Result<T> {
        match eventually(LIMIT, what, ask).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(error.context(self.report().await)),
        }
    }

    async fn report(&self) -> String {
        let pods = object::pods(&self.cluster.client(), &self.namespace, "")
            .await
            .unwrap_or_default();
        let pods: Vec<String> = pods
            .iter()
            .map(|pod| format!("  {:?}", PodView::of(pod)))
            .collect();
        let log = self.cluster.server.process().log_tail(30);
        format!(
            "pods of {}:\n{}\nevents:\n{}\nthe server's log:\n{log}\nwhat failed",
            self.namespace,
            pods.join("\n"),
            self.events().await.unwrap_or_default().join("\n"),
        )
    }

    /// The events of the namespace, one per line.
    pub(crate) async fn events(&self) -> Result<Vec<String>> {
        let events: Api<Event> = Api::namespaced(self.cluster.client(), &self.namespace);
        let events = events.list(&ListParams::default()).await?;
        let line = |event: &Event| {
            let object = event.involved_object.name.as_deref().unwrap_or_default();
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            format!(
                "  {object}: {} {}",
                text(&event.reason),
                text(&event.message)
            )
        };
        Ok(events.iter().map(line).collect())
    }
}

/// Nodes of rack 1 of lot 7 are in 10.101.7.0/24, its pods in 10.201.7.0/24.
fn node_subnet(number: u8, rack: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 100 + rack, number, 0)
}

fn pod_address(number: u8, rack: u8, last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 200 + rack, number, last)
}

fn entries(number: u8, test: &Test) -> Vec<Value> {
    let entry = |rack| {
        let address = |last| pod_address(number, rack, last);
        json!({
            "nodeSubnets": [format!("{}/24", node_subnet(number, rack))],
            "ips": [format!("{}~{}", address(2), address(1 + test.addresses))],
            "subnet": format!("{}/24", address(0)),
            "gateway": address(1),
            "vlan": 2,
        })
    };
    (0..test.racks).map(entry).collect()
}

fn nodes(number: u8, test: &Test) -> Vec<Node> {
    let node = |rack: u8, last: u8| {
        let [a, b, c, _] = node_subnet(number, rack).octets();
        let node = Node::new(
            format!("lot-{number}-{rack}-{last}"),
            [a, b, c, last].into(),
        );
        node.label(LOT, number.to_string())
            .label("rack", rack.to_string())
    };
    (0..test.racks)
        .flat_map(|rack| (1..=test.nodes).map(move |last| node(rack, last)))
        .collect()
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}
