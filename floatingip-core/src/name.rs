//! Names: cheap to clone, compared as text.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

/// A name of a namespace, app, pod, node or UID: shared text, cloned by a reference count.
///
/// Core compares names and prints them; what a valid name is, its source has already said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(Arc<str>);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Name {
    fn default() -> Self {
        Self(Arc::from(""))
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(Arc::from(text))
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(Arc::from(text))
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        &*self.0 == other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        &*self.0 == *other
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a pool, as the annotation `tke.cloud.tencent.com/eni-ip-pool` gives it: 1 to 63
/// visible characters.
///
/// ```
/// use floatingip_core::PoolName;
///
/// let pool: PoolName = "blue_green".parse()?;
/// assert!(!pool.is_dns_label(), "good for an annotation, not for a sized pool");
/// assert!("".parse::<PoolName>().is_err());
/// # Ok::<(), floatingip_core::PoolNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PoolName(Name);

impl PoolName {
    /// The longest name, in characters.
    pub const MAX: usize = 63;

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text as a [`Name`].
    pub fn name(&self) -> &Name {
        &self.0
    }

    /// Whether this is an RFC 1123 label, which a pool with a size needs (it is an object's name).
    pub fn is_dns_label(&self) -> bool {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let edge = |c: Option<char>| c.is_some_and(|c| inner(c) && c != '-');
        self.0.chars().all(inner) && edge(self.0.chars().next()) && edge(self.0.chars().last())
    }
}

impl FromStr for PoolName {
    type Err = PoolNameError;

    fn from_str(text: &str) -> Result<Self, PoolNameError> {
        let length = text.chars().count();
        if length == 0 {
            return Err(PoolNameError::Empty);
        }
        if length > Self::MAX {
            return Err(PoolNameError::TooLong { length });
        }
        match text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            Some(found) => Err(PoolNameError::NotVisible { found }),
            None => Ok(Self(Name::from(text))),
        }
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for PoolName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Why a text is no pool name; whoever wrote the annotation or request has to mend it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PoolNameError {
    /// Nothing was given.
    #[error("pool name is empty")]
    Empty,
    /// More than [`PoolName::MAX`] characters.
    #[error("pool name has {length} characters: use at most 63")]
    TooLong {
        /// How many characters it has.
        length: usize,
    },
    /// A blank or control character.
    #[error("pool name contains {found:?}: use visible characters only")]
    NotVisible {
        /// The first such character.
        found: char,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_names_are_one_to_sixty_three_visible_characters() {
        for good in ["a", "a_b", "蓝绿", &"x".repeat(63)] {
            assert_eq!(good.parse::<PoolName>().unwrap().to_string(), good);
        }
        for bad in ["", "a b", "a\n", &"x".repeat(64)] {
            assert!(bad.parse::<PoolName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_rfc_1123_labels_can_be_objects() {
        let label = |text: &str| text.parse::<PoolName>().unwrap().is_dns_label();
        assert!(label("pool-1") && label("1"));
        assert!(!label("-a") && !label("a-") && !label("A") && !label("a_b") && !label("a.b"));
    }
}
