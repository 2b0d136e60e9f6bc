//! How an app stands, and what an operation makes of that.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::operation::Operation;

/// The policies of an app's slots, by their ordinals.
pub(super) const POLICIES: [&str; 4] = ["", "immutable", "never", "immutable"];

/// What the server was told of an app, and what its slots have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) told: Told,
    pub(super) slots: [Has; POLICIES.len()],
}

/// What the server was told of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nobody told of it; or it was deleted, and came back with a pod or was forgotten.
    Nothing,
    /// It has so many slots.
    There(u32),
    /// It was deleted.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Has {
    Nothing,
    Kept(IpAddr),
    InUse(IpAddr, String),
}

impl Has {
    pub(super) fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Nothing => None,
            Self::Kept(ip) | Self::InUse(ip, _) => Some(*ip),
        }
    }

    pub(super) fn container(&self) -> Option<&str> {
        match self {
            Self::InUse(_, container) => Some(container),
            _ => None,
        }
    }
}

impl Told {
    /// Whether the app keeps the address of a slot that has no pod.
    fn keeps(self, ordinal: usize) -> bool {
        let within = match self {
            Self::Nothing => true,
            Self::There(replicas) => ordinal < replicas as usize,
            Self::Gone => false,
        };
        match POLICIES[ordinal] {
            "" => false,
            "immutable" => within,
            _ => true,
        }
    }
}

impl Standing {
    pub(super) fn new() -> Self {
        Self {
            told: Told::Nothing,
            slots: [const { Has::Nothing }; POLICIES.len()],
        }
    }

    pub(super) fn addresses(&self) -> BTreeSet<IpAddr> {
        self.slots.iter().filter_map(Has::ip).collect()
    }

    pub(super) fn containers(&self) -> BTreeSet<String> {
        let containers = self.slots.iter().filter_map(Has::container);
        containers.map(str::to_owned).collect()
    }

    /// What this operation makes of it, before what it leaves too much is freed; `attached` is the address
    /// that a container was given, where that is known.
    pub(super) fn after(&self, operation: &Operation, attached: Option<IpAddr>) -> Self {
        let mut next = self.clone();
        match operation {
            Operation::Attach { pod, container, .. } => next.attach(pod, container, attached),
            Operation::Detach { container, .. } | Operation::End { container } => {
                next.end(|other| other == container);
            }
            Operation::Collect { valid, .. } => next.end(|other| !valid.contains(other)),
            Operation::Tell { replicas, .. } => next.told = Told::There(*replicas),
            Operation::Forsake { .. } => next.told = Told::Gone,
            _ => {}
        }
        next.forgotten()
    }

    /// A container starts. It says that its app is there again, unless it was there before.
    fn attach(&mut self, pod: &str, container: &str, ip: Option<IpAddr>) {
        let slot = &mut self.slots[ordinal(pod)];
        let again = slot.container() == Some(container);
        if let Some(ip) = ip.or_else(|| slot.ip()) {
            *slot = Has::InUse(ip, container.to_owned());
        }
        if self.told == Told::Gone && !again {
            self.told = Told::Nothing;
        }
    }

    fn end(&mut self, ended: impl Fn(&str) -> bool) {
        for (ordinal, slot) in self.slots.iter_mut().enumerate() {
            let Has::InUse(ip, container) = &*slot else {
                continue;
            };
            if ended(container) {
                *slot = match self.told.keeps(ordinal) {
                    true => Has::Kept(*ip),
                    false => Has::Nothing,
                };
            }
        }
    }

    fn free_surplus(&mut self) {
        for ordinal in 0..POLICIES.len() {
            if self.is_surplus(ordinal) {
                self.slots[ordinal] = Has::Nothing;
            }
        }
    }

    /// A deleted app without addresses is forgotten sooner or later, which nobody can tell from here.
    pub(super) fn forgotten(mut self) -> Self {
        if self.told == Told::Gone && self.addresses().is_empty() {
            self.told = Told::Nothing;
        }
        self
    }

    /// Whether an address is kept that is to be freed: soon, by an operation or a sweep that is under way.
    fn is_surplus(&self, ordinal: usize) -> bool {
        matches!(self.slots[ordinal], Has::Kept(_)) && !self.told.keeps(ordinal)
    }

    /// Once all of those are free.
    pub(super) fn settled(&self) -> Self {
        let mut settled = self.clone();
        settled.free_surplus();
        settled.forgotten()
    }

    /// Once those of them are free that `left` does not have any more.
    pub(super) fn settled_as(&self, left: &Self) -> Self {
        let mut settled = self.clone();
        for ordinal in 0..POLICIES.len() {
            if self.is_surplus(ordinal) && left.slots[ordinal] == Has::Nothing {
                settled.slots[ordinal] = Has::Nothing;
            }
        }
        settled.forgotten()
    }
}

/// The number at the end of a pod's name.
pub(super) fn ordinal(pod: &str) -> usize {
    let (_, ordinal) = pod.rsplit_once('-').unwrap();
    ordinal.parse().unwrap()
}
