//! Floating IPs for pods: the whole logic, and nothing else. This crate performs no I/O, reads no
//! clock, starts no thread and needs no async runtime; time, randomness and identity are arguments.
#![forbid(unsafe_code)]

pub mod counted;
pub mod fact;
mod name;
pub mod owner;
pub mod plan;
mod policy;
pub mod query;
pub mod range;
pub mod record;
pub mod store;
mod time;

pub use fact::{Fact, World};
pub use name::{Name, PoolName, PoolNameError};
pub use owner::Owner;
pub use plan::Plan;
pub use policy::{ReleasePolicy, UnknownPolicy};
pub use record::Record;
pub use store::Store;
pub use time::{Now, WallTime};
