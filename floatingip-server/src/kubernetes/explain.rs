//! How a pod stands, in the words of the API.

use floatingip_core::Name;
use floatingip_core::owner::{AppRef, Slot};
use floatingip_core::request::PodRequest;
use floatingip_k8s::extender::{NodesExplanation, PodExplanation};

use super::Core;
use crate::backend::{Explained, ExplainedNodes};

/// So many nodes of a kind are named.
const EXAMPLES: usize = 8;

pub(super) fn shown(core: &Core, explanation: PodExplanation) -> Explained {
    let pod = &explanation.pod;
    let addresses = core.engine().addresses_of(&pod.uid);
    let nodes: Vec<ExplainedNodes> = explanation.nodes.iter().map(shown_nodes).collect();
    let summary = match &explanation.request {
        Err(fault) => format!("it gets no address: {fault}"),
        Ok(_) if pod.finished => "it has finished, and uses no address any more".to_owned(),
        Ok(_) if !addresses.is_empty() => has(pod.node.as_ref()).to_owned(),
        Ok(_) => waits(&nodes),
    };
    let request = explanation.request.as_ref().ok();
    Explained {
        uid: pod.uid.to_string(),
        node: pod.node.as_ref().map(Name::to_string).unwrap_or_default(),
        app: app(request),
        slot: request.map(slot).unwrap_or_default(),
        pool: pool(request),
        policy: request.map_or(0, |request| u8::from(request.policy())),
        addresses,
        summary,
        nodes,
    }
}

const fn has(node: Option<&Name>) -> &'static str {
    match node {
        Some(_) => "it has its addresses",
        None => "addresses are recorded for it, and it waits to be bound",
    }
}

fn waits(nodes: &[ExplainedNodes]) -> String {
    let count = |good: bool| {
        let alike = nodes.iter().filter(|nodes| nodes.reason.is_empty() == good);
        alike.map(|nodes| nodes.count).sum::<usize>()
    };
    let (good, all) = (count(true), count(true) + count(false));
    match (good, all) {
        (_, 0) => "no node is known".to_owned(),
        (0, _) => "it has no address, and no node would do now".to_owned(),
        _ => format!(
            "it has no address yet, and {good} of {all} nodes would do now: see what else the scheduler says"
        ),
    }
}

fn shown_nodes(alike: &NodesExplanation) -> ExplainedNodes {
    let NodesExplanation { nodes, explanation } = alike;
    let (addresses, reason) = match &explanation.verdict {
        Ok(addresses) => (addresses.clone(), String::new()),
        Err(refusal) => (Vec::new(), refusal.to_string()),
    };
    let wants = explanation.wants.iter();
    let marked = explanation.marked.iter();
    ExplainedNodes {
        count: nodes.len(),
        examples: nodes.iter().take(EXAMPLES).map(Name::to_string).collect(),
        addresses,
        reason,
        subnets: wants
            .map(|want| {
                let subnets = want.iter();
                subnets
                    .map(|subnet| (subnet.subnet, subnet.reason.to_string()))
                    .collect()
            })
            .collect(),
        marked: marked
            .map(|marked| (marked.ip, marked.reason.clone(), marked.remaining.as_secs()))
            .collect(),
    }
}

fn app(request: Option<&PodRequest>) -> String {
    let app = request.and_then(|request| request.tenant().app_ref());
    app.as_ref().map(AppRef::to_string).unwrap_or_default()
}

fn pool(request: Option<&PodRequest>) -> String {
    let pool = request.and_then(PodRequest::pool);
    pool.map(ToString::to_string).unwrap_or_default()
}

fn slot(request: &PodRequest) -> String {
    match &request.tenant().slot {
        Slot::Any => "any of the app's".to_owned(),
        Slot::Ordinal(ordinal) => format!("ordinal {ordinal}"),
        Slot::Node(node) => format!("node {node}"),
        Slot::Pod(name) => format!("pod name {name}"),
        Slot::Once(_) => "none: every pod is a new one".to_owned(),
    }
}
