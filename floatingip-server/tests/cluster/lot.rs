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
use crate::view::PodView;

/// The label of a lot's nodes; its value is the lot's number.
const LOT: &str = "lot";

/// A namespace, nodes and addresses.
#[derive(Clone, Debug)]
pub(crate) struct Lot {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) namespace: String,
    number: u8,
    land: Land,
}

/// What a lot has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Land {
    /// Pairs of a node subnet and a pod subnet.
    pub(crate) racks: u8,
    /// Nodes in each rack.
    pub(crate) nodes: u8,
    /// Addresses for pods in each rack.
    pub(crate) addresses: u8,
}

impl Lot {
    /// Configures the addresses of all lots, so that a test has the same ones when it runs alone, and makes the
    /// namespaces and nodes of those that are `chosen` by their places.
    pub(crate) async fn lay_out(
        cluster: &Arc<Cluster>,
        all: &[Land],
        chosen: &[usize],
    ) -> Result<Vec<Self>> {
        let entries = all
            .iter()
            .enumerate()
            .flat_map(|(number, land)| entries(number as u8, *land));
        let entries: Vec<Value> = seed::entries()?.into_iter().chain(entries).collect();
        let own: u64 = all
            .iter()
            .map(|land| u64::from(land.racks) * u64::from(land.addresses))
            .sum();

        let lots: Vec<Self> = chosen
            .iter()
            .map(|number| Self {
                cluster: Arc::clone(cluster),
                namespace: format!("lot-{number}"),
                number: *number as u8,
                land: all[*number],
            })
            .collect();
        let nodes: Vec<Node> = lots.iter().flat_map(Self::nodes).collect();
        node::create_all(&cluster.client(), &nodes).await?;
        cluster
            .configure(&Value::Array(entries), own + seed::ADDRESSES)
            .await?;
        node::all_ready(&cluster.client(), LIMIT).await?;
        for lot in &lots {
            object::create(&cluster.client(), &namespace(&lot.namespace)).await?;
        }
        Ok(lots)
    }

    /// The same nodes and addresses with another namespace, which is made.
    pub(crate) async fn with_namespace(&self, name: String) -> Result<Self> {
        object::create(&self.cluster.client(), &namespace(&name)).await?;
        Ok(Self {
            namespace: name,
            ..self.clone()
        })
    }

    /// An app, or a pod, that stays on this lot's nodes.
    pub(crate) fn on_its_nodes(&self, app: Workload) -> Workload {
        app.on_nodes(LOT, &self.number.to_string())
    }

    /// What all addresses of the first rack begin with.
    pub(crate) fn prefix(&self) -> String {
        let address = pod_address(self.number, 0, 0).to_string();
        address.trim_end_matches('0').to_owned()
    }

    /// Takes the label away by which pods of the lot's apps come to a node.
    pub(crate) async fn turn_away(&self, name: &str) -> Result<()> {
        let node = self.node(name)?.manifest();
        let change = json!({"metadata": {"labels": {LOT: null}}});
        object::merge(&self.cluster.client(), &node, &change).await?;
        Ok(())
    }

    /// Takes a node's kubelet away, as a crash of the host does.
    pub(crate) async fn lose(&self, name: &str) -> Result<()> {
        node::lose(&self.cluster.client(), name).await
    }

    /// Brings a lost node back, and waits until it takes pods.
    pub(crate) async fn recover(&self, name: &str) -> Result<()> {
        node::recover(&self.cluster.client(), name).await?;
        node::ready(&self.cluster.client(), name, LIMIT).await
    }

    pub(crate) async fn delete_node(&self, name: &str) -> Result<()> {
        let node = self.node(name)?.manifest();
        object::delete(&self.cluster.client(), &node).await?;
        object::gone(&self.cluster.client(), &node, LIMIT).await
    }

    /// Makes a node again that was deleted, and waits until it takes pods.
    pub(crate) async fn create_node(&self, name: &str) -> Result<()> {
        let node = self.node(name)?.manifest();
        object::create(&self.cluster.client(), &node).await?;
        node::ready(&self.cluster.client(), name, LIMIT).await
    }

    /// Makes sure that all nodes are there and take pods.
    pub(crate) async fn mend_nodes(&self) -> Result<()> {
        for node in self.nodes() {
            let there = node::exists(&self.cluster.client(), node.name()).await?;
            match there {
                true => self.recover(node.name()).await?,
                false => self.create_node(node.name()).await?,
            }
        }
        Ok(())
    }

    fn node(&self, name: &str) -> Result<Node> {
        let node = self.nodes().into_iter().find(|node| node.name() == name);
        node.with_context(|| format!("{name} is no node of lot {}", self.number))
    }

    /// Makes an app whose pods stay on this lot's nodes.
    pub(crate) async fn create(&self, app: Workload) -> Result<Workload> {
        let app = self.on_its_nodes(app);
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

    /// How the namespace and the server are, for the text of a failure.
    pub(crate) async fn report(&self) -> String {
        let pods = object::pods(&self.cluster.client(), &self.namespace, "")
            .await
            .unwrap_or_default();
        let pods: Vec<String> = pods
            .iter()
            .map(|pod| format!("  {:?}", PodView::of(pod)))
            .collect();
        let log = self.cluster.server.process().log_about(&self.namespace);
        format!(
            "pods of {}:\n{}\nevents:\n{}\nthe server's log about it:\n{log}\nwhat failed",
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

fn entries(number: u8, land: Land) -> Vec<Value> {
    let entry = |rack| {
        let address = |last| pod_address(number, rack, last);
        json!({
            "nodeSubnets": [format!("{}/24", node_subnet(number, rack))],
            "ips": [format!("{}~{}", address(2), address(1 + land.addresses))],
            "subnet": format!("{}/24", address(0)),
            "gateway": address(1),
            "vlan": 2,
        })
    };
    (0..land.racks).map(entry).collect()
}

impl Lot {
    fn nodes(&self) -> Vec<Node> {
        let number = self.number;
        let node = |rack: u8, last: u8| {
            let [a, b, c, _] = node_subnet(number, rack).octets();
            let node = Node::new(
                format!("lot-{number}-{rack}-{last}"),
                [a, b, c, last].into(),
            );
            node.label(LOT, number.to_string())
                .label("rack", rack.to_string())
        };
        (0..self.land.racks)
            .flat_map(|rack| (1..=self.land.nodes).map(move |last| node(rack, last)))
            .collect()
    }
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}
