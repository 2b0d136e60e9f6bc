//! Tests that need VLANs, ipvlan, or a network card with virtual functions, in a virtual machine that has two such cards on one
//! wire. `cargo xtask vm-test` boots it and runs them there; anywhere else they are ignored.
//!
//! A test has a [`Scene`](scene::Scene) to itself, which is taken down at its end. `links` and `functions` show that the machine
//! itself does what the tests of the plugins build on: where they fail too, the machine is at fault.

#![expect(
    clippy::unwrap_used,
    reason = "a test harness that is wrong has to fail"
)]

mod functions;
mod lent;
mod links;
mod plugin;
mod process;
mod scene;
mod sriov;
mod sriov_undo;
mod vlan;
mod wire;
