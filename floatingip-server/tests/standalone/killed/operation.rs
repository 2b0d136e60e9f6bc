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
        node: String,
        pod: String,
        app: String,
        policy: &'static str,
        container: String,
    },
    /// A container has ended.
    Detach { node: String, container: String },
    /// A pod has ended, which goes by the name of its container.
    End { container: String },
    /// Of a node only these containers are left.
    Collect {
        node: String,
        valid: BTreeSet<String>,
    },
    /// An app has so many slots.
    Tell { app: String, replicas: u32 },
    /// An app is no more.
    Forsake { app: String },
    /// How an app stands.
    Show { app: String },
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
const NETWORK: &str = "lan";
const INTERFACE: &str = "eth0";
const KIND: &str = "statefulset";
/// Seconds: longer than any run.
const LONG: u32 = 86_400;
/// More pods beside an app's slots than any app has, so that no cap refuses one.
pub(super) const SURGE: u32 = 9;

impl Operation {
    /// Whether it changes something.
    pub(super) fn is_change(&self) -> bool {
        !matches!(self, Self::List { .. } | Self::Show { .. })
    }

    /// What is counted under one name.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Put { .. } => "put pool",
            Self::Delete { .. } => "delete pool",
            Self::Release { .. } => "release",
            Self::List { .. } => "list",
            Self::Quarantine { .. } => "quarantine",
            Self::Lift { .. } => "lift",
            Self::Attach { .. } => "attach",
            Self::Detach { .. } => "detach",
            Self::End { .. } => "end pod",
            Self::Collect { .. } => "gc",
            Self::Tell { .. } => "tell app",
            Self::Forsake { .. } => "delete app",
            Self::Show { .. } => "show app",
        }
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

    /// Whether it is about an app, or about pods.
    pub(super) fn is_of_app(&self) -> bool {
        self.pool().is_none() && self.marked().is_none()
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
            Self::Put { pool, size } => {
                let body = json!({"name": pool, "size": size, "preAllocateIP": true});
                ("POST", "/v1/pool".to_owned(), body.to_string())
            }
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
            Self::Quarantine { ip, reason } => {
                let body = json!({"reason": reason, "seconds": LONG});
                ("POST", format!("/v1/ip/{ip}/quarantine"), body.to_string())
            }
            Self::Lift { ip } => ("DELETE", format!("/v1/ip/{ip}/quarantine"), String::new()),
            _ => self.request_of_app(),
        };
        Request { method, path, body }
    }

    fn request_of_app(&self) -> (&'static str, String, String) {
        match self {
            Self::Attach {
                node,
                pod,
                app,
                policy,
                container,
            } => {
                let body = json!({
                    "nodeName": node, "network": NETWORK, "containerID": container, "interface": INTERFACE,
                    "appType": KIND, "appName": app, "podName": pod, "policy": policy,
                });
                ("POST", "/v1/attachment".to_owned(), body.to_string())
            }
            Self::Detach { node, container } => {
                let path = format!("/v1/attachment/{node}/{NETWORK}/{container}/{INTERFACE}");
                ("DELETE", path, String::new())
            }
            Self::End { container } => ("DELETE", format!("/v1/pod/{container}"), String::new()),
            Self::Collect { node, valid } => {
                let valid = valid
                    .iter()
                    .map(|id| json!({"containerID": id, "interface": INTERFACE}));
                let valid: Vec<_> = valid.collect();
                let body = json!({"nodeName": node, "network": NETWORK, "valid": valid});
                ("POST", "/v1/attachment/gc".to_owned(), body.to_string())
            }
            Self::Tell { app, replicas } => {
                let body =
                    json!({"appType": KIND, "appName": app, "replicas": replicas, "surge": SURGE});
                ("POST", "/v1/app".to_owned(), body.to_string())
            }
            Self::Forsake { app } => ("DELETE", of_app(app), String::new()),
            Self::Show { app } => ("GET", of_app(app), String::new()),
            _ => unreachable!("{self:?} is not about an app"),
        }
    }
}

fn of_app(app: &str) -> String {
    format!("/v1/app/default/{KIND}/{app}")
}
