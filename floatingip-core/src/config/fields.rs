//! The fields of one entry, by name; unknown and duplicate ones are told.

use std::collections::{BTreeMap, BTreeSet};

use super::findings::Findings;
use super::json::Json;
use super::{FaultKind, Place, WarningKind};

const KNOWN: [&str; 8] = [
    "routableSubnet",
    "nodeSubnets",
    "ips",
    "subnet",
    "gateway",
    "vlan",
    "exclude",
    "disabled",
];

/// What an entry has, each field once.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    entry: Place,
    known: BTreeMap<&'static str, &'a Json>,
}

impl<'a> Fields<'a> {
    pub(super) fn read(
        entry: Place,
        object: &'a [(String, Json)],
        findings: &mut Findings,
    ) -> Self {
        let mut known = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        let mut repeated = BTreeSet::new();
        for (written, value) in object {
            let place = entry.field(written);
            let name = name(written, &place, findings);
            let again = match name {
                Some(name) => known.insert(name, value).is_some(),
                None => !unknown.insert(written),
            };
            if again {
                if repeated.insert(written) {
                    findings.fault(place, FaultKind::DuplicateField);
                }
            } else if name.is_none() {
                report_unknown(place, written, findings);
            }
        }
        Self { entry, known }
    }

    pub(super) fn place(&self, name: &str) -> Place {
        self.entry.field(name)
    }

    pub(super) fn value(&self, name: &str) -> Option<&'a Json> {
        self.known.get(name).copied()
    }
}

/// The known field of that name; galaxy-ipam's JSON reader ignores case.
fn name(written: &str, place: &Place, findings: &mut Findings) -> Option<&'static str> {
    if let Some(name) = KNOWN.into_iter().find(|name| *name == written) {
        return Some(name);
    }
    let name = KNOWN
        .into_iter()
        .find(|name| findings.is_lenient() && name.eq_ignore_ascii_case(written))?;
    findings.warn(place.clone(), WarningKind::FieldCase { name });
    Some(name)
}

fn report_unknown(place: Place, written: &str, findings: &mut Findings) {
    let suggestion = suggestion(written);
    if findings.is_lenient() {
        findings.warn(place, WarningKind::UnknownField { suggestion });
    } else {
        findings.fault(place, FaultKind::UnknownField { suggestion });
    }
}

/// The known field that differs least from `written`, if a slip of the pen may explain it.
fn suggestion(written: &str) -> Option<&'static str> {
    const LONGEST: usize = 32;
    if written.len() > LONGEST {
        return None;
    }
    let written = written.to_ascii_lowercase();
    KNOWN
        .into_iter()
        .map(|name| (distance(&written, &name.to_ascii_lowercase()), name))
        .filter(|(distance, name)| *distance <= name.len() / 3)
        .min()
        .map(|(_, name)| name)
}

/// The edit distance (Levenshtein): how many characters have to be put in, taken out or changed.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (removed, a) in from.chars().enumerate() {
        let mut above_left = removed;
        let mut left = removed + 1;
        let mut next = vec![left];
        for (b, above) in to.chars().zip(row.iter().skip(1).copied()) {
            left = (above_left + usize::from(a != b))
                .min(above + 1)
                .min(left + 1);
            above_left = above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_insertions_removals_and_changes() {
        let cases = [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("vlan", "vlan", 0),
            ("vlna", "vlan", 2),
            ("gatway", "gateway", 1),
            ("kitten", "sitting", 3),
        ];
        for (from, to, expected) in cases {
            assert_eq!(distance(from, to), expected, "{from} {to}");
            assert_eq!(distance(to, from), expected, "{to} {from}");
        }
    }

    #[test]
    fn every_field_is_suggested_for_a_slip_and_none_for_nonsense() {
        for name in KNOWN {
            assert_eq!(suggestion(&name.to_ascii_uppercase()), Some(name));
            assert_eq!(suggestion(&format!("{name}s")), Some(name));
        }
        for nonsense in ["", "x", "comment", "metadata", &"gateway".repeat(100)] {
            assert_eq!(suggestion(nonsense), None, "{nonsense}");
        }
    }
}
