//! The part of the cluster that one test has to itself.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::{Assets, Node, Workload, eventually, node, object};
use serde_json::{Value, json};

use crate::cluster::{Cluster, LIMIT, config_map};
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

    /// A lot on a control plane to itself, with no other addresses configured.
    pub(crate) async fn alone(assets: Assets, test: &Test) -> Result<Self> {
        let document = Value::Array(entries(0, test)).to_string();
        let cluster = Cluster::start(assets, &config_map(&document).to_string()).await?;
        let lot = Self {
            cluster: Arc::new(cluster),
            namespace: "lot-0".to_owned(),
            number: 0,
        };
        let client = lot.cluster.client();
        node::create_all(&client, &nodes(0, test)).await?;
        node::all_ready(&client, LIMIT).await?;
        object::create(&client, &namespace(&lot.namespace)).await?;
        Ok(lot)
    }

    /// Makes an app whose pods stay on this lot's nodes.
    pub(crate) async fn create(&self, app: Workload) -> Result<Workload> {
        let app = app.on_nodes(LOT, &self.number.to_string());
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
        self.cluster.events(&self.namespace).await
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
    let last = 1 + test.addresses;
    (0..test.racks)
        .map(|rack| entry(number, rack, rack, 2..=last))
        .collect()
}

fn entry(number: u8, nodes: u8, pods: u8, last: RangeInclusive<u8>) -> Value {
    let address = |last| pod_address(number, pods, last);
    json!({
        "nodeSubnets": [format!("{}/24", node_subnet(number, nodes))],
        "ips": [format!("{}~{}", address(*last.start()), address(*last.end()))],
        "subnet": format!("{}/24", address(0)),
        "gateway": address(1),
        "vlan": 2,
    })
}

fn nodes(number: u8, test: &Test) -> Vec<Node> {
    (0..test.racks)
        .flat_map(|rack| (1..=test.nodes).map(move |last| node_of(number, rack, last)))
        .collect()
}

fn node_of(number: u8, rack: u8, last: u8) -> Node {
    let [a, b, c, _] = node_subnet(number, rack).octets();
    let name = format!("lot-{number}-{rack}-{last}");
    Node::new(name, [a, b, c, last].into())
        .label(LOT, number.to_string())
        .label("rack", rack.to_string())
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}
