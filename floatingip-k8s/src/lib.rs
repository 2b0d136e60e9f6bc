//! Kubernetes adapter of `floatingip-core`: cluster objects become facts, plans become conditional
//! writes on custom resources, and the scheduler's questions become decisions.
//!
//! Nothing is decided here: every decision is core's. This crate knows no HTTP framework, so that the
//! extender's verbs can be served by any.

pub mod annotation;
pub mod crd;
pub mod event;
pub mod extender;
pub mod index;
pub mod lease;
pub mod life;
pub mod object;
pub mod request;
pub mod store;
pub mod verify;
pub mod waiting;
