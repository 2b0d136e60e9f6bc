//! The app of one client: told of, scaled, deleted, with pods that come and go.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fastrand::Rng;
use floatingip_core::Owner;
use floatingip_core::fact::{AppState, Slots};
use floatingip_core::owner::AppRef;
use floatingip_server::store;
use serde_json::{Value, json};

use super::found::Found;
use super::operation::{Operation, SURGE};
use super::standing::{Has, POLICIES, Standing, Told, ordinal};
use super::{Broken, attached};
use crate::client::Answer;

/// The changes of all clients within which something else that is freeing addresses comes to its end: many
/// commits, as no client has two changes in one. The sweep of a start is over by then too.
const SOON: u64 = 500;

/// What is certain of an app.
#[derive(Debug)]
pub(super) struct App {
    name: String,
    /// Where its pods are; nobody else's are there.
    node: String,
    /// How many containers there have been.
    started: u32,
    now: Standing,
    /// When it was first shown with addresses that are to be freed, in changes that all clients were
    /// acknowledged in this life of the server.
    surplus_since: Option<u64>,
}

impl App {
    pub(super) fn new(client: usize) -> Self {
        Self {
            name: format!("app-{client}"),
            node: format!("node-{client}"),
            started: 0,
            now: Standing::new(),
            surplus_since: None,
        }
    }

    /// The addresses it has for sure.
    pub(super) fn certain(&self) -> BTreeSet<IpAddr> {
        self.now.settled().addresses()
    }

    /// What is asked next; while addresses are about to be freed, whether they are.
    pub(super) fn next(&mut self, random: &mut Rng) -> Operation {
        let app = self.name.clone();
        if self.now != self.now.settled() {
            return Operation::Show { app };
        }
        match random.u8(..16) {
            0 | 1 => Operation::Tell {
                app,
                replicas: random.u32(..=POLICIES.len() as u32),
            },
            2 => Operation::Forsake { app },
            3 => Operation::Show { app },
            4 => self.collect(random),
            _ => self.next_of_slot(random),
        }
    }

    fn collect(&self, random: &mut Rng) -> Operation {
        let mut valid = self.now.containers();
        valid.retain(|_| random.bool());
        Operation::Collect {
            node: self.node.clone(),
            valid,
        }
    }

    /// A container is attached, perhaps once more, or ended.
    fn next_of_slot(&mut self, random: &mut Rng) -> Operation {
        let ordinal = random.usize(..POLICIES.len());
        let container = self.now.slots[ordinal].container().map(str::to_owned);
        match (container, random.u8(..4)) {
            (None, _) => {
                self.started += 1;
                let container = format!("{}-c{}", self.name, self.started);
                self.attach(ordinal, container)
            }
            (Some(container), 0) => self.attach(ordinal, container),
            (Some(container), 1) => Operation::End { container },
            (Some(container), _) => Operation::Detach {
                node: self.node.clone(),
                container,
            },
        }
    }

    fn attach(&self, ordinal: usize, container: String) -> Operation {
        Operation::Attach {
            node: self.node.clone(),
            pod: format!("{}-{ordinal}", self.name),
            app: self.name.clone(),
            policy: POLICIES[ordinal],
            container,
        }
    }

    /// What it may lose by an operation.
    pub(super) fn at_stake(&self, operation: &Operation) -> BTreeSet<IpAddr> {
        let left = self.now.after(operation, None).settled().addresses();
        self.certain().difference(&left).copied().collect()
    }

    /// The server has done what was asked, and says so; so many changes of all clients were acknowledged
    /// before it was asked.
    pub(super) fn answered(
        &mut self,
        operation: &Operation,
        answer: &Answer,
        acknowledged: u64,
    ) -> Result<(), Broken> {
        let attached = match operation {
            Operation::Attach { pod, .. } => Some(self.attached(pod, answer)?),
            _ => None,
        };
        let next = self.now.after(operation, attached);
        self.now = match operation {
            Operation::Tell { .. } | Operation::Forsake { .. } => freed(next, &answer.json(200))?,
            Operation::Show { .. } => self.shown(&answer.json(200), acknowledged)?,
            _ => next,
        };
        Ok(())
    }

    /// STICKY: a container was told the address of its slot.
    fn attached(&self, pod: &str, answer: &Answer) -> Result<IpAddr, Broken> {
        let ip = attached(answer)?;
        match self.now.slots[ordinal(pod)].ip() {
            Some(had) if had != ip => Err(format!("STICKY: {pod} of {self:?} is told {ip}")),
            _ => Ok(ip),
        }
    }

    /// The app is shown as it is, soon once all of it is freed that is to be freed.
    fn shown(&mut self, answer: &Value, acknowledged: u64) -> Result<Standing, Broken> {
        let settled = self.now.settled();
        if shows(answer, &settled) {
            self.surplus_since = None;
            return Ok(settled);
        }
        let (least, most) = (settled.addresses().len(), self.now.addresses().len());
        let has = answer["status"]["addresses"].as_u64();
        let has = has.is_some_and(|has| (least as u64..=most as u64).contains(&has));
        let since = *self.surplus_since.get_or_insert(acknowledged);
        match settled != self.now && has && acknowledged - since < SOON {
            true => Ok(self.now.clone()),
            false => Err(format!("{self:?} is shown as {answer}")),
        }
    }

    /// Nobody knows of the app: right, if nothing is there to know.
    pub(super) fn not_found(&mut self, answer: &Answer) -> Result<(), Broken> {
        if self.now.settled() != Standing::new() {
            return Err(format!("{self:?} is not shown: {answer:?}"));
        }
        self.now = Standing::new();
        self.surplus_since = None;
        Ok(())
    }

    /// Compares it with what a kill has left, where `open` was not answered, and takes that over;
    /// whether something of `open` was done.
    pub(super) fn compare(
        &mut self,
        found: &mut Found,
        open: Option<&Operation>,
    ) -> Result<bool, Broken> {
        let left = self.take(found)?;
        let as_before = left.clone().forgotten() == self.now.settled_as(&left);
        if !as_before && !open.is_some_and(|open| self.may_be(open, &left)) {
            return Err(format!("{self:?} is left as {left:?}; open: {open:?}"));
        }
        self.now = left.forgotten();
        self.surplus_since = None;
        Ok(!as_before)
    }

    /// Whether a step of an operation leads to this. What is told of the app is written first, and what
    /// follows from it afterwards; a pod of a deleted app revives it first. Each step is whole.
    fn may_be(&self, open: &Operation, left: &Standing) -> bool {
        let given = match open {
            Operation::Attach { pod, .. } => left.slots[ordinal(pod)].ip(),
            _ => None,
        };
        let done = self.now.after(open, given);
        let begun = Standing {
            told: done.told,
            slots: self.now.slots.clone(),
        };
        let sticky = |(had, has): (&Has, &Has)| had.ip().is_none() || had.ip() == has.ip();
        let kept = given.is_none() || self.now.slots.iter().zip(&left.slots).all(sticky);
        let steps = [done, begun].map(|step| step.settled_as(left));
        kept && steps.contains(&left.clone().forgotten())
    }

    fn take(&self, found: &mut Found) -> Result<Standing, Broken> {
        let told = match found.take_app(&self.name) {
            None => Told::Nothing,
            Some(store::Told::Gone) => Told::Gone,
            Some(store::Told::There(state)) => Told::There(replicas(&state)?),
        };
        let mut left = Standing::new();
        left.told = told;
        for (ordinal, slot) in left.slots.iter_mut().enumerate() {
            *slot = found.take_slot(&self.name, &format!("{}-{ordinal}", self.name))?;
        }
        Ok(left)
    }
}

/// So many addresses were freed; what something else is freeing just now is not among them.
fn freed(next: Standing, answer: &Value) -> Result<Standing, Broken> {
    let settled = next.settled();
    let most = (next.addresses().len() - settled.addresses().len()) as u64;
    match answer["freed"].as_u64() {
        Some(freed) if freed == most => Ok(settled),
        Some(freed) if freed < most => Ok(next),
        _ => Err(format!("{most} of {next:?} should be freed: {answer}")),
    }
}

fn shows(answer: &Value, standing: &Standing) -> bool {
    let addresses = standing.addresses().len();
    let told = match standing.told {
        Told::There(replicas) => json!([true, false, replicas, SURGE]),
        // Deleted and not forgotten yet: no address depends on it.
        Told::Nothing if addresses == 0 => json!([false, true, null, null]),
        Told::Nothing => json!([false, false, null, null]),
        Told::Gone => json!([false, true, null, null]),
    };
    let (app, status) = (&answer["app"], &answer["status"]);
    let shown = [
        &status["told"],
        &status["deleted"],
        &app["replicas"],
        &app["surge"],
    ];
    let has = json!([addresses, standing.containers().len()]);
    json!(shown) == told && json!([status["addresses"], status["inUse"]]) == has
}

fn replicas(state: &AppState) -> Result<u32, Broken> {
    match state.slots {
        Slots::Ordinals { start: 0, count } if state.surge == SURGE => Ok(count),
        _ => Err(format!("nobody told of {state:?}")),
    }
}

impl Found {
    fn take_app(&mut self, name: &str) -> Option<store::Told> {
        self.take_told(&AppRef {
            namespace: "default".into(),
            group: "apps".into(),
            kind: "statefulset".into(),
            name: name.into(),
        })
    }

    /// What a slot has. ONE-SLOT: that is one address.
    fn take_slot(&mut self, app: &str, pod: &str) -> Result<Has, Broken> {
        let owners = self.take(|owner| {
            let named = owner.app().is_some_and(|found| *found.name == *app);
            named && *owner.pod_name() == *pod
        });
        match owners.as_slice() {
            [] => Ok(Has::Nothing),
            [(ip, owner)] => Ok(has(*ip, owner)),
            _ => Err(format!("ONE-SLOT: {pod} has {owners:?}")),
        }
    }
}

fn has(ip: IpAddr, owner: &Owner) -> Has {
    match owner.pod() {
        Some(pod) => Has::InUse(ip, pod.uid.to_string()),
        None => Has::Kept(ip),
    }
}
