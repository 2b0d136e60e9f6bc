//! `floatingip-server verify`, the last word of every suite.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use crate::control_plane::ControlPlane;
use crate::process::{Launch, Process};

/// The longest wait for its end: it looks three times.
const LIMIT: Duration = Duration::from_secs(120);

/// What it has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its exit code: 0 nothing is wrong, 1 something is, 2 that could not be found out.
    pub code: Option<i32>,
    /// What it printed.
    pub text: String,
}

impl Verified {
    /// Fails, with all that was said, unless nothing is wrong.
    ///
    /// # Errors
    /// Something is wrong, or that could not be found out.
    pub fn clean(&self) -> Result<()> {
        ensure!(
            self.code == Some(0),
            "verify ended with {:?}:\n{}",
            self.code,
            self.text
        );
        Ok(())
    }

    /// The lines that tell of violations: those that begin with the name of an invariant.
    pub fn violations(&self) -> impl Iterator<Item = &str> {
        let named = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default();
            let shouts = |c: char| c.is_ascii_uppercase() || c == '-';
            name.len() > 2 && name.chars().all(shouts)
        };
        self.text.lines().filter(named)
    }
}

/// Runs it against a control plane; what looks wrong is looked at again after so many seconds.
///
/// # Errors
/// It cannot be started, or does not come to its end.
pub async fn verify(binary: &Path, plane: &ControlPlane, wait_seconds: u64) -> Result<Verified> {
    let log = tempfile::Builder::new()
        .prefix("verify-")
        .suffix(".log")
        .tempfile_in(plane.folder())?;
    let launch = Launch::new(binary, log.path())
        .arg("verify")
        .flag("kubeconfig", plane.kubeconfig())
        .flag("wait-seconds", wait_seconds.to_string())
        .flag("log", "error")
        .env("NO_COLOR", "1");
    let process = Process::start(launch)?;
    match process.wait(LIMIT).await {
        Ok(status) => Ok(Verified {
            code: status.code(),
            text: process.log(),
        }),
        Err(error) => bail!("{error:#}:\n{}", process.log_tail(20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_name_an_invariant_are_violations() {
        let text =
            "ONE-OWNER: pod a/b: x: y\nnote: z\nCAP: pool c: x: y\n2 violations\n".to_owned();
        let verified = Verified {
            code: Some(1),
            text,
        };
        assert_eq!(verified.violations().count(), 2);
        assert!(
            verified
                .clean()
                .unwrap_err()
                .to_string()
                .contains("pod a/b")
        );
    }
}
