//! A machine of its own: network, mounts and processes apart from those of the machine that it runs on.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use floatingip_testkit::process::Launch;
use floatingip_testkit::{Process, eventually};
use tempfile::TempDir;

use crate::command;
use crate::lan::Lan;

/// The machine's link to the network.
pub(crate) const DEVICE: &str = "eth0";

const LIMIT: Duration = Duration::from_secs(30);

/// The first process of the machine: while it runs, the machine is there, and when it ends, all others are killed.
///
/// A kubelet wants three settings that are the whole host's. It only writes them where they differ, so that it is let read what it
/// wants. Namespaces of pods are mounts, which have to reach those who look from elsewhere.
const INIT: &str = r#"
set -e
for folder in /run /var/lib /var/log; do mount -t tmpfs none "$folder"; done
mkdir /run/netns
mount --bind /run/netns /run/netns
mount --make-shared /run/netns
wanted() { echo "$2" >"$1"; mount --bind "$1" "$3"; }
wanted one 1 /proc/sys/vm/overcommit_memory
wanted ten 10 /proc/sys/kernel/panic
wanted one 1 /proc/sys/kernel/panic_on_oops
ip link set lo up
echo ready
sleep infinity & wait
"#;

/// A machine. It ends with the value, with all that runs on it.
#[derive(Debug)]
pub(crate) struct Machine {
    // Dropped in this order: what writes before where it writes to.
    init: Process,
    first: u32,
    folder: TempDir,
}

impl Machine {
    /// Starts one without a link to any network.
    pub(crate) async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("floatingip-e2e-")
            .tempdir()?;
        let launch = Launch::new("unshare", folder.path().join("init.log"))
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "--wd"])
            .arg(folder.path())
            .args(["sh", "-c", INIT]);
        let init = Process::start(launch)?;
        let first = eventually(LIMIT, "a machine", || async {
            if init.ended()?.is_some() {
                return Ok(init.check_running().map(|()| 0));
            }
            ensure!(init.log().contains("ready"), "{}", init.log_tail(5));
            Ok(only_child(init.pid().context("it has ended")?))
        })
        .await??;
        Ok(Self {
            init,
            first,
            folder,
        })
    }

    /// Links it to a network, at the address that ends in `last`, with the default route.
    pub(crate) async fn join(&self, lan: &Lan, last: u8) -> Result<()> {
        lan.plug(self.first, DEVICE)?;
        self.ip(&format!(
            "address add {}/24 dev {DEVICE}",
            lan.address(last)
        ))
        .await?;
        self.ip(&format!("link set {DEVICE} up")).await?;
        let route = format!("route add default via {}", lan.gateway());
        self.ip(&route).await.map(drop)
    }

    /// The same with a hardware address of one's choice.
    pub(crate) async fn join_as(&self, lan: &Lan, last: u8, mac: &str) -> Result<()> {
        self.join(lan, last).await?;
        let change = format!("link set {DEVICE} address {mac}");
        self.ip(&change).await.map(drop)
    }

    /// Leaves the network, and is not there any more when this returns.
    pub(crate) async fn leave(&self) -> Result<()> {
        let down = format!("link set {DEVICE} down");
        self.ip(&down).await.map(drop)
    }

    /// Where the files of the machine are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A file or a folder of the machine.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a folder of the machine.
    pub(crate) fn make_folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// A program that is started on the machine.
    pub(crate) fn launch(&self, program: &Path, log: &Path) -> Launch {
        Launch::new("nsenter", log)
            .args(["--target", &self.first.to_string()])
            .args(["--mount", "--net", "--pid", "--"])
            .arg(program)
    }

    /// Runs a program on the machine, and returns what it printed.
    pub(crate) async fn run(&self, words: &[&str]) -> Result<String> {
        let (program, arguments) = words.split_first().context("no program")?;
        let launch = |log: &Path| self.launch(Path::new(program), log).args(arguments.iter());
        command::run(self.folder(), launch).await
    }

    /// What `ip` prints on the machine.
    pub(crate) async fn ip(&self, arguments: &str) -> Result<String> {
        let words: Vec<&str> = ["ip"]
            .into_iter()
            .chain(arguments.split_whitespace())
            .collect();
        self.run(&words).await
    }
}

impl Drop for Machine {
    /// Returns when all processes have ended, so that nobody writes any more to where they did.
    fn drop(&mut self) {
        // What cannot be killed now is killed by its guard.
        let _ = self.init.kill();
        let since = Instant::now();
        while runs(self.first) && since.elapsed() < LIMIT {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The first process of a machine is the last to end; nobody may have asked for its end yet, and it then is a zombie (`Z`).
fn runs(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// `unshare` waits for the one process that it has started.
fn only_child(parent: u32) -> Result<u32> {
    let children = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(&children).with_context(|| format!("no {children}"))?;
    let first = children.split_whitespace().next();
    first.context("no child")?.parse().context("no number")
}
