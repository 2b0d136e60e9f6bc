//! Where the programs are.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use floatingip_testkit::{Assets, Part};

/// What the control plane of the kubelets consists of.
const PARTS: &[Part] = &[
    Part::Etcd,
    Part::ApiServer,
    Part::Scheduler,
    Part::ControllerManager,
];

/// `require`: being skipped is a failure. `skip`: be skipped.
const MODE: &str = "FLOATINGIP_E2E";
/// The folder with kubelet, containerd and their clients, and in it another with what Debian's packages have.
const NODE_TOOLS: &str = "FLOATINGIP_NODE_TOOLS";
/// The folder with the specification's own plugins, of which containerd needs `loopback`.
const CNI_PLUGINS: &str = "FLOATINGIP_CNI_PLUGINS";
/// The folder with our own programs.
const PROGRAMS: &str = "FLOATINGIP_PROGRAMS";

/// All programs.
#[derive(Clone, Debug)]
pub(crate) struct Kit {
    node_tools: PathBuf,
    cni_plugins: PathBuf,
    programs: PathBuf,
    pub(crate) assets: Assets,
}

impl Kit {
    /// What `cargo xtask e2e-node` has made ready.
    pub(crate) fn find() -> Result<Self> {
        ensure!(!mode_is("skip"), "{MODE} is skip");
        Ok(Self {
            node_tools: folder(NODE_TOOLS)?,
            cni_plugins: folder(CNI_PLUGINS)?,
            programs: folder(PROGRAMS)?,
            assets: Assets::find(PARTS)?,
        })
    }

    /// A program that was built from its sources: kubelet, containerd 2, crictl, cnitool.
    pub(crate) fn built(&self, name: &str) -> PathBuf {
        self.node_tools.join(name)
    }

    /// A file of a package of Debian.
    pub(crate) fn debian(&self, path: &str) -> PathBuf {
        self.node_tools.join("debian").join(path)
    }

    /// A plugin that others have made.
    pub(crate) fn plugin(&self, name: &str) -> PathBuf {
        self.cni_plugins.join(name)
    }

    /// A program of this repository.
    pub(crate) fn ours(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }
}

/// Whether to be skipped is a failure.
pub(crate) fn is_required() -> bool {
    let in_ci = env::var_os("CI").is_some_and(|value| value == "true");
    mode_is("require") || (in_ci && !mode_is("skip"))
}

fn mode_is(mode: &str) -> bool {
    env::var_os(MODE).is_some_and(|value| value == mode)
}

fn folder(variable: &str) -> Result<PathBuf> {
    let folder = env::var_os(variable)
        .with_context(|| format!("{variable} is not set; run `cargo xtask e2e-node`"))?;
    if !Path::new(&folder).is_dir() {
        bail!(
            "{variable} names no folder: {}",
            Path::new(&folder).display()
        );
    }
    Ok(folder.into())
}
