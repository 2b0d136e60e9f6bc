//! Floating IPs for pods: the whole logic, and nothing else. This crate performs no I/O, reads no
//! clock, starts no thread and needs no async runtime; time, randomness and identity are arguments.
//!
//! A pod gets an address of the data-centre network and keeps it as long as its [`ReleasePolicy`]
//! says: through restarts, moves and upgrades, even the deletion of its app. An address has at most
//! one owner at every instant, whatever crashes or races; `docs/design.md` in the repository names
//! this and the other invariants, and argues them case by case.
//!
//! # How it works
//!
//! Every change takes three steps. The [`Engine`] *decides*: it returns a [`Plan`] of conditional
//! writes and holds their addresses. A [`Store`] *writes* them and says, record by record, what
//! became of them. The engine *settles* the plan by those answers, once. The example of [`Engine`]
//! goes once through these steps.
//!
//! The engine is a synchronous state machine, meant to live behind one short lock that is never
//! kept over I/O. [`Orchestrator`] does the three steps for you with any store, timer and async
//! runtime: it repeats writes whose outcome is not certain, and decides anew when others were
//! quicker. Those who have a loop of their own use the engine alone.
//!
//! What the outside has to bring: a [`Store`] ([`memory::MemoryStore`] is one), a [`World`] that
//! tells facts about pods, apps and nodes ([`fact::UnknownWorld`] knows none, so nothing is
//! released on suspicion), and the time as [`Now`].
//!
//! # A tour
//!
//! - [`config`] reads the JSON that operators write, with all its faults at once, into a
//!   [`Topology`]: the subnets, and which nodes may use them. [`range`](mod@range) has the sets of
//!   addresses.
//! - [`workload`] and [`annotation`] turn what made a pod and what is written on it into a slot, a
//!   policy and wishes; [`request::PodRequest`] is what comes of it. A [`refusal::Refusal`] says
//!   why it cannot be served, as data.
//! - [`owner`], [`record`] and [`plan`] are what is kept and written; [`key`] is its form in the
//!   custom resources of tkestack/galaxy, both ways.
//! - [`engine`] decides; [`query`] asks for pages of what it has, which [`counted`] finds by
//!   position in logarithmic time.
//! - With the feature `testing`: a module of that name with the contract that every store must
//!   pass, and a store that fails on purpose.
#![forbid(unsafe_code)]

pub mod annotation;
pub mod config;
pub mod counted;
pub mod engine;
pub mod fact;
pub mod failure;
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
pub mod times;
pub mod topology;
pub mod watermark;
pub mod workload;

pub use config::Config;
pub use engine::Engine;
pub use fact::{Fact, World};
pub use failure::Failure;
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
