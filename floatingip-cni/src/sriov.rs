//! `galaxy-k8s-sriov`: pods on the data centre's network, each by a virtual function of the node's card.
//!
//! A function is chosen under the node's lock, and is the record's from before the first change until it is given
//! back: a call that is killed loses none, and two calls never choose the same one. It is known by its address on the
//! bus, as its link may be called anything and be anywhere.

mod card;
mod check;
mod config;
mod facts;
mod interrupts;
mod plan;
mod release;
mod status;

pub use card::{Card, Slot};
pub use check::check;
pub use config::SriovConfig;
pub use facts::Facts;
pub use plan::{SriovError, Wish, plan};
pub use status::status;
