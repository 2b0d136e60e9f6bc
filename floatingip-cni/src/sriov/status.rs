//! `STATUS`: only what will not get better by itself, as a runtime takes the node out of service for it. That all
//! functions are in use will.

use super::card::Card;
use super::config::SriovConfig;
use super::plan::SriovError;
use crate::connect::Connects as _;
use crate::link::Kernel;
use crate::spec::{Code, Failure};

/// Could a container be connected, if a function is free?
///
/// # Errors
/// There is no card, it has no functions, or there is nowhere to keep what is made.
pub fn status(config: &SriovConfig) -> Result<(), Failure> {
    let lacking = |error: String| Failure::new(Code::NotAvailable, error);
    let name = config.card().map_err(|error| lacking(error.to_string()))?;
    let there = Kernel::here().and_then(|mut host| host.link(name));
    let there = there.map_err(|error| lacking(error.to_string()))?;
    if there.is_none() {
        let error = SriovError::NoCard(name.clone());
        return Err(lacking(error.to_string()));
    }
    functions(config, &Card::of(name)).map_err(|error| lacking(error.to_string()))?;
    let made = config.records().make();
    made.map_err(|error| lacking(error.to_string()))
}

fn functions(config: &SriovConfig, card: &Card) -> Result<(), SriovError> {
    let name = config.card()?.clone();
    match card.total() {
        None | Some(0) => Err(SriovError::NoFunctions(name)),
        Some(total) if config.vf_num == 0 && card.slots().is_empty() => {
            Err(SriovError::NoneEnabled { card: name, total })
        }
        Some(_) => Ok(()),
    }
}
