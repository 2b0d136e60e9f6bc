//! The kind Pool: pools that have a size. Its fields stand at the top level, as galaxy has them.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How large a pool is.
#[derive(
    CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize,
)]
#[kube(
    group = "galaxy.k8s.io",
    version = "v1alpha1",
    kind = "Pool",
    plural = "pools",
    singular = "pool",
    namespaced,
    no_spec,
    status = "PoolStatus",
    derive = "PartialEq",
    doc = "A pool of addresses that has a size. Pods name it in their annotation tke.cloud.tencent.com/eni-ip-pool.",
    annotation("api-approved.kubernetes.io", "unapproved, a group of tkestack/galaxy"),
    validation = Rule::new("self.metadata.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')").message("the name has to be an RFC 1123 label: at most 63 lower-case letters, digits and `-`"),
    printcolumn(name = "Size", type_ = "integer", json_path = ".size", description = "The most addresses it may have"),
    printcolumn(name = "PreAllocate", type_ = "boolean", json_path = ".preAllocateIP", description = "Whether it is filled at once"),
    printcolumn(name = "Addresses", type_ = "integer", json_path = ".status.addresses", description = "The addresses it has"),
    printcolumn(name = "InUse", type_ = "integer", json_path = ".status.inUse", description = "Those of them that pods have"),
    printcolumn(name = "Owed", type_ = "boolean", json_path = ".status.owed", description = "Whether addresses are still owed to it"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct PoolFields {
    /// The most addresses the pool may have.
    #[serde(default)]
    #[schemars(with = "i32", range(min = 0, max = 2_147_483_647))]
    pub size: u32,
    /// Whether it is filled at once, once for each change of this object.
    #[serde(default, rename = "preAllocateIP")]
    pub pre_allocate_ip: bool,
}

/// How a pool stands, for people; nothing is decided by it.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolStatus {
    /// The addresses it has.
    #[schemars(with = "i32", range(min = 0))]
    pub addresses: u32,
    /// Those of them that pods have.
    #[schemars(with = "i32", range(min = 0))]
    pub in_use: u32,
    /// Whether addresses are still owed to it: its size was not reached since it was last changed.
    pub owed: bool,
    /// Why it has fewer than it asks for, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
