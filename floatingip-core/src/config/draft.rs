//! One entry on its way: what could be read of it, so that all its faults are found at once.

use std::net::IpAddr;

use ipnet::IpNet;

use super::fields::Fields;
use super::findings::Findings;
use super::json::Json;
use super::network::{address, network};
use super::{FaultKind, Place, check};
use crate::range::{IpRange, RangeSet};
use crate::topology::{Parts, VlanError, VlanId};

const ENTRY: &str = "an object with ips, subnet, gateway and nodeSubnets";
const IPS: &str = "a list of ranges: `[\"10.0.70.2~10.0.70.241\"]`";
const RANGE: &str = "a range as a string: `\"10.0.70.2~10.0.70.241\"`";
const SUBNET: &str = "the network of the ips: `\"10.0.70.0/24\"`";
const GATEWAY: &str = "the router's address: `\"10.0.70.1\"`";
const NODE_SUBNETS: &str = "the list of the nodes' networks: `[\"10.0.0.0/16\"]`";
const NODE_SUBNET: &str = "the network of nodes as a string: `\"10.0.0.0/16\"`";
const VLAN: &str = "a whole number from 1 to 4094, or 0 for untagged";
const DISABLED: &str = "true or false";

/// What could be read of an entry; without what has a fault.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) node_subnets: Option<Vec<IpNet>>,
    pub(super) net: Option<IpNet>,
    pub(super) gateway: Option<IpAddr>,
    pub(super) vlan: Option<VlanId>,
    pub(super) ips: Vec<Written>,
    pub(super) exclude: Vec<Written>,
    pub(super) disabled: bool,
}

/// A range and where it is written.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) range: IpRange,
    pub(super) place: Place,
}

impl Draft {
    pub(super) fn read(place: Place, entry: &Json, findings: &mut Findings) -> Self {
        let Json::Object(object) = entry else {
            findings.fault(place, wrong_type(entry, ENTRY));
            return Self::default();
        };
        let fields = Fields::read(place, object, findings);
        let draft = Self {
            node_subnets: node_subnets(&fields, findings),
            net: read_net(&fields, findings),
            gateway: read_gateway(&fields, findings),
            vlan: read_vlan(&fields, findings),
            ips: read_ips(&fields, findings),
            exclude: ranges(&fields, "exclude", findings),
            disabled: read_disabled(&fields, findings),
        };
        check::entry(&draft, &fields.place("gateway"), findings);
        draft
    }

    /// The whole of it, if nothing is missing.
    pub(super) fn parts(&self) -> Option<Parts> {
        Some(Parts {
            node_subnets: self.node_subnets.clone()?,
            net: self.net?,
            gateway: self.gateway?,
            vlan: self.vlan?,
            configured: set(&self.ips),
            excluded: set(&self.exclude),
            disabled: self.disabled,
        })
    }
}

pub(super) fn set(written: &[Written]) -> RangeSet {
    written.iter().map(|written| written.range).collect()
}

fn node_subnets(fields: &Fields<'_>, findings: &mut Findings) -> Option<Vec<IpNet>> {
    let (list, single) = (fields.value("nodeSubnets"), fields.value("routableSubnet"));
    if list.is_none() && single.is_none() {
        let expected = NODE_SUBNETS;
        findings.fault(fields.place("nodeSubnets"), FaultKind::Missing { expected });
        return None;
    }
    let list = list.map(|list| node_list(list, &fields.place("nodeSubnets"), findings));
    let place = fields.place("routableSubnet");
    let single = single.map(|single| read_network(single, &place, NODE_SUBNET, findings));
    match (list, single) {
        (Some(list), Some(single)) => {
            let (list, found) = (list?, single?);
            if !list.contains(&found) {
                findings.fault(place, FaultKind::NodeSubnetsDisagree { found });
            }
            Some(list)
        }
        (Some(list), None) => list,
        (None, single) => Some(vec![single??]),
    }
}

/// None if any of them has a fault.
fn node_list(list: &Json, place: &Place, findings: &mut Findings) -> Option<Vec<IpNet>> {
    let items = items(list, place, NODE_SUBNETS, findings)?;
    if items.is_empty() {
        let expected = NODE_SUBNETS;
        findings.fault(place.clone(), FaultKind::EmptyList { expected });
        return None;
    }
    // Two steps: `Option`'s own `collect` would stop at the first fault.
    let nets: Vec<Option<IpNet>> = items
        .iter()
        .enumerate()
        .map(|(number, item)| read_network(item, &place.item(number), NODE_SUBNET, findings))
        .collect();
    let mut nets: Vec<IpNet> = nets.into_iter().collect::<Option<_>>()?;
    nets.sort_unstable();
    nets.dedup();
    Some(nets)
}

fn read_net(fields: &Fields<'_>, findings: &mut Findings) -> Option<IpNet> {
    let value = required(fields, "subnet", SUBNET, findings)?;
    read_network(value, &fields.place("subnet"), SUBNET, findings)
}

fn read_gateway(fields: &Fields<'_>, findings: &mut Findings) -> Option<IpAddr> {
    let value = required(fields, "gateway", GATEWAY, findings)?;
    let place = fields.place("gateway");
    let gateway = address(string(value, &place, GATEWAY, findings)?);
    gateway.map_err(|kind| findings.fault(place, kind)).ok()
}

fn read_vlan(fields: &Fields<'_>, findings: &mut Findings) -> Option<VlanId> {
    let vlan = match fields.value("vlan") {
        None => return Some(VlanId::default()),
        Some(Json::Whole(number)) => VlanId::try_from(*number).map_err(FaultKind::from),
        Some(Json::OtherNumber(number)) => Err(VlanError::new(number).into()),
        Some(other) => Err(wrong_type(other, VLAN)),
    };
    vlan.map_err(|kind| findings.fault(fields.place("vlan"), kind))
        .ok()
}

fn read_disabled(fields: &Fields<'_>, findings: &mut Findings) -> bool {
    match fields.value("disabled") {
        None => false,
        Some(Json::Boolean(disabled)) => *disabled,
        Some(other) => {
            findings.fault(fields.place("disabled"), wrong_type(other, DISABLED));
            false
        }
    }
}

fn read_ips(fields: &Fields<'_>, findings: &mut Findings) -> Vec<Written> {
    match required(fields, "ips", IPS, findings) {
        Some(Json::List(list)) if list.is_empty() => {
            let expected = IPS;
            findings.fault(fields.place("ips"), FaultKind::EmptyList { expected });
            Vec::new()
        }
        _ => ranges(fields, "ips", findings),
    }
}

/// The ranges of a list, if the field is there; without those that have a fault.
fn ranges(fields: &Fields<'_>, name: &str, findings: &mut Findings) -> Vec<Written> {
    let place = fields.place(name);
    let items = fields
        .value(name)
        .and_then(|list| items(list, &place, IPS, findings));
    items
        .unwrap_or_default()
        .iter()
        .enumerate()
        .filter_map(|(number, item)| read_range(item, place.item(number), findings))
        .collect()
}

fn read_range(item: &Json, place: Place, findings: &mut Findings) -> Option<Written> {
    match string(item, &place, RANGE, findings)?.parse() {
        Ok(range) => Some(Written { range, place }),
        Err(error) => {
            findings.fault(place, FaultKind::Range(error));
            None
        }
    }
}

fn read_network(
    value: &Json,
    place: &Place,
    expected: &'static str,
    findings: &mut Findings,
) -> Option<IpNet> {
    network(string(value, place, expected, findings)?, place, findings)
}

fn required<'a>(
    fields: &Fields<'a>,
    name: &str,
    expected: &'static str,
    findings: &mut Findings,
) -> Option<&'a Json> {
    let value = fields.value(name);
    if value.is_none() {
        findings.fault(fields.place(name), FaultKind::Missing { expected });
    }
    value
}

fn items<'a>(
    value: &'a Json,
    place: &Place,
    expected: &'static str,
    findings: &mut Findings,
) -> Option<&'a [Json]> {
    if let Json::List(items) = value {
        return Some(items);
    }
    findings.fault(place.clone(), wrong_type(value, expected));
    None
}

fn string<'a>(
    value: &'a Json,
    place: &Place,
    expected: &'static str,
    findings: &mut Findings,
) -> Option<&'a str> {
    if let Json::String(text) = value {
        return Some(text);
    }
    findings.fault(place.clone(), wrong_type(value, expected));
    None
}

fn wrong_type(value: &Json, expected: &'static str) -> FaultKind {
    let found = value.kind();
    FaultKind::WrongType { found, expected }
}
