//! What clients ask.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::json;

/// One request to the server.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    /// Create a pool or give it another size.
    Put { pool: String, size: u32 },
    /// Delete a pool with what it has.
    Delete { pool: String },
    /// Give some of a pool's addresses back.
    Release { pool: String, ips: BTreeSet<IpAddr> },
    /// Which addresses a pool has.
    List { pool: String },
    /// Keep everybody from an address.
    Quarantine { ip: IpAddr, reason: String },
    /// Let others have it again.
    Lift { ip: IpAddr },
    /// Give a container of a pod its address, or tell it once more.
    Attach {
        pod: String,
        app: String,
        policy: &'static str,
        container: String,
    },
    /// A container has ended.
    Detach { pod: String, container: String },
}

/// An operation as HTTP has it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) body: String,
}

/// More than any pool has.
const PAGE: usize = 100;
const NODE: &str = "node-1";
const NETWORK: &str = "lan";
/// Seconds: longer than any run.
const LONG: u32 = 86_400;

impl Operation {
    /// Whether it changes something.
    pub(super) fn is_change(&self) -> bool {
        !matches!(self, Self::List { .. })
    }

    /// The pool that it is about.
    pub(super) fn pool(&self) -> Option<&str> {
        match self {
            Self::Put { pool, .. }
            | Self::Delete { pool }
            | Self::Release { pool, .. }
            | Self::List { pool } => Some(pool),
            _ => None,
        }
    }

    /// The pod that it is about.
    pub(super) fn pod(&self) -> Option<&str> {
        match self {
            Self::Attach { pod, .. } | Self::Detach { pod, .. } => Some(pod),
            _ => None,
        }
    }

    /// The address whose mark it changes.
    pub(super) fn marked(&self) -> Option<IpAddr> {
        match self {
            Self::Quarantine { ip, .. } | Self::Lift { ip } => Some(*ip),
            _ => None,
        }
    }

    pub(super) fn request(&self) -> Request {
        let (method, path, body) = match self {
            Self::Put { pool, size } => (
                "POST",
                "/v1/pool".to_owned(),
                json!({"name": pool, "size": size, "preAllocateIP": true}).to_string(),
            ),
            Self::Delete { pool } => ("DELETE", format!("/v1/pool/{pool}"), String::new()),
            Self::Release { pool, ips } => {
                let entries = ips.iter().map(|ip| json!({"ip": ip, "poolName": pool}));
                let entries: Vec<_> = entries.collect();
                let body = json!({"ips": entries}).to_string();
                ("POST", "/v1/ip".to_owned(), body)
            }
            Self::List { pool } => {
                let path = format!("/v1/ip?poolName={pool}&size={PAGE}");
                ("GET", path, String::new())
            }
            Self::Quarantine { ip, reason } => (
                "POST",
                format!("/v1/ip/{ip}/quarantine"),
                json!({"reason": reason, "seconds": LONG}).to_string(),
            ),
            Self::Lift { ip } => ("DELETE", format!("/v1/ip/{ip}/quarantine"), String::new()),
            Self::Attach {
                pod,
                app,
                policy,
                container,
            } => {
                let body = json!({
                    "nodeName": NODE, "network": NETWORK, "containerID": container, "interface": "eth0",
                    "appType": "statefulset", "appName": app, "podName": pod, "policy": policy,
                });
                ("POST", "/v1/attachment".to_owned(), body.to_string())
            }
            Self::Detach { container, .. } => {
                let path = format!("/v1/attachment/{NODE}/{NETWORK}/{container}/eth0");
                ("DELETE", path, String::new())
            }
        };
        Request { method, path, body }
    }
}
