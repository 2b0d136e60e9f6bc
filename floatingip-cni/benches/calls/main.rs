//! What a call costs: CPU time of `ADD` and of `DEL`, of `galaxy-k8s-vlan` beside Debian's `bridge` and `macvlan` with `host-local`.
//!
//! Both connect containers in namespaces of their own, in turns, and the medians are printed with their ratios. The
//! CPU time is that of the process and of all that it started, user and system, as the kernel counts it; what the
//! kernel does later, as the removal of a namespace, is nobody's.
//!
//! Needs root, `ip`, and in `FLOATINGIP_CNI_PLUGINS` the folder with Debian's plugins (`apt-get download
//! containernetworking-plugins`, then `dpkg-deb -x`); without them it says that it is skipped, and fails under
//! `FLOATINGIP_NODE=require`.

#![expect(clippy::print_stdout, reason = "the table is what it is run for")]

mod cost;
mod node;
mod plugin;
mod space;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::{env, fs};

use cost::{Cost, median};
use node::Node;
use plugin::Plugin;

/// The folder with the plugins that ours are compared with.
const OTHERS: &str = "FLOATINGIP_CNI_PLUGINS";

/// `require`: being skipped is a failure.
const MODE: &str = "FLOATINGIP_NODE";

/// How a container is connected: by our field `switch`, and by the plugin of that name.
const KINDS: [&str; 2] = ["bridge", "macvlan"];

fn main() -> io::Result<()> {
    let others = match others() {
        Ok(others) => others,
        Err(reason) => return skipped(&reason),
    };
    if let Err(error) = space::Space::new() {
        return skipped(&format!("no network namespace can be made: {error}"));
    }
    let rounds = if is_short() { 1 } else { 51 };
    println!(
        "{:<34}{:>11}{:>11}{:>8}{:>11}{:>11}{:>8}{:>14}",
        "", "ADD, ms", "theirs", "ratio", "DEL, ms", "theirs", "ratio", "ADD by clock"
    );
    for kind in KINDS {
        for probes in [false, true] {
            let (ours, theirs) = compared(kind, probes, &others, rounds)?;
            print(kind, probes, &ours, &theirs);
        }
    }
    Ok(())
}

/// One after the other, so that what else the machine does meets both alike. The first round makes bridges, and is
/// not counted.
fn compared(
    kind: &str,
    probes: bool,
    others: &std::path::Path,
    rounds: usize,
) -> io::Result<(Vec<Calls>, Vec<Calls>)> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let ours = Side::new(Plugin::ours(kind, probes, folder.path())?)?;
    let theirs = Side::new(Plugin::debians(kind, others, folder.path()))?;
    let mut costs = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let pair = match round % 2 {
            0 => (ours.round()?, theirs.round()?),
            _ => {
                let theirs = theirs.round()?;
                (ours.round()?, theirs)
            }
        };
        if round > 0 {
            costs.0.push(pair.0);
            costs.1.push(pair.1);
        }
    }
    Ok(costs)
}

/// A plugin on a node of its own.
struct Side {
    node: Node,
    plugin: Plugin,
}

/// What one container cost.
struct Calls {
    add: Cost,
    del: Cost,
}

impl Side {
    fn new(plugin: Plugin) -> io::Result<Self> {
        let node = Node::new()?;
        Ok(Self { node, plugin })
    }

    fn round(&self) -> io::Result<Calls> {
        let container = space::Space::new()?;
        let call = |verb| self.plugin.call(verb, &self.node, &container);
        Ok(Calls {
            add: call("ADD")?,
            del: call("DEL")?,
        })
    }
}

fn print(kind: &str, probes: bool, ours: &[Calls], theirs: &[Calls]) {
    let asks = if probes { "asks first" } else { "does not ask" };
    let of = |calls: &[Calls], pick: fn(&Calls) -> f64| median(calls.iter().map(pick).collect());
    let add = |calls: &Calls| calls.add.cpu;
    let del = |calls: &Calls| calls.del.cpu;
    let clock = of(ours, |calls| calls.add.wall);
    println!(
        "{:<34}{:>11.2}{:>11.2}{:>8.2}{:>11.2}{:>11.2}{:>8.2}{:>14}",
        format!("{kind}, {asks}"),
        of(ours, add),
        of(theirs, add),
        of(ours, add) / of(theirs, add),
        of(ours, del),
        of(theirs, del),
        of(ours, del) / of(theirs, del),
        format!("{clock:.0}/{:.0} ms", of(theirs, |calls| calls.add.wall)),
    );
}

/// Cargo runs a benchmark with `--bench`; with `--test` only to see that it works.
fn is_short() -> bool {
    let has = |wanted: &str| env::args().any(|given| given == wanted);
    has("--test") || !has("--bench")
}

fn others() -> Result<PathBuf, String> {
    let folder = env::var_os(OTHERS).ok_or_else(|| format!("{OTHERS} is not set"))?;
    let folder = PathBuf::from(folder);
    for name in KINDS.into_iter().chain(["host-local"]) {
        let program = folder.join(name);
        fs::metadata(&program).map_err(|error| format!("{}: {error}", program.display()))?;
    }
    Ok(folder)
}

/// What is skipped must not look like what ran, and may not be skipped where somebody says so.
fn skipped(reason: &str) -> io::Result<()> {
    if env::var_os(MODE).is_some_and(|value| value == "require") {
        return Err(io::Error::other(format!("{MODE} is require, but {reason}")));
    }
    writeln!(
        io::stderr(),
        "\nSKIPPED: the costs of calls are not measured: {reason}\n"
    )
}
