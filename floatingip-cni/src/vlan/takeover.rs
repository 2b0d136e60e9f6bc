//! Making the host's device the port of a bridge, with the host's addresses and routes moved to the bridge.
//!
//! A node that loses its network in between is lost, so the steps are ordered: the process may be killed after any of
//! them, and the host goes on answering without anybody's help; what is left to do is done by the next call, which
//! sees in the facts how far the last one came.
//!
//! 1. The device's IPv6 routes are put aside, by a metric that no other has, and are still used. The bridge gets the
//!    device's hardware address, copies of the addresses, and copies of the routes, before the device's own. It has no
//!    carrier yet, and is told that routes without carrier are to be ignored: the device's are used.
//! 2. One message makes the device a port. From then on frames come in at the bridge, which has a carrier: its
//!    routes are used.
//! 3. The device's routes and addresses, which nobody uses any more, are removed.

use super::facts::{Facts, HEED_ADVERTISEMENTS};
use super::plan::PlanError;
use crate::connect::Step;
use crate::link::{Address, Change, Kind, Link, Rank, Route};
use crate::spec::InterfaceName;

/// A device that is to be the port of a bridge.
pub(super) struct Takeover<'a> {
    facts: &'a Facts,
    device: &'a Link,
    device_name: InterfaceName,
    bridge: InterfaceName,
}

impl<'a> Takeover<'a> {
    /// Of a device by a bridge that need not be there yet.
    ///
    /// # Errors
    /// The device's name is none that the kernel could take.
    pub(super) fn new(
        facts: &'a Facts,
        device: &'a Link,
        bridge: &InterfaceName,
    ) -> Result<Self, PlanError> {
        Ok(Self {
            facts,
            device,
            device_name: device.name.parse()?,
            bridge: bridge.clone(),
        })
    }

    /// The steps that are left.
    ///
    /// # Errors
    /// The device has something that cannot be moved without a gap, or the bridge is none.
    pub(super) fn steps(&self) -> Result<Vec<Step>, PlanError> {
        self.check()?;
        let mut changes = Vec::new();
        changes.extend(self.creation());
        changes.extend(self.heed_advertisements());
        changes.extend(self.heed_carrier());
        changes.extend(self.missing_addresses());
        changes.extend(self.switch_bridge_on());
        changes.extend(self.putting_aside());
        changes.extend(self.missing_routes());
        changes.extend(self.switch_device_on());
        changes.extend(self.joining());
        changes.extend(self.heed_no_more());
        changes.extend(self.old_routes());
        changes.extend(self.old_addresses());
        Ok(changes.into_iter().map(Step::host).collect())
    }

    fn check(&self) -> Result<(), PlanError> {
        let device = &self.device.name;
        if let Some(there) = self.there()
            && !there.is_bridge()
        {
            return Err(PlanError::NoBridge(self.bridge.clone()));
        }
        if let Some(master) = self.device.master
            && !self.is_port()
        {
            let master = self.facts.host.numbered(master);
            return Err(PlanError::OtherMaster {
                device: device.clone(),
                master: master.map_or_else(String::new, |master| master.name.clone()),
            });
        }
        if !self.is_port() && self.moves() && self.there().is_some_and(|bridge| bridge.carrier) {
            return Err(PlanError::BridgeInUse {
                device: device.clone(),
                bridge: self.bridge.clone(),
            });
        }
        if let Some(address) = self.addresses().find(|address| address.has_peer()) {
            let what = format!("the address {address}, whose other end is another one");
            return Err(PlanError::Immovable {
                device: device.clone(),
                what,
            });
        }
        match self
            .facts
            .host
            .routes
            .iter()
            .find_map(|route| self.fixes(route))
        {
            Some(what) => Err(PlanError::Immovable {
                device: device.clone(),
                what,
            }),
            None => Ok(()),
        }
    }

    /// Why a route cannot be moved.
    fn fixes(&self, route: &Route) -> Option<String> {
        if route.shares(self.device) {
            return Some(format!("the route {route}, which has several next hops"));
        }
        // Where the kernel does not tell its link, it may be this one.
        let is_here = route.link().is_none_or(|link| link == self.device.index);
        (is_here && route.has_object()).then(|| {
            format!("the route {route}, whose next hop is an object of its own (ip nexthop)")
        })
    }

    fn there(&self) -> Option<&Link> {
        self.facts.host.link(self.bridge.as_str())
    }

    fn is_port(&self) -> bool {
        let bridge = self.there();
        bridge.is_some_and(|bridge| self.device.master == Some(bridge.index))
    }

    /// Has the device anything to lose?
    fn moves(&self) -> bool {
        self.addresses().next().is_some()
    }

    /// Those of the device; the IPv6 ones that every link has are not moved.
    fn addresses(&self) -> impl DoubleEndedIterator<Item = &Address> {
        let of_device = self.facts.host.addresses.iter();
        let index = self.device.index;
        let of_device = of_device.filter(move |address| address.link() == index);
        of_device.filter(|address| address.net().addr().is_ipv4() || address.is_global())
    }

    /// Those of the device, as they were before any was put aside: straight ones first, as the others need them.
    fn routes(&self) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        for route in self.present_routes().map(Route::in_front) {
            if !routes.iter().any(|other| other.agrees(&route)) {
                routes.push(route);
            }
        }
        routes.sort_by_key(|route| route.gateway().is_some());
        routes
    }

    fn present_routes(&self) -> impl Iterator<Item = &Route> {
        let of_device = self.facts.host.routes_of(self.device);
        of_device.filter(|route| route.is_unicast())
    }

    /// The routes that are the device's once it steps back: those of IPv6 aside.
    fn routes_aside(&self) -> Vec<Route> {
        let routes = self.routes().into_iter();
        routes.map(|route| route.aside().unwrap_or(route)).collect()
    }

    fn has_route(&self, route: &Route) -> bool {
        self.present_routes().any(|present| present.agrees(route))
    }

    /// Each is there once more before it goes.
    fn putting_aside(&self) -> Vec<Change> {
        if self.is_port() {
            return Vec::new();
        }
        let name = || self.device_name.clone();
        let mut changes = Vec::new();
        for route in self.routes() {
            let Some(aside) = route.aside() else { continue };
            if !self.has_route(&aside) {
                changes.push(Change::AddRoute {
                    name: name(),
                    route: aside,
                    rank: Rank::First,
                });
            }
            if self.has_route(&route) {
                changes.push(Change::RemoveRoute {
                    name: name(),
                    route,
                });
            }
        }
        changes
    }

    fn creation(&self) -> Option<Change> {
        let create = Change::Create {
            name: self.bridge.clone(),
            mac: self.device.mac,
            mtu: Some(self.device.mtu),
            kind: Kind::Bridge,
        };
        self.there().is_none().then_some(create)
    }

    /// Nobody becomes the node's router by saying so, unless the node has its address in that way: it would lose it.
    fn heed_advertisements(&self) -> Vec<Change> {
        if self.there().is_some_and(|bridge| bridge.up) {
            return Vec::new();
        }
        if self.facts.listens(self.device) {
            return self.listen_alike().collect();
        }
        let name = self.bridge.clone();
        vec![Change::IgnoreAdvertisements { name }]
    }

    /// As the device does.
    fn listen_alike(&self) -> impl Iterator<Item = Change> {
        HEED_ADVERTISEMENTS.into_iter().filter_map(|setting| {
            let of = |link: &str| format!("ipv6/conf/{link}/{setting}");
            let wanted = self.facts.settings.get(&of(&self.device.name))?;
            let value = ["0", "1", "2"].into_iter().find(|known| known == wanted)?;
            Some(Change::Set {
                setting: of(self.bridge.as_str()),
                value,
                was: None,
            })
        })
    }

    fn heed_carrier(&self) -> Vec<Change> {
        if self.is_port() {
            return Vec::new();
        }
        self.heed("1", "0")
    }

    /// Before the device's routes go: the kernel may take up to a second to notice the bridge's carrier. Also where
    /// a former call came no further than to make the device a port.
    fn heed_no_more(&self) -> Vec<Change> {
        self.heed("0", "1")
    }

    fn heed(&self, value: &'static str, was: &str) -> Vec<Change> {
        let has = |v6: bool| self.addresses().any(|it| it.net().addr().is_ipv6() == v6);
        let families = [("ipv4", has(false)), ("ipv6", has(true))];
        let families = families.into_iter().filter(|(_, has)| *has);
        let setting = |family| format!("{family}/conf/{}/ignore_routes_with_linkdown", self.bridge);
        let changes = families.map(|(family, _)| Change::Set {
            setting: setting(family),
            value,
            was: Some(was.to_owned()),
        });
        changes.collect()
    }

    fn missing_addresses(&self) -> Vec<Change> {
        let has = |wanted: &Address| {
            let bridge = self.there();
            let mut present = bridge
                .into_iter()
                .flat_map(|bridge| self.facts.host.addresses_of(bridge));
            present.any(|address| address.net() == wanted.net())
        };
        let missing = self.addresses().filter(|address| !has(address));
        let changes = missing.map(|address| Change::AddAddress {
            name: self.bridge.clone(),
            // Its routes are copied, and must not be there before the bridge's carrier matters.
            address: address.clone().bare(),
        });
        changes.collect()
    }

    fn switch_bridge_on(&self) -> Option<Change> {
        let name = self.bridge.clone();
        let up = self.there().is_some_and(|bridge| bridge.up);
        (!up).then_some(Change::Up { name })
    }

    fn missing_routes(&self) -> Vec<Change> {
        let has = |wanted: &Route| {
            let bridge = self.there();
            let mut present = bridge
                .into_iter()
                .flat_map(|bridge| self.facts.host.routes_of(bridge));
            present.any(|route| route.agrees(wanted))
        };
        let missing = self.routes().into_iter().filter(|route| !has(route));
        let (straight, by_gateway): (Vec<_>, Vec<_>) =
            missing.partition(|route| route.gateway().is_none());
        // Each goes before the last: backwards, so that they stay in their order.
        let ordered = straight
            .into_iter()
            .rev()
            .chain(by_gateway.into_iter().rev());
        let changes = ordered.map(|route| Change::AddRoute {
            name: self.bridge.clone(),
            route,
            rank: Rank::First,
        });
        changes.collect()
    }

    fn switch_device_on(&self) -> Option<Change> {
        let name = self.device_name.clone();
        (!self.device.up).then_some(Change::Up { name })
    }

    fn joining(&self) -> Option<Change> {
        let join = Change::Port {
            name: self.device_name.clone(),
            bridge: Some(self.bridge.clone()),
        };
        (!self.is_port()).then_some(join)
    }

    fn old_routes(&self) -> Vec<Change> {
        let present = || self.present_routes().cloned().collect();
        let routes: Vec<Route> = match self.is_port() {
            true => present(),
            false => self.routes_aside(),
        };
        let changes = routes.into_iter().rev().map(|route| Change::RemoveRoute {
            name: self.device_name.clone(),
            route,
        });
        changes.collect()
    }

    /// Backwards: the kernel removes the secondary ones of a subnet with its first.
    fn old_addresses(&self) -> Vec<Change> {
        let changes = self.addresses().rev().map(|address| Change::RemoveAddress {
            name: self.device_name.clone(),
            address: address.clone(),
        });
        changes.collect()
    }
}
