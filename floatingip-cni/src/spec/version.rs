//! Versions of the specification.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A version of the specification that is understood. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// The first one.
    V0_1_0,
    /// With `VERSION`.
    V0_2_0,
    /// Results list interfaces.
    V0_3_0,
    /// As 0.3.0.
    V0_3_1,
    /// With `CHECK`.
    V0_4_0,
    /// Addresses no longer say of which family they are.
    V1_0_0,
    /// With `GC` and `STATUS`.
    V1_1_0,
}

impl Version {
    /// All of them, oldest first.
    pub const ALL: &[Self] = &[
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];

    /// What a configuration without a version means. The specification says 0.1.0; galaxy answers such a
    /// configuration in 0.2.0, whose results have the same form.
    pub const ABSENT: Self = Self::V0_2_0;

    /// The latest one.
    pub const LATEST: Self = Self::V1_1_0;

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }
}

/// A version that this plugin does not speak.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cniVersion {0:?} is not supported: use one of 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0"
)]
pub struct UnknownVersion(pub String);

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().find(|version| version.as_str() == text);
        found
            .copied()
            .ok_or_else(|| UnknownVersion(text.to_owned()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_read_as_it_is_written() {
        for version in Version::ALL {
            assert_eq!(version.to_string().parse(), Ok(*version));
        }
        assert!(Version::ALL.is_sorted());
    }

    #[test]
    fn a_version_that_nobody_speaks_is_refused() {
        for text in ["", "1", "1.2.0", "v1.0.0", " 1.0.0"] {
            assert_eq!(
                text.parse::<Version>(),
                Err(UnknownVersion(text.to_owned()))
            );
        }
    }
}
