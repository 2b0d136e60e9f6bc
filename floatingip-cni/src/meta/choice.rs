//! Which networks a pod is joined to, as galaxy's daemon decides it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::args::joined;
use super::catalogue::{Catalogue, CatalogueError, DEFAULTS, FLOATING, Template};
use super::pod::{Pod, PodError};
use super::record::Member;
use super::selection::{ANNOTATION, Selection, SelectionError, Selections};
use crate::plugin::Plugin;
use crate::spec::{Args, InterfaceName, NetworkName};

/// What is to be decided.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The networks that there are.
    pub catalogue: &'a Catalogue,
    /// Does somebody else see to the pod's annotation?
    pub ignore_annotation: bool,
    /// What is known of the pod.
    pub pod: &'a Pod,
    /// The interface that the runtime asks for: that of the first network.
    pub interface: &'a InterfaceName,
    /// What the runtime says in `CNI_ARGS`.
    pub args: &'a Args,
    /// What the runtime adds for capabilities.
    pub runtime: &'a Map<String, Value>,
}

/// Why it cannot be decided.
#[derive(Debug, thiserror::Error)]
pub enum ChoiceError {
    /// The annotation cannot be used.
    #[error("the pod's annotation {ANNOTATION} {0}")]
    Annotation(#[from] SelectionError),
    /// A network that is not there.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// What the pod was bound with cannot be used.
    #[error(transparent)]
    Pod(#[from] PodError),
    /// The pod names no network, and none is for such pods.
    #[error("no network is for this pod: it names none, and DefaultNetworks is empty")]
    None,
    /// More default networks than any pod can want.
    #[error("DefaultNetworks has {0} networks, at most {limit} are possible", limit = Selections::LIMIT)]
    TooMany(usize),
    /// Two networks would have one interface.
    #[error(
        "two of the pod's networks would have the interface {0}: name others in the pod's annotation {ANNOTATION}"
    )]
    Interface(InterfaceName),
    /// Two networks would take the addresses that the pod was bound with.
    #[error(
        "the networks {0} and {1} would both take the pod's floating IP, which can be in one of them only: name one of the two in the pod's annotation {ANNOTATION}"
    )]
    Floating(NetworkName, NetworkName),
    /// A name that no interface can have.
    #[error("network {name} would have the interface {interface:?}: name another one")]
    Name {
        /// The network.
        name: String,
        /// The interface.
        interface: String,
    },
    /// The network's plugin does not do what the pod wishes.
    #[error(
        "the pod asks for {capability} on network {name}, whose plugin does not do that: remove it from the pod's annotation, or add \"{capability}\": true to `capabilities` of the network if its plugin can"
    )]
    Incapable {
        /// The network.
        name: String,
        /// What it would have to be able to do.
        capability: &'static str,
    },
}

/// The networks in their order. The first has the interface that the runtime asks for, whatever the pod says; others
/// have the one that the pod names, or else `eth` and their place.
///
/// # Errors
/// They cannot be told.
pub fn choose(wanted: &Wanted<'_>) -> Result<Vec<Member>, ChoiceError> {
    let added = wanted.pod.arguments()?;
    let args = joined(wanted.args, &added);
    let mut members = Vec::new();
    let networks = wanted.networks(added.contains_key(IPINFOS))?;
    if added.contains_key(IPINFOS) || wanted.args.value(IPINFOS).is_some() {
        one_floats(&networks)?;
    }
    for (place, (template, selection)) in networks.into_iter().enumerate() {
        members.push(Member {
            network: template.name.clone(),
            kind: template.kind.clone(),
            interface: wanted.interface(place, template, &selection)?,
            args: args.clone(),
            config: wanted.config(place, template, &selection)?,
            result: None,
        });
    }
    apart(&members)?;
    Ok(members)
}

const IPINFOS: &str = "ipinfos";
/// The additions of a runtime that concern the whole pod; others are for the first network.
const FOR_ALL: [&str; 1] = ["io.kubernetes.cri.pod-annotations"];

impl<'a> Wanted<'a> {
    fn networks(&self, bound: bool) -> Result<Vec<(&'a Template, Selection)>, ChoiceError> {
        let annotation = self.pod.annotations.get(ANNOTATION);
        let annotation = annotation.filter(|text| !text.is_empty() && !self.ignore_annotation);
        if let Some(text) = annotation {
            let selections: Selections = text.parse()?;
            let found = selections.as_slice().iter().map(|selection| {
                let template = self.catalogue.network(&selection.name, ANNOTATION)?;
                Ok((template, selection.clone()))
            });
            return found.collect();
        }
        let floats = bound || self.args.value(IPINFOS).is_some();
        let (names, by) = match &self.catalogue.floating {
            Some(name) if floats => (std::slice::from_ref(name), FLOATING),
            _ => (self.catalogue.defaults.as_slice(), DEFAULTS),
        };
        let found = names.iter().map(|name| {
            let template = self.catalogue.network(name, by)?;
            Ok((template, Selection::default()))
        });
        let found: Vec<_> = found.collect::<Result<_, ChoiceError>>()?;
        match found.len() {
            0 => Err(ChoiceError::None),
            count if count > Selections::LIMIT => Err(ChoiceError::TooMany(count)),
            _ => Ok(found),
        }
    }

    fn interface(
        &self,
        place: usize,
        template: &Template,
        selection: &Selection,
    ) -> Result<InterfaceName, ChoiceError> {
        if place == 0 {
            return Ok(self.interface.clone());
        }
        if let Some(name) = &selection.interface {
            return Ok(name.clone());
        }
        let interface = format!("eth{place}");
        interface.parse().map_err(|_| ChoiceError::Name {
            name: template.name.as_str().to_owned(),
            interface,
        })
    }

    /// The network's own, with what the runtime and the pod add.
    fn config(
        &self,
        place: usize,
        template: &Template,
        selection: &Selection,
    ) -> Result<Map<String, Value>, ChoiceError> {
        let mut config = template.config.clone();
        let mut runtime = self.additions(place, template);
        for (capability, wish) in &selection.wishes {
            if !template.is_capable_of(capability) {
                let name = template.name.as_str().to_owned();
                return Err(ChoiceError::Incapable { name, capability });
            }
            runtime.insert((*capability).to_owned(), wish.clone());
        }
        if !runtime.is_empty() {
            config.insert("runtimeConfig".to_owned(), Value::Object(runtime));
        }
        if let Some(arguments) = &selection.arguments {
            add_arguments(&mut config, arguments);
        }
        Ok(config)
    }

    fn additions(&self, place: usize, template: &Template) -> Map<String, Value> {
        let is_for = |key: &str| place == 0 || FOR_ALL.contains(&key);
        let all = self.runtime.iter();
        let own = all.filter(|(key, _)| is_for(key) && template.is_capable_of(key));
        own.map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

/// Under `args.cni`, beside what the network has there itself.
fn add_arguments(config: &mut Map<String, Value>, arguments: &Map<String, Value>) {
    let args = config.entry("args").or_insert_with(|| json!({}));
    if !args.is_object() {
        *args = json!({});
    }
    if !args["cni"].is_object() {
        args["cni"] = json!({});
    }
    if let Some(own) = args["cni"].as_object_mut() {
        own.extend(arguments.clone());
    }
}

/// The second one would find the pod's own address in use, and report it to the server.
///
/// # Errors
/// Two of them take what the pod was bound with.
fn one_floats(networks: &[(&Template, Selection)]) -> Result<(), ChoiceError> {
    let mut floating = networks.iter().filter(|(network, _)| network.floats());
    match (floating.next(), floating.next()) {
        (Some((one, _)), Some((other, _))) => {
            Err(ChoiceError::Floating(one.name.clone(), other.name.clone()))
        }
        _ => Ok(()),
    }
}

impl Template {
    /// Does its plugin, or that which lends it addresses, take `ipinfos`?
    fn floats(&self) -> bool {
        let lender = self.config.get("ipam").and_then(|ipam| ipam.get("type"));
        let lender = lender.and_then(Value::as_str).unwrap_or_default();
        [self.kind.as_str(), lender]
            .into_iter()
            .any(|kind| Plugin::of_type(kind).is_some())
    }
}

/// # Errors
/// Two of them have one interface.
fn apart(members: &[Member]) -> Result<(), ChoiceError> {
    let mut names = BTreeSet::new();
    let twice = members
        .iter()
        .find(|member| !names.insert(&member.interface));
    twice.map_or(Ok(()), |member| {
        Err(ChoiceError::Interface(member.interface.clone()))
    })
}

#[cfg(test)]
mod tests;
