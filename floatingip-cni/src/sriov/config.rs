//! The plugin's fields of the network configuration: galaxy's, those of the upstream plugin for SR-IOV, and a few of
//! our own.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{self, Deserializer};

use super::card::Card;
use super::facts::Facts;
use super::interrupts;
use super::plan::{SriovError, Wish, plan};
use super::release::release;
use crate::connect::{Connects, Plan, Spaces};
use crate::link::{Kernel, Setting, View};
use crate::server::{self, Server, ServerUrl};
use crate::spec::{Failure, InterfaceName};
use crate::state::{Folder, Record};

/// The fields. Empty texts are as good as absent ones.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SriovConfig {
    /// The card's link.
    #[serde(deserialize_with = "link")]
    pub device: Option<InterfaceName>,
    /// How many functions are enabled where there are none.
    pub vf_num: u32,
    /// Drop what a pod sends from another hardware address; absent: as the card has it.
    #[serde(deserialize_with = "switch", rename = "spoofchk")]
    pub spoof_check: Option<bool>,
    /// Let a pod ask the card for more, such as all packets; absent: as the card has it.
    #[serde(deserialize_with = "switch")]
    pub trust: Option<bool>,
    /// What a pod may send in any case, in Mbit/s.
    pub min_tx_rate: Option<u32>,
    /// What it may send at most; 0: no limit.
    pub max_tx_rate: Option<u32>,
    /// Announce addresses as questions instead of answers.
    pub gratuitous_arp_request: bool,
    /// Ask whether an address is free before it is used.
    pub duplicate_address_probe: bool,
    /// The VLAN of addresses that an IPAM plugin lends which knows of none.
    pub vlan: u16,
    /// The server that hears of addresses that somebody else uses.
    #[serde(rename = "serverURL", deserialize_with = "server::optional")]
    pub server_url: Option<ServerUrl>,
    /// The file with the token that it knows this node by.
    #[serde(rename = "tokenFile")]
    pub token_file: Option<PathBuf>,
    /// Where it is kept what was made.
    pub state_folder: PathBuf,
}

impl Default for SriovConfig {
    fn default() -> Self {
        Self {
            device: None,
            vf_num: 0,
            spoof_check: None,
            trust: None,
            min_tx_rate: None,
            max_tx_rate: None,
            gratuitous_arp_request: false,
            duplicate_address_probe: true,
            vlan: 0,
            server_url: None,
            token_file: None,
            state_folder: PathBuf::from(Folder::USUAL),
        }
    }
}

impl SriovConfig {
    /// The card's own name: it may be named by another one, under which the kernel shows no device.
    ///
    /// # Errors
    /// No card is named, or it is not there.
    pub(super) fn card_in(&self, host: &View) -> Result<InterfaceName, SriovError> {
        let named = self.device.as_ref().ok_or(SriovError::NoDevice)?;
        let name = host.link(named.as_str()).map(|link| link.name.parse());
        let name = name.and_then(Result::ok);
        name.ok_or_else(|| SriovError::NoCard(named.clone()))
    }

    /// What a card is to do for every function, where that is said.
    pub(super) fn settings(&self) -> impl Iterator<Item = Setting> {
        let rate = self
            .min_tx_rate
            .or(self.max_tx_rate)
            .map(|_| Setting::Rate {
                least: self.min_tx_rate.unwrap_or_default(),
                most: self.max_tx_rate.unwrap_or_default(),
            });
        let spoof_check = self.spoof_check.map(Setting::SpoofCheck);
        let trust = self.trust.map(Setting::Trust);
        [spoof_check, trust, rate].into_iter().flatten()
    }
}

impl Connects for SriovConfig {
    fn state_folder(&self) -> &Path {
        &self.state_folder
    }

    fn records(&self) -> Folder {
        Folder::at(self.state_folder.join("sriov"))
    }

    fn server(&self) -> Option<Server> {
        Server::configured(self.server_url.as_ref(), self.token_file.as_ref())
    }

    fn vlan(&self) -> u16 {
        self.vlan
    }

    fn decide(wish: &Wish<'_>, spaces: &mut Spaces) -> Result<Plan, Failure> {
        let mut facts = Facts::gather(wish.config, spaces)?;
        let card = facts.allow(wish)?;
        if facts.slots.is_empty() {
            Card::of(&card).enable(&card, wish.config.vf_num, &mut spaces.host)?;
            facts = Facts::gather(wish.config, spaces)?;
        }
        Ok(plan(wish, &facts)?)
    }

    fn connected(&self, record: &Record) {
        interrupts::spread(record);
    }

    fn release(&self, record: &Record, host: &mut Kernel) -> Result<(), Failure> {
        release(record, host)
    }
}

fn link<'de, D: Deserializer<'de>>(wire: D) -> Result<Option<InterfaceName>, D::Error> {
    let text = Option::<String>::deserialize(wire)?;
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(de::Error::custom))
        .transpose()
}

/// As the upstream plugin has it.
fn switch<'de, D: Deserializer<'de>>(wire: D) -> Result<Option<bool>, D::Error> {
    match Option::<String>::deserialize(wire)?.as_deref() {
        None | Some("") => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        Some(other) => {
            let message = format!("{other:?} is neither \"on\" nor \"off\"");
            Err(de::Error::custom(message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SriovConfig, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn absent_and_empty_fields_leave_the_card_as_it_is() {
        for text in ["{}", r#"{"device":"","spoofchk":"","trust":null}"#] {
            let config = read(text).unwrap();
            assert_eq!(config, SriovConfig::default());
            assert_eq!(config.settings().count(), 0);
        }
    }

    #[test]
    fn settings_are_those_that_are_said() {
        let text = r#"{"spoofchk":"off","trust":"on","max_tx_rate":100}"#;
        let settings: Vec<Setting> = read(text).unwrap().settings().collect();
        let rate = Setting::Rate {
            least: 0,
            most: 100,
        };
        let expected = [Setting::SpoofCheck(false), Setting::Trust(true), rate];
        assert_eq!(settings, expected);
    }

    #[test]
    fn mistakes_are_refused_and_named() {
        for (text, expected) in [
            (r#"{"trust":"yes"}"#, "yes"),
            (r#"{"device":"abcdefghijklmnop"}"#, "15"),
            (r#"{"vf_num":-1}"#, "-1"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
