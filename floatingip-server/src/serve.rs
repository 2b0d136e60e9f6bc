//! Serving: where connections come from, what they may take, and what the process is told from outside.
//! The same for every mode of the server.

pub(crate) mod connection;
pub(crate) mod listen;
pub(crate) mod signals;
pub(crate) mod writers;
