//! A child process with an end: to its time, and to what it may say.

use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// More than any result has: bytes of standard output.
pub(super) const LONGEST_ANSWER: usize = 1024 * 1024;
/// How much of standard error is kept: its end.
const KEPT_COMPLAINT: usize = 2048;
/// How long the kernel is given to end a process that was killed.
const DEATH: Duration = Duration::from_secs(1);

/// Until when something has to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    end: Instant,
    length: Duration,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// By itself, or by somebody else's signal.
    Exit(ExitStatus),
    /// The time was over; it and its group were killed.
    TooSlow,
    /// It said too much; it and its group were killed.
    TooLong,
}

/// What became of a process.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Limit {
    /// From now on.
    pub fn starting_now(length: Duration) -> Self {
        // A time that the clock does not have is later than any plugin lives.
        let now = Instant::now();
        let end = now.checked_add(length).unwrap_or(now);
        Self { end, length }
    }

    /// The earlier one of this and a time from now: for one of several things that have a limit together.
    #[must_use]
    pub fn at_most(self, length: Duration) -> Self {
        let own = Self::starting_now(length);
        if own.end < self.end { own } else { self }
    }

    /// A fair share of what is left, for one of `among` things that are still to be done.
    #[must_use]
    pub fn share(self, among: usize) -> Self {
        let among = u32::try_from(among).unwrap_or(u32::MAX).max(1);
        self.at_most(self.left() / among)
    }

    /// What is left of it.
    pub fn left(self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    pub(crate) fn length(self) -> Duration {
        self.length
    }
}

impl Ended {
    /// The end of what it wrote to standard error, for people.
    pub(super) fn complaint(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim().to_owned()
    }
}

/// Runs a command in a process group of its own, gives it `input`, and takes what it says. What its own children
/// still say once it has ended is not waited for.
pub(super) fn run(mut command: Command, input: &[u8], within: Limit) -> io::Result<Ended> {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.process_group(0).spawn()?;
    let mut talk = match Talk::with(&mut child, input) {
        Ok(talk) => talk,
        Err(error) => {
            let _ = kill(&child);
            return Err(error);
        }
    };
    let ended = talk.until_the_end(within);
    let outcome = match ended {
        Ok(None) => Outcome::Exit(child.wait()?),
        Ok(Some(outcome)) => {
            talk.end(&mut child)?;
            outcome
        }
        Err(error) => {
            talk.end(&mut child)?;
            return Err(error);
        }
    };
    Ok(Ended {
        outcome,
        stdout: talk.answer,
        stderr: talk.complaint,
    })
}

fn kill(child: &Child) -> io::Result<()> {
    let group = Pid::from_child(child);
    match kill_process_group(group, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The pipes of a child, none of which is ever waited for alone.
struct Talk<'a> {
    child: OwnedFd,
    input: &'a [u8],
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    answer: Vec<u8>,
    complaint: Vec<u8>,
}

impl<'a> Talk<'a> {
    fn with(child: &mut Child, input: &'a [u8]) -> io::Result<Self> {
        let talk = Self {
            child: pidfd_open(Pid::from_child(child), PidfdFlags::empty())?,
            input,
            stdin: child.stdin.take(),
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            answer: Vec::new(),
            complaint: Vec::new(),
        };
        let pipes = [
            talk.stdin.as_ref().map(AsFd::as_fd),
            talk.stdout.as_ref().map(AsFd::as_fd),
            talk.stderr.as_ref().map(AsFd::as_fd),
        ];
        for pipe in pipes.into_iter().flatten() {
            ioctl_fionbio(pipe, true)?;
        }
        Ok(talk)
    }

    /// None: it has ended by itself.
    fn until_the_end(&mut self, within: Limit) -> io::Result<Option<Outcome>> {
        loop {
            let left = within.left();
            if left.is_zero() {
                return Ok(Some(Outcome::TooSlow));
            }
            let has_ended = self.wait(left)?;
            self.say()?;
            self.hear()?;
            if self.answer.len() > LONGEST_ANSWER {
                return Ok(Some(Outcome::TooLong));
            }
            // All that it said itself was in the pipes before.
            if has_ended {
                return Ok(None);
            }
        }
    }

    /// Until something happens. Has the child ended?
    fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let mut fds = vec![PollFd::new(&self.child, PollFlags::IN)];
        let reads = [
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        let reads = reads.into_iter().flatten();
        fds.extend(reads.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        fds.extend(self.stdin.iter().map(|fd| PollFd::new(fd, PollFlags::OUT)));
        let limit = Timespec::try_from(at_most).map_err(io::Error::other)?;
        match poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(fds.first().is_some_and(|child| !child.revents().is_empty()))
    }

    /// Gives it what it still takes of the input, and closes the pipe behind that.
    fn say(&mut self) -> io::Result<()> {
        let Some(stdin) = self.stdin.as_mut() else {
            return Ok(());
        };
        match stdin.write(self.input) {
            Ok(written) => self.input = self.input.get(written..).unwrap_or_default(),
            // It need not read everything.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.input = &[],
            Err(error) if is_later(&error) => {}
            Err(error) => return Err(error),
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
        Ok(())
    }

    fn hear(&mut self) -> io::Result<()> {
        if drain(self.stdout.as_mut(), &mut self.answer, LONGEST_ANSWER + 1)? {
            self.stdout = None;
        }
        if drain(self.stderr.as_mut(), &mut self.complaint, usize::MAX)? {
            self.stderr = None;
        }
        let surplus = self.complaint.len().saturating_sub(KEPT_COMPLAINT);
        self.complaint.drain(..surplus);
        Ok(())
    }

    /// Kills it with its group. Where the kernel cannot end it in time it is left to that.
    fn end(&self, child: &mut Child) -> io::Result<()> {
        kill(child)?;
        let mut fds = [PollFd::new(&self.child, PollFlags::IN)];
        let limit = Timespec::try_from(DEATH).map_err(io::Error::other)?;
        if poll(&mut fds, Some(&limit)) == Ok(1) {
            child.wait()?;
        }
        Ok(())
    }
}

/// One round of what a pipe has; a busy writer gets no more. Is it at its end?
fn drain(pipe: Option<&mut impl Read>, into: &mut Vec<u8>, longest: usize) -> io::Result<bool> {
    const ROUND: usize = 64 * 1024;
    let Some(pipe) = pipe else { return Ok(false) };
    let room = longest.saturating_sub(into.len()).min(ROUND);
    let until = into.len() + room;
    let mut buffer = [0; 4096];
    while into.len() < until {
        let part = buffer.len().min(until - into.len());
        match pipe.read(buffer.get_mut(..part).unwrap_or_default()) {
            Ok(0) => return Ok(true),
            Ok(read) => into.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if is_later(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn is_later(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}
