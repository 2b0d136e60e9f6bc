//! Refusals: why a request cannot be served at present, as data that adapters print.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use thiserror::Error;

use crate::name::{Name, PoolName};
use crate::owner::AppRef;

/// Why a request cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The node's addresses are in no entry's node subnets.
    #[error("the node is in no node subnet of the configuration: add its subnet to `nodeSubnets`")]
    NoSubnet,
    /// Nothing to give; for each subnet of the configuration, why.
    #[error("no address to give: {}", Listed(.0))]
    Exhausted(Vec<SubnetRefusal>),
    /// The slot has an address that this node may not use.
    #[error("its address {ip} cannot be used on this node: it belongs to subnet {subnet}")]
    WrongNode {
        /// The slot's own address.
        ip: IpAddr,
        /// Its subnet.
        subnet: IpNet,
    },
    /// The slot's own address is no longer in the configuration.
    #[error(
        "its address {ip} is no longer configured: put the range back, or release the address by \
         the API so that the pod gets another one"
    )]
    Withdrawn {
        /// The slot's own address.
        ip: IpAddr,
    },
    /// The slot's own address must not be used for a while.
    #[error("its address {ip} is quarantined for another {} s: {reason}", .remaining.as_secs())]
    Quarantined {
        /// The slot's own address.
        ip: IpAddr,
        /// Why.
        reason: String,
        /// How much longer.
        remaining: Duration,
    },
    /// A node has the slot's own address itself.
    #[error(
        "its address {ip} is the address of node {node}: exclude it, and release it by the API so \
         that the pod gets another one"
    )]
    NodeAddress {
        /// The slot's own address.
        ip: IpAddr,
        /// The node.
        node: Name,
    },
    /// Another pod still fills the slot.
    #[error("waits for pod {pod} (uid {uid}) to end, which still has {ip}")]
    WaitingFor {
        /// The other pod.
        pod: Name,
        /// Its UID.
        uid: Name,
        /// The slot's address.
        ip: IpAddr,
    },
    /// The app has as many pods with addresses as it has slots.
    #[error(
        "{app} has {limit} slots and {in_use} pods with addresses or on their way: waits for one \
         to end{}", Holders(.holders)
    )]
    AppFull {
        /// The app.
        app: AppRef,
        /// How many pods may have addresses.
        limit: u64,
        /// How many have them, or are about to.
        in_use: u64,
        /// Some of the pods that have them.
        holders: Vec<Name>,
    },
    /// The app is confirmed to be gone.
    #[error("{app} does not exist any more")]
    AppGone {
        /// The app.
        app: AppRef,
    },
    /// The pool has as many addresses as its size allows, and none to spare.
    #[error("pool {pool} has {total} of at most {size} addresses, none to spare: raise its size")]
    PoolFull {
        /// The pool.
        pool: PoolName,
        /// The most it may have.
        size: u64,
        /// How many it has, or is about to.
        total: u64,
    },
    /// A change of one of the slot's addresses is under way.
    #[error("a change of {ip} is under way: try again")]
    Busy {
        /// The address.
        ip: IpAddr,
    },
    /// The pod has ended already, or the container interface of it that asks.
    #[error("pod {pod} (uid {uid}) has ended, or this container interface of it")]
    PodEnded {
        /// The pod.
        pod: Name,
        /// Its UID.
        uid: Name,
    },
    /// The container interface has addresses already, and not as this request asks for them.
    #[error(
        "this container interface has {ip} for pod {pod} (uid {uid}) by another request: repeat \
         that one, or end the attachment first"
    )]
    OtherRequest {
        /// An address that it has.
        ip: IpAddr,
        /// The pod it was asked for.
        pod: Name,
        /// That pod's UID.
        uid: Name,
    },
    /// The pod has its addresses at another interface of the same container.
    #[error(
        "pod {pod} has {ip} at interface {interface} of network {network} in the same container: \
         ask for all its addresses in one request, or give each network a pod name and uid of its own"
    )]
    OtherInterface {
        /// An address that it has.
        ip: IpAddr,
        /// The pod.
        pod: Name,
        /// The other interface's network.
        network: Name,
        /// The other interface.
        interface: Name,
    },
    /// Another pod has the UID.
    #[error(
        "uid {uid} is that of pod {pod}, which has {ip}: give every pod a uid of its own, or end \
         that one first"
    )]
    UidTaken {
        /// An address of the pod that has it.
        ip: IpAddr,
        /// That pod.
        pod: Name,
        /// The UID.
        uid: Name,
    },
    /// The configuration changed since the caller looked which subnets the node may use.
    #[error("the configuration has just changed: try again")]
    StaleReach,
}

impl Refusal {
    /// Whether another node cannot help, nor the end of another pod: only another node subnet.
    pub fn is_about_the_node(&self) -> bool {
        matches!(self, Self::NoSubnet | Self::WrongNode { .. })
    }

    /// Whether trying again at once may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::StaleReach)
    }
}

/// Why one subnet gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetRefusal {
    /// The entry's place in the configuration, from 0.
    pub entry: usize,
    /// The entry's subnet.
    pub subnet: IpNet,
    /// Why.
    pub reason: SubnetReason,
}

impl fmt::Display for SubnetRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "subnet {} {}", self.subnet, self.reason)
    }
}

/// Why a subnet gives nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubnetReason {
    /// The node is in none of the entry's node subnets.
    WrongNodeSubnet,
    /// Every address has an owner.
    Full,
    /// The free addresses are spoken for by pods that passed the filter before.
    Claimed,
    /// The entry is disabled: it gives nothing new.
    Disabled,
    /// None of the requested ranges or families is in it.
    NotAskedFor,
}

impl fmt::Display for SubnetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongNodeSubnet => "is not for this node",
            Self::Full => "is full",
            Self::Claimed => "has only addresses that other waiting pods are about to take",
            Self::Disabled => "is disabled",
            Self::NotAskedFor => "has none of the requested addresses",
        })
    }
}

struct Listed<'a>(&'a [SubnetRefusal]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, refusal) in self.0.iter().enumerate() {
            write!(f, "{}{refusal}", if n > 0 { "; " } else { "" })?;
        }
        Ok(())
    }
}

struct Holders<'a>(&'a [Name]);

impl fmt::Display for Holders<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, holder) in self.0.iter().enumerate() {
            write!(f, "{}{holder}", if n > 0 { ", " } else { ": " })?;
        }
        Ok(())
    }
}
