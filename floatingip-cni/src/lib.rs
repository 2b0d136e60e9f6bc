//! CNI plugins of floatingip, on the node: [`vlan`] is `galaxy-k8s-vlan`, [`sriov`] is `galaxy-k8s-sriov`,
//! [`ipam`] is `floatingip-ipam`, [`meta`] is `floatingip`.
//!
//! - [`spec`]: what a runtime says and is told, as the CNI specification has it.
//! - [`connect`]: what the plugins that connect containers have in common.
//! - [`delegate`]: other plugins, run as a runtime does.
//! - [`server`]: floatingip-server, as the node asks it.
//! - [`link`]: the kernel's links, addresses and routes.
//! - [`state`]: what is remembered of each `ADD`, and the node's lock.
//! - [`install`]: how the program gets on a node, and off it.
//! - [`plugin`]: which plugin a program is by its name, and what it does for each verb.
//!
//! A plugin lives for one call. It decides the whole change first, from the configuration and from what the kernel
//! has, writes down what it is about to make, then makes it step by step, and undoes the steps in reverse when one
//! fails. What was written down is all that a later call needs to undo an `ADD`, also one that was killed.

pub mod connect;
pub mod delegate;
pub mod install;
pub mod ipam;
pub mod link;
pub mod meta;
pub mod plugin;
pub mod server;
pub mod spec;
pub mod sriov;
pub mod state;
pub mod vlan;
