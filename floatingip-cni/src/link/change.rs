//! What may be changed, one message to the kernel each, and what undoes it.

use std::fmt;

use super::address::Address;
use super::mac::Mac;
use super::route::Route;
use crate::spec::InterfaceName;

/// The name of a link.
pub type Name = InterfaceName;

/// One change in a namespace. Names instead of numbers, so that a change can be decided before the link exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes a link.
    Create {
        /// Its name.
        name: Name,
        /// Its hardware address; none: the kernel chooses.
        mac: Option<Mac>,
        /// How long its packets may be; none: the kernel's choice.
        mtu: Option<u32>,
        /// What it is.
        kind: Kind,
    },
    /// Removes a link, and for a veth its peer with it.
    Delete {
        /// Its name.
        name: Name,
    },
    /// Switches a link on.
    Up {
        /// Its name.
        name: Name,
    },
    /// Switches it off.
    Down {
        /// Its name.
        name: Name,
    },
    /// Gives a link that is switched off another name.
    Rename {
        /// The present one.
        name: Name,
        /// The new one.
        to: Name,
    },
    /// Gives a link another hardware address.
    SetMac {
        /// The link's name.
        name: Name,
        /// The new address.
        mac: Mac,
        /// The former one.
        was: Mac,
    },
    /// Makes a link the port of a bridge, or of none.
    Port {
        /// The link's name.
        name: Name,
        /// The bridge.
        bridge: Option<Name>,
    },
    /// Gives a link an address.
    AddAddress {
        /// The link's name.
        name: Name,
        /// The address.
        address: Address,
    },
    /// Takes an address away from a link.
    RemoveAddress {
        /// The link's name.
        name: Name,
        /// The address.
        address: Address,
    },
    /// Adds a route through a link.
    AddRoute {
        /// The link's name.
        name: Name,
        /// The route.
        route: Route,
        /// What becomes of others to the same place.
        rank: Rank,
    },
    /// Removes a route through a link.
    RemoveRoute {
        /// The link's name.
        name: Name,
        /// The route.
        route: Route,
    },
    /// Makes a link take neither addresses nor routes from whoever advertises IPv6 ones on it.
    IgnoreAdvertisements {
        /// The link's name.
        name: Name,
    },
    /// Sets a value below `/proc/sys/net`.
    Set {
        /// Such as `ipv4/ip_forward`.
        setting: String,
        /// The new value.
        value: &'static str,
        /// The former one; none: not to be put back, as the link goes with it.
        was: Option<String>,
    },
}

/// What a new link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bridge.
    Bridge,
    /// A VLAN of another link.
    Vlan {
        /// That link.
        device: Name,
        /// The VLAN's number.
        id: u16,
    },
    /// One end of a pair whose other end is in the container.
    Veth {
        /// That other end.
        peer: Peer,
    },
    /// In the container, beside a link of the host.
    Macvlan {
        /// That link.
        device: Name,
    },
    /// In the container, with the hardware address of a link of the host.
    Ipvlan {
        /// That link.
        device: Name,
        /// Up to which layer it is like a link of its own.
        mode: Layer,
    },
}

/// What becomes of other routes to the same place, of the same metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rank {
    /// There may be none: the route is refused.
    Only,
    /// They are used where this one's link has no carrier and the kernel is told to mind that. The very same route
    /// may be there.
    First,
}

/// The end of a pair that is in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: Name,
    /// Its hardware address.
    pub mac: Mac,
}

/// The modes of ipvlan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// Switched.
    L2,
    /// Routed.
    L3,
    /// Routed, seen by the host's filters.
    L3s,
}

impl Kind {
    /// Is the link itself in the container?
    pub fn lands_inside(&self) -> bool {
        matches!(self, Self::Macvlan { .. } | Self::Ipvlan { .. })
    }

    /// The module that a kernel needs for it.
    pub fn module(&self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Vlan { .. } => "8021q",
            Self::Veth { .. } => "veth",
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan { .. } => "ipvlan",
        }
    }
}

impl Change {
    /// What undoes it, if anything has to: what is made inside a container goes with its link.
    pub fn undo(&self) -> Option<Self> {
        Some(match self.clone() {
            Self::Create { name, .. } => Self::Delete { name },
            Self::Up { name } => Self::Down { name },
            Self::Down { name } => Self::Up { name },
            Self::Rename { name, to } => Self::Rename { name: to, to: name },
            Self::SetMac { name, mac, was } => Self::SetMac {
                name,
                mac: was,
                was: mac,
            },
            Self::Port { name, .. } => Self::Port { name, bridge: None },
            Self::AddAddress { name, address } => Self::RemoveAddress { name, address },
            Self::RemoveAddress { name, address } => Self::AddAddress {
                name,
                address: address.again(),
            },
            Self::AddRoute { name, route, .. } => Self::RemoveRoute { name, route },
            Self::RemoveRoute { name, route } => {
                let rank = Rank::First;
                Self::AddRoute { name, route, rank }
            }
            Self::Set {
                setting,
                value,
                was: Some(was),
            } => return restored(setting, value, &was),
            Self::Delete { .. }
            | Self::IgnoreAdvertisements { .. }
            | Self::Set { was: None, .. } => return None,
        })
    }
}

/// A setting's former value, where it is one of those that are ever set.
fn restored(setting: String, value: &'static str, was: &str) -> Option<Change> {
    let former = ["0", "1"].into_iter().find(|known| *known == was)?;
    Some(Change::Set {
        setting,
        value: former,
        was: Some(value.to_owned()),
    })
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { name, kind, .. } => write!(f, "create {kind} {name}"),
            Self::Delete { name } => write!(f, "delete {name}"),
            Self::Up { name } => write!(f, "switch {name} on"),
            Self::Down { name } => write!(f, "switch {name} off"),
            Self::Rename { name, to } => write!(f, "call {name} {to}"),
            Self::SetMac { name, mac, .. } => write!(f, "give {name} the hardware address {mac}"),
            Self::Port { name, bridge: None } => write!(f, "take {name} off its bridge"),
            Self::Port {
                name,
                bridge: Some(bridge),
            } => {
                write!(f, "make {name} a port of bridge {bridge}")
            }
            Self::AddAddress { name, address } => write!(f, "give {name} the address {address}"),
            Self::RemoveAddress { name, address } => write!(f, "take {address} from {name}"),
            Self::AddRoute { name, route, .. } => write!(f, "add the route {route} through {name}"),
            Self::RemoveRoute { name, route } => {
                write!(f, "remove the route {route} through {name}")
            }
            Self::IgnoreAdvertisements { name } => {
                write!(f, "let {name} ignore IPv6 advertisements")
            }
            Self::Set { setting, value, .. } => write!(f, "set net/{setting} to {value}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bridge => f.write_str("bridge"),
            Self::Vlan { device, id } => write!(f, "VLAN {id} of {device}:"),
            Self::Veth { peer } => {
                write!(f, "veth {} in the container and its host end", peer.name)
            }
            Self::Macvlan { device } => write!(f, "macvlan of {device}:"),
            Self::Ipvlan { device, .. } => write!(f, "ipvlan of {device}:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn set(value: &'static str, was: Option<&str>) -> Change {
        Change::Set {
            setting: "ipv4/ip_forward".to_owned(),
            value,
            was: was.map(str::to_owned),
        }
    }

    #[test]
    fn undoing_twice_is_the_change_itself() {
        let address: Address = Address::of("10.0.0.2/24".parse().unwrap());
        let route = Route::to(
            "0.0.0.0/0".parse().unwrap(),
            Some("10.0.0.1".parse().unwrap()),
        );
        let name = name("eth0");
        let changes = [
            Change::Up { name: name.clone() },
            Change::AddAddress {
                name: name.clone(),
                address,
            },
            Change::RemoveRoute {
                name: name.clone(),
                route,
            },
            Change::SetMac {
                name,
                mac: Mac([2; 6]),
                was: Mac([4; 6]),
            },
            set("1", Some("0")),
        ];
        for change in changes {
            assert_eq!(change.undo().unwrap().undo().unwrap(), change);
        }
    }

    #[test]
    fn what_needs_no_undoing_has_none() {
        assert_eq!(Change::Delete { name: name("a") }.undo(), None);
        assert_eq!(set("1", None).undo(), None);
        assert_eq!(set("1", Some("2")).undo(), None);
    }
}
