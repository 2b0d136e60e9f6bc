//! Explain: what the pod would be answered at each kind of node now. Changes nothing.

use std::collections::BTreeMap;

use floatingip_core::engine::Explanation;
use floatingip_core::request::PodRequest;
use floatingip_core::{Name, Store, Timer};

use super::Extender;
use crate::index::{Index, PodEntry};
use crate::request::{RequestFault, request_of};

/// How a pod stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodExplanation {
    /// The pod.
    pub pod: PodEntry,
    /// What it asks for, or why it cannot be told.
    pub request: Result<PodRequest, RequestFault>,
    /// For nodes that are alike: what the pod would be answered there. Empty where it cannot ask.
    pub nodes: Vec<NodesExplanation>,
}

/// What a pod would be answered at nodes that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodesExplanation {
    /// The nodes, by name.
    pub nodes: Vec<Name>,
    /// What it would be answered.
    pub explanation: Explanation,
}

impl<S: Store, T: Timer> Extender<S, T> {
    /// How the pod of that name stands; none where there is no such pod that concerns us. O(nodes).
    pub fn explain(&self, namespace: &str, name: &str) -> Option<PodExplanation> {
        let (pod, request, groups) = {
            let index = self.index().read();
            let pod = index.pod(namespace, name)?.clone();
            // A DaemonSet's pod asks for the slot of a node; any will do to see what there is.
            let node = pod.node.clone().or_else(|| any_node(&index));
            let request = request_of(&pod, node.as_deref(), &index);
            (pod, request, alike(&index))
        };
        let (now, world) = (self.core.now(), self.core.world());
        let engine = self.core.engine();
        let explained = |request: &PodRequest| {
            let explain = |(reach, nodes)| NodesExplanation {
                nodes,
                explanation: engine.explain(request, &reach, world, now),
            };
            groups.into_iter().map(explain).collect()
        };
        let nodes = request.as_ref().map(explained).unwrap_or_default();
        Some(PodExplanation {
            pod,
            request,
            nodes,
        })
    }
}

fn any_node(index: &Index) -> Option<Name> {
    index.nodes().map(|(name, _)| name.clone()).min()
}

/// All nodes by what they reach, each group in order of name.
fn alike(index: &Index) -> Vec<(floatingip_core::topology::Reach, Vec<Name>)> {
    let nodes: BTreeMap<&Name, _> = index.nodes().collect();
    let names: Vec<&str> = nodes.keys().map(|name| name.as_str()).collect();
    let groups = index.group(&names).groups.into_iter();
    let named = |places: Vec<usize>| {
        let names = places.into_iter().filter_map(|place| names.get(place));
        names.map(|name| Name::from(*name)).collect()
    };
    groups
        .map(|(reach, places)| (reach, named(places)))
        .collect()
}
