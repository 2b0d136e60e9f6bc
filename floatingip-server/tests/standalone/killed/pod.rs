//! A slot of one client's own app, and the pods that fill it one after the other.

use std::net::IpAddr;

use fastrand::Rng;
use floatingip_core::Owner;

use super::Broken;
use super::found::Found;
use super::operation::Operation;

/// What is certain of a slot.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) pod: String,
    app: String,
    policy: &'static str,
    /// How many containers it has had.
    started: u32,
    has: Has,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Has {
    Nothing,
    Kept(IpAddr),
    InUse(IpAddr, String),
}

impl Has {
    fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Nothing => None,
            Self::Kept(ip) | Self::InUse(ip, _) => Some(*ip),
        }
    }
}

impl Slot {
    pub(super) fn new(client: usize, ordinal: usize, policy: &'static str) -> Self {
        let app = format!("app-{client}");
        Self {
            pod: format!("{app}-{ordinal}"),
            app,
            policy,
            started: 0,
            has: Has::Nothing,
        }
    }

    /// What is asked next: a container is attached, perhaps once more, or ended.
    pub(super) fn next(&mut self, random: &mut Rng) -> Operation {
        match &self.has {
            Has::InUse(_, container) if random.u8(..4) > 0 => Operation::Detach {
                pod: self.pod.clone(),
                container: container.clone(),
            },
            Has::InUse(_, container) => self.attach(container.clone()),
            _ => {
                self.started += 1;
                self.attach(format!("{}-{}", self.pod, self.started))
            }
        }
    }

    fn attach(&self, container: String) -> Operation {
        Operation::Attach {
            pod: self.pod.clone(),
            app: self.app.clone(),
            policy: self.policy,
            container,
        }
    }

    /// What it may lose by an operation.
    pub(super) fn at_stake(&self, operation: &Operation) -> Option<IpAddr> {
        let ends = matches!(operation, Operation::Detach { .. });
        self.has.ip().filter(|_| ends)
    }

    /// A container was told its address. STICKY: it is that of the slot.
    pub(super) fn attached(&mut self, ip: IpAddr, container: &str) -> Result<(), Broken> {
        if self.has.ip().is_some_and(|had| had != ip) {
            return Err(format!("STICKY: {self:?} is told {ip}"));
        }
        self.has = Has::InUse(ip, container.to_owned());
        Ok(())
    }

    pub(super) fn detached(&mut self) {
        self.has = self.ended();
    }

    fn ended(&self) -> Has {
        let kept = self.has.ip().filter(|_| !self.policy.is_empty());
        kept.map_or(Has::Nothing, Has::Kept)
    }

    /// The addresses it has for sure.
    pub(super) fn certain(&self) -> Option<IpAddr> {
        self.has.ip()
    }

    /// Compares it with what a kill has left, where `open` was not answered, and takes that over;
    /// whether `open` was done.
    pub(super) fn compare(
        &mut self,
        found: &mut Found,
        open: Option<&Operation>,
    ) -> Result<bool, Broken> {
        let owners = found.take_slot(&self.app, &self.pod);
        let now = match owners.as_slice() {
            [] => Has::Nothing,
            [(ip, owner)] => owner
                .pod()
                .map_or(Has::Kept(*ip), |pod| Has::InUse(*ip, pod.uid.to_string())),
            _ => return Err(format!("ONE-SLOT: {self:?} has {owners:?}")),
        };
        let as_before = now == self.has;
        if !as_before && !open.is_some_and(|open| self.may_have(open, &now)) {
            return Err(format!("{self:?} has {owners:?}; open: {open:?}"));
        }
        self.has = now;
        Ok(!as_before)
    }

    /// Whether an operation leads to this.
    fn may_have(&self, open: &Operation, now: &Has) -> bool {
        match (open, now) {
            (Operation::Attach { container, .. }, Has::InUse(ip, by)) => {
                by == container && self.has.ip().is_none_or(|had| had == *ip)
            }
            (Operation::Detach { .. }, now) => *now == self.ended(),
            _ => false,
        }
    }
}

impl Found {
    /// Who has the addresses of a slot.
    fn take_slot(&mut self, app: &str, pod: &str) -> Vec<(IpAddr, Owner)> {
        self.take(|owner| {
            let named = owner.app().is_some_and(|found| *found.name == *app);
            named && *owner.pod_name() == *pod
        })
    }
}
