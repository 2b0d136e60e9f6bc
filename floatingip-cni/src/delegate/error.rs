//! Why another plugin did not do what it was asked for.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use crate::spec::{Code, Failure, ResultError};

/// Why another plugin did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DelegateError {
    /// Its type is no file's name.
    #[error("the type {0:?} is not a plugin's name: the name of a file, without a folder")]
    Type(String),
    /// No folder has it.
    #[error(
        "the plugin {kind} is in none of the folders of CNI_PATH ({path:?}): install it there, or correct `type`"
    )]
    NotFound {
        /// Its type.
        kind: String,
        /// Where it was looked for.
        path: String,
    },
    /// The kernel does not run it.
    #[error("the plugin {program} cannot be run: {error}")]
    Run {
        /// The file.
        program: PathBuf,
        /// What the kernel says.
        error: io::Error,
    },
    /// It did not end, and was killed.
    #[error("the plugin {kind} took longer than {} s and was killed{}", seconds(*limit), said(stderr))]
    TooSlow {
        /// Its type.
        kind: String,
        /// How long it had.
        limit: Duration,
        /// The end of what it wrote there.
        stderr: String,
    },
    /// It said more than any result has.
    #[error("the plugin {kind} wrote more than {limit} bytes to standard output and was killed")]
    TooLong {
        /// Its type.
        kind: String,
        /// How much it might have said.
        limit: usize,
    },
    /// It told why.
    #[error("{kind}: {failure}")]
    Refused {
        /// Its type.
        kind: String,
        /// In its own words.
        failure: Failure,
    },
    /// It told nothing that a plugin says.
    #[error(
        "the plugin {kind} failed ({status}) without telling why{}",
        said(stderr)
    )]
    Failed {
        /// Its type.
        kind: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote there.
        stderr: String,
    },
    /// It succeeded, with an answer that is none.
    #[error("the answer of the plugin {kind} {error}")]
    Answer {
        /// Its type.
        kind: String,
        /// What is wrong with it.
        error: ResultError,
    },
}

/// A share of a limit is seldom a round one.
fn seconds(limit: Duration) -> f32 {
    (limit.as_secs_f32() * 100.0).round() / 100.0
}

fn said(stderr: &str) -> String {
    match stderr {
        "" => String::new(),
        text => format!("; it wrote: {text}"),
    }
}

impl From<DelegateError> for Failure {
    fn from(error: DelegateError) -> Self {
        let code = match error {
            DelegateError::Refused { kind, failure } => {
                let message = format!("{kind}: {}", failure.message);
                return Self::new(failure.code, message).with_details(failure.details);
            }
            DelegateError::Type(_) | DelegateError::NotFound { .. } => Code::InvalidNetwork,
            DelegateError::TooSlow { .. } => Code::TryAgain,
            DelegateError::Answer { .. } | DelegateError::TooLong { .. } => Code::Decode,
            DelegateError::Run { .. } | DelegateError::Failed { .. } => Code::Io,
        };
        Self::new(code, error)
    }
}
