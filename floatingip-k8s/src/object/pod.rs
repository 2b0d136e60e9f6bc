use std::net::IpAddr;

use kube::core::ObjectMeta;
use serde::de::{self, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};

use super::{metadata, nullable, resource};

/// A pod, as the API server and the scheduler print it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodObject {
    /// The trimmed metadata.
    #[serde(deserialize_with = "metadata::trimmed")]
    pub metadata: ObjectMeta,
    /// What it asks for, and where it runs.
    #[serde(deserialize_with = "nullable")]
    pub spec: PodSpec,
    /// How it fares.
    #[serde(deserialize_with = "nullable")]
    pub status: PodStatus,
}

resource!(PodObject, NamespaceResourceScope, "", "Pod", "pods");

/// Of a pod's specification.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    /// The node; none or empty before the binding.
    pub node_name: Option<String>,
    /// The priority; none counts as 0.
    pub priority: Option<i32>,
    #[serde(deserialize_with = "nullable")]
    containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    init_containers: Vec<Container>,
    #[serde(deserialize_with = "nullable")]
    scheduling_gates: Vec<IgnoredAny>,
}

impl PodSpec {
    /// How often the pod asks for `tke.cloud.tencent.com/eni-ip`; none if it does not want an address.
    ///
    /// Any container's request makes the pod ours, init containers included, for the scheduler hands
    /// every such pod to us for binding, and a pod's network lives from before its first init container
    /// on. A limit without a request is a request, as the API server's defaults have it. So is a
    /// quantity of 0 (as 1): the scheduler looks at the name alone. Resources of the pod as a whole do
    /// not count: the API server admits no extended ones there, and the scheduler does not look.
    ///
    /// The number is what its containers ask for together, or its hungriest init container, whichever
    /// is more. It is told to users and gives no further addresses: two containers that ask for one
    /// each share the pod's. More addresses come of the annotations alone.
    #[must_use]
    pub fn wanted(&self) -> Option<u32> {
        let together = self.containers.iter().filter_map(Container::wanted);
        let first = self.init_containers.iter().filter_map(Container::wanted);
        together.reduce(u32::saturating_add).max(first.max())
    }

    /// Whether the scheduler does not look at it yet.
    #[must_use]
    pub fn gated(&self) -> bool {
        !self.scheduling_gates.is_empty()
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Container {
    #[serde(deserialize_with = "nullable")]
    resources: Resources,
}

impl Container {
    fn wanted(&self) -> Option<u32> {
        let Resources { requests, limits } = &self.resources;
        let count = requests.eni_ip.or(limits.eni_ip)?.0;
        Some(count.max(1))
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    #[serde(deserialize_with = "nullable")]
    requests: Amounts,
    #[serde(deserialize_with = "nullable")]
    limits: Amounts,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
struct Amounts {
    #[serde(rename = "tke.cloud.tencent.com/eni-ip")]
    eni_ip: Option<Quantity>,
}

/// A whole number of things, as Kubernetes prints it: a text, with a suffix where that is shorter
/// (`1k`), or a number.
#[derive(Clone, Copy, Debug)]
struct Quantity(u32);

impl From<u64> for Quantity {
    fn from(count: u64) -> Self {
        Self(u32::try_from(count).unwrap_or(u32::MAX))
    }
}

impl From<&str> for Quantity {
    /// What cannot be read counts as 1: that the pod asks is certain, and its number gives nothing.
    fn from(text: &str) -> Self {
        let end = text.find(|c: char| !c.is_ascii_digit());
        let (digits, suffix) = text.split_at(end.unwrap_or(text.len()));
        let factor = match suffix {
            "k" => 1_000,
            "Ki" => 1 << 10,
            "M" => 1_000_000,
            "Mi" => 1 << 20,
            "G" => 1_000_000_000,
            "Gi" => 1 << 30,
            _ => 1,
        };
        Self::from(digits.parse().unwrap_or(1_u64).saturating_mul(factor))
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Quantity;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a quantity")
            }

            fn visit_str<E>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity::from(text))
            }

            fn visit_u64<E>(self, count: u64) -> Result<Quantity, E> {
                Ok(Quantity::from(count))
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Quantity, E> {
                let unsigned = u64::try_from(count).map_err(E::custom)?;
                Ok(Quantity::from(unsigned))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Of a pod's status.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "podIPs", deserialize_with = "nullable")]
    pod_ips: Vec<PodIp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct PodIp {
    ip: Option<String>,
}

impl PodStatus {
    /// Whether it has succeeded or failed: it uses no address any more and never will.
    #[must_use]
    pub fn finished(&self) -> bool {
        matches!(self.phase.as_deref(), Some("Succeeded" | "Failed"))
    }

    /// Its addresses as its node reports them; what is no address is left out.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let listed = self.pod_ips.iter().filter_map(|entry| entry.ip.as_deref());
        let single = self.pod_ip.as_deref().filter(|_| self.pod_ips.is_empty());
        listed.chain(single).filter_map(|ip| ip.parse().ok())
    }
}
