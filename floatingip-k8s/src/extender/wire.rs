//! The scheduler's JSON, in and out. The names on the wire are those of Go's fields, which Go reads in any case
//! of letters, and so do we; lists may be `null`, and nodes come as names or as whole objects.
//!
//! Source: `k8s.io/kube-scheduler/extender/v1`. Whole nodes are not decoded: what goes back is the text that came.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use floatingip_core::Name;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::object::PodObject;

/// A body that cannot be read; whoever configured the caller has to look.
#[derive(Debug, Error)]
#[error("cannot read the scheduler's request{}: {source}", At(.field))]
pub struct WireError {
    /// The field that cannot be read; none where the body is no JSON object.
    field: Option<&'static str>,
    #[source]
    source: serde_json::Error,
}

struct At<'a>(&'a Option<&'static str>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |field| write!(f, ", field {field}"))
    }
}

/// What filter and prioritize are asked: `ExtenderArgs`.
#[derive(Debug)]
pub struct Args<'a> {
    /// The pod to be placed.
    pub pod: PodObject,
    /// The nodes that are offered.
    pub nodes: Nodes<'a>,
}

/// Nodes, as the scheduler is configured to send them.
#[derive(Debug)]
pub enum Nodes<'a> {
    /// `nodeCacheCapable: true`: the names alone.
    Names(Vec<Cow<'a, str>>),
    /// Whole objects, each with its name and the text that it came as.
    Whole(Vec<WholeNode<'a>>),
}

/// One node of the long form.
#[derive(Debug)]
pub struct WholeNode<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Everything else.
    pub text: &'a RawValue,
}

impl<'a> Args<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no JSON object, or a field has another shape.
    pub fn read(body: &'a [u8]) -> Result<Self, WireError> {
        let fields = Fields::read(body)?;
        let names: Option<Vec<Text<'a>>> = fields.optional("NodeNames")?;
        let nodes = match names {
            Some(names) => Nodes::Names(names.into_iter().map(|name| name.0).collect()),
            None => Nodes::Whole(whole(fields.optional("Nodes")?)?),
        };
        let pod = fields.optional("Pod")?.unwrap_or_default();
        Ok(Self { pod, nodes })
    }
}

impl Nodes<'_> {
    /// The names, in the order in which they came.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Names(names) => names.iter().map(AsRef::as_ref).collect(),
            Self::Whole(nodes) => nodes.iter().map(|node| node.name.as_ref()).collect(),
        }
    }
}

#[derive(Deserialize)]
struct NodeList<'a> {
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

fn whole(list: Option<NodeList<'_>>) -> Result<Vec<WholeNode<'_>>, WireError> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow)]
        name: Text<'a>,
    }
    let node = |text: &'_ RawValue| -> Result<Cow<'_, str>, WireError> {
        let named: Named<'_> = parse("Nodes", text)?;
        Ok(Cow::Owned(named.metadata.name.0.into_owned()))
    };
    let items = list.and_then(|list| list.items).unwrap_or_default();
    let read = items.into_iter().map(|text| {
        let name = Cow::Owned(node(text)?.into_owned());
        Ok(WholeNode { name, text })
    });
    read.collect()
}

/// What filter answers: `ExtenderFilterResult`. The nodes that passed come in the form in which they were offered.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FilterResult<'a> {
    /// The nodes that passed, as whole objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<Items<'a>>,
    /// The names of those that passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_names: Option<Vec<&'a str>>,
    /// Nodes that may do once other pods have gone, and why they do not now.
    pub failed_nodes: BTreeMap<&'a str, Name>,
    /// Nodes that no other pod's end would make good, and why.
    pub failed_and_unresolvable_nodes: BTreeMap<&'a str, Name>,
    /// Why nothing can be said at all; the scheduler tries again.
    pub error: String,
}

impl FilterResult<'_> {
    /// Nothing can be said, for this reason.
    pub fn unable(error: &impl fmt::Display) -> Self {
        Self {
            error: error.to_string(),
            ..Self::default()
        }
    }
}

/// A `NodeList`.
#[derive(Debug, Default, Serialize)]
pub struct Items<'a> {
    /// The nodes, as they came.
    pub items: Vec<&'a RawValue>,
}

/// One node's score: `HostPriority`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct HostPriority<'a> {
    /// The node.
    pub host: &'a str,
    /// 0 to 10, more is better.
    pub score: i64,
}

/// What bind is asked: `ExtenderBindingArgs`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingArgs {
    /// The pod's name.
    pub pod_name: String,
    /// Its namespace.
    pub pod_namespace: String,
    /// Its UID.
    pub pod_uid: String,
    /// The node it is to be bound to.
    pub node: String,
}

impl BindingArgs {
    /// Reads a body.
    ///
    /// # Errors
    /// It is no JSON object, or a field is no text.
    pub fn read(body: &[u8]) -> Result<Self, WireError> {
        let fields = Fields::read(body)?;
        let text = |name| {
            fields
                .optional::<String>(name)
                .map(Option::unwrap_or_default)
        };
        Ok(Self {
            pod_name: text("PodName")?,
            pod_namespace: text("PodNamespace")?,
            pod_uid: text("PodUID")?,
            node: text("Node")?,
        })
    }
}

/// What bind answers: `ExtenderBindingResult`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct BindingResult {
    /// Why the pod was not bound; empty when it was.
    pub error: String,
}

/// What preempt is asked: `ExtenderPreemptionArgs`.
#[derive(Debug)]
pub struct PreemptionArgs {
    /// The pod to be placed.
    pub pod: PodObject,
    /// For each candidate node, which pods would have to go.
    pub candidates: BTreeMap<String, Victims>,
}

/// The pods that would have to leave a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Victims {
    /// Their UIDs.
    pub uids: Vec<String>,
    /// How many disruption budgets that would break; handed back as it came.
    pub pdb_violations: i64,
}

impl PreemptionArgs {
    /// Reads a body, in the form of UIDs or of whole pods.
    ///
    /// # Errors
    /// It is no JSON object, or a field has another shape.
    pub fn read(body: &[u8]) -> Result<Self, WireError> {
        let fields = Fields::read(body)?;
        let meta: Option<BTreeMap<String, Option<&RawValue>>> =
            fields.optional("NodeNameToMetaVictims")?;
        let whole = fields.optional("NodeNameToVictims")?;
        let mut candidates = BTreeMap::new();
        for (node, victims) in meta.or(whole).unwrap_or_default() {
            let victims = victims.map(Victims::read).transpose()?;
            candidates.insert(node, victims.unwrap_or_default());
        }
        let pod = fields.optional("Pod")?.unwrap_or_default();
        Ok(Self { pod, candidates })
    }
}

impl Victims {
    fn read(text: &RawValue) -> Result<Self, WireError> {
        let fields = Fields::read(text.get().as_bytes())?;
        let pods: Option<Vec<Option<&RawValue>>> = fields.optional("Pods")?;
        let mut uids = Vec::new();
        for pod in pods.into_iter().flatten().flatten() {
            uids.extend(victim(pod)?);
        }
        let pdb_violations = fields.optional("NumPDBViolations")?.unwrap_or_default();
        Ok(Self {
            uids,
            pdb_violations,
        })
    }
}

/// The UID of a victim: a field of the short form, in the metadata of a whole pod.
fn victim(pod: &RawValue) -> Result<Option<String>, WireError> {
    #[derive(Deserialize)]
    struct Metadata {
        uid: Option<String>,
    }
    let fields = Fields::read(pod.get().as_bytes())?;
    let short: Option<String> = fields.optional("UID")?;
    let metadata: Option<Metadata> = fields.optional("metadata")?;
    Ok(short.or_else(|| metadata?.uid))
}

/// What preempt answers: `ExtenderPreemptionResult`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct PreemptionResult<'a> {
    /// The candidates that stay, always in the short form.
    pub node_name_to_meta_victims: BTreeMap<&'a str, MetaVictims<'a>>,
}

/// `MetaVictims`.
#[derive(Debug, Serialize)]
pub struct MetaVictims<'a> {
    /// The pods that would have to go.
    #[serde(rename = "Pods")]
    pub pods: Vec<MetaPod<'a>>,
    /// How many disruption budgets that would break.
    #[serde(rename = "NumPDBViolations")]
    pub pdb_violations: i64,
}

/// `MetaPod`.
#[derive(Debug, Serialize)]
pub struct MetaPod<'a> {
    /// The UID.
    #[serde(rename = "UID")]
    pub uid: &'a str,
}

impl<'a> From<&'a Victims> for MetaVictims<'a> {
    fn from(victims: &'a Victims) -> Self {
        Self {
            pods: victims.uids.iter().map(|uid| MetaPod { uid }).collect(),
            pdb_violations: victims.pdb_violations,
        }
    }
}

/// A text that is borrowed where nothing in it is escaped.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The fields of an object, found by name in any case of letters; of a repeated one the last counts, as in Go.
#[derive(Debug)]
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Fields<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, WireError> {
        serde_json::from_slice(body).map_err(|source| WireError {
            field: None,
            source,
        })
    }

    /// All of them, in the order in which they came.
    pub(super) fn into_iter(self) -> impl Iterator<Item = (Cow<'a, str>, &'a RawValue)> {
        self.0.into_iter()
    }

    /// A field's value; none where it is missing or `null`.
    fn optional<T: Deserialize<'a>>(&self, name: &'static str) -> Result<Option<T>, WireError> {
        let found = self.0.iter().rev();
        let mut found = found.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        match found.next() {
            Some((_, text)) => parse(name, text),
            None => Ok(None),
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(field: &'static str, text: &'a RawValue) -> Result<T, WireError> {
    serde_json::from_str(text.get()).map_err(|source| WireError {
        field: Some(field),
        source,
    })
}

/// More fields than any version of the protocol has.
const MOST_FIELDS: usize = 256;

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, value)) = map.next_entry::<Text<'de>, &RawValue>()? {
                    if fields.len() == MOST_FIELDS {
                        return Err(A::Error::custom("too many fields"));
                    }
                    fields.push((key.0, value));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Each).map(Self)
    }
}

#[cfg(test)]
mod tests;
