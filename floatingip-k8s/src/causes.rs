//! Errors with all their causes, in one line.

use std::error::Error;
use std::fmt;

/// An error and what caused it, each once: errors of clients often print their cause already, or do not.
///
/// ```
/// use floatingip_k8s::causes::Causes;
///
/// let refused = std::io::Error::other("connection refused");
/// assert_eq!(Causes(&refused).to_string(), "connection refused");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Causes<'a>(pub &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let told = cause.to_string();
            if !text.ends_with(&told) {
                text = format!("{text}: {told}");
            }
            next = cause.source();
        }
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("connection refused")]
    struct Refused;

    #[derive(Debug, Error)]
    #[error("no connection: {0}")]
    struct NoConnection(#[source] Refused);

    #[derive(Debug, Error)]
    #[error("the definition cannot be read")]
    struct Unread(#[source] NoConnection);

    #[test]
    fn every_cause_is_told_once() {
        assert_eq!(
            Causes(&Unread(NoConnection(Refused))).to_string(),
            "the definition cannot be read: no connection: connection refused"
        );
    }
}
