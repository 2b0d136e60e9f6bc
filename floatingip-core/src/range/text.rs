//! Text forms of ranges and sets: parsing, printing, and serde as strings.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::{Family, IpRange, RangeError, RangeSet};

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}~{}", self.first, self.last)
        }
    }
}

impl FromStr for IpRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let text = text.trim();
        match text.split_once('~') {
            Some(ends) => parse_ends(text, ends),
            None if text.contains('/') => parse_network(text).map(Self::from_net),
            None => parse_address(text).map(Self::single),
        }
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, range) in self.ranges().iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(f, "{separator}{range}")?;
        }
        Ok(())
    }
}

impl FromStr for RangeSet {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        if text.trim().is_empty() {
            return Ok(Self::new());
        }
        text.split(',').map(str::parse::<IpRange>).collect()
    }
}

macro_rules! serde_as_text {
    ($($type:ty),+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

serde_as_text!(Family, IpRange, RangeSet);

fn parse_ends(text: &str, (first, last): (&str, &str)) -> Result<IpRange, RangeError> {
    if last.contains('~') {
        return Err(RangeError::too_many_parts(text));
    }
    if text.contains('/') {
        return Err(RangeError::network_as_end(text));
    }
    let (first, last) = (first.trim(), last.trim());
    if first.is_empty() || last.is_empty() {
        return Err(RangeError::open_end(text));
    }
    IpRange::new(parse_address(first)?, parse_address(last)?)
}

fn parse_network(text: &str) -> Result<IpNet, RangeError> {
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    let ip = parse_address(address)?;
    let net = parse_prefix(prefix)
        .and_then(|prefix| IpNet::new(ip, prefix).ok())
        .ok_or_else(|| RangeError::prefix(text, Family::of(ip)))?;
    if net.trunc() != net {
        return Err(RangeError::host_bits(text, net));
    }
    Ok(net)
}

/// Stricter than the number parser of `std`, which takes a sign and leading zeros.
fn parse_prefix(text: &str) -> Option<u8> {
    let prefix = text.parse::<u8>().ok()?;
    (prefix.to_string() == text).then_some(prefix)
}

fn parse_address(text: &str) -> Result<IpAddr, RangeError> {
    let ip = text.parse().map_err(|_| explain(text))?;
    match ip {
        IpAddr::V4(_) => Ok(ip),
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(plain) => Err(RangeError::mapped(text, plain)),
            None => Ok(ip),
        },
    }
}

/// Why `text`, which `std` does not take for an address, is none.
fn explain(text: &str) -> RangeError {
    if text.is_empty() {
        return RangeError::Empty;
    }
    if has_zone(text) {
        return RangeError::zone(text);
    }
    match without_leading_zeros(text) {
        Some(decimal) => RangeError::leading_zeros(text, decimal),
        None => RangeError::not_an_address(text),
    }
}

fn has_zone(text: &str) -> bool {
    text.split_once('%')
        .is_some_and(|(address, _)| address.parse::<Ipv6Addr>().is_ok())
}

/// The IPv4 address `text` would be if its numbers had no leading zeros.
fn without_leading_zeros(text: &str) -> Option<Ipv4Addr> {
    let numbers: Vec<&str> = text
        .splitn(5, '.')
        .map(|number| match number.trim_start_matches('0') {
            "" if !number.is_empty() => "0",
            digits => digits,
        })
        .collect();
    numbers.join(".").parse().ok()
}
