//! Debian's CNI plugins (`bridge`, `macvlan`, `host-local`, `portmap`, …) for tests beside our own, unpacked in the folder of tools.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::debian::{self, Apt};
use crate::tools;

/// What tells tests where the plugins are; whoever sets it uses his own, and nothing is fetched.
pub(crate) const VARIABLE: &str = "FLOATINGIP_CNI_PLUGINS";

/// In the folder's name: what an earlier version of this program left there is not taken for this one's.
const KEY: &str = "cni-plugins-bookworm-1";

/// The plugins run with this machine's C library. `portmap` calls iptables, which brings the libraries that a machine may lack.
const PACKAGES: &[&str] = &[
    "containernetworking-plugins",
    "iptables",
    "libip4tc2",
    "libip6tc2",
    "libmnl0",
    "libnftnl11",
    "libxtables12",
];

/// Where the package has the plugins.
const PLUGINS: &str = "usr/lib/cni";

/// The one program behind all names of iptables that speak nftables, which needs no module of old.
const IPTABLES: &str = "usr/sbin/xtables-nft-multi";

/// The folder with the plugins and with `iptables`, as it would be in `CNI_PATH` and in `PATH`; fetched on first use.
pub(crate) fn folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os(VARIABLE) {
        return Ok(folder.into());
    }
    let folder = tools::folder()?.join(KEY);
    if !folder.is_dir() {
        let why = || {
            format!("cannot fetch Debian's CNI plugins; name a folder that has them in {VARIABLE}")
        };
        debian::check_host().with_context(why)?;
        tools::placed_whole(&folder, fetch).with_context(why)?;
    }
    Ok(folder.join(PLUGINS))
}

fn fetch(partial: &Path) -> Result<()> {
    let folder = partial.join("apt");
    let apt = Apt::prepare(&folder)?;
    apt.fetch_only(PACKAGES)?;
    for package in apt.fetched()? {
        debian::unpack(&package, partial)?;
    }
    fs::remove_dir_all(folder)?;
    for needed in [&format!("{PLUGINS}/bridge"), IPTABLES] {
        if !partial.join(needed).is_file() {
            bail!("the packages have no {needed}");
        }
    }
    wrap_iptables(&partial.join(PLUGINS))
}

/// Beside the plugins, under the names that `portmap` calls, and with the libraries that were unpacked.
fn wrap_iptables(plugins: &Path) -> Result<()> {
    for name in ["iptables", "ip6tables"] {
        let wrapper = plugins.join(name);
        fs::write(&wrapper, wrapper_of(name))?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// It finds everything from its own place, as the folder is renamed when it is complete.
fn wrapper_of(name: &str) -> String {
    format!(
        r#"#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/../../..
libraries=$root/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH="$libraries" XTABLES_LIBDIR="$libraries/xtables"
exec "$root/{IPTABLES}" {name} "$@"
"#
    )
}
