//! The floating-IP server.

pub mod store;
