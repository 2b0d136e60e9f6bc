//! What a process costs.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// In milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// User and system time, of the process and of all that it waited for.
    pub(crate) cpu: f64,
    /// From its start to its end.
    pub(crate) wall: f64,
}

/// Runs a program to its end; nothing else may be waited for meanwhile.
///
/// # Errors
/// It cannot be started, or fails.
pub(crate) fn of(command: &mut Command, input: &str) -> io::Result<Cost> {
    let (before, since) = (children()?, Instant::now());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    let cost = Cost {
        wall: since.elapsed().as_secs_f64() * 1e3,
        cpu: children()? - before,
    };
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        return Err(io::Error::other(format!("{command:?}: {said}")));
    }
    Ok(cost)
}

/// What all processes that were waited for so far have used.
fn children() -> io::Result<f64> {
    let usage: Usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let used = usage.user_time() + usage.system_time();
    Ok(used.num_microseconds() as f64 / 1e3)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
