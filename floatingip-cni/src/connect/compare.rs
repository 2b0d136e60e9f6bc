//! What `CHECK` compares, whatever made the interface.

use super::plan::Connects;
use crate::link::{Kernel, KernelError, Link, Netns, Route, View};
use crate::spec::{Attachment, Code, Failure, Network, Told};
use crate::state::{End, Endpoint, Record, Stage};

/// An interface in the container as it is, beside what it was to be.
pub(crate) struct Inside<'a> {
    pub(crate) link: &'a Link,
    view: &'a View,
    endpoint: &'a Endpoint,
    /// As plugins behind this one in the chain say that they left it.
    told: Option<&'a Told>,
}

impl<'a> Inside<'a> {
    /// # Errors
    /// It is not there; in words.
    pub(crate) fn of(
        view: &'a View,
        endpoint: &'a Endpoint,
        network: &'a Network,
    ) -> Result<Self, String> {
        let name = &endpoint.inside.name;
        let link = view.link(name.as_str());
        let link = link.ok_or_else(|| format!("the container has no interface {name}"))?;
        Ok(Self {
            link,
            view,
            endpoint,
            told: network.told(name),
        })
    }

    /// What it is to be. One that has the hardware address of another link keeps that.
    pub(crate) fn end(&self) -> End {
        let end = self.endpoint.inside.clone();
        let told = self.told.and_then(|told| told.mac);
        let mac = end.mac.map(|mac| told.unwrap_or(mac));
        End { mac, ..end }
    }

    /// All that is different.
    pub(crate) fn differences(&self) -> Vec<String> {
        let told = self.told.and_then(|told| told.mtu);
        let mut found = unfit(self.link, told.unwrap_or(self.endpoint.mtu));
        found.extend(self.missing_addresses());
        found.extend(self.missing_routes());
        found
    }

    fn missing_addresses(&self) -> impl Iterator<Item = String> {
        let name = &self.endpoint.inside.name;
        let is_there = |net| {
            let mut has = self.view.addresses_of(self.link);
            has.any(|it| it.net() == net)
        };
        let taken = |net| {
            let mut has = self.view.addresses_of(self.link);
            has.any(|it| it.net() == net && it.is_taken())
        };
        let missing = self
            .endpoint
            .addresses
            .iter()
            .filter(move |net| !is_there(**net) || taken(**net));
        missing.map(move |net| {
            if taken(*net) {
                let others = "somebody else on the network has it";
                return format!("{name} does not use the address {net}: {others}");
            }
            let has = self.listed(net.addr().is_ipv4());
            format!("{name} has not the address {net}, it has {has}")
        })
    }

    fn missing_routes(&self) -> impl Iterator<Item = String> {
        let name = &self.endpoint.inside.name;
        let wanted = self.endpoint.routes.iter();
        let wanted = wanted.map(|hop| Route::to(hop.destination, Some(hop.gateway)));
        let missing = wanted.filter(|wanted| {
            let same = |route: &Route| {
                route.destination() == wanted.destination() && route.gateway() == wanted.gateway()
            };
            !self.view.routes_of(self.link).any(same)
        });
        missing.map(move |route| format!("{name} has not the route {route}"))
    }

    fn listed(&self, v4: bool) -> String {
        let addresses = self.view.addresses_of(self.link);
        let of_family = addresses.filter(|it| it.net().addr().is_ipv4() == v4);
        let texts: Vec<String> = of_family.map(ToString::to_string).collect();
        match texts.as_slice() {
            [] => "none".to_owned(),
            addresses => addresses.join(", "),
        }
    }
}

/// The record of an `ADD` that came to its end.
///
/// # Errors
/// There is none.
pub(crate) fn done<C: Connects>(
    config: &C,
    network: &Network,
    attachment: &Attachment,
) -> Result<Record, Failure> {
    let record = config.records().read(&network.name, attachment)?;
    record
        .filter(|record| record.stage == Stage::Done)
        .ok_or_else(|| {
            let name = &network.name;
            let message = format!("{attachment} was never connected to {name} by this plugin");
            Failure::new(Code::UnknownContainer, message)
        })
}

/// # Errors
/// Something was found; the first of it is the message.
pub(crate) fn report(found: Vec<String>) -> Result<(), Failure> {
    let mut found = found.into_iter();
    match found.next() {
        None => Ok(()),
        Some(first) => {
            let others: Vec<String> = found.collect();
            Err(Failure::new(Code::Different, first).with_details(others.join("; ")))
        }
    }
}

/// Addresses that `prevResult` lacks: it is then that of another call.
pub(crate) fn untold<'a>(
    record: &'a Record,
    previous: &'a [ipnet::IpNet],
) -> impl Iterator<Item = String> + 'a {
    let addresses = record
        .endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.addresses);
    let untold = addresses.filter(|address| !previous.contains(address));
    untold.map(|address| format!("prevResult lacks the address {address}"))
}

/// Another namespace than the one that was connected, which `DEL` would not touch.
pub(crate) fn elsewhere(record: &Record, container: &Kernel) -> Option<String> {
    let space = container.netns().map(Netns::identity);
    let is_it = space.is_none_or(|space| record.is_in(space));
    let message = "the container has another network namespace than the one that was connected";
    (!is_it).then(|| message.to_owned())
}

/// # Errors
/// The kernel cannot be asked.
pub(crate) fn with_routes(kernel: &mut Kernel) -> Result<View, KernelError> {
    let routes = kernel.routes()?;
    Ok(View {
        routes,
        ..kernel.view()?
    })
}

/// Switched off, or of another packet length.
pub(crate) fn unfit(link: &Link, mtu: u32) -> Vec<String> {
    let name = &link.name;
    let down = (!link.up).then(|| format!("{name} is down"));
    let other = (link.mtu != mtu).then(|| format!("{name} has mtu {}, not {mtu}", link.mtu));
    down.into_iter().chain(other).collect()
}
