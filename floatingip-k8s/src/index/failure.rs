use thiserror::Error;
use tokio::time::error::Elapsed;

use crate::causes::Causes;

/// Why the API server gave no useful answer; the text says who has to act.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// We may not.
    #[error("forbidden ({0}): grant get, list and watch on this kind to this server's role")]
    Forbidden(String),
    /// The API server knows no such kind.
    #[error("the API server serves no such kind: is its definition installed?")]
    NotServed,
    /// No answer in time.
    #[error("no answer in time: see whether the API server is well")]
    TimedOut(#[from] Elapsed),
    /// A list without a version.
    #[error("the list has no resourceVersion that is a number: is this an API server?")]
    NoVersion,
    /// Everything else.
    #[error("{}", Causes(&**.0))]
    Other(#[source] Box<kube::Error>),
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.is_forbidden() => {
                Self::Forbidden(status.message.clone())
            }
            kube::Error::Api(status) if status.code == 404 => Self::NotServed,
            _ => Self::Other(Box::new(error)),
        }
    }
}
