//! `galaxy-k8s-vlan`: pods on the data centre's network, by a bridge, by macvlan, by ipvlan, or routed, in VLANs that
//! are made when they are first needed.
//!
//! An `ADD` is decided as a whole by [`plan()`], a pure function of the configuration, the addresses and the
//! [`Facts`]. The links are made under the node's lock; then, without it, others are asked whether the addresses are
//! free; then the container gets them.

mod check;
mod config;
mod facts;
mod interface;
mod name;
mod plan;
mod pod;
mod release;
mod status;
mod takeover;
mod uplink;

pub use check::check;
pub use config::{Switch, VlanConfig};
pub use facts::Facts;
pub use plan::{PlanError, Wish, plan};
pub use status::status;
