//! The plugins in the hands of those that call them on real nodes: cnitool, containerd by itself, and kubelets in a cluster whose
//! addresses our server gives.
//!
//! The program leaves the machine's network first: all that a test makes, and each of its nodes, is in namespaces that end with
//! it. It needs root and the programs that `cargo xtask e2e-node` makes ready; without them it says that it is skipped, and fails
//! under `FLOATINGIP_E2E=require` and where `CI` is `true`.

#[cfg(test)]
mod cgroup;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod cnitool;
#[cfg(test)]
mod command;
#[cfg(test)]
mod containerd;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod image;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod kubelet;
#[cfg(test)]
mod lan;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod node;
#[cfg(test)]
mod product;
#[cfg(test)]
mod resident;
#[cfg(test)]
mod sandbox;
#[cfg(test)]
mod suite;

#[cfg(test)]
fn main() -> std::process::ExitCode {
    suite::main()
}

#[cfg(not(test))]
fn main() {}
