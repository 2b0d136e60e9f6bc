//! Why the native resource refuses: a word that programs can act on, and what belongs to it.

use std::net::IpAddr;

use axum::http::StatusCode;
use floatingip_core::Name;
use floatingip_core::orchestrator::Stuck;
use floatingip_core::refusal::{Refusal, SubnetReason, SubnetRefusal};
use floatingip_core::request::RequestError;
use floatingip_core::workload::WorkloadError;
use serde::Serialize;

use super::dto::Answer;
use super::error::ApiError;
use super::field::FieldFault;
use crate::native::NativeError;

/// A refusal with its reason. The words are part of the API: none is ever taken back or given another
/// meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Reason {
    /// A field cannot be meant; `details.field` says which.
    InvalidField,
    /// No such release policy.
    UnknownPolicy,
    /// The policy keeps an address for a pod that never comes back.
    PolicyNeedsSlot,
    /// A pod of a StatefulSet is not named `APP-N`.
    NotAnOrdinal,
    /// The node is in no node subnet.
    NoSubnet,
    /// No subnet has an address to give; `details.subnets` says why, one by one.
    Exhausted,
    /// The slot's own address is not for this node.
    WrongNode,
    /// The slot's own address is no longer configured.
    Withdrawn,
    /// The slot's own address is quarantined.
    Quarantined,
    /// The slot's own address is that of a node.
    NodeAddress,
    /// The slot's former pod has not ended.
    WaitingFor,
    /// The app has a pod for each of its slots.
    AppFull,
    /// The app was deleted meanwhile.
    AppGone,
    /// The pool is as large as it may be.
    PoolFull,
    /// The pod has ended meanwhile.
    PodEnded,
    /// The container interface has addresses by another request.
    OtherRequest,
    /// The pod has its addresses at another interface of the container.
    OtherInterface,
    /// Another pod has the UID.
    UidTaken,
    /// There are too many apps, or they name too many nodes.
    TooManyApps,
    /// A change of the same addresses, or of the configuration, is under way.
    Busy,
    /// It is certainly not done.
    Unavailable,
    /// It may be done: the same again finds out.
    Uncertain,
}

/// What belongs to a reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_name: Option<Name>,
    #[serde(rename = "podUID", skip_serializing_if = "Option::is_none")]
    pod_uid: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node_name: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_use: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holders: Vec<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subnets: Vec<Subnet>,
}

/// Why one subnet gives nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Subnet {
    subnet: String,
    reason: &'static str,
}

/// The common form of an error with its reason.
#[derive(Debug, Serialize)]
pub(crate) struct RefusedAnswer {
    #[serde(flatten)]
    answer: Answer,
    reason: Reason,
    details: Details,
}

impl RefusedAnswer {
    pub(crate) fn new(answer: Answer, refused: Refused) -> Self {
        let Refused {
            reason, details, ..
        } = refused;
        Self {
            answer,
            reason,
            details,
        }
    }
}

/// A refusal of the native resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) message: String,
    pub(crate) details: Details,
}

impl Refused {
    pub(crate) fn because(reason: Reason, message: String) -> Self {
        Self {
            reason,
            message,
            details: Details::default(),
        }
    }

    pub(crate) const fn status(&self) -> StatusCode {
        match self.reason {
            Reason::InvalidField
            | Reason::UnknownPolicy
            | Reason::PolicyNeedsSlot
            | Reason::NotAnOrdinal => StatusCode::BAD_REQUEST,
            Reason::Busy | Reason::Unavailable | Reason::Uncertain => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            _ => StatusCode::CONFLICT,
        }
    }

    pub(crate) fn field(reason: Reason, fault: &FieldFault) -> Self {
        let details = Details {
            field: Some(fault.field),
            ..Details::default()
        };
        Self {
            details,
            ..Self::because(reason, format!("bad request: {fault}"))
        }
    }
}

impl From<FieldFault> for ApiError {
    fn from(fault: FieldFault) -> Self {
        Refused::field(Reason::InvalidField, &fault).into()
    }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}

impl From<WorkloadError> for ApiError {
    fn from(error: WorkloadError) -> Self {
        let reason = match &error {
            WorkloadError::NotAnOrdinal { .. } => Reason::NotAnOrdinal,
            WorkloadError::PolicyNeedsSlot { .. } => Reason::PolicyNeedsSlot,
            // Nothing else can be wrong with a workload that is told by its kind.
            _ => Reason::InvalidField,
        };
        Refused::because(reason, format!("bad request: {error}")).into()
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        let reason = match &error {
            RequestError::NothingToKeepFor { .. } => Reason::PolicyNeedsSlot,
            _ => Reason::InvalidField,
        };
        Refused::because(reason, format!("bad request: {error}")).into()
    }
}

impl From<NativeError> for ApiError {
    fn from(error: NativeError) -> Self {
        let message = error.to_string();
        match error {
            NativeError::Refused(refusal) => refused(&refusal).into(),
            NativeError::Stuck(stuck) => {
                tracing::error!("a change is not done: {stuck}");
                stuck_of(stuck).into()
            }
            NativeError::TooManyApps | NativeError::TooManyNodes => {
                Refused::because(Reason::TooManyApps, message).into()
            }
            NativeError::Unconfigured(_) => Refused::because(Reason::Busy, message).into(),
        }
    }
}

fn stuck_of(stuck: Stuck) -> Refused {
    let reason = match stuck {
        Stuck::Uncertain => Reason::Uncertain,
        Stuck::Contended => Reason::Busy,
        _ => Reason::Unavailable,
    };
    Refused::because(reason, stuck.to_string())
}

fn refused(refusal: &Refusal) -> Refused {
    let plain = refusal.to_string();
    let mut details = Details::default();
    let (reason, message) = match refusal {
        Refusal::NoSubnet => (Reason::NoSubnet, plain),
        Refusal::Exhausted(subnets) => {
            details.subnets = subnets.iter().map(Subnet::from).collect();
            (Reason::Exhausted, plain)
        }
        Refusal::WrongNode { ip, subnet } => {
            (details.ip, details.subnet) = (Some(*ip), Some(subnet.to_string()));
            (Reason::WrongNode, plain)
        }
        Refusal::Withdrawn { ip } => {
            details.ip = Some(*ip);
            (Reason::Withdrawn, plain)
        }
        Refusal::Quarantined { ip, remaining, .. } => {
            (details.ip, details.seconds) = (Some(*ip), Some(remaining.as_secs()));
            (Reason::Quarantined, plain)
        }
        Refusal::NodeAddress { ip, node } => {
            (details.ip, details.node_name) = (Some(*ip), Some(node.clone()));
            (Reason::NodeAddress, plain)
        }
        Refusal::WaitingFor { pod, uid, ip } => {
            details.pod(pod, uid, *ip);
            (Reason::WaitingFor, format!("{plain}: {}", end_of(uid)))
        }
        Refusal::AppFull {
            limit,
            in_use,
            holders,
            ..
        } => {
            (details.limit, details.in_use) = (Some(*limit), Some(*in_use));
            details.holders.clone_from(holders);
            let remedy = "end pods that are no more, or tell the app's new size at POST /v1/app";
            (Reason::AppFull, format!("{plain}: {remedy}"))
        }
        Refusal::AppGone { .. } => (Reason::AppGone, plain),
        Refusal::PoolFull { pool, size, total } => {
            details.pool_name = Some(pool.to_string());
            (details.limit, details.in_use) = (Some(*size), Some(*total));
            (Reason::PoolFull, plain)
        }
        Refusal::PodEnded { .. } => (Reason::PodEnded, plain),
        Refusal::OtherRequest { ip, pod, uid } => {
            details.pod(pod, uid, *ip);
            (Reason::OtherRequest, plain)
        }
        Refusal::UidTaken { ip, pod, uid } => {
            details.pod(pod, uid, *ip);
            (Reason::UidTaken, plain)
        }
        Refusal::OtherInterface {
            ip,
            network,
            interface,
            ..
        } => {
            details.ip = Some(*ip);
            details.network = Some(network.clone());
            details.interface = Some(interface.clone());
            (Reason::OtherInterface, plain)
        }
        Refusal::Busy { ip } => {
            details.ip = Some(*ip);
            (Reason::Busy, plain)
        }
        // The configuration has just changed.
        _ => (Reason::Busy, plain),
    };
    Refused {
        details,
        ..Refused::because(reason, message)
    }
}

fn end_of(uid: &str) -> String {
    format!(
        "if it is no more, say so with DELETE /v1/pod/{}",
        segment(uid)
    )
}

/// The text as a segment of a path.
fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    escaped.collect()
}

impl Details {
    fn pod(&mut self, pod: &Name, uid: &Name, ip: IpAddr) {
        self.ip = Some(ip);
        self.pod_name = Some(pod.clone());
        self.pod_uid = Some(uid.clone());
    }
}

impl From<&SubnetRefusal> for Subnet {
    fn from(refusal: &SubnetRefusal) -> Self {
        Self {
            subnet: refusal.subnet.to_string(),
            reason: match refusal.reason {
                SubnetReason::WrongNodeSubnet => "wrongNodeSubnet",
                SubnetReason::Full => "full",
                SubnetReason::Claimed => "claimed",
                SubnetReason::Disabled => "disabled",
                SubnetReason::NotAskedFor => "notAskedFor",
                _ => "other",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::to_bytes;
    use axum::http::header::RETRY_AFTER;
    use axum::response::IntoResponse;
    use serde_json::{Value, json};

    use super::*;

    /// The status, whether to try again is said, and the body without its texts.
    async fn answer(error: NativeError) -> (u16, bool, Value) {
        let response = ApiError::from(error).into_response();
        let (status, again) = (
            response.status(),
            response.headers().contains_key(RETRY_AFTER),
        );
        let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        let message = body["message"].take();
        assert!(message.as_str().is_some_and(|text| !text.is_empty()));
        assert_eq!(body["code"].take(), status.as_u16());
        (
            status.as_u16(),
            again,
            json!([body["reason"], body["details"]]),
        )
    }

    #[tokio::test]
    async fn what_is_not_done_or_not_certain_is_503_and_says_when_to_try_again() {
        let ip = "10.0.70.2".parse().unwrap();
        for (error, reason) in [
            (Stuck::Unavailable.into(), "unavailable"),
            (Stuck::Uncertain.into(), "uncertain"),
            (Stuck::Contended.into(), "busy"),
            (Refusal::StaleReach.into(), "busy"),
            (NativeError::Unconfigured(ip), "busy"),
        ] {
            let error: NativeError = error;
            assert_eq!(answer(error).await, (503, true, json!([reason, {}])));
        }
        let busy = answer(Refusal::Busy { ip }.into()).await;
        assert_eq!(busy, (503, true, json!(["busy", {"ip": "10.0.70.2"}])));
    }

    #[tokio::test]
    async fn what_cannot_be_had_now_is_409_with_what_belongs_to_its_reason() {
        let ip = "10.0.70.2".parse().unwrap();
        let (pod, uid) = (Name::from("web-0"), Name::from("u/1"));
        let waiting = Refusal::WaitingFor {
            pod: pod.clone(),
            uid: uid.clone(),
            ip,
        };
        let path = ApiError::from(NativeError::from(waiting.clone())).to_string();
        assert!(path.contains("DELETE /v1/pod/u%2F1"), "{path}");
        let reason = Refusal::Quarantined {
            ip,
            reason: "seen twice".to_owned(),
            remaining: Duration::from_secs(7),
        };
        let interface = Refusal::OtherInterface {
            ip,
            pod: pod.clone(),
            network: "lan".into(),
            interface: "eth0".into(),
        };
        let subnet = "10.0.70.0/24".parse().unwrap();
        let node = Name::from("node-1");
        for (refusal, expected) in [
            (
                waiting,
                json!(["waitingFor", {"ip": ip, "podName": "web-0", "podUID": "u/1"}]),
            ),
            (reason, json!(["quarantined", {"ip": ip, "seconds": 7}])),
            (
                interface,
                json!(["otherInterface", {"ip": ip, "network": "lan", "interface": "eth0"}]),
            ),
            (
                Refusal::UidTaken {
                    ip,
                    pod: pod.clone(),
                    uid: uid.clone(),
                },
                json!(["uidTaken", {"ip": ip, "podName": "web-0", "podUID": "u/1"}]),
            ),
            (
                Refusal::OtherRequest { ip, pod, uid },
                json!(["otherRequest", {"ip": ip, "podName": "web-0", "podUID": "u/1"}]),
            ),
            (
                Refusal::WrongNode { ip, subnet },
                json!(["wrongNode", {"ip": ip, "subnet": "10.0.70.0/24"}]),
            ),
            (
                Refusal::NodeAddress { ip, node },
                json!(["nodeAddress", {"ip": ip, "nodeName": "node-1"}]),
            ),
            (Refusal::Withdrawn { ip }, json!(["withdrawn", {"ip": ip}])),
            (Refusal::NoSubnet, json!(["noSubnet", {}])),
            (Refusal::Exhausted(Vec::new()), json!(["exhausted", {}])),
        ] {
            assert_eq!(answer(refusal.into()).await, (409, false, expected));
        }
        let apps = answer(NativeError::TooManyApps).await;
        assert_eq!(apps, (409, false, json!(["tooManyApps", {}])));
    }
}
