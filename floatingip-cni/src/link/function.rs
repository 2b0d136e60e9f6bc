//! What a card does for its virtual functions.

use std::fmt;

use netlink_packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkMessage, LinkVfInfo, VfInfo, VfInfoMac, VfInfoRate,
    VfInfoSpoofCheck, VfInfoTrust, VfInfoVlan,
};
use serde::{Deserialize, Serialize};

use super::change::Name;
use super::mac::Mac;
use super::message::named;

/// One thing that a card does for a function. The function itself cannot change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Setting {
    /// The only hardware address that it may have; all zeros: any.
    Mac(Mac),
    /// The VLAN that all its packets are in; 0: none.
    Vlan(u16),
    /// Packets from other hardware addresses are dropped.
    SpoofCheck(bool),
    /// It may ask for more than others, such as all packets.
    Trust(bool),
    /// How much it may send, in Mbit/s; 0: no limit.
    #[serde(rename_all = "camelCase")]
    Rate {
        /// Guaranteed.
        least: u32,
        /// Allowed.
        most: u32,
    },
}

impl Setting {
    /// Is it about the same thing?
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// The message that sets it.
    pub(super) fn message(self, card: &Name, index: u32) -> LinkMessage {
        let info = match self {
            Self::Mac(mac) => VfInfo::Mac(VfInfoMac::new(index, &mac.0)),
            Self::Vlan(vlan) => VfInfo::Vlan(VfInfoVlan::new(index, vlan.into(), 0)),
            Self::SpoofCheck(on) => VfInfo::SpoofCheck(VfInfoSpoofCheck::new(index, on)),
            Self::Trust(on) => VfInfo::Trust(VfInfoTrust::new(index, on)),
            Self::Rate { least, most } => VfInfo::Rate(VfInfoRate::new(index, least, most)),
        };
        let mut message = named(card);
        let infos = LinkAttribute::VfInfoList(vec![LinkVfInfo(vec![info])]);
        message.attributes.push(infos);
        message
    }
}

/// The message that asks a card for all settings of all its functions.
pub(super) fn question(card: &Name) -> LinkMessage {
    let mut message = named(card);
    let mask = LinkAttribute::ExtMask(vec![LinkExtentMask::Vf, LinkExtentMask::SkipStats]);
    message.attributes.push(mask);
    message
}

/// What stands in the answer, with the number of the function.
pub(super) fn settings(message: &LinkMessage) -> Vec<(u32, Setting)> {
    let attributes = message.attributes.iter();
    let lists = attributes.filter_map(|attribute| match attribute {
        LinkAttribute::VfInfoList(functions) => Some(functions),
        _ => None,
    });
    let infos = lists.flatten().flat_map(|function| &function.0);
    infos.filter_map(setting).collect()
}

fn setting(info: &VfInfo) -> Option<(u32, Setting)> {
    Some(match info {
        VfInfo::Mac(info) => (info.vf_id, Setting::Mac(ethernet(&info.mac)?)),
        VfInfo::Vlan(info) => (info.vf_id, Setting::Vlan(info.vlan_id.try_into().ok()?)),
        VfInfo::SpoofCheck(info) => (info.vf_id, Setting::SpoofCheck(info.enabled)),
        VfInfo::Trust(info) => (info.vf_id, Setting::Trust(info.enabled)),
        VfInfo::Rate(info) => {
            let (least, most) = (info.min_tx_rate, info.max_tx_rate);
            (info.vf_id, Setting::Rate { least, most })
        }
        _ => return None,
    })
}

fn ethernet(mac: &[u8]) -> Option<Mac> {
    mac.first_chunk().copied().map(Mac)
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |on: bool| if on { "on" } else { "off" };
        match self {
            Self::Mac(mac) => write!(f, "the hardware address {mac}"),
            Self::Vlan(vlan) => write!(f, "VLAN {vlan}"),
            Self::SpoofCheck(on) => write!(f, "spoof check {}", word(*on)),
            Self::Trust(on) => write!(f, "trust {}", word(*on)),
            Self::Rate { least, most } => write!(f, "a rate of {least} to {most} Mbit/s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_sets_is_what_is_read_from_it() {
        let card: Name = "eth0".parse().unwrap();
        for setting in [
            Setting::Mac(Mac([2, 0, 0, 0, 0, 7])),
            Setting::Vlan(4094),
            Setting::SpoofCheck(false),
            Setting::Trust(true),
            Setting::Rate {
                least: 10,
                most: 100,
            },
        ] {
            let message = setting.message(&card, 3);
            assert_eq!(settings(&message), [(3, setting)]);
        }
    }
}
