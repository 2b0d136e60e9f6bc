//! A pool that only one client changes, as that client knows it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fastrand::Rng;

use super::Broken;
use super::found::Found;
use super::operation::Operation;

/// The largest size that is asked for.
const LARGEST: u32 = 8;

/// What is certain of a pool.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) name: String,
    /// None without a pool.
    size: Option<u32>,
    /// How many addresses it has.
    count: usize,
    /// Addresses that it has. Fewer than `count`: the others are not known by name. More: which of
    /// these it still has is not.
    pub(super) known: BTreeSet<IpAddr>,
}

impl Pool {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            size: None,
            count: 0,
            known: BTreeSet::new(),
        }
    }

    /// What is asked of it next.
    pub(super) fn next(&self, random: &mut Rng) -> Operation {
        let pool = self.name.clone();
        if !self.is_known() {
            return Operation::List { pool };
        }
        match random.u8(..10) {
            0 if self.size.is_some() => Operation::Delete { pool },
            1..=3 if !self.known.is_empty() => Operation::Release {
                pool,
                ips: self.some(random),
            },
            4 => Operation::List { pool },
            _ => Operation::Put {
                pool,
                size: random.u32(..=LARGEST),
            },
        }
    }

    fn is_known(&self) -> bool {
        self.known.len() == self.count
    }

    /// Addresses that it has for sure.
    pub(super) fn certain(&self) -> impl Iterator<Item = IpAddr> {
        let known = self.is_known().then_some(&self.known);
        known.into_iter().flatten().copied()
    }

    fn some(&self, random: &mut Rng) -> BTreeSet<IpAddr> {
        let most = random.usize(1..=self.known.len());
        self.known.iter().copied().take(most).collect()
    }

    /// What it may lose by an operation.
    pub(super) fn at_stake(&self, operation: &Operation) -> BTreeSet<IpAddr> {
        match operation {
            Operation::Release { ips, .. } => ips.clone(),
            Operation::List { .. } => BTreeSet::new(),
            _ => self.known.clone(),
        }
    }

    /// An operation was acknowledged.
    pub(super) fn acknowledged(&mut self, operation: &Operation) {
        match operation {
            Operation::Put { size, .. } => {
                self.size = Some(*size);
                self.count = *size as usize;
            }
            Operation::Delete { .. } => {
                self.size = None;
                self.has(BTreeSet::new());
            }
            Operation::Release { ips, .. } => {
                let rest = self.known.difference(ips).copied().collect();
                self.has(rest);
            }
            _ => {}
        }
    }

    /// It has these and no others.
    fn has(&mut self, known: BTreeSet<IpAddr>) {
        self.count = known.len();
        self.known = known;
    }

    /// The server says that it has these.
    pub(super) fn listed(&mut self, ips: BTreeSet<IpAddr>) -> Result<(), Broken> {
        if !self.agrees(&ips) {
            return Err(format!("{self:?} is listed with {ips:?}"));
        }
        self.has(ips);
        Ok(())
    }

    fn agrees(&self, ips: &BTreeSet<IpAddr>) -> bool {
        let certain = ips.is_subset(&self.known) || self.known.is_subset(ips);
        ips.len() == self.count && certain
    }

    /// Compares it with what a kill has left, where `open` was not answered, and takes that over;
    /// whether something of `open` was there.
    pub(super) fn compare(
        &mut self,
        found: &mut Found,
        open: Option<&Operation>,
    ) -> Result<bool, Broken> {
        let size = found.pool(&self.name).map(|pool| pool.size);
        let ips = found.take_pool(&self.name);
        let as_before = size == self.size && self.agrees(&ips);
        if !as_before && !open.is_some_and(|open| self.may_be(open, size, &ips)) {
            return Err(format!(
                "{self:?} has the size {size:?} and {ips:?}; open: {open:?}"
            ));
        }
        self.size = size;
        self.has(ips);
        Ok(!as_before)
    }

    /// Whether a step of an operation leads to this. A pool is written first and filled or trimmed
    /// afterwards; it is emptied first and deleted afterwards. Each step is whole.
    fn may_be(&self, open: &Operation, size: Option<u32>, ips: &BTreeSet<IpAddr>) -> bool {
        match open {
            Operation::Put { size: asked, .. } => {
                let written = Self {
                    name: String::new(),
                    size: None,
                    count: *asked as usize,
                    known: self.known.clone(),
                };
                size == Some(*asked) && (self.agrees(ips) || written.agrees(ips))
            }
            Operation::Delete { .. } => ips.is_empty() && (size.is_none() || size == self.size),
            Operation::Release { ips: given, .. } => {
                let rest: BTreeSet<IpAddr> = self.known.difference(given).copied().collect();
                size == self.size && rest == *ips
            }
            _ => false,
        }
    }
}
