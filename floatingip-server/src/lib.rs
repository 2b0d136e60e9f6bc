//! The floating-IP server.
