//! What is right by itself, but not together with the rest.

use std::net::IpAddr;

use ipnet::IpNet;

use super::draft::{Draft, Written, set};
use super::findings::Findings;
use super::{FaultKind, Place, WarningKind};
use crate::range::{Family, IpRange, RangeSet};
use crate::topology::{Parts, Topology, edges, reserved};

/// Whether the fields of one entry agree.
pub(super) fn entry(draft: &Draft, gateway_place: &Place, findings: &mut Findings) {
    if let Some(gateway) = draft.gateway
        && let Some(kind) = gateway_fault(gateway, draft.net)
    {
        findings.fault(gateway_place.clone(), kind);
    }
    let Some(subnet) = draft.net else {
        return;
    };
    for Written { range, place } in &draft.ips {
        if let Some(kind) = range_fault(*range, subnet) {
            findings.fault(place.clone(), kind);
        }
    }
    let configured = set(&draft.ips);
    for Written { range, place } in &draft.exclude {
        check_exclusion(*range, place, subnet, &configured, findings);
    }
}

/// Whether any two ranges of the document have addresses in common, in O(n log n).
pub(super) fn overlaps(drafts: &[Draft], findings: &mut Findings) {
    // The range so far that reaches furthest: whatever overlaps any earlier one overlaps it.
    let mut furthest: Option<&Written> = None;
    for written in by_address(drafts) {
        if let Some(other) = furthest
            && other.range.overlaps(&written.range)
        {
            findings.fault(written.place.clone(), overlap(written, other));
        }
        if furthest.is_none_or(|other| other.range.last() < written.range.last()) {
            furthest = Some(written);
        }
    }
}

/// Warns of ranges with addresses that are never handed out; the ranges do not overlap.
pub(super) fn reserved_in_ranges(drafts: &[Draft], parts: &[Parts], findings: &mut Findings) {
    let written = by_address(drafts);
    for (ip, (role, subnet)) in reserved(parts) {
        let after = written.partition_point(|written| written.range.first() <= ip);
        let before = after.checked_sub(1).and_then(|index| written.get(index));
        if let Some(written) = before.filter(|written| written.range.contains(ip)) {
            let kind = WarningKind::ReservedInRange { ip, role, subnet };
            findings.warn(written.place.clone(), kind);
        }
    }
}

/// Warns of entries that cannot give out anything.
pub(super) fn nothing_usable(topology: &Topology, findings: &mut Findings) {
    let subnets = topology.subnets().iter();
    for subnet in subnets.filter(|subnet| subnet.usable().is_empty()) {
        let place = Place::entry(subnet.id().index());
        findings.warn(place, WarningKind::NothingUsable);
    }
}

fn gateway_fault(gateway: IpAddr, subnet: Option<IpNet>) -> Option<FaultKind> {
    if let Some(subnet) = subnet {
        if let Some(kind) = other_family(IpRange::single(gateway), subnet) {
            return Some(kind);
        }
        if !subnet.contains(&gateway) {
            return Some(FaultKind::GatewayOutside { gateway, subnet });
        }
        if let Some((_, role)) = edges(subnet).find(|(ip, _)| *ip == gateway) {
            return Some(FaultKind::GatewayReserved {
                gateway,
                role,
                subnet,
            });
        }
    }
    let ends_in_zero = matches!(gateway, IpAddr::V4(ip) if ip.octets().ends_with(&[0]));
    ends_in_zero.then_some(FaultKind::GatewayEndsInZero { gateway })
}

fn range_fault(range: IpRange, subnet: IpNet) -> Option<FaultKind> {
    let all = IpRange::from_net(subnet);
    let inside = all.contains(range.first()) && all.contains(range.last());
    other_family(range, subnet)
        .or_else(|| (!inside).then_some(FaultKind::OutsideSubnet { range, subnet }))
}

fn check_exclusion(
    range: IpRange,
    place: &Place,
    subnet: IpNet,
    configured: &RangeSet,
    findings: &mut Findings,
) {
    if let Some(kind) = other_family(range, subnet) {
        findings.fault(place.clone(), kind);
        return;
    }
    let outside = RangeSet::from(range).difference(configured);
    if !outside.is_empty() {
        findings.warn(place.clone(), WarningKind::ExcludesNothing { outside });
    }
}

fn other_family(found: IpRange, subnet: IpNet) -> Option<FaultKind> {
    let differs = found.family() != Family::of(subnet.addr());
    differs.then_some(FaultKind::OtherFamily { found, subnet })
}

fn overlap(here: &Written, other: &Written) -> FaultKind {
    FaultKind::Overlap {
        range: here.range,
        other: other.range,
        other_place: other.place.clone(),
    }
}

/// All ranges of the document by address; equal ones in the order of the document.
fn by_address(drafts: &[Draft]) -> Vec<&Written> {
    let mut written: Vec<&Written> = drafts.iter().flat_map(|draft| &draft.ips).collect();
    written.sort_by_key(|written| written.range);
    written
}
