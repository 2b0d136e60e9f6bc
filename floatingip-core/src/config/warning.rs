use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Place;
use crate::range::RangeSet;
use crate::topology::Reserved;

/// One thing of a document that is accepted, but perhaps not meant, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub place: Place,
    /// What it is.
    pub kind: WarningKind,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.kind)
    }
}

/// What is accepted, but perhaps not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WarningKind {
    /// A range contains an address that is never handed out.
    ReservedInRange {
        /// The address.
        ip: IpAddr,
        /// What it is.
        role: Reserved,
        /// Of which subnet; not always of the entry with the range.
        subnet: IpNet,
    },
    /// An exclusion has addresses that the entry does not hand out anyway.
    ExcludesNothing {
        /// Those addresses.
        outside: RangeSet,
    },
    /// No address is left to hand out.
    NothingUsable,
    /// Galaxy mode: a field that is ignored.
    UnknownField {
        /// The field that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// Galaxy mode: a field in other letters than it is written.
    FieldCase {
        /// How it is written.
        name: &'static str,
    },
    /// Galaxy mode: a network with host bits.
    HostBits {
        /// The network that is used.
        network: IpNet,
    },
}

impl fmt::Display for WarningKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedInRange { ip, role, subnet } => {
                write!(
                    f,
                    "{ip} is the {role} of {subnet} and will not be handed out"
                )
            }
            Self::ExcludesNothing { outside } => {
                write!(
                    f,
                    "{outside} is not in the ips of this entry: nothing is excluded by it"
                )
            }
            Self::NothingUsable => {
                f.write_str("has no address to hand out, add ranges to ips or shorten exclude")
            }
            Self::UnknownField { suggestion: None } => f.write_str("is an unknown field, ignored"),
            Self::UnknownField {
                suggestion: Some(name),
            } => write!(f, "is an unknown field, ignored: did you mean `{name}`?"),
            Self::FieldCase { name } => write!(f, "is read as `{name}`, write it so"),
            Self::HostBits { network } => write!(f, "has host bits, read as `{network}`"),
        }
    }
}
