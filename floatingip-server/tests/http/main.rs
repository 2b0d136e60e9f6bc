//! The HTTP API over a scripted backend: requests in, bytes and calls out. No port is opened.

mod documents;
mod edge;
mod list;
mod pool;
mod release;
mod support;
