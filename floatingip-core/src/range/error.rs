use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use thiserror::Error;

use super::Family;

/// A range, a set of ranges or a family that cannot be accepted, and what to write instead.
///
/// Every variant is the fault of whoever wrote the text. `text` fields hold the offending part,
/// cut to its first 64 characters.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum RangeError {
    /// There is nothing where an address or a range belongs.
    #[error("a range is empty, write an address, `first~last`, or a network such as `10.0.0.0/24`")]
    Empty,
    /// One side of the `~` is missing.
    #[error("the range {text:?} lacks an end, write `first~last`, or one address without `~`")]
    OpenEnd {
        /// The whole range.
        text: String,
    },
    /// There is more than one `~`.
    #[error("the range {text:?} has more than two parts, write `first~last`")]
    TooManyParts {
        /// The whole range.
        text: String,
    },
    /// A side of the `~` has a prefix length.
    #[error("the range {text:?} has both `~` and `/`, write either `first~last` or a network")]
    NetworkAsEnd {
        /// The whole range.
        text: String,
    },
    /// The ends are of different families.
    #[error("the range `{first}~{last}` mixes IPv4 and IPv6, write one range for each family")]
    MixedFamilies {
        /// The first address.
        first: IpAddr,
        /// The last address.
        last: IpAddr,
    },
    /// The last address comes before the first.
    #[error("the range `{first}~{last}` runs backwards, write `{last}~{first}`")]
    Reversed {
        /// The address given as the first.
        first: IpAddr,
        /// The address given as the last.
        last: IpAddr,
    },
    /// A number of an IPv4 address has leading zeros, which some programs take for octal.
    #[error(
        "the address {text:?} has leading zeros, which some programs read as octal, \
         write `{decimal}` if that is meant"
    )]
    LeadingZeros {
        /// The address.
        text: String,
        /// The address read as decimal numbers.
        decimal: Ipv4Addr,
    },
    /// An IPv4 address is written as IPv6 (RFC 4291, section 2.5.5.2).
    #[error("the address {text:?} is IPv4 mapped into IPv6, write it as IPv4: `{plain}`")]
    Mapped {
        /// The address as written.
        text: String,
        /// The IPv4 address that is meant.
        plain: Ipv4Addr,
    },
    /// An IPv6 address has a zone id (RFC 4007, section 11), which has a meaning on one host only.
    #[error("the address {text:?} has a zone id, write it without the part from `%` on")]
    Zone {
        /// The address with its zone id.
        text: String,
    },
    /// The text is neither an IPv4 nor an IPv6 address.
    #[error(
        "{text:?} is not an IP address, write an address, `first~last`, \
         or a network such as `10.0.0.0/24`"
    )]
    NotAnAddress {
        /// What was found in the place of an address.
        text: String,
    },
    /// The prefix length is not a number, is written with leading zeros, or is too long.
    #[error(
        "the network {text:?} has no valid prefix length, {family} takes `/0` to `/{longest}`",
        longest = family.longest_prefix()
    )]
    Prefix {
        /// The whole network.
        text: String,
        /// The family of its address.
        family: Family,
    },
    /// The address of a network is not its first.
    #[error(
        "the network {text:?} has host bits set, write `{network}` for the network \
         or `{ip}` for the one address"
    )]
    HostBits {
        /// The whole network as written.
        text: String,
        /// The network around the address.
        network: IpNet,
        /// The address that was given.
        ip: IpAddr,
    },
    /// The text names no address family.
    #[error("{text:?} is not an address family, write `IPv4` or `IPv6`")]
    UnknownFamily {
        /// What was found in the place of a family.
        text: String,
    },
}

impl RangeError {
    pub(super) fn open_end(text: &str) -> Self {
        Self::OpenEnd { text: clip(text) }
    }

    pub(super) fn too_many_parts(text: &str) -> Self {
        Self::TooManyParts { text: clip(text) }
    }

    pub(super) fn network_as_end(text: &str) -> Self {
        Self::NetworkAsEnd { text: clip(text) }
    }

    pub(super) fn leading_zeros(text: &str, decimal: Ipv4Addr) -> Self {
        let text = clip(text);
        Self::LeadingZeros { text, decimal }
    }

    pub(super) fn mapped(text: &str, plain: Ipv4Addr) -> Self {
        let text = clip(text);
        Self::Mapped { text, plain }
    }

    pub(super) fn zone(text: &str) -> Self {
        Self::Zone { text: clip(text) }
    }

    pub(super) fn not_an_address(text: &str) -> Self {
        Self::NotAnAddress { text: clip(text) }
    }

    pub(super) fn prefix(text: &str, family: Family) -> Self {
        let text = clip(text);
        Self::Prefix { text, family }
    }

    pub(super) fn host_bits(text: &str, net: IpNet) -> Self {
        Self::HostBits {
            text: clip(text),
            network: net.trunc(),
            ip: net.addr(),
        }
    }

    pub(super) fn unknown_family(text: &str) -> Self {
        Self::UnknownFamily { text: clip(text) }
    }
}

/// Keeps a message readable whatever a request or a file contains.
fn clip(text: &str) -> String {
    const LONGEST: usize = 64;
    text.chars().take(LONGEST).collect()
}
