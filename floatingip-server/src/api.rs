//! The handlers, each: read the request, ask the backend, print the answer.

pub(crate) mod apps;
pub(crate) mod attachment;
pub(crate) mod documents;
mod dto;
pub(crate) mod error;
pub(crate) mod explain;
pub(crate) mod extract;
mod field;
pub(crate) mod guard;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod ip;
mod listing;
pub(crate) mod mark;
pub(crate) mod metrics;
mod params;
pub(crate) mod pool;
mod refused;
pub(crate) mod token;
