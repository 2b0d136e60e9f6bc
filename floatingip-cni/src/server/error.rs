//! Why the server did not do what it was asked for.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::address::ServerUrl;
use crate::spec::{Code, Failure, IpInfosError};

/// Why the server did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The file with the token cannot be used.
    #[error("the token for the server in {path} cannot be used: {error}")]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Nobody answers there.
    #[error(
        "the server at {url} cannot be reached: {error}; does it run, and is serverURL where it listens?"
    )]
    Unreachable {
        /// Where.
        url: ServerUrl,
        /// What the kernel says.
        error: io::Error,
    },
    /// It was connected to, or nearly, and the time is over.
    #[error("the server at {url} did not answer within {} s; see its log and /readyz", limit.as_secs_f32())]
    Silent {
        /// Where.
        url: ServerUrl,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection ended early, or what came is no HTTP.
    #[error("the server at {url} broke off: {error}")]
    Broken {
        /// Where.
        url: ServerUrl,
        /// How.
        error: String,
    },
    /// An answer longer than any of the API.
    #[error("the server at {url} answers more than {limit} bytes: is it floatingip-server?")]
    TooLong {
        /// Where.
        url: ServerUrl,
        /// How much it might have been.
        limit: usize,
    },
    /// It answered that it will not, or cannot now.
    #[error("{}", refused(*status, url, message))]
    Refused {
        /// Where.
        url: ServerUrl,
        /// The status of HTTP.
        status: u16,
        /// The API's word for why; may be empty.
        reason: String,
        /// In its own words.
        message: String,
    },
    /// It answered what the API does not say.
    #[error("the answer of the server at {url} cannot be read at {path}: {error}")]
    Form {
        /// Where.
        url: ServerUrl,
        /// Where in it.
        path: String,
        /// What is wrong there.
        error: serde_json::Error,
    },
    /// Addresses that nobody can use.
    #[error("the server at {url} gave addresses that cannot be used: {error}")]
    Addresses {
        /// Where.
        url: ServerUrl,
        /// Why not.
        error: IpInfosError,
    },
    /// A name that does not fit in a question.
    #[error("the server cannot be asked: {0}")]
    Question(String),
    /// This process cannot ask.
    #[error("the kernel does not let this process ask the server: {0}")]
    Process(io::Error),
}

fn refused(status: u16, url: &ServerUrl, message: &str) -> String {
    match status {
        401 | 403 => format!(
            "the server at {url} does not accept this node's token ({message}): tokenFile has to name a file with one that it knows"
        ),
        404 => format!(
            "the server at {url} does not know that request ({message}): serverURL is for the standalone server, on Kubernetes the cluster says all that"
        ),
        500.. => format!("the server at {url} cannot answer now ({status} {message})"),
        _ => format!("the server refuses: {message}"),
    }
}

impl ServerError {
    /// Is it certain that the server did not do it?
    pub(crate) fn is_definite(&self) -> bool {
        match self {
            Self::Refused { status, .. } => (400..500).contains(status),
            // No connection, so no question.
            Self::Unreachable { .. }
            | Self::Process(_)
            | Self::Token { .. }
            | Self::Question(_) => true,
            _ => false,
        }
    }

    /// What the same question of before may have done stays open until the server says how it stands.
    pub(super) fn after(self, earlier: Option<Self>) -> Self {
        match earlier {
            Some(open) if !open.is_definite() && !self.is_of_the_matter() => open,
            _ => self,
        }
    }

    /// Does the server say how the matter stands, and not merely that it does not listen to whoever asks?
    fn is_of_the_matter(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                status: 404 | 409,
                ..
            }
        )
    }

    /// Is the same question worth asking again at once?
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status == 503,
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            _ => false,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Refused { status, .. } => match *status {
                // What others have may be free later.
                409 | 429 | 500.. => Code::TryAgain,
                _ => Code::InvalidNetwork,
            },
            Self::Unreachable { .. } | Self::Silent { .. } | Self::Broken { .. } => Code::TryAgain,
            Self::TooLong { .. } | Self::Form { .. } | Self::Addresses { .. } => Code::Decode,
            Self::Token { .. } | Self::Process(_) => Code::Io,
            Self::Question(_) => Code::InvalidNetwork,
        }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        let failure = Self::new(error.code(), &error);
        match error {
            ServerError::Refused { reason, .. } if !reason.is_empty() => {
                failure.with_details(format!("reason: {reason}"))
            }
            _ => failure,
        }
    }
}
