//! What there is before an `ADD`.

use std::collections::BTreeSet;

use super::card::{Card, Slot};
use super::config::SriovConfig;
use super::plan::{SriovError, Wish};
use crate::connect::{Connects as _, Spaces};
use crate::link::{Setting, View};
use crate::spec::{Failure, InterfaceName};

/// What an `ADD` is decided from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The node.
    pub host: View,
    /// The container.
    pub container: View,
    /// How many functions the card can have; none: it is no such card, or not there.
    pub total: Option<u32>,
    /// Its functions.
    pub slots: Vec<Slot>,
    /// What it does for them.
    pub settings: Vec<(u32, Setting)>,
    /// Those that belong to a record, by their addresses on the bus.
    pub claimed: BTreeSet<String>,
}

impl Facts {
    /// Asks the kernel, and reads what is remembered.
    ///
    /// # Errors
    /// The kernel does not answer, a record cannot be read, or there is no such card.
    pub fn gather(config: &SriovConfig, spaces: &mut Spaces) -> Result<Self, Failure> {
        let host = spaces.host.view()?;
        let name = config.card_in(&host)?;
        let container = View {
            routes: spaces.container.routes()?,
            ..spaces.container.view()?
        };
        let card = Card::of(&name);
        Ok(Self {
            host,
            container,
            total: card.total(),
            slots: card.slots(),
            settings: spaces.host.functions(&name)?,
            claimed: claimed(config)?,
        })
    }

    /// Whether an `ADD` can be thought of, before any function is enabled for it; by which card.
    ///
    /// # Errors
    /// It cannot.
    pub fn allow(&self, wish: &Wish<'_>) -> Result<InterfaceName, SriovError> {
        let interface = &wish.attachment.interface;
        if self.container.link(interface.as_str()).is_some() {
            return Err(SriovError::IsThere(interface.clone()));
        }
        if let Some(ip) = wish.own_address(&self.host) {
            return Err(SriovError::NodesOwn(ip));
        }
        let card = wish.config.card_in(&self.host)?;
        let total = self.total.filter(|total| *total > 0);
        let total = total.ok_or_else(|| SriovError::NoFunctions(card.clone()))?;
        if self.slots.is_empty() && wish.config.vf_num == 0 {
            return Err(SriovError::NoneEnabled { card, total });
        }
        Ok(card)
    }

    /// What the card does for a function now, about the same thing.
    pub(super) fn present(&self, index: u32, like: Setting) -> Option<Setting> {
        let mut settings = self.settings.iter();
        let found = settings.find(|(of, setting)| *of == index && setting.is_like(&like));
        found.map(|(_, setting)| *setting)
    }
}

/// Of all networks: they may share a card.
fn claimed(config: &SriovConfig) -> Result<BTreeSet<String>, Failure> {
    let records = config.records().every()?;
    let endpoints = records.into_iter().flat_map(|record| record.endpoints);
    let functions = endpoints.filter_map(|endpoint| endpoint.function);
    Ok(functions.map(|function| function.bus).collect())
}
