//! Addresses as names of objects.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};

const GROUPS: usize = 8;

/// The name of an address's object: IPv4 as it is written, IPv6 as eight groups of four hexadecimal
/// digits joined by `-`.
///
/// ```
/// use floatingip_k8s::crd::{address_of, object_name};
///
/// let name = object_name("fd00::7".parse()?);
/// assert_eq!(name, "fd00-0000-0000-0000-0000-0000-0000-0007");
/// assert_eq!(address_of(&name), Some("fd00::7".parse()?));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub fn object_name(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => groups(ip),
    }
}

fn groups(ip: Ipv6Addr) -> String {
    let mut name = String::with_capacity(GROUPS * 5);
    for group in ip.segments() {
        let dash = if name.is_empty() { "" } else { "-" };
        // Writing to a text cannot fail.
        let _ = write!(name, "{dash}{group:04x}");
    }
    name
}

/// The address of an object of this name; none where [`object_name`] names no address so.
pub fn address_of(name: &str) -> Option<IpAddr> {
    let ip = match name.contains('-') {
        true => name.replace('-', ":").parse().ok().map(IpAddr::V6),
        false => name.parse().ok().map(IpAddr::V4),
    };
    ip.filter(|ip| object_name(*ip) == name)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn every_address_has_one_name_and_every_name_one_address() {
        let ends: [IpAddr; 6] = [
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::BROADCAST.into(),
            Ipv6Addr::UNSPECIFIED.into(),
            Ipv6Addr::from(u128::MAX).into(),
            Ipv4Addr::new(10, 0, 0, 7).to_ipv6_mapped().into(),
            "::10.0.0.7".parse().unwrap(),
        ];
        for ip in ends {
            assert_eq!(address_of(&object_name(ip)), Some(ip));
        }
    }

    #[test]
    fn other_spellings_name_nothing() {
        let others = [
            "",
            "router",
            "10.0.0.010",
            "10.0.0",
            "fd00::7",
            "fd00-0-0-0-0-0-0-7",
            "FD00-0000-0000-0000-0000-0000-0000-0007",
            "fd00--7",
            "0000-0000-0000-0000-0000-ffff-10.0.0.7",
        ];
        for other in others {
            assert_eq!(address_of(other), None, "{other}");
        }
    }
}
