use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::RangeError;

/// The family of an address. IPv4 sorts before IPv6.
///
/// The text form is `IPv4` or `IPv6`, as Kubernetes writes it; parsing ignores case.
///
/// ```
/// use floatingip_core::range::Family;
///
/// assert_eq!(Family::of("10.0.0.1".parse()?), Family::V4);
/// assert_eq!("ipv6".parse(), Ok(Family::V6));
/// assert_eq!(Family::V6.to_string(), "IPv6");
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Family {
    /// IPv4, 32 bits.
    V4,
    /// IPv6, 128 bits.
    V6,
}

impl Family {
    /// The family of `ip`; an IPv4-mapped IPv6 address is IPv6.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The longest prefix length, which is the number of bits of an address.
    #[must_use]
    pub fn longest_prefix(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The address of this family with these bits, or `None` if they do not fit.
    pub(super) fn address(self, bits: u128) -> Option<IpAddr> {
        match self {
            Self::V4 => {
                let bits = u32::try_from(bits).ok()?;
                Some(IpAddr::V4(Ipv4Addr::from_bits(bits)))
            }
            Self::V6 => Some(IpAddr::V6(Ipv6Addr::from_bits(bits))),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

impl FromStr for Family {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        [Self::V4, Self::V6]
            .into_iter()
            .find(|family| family.to_string().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| RangeError::unknown_family(text))
    }
}
