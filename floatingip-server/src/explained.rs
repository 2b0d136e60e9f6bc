//! How a pod stands, in the words of the API: what is said alike with and without a cluster.

use floatingip_core::Name;
use floatingip_core::engine::Explanation;
use floatingip_core::owner::{AppRef, Slot, Tenant};

use crate::backend::{Explained, ExplainedNodes};

/// So many nodes of a kind are named.
const EXAMPLES: usize = 8;

impl Explained {
    /// What follows from the slot alone.
    pub(crate) fn of_tenant(tenant: &Tenant) -> Self {
        let app = tenant.app_ref();
        let pool = tenant.pool.as_ref();
        Self {
            app: app.as_ref().map(AppRef::to_string).unwrap_or_default(),
            slot: slot(&tenant.slot),
            pool: pool.map(ToString::to_string).unwrap_or_default(),
            ..Self::default()
        }
    }
}

impl ExplainedNodes {
    /// What a pod would be answered at these nodes, which are alike.
    pub(crate) fn of(nodes: &[Name], explanation: &Explanation) -> Self {
        let (addresses, reason) = match &explanation.verdict {
            Ok(addresses) => (addresses.clone(), String::new()),
            Err(refusal) => (Vec::new(), refusal.to_string()),
        };
        let wants = explanation.wants.iter();
        let marked = explanation.marked.iter();
        Self {
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
}

fn slot(slot: &Slot) -> String {
    match slot {
        Slot::Any => "any of the app's".to_owned(),
        Slot::Ordinal(ordinal) => format!("ordinal {ordinal}"),
        Slot::Node(node) => format!("node {node}"),
        Slot::Pod(name) => format!("pod name {name}"),
        Slot::Once(_) => "none: every pod is a new one".to_owned(),
    }
}
