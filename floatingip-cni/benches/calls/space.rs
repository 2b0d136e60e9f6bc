//! A network namespace that ends with the value.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::process::{self, Command};
use std::{io, thread};

use nix::sched::{CloneFlags, setns, unshare};

pub(crate) struct Space(File);

impl Space {
    pub(crate) fn new() -> io::Result<Self> {
        let made = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        });
        Ok(Self(ended(made.join())?))
    }

    /// A path that leads to it from other processes.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    /// Runs `work` in it.
    pub(crate) fn run<T: Send>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        let inside = || {
            setns(&self.0, CloneFlags::CLONE_NEWNET)?;
            work()
        };
        thread::scope(|scope| ended(scope.spawn(inside).join()))
    }

    pub(crate) fn ip(&self, arguments: &str) -> io::Result<()> {
        let status = self.run(|| {
            let mut ip = Command::new("ip");
            ip.args(arguments.split_whitespace()).status()
        })?;
        match status.success() {
            true => Ok(()),
            false => Err(io::Error::other(format!("ip {arguments}"))),
        }
    }
}

fn ended<T>(joined: thread::Result<io::Result<T>>) -> io::Result<T> {
    joined.unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
}
