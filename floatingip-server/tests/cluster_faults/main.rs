//! What must hold whatever happens: violations that are planted are told by `floatingip-server verify`, and a
//! server that is killed again and again leaves none, nor do several that follow each other.
//!
//! Each test has a control plane of its own; without its programs it says that it is skipped.

#[cfg(test)]
mod admission;
#[cfg(test)]
mod apps;
#[cfg(test)]
mod churn;
#[cfg(test)]
mod end;
#[cfg(test)]
mod gap;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod record;
#[cfg(test)]
mod replicas;
#[cfg(test)]
mod service;
#[cfg(test)]
mod shipped;
#[cfg(test)]
mod site;

#[cfg(test)]
const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// One control plane at a time: two on a small machine are late for everything.
#[cfg(test)]
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
