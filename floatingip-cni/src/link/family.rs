//! IPv4 and IPv6 as the kernel tells them apart.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use netlink_packet_route::AddressFamily;

pub(super) fn family_of(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// What is left out is all zeros, and a prefix is never longer than its address.
pub(super) fn net_of(ip: Option<IpAddr>, family: AddressFamily, length: u8) -> IpNet {
    match (ip, family) {
        (Some(IpAddr::V6(ip)), _) => Ipv6Net::new(ip, length)
            .unwrap_or_else(|_| ip.into())
            .into(),
        (Some(IpAddr::V4(ip)), _) => Ipv4Net::new(ip, length)
            .unwrap_or_else(|_| ip.into())
            .into(),
        (None, AddressFamily::Inet6) => Ipv6Net::default().into(),
        (None, _) => Ipv4Net::default().into(),
    }
}
