//! Why a pod has an address or has none, as far as its own requests tell.

use std::net::IpAddr;

use floatingip_core::Name;
use floatingip_core::orchestrator::Place;
use floatingip_core::query::{Filter, Query, Row};

use super::Core;
use crate::backend::{Explained, ExplainedNodes};
use crate::native::Wanted;

/// How the pod of that name stands: by its records, and by what it asked for last if that was refused.
/// None where there is neither.
pub(super) fn pod(
    core: &Core,
    namespace: &Name,
    name: &Name,
    refused: Option<&Wanted>,
) -> Option<Explained> {
    let rows = rows(core, namespace, name);
    match refused {
        Some(wanted) => Some(asking(core, wanted, &rows)),
        None => recorded(&rows),
    }
}

fn rows(core: &Core, namespace: &Name, name: &Name) -> Vec<Row> {
    let filter = Filter {
        namespace: Some(namespace.clone()),
        pod: Some(name.clone()),
        ..Filter::default()
    };
    let query = Query {
        filter,
        ..Query::default()
    };
    // Only free addresses can be too many to list.
    core.list(&query)
        .map(|page| page.content)
        .unwrap_or_default()
}

/// A pod that was refused, answered as if it asked now.
fn asking(core: &Core, Wanted { request, place, .. }: &Wanted, rows: &[Row]) -> Explained {
    let (now, world) = (core.now(), core.world());
    let explanation = {
        let engine = core.engine();
        let reach = match place {
            Place::Node(addresses) => engine.topology().reach(addresses),
            Place::Anywhere => engine.topology().reach_all(),
        };
        engine.explain(request, &reach, world, now)
    };
    let node = request.pod().node.clone();
    let summary = match &explanation.verdict {
        Ok(_) => "it was refused, and would get addresses now: ask again".to_owned(),
        Err(refusal) => format!("it was refused, and would be now: {refusal}"),
    };
    Explained {
        uid: request.pod().uid.to_string(),
        node: node.to_string(),
        policy: request.policy().code(),
        addresses: addresses(rows),
        summary,
        nodes: vec![ExplainedNodes::of(&[node], &explanation)],
        ..Explained::of_tenant(request.tenant())
    }
}

fn recorded(rows: &[Row]) -> Option<Explained> {
    let record = |row: &Row| row.record.clone();
    let live = rows.iter().filter_map(record).find(|it| it.is_live());
    let record = live.or_else(|| rows.iter().find_map(record))?;
    let tenant = record.owner.tenant()?;
    let pod = record.owner.pod();
    Some(Explained {
        uid: pod.map(|pod| pod.uid.to_string()).unwrap_or_default(),
        node: pod.map(|pod| pod.node.to_string()).unwrap_or_default(),
        policy: record.policy.code(),
        addresses: addresses(rows),
        summary: match pod {
            Some(_) => "it has its addresses".to_owned(),
            None => "it has ended, and its addresses are kept for the next one".to_owned(),
        },
        ..Explained::of_tenant(tenant)
    })
}

fn addresses(rows: &[Row]) -> Vec<IpAddr> {
    rows.iter().map(|row| row.ip).collect()
}
