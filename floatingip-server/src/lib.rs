//! The floating-IP server.

mod api;
pub mod app;
pub mod backend;
