//! Nodes that kwok plays the kubelets of.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::api::core::v1 as api;
use kube::api::{Api, ListParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::{eventually, object};

/// The label by which kwok knows its nodes.
const KWOK: &str = "kwok.x-k8s.io/node";

/// A node to be made.
#[derive(Clone, Debug)]
pub struct Node {
    name: String,
    addresses: Vec<IpAddr>,
    labels: BTreeMap<String, String>,
    cpus: u32,
    pods: u32,
}

impl Node {
    /// A node with an InternalIP, room for 1000 pods and 1000 processors.
    pub fn new(name: impl Into<String>, address: IpAddr) -> Self {
        Self {
            name: name.into(),
            addresses: vec![address],
            labels: BTreeMap::new(),
            cpus: 1000,
            pods: 1000,
        }
    }

    /// One more InternalIP.
    #[must_use]
    pub fn address(mut self, address: IpAddr) -> Self {
        self.addresses.push(address);
        self
    }

    /// A label, besides that of its name.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// How many processors it has.
    #[must_use]
    pub fn cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// How many pods it has room for.
    #[must_use]
    pub fn pods(mut self, pods: u32) -> Self {
        self.pods = pods;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The object, with the status that a kubelet registers with.
    pub fn manifest(&self) -> Value {
        let internal = |address| json!({"type": "InternalIP", "address": address});
        let room = json!({
            "cpu": self.cpus.to_string(),
            "memory": "256Gi",
            "pods": self.pods.to_string(),
        });
        let mut labels = self.labels.clone();
        labels.insert("kubernetes.io/hostname".to_owned(), self.name.clone());
        labels.insert(KWOK.to_owned(), "fake".to_owned());
        json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "labels": labels,

            },
            "status": {
                "addresses": self.addresses.iter().map(internal).collect::<Vec<_>>(),
                "capacity": room,
                "allocatable": room,
                "nodeInfo": node_info(),
            },
        })
    }
}

/// Creates nodes, many at a time.
///
/// # Errors
/// The API server refuses one of them.
pub async fn create_all(client: &Client, nodes: &[Node]) -> Result<()> {
    let manifests: Vec<Value> = nodes.iter().map(Node::manifest).collect();
    object::create_all(client, &manifests).await
}

/// Waits until all nodes of the cluster take pods.
///
/// # Errors
/// One does not within the limit.
pub async fn all_ready(client: &Client, limit: Duration) -> Result<()> {
    let nodes: Api<api::Node> = Api::all(client.clone());
    eventually(limit, "nodes are ready", || async {
        let nodes = nodes.list(&ListParams::default()).await?;
        let tainted = nodes.iter().filter(|node| is_tainted(node));
        let tainted: Vec<String> = tainted.map(ResourceExt::name_any).collect();
        ensure!(
            tainted.is_empty(),
            "{} are not, as {:?}",
            tainted.len(),
            tainted.first()
        );
        Ok(())
    })
    .await
}

/// Whether there is a node of this name.
///
/// # Errors
/// The API server does not answer.
pub async fn exists(client: &Client, name: &str) -> Result<bool> {
    let nodes: Api<api::Node> = Api::all(client.clone());
    Ok(nodes.get_metadata_opt(name).await?.is_some())
}

/// Waits until a node takes pods.
///
/// # Errors
/// It does not within the limit.
pub async fn ready(client: &Client, name: &str, limit: Duration) -> Result<()> {
    let nodes: Api<api::Node> = Api::all(client.clone());
    eventually(limit, &format!("node {name} is ready"), || async {
        let node = nodes.get(name).await?;
        ensure!(!is_tainted(&node) && is_ready(&node), "it takes no pods");
        Ok(())
    })
    .await
}

fn is_ready(node: &api::Node) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = |one: &api::NodeCondition| one.type_ == "Ready" && one.status == "True";
    conditions.is_some_and(|all| all.iter().any(ready))
}

/// The API server taints a new node, and the controller manager takes that back once it is ready.
fn is_tainted(node: &api::Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    taints.is_some_and(|taints| !taints.is_empty())
}

/// Takes the kubelet away from a node, as a crash of the host does: its lease runs out, and nobody confirms the
/// deletion of its pods.
///
/// # Errors
/// The API server refuses.
pub async fn lose(client: &Client, name: &str) -> Result<()> {
    answer_by_kwok(client, name, Value::Null).await
}

/// Brings a lost node's kubelet back.
///
/// # Errors
/// The API server refuses.
pub async fn recover(client: &Client, name: &str) -> Result<()> {
    answer_by_kwok(client, name, json!("fake")).await
}

async fn answer_by_kwok(client: &Client, name: &str, value: Value) -> Result<()> {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
    let change = json!({"metadata": {"labels": {KWOK: value}}});
    object::merge(client, &node, &change).await?;
    Ok(())
}

/// The API server wants all of these fields.
fn node_info() -> Value {
    json!({
        "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "test", "osImage": "test",
        "containerRuntimeVersion": "test", "kubeletVersion": "test", "kubeProxyVersion": "",
        "operatingSystem": "linux", "architecture": "amd64",
    })
}
