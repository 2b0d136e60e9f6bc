//! How a pod stands, in the words of the API.

use floatingip_core::Name;
use floatingip_k8s::extender::PodExplanation;

use super::Core;
use crate::backend::{Explained, ExplainedNodes};

pub(super) fn shown(core: &Core, explanation: &PodExplanation) -> Explained {
    let pod = &explanation.pod;
    let addresses = core.engine().addresses_of(&pod.uid);
    let alike = explanation.nodes.iter();
    let nodes: Vec<ExplainedNodes> = alike
        .map(|alike| ExplainedNodes::of(&alike.nodes, &alike.explanation))
        .collect();
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
        policy: request.map_or(0, |request| u8::from(request.policy())),
        addresses,
        summary,
        nodes,
        ..request.map_or_else(Explained::default, |request| {
            Explained::of_tenant(request.tenant())
        })
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
