//! Flaws: bugs that tests plant to see whether the model test finds them. Builds without the feature
//! `testing` have none of them.

use super::Engine;

/// A bug to plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, feature = "testing")),
    expect(unreachable_pub, reason = "only tests name it")
)]
pub enum Flaw {
    /// An observation is taken in however old it is.
    OlderVersionApplied,
    /// A pod passes the filter and its claim is forgotten.
    ClaimLost,
    /// A cap is compared with what pods have, not with what they claim.
    CapWithoutClaims,
}

impl Engine {
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn has_flaw(&self, flaw: Flaw) -> bool {
        self.settings.flaw == Some(flaw)
    }

    #[cfg(not(any(test, feature = "testing")))]
    #[expect(clippy::unused_self, reason = "with the feature `testing` it is used")]
    pub(super) const fn has_flaw(&self, _: Flaw) -> bool {
        false
    }
}
