//! `STATUS`: only what will not get better by itself, as a runtime takes the node out of service for it.

use super::PlanError;
use super::config::VlanConfig;
use crate::link::{Kernel, KernelError, View};
use crate::spec::{Code, Failure};

/// Could a container be connected?
///
/// # Errors
/// There is no device, or nowhere to keep what is made; or the kernel does not say.
pub fn status(config: &VlanConfig) -> Result<(), Failure> {
    let host = Kernel::here().and_then(|mut kernel| kernel.view());
    find_device(config, host)?;
    let tried = config.records().try_out();
    tried.map_err(|error| lacking(&error))
}

/// A kernel that is silent for once says nothing about the node.
fn find_device(config: &VlanConfig, host: Result<View, KernelError>) -> Result<(), Failure> {
    if config.device_in(&host?).is_some() {
        return Ok(());
    }
    let names = config.candidates().cloned().collect();
    Err(lacking(&PlanError::NoDevice(names)))
}

fn lacking(error: &impl ToString) -> Failure {
    Failure::new(Code::NotAvailable, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_device_that_is_not_there_makes_a_node_unfit() {
        let config = VlanConfig::default();
        let told = |host| {
            let failure = find_device(&config, host).unwrap_err();
            failure.to_json(crate::spec::Version::LATEST)
        };
        assert!(told(Err(KernelError::Silent)).contains(r#""code":11"#));
        assert!(told(Ok(View::default())).contains(r#""code":50"#));
    }
}
