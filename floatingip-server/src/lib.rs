//! The floating-IP server.

pub mod config_file;
