//! The emulated machine: two network cards of Intel's 82576 kind, which have virtual functions, on one wire.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::parts::Parts;
use crate::process::{self, Printed};

/// How long it may take from power on to the end, with other builds on the same processors.
const SECONDS: u32 = 420;

/// Tests that would do harm on a real host look for the last word.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 panic=-1 quiet loglevel=3 floatingip.vm-test";

/// Boots the machine and shows its console until it ends. `timeout` ends it also when this program does not.
pub(super) fn boot(parts: &Parts, image: &Path) -> Result<Printed> {
    let mut command = Command::new("timeout");
    command.args(["--foreground", "--kill-after=5", &SECONDS.to_string()]);
    let qemu = command_line(parts, image);
    command.arg(qemu.get_program()).args(qemu.get_args());
    process::run_and_keep(command.stdin(Stdio::null()))
}

fn command_line(parts: &Parts, image: &Path) -> Command {
    let mut qemu = parts.qemu();
    qemu.args(["-nodefaults", "-no-user-config", "-no-reboot"]);
    qemu.args(["-display", "none", "-serial", "stdio", "-nic", "none"]);
    qemu.args(["-machine", "q35,accel=tcg", "-cpu", "max,la57=off"]);
    qemu.args(["-smp", "1", "-m", "512"]);
    qemu.arg("-kernel").arg(parts.kernel());
    qemu.arg("-initrd").arg(image);
    qemu.args(["-append", KERNEL_ARGUMENTS]);
    qemu.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
    for card in 1..=2 {
        qemu.args(["-netdev", &format!("hubport,id=wire{card},hubid=0")]);
        qemu.args([
            "-device",
            &format!("pcie-root-port,id=slot{card},chassis=1,slot={card}"),
        ]);
        let card = format!("igb,netdev=wire{card},bus=slot{card},mac=52:54:00:00:00:0{card}");
        qemu.args(["-device", &card]);
    }
    qemu
}
