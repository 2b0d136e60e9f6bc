//! The guest's file system.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::archive::Archive;
use super::guest::Guest;
use super::kernel::MODULES;
use super::parts::Parts;

/// The first program of the guest.
const INIT: &str = include_str!("init.sh");

/// Programs of packages, and what they are called in the guest. Only busybox needs no library.
const PROGRAMS: &[(&str, &str)] = &[("bin/ip", "bin/ip"), ("usr/bin/tcpdump", "bin/tcpdump")];
const BUSYBOX: &str = "bin/busybox";

/// The names that the plugins are called by.
const PLUGINS: &[&str] = &["galaxy-k8s-vlan", "galaxy-k8s-sriov"];

const MOUNT_POINTS: &[&str] = &["dev", "proc", "sys", "run", "tmp", "var/lib"];

/// The archive that the kernel unpacks.
pub(super) fn assemble(parts: &Parts, guest: &Guest, names: &[String]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for folder in MOUNT_POINTS {
        archive.folder(folder)?;
    }
    archive.link("var/run", "/run")?;
    archive.file("init", INIT.as_bytes())?;
    archive.file("etc/passwd", b"root:x:0:0::/:/bin/sh\n")?;
    archive.file("etc/modules", MODULES.join("\n").as_bytes())?;
    archive.file("etc/tests", arguments(names).as_bytes())?;
    for module in MODULES {
        put(
            &mut archive,
            &format!("modules/{module}.ko"),
            &parts.module(module),
        )?;
    }
    put(&mut archive, BUSYBOX, &parts.packaged(BUSYBOX))?;
    for (source, name) in PROGRAMS {
        put_with_libraries(&mut archive, parts, source, name)?;
    }
    put(&mut archive, "bin/vm-tests", &guest.tests)?;
    put(&mut archive, "opt/cni/bin/floatingip-cni", &guest.plugins)?;
    for name in PLUGINS {
        archive.link(&format!("opt/cni/bin/{name}"), "floatingip-cni")?;
    }
    archive.finish()
}

/// What the tests' program is called with, one a line.
fn arguments(names: &[String]) -> String {
    let mut lines = String::new();
    for name in names {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "{name}");
    }
    lines
}

fn put_with_libraries(
    archive: &mut Archive,
    parts: &Parts,
    source: &str,
    name: &str,
) -> Result<()> {
    put(archive, name, &parts.packaged(source))?;
    for library in parts.libraries(source)? {
        let name = parts.in_guest(&library)?.to_string_lossy().into_owned();
        put(archive, &name, &library)?;
    }
    Ok(())
}

fn put(archive: &mut Archive, name: &str, file: &Path) -> Result<()> {
    let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    archive.file(name, &content)
}
