use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use super::Place;
use crate::range::{IpRange, RangeError};
use crate::topology::{Reserved, VlanError};

/// Everything that is wrong with a document, in its order; never empty.
///
/// Printed with one fault a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub(super) Vec<Fault>);

impl Faults {
    /// The faults, in the order of the document, those between two entries last.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// One thing that is wrong, and where. Its text also says what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{place}: {kind}")]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub kind: FaultKind,
}

/// What is wrong with a place of a document; always the fault of whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FaultKind {
    /// Nothing but blanks.
    #[error("is empty, write a list of subnets: `[{{…}}]`")]
    EmptyDocument,
    /// Not JSON, followed by something else, or nested too deeply.
    #[error("is not valid JSON: {message}, mend it there")]
    Syntax {
        /// What the JSON reader says, with line and column.
        message: String,
    },
    /// JSON, but no list.
    #[error("is {found}, write a list of subnets: `[{{…}}]`")]
    NotAList {
        /// What it is.
        found: JsonType,
    },
    /// An empty list. That nothing shall be handed out is said by `disabled` in the entries.
    #[error("lists no subnets, add one, or keep the present ones with `\"disabled\": true`")]
    NoEntries,
    /// A value of another type than the field has.
    #[error("is {found}, write {expected}")]
    WrongType {
        /// What it is.
        found: JsonType,
        /// What it has to be, with an example.
        expected: &'static str,
    },
    /// No field of that name exists.
    #[error("is an unknown field, {}", unknown_remedy(*.suggestion))]
    UnknownField {
        /// The field that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// A field is there twice, so that one of its values would be lost.
    #[error("is given more than once, keep one of them")]
    DuplicateField,
    /// A field that every entry needs is not there.
    #[error("is missing, write {expected}")]
    Missing {
        /// What it has to be, with an example.
        expected: &'static str,
    },
    /// A list that needs at least one item has none.
    #[error("is an empty list, write {expected}, or remove the entry")]
    EmptyList {
        /// What it has to be, with an example.
        expected: &'static str,
    },
    /// `routableSubnet` is none of the `nodeSubnets`.
    #[error("is {found}, which is not in nodeSubnets: add it there, and leave routableSubnet out")]
    NodeSubnetsDisagree {
        /// The network that `routableSubnet` gives.
        found: IpNet,
    },
    /// A text that is no range or no address.
    #[error(transparent)]
    Range(#[from] RangeError),
    /// A text that is no single address.
    #[error("{text:?} is not one address, write one such as `10.0.70.1`")]
    NotAnAddress {
        /// The text, cut to its first 64 characters.
        text: String,
    },
    /// A text that is no network in CIDR notation.
    #[error("{text:?} is not a network, write its first address and prefix length: `10.0.70.0/24`")]
    NotANetwork {
        /// The text, cut to its first 64 characters.
        text: String,
    },
    /// A range, an exclusion or a gateway of another family than the subnet.
    #[error("{found} is {}, the subnet {subnet} is not: make an entry for each family", .found.family())]
    OtherFamily {
        /// The addresses.
        found: IpRange,
        /// The network that `subnet` gives.
        subnet: IpNet,
    },
    /// A range lies outside the subnet, as a whole or in part.
    #[error("{range} is not inside the subnet {subnet}, {}", inside_remedy(.range, .subnet))]
    OutsideSubnet {
        /// The range.
        range: IpRange,
        /// The network that `subnet` gives.
        subnet: IpNet,
    },
    /// Two ranges have addresses in common, in one entry or in two.
    #[error("{range} overlaps {other} of {other_place}, take {} out of one of them", common(.range, .other))]
    Overlap {
        /// The range here.
        range: IpRange,
        /// The range before it.
        other: IpRange,
        /// Where that is.
        other_place: Place,
    },
    /// The gateway is not an address of the subnet.
    #[error("{gateway} is outside the subnet {subnet}, write the router's address in that subnet")]
    GatewayOutside {
        /// The gateway.
        gateway: IpAddr,
        /// The network that `subnet` gives.
        subnet: IpNet,
    },
    /// The gateway ends in `.0`: no default route can be set to such an address.
    #[error(
        "{gateway} ends in .0 and cannot carry a default route, give the router another address"
    )]
    GatewayEndsInZero {
        /// The gateway.
        gateway: IpAddr,
    },
    /// The gateway is the network or broadcast address.
    #[error("{gateway} is the {role} of {subnet}, write the address of the router itself")]
    GatewayReserved {
        /// The gateway.
        gateway: IpAddr,
        /// What the address is instead.
        role: Reserved,
        /// The network that `subnet` gives.
        subnet: IpNet,
    },
    /// No VLAN identifier: not a whole number, negative, or above 4094.
    #[error(transparent)]
    Vlan(#[from] VlanError),
}

/// The type of a JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the types of JSON are what they are called")]
pub enum JsonType {
    Null,
    Boolean,
    Number,
    String,
    List,
    Object,
}

impl fmt::Display for JsonType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List => "a list",
            Self::Object => "an object",
        })
    }
}

fn unknown_remedy(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(
        || "remove it".to_owned(),
        |name| format!("did you mean `{name}`?"),
    )
}

fn inside_remedy(range: &IpRange, subnet: &IpNet) -> String {
    range.intersection(&IpRange::from_net(*subnet)).map_or_else(
        || "correct the range or the subnet".to_owned(),
        |inside| format!("write `{inside}` or a shorter prefix"),
    )
}

fn common(range: &IpRange, other: &IpRange) -> String {
    let common = range.intersection(other);
    common.map_or_else(|| "the common part".to_owned(), |common| common.to_string())
}
