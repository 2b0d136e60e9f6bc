//! `/v1/explain`: why a pod has an address or has none.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use ipnet::IpNet;
use serde::Serialize;

use super::dto::{Answered, pretty};
use super::error::ApiError;
use super::extract::PodPath;
use crate::app::Api;
use crate::backend::{Backend, Explained, ExplainedNodes};

/// `GET /v1/explain/{namespace}/{pod}`.
pub(crate) async fn show<B: Backend>(
    State(api): State<Arc<Api<B>>>,
    PodPath { namespace, pod }: PodPath,
) -> Answered {
    let found = api.backend.explain(&namespace, &pod).await?;
    let Some(found) = found else {
        return Err(ApiError::PodNotFound { namespace, pod });
    };
    let answer = Explanation {
        code: StatusCode::OK.as_u16(),
        message: found.summary.clone(),
        pod: Pod::new(namespace, pod, &found),
        nodes: found.nodes.into_iter().map(Nodes::from).collect(),
    };
    Ok(pretty(StatusCode::OK, &answer))
}

#[derive(Debug, Serialize)]
struct Explanation {
    code: u16,
    /// How it stands, in a sentence.
    message: String,
    pod: Pod,
    nodes: Vec<Nodes>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pod {
    namespace: String,
    name: String,
    uid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    node: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    app: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    slot: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pool_name: String,
    policy: u8,
    addresses: Vec<IpAddr>,
}

impl Pod {
    fn new(namespace: String, name: String, found: &Explained) -> Self {
        Self {
            namespace,
            name,
            uid: found.uid.clone(),
            node: found.node.clone(),
            app: found.app.clone(),
            slot: found.slot.clone(),
            pool_name: found.pool.clone(),
            policy: found.policy,
            addresses: found.addresses.clone(),
        }
    }
}

/// Nodes that are alike.
#[derive(Debug, Serialize)]
struct Nodes {
    count: usize,
    examples: Vec<String>,
    addresses: Vec<IpAddr>,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    subnets: Vec<Vec<Subnet>>,
    marked: Vec<Marked>,
}

#[derive(Debug, Serialize)]
struct Subnet {
    subnet: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Marked {
    ip: IpAddr,
    reason: String,
    seconds: u64,
}

impl From<ExplainedNodes> for Nodes {
    fn from(nodes: ExplainedNodes) -> Self {
        let subnet = |(subnet, reason): (IpNet, String)| Subnet {
            subnet: subnet.to_string(),
            reason,
        };
        let subnets = nodes.subnets.into_iter();
        let marked = |(ip, reason, seconds)| Marked {
            ip,
            reason,
            seconds,
        };
        Self {
            count: nodes.count,
            examples: nodes.examples,
            addresses: nodes.addresses,
            reason: nodes.reason,
            subnets: subnets
                .map(|want| want.into_iter().map(subnet).collect())
                .collect(),
            marked: nodes.marked.into_iter().map(marked).collect(),
        }
    }
}
