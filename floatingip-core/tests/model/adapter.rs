//! What the adapter of a cluster does besides: it lists again, adopts bound pods, asks what would be
//! if others ended, and asks again only when something may have changed.

use floatingip_core::engine::{Engine, NotAdopted, Progress, WholeList};
use floatingip_core::fact::{AppState, Fact, NodeState, PodState, World};
use floatingip_core::owner::AppRef;
use floatingip_core::record::Version;
use floatingip_core::refusal::Refusal;
use floatingip_core::store::Outcome;
use floatingip_core::testing::block_on;
use floatingip_core::{Name, Now, Plan, Store};

use super::allocation::reach_of;
use super::leader::Purpose;
use super::network::NODES;
use super::ops::Op;
use super::world::{Lagging, Pod};
use super::{Checked, Model, ensure, pick, started};

impl Model {
    /// The watch was cut: what it had not brought is lost, and both kinds are listed again.
    pub(super) fn relist(&mut self, to: usize, slice: u8) -> Result<bool, String> {
        let snapshot = block_on(self.base.load()).expect("memory can always be read");
        let leader = &mut self.leaders[to];
        leader.pending.clear();
        leader.seen = snapshot.version;
        let addresses = WholeList::of_addresses(snapshot.version, snapshot.addresses);
        let pools = WholeList::of_pools(snapshot.version, snapshot.pools);
        let mut news = false;
        for mut list in [addresses, pools] {
            let slice = usize::from(slice % 8) + 1;
            while leader.engine.observe_slice(&mut list, slice, self.now) == Progress::More {}
            let found = list.finish();
            news |= !found.taken.is_empty() || !found.deleted.is_empty();
        }
        self.check_as_listed(to)?;
        Ok(news)
    }

    /// But for what open plans are about to change, the engine has what the store has.
    fn check_as_listed(&self, to: usize) -> Checked {
        let (engine, held) = (&self.leaders[to].engine, self.leaders[to].held());
        for ip in self.universe.iter().filter(|ip| !held.contains(ip)) {
            let known = engine.record(*ip).map(|record| (**record).clone());
            let stored = self.stored(*ip);
            ensure!(
                known == stored,
                "after a list the engine has {known:?} of {ip}, the store {stored:?}"
            );
        }
        Ok(())
    }

    /// A bound pod is adopted, one that has lost a record if there is any.
    pub(super) fn adopt(&mut self, who: usize, pod: u8) -> Result<bool, String> {
        let bound = self.truth.pods.iter().filter(|pod| !pod.uses().is_empty());
        let (lost, well): (Vec<&Pod>, Vec<&Pod>) =
            bound.partition(|pod| pod.uses().iter().any(|ip| self.robbed.contains_key(ip)));
        let pods = if lost.is_empty() { well } else { lost };
        let Some(pod) = pick(&pods, pod).map(|pod| (*pod).clone()) else {
            return Ok(false);
        };
        let node = pod.bound.as_ref().map_or(0, |binding| binding.node);
        let engine = &mut self.leaders[who].engine;
        let adoption = engine.plan_adopt(&pod.request(node), pod.uses(), self.now);
        for (ip, why) in &adoption.refused {
            let others = self.leaders[who].engine.record(*ip).is_some_and(|record| {
                let holder = record.owner.pod();
                holder.is_none_or(|holder| holder.uid != pod.uid)
            });
            ensure!(
                others || !matches!(why, NotAdopted::OthersOwn { .. }),
                "{ip} is not adopted though it is the pod's: {why}"
            );
        }
        let adopts = !adoption.plan.is_empty();
        self.begin(who, adoption.plan, Purpose::Other)?;
        Ok(adopts)
    }

    /// What could be had if others ended is what can be had when they have.
    pub(super) fn check_without(&self, who: usize, pod: &Pod, node: usize) -> Checked {
        let others = self.truth.pods.iter().filter(|other| other.uid != pod.uid);
        let bound = others.filter(|other| !other.uses().is_empty());
        let victims: Vec<Name> = bound.take(3).map(|other| other.uid.clone()).collect();
        let (truth, config) = (&self.truth, self.leaders[who].config);
        let world = Lagging { truth, lag: 0 };
        let gone = Without {
            world: Lagging { truth, lag: 0 },
            victims: &victims,
        };
        let twin = || {
            started(
                &self.base,
                None,
                config,
                self.node_joined,
                u64::MAX,
                self.now,
            )
        };
        let (supposed, mut real) = (twin().engine, twin().engine);
        let request = pod.request(node);
        let reaches = [0, 2].map(|node| reach_of(&supposed, node));
        let supposed = supposed.feasible_without(&request, &reaches, &victims, &world, self.now);
        for (n, uid) in victims.iter().enumerate() {
            let ending = floatingip_core::engine::Ending::Certain;
            let plan = real.plan_ended(uid, &ending, &gone, self.now);
            settle(&mut real, plan, n, self.now);
        }
        let reaches = [0, 2].map(|node| reach_of(&real, node));
        let real = real.feasible(&request, &reaches, &gone, self.now);
        for (supposed, real) in supposed.iter().zip(&real) {
            ensure!(
                supposed.is_ok() == real.is_ok(),
                "{} without {victims:?}: supposed {supposed:?}, really {real:?}",
                pod.name
            );
        }
        Ok(())
    }

    /// What some waiting pods are answered, before an operation that changes no facts.
    pub(super) fn probe(&mut self, op: &Op) -> Option<Probe> {
        let facts = matches!(
            op,
            Op::Scale { .. }
                | Op::DeleteApp { .. }
                | Op::RecreateApp { .. }
                | Op::ChangePolicy { .. }
                | Op::CreatePod { .. }
                | Op::Finish { .. }
                | Op::Delete { .. }
                | Op::NodeGone { .. }
                | Op::NodeReady { .. }
                | Op::Crash { .. }
        );
        self.steps += 1;
        if facts || !self.steps.is_multiple_of(3) {
            return None;
        }
        let who = self.active;
        // Before they are asked, as the adapter does.
        let openings = self.leaders[who].engine.openings(self.now);
        let waits = |pod: &&Pod| pod.is_live() && pod.bound.is_none();
        let pods = self.truth.pods.iter().rev().filter(waits).take(2);
        let node = usize::try_from(self.steps).unwrap_or(0) % NODES.len();
        let refused = pods.filter(|pod| self.is_refused(who, pod, node));
        let refused = refused.cloned().collect();
        Some(Probe {
            who,
            node,
            refused,
            openings,
        })
    }

    /// A refusal that has become a success shows in the number of openings.
    pub(super) fn check_probe(&mut self, probe: &Probe) -> Checked {
        let openings = self.leaders[probe.who].engine.openings(self.now);
        for pod in &probe.refused {
            ensure!(
                openings != probe.openings || !self.is_served(probe.who, pod, probe.node),
                "{} was refused on {} and is not any more, and nobody was told",
                pod.name,
                NODES[probe.node].0
            );
        }
        Ok(())
    }

    /// Refused for good, as far as nothing changes.
    fn is_refused(&self, who: usize, pod: &Pod, node: usize) -> bool {
        matches!(self.answer(who, pod, node), Err(refusal) if !refusal.is_transient())
    }

    /// Whether it would pass now, not by what it has been given meanwhile.
    fn is_served(&self, who: usize, pod: &Pod, node: usize) -> bool {
        let has = self.leaders[who].engine.addresses_of(&pod.uid);
        has.is_empty() && self.answer(who, pod, node).is_ok()
    }

    fn answer(&self, who: usize, pod: &Pod, node: usize) -> Result<(), Refusal> {
        let engine = &self.leaders[who].engine;
        let world = Lagging {
            truth: &self.truth,
            lag: 0,
        };
        let reach = reach_of(engine, node);
        let answers = engine.feasible(&pod.request(node), &[reach], &world, self.now);
        answers.into_iter().next().expect("one answer for a reach")
    }
}

/// Pods that were refused before an operation.
pub(super) struct Probe {
    who: usize,
    node: usize,
    refused: Vec<Pod>,
    openings: u64,
}

/// The world without some pods.
struct Without<'a> {
    world: Lagging<'a>,
    victims: &'a [Name],
}

impl World for Without<'_> {
    fn app(&self, app: &AppRef) -> Fact<AppState> {
        self.world.app(app)
    }

    fn pod(&self, namespace: &str, name: &str) -> Fact<PodState> {
        match self.world.pod(namespace, name) {
            Fact::Known(state) if self.victims.contains(&state.uid) => Fact::Gone,
            fact => fact,
        }
    }

    fn node(&self, name: &str) -> Fact<NodeState> {
        self.world.node(name)
    }
}

/// Applies everything, at versions above all that the store has.
fn settle(engine: &mut Engine, plan: Plan, n: usize, now: Now) {
    let above = u64::MAX / 2 + n as u64;
    let outcomes = vec![Outcome::Applied(Version(above)); plan.batch().writes.len()];
    engine.settle(plan, outcomes, now);
}
