//! Which addresses share an interface.

use std::net::{IpAddr, Ipv4Addr};

use crate::spec::IpInfo;

/// Addresses for one interface: one of a family at most, all of one VLAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group<'a> {
    pub(crate) vlan: u16,
    pub(crate) infos: Vec<&'a IpInfo>,
}

impl Group<'_> {
    /// Those that ARP is about.
    pub(crate) fn v4(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.infos.iter().filter_map(|info| match info.ip.addr() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        })
    }
}

/// An address is put beside one of the other family in the same VLAN; two of one family are two networks, as galaxy
/// has it, each with an interface of its own.
pub(crate) fn groups(infos: &[IpInfo]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for info in infos {
        let is_v4 = info.ip.addr().is_ipv4();
        let fits = |group: &&mut Group<'_>| {
            let same = |other: &IpInfo| other.ip.addr().is_ipv4() == is_v4;
            group.vlan == info.vlan && !group.infos.iter().any(|other| same(other))
        };
        match groups.iter_mut().find(fits) {
            Some(group) => group.infos.push(info),
            None => groups.push(Group {
                vlan: info.vlan,
                infos: vec![info],
            }),
        }
    }
    groups
}
