//! The server on a real control plane: API server, scheduler and controllers are Kubernetes' own, the nodes are kwok's.
//!
//! One control plane and one server serve all tests, which run side by side: each has a namespace, nodes and addresses
//! of its own (a [`lot::Lot`]). What concerns a whole cluster, as the start of a server does, has a control plane to
//! itself. Without the programs of a control plane the suite says that it is skipped; see `docs/testing.md`.

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod configuration;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod lot;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod pool;
#[cfg(test)]
mod preempt;
#[cfg(test)]
mod reason;
#[cfg(test)]
mod record;
#[cfg(test)]
mod request;
#[cfg(test)]
mod seed;
#[cfg(test)]
mod start;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod table;
#[cfg(test)]
mod view;
#[cfg(test)]
mod wake;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    suite::main()
}

#[cfg(not(test))]
fn main() {}
