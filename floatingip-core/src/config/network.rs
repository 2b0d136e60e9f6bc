//! Texts of one network or one address, as strict as ranges are.

use std::net::IpAddr;

use ipnet::IpNet;

use super::findings::Findings;
use super::{FaultKind, Place, WarningKind, clip};
use crate::range::{IpRange, RangeError};

/// A network in CIDR notation.
pub(super) fn network(text: &str, place: &Place, findings: &mut Findings) -> Option<IpNet> {
    match parse_network(text) {
        Ok(net) => Some(net),
        Err(FaultKind::Range(RangeError::HostBits { network, .. })) if findings.is_lenient() => {
            findings.warn(place.clone(), WarningKind::HostBits { network });
            Some(network)
        }
        Err(kind) => {
            findings.fault(place.clone(), kind);
            None
        }
    }
}

/// One address.
pub(super) fn address(text: &str) -> Result<IpAddr, FaultKind> {
    let not_an_address = || FaultKind::NotAnAddress { text: clip(text) };
    if text.contains(['~', '/']) {
        return Err(not_an_address());
    }
    match text.parse::<IpRange>() {
        Ok(range) => Ok(range.first()),
        Err(RangeError::NotAnAddress { .. } | RangeError::Empty) => Err(not_an_address()),
        Err(error) => Err(error.into()),
    }
}

fn parse_network(text: &str) -> Result<IpNet, FaultKind> {
    let not_a_network = || FaultKind::NotANetwork { text: clip(text) };
    let (_, prefix) = text
        .split_once('/')
        .filter(|_| !text.contains('~'))
        .ok_or_else(not_a_network)?;
    let range: IpRange = text.parse().map_err(|error| match error {
        RangeError::NotAnAddress { .. } | RangeError::Empty => not_a_network(),
        error => error.into(),
    })?;
    let prefix = prefix.trim().parse().ok();
    prefix
        .and_then(|prefix| IpNet::new(range.first(), prefix).ok())
        .ok_or_else(not_a_network)
}
