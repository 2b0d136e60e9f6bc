//! floatingip-server, as the node asks it: for addresses of containers, of their ends, and to keep everybody from an
//! address that somebody else uses.
//!
//! HTTP/1.1, at a host and port or on a socket file; one connection for each question. Every question has a time limit
//! for all of it, and every answer an end to its length. Questions that may be repeated are, for a while: a server
//! that is started again is back within a second or two.

mod address;
mod api;
mod client;
mod error;

pub(crate) use address::optional;
pub use address::{ServerUrl, UrlError};
pub use api::{AttachRequest, Explained, Quarantine};
pub use client::Server;
pub(crate) use client::node_name;
pub use error::ServerError;
