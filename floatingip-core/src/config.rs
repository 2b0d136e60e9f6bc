//! The configuration: a JSON list of pod subnets, parsed into a [`Topology`] that cannot be wrong.
//!
//! | field | value |
//! |---|---|
//! | `nodeSubnets` | list of networks whose nodes may use this entry, of either family |
//! | `routableSubnet` | the older form: one such network; beside `nodeSubnets` it must be one of them |
//! | `ips` | list of `first~last`, single addresses, or networks |
//! | `subnet` | the network that all of them lie in |
//! | `gateway` | its router |
//! | `vlan` | 1 to 4094; 0 or absent: untagged |
//! | `exclude` | like `ips`: addresses that are not handed out |
//! | `disabled` | `true`: gives out nothing new, keeps what has an owner |
//!
//! `exclude` and `disabled` may be left out, and one of the two forms of node subnets must. A
//! document with any fault is refused as a whole, with all its [`Faults`]. An empty document, `null`
//! and the empty list are faults too: none of them means "no addresses", which would put every
//! owned address to draining. What is odd but harmless is accepted with a [`Warning`].

use self::draft::Draft;
pub use self::fault::{Fault, FaultKind, Faults, JsonType};
use self::findings::Findings;
use self::json::Json;
pub use self::place::Place;
pub use self::warning::{Warning, WarningKind};
use crate::topology::Topology;

mod check;
mod draft;
mod fault;
mod fields;
mod findings;
mod json;
mod network;
mod place;
mod warning;

/// A configuration without faults.
///
/// ```
/// use floatingip_core::config::{Config, Strictness};
///
/// let config = Config::parse(
///     r#"[{"nodeSubnets": ["10.0.0.0/16", "fd00:1::/64"], "ips": ["10.0.70.0/28"],
///          "subnet": "10.0.70.0/24", "gateway": "10.0.70.1"}]"#,
///     Strictness::Strict,
/// )?;
/// assert_eq!(config.topology().subnets().len(), 1);
/// assert_eq!(
///     config.warnings()[0].to_string(),
///     "[0].ips[0]: 10.0.70.0 is the network address of 10.0.70.0/24 and will not be handed out",
/// );
///
/// let faults = Config::parse(
///     r#"[{"routableSubnet": "10.0.0.0/16", "ips": ["10.0.70.9~10.0.70.2"],
///          "subnet": "10.0.70.0/24", "gateway": "10.0.71.1", "vlan": 4095}]"#,
///     Strictness::Strict,
/// )
/// .unwrap_err();
/// assert_eq!(faults.iter().count(), 3);
/// assert_eq!(faults.to_string().lines().count(), 3);
/// # Ok::<(), floatingip_core::config::Faults>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    topology: Topology,
    warnings: Vec<Warning>,
}

/// How much of what galaxy-ipam lets pass is let pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strictness {
    /// Unknown fields and networks with host bits are faults.
    #[default]
    Strict,
    /// As galaxy-ipam reads it, with warnings: unknown fields are ignored, field names match in any
    /// case, networks may have host bits. All other faults stay faults.
    GalaxyCompat,
}

impl Config {
    /// Reads a document: the JSON list itself, without the ConfigMap around it. Time and memory are
    /// proportional to the length of the text, whatever the size of its ranges.
    ///
    /// # Errors
    ///
    /// All [`Faults`] of the document, in its order, those between two entries last. JSON that
    /// cannot be read at all has one fault.
    pub fn parse(json: &str, strictness: Strictness) -> Result<Self, Faults> {
        let mut findings = Findings::new(strictness);
        let drafts = read(json, &mut findings);
        check::overlaps(&drafts, &mut findings);
        // A draft is incomplete only after a fault; if that were ever wrong, nothing is accepted.
        let parts = drafts.iter().map(Draft::parts).collect::<Option<Vec<_>>>();
        match parts {
            Some(parts) if findings.is_faultless() => {
                check::reserved_in_ranges(&drafts, &parts, &mut findings);
                let topology = Topology::new(parts);
                check::nothing_usable(&topology, &mut findings);
                let warnings = findings.into_warnings();
                Ok(Self { topology, warnings })
            }
            _ => Err(findings.into_faults()),
        }
    }

    /// The subnets.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The subnets, without the warnings.
    #[must_use]
    pub fn into_topology(self) -> Topology {
        self.topology
    }

    /// What is accepted, but perhaps not meant.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

fn read(text: &str, findings: &mut Findings) -> Vec<Draft> {
    let place = Place::document();
    if text.trim().is_empty() {
        findings.fault(place, FaultKind::EmptyDocument);
        return Vec::new();
    }
    match json::parse(text) {
        Err(kind) => findings.fault(place, kind),
        Ok(Json::List(entries)) if entries.is_empty() => {
            findings.fault(place, FaultKind::NoEntries);
        }
        Ok(Json::List(entries)) => {
            let drafts = entries.iter().enumerate();
            return drafts
                .map(|(number, entry)| Draft::read(Place::entry(number), entry, findings))
                .collect();
        }
        Ok(other) => findings.fault(
            place,
            FaultKind::NotAList {
                found: other.kind(),
            },
        ),
    }
    Vec::new()
}

/// Keeps messages readable whatever a document contains.
fn clip(text: &str) -> String {
    const LONGEST: usize = 64;
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests;
