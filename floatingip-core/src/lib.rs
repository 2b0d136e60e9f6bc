//! Floating IPs for pods: the whole logic, and nothing else. This crate performs no I/O, reads no
//! clock, starts no thread and needs no async runtime; time, randomness and identity are arguments.
#![forbid(unsafe_code)]

pub mod annotation;
pub mod config;
pub mod counted;
pub mod engine;
pub mod fact;
pub mod key;
pub mod memory;
mod name;
pub mod orchestrator;
pub mod owner;
pub mod plan;
mod policy;
pub mod query;
pub mod range;
pub mod record;
pub mod refusal;
pub mod request;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;
pub mod topology;
pub mod workload;

pub use config::Config;
pub use engine::Engine;
pub use fact::{Fact, World};
pub use name::{Name, PoolName, PoolNameError};
pub use orchestrator::{Orchestrator, Timer};
pub use owner::Owner;
pub use plan::Plan;
pub use policy::{ReleasePolicy, UnknownPolicy};
pub use range::{Family, IpRange, RangeSet};
pub use record::Record;
pub use store::Store;
pub use time::{Now, WallTime};
pub use topology::Topology;
