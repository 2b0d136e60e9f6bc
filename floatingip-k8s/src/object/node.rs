use std::net::IpAddr;

use kube::core::ObjectMeta;
use serde::Deserialize;

use super::{metadata, nullable, resource};

/// A node.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeObject {
    /// The trimmed metadata.
    #[serde(deserialize_with = "metadata::trimmed")]
    pub metadata: ObjectMeta,
    #[serde(deserialize_with = "nullable")]
    status: Status,
}

resource!(NodeObject, ClusterResourceScope, "", "Node", "nodes");

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<Address>,
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    r#type: String,
    address: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Condition {
    r#type: String,
    status: String,
}

impl NodeObject {
    /// Its InternalIPs, in its own order; what is no address is left out.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let all = self.status.addresses.iter();
        let internal = all.filter(|address| address.r#type == "InternalIP");
        internal.filter_map(|address| address.address.parse().ok())
    }

    /// Whether its kubelet reports. A node without that condition has not reported yet.
    #[must_use]
    pub fn ready(&self) -> bool {
        let mut conditions = self.status.conditions.iter();
        conditions.any(|condition| condition.r#type == "Ready" && condition.status == "True")
    }
}
