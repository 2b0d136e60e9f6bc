//! Staying, to write the kubeconfig again whenever the account has another token.

use std::io;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::AsFd as _;

use super::kubeconfig::Account;
use super::{InstallError, Node, Step, carry_out, lock, plan};

/// Between two looks at the account. A kubelet renews a token long before the former one ends.
const PAUSE: Duration = Duration::from_secs(1);

/// The signals that end this process in an orderly way.
#[derive(Debug)]
pub struct Ending(SignalFd);

impl Ending {
    /// From now on they do not end it at once. As the first process of a container it would not hear them at all.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn listen() -> io::Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
        signals.thread_block()?;
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?))
    }

    /// Is one there within a while?
    fn comes_within(&self, limit: Duration) -> io::Result<bool> {
        let mut signals = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        match poll(&mut signals, limit) {
            Ok(ready) => Ok(ready > 0),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Until one of the signals comes. What cannot be done is told once, and tried again: the node has the last
/// kubeconfig, and its token is good for a while.
///
/// # Errors
/// The kernel does not tell of signals.
pub fn keep(
    node: &Node,
    account: &Account,
    ending: &Ending,
    mut tell: impl FnMut(Result<&str, &str>),
) -> io::Result<()> {
    let mut last = None;
    while !ending.comes_within(PAUSE)? {
        match renew(node, account) {
            Ok(lines) => {
                last = None;
                lines.iter().for_each(|line| tell(Ok(line)));
            }
            // Another install is about to write the same.
            Err(InstallError::Busy(_)) => {}
            Err(error) => {
                let error = error.to_string();
                if last.as_ref() != Some(&error) {
                    tell(Err(&error));
                }
                last = Some(error);
            }
        }
    }
    Ok(())
}

fn renew(node: &Node, account: &Account) -> Result<Vec<String>, InstallError> {
    let kubeconfig = account.kubeconfig()?;
    if is_there(&node.kubeconfig(), &kubeconfig) {
        return Ok(Vec::new());
    }
    let _lock = lock(&node.bin)?;
    let steps = plan::renewal(node, kubeconfig)?;
    carry_out(&steps)?;
    Ok(steps.iter().filter_map(Step::told).collect())
}

/// Without the lock, which is taken only where there is something to do.
fn is_there(path: &Path, bytes: &[u8]) -> bool {
    std::fs::read(path).is_ok_and(|there| there == bytes)
}
