//! A program that runs beside the test, and that ends with it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::eventually;

/// What is started: a program, its arguments, and where its output goes.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log: PathBuf,
}

impl Launch {
    /// A program whose standard output and error are appended to the file `log`.
    pub fn new(program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            log: log.into(),
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// An argument of the form `--name=value`.
    #[must_use]
    pub fn flag(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut flag = OsString::from(format!("--{name}="));
        flag.push(value);
        self.arg(flag)
    }

    /// One more variable of its environment.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    fn command(&self) -> Result<Command> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().cloned());
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        // A signal from the terminal reaches the test alone, which then takes its processes along.
        command.process_group(0);
        Ok(command)
    }
}

/// A process with a group of its own; killed when dropped, and also when the test is killed.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Running { child: Child, guard: Guard },
    Ended(ExitStatus),
}

impl Process {
    /// Starts it, and waits for nothing.
    ///
    /// # Errors
    /// The program cannot be started, or its log not be written.
    pub fn start(launch: Launch) -> Result<Self> {
        let state = Mutex::new(State::start(&launch)?);
        Ok(Self { launch, state })
    }

    /// Starts it again, with the same arguments and the same log; what still runs is killed before.
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn restart(&self) -> Result<()> {
        let mut state = self.lock();
        state.kill()?;
        *state = State::start(&self.launch)?;
        Ok(())
    }

    /// Ends it as a power cut does, and returns when it is gone.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&self) -> Result<()> {
        self.lock().kill()
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It has not ended within the limit.
    pub async fn terminate(&self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait(limit).await
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// It has not ended within the limit.
    pub async fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("end of {}", self.name());
        eventually(limit, &what, || async {
            self.ended()?.context("it is still running")
        })
        .await
    }

    /// Holds it where it is, as a debugger or an overloaded host does.
    ///
    /// # Errors
    /// It has ended.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`pause`](Self::pause).
    ///
    /// # Errors
    /// It has ended.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let state = self.lock();
        let State::Running { child, .. } = &*state else {
            bail!("{} has ended already", self.name());
        };
        Ok(kill_process_group(Pid::from_child(child), signal)?)
    }

    /// How it ended; none while it runs.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        self.lock().ended()
    }

    /// Fails once it has ended, with the end of its log.
    ///
    /// # Errors
    /// It has ended.
    pub fn check_running(&self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!(
                "{} has ended with {status}:\n{}",
                self.name(),
                self.log_tail(20)
            );
        }
        Ok(())
    }

    /// Its id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        match &*self.lock() {
            State::Running { child, .. } => Some(child.id()),
            State::Ended(_) => None,
        }
    }

    /// The name of its program.
    pub fn name(&self) -> String {
        let name = self.launch.program.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Where its output goes.
    pub fn log_path(&self) -> &Path {
        &self.launch.log
    }

    /// All that it has printed, over all its starts.
    pub fn log(&self) -> String {
        let printed = fs::read(&self.launch.log).unwrap_or_default();
        String::from_utf8_lossy(&printed).into_owned()
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let skipped = log.lines().count().saturating_sub(lines);
        log.lines().skip(skipped).collect::<Vec<_>>().join("\n")
    }

    /// The lines of the log that name something, for the text of a failure.
    pub fn log_about(&self, text: &str) -> String {
        let log = self.log();
        let lines = log.lines().filter(|line| line.contains(text));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nobody is left to be told; what cannot be killed now is killed by its guard.
        let _ = self.lock().kill();
    }
}

impl State {
    fn start(launch: &Launch) -> Result<Self> {
        let child = launch.command()?.spawn();
        let mut child =
            child.with_context(|| format!("cannot start {}", launch.program.display()))?;
        match Guard::over(&child) {
            Ok(guard) => Ok(Self::Running { child, guard }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        match self {
            Self::Ended(status) => Ok(Some(*status)),
            Self::Running { child, guard } => {
                let Some(status) = child.try_wait()? else {
                    return Ok(None);
                };
                guard.dismiss()?;
                *self = Self::Ended(status);
                Ok(Some(status))
            }
        }
    }

    fn kill(&mut self) -> Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        if let Self::Running { child, guard } = self {
            kill_process_group(Pid::from_child(child), Signal::KILL)?;
            let status = child.wait()?;
            guard.dismiss()?;
            *self = Self::Ended(status);
        }
        Ok(())
    }
}

/// A shell that waits for the end of this process, however it comes, and then kills the other one's group: its input
/// is a pipe that nobody writes to, and that closes with this process.
///
/// `PR_SET_PDEATHSIG` would be tied to the thread that started the child, and threads of a runtime come and go.
#[derive(Debug)]
struct Guard(Child);

impl Guard {
    fn over(child: &Child) -> Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", "read -r _; kill -s KILL -- \"-$0\""]);
        shell.arg(child.id().to_string()).process_group(0);
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self(shell.spawn().context("cannot start sh")?))
    }

    /// Ends it without effect; to be called before its pipe is closed.
    fn dismiss(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(folder: &tempfile::TempDir, script: &str) -> Process {
        let launch = Launch::new("/bin/sh", folder.path().join("log"));
        Process::start(launch.args(["-c", script])).unwrap()
    }

    #[tokio::test]
    async fn a_process_is_killed_with_its_children_and_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let process = shell(&folder, "echo started; sleep 600; true");
        let logged = |times| {
            let lines = process.log().lines().count();
            async move {
                anyhow::ensure!(lines == times, "{lines} lines");
                Ok(())
            }
        };
        eventually(LIMIT, "first line", || logged(1)).await.unwrap();
        process.kill().unwrap();
        assert!(process.ended().unwrap().is_some() && process.pid().is_none());
        process.restart().unwrap();
        eventually(LIMIT, "second line", || logged(2))
            .await
            .unwrap();
        process.check_running().unwrap();
    }

    #[tokio::test]
    async fn the_end_of_a_process_is_seen_and_its_log_told() {
        let folder = tempfile::tempdir().unwrap();
        let process = shell(&folder, "echo cannot listen; exit 3");
        assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(3));
        let error = process.check_running().unwrap_err().to_string();
        assert!(
            error.contains("cannot listen") && error.contains('3'),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_terminated_process_may_end_as_it_likes() {
        let folder = tempfile::tempdir().unwrap();
        let process = shell(
            &folder,
            "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done",
        );
        let ready = || async {
            anyhow::ensure!(process.log().contains("ready"));
            Ok(())
        };
        eventually(LIMIT, "trap", ready).await.unwrap();
        assert_eq!(process.terminate(LIMIT).await.unwrap().code(), Some(7));
    }

    #[tokio::test]
    async fn the_guard_kills_when_its_pipe_closes() {
        let folder = tempfile::tempdir().unwrap();
        let process = shell(&folder, "sleep 600");
        if let State::Running { guard, .. } = &mut *process.lock() {
            drop(guard.0.stdin.take());
        }
        let status = process.wait(LIMIT).await.unwrap();
        assert_eq!(status.code(), None, "{status}");
    }
}
