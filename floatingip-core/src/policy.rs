//! Release policies: how long an address stays with its slot.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How long an address stays with its slot, as the pod's annotation
/// `k8s.v1.cni.galaxy.io/release-policy` says.
///
/// ```
/// use floatingip_core::ReleasePolicy;
///
/// assert_eq!("".parse(), Ok(ReleasePolicy::PodDelete));
/// assert_eq!("never".parse::<ReleasePolicy>().map(ReleasePolicy::code), Ok(2));
/// assert!("Never ".parse::<ReleasePolicy>().is_err(), "a typo is an error, not a default");
/// ```
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(into = "u8", try_from = "u8")]
pub enum ReleasePolicy {
    /// `""`: freed when the pod ends. Wire code 0.
    #[default]
    PodDelete,
    /// `immutable`: kept while the app has the slot. Wire code 1.
    Immutable,
    /// `never`: kept until somebody releases it by the API. Wire code 2.
    Never,
}

impl ReleasePolicy {
    /// Every policy, in the order of the wire codes.
    pub const ALL: [Self; 3] = [Self::PodDelete, Self::Immutable, Self::Never];

    /// The number that records and the HTTP API carry.
    pub const fn code(self) -> u8 {
        match self {
            Self::PodDelete => 0,
            Self::Immutable => 1,
            Self::Never => 2,
        }
    }

    /// Whether the slot gets its own address back (STICKY).
    pub const fn is_sticky(self) -> bool {
        !matches!(self, Self::PodDelete)
    }
}

impl From<ReleasePolicy> for u8 {
    fn from(policy: ReleasePolicy) -> Self {
        policy.code()
    }
}

impl TryFrom<u8> for ReleasePolicy {
    type Error = UnknownPolicy;

    fn try_from(code: u8) -> Result<Self, UnknownPolicy> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.code() == code)
            .ok_or_else(|| UnknownPolicy {
                found: code.to_string(),
            })
    }
}

impl fmt::Display for ReleasePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PodDelete => "",
            Self::Immutable => "immutable",
            Self::Never => "never",
        })
    }
}

impl FromStr for ReleasePolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.to_string() == text)
            .ok_or_else(|| UnknownPolicy {
                found: text.to_owned(),
            })
    }
}

/// A release policy that does not exist; whoever wrote the pod's annotation has to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown release policy `{found}`: leave it empty or write `immutable` or `never`")]
pub struct UnknownPolicy {
    /// What stood there.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_survives_text_and_code() {
        for policy in ReleasePolicy::ALL {
            assert_eq!(policy.to_string().parse(), Ok(policy));
            assert_eq!(ReleasePolicy::try_from(policy.code()), Ok(policy));
        }
    }

    #[test]
    fn a_mistyped_policy_is_an_error_not_release_at_any_time() {
        for text in ["Immutable", "immutable ", "nevre", "0", "release"] {
            let error = text.parse::<ReleasePolicy>().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
        assert!(ReleasePolicy::try_from(3).is_err());
    }
}
