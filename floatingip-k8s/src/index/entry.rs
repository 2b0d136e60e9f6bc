use std::net::IpAddr;

use floatingip_core::Name;
use floatingip_core::annotation;
use ipnet::IpNet;
use jiff::Timestamp;
use kube::core::ObjectMeta;
use serde::Deserialize;

use crate::object::{Identity, KEPT, Malformed, OwnerRef, PodObject};

/// What is kept of a pod that wants an address, or that says it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodEntry {
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// The UID.
    pub uid: Name,
    /// The resourceVersion: of two states of one name the higher one is the newer.
    pub version: u64,
    /// The node it is bound to.
    pub node: Option<Name>,
    /// Succeeded or failed: it uses no address any more and never will.
    pub finished: bool,
    /// On its way out; its network may still be there.
    pub deleting: bool,
    /// Held back by a scheduling gate: the scheduler does not look at it yet.
    pub gated: bool,
    /// What made it.
    pub controller: Option<OwnerRef>,
    /// Those that mean something to us.
    pub annotations: Annotations,
    /// How often it asks for `tke.cloud.tencent.com/eni-ip`, at least 1; none if it does not, and then
    /// it is here only because of what its annotations say.
    pub wanted: Option<u32>,
    /// Its priority: higher goes first.
    pub priority: i32,
    /// When it was made.
    pub created: Timestamp,
    /// The addresses that its binding names, in that order. They prove no ownership: anybody may
    /// have written them.
    pub bound_addresses: Vec<IpAddr>,
    /// The addresses that its node reports.
    pub pod_ips: Vec<IpAddr>,
}

impl PodEntry {
    /// Whether it concerns us at all: it wants an address, or names some.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.wanted.is_some() || !self.bound_addresses.is_empty()
    }

    /// Whether a state of the same pod asks for the same, for all that its version tells.
    #[must_use]
    pub(super) fn asks_as(&self, other: &Self) -> bool {
        let priority = self.priority == other.priority;
        let waiting = self.is_waiting() == other.is_waiting();
        priority && waiting && self.annotations == other.annotations
    }

    /// Whether the scheduler could bind it, and it wants an address.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let open = self.node.is_none() && !self.finished && !self.deleting && !self.gated;
        open && self.wanted.is_some()
    }
}

impl TryFrom<&PodObject> for PodEntry {
    type Error = Malformed;

    /// # Errors
    /// The object lacks what the API server gives to every object.
    fn try_from(pod: &PodObject) -> Result<Self, Malformed> {
        let meta = &pod.metadata;
        let identity = Identity::of(meta)?;
        let annotations = Annotations::of(meta);
        let node = pod.spec.node_name.as_deref();
        let created = meta.creation_timestamp.as_ref();
        Ok(Self {
            namespace: identity.namespace,
            name: identity.name,
            uid: identity.uid,
            version: identity.version,
            node: node.filter(|node| !node.is_empty()).map(Name::from),
            finished: pod.status.finished(),
            deleting: meta.deletion_timestamp.is_some(),
            gated: pod.spec.gated(),
            controller: OwnerRef::of(meta),
            wanted: pod.spec.wanted(),
            priority: pod.spec.priority.unwrap_or(0),
            created: created.map_or(Timestamp::UNIX_EPOCH, |time| time.0),
            bound_addresses: bound_addresses(annotations.value(annotation::ARGS)),
            pod_ips: pod.status.addresses().collect(),
            annotations,
        })
    }
}

/// The annotations that mean something to us, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations(Box<[(&'static str, Box<str>)]>);

impl Annotations {
    fn of(metadata: &ObjectMeta) -> Self {
        let all = metadata.annotations.as_ref();
        let kept = KEPT.into_iter().filter_map(|name| {
            let value = all?.get(name)?;
            Some((name, Box::from(value.as_str())))
        });
        Self(kept.collect())
    }

    /// The value of that annotation.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        let (_, value) = all.find(|(kept, _)| *kept == name)?;
        Some(value)
    }
}

/// The addresses of `common.ipinfos`. What cannot be read names none: bindings are written by us alone,
/// and what a pod's author may have put there proves nothing.
fn bound_addresses(args: Option<&str>) -> Vec<IpAddr> {
    #[derive(Deserialize)]
    struct Args {
        common: Option<Common>,
    }
    #[derive(Deserialize)]
    struct Common {
        ipinfos: Option<Vec<IpInfo>>,
    }
    #[derive(Deserialize)]
    struct IpInfo {
        ip: Option<String>,
    }
    let read = args.and_then(|text| serde_json::from_str::<Args>(text).ok());
    let infos = read.and_then(|args| args.common?.ipinfos);
    let texts = infos.into_iter().flatten().filter_map(|info| info.ip);
    texts.filter_map(|text| address(&text)).collect()
}

/// An address with or without the length of its network.
fn address(text: &str) -> Option<IpAddr> {
    let net = text.parse::<IpNet>().ok().map(|net| net.addr());
    net.or_else(|| text.parse().ok())
}
