//! What happens outside, and what the leader does about it.

use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::engine::Ending;
use floatingip_core::owner::{AppRef, Slot};
use floatingip_core::plan::{Batch, Entry, Event, Write};
use floatingip_core::record::PlanId;
use floatingip_core::testing::block_on;
use floatingip_core::{Name, ReleasePolicy, Store, WallTime};

use super::leader::Purpose;
use super::network::NODES;
use super::ops::Op;
use super::world::{Kind, Lagging, Pod};
use super::{Checked, JOINED, Model, Planted, at, pick};

impl Model {
    pub(super) fn change_world(&mut self, op: &Op) -> bool {
        let apps = self.truth.apps.len();
        match *op {
            Op::Scale {
                app,
                replicas,
                start,
                surge,
            } => {
                let app = &mut self.truth.apps[usize::from(app) % apps];
                app.replicas = replicas.into();
                app.start = start.into();
                app.surge = surge.into();
                self.forget_expected();
                true
            }
            Op::DeleteApp { app } => {
                let there = &mut self.truth.apps[usize::from(app) % apps].exists;
                let was = std::mem::replace(there, false);
                self.forget_expected();
                was
            }
            Op::RecreateApp { app } => self.recreate(usize::from(app) % apps),
            Op::ChangePolicy { app, policy } => {
                let app = &mut self.truth.apps[usize::from(app) % apps];
                let changes = !matches!(app.kind, Kind::Job);
                if changes {
                    app.policy = ReleasePolicy::ALL[usize::from(policy)];
                }
                changes
            }
            Op::CreatePod { app, pick } => self.truth.create_pod(usize::from(app) % apps, pick),
            Op::Finish { pod } => self.end(
                pod,
                |pod| pod.finished = true,
                |pod| pod.is_live(),
                Ending::Certain,
            ),
            Op::Delete { pod, unreachable } => {
                let ending = match unreachable {
                    true => Ending::Unreachable {
                        rest: Duration::from_secs(300),
                    },
                    false => Ending::Certain,
                };
                self.end(pod, |pod| pod.deleted = true, |pod| !pod.deleted, ending)
            }
            Op::NodeGone { node } => {
                let node = usize::from(node) % NODES.len();
                let was = std::mem::replace(&mut self.truth.nodes[node].exists, false);
                self.forget_expected();
                was
            }
            Op::NodeReady { node, ready } => {
                let node = &mut self.truth.nodes[usize::from(node) % NODES.len()];
                node.exists = true;
                node.ready = ready;
                true
            }
            Op::NodeJoins { n } => self.join(n),
            Op::NodeLeaves => {
                for leader in &mut self.leaders {
                    leader.engine.forget_node(&JOINED.into());
                }
                self.node_joined.take().is_some()
            }
            _ => false,
        }
    }

    fn recreate(&mut self, app: usize) -> bool {
        self.truth.apps[app].exists = false;
        self.forget_expected();
        self.truth.recreate(app);
        true
    }

    fn end(
        &mut self,
        n: u8,
        change: impl Fn(&mut Pod),
        may: impl Fn(&Pod) -> bool,
        ending: Ending,
    ) -> bool {
        let pods: Vec<Name> = self
            .truth
            .pods
            .iter()
            .filter(|pod| may(pod))
            .map(|pod| pod.uid.clone())
            .collect();
        let Some(pod) = pick(&pods, n).and_then(|uid| self.truth.pod_mut(uid)) else {
            return false;
        };
        change(pod);
        self.events
            .push((pod.name.clone(), pod.uid.clone(), ending));
        self.forget_expected();
        true
    }

    fn join(&mut self, n: u8) -> bool {
        self.node_joined = pick(&self.universe, n).copied();
        for leader in &mut self.leaders {
            leader
                .engine
                .observe_node(&JOINED.into(), self.node_joined.as_slice());
        }
        true
    }

    /// Slots that are gone without a pod need not find their addresses again.
    fn forget_expected(&mut self) {
        let truth = &self.truth;
        self.expected.retain(|_, slot| {
            let live =
                |pod: &Pod| pod.tenant.slot_ref().as_ref() == Some(slot) && pod.bound.is_some();
            // A slot that is gone keeps nothing once its last pod ends; one that comes back may.
            let Some(last) = truth.pods.iter().rfind(|pod| live(pod)) else {
                return true;
            };
            let Some(app) = slot
                .app
                .as_ref()
                .filter(|_| last.policy == ReleasePolicy::Immutable)
            else {
                return true;
            };
            let app = truth.app_of(app);
            app.is_some_and(|app| {
                let same = app.exists
                    && last.tenant.app.as_ref().and_then(|app| app.uid.clone())
                        == Some(super::world::uid_of(app));
                same && match &slot.slot {
                    Slot::Ordinal(n) => {
                        (app.start..app.start + u64::from(app.replicas)).contains(n)
                    }
                    Slot::Node(name) => {
                        super::network::node_named(name).is_some_and(|n| truth.nodes[n].exists)
                    }
                    _ => true,
                }
            })
        });
    }

    /// The leader hears of the end of a pod, perhaps again, perhaps late.
    pub(super) fn ended(
        &mut self,
        who: usize,
        event: u8,
        again: bool,
        lag: u8,
    ) -> Result<bool, String> {
        let Some(n) = usize::from(event).checked_rem(self.events.len()) else {
            return Ok(false);
        };
        let (name, uid, ending) = self.events[n].clone();
        if !again {
            self.events.remove(n);
        }
        let uid = match self.planted {
            Some(Planted::ReleaseByName) => self.holder_named(who, &name).unwrap_or(uid),
            _ => uid,
        };
        self.plan_end(who, &uid, &ending, lag)?;
        Ok(true)
    }

    fn holder_named(&self, who: usize, name: &Name) -> Option<Name> {
        let records = self.records_of(who);
        let mut pods = records.iter().filter_map(|(_, record)| record.owner.pod());
        pods.find(|pod| pod.name == *name)
            .map(|pod| pod.uid.clone())
    }

    fn plan_end(&mut self, who: usize, uid: &Name, ending: &Ending, lag: u8) -> Checked {
        let world = Lagging {
            truth: &self.truth,
            lag,
        };
        let plan = self.leaders[who]
            .engine
            .plan_ended(uid, ending, &world, self.now);
        self.begin(who, plan, Purpose::Other)
    }

    pub(super) fn end_due(&mut self, who: usize) -> Checked {
        for end in self.leaders[who].engine.due_ends() {
            let world = Lagging {
                truth: &self.truth,
                lag: 0,
            };
            let engine = &mut self.leaders[who].engine;
            let plan = engine.plan_due(&end, &world, self.now);
            self.begin(who, plan, Purpose::Other)?;
        }
        Ok(())
    }

    pub(super) fn app_changed(&mut self, who: usize, app: u8, lag: u8) -> Result<bool, String> {
        let app = pick(&self.truth.apps, app).expect("there are apps");
        let kind = match app.kind {
            Kind::Deployment => "deployment",
            Kind::StatefulSet => "statefulset",
            Kind::DaemonSet => "daemonset",
            Kind::Bare | Kind::Job => return Ok(false),
        };
        let app = AppRef {
            namespace: "default".into(),
            group: "apps".into(),
            kind: kind.into(),
            name: app.name.into(),
        };
        let world = Lagging {
            truth: &self.truth,
            lag,
        };
        let plan = self.leaders[who].engine.plan_app(&app, &world, self.now);
        let writes = !plan.is_empty();
        self.begin(who, plan, Purpose::Other)?;
        Ok(writes)
    }

    /// One sweep in slices; its plans stay open. Whether there was anything to repair.
    pub(super) fn sweep(&mut self, who: usize, slice: u8, lag: u8) -> Result<bool, String> {
        let mut after: Option<IpAddr> = None;
        let mut repairs = false;
        loop {
            let world = Lagging {
                truth: &self.truth,
                lag,
            };
            let engine = &mut self.leaders[who].engine;
            let swept = engine.plan_sweep(after, usize::from(slice % 16) + 1, &world, self.now);
            repairs |= !swept.plan.is_empty();
            self.begin(who, swept.plan, Purpose::Other)?;
            after = swept.next;
            if after.is_none() {
                return Ok(repairs);
            }
        }
    }

    pub(super) fn rob(&mut self, n: u8) -> bool {
        let found = self
            .universe
            .iter()
            .filter_map(|ip| Some((*ip, self.base.current(&at(*ip))?.0)));
        let Some((ip, version)) = pick(&found.collect::<Vec<_>>(), n).copied() else {
            return false;
        };
        let entry = Entry {
            at: WallTime::default(),
            event: Event::Release,
            from: None,
            to: None,
        };
        let batch = Batch {
            id: PlanId {
                incarnation: u64::MAX,
                serial: 0,
            },
            writes: vec![Write::address(ip, Some(version), None, entry)],
            in_order: false,
        };
        let victim = self.holder(ip);
        block_on(self.base.apply(&batch));
        self.robbed.insert(ip, victim);
        self.expected.remove(&ip);
        true
    }
}
