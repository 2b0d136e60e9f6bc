//! Kubernetes adapter of `floatingip-core`: cluster objects become facts, plans become conditional
//! writes on custom resources, and the scheduler's questions become decisions.
//!
//! Nothing is decided here: every decision is core's. This crate knows no HTTP framework, so that the
//! extender's verbs can be served by any. `floatingip-server kubernetes` is the program that puts all of
//! it together; `docs/design.md` in the repository argues why it is as it is.
//!
//! # How it works
//!
//! Three things come from the API server. Pods, nodes and apps go into the [`index`], which core asks as
//! its `World`. FloatingIP and Pool objects are the records: [`store::CrdStore`] loads and writes them, and
//! a [`store::Follower`] tells what others write. The configuration is the caller's to bring, as a
//! `Topology`.
//!
//! The scheduler asks the [`extender`]. Filter claims, bind allocates: the record is written first, and
//! then one request binds the pod and names its addresses. Pods that no node would do for are in
//! [`waiting`], and are woken when there may be room. What ends is seen by the index and carried out by
//! [`life`], by events soon, and by a survey in any case.
//!
//! Several processes may run. A [`lease`] says which one decides, and opens the [`store::Gate`], without
//! which nothing is written. Compare-and-swap keeps an address with one owner even if two believe that they
//! lead.
//!
//! # A tour
//!
//! - [`object`] has cluster objects, trimmed while they are read; [`index`] keeps them, and
//!   [`index::watch`] feeds it. What is not certain is `Unknown`, and frees nothing.
//! - [`request`] turns a pod of the index into what core is asked for it.
//! - [`crd`] has the custom resources, their definitions, and records as galaxy writes them; [`store`]
//!   writes them, one request for each.
//! - [`extender`] answers filter, prioritize, bind and preempt; [`extender::wire`] reads and writes their
//!   JSON as Go does.
//! - [`waiting`], [`life`], [`lease`] and [`event`] are what goes on in the background, each by a `run` that the
//!   caller spawns.
//! - [`annotation`] has the names of what this crate itself reads and writes.
//!
//! # Example
//!
//! Which nodes will do for a pod, as an HTTP handler would answer the scheduler:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use floatingip_core::engine::Settings;
//! use floatingip_core::orchestrator::{self, Orchestrator};
//! use floatingip_core::{Timer, Topology};
//! use floatingip_k8s::event::Reporter;
//! use floatingip_k8s::extender::wire::Args;
//! use floatingip_k8s::extender::{Extender, Limits};
//! use floatingip_k8s::index::{SharedIndex, watch};
//! use floatingip_k8s::store::{CrdStore, Gate, StoreOptions};
//! use floatingip_k8s::waiting::Waiting;
//!
//! # async fn example(topology: Topology, timer: impl Timer, body: &[u8]) -> anyhow::Result<()> {
//! let client = kube::Client::try_default().await?;
//! let index = SharedIndex::default();
//! tokio::spawn(watch::run(client.clone(), index.clone()));
//!
//! // Here one process alone writes. Of several, `lease::Elector` opens the gate of one.
//! let gate = Gate::open();
//! let store = CrdStore::new(client.clone(), StoreOptions::default(), gate.clone());
//! let settings = Settings {
//!     incarnation: fastrand::u64(..),
//!     shared_store: true,
//!     ..Settings::default()
//! };
//! let limits = orchestrator::Limits::default();
//! let core = Orchestrator::start(settings, topology, store, timer, index.clone(), limits).await?;
//! let topology = Arc::clone(core.engine().topology());
//! index.write().set_topology(topology);
//!
//! let (reporter, publisher) = Reporter::new(client.clone(), "example".to_owned());
//! tokio::spawn(publisher.run());
//! let (core, waiting) = (Arc::new(core), Waiting::default());
//! let extender = Extender::new(core, client, gate, reporter, waiting, Limits::default());
//!
//! let args = Args::read(body)?;
//! let answer = extender.filter(&args);
//! println!("{}", serde_json::to_string(&answer)?);
//! # Ok(())
//! # }
//! ```

pub mod annotation;
pub mod causes;
pub mod crd;
pub mod event;
pub mod extender;
pub mod index;
pub mod lease;
pub mod life;
pub mod object;
pub mod pool;
pub mod request;
#[cfg(test)]
mod scripted;
pub mod store;
pub mod verify;
pub mod waiting;
