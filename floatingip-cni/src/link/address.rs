//! Addresses of links.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope};

use super::family::{family_of, net_of};

/// An address of a link, with all that the kernel says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(AddressMessage);

impl Address {
    /// An address for a link, for ever; an IPv6 one is looked for on the link before it is used.
    pub fn of(net: IpNet) -> Self {
        let mut message = AddressMessage::default();
        message.header.family = family_of(net.addr());
        message.header.prefix_len = net.prefix_len();
        let local = net.addr();
        message.attributes = vec![
            AddressAttribute::Local(local),
            AddressAttribute::Address(local),
        ];
        if let IpNet::V4(net) = net
            && net.prefix_len() < 31
        {
            let broadcast = AddressAttribute::Broadcast(net.broadcast());
            message.attributes.push(broadcast);
        }
        Self(message)
    }

    /// The same for a link on which nobody is to be asked whether it is free.
    #[must_use]
    pub fn unprobed(self) -> Self {
        self.flagged(AddressFlags::Nodad)
    }

    /// The same for another link, without the route to its subnet that the kernel would add.
    #[must_use]
    pub fn bare(self) -> Self {
        self.flagged(AddressFlags::Noprefixroute | AddressFlags::Nodad)
    }

    /// The same, to put it back where it was: an IPv6 address answers at once, without a new question whether it is free.
    #[must_use]
    pub fn again(mut self) -> Self {
        for attribute in &mut self.0.attributes {
            if let AddressAttribute::Flags(flags) = attribute
                && self.0.header.family == AddressFamily::Inet6
            {
                *flags |= AddressFlags::Nodad;
            }
        }
        self
    }

    fn flagged(mut self, flags: AddressFlags) -> Self {
        let kept = |it: &AddressAttribute| {
            !matches!(it, AddressAttribute::Flags(_) | AddressAttribute::Label(_))
        };
        self.0.attributes.retain(kept);
        self.0.attributes.push(AddressAttribute::Flags(flags));
        self
    }

    /// The address with its subnet's prefix.
    pub fn net(&self) -> IpNet {
        let local = self.attribute(|it| match it {
            AddressAttribute::Local(ip) => Some(*ip),
            _ => None,
        });
        let ip = local.or_else(|| self.peer());
        net_of(ip, self.0.header.family, self.0.header.prefix_len)
    }

    /// The address at the other end: the same one, but on links between two.
    fn peer(&self) -> Option<IpAddr> {
        self.attribute(|it| match it {
            AddressAttribute::Address(ip) => Some(*ip),
            _ => None,
        })
    }

    /// Is it one end of a link between two?
    pub fn has_peer(&self) -> bool {
        self.peer().is_some_and(|peer| peer != self.net().addr())
    }

    /// The number of its link.
    pub fn link(&self) -> u32 {
        self.0.header.index
    }

    /// Does it reach beyond its link, or at least to all of it?
    pub fn is_global(&self) -> bool {
        self.0.header.scope == AddressScope::Universe
    }

    /// Will it go by itself, unless who gave it renews it, as a router does?
    pub fn is_lent(&self) -> bool {
        !self.has(AddressFlags::Permanent)
    }

    /// Is the kernel still asking whether it is free?
    pub fn is_tentative(&self) -> bool {
        self.has(AddressFlags::Tentative) && !self.is_taken()
    }

    /// Has somebody else on the link got it?
    pub fn is_taken(&self) -> bool {
        self.has(AddressFlags::Dadfailed)
    }

    fn has(&self, flag: AddressFlags) -> bool {
        let flags = self.attribute(|it| match it {
            AddressAttribute::Flags(flags) => Some(*flags),
            _ => None,
        });
        flags.is_some_and(|flags| flags.contains(flag))
    }

    fn attribute<T>(&self, pick: impl Fn(&AddressAttribute) -> Option<T>) -> Option<T> {
        self.0.attributes.iter().find_map(pick)
    }

    /// The message that adds it to a link, or takes it away.
    pub(crate) fn on(&self, link: u32) -> AddressMessage {
        let mut message = self.0.clone();
        message.header.index = link;
        for attribute in &mut message.attributes {
            // The stamps of the present one mean nothing to the next.
            if let AddressAttribute::CacheInfo(lifetime) = attribute {
                lifetime.cstamp = 0;
                lifetime.tstamp = 0;
            }
        }
        message
    }
}

impl From<AddressMessage> for Address {
    fn from(message: AddressMessage) -> Self {
        Self(message)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.net().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_it_was_made_of() {
        for text in ["10.0.0.2/24", "10.0.0.2/32", "fd00::2/64"] {
            let net: IpNet = text.parse().unwrap();
            let address = Address::of(net);
            assert_eq!(address.net(), net);
            assert_eq!(address.on(7).header.index, 7);
            assert!(!address.has_peer() && address.is_global());
        }
    }
}
