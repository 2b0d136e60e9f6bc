//! The part of the cluster that one test has to itself.

mod land;

use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{Assets, Node, Workload, eventually, node, object};
use serde_json::{Value, json};

use crate::cluster::{Cluster, LIMIT, config_map};
use crate::seed;
use crate::view::PodView;

pub(crate) use land::Land;
use land::{entries, entry, node_of, pod_address};

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

    /// A lot on a control plane to itself, with no other addresses configured.
    pub(crate) async fn alone(assets: Assets, land: Land) -> Result<Self> {
        let document = Value::Array(entries(0, land)).to_string();
        let cluster = Cluster::start(assets, &config_map(&document).to_string()).await?;
        let lot = Self {
            cluster: Arc::new(cluster),
            namespace: "lot-0".to_owned(),
            number: 0,
            land,
        };
        let client = lot.cluster.client();
        node::create_all(&client, &lot.nodes()).await?;
        node::all_ready(&client, LIMIT).await?;
        object::create(&client, &namespace(&lot.namespace)).await?;
        Ok(lot)
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
        let node = self.named(name)?.manifest();
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
        let node = self.named(name)?.manifest();
        object::delete(&self.cluster.client(), &node).await?;
        object::gone(&self.cluster.client(), &node, LIMIT).await
    }

    /// Makes a node again that was deleted, and waits until it takes pods.
    pub(crate) async fn create_node(&self, name: &str) -> Result<()> {
        let node = self.named(name)?.manifest();
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

    fn named(&self, name: &str) -> Result<Node> {
        let node = self.nodes().into_iter().find(|node| node.name() == name);
        node.with_context(|| format!("{name} is no node of lot {}", self.number))
    }

    /// Makes an app whose pods stay on this lot's nodes.
    pub(crate) async fn create(&self, app: Workload) -> Result<Workload> {
        let app = self.on_its_nodes(app);
        object::create(&self.cluster.client(), app.manifest()).await?;
        Ok(app)
    }

    /// A name that no other lot uses, for what has no namespace.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.namespace)
    }

    /// An address of a rack's pod subnet.
    pub(crate) fn address(&self, rack: u8, last: u8) -> String {
        pod_address(self.number, rack, last).to_string()
    }

    /// The first half of IPv6 addresses that no other lot uses.
    pub(crate) fn net6(&self) -> String {
        format!("fd00:{:x}", self.number)
    }

    /// A pod subnet, as reasons name it.
    pub(crate) fn subnet(&self, rack: u8) -> String {
        format!("{}/24", self.address(rack, 0))
    }

    /// A node in a rack, which only this lot's pods use.
    pub(crate) fn node(&self, rack: u8, last: u8) -> Node {
        node_of(self.number, rack, last)
    }

    /// An entry of the configuration: nodes of one rack may use these addresses of another's pod subnet.
    pub(crate) fn entry(&self, nodes: u8, pods: u8, last: RangeInclusive<u8>) -> Value {
        entry(self.number, nodes, pods, last)
    }

    /// Sets the number of replicas.
    pub(crate) async fn scale(&self, app: &Workload, replicas: u32) -> Result<()> {
        object::scale(&self.cluster.client(), app.manifest(), replicas).await
    }

    /// Deletes an app, or a pod by itself.
    pub(crate) async fn delete(&self, app: &Workload) -> Result<()> {
        object::delete(&self.cluster.client(), app.manifest()).await
    }

    /// Waits until so many pods of an app run, others aside, and returns their addresses, sorted.
    pub(crate) async fn addresses(&self, app: &Workload, running: usize) -> Result<Vec<String>> {
        let what = format!("{running} running pods of {}", app.selector());
        self.eventually(&what, || async {
            let pods = self.pods(app).await?;
            let pods: Vec<&PodView> = pods.iter().filter(|pod| pod.is_running()).collect();
            ensure!(pods.len() == running, "{} run", pods.len());
            let addresses = pods.iter().flat_map(|pod| pod.addresses());
            let mut addresses: Vec<String> = addresses.map(str::to_owned).collect();
            addresses.sort();
            Ok(addresses)
        })
        .await
    }

    /// Waits until so many pods of an app are unschedulable and the scheduler's message says `why`.
    pub(crate) async fn refused(&self, app: &Workload, count: usize, why: &str) -> Result<()> {
        let what = format!("{count} pods of {} wait: {why}", app.selector());
        self.eventually(&what, || async {
            let pods = self.pods(app).await?;
            let messages = pods.iter().filter_map(|pod| pod.waits.as_deref());
            let refused = messages.filter(|message| message.contains(why)).count();
            ensure!(refused == count, "{refused} do");
            Ok(())
        })
        .await
    }

    /// Waits for an event in this namespace.
    pub(crate) async fn told(&self, reason: &str, text: &str) -> Result<()> {
        self.cluster.told(&self.namespace, reason, text).await
    }

    /// The FloatingIP object of an address.
    pub(crate) async fn record(&self, address: &str) -> Result<Option<Value>> {
        self.cluster.record(address).await
    }

    /// Deletes an app that keeps its addresses, and waits until no pod has one any more.
    pub(crate) async fn leave(&self, app: &Workload) -> Result<()> {
        self.delete(app).await?;
        self.running(app, 0).await?;
        self.eventually("addresses in reserve", || async {
            let rows = self.listed("sort=ip").await?;
            let live = rows.iter().filter(|row| row["status"] == "Running").count();
            ensure!(live == 0, "{rows:?}");
            Ok(())
        })
        .await
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
        self.cluster.events(&self.namespace).await
    }

    fn nodes(&self) -> Vec<Node> {
        let node = |rack| (1..=self.land.nodes).map(move |last| node_of(self.number, rack, last));
        (0..self.land.racks).flat_map(node).collect()
    }
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}
