//! Reasons: why a node will not do, in words that the scheduler adds up over nodes.

use floatingip_core::Name;
use floatingip_core::refusal::{Refusal, SubnetReason, SubnetRefusal};

use crate::request::RequestFault;

/// Why a node will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// For people. The same for all nodes that are alike, so that the scheduler counts them together.
    pub(super) text: Name,
    /// Whether the end of other pods could make the node good.
    pub(super) resolvable: bool,
    /// What it is called in the pod's event; none where it is over before anybody could read one.
    pub(super) event: Option<&'static str>,
}

/// There is nothing to give.
pub(super) const NO_ADDRESS: &str = "NoFloatingIP";
/// Another pod has to go first.
pub(super) const WAITS: &str = "WaitingForFloatingIP";
/// Somebody has to mend the pod, its workload or the configuration.
pub(super) const MISTAKE: &str = "FloatingIPMisconfigured";

impl Reason {
    pub(super) fn new(event: &'static str, text: &str) -> Self {
        Self {
            text: Name::from(format!("floating IP: {text}")),
            resolvable: false,
            event: Some(event),
        }
    }

    /// A node that no watch has shown yet.
    pub(super) fn unknown_node() -> Self {
        Self::new(WAITS, "the node is not known here yet")
    }
}

impl From<&RequestFault> for Reason {
    fn from(fault: &RequestFault) -> Self {
        let event = if fault.is_transient() { WAITS } else { MISTAKE };
        Self::new(event, &fault.to_string())
    }
}

impl From<&Refusal> for Reason {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Exhausted(subnets) => Self {
                resolvable: subnets.iter().any(is_taken),
                ..Self::new(NO_ADDRESS, &exhausted(subnets))
            },
            Refusal::PoolFull { .. } => Self {
                resolvable: true,
                ..Self::new(NO_ADDRESS, &refusal.to_string())
            },
            Refusal::AppFull { .. } => Self::new(WAITS, &format!("{refusal}. {ROLLOUT}")),
            Refusal::WaitingFor { .. } => Self::new(WAITS, &format!("{refusal}. {SAME_SLOT}")),
            Refusal::Busy { .. } | Refusal::StaleReach => Self {
                event: None,
                ..Self::new(WAITS, &refusal.to_string())
            },
            Refusal::Quarantined { .. } => Self::new(WAITS, &refusal.to_string()),
            Refusal::NoSubnet | Refusal::WrongNode { .. } => {
                Self::new(NO_ADDRESS, &refusal.to_string())
            }
            _ => Self::new(MISTAKE, &refusal.to_string()),
        }
    }
}

/// What helps a rollout whose new pods wait for the addresses of the old ones.
const ROLLOUT: &str = "If a rollout does not go on: let it end old pods first (maxUnavailable of 1 or more, or \
     strategy Recreate), or annotate the pod template with `k8s.v1.cni.galaxy.io/surge: allow`";

fn is_taken(subnet: &SubnetRefusal) -> bool {
    matches!(subnet.reason, SubnetReason::Full | SubnetReason::Claimed)
}

/// The same for a DaemonSet, whose new pod has the slot of the old one.
const SAME_SLOT: &str = "If a rollout does not go on: let it end old pods first (maxSurge 0, maxUnavailable of 1 or more)";

/// The subnets that the node may use, each with its reason.
fn exhausted(subnets: &[SubnetRefusal]) -> String {
    let its_own = subnets
        .iter()
        .filter(|subnet| subnet.reason != SubnetReason::WrongNodeSubnet);
    let listed: Vec<String> = its_own.map(SubnetRefusal::to_string).collect();
    match listed.is_empty() {
        true => "no subnet of the configuration is for this node".to_owned(),
        false => listed.join("; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(net: &str, reason: SubnetReason) -> SubnetRefusal {
        SubnetRefusal {
            entry: 0,
            subnet: net.parse().unwrap(),
            reason,
        }
    }

    #[test]
    fn a_full_subnet_is_named_and_other_pods_may_help() {
        let refusal = Refusal::Exhausted(vec![
            subnet("10.0.70.0/24", SubnetReason::Full),
            subnet("10.0.80.0/24", SubnetReason::WrongNodeSubnet),
        ]);
        let reason = Reason::from(&refusal);
        assert_eq!(&*reason.text, "floating IP: subnet 10.0.70.0/24 is full");
        assert!(reason.resolvable);
    }

    #[test]
    fn what_is_over_at_once_is_no_event() {
        let ip = "10.0.70.2".parse().unwrap();
        assert_eq!(Reason::from(&Refusal::Busy { ip }).event, None);
        assert_eq!(Reason::from(&Refusal::NoSubnet).event, Some(NO_ADDRESS));
    }

    #[test]
    fn what_no_other_pods_end_can_mend_is_unresolvable() {
        for refusal in [
            Refusal::NoSubnet,
            Refusal::Exhausted(vec![subnet("10.0.70.0/24", SubnetReason::Disabled)]),
            Refusal::Exhausted(vec![subnet("10.0.70.0/24", SubnetReason::WrongNodeSubnet)]),
            Refusal::WrongNode {
                ip: "10.0.70.2".parse().unwrap(),
                subnet: "10.0.70.0/24".parse().unwrap(),
            },
        ] {
            assert!(!Reason::from(&refusal).resolvable, "{refusal}");
        }
    }
}
