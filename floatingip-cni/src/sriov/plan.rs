//! The whole of an `ADD`, decided before anything is changed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::card::Slot;
use super::config::SriovConfig;
use super::facts::Facts;
use crate::connect::{
    self, Group, Place, Plan, Step, Voice, groups, next_inside, result, routes, set_up, switch_on,
};
use crate::link::{Change, Form, Link, Mac, Setting};
use crate::spec::InterfaceName;
use crate::state::{End, Endpoint, Function, Uplink};

/// What a runtime wants of this plugin.
pub type Wish<'a> = connect::Wish<'a, SriovConfig>;

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SriovError {
    /// The configuration names no card.
    #[error("the network configuration names no card: set `device` to the link of one with SR-IOV")]
    NoDevice,
    /// The card is not there.
    #[error("this node has no link {0}: set `device` to the link of a card with SR-IOV")]
    NoCard(InterfaceName),
    /// It is another sort of device.
    #[error(
        "{0} has no virtual functions: set `device` to the link of a card with SR-IOV, and see that the firmware and the kernel (intel_iommu, pci=realloc) let it have some"
    )]
    NoFunctions(InterfaceName),
    /// None is enabled, and none may be.
    #[error(
        "no virtual function of {card} is enabled, of {total} that it can have: set `vf_num`, or write a number to sriov_numvfs of the card"
    )]
    NoneEnabled {
        /// The card.
        card: InterfaceName,
        /// How many it can have.
        total: u32,
    },
    /// The kernel does not enable any.
    #[error("{count} virtual functions of {card} cannot be enabled: {error}")]
    Refused {
        /// The card.
        card: InterfaceName,
        /// How many were wanted.
        count: u32,
        /// What the kernel says.
        error: String,
    },
    /// They have no links.
    #[error(
        "{count} virtual functions of {card} were enabled, and none has a link: load their driver, and see that it is not vfio-pci"
    )]
    NoLinks {
        /// The card.
        card: InterfaceName,
        /// How many there are.
        count: u32,
    },
    /// All are in use.
    #[error(
        "no virtual function of {card} is free: of {enabled}, {claimed} are used by pods, and the others have no link here or are used by the node; enable more (the card can have {total}), or run fewer pods on this node"
    )]
    NoneFree {
        /// The card.
        card: InterfaceName,
        /// How many there are.
        enabled: usize,
        /// How many are pods'.
        claimed: usize,
        /// How many there could be.
        total: u32,
    },
    /// The interface is there already.
    #[error(
        "the container has an interface {0} already: ADD was called twice, or another plugin made it; nothing was changed"
    )]
    IsThere(InterfaceName),
    /// An address that the node has.
    #[error("{0} is used by this node itself: take it from the node, or release the address")]
    NodesOwn(IpAddr),
    /// Ten thousand links.
    #[error("no name is left for another link")]
    NoName,
}

/// Decides an `ADD`.
///
/// # Errors
/// It cannot be done. Nothing has been changed.
pub fn plan(wish: &Wish<'_>, facts: &Facts) -> Result<Plan, SriovError> {
    let card = facts.allow(wish)?;
    let mut choice = Choice::new(wish, facts, card);
    for group in groups(wish.infos.as_slice()) {
        choice.add(&group)?;
    }
    let probes = choice.voices(|endpoint| endpoint.first_mac);
    let announcements = choice.voices(|endpoint| endpoint.inside.mac.unwrap_or(endpoint.first_mac));
    let record = wish.record(choice.endpoints);
    let names = record.endpoints.iter().map(|it| it.inside.name.clone());
    Ok(Plan {
        carriers: names.collect(),
        prepare: choice.prepare,
        probes: match wish.config.duplicate_address_probe {
            true => probes,
            false => Vec::new(),
        },
        finish: choice.finish,
        announcements,
        form: Form::asked(wish.config.gratuitous_arp_request),
        result: result(&record, wish),
        record,
    })
}

/// The functions that are chosen so far.
struct Choice<'a> {
    wish: &'a Wish<'a>,
    facts: &'a Facts,
    card: InterfaceName,
    taken: BTreeSet<String>,
    inside: BTreeSet<String>,
    prepare: Vec<Step>,
    finish: Vec<Step>,
    endpoints: Vec<Endpoint>,
}

impl<'a> Choice<'a> {
    fn new(wish: &'a Wish<'a>, facts: &'a Facts, card: InterfaceName) -> Self {
        let links = facts.container.links.iter();
        let mut inside: BTreeSet<String> = links.flat_map(Link::names).cloned().collect();
        inside.insert(wish.attachment.interface.to_string());
        Self {
            wish,
            facts,
            prepare: switched_on(&card, facts),
            card,
            taken: facts.claimed.clone(),
            inside,
            finish: Vec::new(),
            endpoints: Vec::new(),
        }
    }

    fn add(&mut self, group: &Group<'_>) -> Result<(), SriovError> {
        let name = self.next_name()?;
        let (slot, link, mac) = self.free().ok_or_else(|| self.none_free())?;
        self.taken.insert(slot.bus.clone());
        let endpoint = self.endpoint(name, group, (slot, link, mac))?;
        self.hand_over(&endpoint);
        self.settle(&endpoint);
        self.endpoints.push(endpoint);
        Ok(())
    }

    fn next_name(&mut self) -> Result<InterfaceName, SriovError> {
        if self.endpoints.is_empty() {
            return Ok(self.wish.attachment.interface.clone());
        }
        let name = next_inside(|name| self.inside.contains(name)).ok_or(SriovError::NoName)?;
        self.inside.insert(name.to_string());
        Ok(name)
    }

    /// The first function that is nobody's, and that the node itself does not use.
    fn free(&self) -> Option<(&'a Slot, &'a Link, Mac)> {
        let facts = self.facts;
        let unclaimed = facts
            .slots
            .iter()
            .filter(|slot| !self.taken.contains(&slot.bus));
        let mut linked = unclaimed.filter_map(|slot| {
            let link = facts.host.link(slot.link.as_ref()?.as_str())?;
            Some((slot, link, link.mac?))
        });
        linked.find(|(_, link, _)| {
            let mut addresses = facts.host.addresses_of(link);
            link.master.is_none() && !addresses.any(|address| address.is_global())
        })
    }

    fn none_free(&self) -> SriovError {
        let slots = &self.facts.slots;
        let claimed = slots.iter().filter(|slot| self.taken.contains(&slot.bus));
        SriovError::NoneFree {
            card: self.card.clone(),
            enabled: slots.len(),
            claimed: claimed.count(),
            total: self.facts.total.unwrap_or_default(),
        }
    }

    fn endpoint(
        &self,
        name: InterfaceName,
        group: &Group<'_>,
        (slot, link, first_mac): (&Slot, &Link, Mac),
    ) -> Result<Endpoint, SriovError> {
        let mac = group.infos.first().map(|info| Mac::of(info.ip.addr()));
        let mac = mac.unwrap_or(first_mac);
        let function = self.function(slot, (link, first_mac), mac, group.vlan)?;
        let infos = self.wish.infos;
        let routes = group
            .infos
            .iter()
            .flat_map(|info| routes(infos, &self.facts.container, info));
        Ok(Endpoint {
            inside: End {
                name,
                kind: link.kind.clone(),
                mac: Some(mac),
            },
            first_name: None,
            first_mac,
            host: None,
            uplink: Uplink {
                name: self.card.clone(),
                vlan: group.vlan,
            },
            function: Some(function),
            mtu: link.mtu,
            addresses: group.infos.iter().map(|info| info.ip).collect(),
            routes: routes.collect(),
        })
    }

    fn function(
        &self,
        slot: &Slot,
        (link, mac): (&Link, Mac),
        own: Mac,
        vlan: u16,
    ) -> Result<Function, SriovError> {
        let said = self.wish.config.settings();
        let wanted: Vec<Setting> = [Setting::Vlan(vlan)]
            .into_iter()
            .chain(said)
            .chain([Setting::Mac(own)])
            .collect();
        let former = wanted.iter().map(|wanted| self.former(slot.index, *wanted));
        Ok(Function {
            card: self.card.clone(),
            index: slot.index,
            bus: slot.bus.clone(),
            link: slot.link.clone().ok_or(SriovError::NoName)?,
            mac,
            up: link.up,
            former: former.collect(),
            wanted,
        })
    }

    /// What is put back. A VLAN never is: nobody uses a free function, so that it was left by a pod.
    fn former(&self, index: u32, wanted: Setting) -> Setting {
        match wanted {
            Setting::Vlan(_) => Setting::Vlan(0),
            other => self
                .facts
                .present(index, other)
                .unwrap_or_else(|| usual(other)),
        }
    }

    /// To the container, with all that the card does for it but the hardware address: who has the address elsewhere
    /// may have the same one, and would not hear the question.
    fn hand_over(&mut self, endpoint: &Endpoint) {
        let Some(function) = &endpoint.function else {
            return;
        };
        let settings = function.wanted.iter().zip(&function.former);
        for (setting, was) in settings.filter(|(setting, _)| !matches!(setting, Setting::Mac(_))) {
            let present = self.facts.present(function.index, *setting);
            if present != Some(*setting) {
                self.prepare.push(given(function, *setting, *was));
            }
        }
        let name = function.link.clone();
        if function.up {
            self.prepare.push(Step::host(Change::Down { name }));
        }
        self.prepare.push(Step::host(Change::Move {
            name: function.link.clone(),
            to: endpoint.inside.name.clone(),
        }));
        self.prepare.extend(switch_on(&endpoint.inside.name));
    }

    /// The function takes its hardware address before the card lets it have no other: the other way round cards
    /// refuse it.
    fn settle(&mut self, endpoint: &Endpoint) {
        if let (Some(function), Some(mac)) = (&endpoint.function, endpoint.inside.mac) {
            let none = Setting::Mac(NONE);
            let former = function.former.iter().find(|it| it.is_like(&none));
            let former = former.copied().unwrap_or(none);
            if former != none {
                self.finish.push(given(function, none, former));
            }
            self.finish.push(Step::container(Change::SetMac {
                name: endpoint.inside.name.clone(),
                mac,
                was: function.mac,
            }));
            self.finish.push(given(function, Setting::Mac(mac), none));
        }
        let probes = self.wish.config.duplicate_address_probe;
        self.finish.extend(set_up(endpoint, probes));
    }

    fn voices(&self, mac: impl Fn(&Endpoint) -> Mac) -> Vec<Voice> {
        let groups = groups(self.wish.infos.as_slice());
        let voices = self.endpoints.iter().zip(&groups).map(|(it, group)| Voice {
            place: Place::Container,
            link: it.inside.name.clone(),
            mac: mac(it),
            ips: group.v4().collect(),
            own: None,
        });
        voices.filter(|voice| !voice.ips.is_empty()).collect()
    }
}

/// The hardware address that means any.
pub(super) const NONE: Mac = Mac([0; 6]);

/// What a card does that says nothing of it.
fn usual(setting: Setting) -> Setting {
    match setting {
        Setting::Mac(_) => Setting::Mac(NONE),
        Setting::Vlan(_) => Setting::Vlan(0),
        Setting::SpoofCheck(_) => Setting::SpoofCheck(true),
        Setting::Trust(_) => Setting::Trust(false),
        Setting::Rate { .. } => Setting::Rate { least: 0, most: 0 },
    }
}

fn given(function: &Function, setting: Setting, was: Setting) -> Step {
    Step::host(Change::Function {
        card: function.card.clone(),
        index: function.index,
        setting,
        was,
    })
}

fn switched_on(card: &InterfaceName, facts: &Facts) -> Vec<Step> {
    let link = facts.host.link(card.as_str());
    if link.is_none_or(|link| link.up) {
        return Vec::new();
    }
    let changes = Change::up_unadvertised(card);
    changes.map(Step::host).to_vec()
}

#[cfg(test)]
mod tests;
