//! The floating-IP server: configuration files, the embedded store, the HTTP API and the standalone
//! mode that puts them together.

mod api;
pub mod app;
pub mod backend;
pub mod config_file;
pub mod store;
