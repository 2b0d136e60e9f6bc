//! `STATUS`: only what will not get better by itself, as a runtime takes the node out of service for it. That all
//! functions are in use will.

use super::card::Card;
use super::config::SriovConfig;
use super::plan::SriovError;
use crate::connect::Connects as _;
use crate::link::{Kernel, KernelError, View};
use crate::spec::{Code, Failure};

/// Could a container be connected, if a function is free?
///
/// # Errors
/// There is no card, it has no functions, or there is nowhere to keep what is made; or the kernel does not say.
pub fn status(config: &SriovConfig) -> Result<(), Failure> {
    let host = Kernel::here().and_then(|mut kernel| kernel.view());
    find_functions(config, host)?;
    let tried = config.records().try_out();
    tried.map_err(|error| lacking(&error))
}

/// A kernel that is silent for once says nothing about the node.
fn find_functions(config: &SriovConfig, host: Result<View, KernelError>) -> Result<(), Failure> {
    functions(config, &host?).map_err(|error| lacking(&error))
}

fn functions(config: &SriovConfig, host: &View) -> Result<(), SriovError> {
    let name = config.card_in(host)?;
    let card = Card::of(&name);
    match card.total() {
        None | Some(0) => Err(SriovError::NoFunctions(name)),
        Some(total) if config.vf_num == 0 && card.slots().is_empty() => {
            Err(SriovError::NoneEnabled { card: name, total })
        }
        Some(_) => Ok(()),
    }
}

fn lacking(error: &impl ToString) -> Failure {
    Failure::new(Code::NotAvailable, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_card_that_is_not_there_makes_a_node_unfit() {
        let config = SriovConfig {
            device: "eth9".parse().ok(),
            ..SriovConfig::default()
        };
        let told = |host| {
            let failure = find_functions(&config, host).unwrap_err();
            failure.to_json(crate::spec::Version::LATEST)
        };
        assert!(told(Err(KernelError::Silent)).contains(r#""code":11"#));
        assert!(told(Ok(View::default())).contains(r#""code":50"#));
    }
}
