//! What real nodes are made of, in the folder of tools: kubelet, two versions of containerd, runc, and clients of them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::debian::{self, Apt};
use crate::go::{self, KUBERNETES, Program, Source};
use crate::tools;

const CONTAINERD: Source = Source {
    versions: &["github.com/containerd/containerd/v2/version.Version"],
    tags: "no_btrfs no_devmapper no_zfs no_aufs",
    cgo: false,
    ..Source::plain("github.com/containerd/containerd/v2", "/cmd/*")
};
const CRICTL: Source = Source {
    versions: &["sigs.k8s.io/cri-tools/pkg/version.Version"],
    cgo: false,
    ..Source::plain("sigs.k8s.io/cri-tools", "/cmd/*")
};
const CNITOOL: Source = Source {
    cgo: false,
    ..Source::plain("github.com/containernetworking/cni", "/*")
};

/// The quick ones first: who waits for a fault of the network or of Go need not wait long.
const PROGRAMS: &[Program] = &[
    program("cnitool", "1.3.1", &CNITOOL),
    program("crictl", "1.36.0", &CRICTL),
    program("containerd", "2.4.2", &CONTAINERD),
    program("containerd-shim-runc-v2", "2.4.2", &CONTAINERD),
    program("ctr", "2.4.2", &CONTAINERD),
    program("kubelet", "1.36.3", &KUBERNETES),
];

/// The release's own containerd, which many nodes have, and the runc that both versions of it call.
const PACKAGES: &[&str] = &["containerd", "runc", "libseccomp2"];
const UNPACKED: &[&str] = &["usr/bin/containerd", "usr/bin/ctr", "usr/sbin/runc"];
/// In the folder of those that were built.
const DEBIAN: &str = "debian-bookworm-1";

const fn program(name: &'static str, version: &'static str, source: &'static Source) -> Program {
    Program {
        name,
        version,
        source,
    }
}

/// Builds and fetches what is missing, and returns the folder with all of it.
pub(crate) fn ready() -> Result<PathBuf> {
    let folder = tools::folder()?.join(folder_name());
    std::fs::create_dir_all(&folder)?;
    let debian = folder.join("debian");
    if !debian.is_dir() {
        let why = "cannot fetch Debian's containerd and runc";
        debian::check_host().context(why)?;
        tools::placed_whole(&debian, fetch).context(why)?;
    }
    go::build_missing(&folder, PROGRAMS)?;
    Ok(folder)
}

/// `node-cnitool-1.3.1-crictl-1.36.0-…`: another version is another folder.
fn folder_name() -> String {
    let word = |program: &Program| {
        let project = program.name.split('-').next().unwrap_or(program.name);
        format!("{project}-{}", program.version)
    };
    let mut words: Vec<String> = PROGRAMS.iter().map(word).collect();
    words.dedup();
    format!("node-{DEBIAN}-{}", words.join("-"))
}

fn fetch(partial: &Path) -> Result<()> {
    let folder = partial.join("apt");
    let apt = Apt::prepare(&folder)?;
    apt.fetch_only(PACKAGES)?;
    for package in apt.fetched()? {
        debian::unpack(&package, partial)?;
    }
    std::fs::remove_dir_all(folder)?;
    for needed in UNPACKED {
        if !partial.join(needed).is_file() {
            bail!("the packages have no {needed}");
        }
    }
    Ok(())
}
