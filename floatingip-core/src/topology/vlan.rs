use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// A VLAN identifier (IEEE 802.1Q, 12 bits), or 0 for untagged.
///
/// 4095 is reserved by the standard and no value here.
///
/// ```
/// use floatingip_core::topology::VlanId;
///
/// assert_eq!("2".parse::<VlanId>()?.to_string(), "2");
/// assert!(VlanId::default().is_untagged());
/// assert!(VlanId::try_from(4095).is_err());
/// # Ok::<(), floatingip_core::topology::VlanError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct VlanId(u16);

impl VlanId {
    /// Untagged.
    pub const MIN: Self = Self(0);
    /// The highest identifier that may be used.
    pub const MAX: Self = Self(4094);

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Whether frames carry no tag.
    #[must_use]
    pub const fn is_untagged(self) -> bool {
        self.0 == 0
    }
}

impl TryFrom<u64> for VlanId {
    type Error = VlanError;

    fn try_from(number: u64) -> Result<Self, VlanError> {
        u16::try_from(number)
            .ok()
            .map(Self)
            .filter(|vlan| *vlan <= Self::MAX)
            .ok_or_else(|| VlanError::new(&number.to_string()))
    }
}

impl FromStr for VlanId {
    type Err = VlanError;

    fn from_str(text: &str) -> Result<Self, VlanError> {
        text.parse::<u64>()
            .ok()
            // `std` takes a sign and leading zeros, which only hide a typing error here.
            .filter(|number| number.to_string() == text)
            .and_then(|number| Self::try_from(number).ok())
            .ok_or_else(|| VlanError::new(text))
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What was given is no VLAN identifier.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{found} is no vlan, write a whole number from 1 to 4094, or 0 for untagged")]
pub struct VlanError {
    /// What was given, cut to its first 64 characters.
    pub found: String,
}

impl VlanError {
    pub(crate) fn new(found: &str) -> Self {
        let found = found.chars().take(64).collect();
        Self { found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vlans_are_0_to_4094_in_both_forms() {
        for number in [0, 1, 2, 4093, 4094] {
            let vlan = VlanId::try_from(number).unwrap();
            assert_eq!(vlan.to_string().parse(), Ok(vlan));
            assert_eq!(u64::from(vlan.get()), number);
        }
        for number in [4095, 4096, 65_535, 65_536, u64::MAX] {
            assert!(VlanId::try_from(number).is_err(), "{number}");
            assert!(number.to_string().parse::<VlanId>().is_err(), "{number}");
        }
    }

    #[test]
    fn vlans_have_one_spelling() {
        for text in ["", "+2", "02", " 2", "2 ", "-1", "1.5", "0x2", "二"] {
            assert_eq!(text.parse::<VlanId>(), Err(VlanError::new(text)));
        }
    }
}
