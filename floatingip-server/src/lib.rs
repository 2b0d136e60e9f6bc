//! The floating-IP server: the embedded store, configuration files, the HTTP API, the standalone mode.

pub mod config_file;
pub mod store;
