//! The apps that live through the kills, and their land.

use anyhow::Result;
use floatingip_testkit::{Node, Workload, node, object};
use kube::Client;
use serde_json::{Value, json};

use crate::LIMIT;

pub(crate) const NAMESPACE: &str = "churn";
/// Every address begins so.
pub(crate) const SUBNET: &str = "10.200.0.";
/// The most replicas of an app while it is churned.
pub(crate) const MOST: u32 = 5;
/// The replicas of every app in the end, and the size of the pool.
pub(crate) const IN_THE_END: u32 = 3;
pub(crate) const POOL_IN_THE_END: u32 = 8;

/// An app, and what may be done to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct App {
    pub(crate) name: &'static str,
    /// A StatefulSet, else a Deployment.
    pub(crate) ordered: bool,
    pub(crate) policy: &'static str,
    pub(crate) pooled: bool,
    /// It may be deleted and made anew.
    pub(crate) mortal: bool,
}

const fn set(name: &'static str, policy: &'static str, mortal: bool) -> App {
    App {
        name,
        ordered: true,
        policy,
        pooled: false,
        mortal,
    }
}

const fn deployment(name: &'static str, policy: &'static str, pooled: bool) -> App {
    App {
        name,
        ordered: false,
        policy,
        pooled,
        mortal: true,
    }
}

pub(crate) const APPS: [App; 9] = [
    set("set-none", "", true),
    set("set-immutable", "immutable", false),
    set("set-mortal", "immutable", true),
    set("set-never", "never", true),
    deployment("any-none", "", false),
    deployment("any-immutable", "immutable", false),
    deployment("any-never", "never", false),
    deployment("pool-blue", "", true),
    deployment("pool-green", "", true),
];

impl App {
    pub(crate) fn workload(&self, replicas: u32) -> Workload {
        let app = match self.ordered {
            true => Workload::stateful_set(NAMESPACE, self.name),
            // A kept address has to be free before the next pod can have it.
            false => {
                Workload::deployment(NAMESPACE, self.name).merge(&json!({"spec": {"strategy": {
                    "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1},
                }}}))
            }
        };
        let app = match self.pooled {
            true => app.pool("colours"),
            false => app.policy(self.policy),
        };
        // Half of them take a moment to end.
        let patience = u32::from(self.name.len().is_multiple_of(2));
        app.replicas(replicas)
            .merge_pod(&json!({"spec": {"terminationGracePeriodSeconds": patience}}))
    }
}

/// The pool that two of them share.
pub(crate) fn pool(size: u32) -> Value {
    json!({
        "apiVersion": "galaxy.k8s.io/v1alpha1", "kind": "Pool",
        "metadata": {"name": "colours", "namespace": "kube-system"}, "size": size, "preAllocateIP": true,
    })
}

pub(crate) fn config_map() -> Value {
    let entries = json!([{
        "nodeSubnets": ["10.100.0.0/24"], "ips": [format!("{SUBNET}2~{SUBNET}200")],
        "subnet": format!("{SUBNET}0/24"), "gateway": format!("{SUBNET}1"), "vlan": 2,
    }]);
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "floatingip-config", "namespace": "kube-system"},
        "data": {"floatingips": entries.to_string()},
    })
}

/// Four nodes, ready.
pub(crate) async fn nodes(client: &Client) -> Result<()> {
    let nodes: Vec<Node> = (1..=4)
        .map(|last| Node::new(format!("node-{last}"), [10, 100, 0, last].into()))
        .collect();
    node::create_all(client, &nodes).await?;
    node::all_ready(client, LIMIT).await
}

/// The namespace, the pool, and every app; what is there already gets this size again.
pub(crate) async fn set_up(client: &Client) -> Result<()> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    object::apply(client, &namespace).await?;
    object::apply(client, &pool(POOL_IN_THE_END)).await?;
    for app in &APPS {
        object::apply(client, app.workload(IN_THE_END).manifest()).await?;
    }
    Ok(())
}
