//! `cargo xtask vm-test`: tests of `floatingip-cni` in a virtual machine that has what this machine's kernel may lack: VLANs, ipvlan,
//! and network cards with virtual functions.
//!
//! The machine is emulated, so that it needs neither `/dev/kvm` nor more rights than to run a program. Nothing is installed.

mod archive;
mod guest;
mod image;
mod kernel;
mod machine;
mod parts;
mod verdict;

use anyhow::Result;

use crate::tally::Tally;
use crate::workspace::Workspace;

/// Boots the machine and runs in it the tests whose names contain one of `names`, or all of them.
///
/// # Errors
/// When parts cannot be had, the machine does not come to its end by itself, a test fails, or none ran.
pub(crate) fn run(workspace: &Workspace, names: &[String]) -> Result<Tally> {
    let parts = parts::Parts::ready()?;
    let guest = guest::Guest::build(workspace)?;
    let image = workspace.target.join("vm.cpio");
    std::fs::write(&image, image::assemble(&parts, &guest, names)?)?;
    verdict::of(&machine::boot(&parts, &image)?)
}
