//! `STATUS`: only what will not get better by itself, as a runtime takes the node out of service for it.

use super::config::VlanConfig;
use crate::connect::Connects as _;
use crate::link::{Kernel, KernelError};
use crate::spec::{Code, Failure};

/// Could a container be connected?
///
/// # Errors
/// There is no device, or nowhere to keep what is made.
pub fn status(config: &VlanConfig) -> Result<(), Failure> {
    let lacking = |error: String| Failure::new(Code::NotAvailable, error);
    let there = device(config).map_err(|error| lacking(error.to_string()))?;
    if !there {
        let names = config.candidates().cloned().collect();
        return Err(lacking(super::PlanError::NoDevice(names).to_string()));
    }
    config
        .records()
        .make()
        .map_err(|error| lacking(error.to_string()))
}

fn device(config: &VlanConfig) -> Result<bool, KernelError> {
    let mut host = Kernel::here()?;
    for name in config.candidates() {
        if host.link(name)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
