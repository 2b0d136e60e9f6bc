//! A network namespace of a test's own. It ends with the value.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::time::{Duration, Instant};
use std::{io, thread};

use nix::sched::{CloneFlags, setns, unshare};

/// How long a packet may be on its way while all tests run side by side.
const LONGEST_WAY: Duration = Duration::from_secs(20);

/// A network namespace with its loopback switched on.
#[derive(Debug)]
pub(crate) struct Space(File);

impl Space {
    /// Makes one, if this process may.
    pub(crate) fn try_new() -> io::Result<Self> {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        let made = made
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a panic")));
        let space = Self(made?);
        space.ip("link set lo up");
        Ok(space)
    }

    pub(crate) fn new() -> Self {
        Self::try_new().expect("a namespace")
    }

    /// A path that leads to it from other processes, while this one lives.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    /// Runs `work` in it.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            setns(&self.0, CloneFlags::CLONE_NEWNET).expect("to enter");
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join().expect("the thread ends"))
    }

    /// What `ip` says there.
    #[track_caller]
    pub(crate) fn ip(&self, arguments: &str) -> String {
        let output = self.run(|| {
            Command::new("ip")
                .args(arguments.split_whitespace())
                .output()
        });
        let output = output.expect("ip");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "ip {arguments}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Links, addresses, routes and the settings of links, as one text to compare. Without what changes by itself.
    pub(crate) fn snapshot(&self) -> String {
        let mut lines: Vec<String> = self.ip("-o -d link").lines().map(without_timers).collect();
        for what in ["-o address", "-4 route", "-6 route"] {
            lines.extend(self.ip(what).lines().map(settled));
        }
        lines.extend(self.settings());
        lines.join("\n")
    }

    /// All settings of all links.
    fn settings(&self) -> Vec<String> {
        let listed = |folder: &Path| -> Vec<PathBuf> {
            let entries = fs::read_dir(folder).into_iter().flatten();
            entries
                .map(|entry| entry.expect("an entry").path())
                .collect()
        };
        self.run(|| {
            let links =
                ["ipv4", "ipv6"].map(|family| Path::new("/proc/sys/net").join(family).join("conf"));
            let links = links.iter().flat_map(|family| listed(family));
            let settings = links.flat_map(|link| listed(&link));
            let mut values: Vec<String> = settings
                .filter_map(|path| {
                    // Some have no value until somebody sets one.
                    let value = fs::read_to_string(&path).ok()?;
                    Some(format!("{} {}", path.display(), value.trim()))
                })
                .collect();
            values.sort();
            values
        })
    }

    /// The kernel takes its time to notice that a port has one.
    #[track_caller]
    pub(crate) fn await_carrier(&self, link: &str) {
        let since = Instant::now();
        while !self
            .ip(&format!("-o link show {link}"))
            .contains("LOWER_UP")
        {
            assert!(since.elapsed() < LONGEST_WAY, "{link} has no carrier");
        }
    }

    pub(crate) fn setting(&self, name: &str) -> String {
        let path = format!("/proc/sys/net/{name}");
        let text = self.run(|| fs::read_to_string(path)).expect("a setting");
        text.trim().to_owned()
    }

    pub(crate) fn set(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{name}");
        self.run(|| fs::write(path, value)).expect("a setting");
    }

    /// Does a packet get from here to `ip` of the other, and its answer back?
    pub(crate) fn reaches(&self, other: &Self, ip: &str) -> bool {
        let ip: IpAddr = ip.parse().expect("an address");
        let Ok(there) = other.run(|| UdpSocket::bind((ip, 0))) else {
            return false;
        };
        let any: IpAddr = match ip {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let here = self.run(|| UdpSocket::bind((any, 0))).expect("a socket");
        let to = there.local_addr().expect("its address");
        for socket in [&here, &there] {
            let limit = Duration::from_millis(700);
            socket.set_read_timeout(Some(limit)).expect("a limit");
        }
        let since = Instant::now();
        let mut last = None;
        while since.elapsed() < LONGEST_WAY {
            match echoed(&here, &there, to) {
                Ok(()) => return true,
                Err(error) => last = Some(error),
            }
        }
        let (ours, theirs) = (self.ip("neighbour"), other.ip("neighbour"));
        eprintln!("no packet came to {to} and back: {last:?}\n{ours}\n{theirs}");
        false
    }
}

fn echoed(here: &UdpSocket, there: &UdpSocket, to: std::net::SocketAddr) -> io::Result<()> {
    let mut bytes = [0; 16];
    here.send_to(b"question", to)?;
    let (_, from) = there.recv_from(&mut bytes)?;
    there.send_to(b"answer", from)?;
    here.recv_from(&mut bytes).map(drop)
}

/// Two snapshots are the same; only the lines that differ are told.
#[track_caller]
pub(crate) fn assert_same(now: &str, before: &str, moment: &str) {
    let only = |these: &str, others: &str| -> Vec<String> {
        let lines = these
            .lines()
            .filter(|line| !others.lines().any(|it| it == *line));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(only(now, before), only(before, now), "{moment}");
    assert_eq!(now, before, "{moment}: in another order");
}

/// A line of `ip -d link` without timers.
fn without_timers(line: &str) -> String {
    let words = line
        .split_whitespace()
        .filter(|word| !word.contains("timer") && !word.contains('.'));
    let counts = |word: &&str| word.parse::<f64>().is_err();
    words.filter(counts).collect::<Vec<_>>().join(" ")
}

/// A line about an address or a route, without what the kernel is still finding out, and without the flag that it does
/// not have to: addresses are put back with it, so that they answer at once.
fn settled(line: &str) -> String {
    let words = line.split_whitespace();
    let passing = ["tentative", "linkdown", "nodad"];
    let lasts = |word: &&str| !passing.contains(word) && !word.ends_with("sec");
    words.filter(lasts).collect::<Vec<_>>().join(" ")
}
