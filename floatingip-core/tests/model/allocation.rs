//! From the filter to the binding.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use floatingip_core::engine::Engine;
use floatingip_core::fact::{Fact, World};
use floatingip_core::owner::Slot;
use floatingip_core::plan::{Plan, Write};
use floatingip_core::record::{Record, Value};
use floatingip_core::request::PodRequest;
use floatingip_core::store::{Answer, Outcome};
use floatingip_core::testing::{Fault, block_on};
use floatingip_core::topology::Reach;
use floatingip_core::{Name, Store};

use super::leader::{Open, Purpose, Ready, address_of};
use super::network::{Entry, NODES};
use super::ops::How;
use super::world::{Asks, Binding, Lagging, Pod};
use super::{Checked, Model, Planted, ensure, pick};

/// How long the scheduler waits for a bind.
const BIND_LIVES: Duration = Duration::from_secs(50);

pub(crate) fn reach_of(engine: &Engine, node: usize) -> Reach {
    engine.topology().reach(&[IpAddr::from(NODES[node].1)])
}

impl Model {
    /// A pod that waits to be bound; rarely any pod that ever was.
    fn pick_pod(&self, n: u8) -> Option<Pod> {
        let waits = |pod: &&Pod| n > 240 || pod.is_live() && pod.bound.is_none();
        let pods: Vec<&Pod> = self.truth.pods.iter().filter(waits).collect();
        pick(&pods, n).map(|pod| (*pod).clone())
    }

    /// A node that the scheduler would offer the pod.
    fn pick_node(&self, pod: &Pod, n: u8) -> usize {
        let bound = pod.bound.as_ref().map(|binding| binding.node);
        bound
            .or(pod.pinned)
            .unwrap_or_else(|| usize::from(n) % NODES.len())
    }

    pub(super) fn pick_request(&self, pod: u8, node: u8) -> Option<(Pod, usize)> {
        let pod = self.pick_pod(pod)?;
        let node = self.pick_node(&pod, node);
        Some((pod, node))
    }

    pub(super) fn filter(
        &mut self,
        who: usize,
        pod: u8,
        node: u8,
        lag: u8,
    ) -> Result<bool, String> {
        let Some((pod, node)) = self.pick_request(pod, node) else {
            return Ok(false);
        };
        let world = Lagging {
            truth: &self.truth,
            lag,
        };
        let engine = &mut self.leaders[who].engine;
        let reach = reach_of(engine, node);
        let answers = engine.claim(&pod.request(node), &[reach], &world, self.now);
        ensure!(answers.len() == 1, "one reach, {} answers", answers.len());
        Ok(true)
    }

    pub(super) fn allocate_any(
        &mut self,
        who: usize,
        pod: u8,
        node: u8,
        lag: u8,
    ) -> Result<bool, String> {
        let Some((pod, node)) = self.pick_request(pod, node) else {
            return Ok(false);
        };
        self.allocate(who, &pod, node, lag)
            .map(|refusal| refusal.is_none())
    }

    /// Plans addresses for a pod; the refusal, if it is one.
    fn allocate(
        &mut self,
        who: usize,
        pod: &Pod,
        node: usize,
        lag: u8,
    ) -> Result<Option<String>, String> {
        let request = pod.request(node);
        let before = Before::of(self, who, pod, &request, lag);
        let world = Lagging {
            truth: &self.truth,
            lag,
        };
        let engine = &mut self.leaders[who].engine;
        let reach = reach_of(engine, node);
        let allocation = match engine.plan_allocate(&request, &reach, &world, self.now) {
            Ok(allocation) => allocation,
            Err(refusal) => return Ok(Some(refusal.to_string())),
        };
        before.check(
            self,
            who,
            pod,
            node,
            &allocation.addresses,
            &allocation.plan,
        )?;
        self.forget_changed(pod);
        let ready = Ready {
            uid: pod.uid.clone(),
            node,
            addresses: allocation.addresses,
            until: self.now.elapsed + BIND_LIVES,
        };
        self.begin(who, allocation.plan, Purpose::Bind(ready))?;
        Ok(None)
    }

    pub(super) fn serve(&mut self, who: usize, pod: u8, node: u8, lag: u8) -> Result<bool, String> {
        if !self.allocate_any(who, pod, node, lag)? {
            return Ok(false);
        }
        // The last plan is the pod's, unless there was nothing to write.
        if let Some(last) = self.leaders[who].open.len().checked_sub(1) {
            self.apply(who, last, &[])?;
        }
        let last = self.leaders[who].ready.len().saturating_sub(1);
        self.bind_any(who, u8::try_from(last).unwrap_or(u8::MAX), How::Succeeds)
    }

    /// Pods that pass the filter one after the other can all bind if nothing else happens: else
    /// claims are lost or not counted.
    pub(super) fn burst(
        &mut self,
        who: usize,
        app: u8,
        nodes: u8,
        lag: u8,
    ) -> Result<bool, String> {
        let app = usize::from(app) % self.truth.apps.len();
        // Claims count addresses of a subnet, not of the ranges that a pod names in it.
        let counted = self.truth.apps[app].asks != Asks::Ranges;
        let spec = &self.truth.apps[app];
        // A pod that was scaled away still gets its own address back, without a claim.
        let has_slot = |pod: &Pod| match pod.tenant.slot {
            Slot::Ordinal(n) => (spec.start..spec.start + u64::from(spec.replicas)).contains(&n),
            _ => true,
        };
        let waits = |pod: &&Pod| {
            counted && has_slot(pod) && pod.app == app && pod.is_live() && pod.bound.is_none()
        };
        let pods: Vec<Pod> = self
            .truth
            .pods
            .iter()
            .filter(waits)
            .take(5)
            .cloned()
            .collect();
        let mut passed = Vec::new();
        for (n, pod) in pods.iter().enumerate() {
            let offered =
                [nodes, nodes.wrapping_add(u8::from(nodes > 128))].map(|n| self.pick_node(pod, n));
            let world = Lagging {
                truth: &self.truth,
                lag,
            };
            let engine = &mut self.leaders[who].engine;
            let reaches = offered.map(|node| reach_of(engine, node));
            let answers = engine.claim(&pod.request(offered[0]), &reaches, &world, self.now);
            let good: Vec<usize> = offered
                .into_iter()
                .zip(answers)
                .filter(|(_, a)| a.is_ok())
                .map(|(node, _)| node)
                .collect();
            passed.extend(good.get(n % good.len().max(1)).map(|node| (pod, *node)));
        }
        for (pod, node) in &passed {
            let refusal = self.allocate(who, pod, *node, lag)?;
            ensure!(
                refusal.is_none(),
                "{} of {} pods passed the filter, then {} was refused on {}: {refusal:?}",
                passed.len(),
                pods.len(),
                pod.name,
                NODES[*node].0,
            );
        }
        Ok(passed.len() > 1)
    }

    /// Takes a plan over: it is open until its writes are certain.
    pub(super) fn begin(&mut self, who: usize, plan: Plan, purpose: Purpose) -> Checked {
        for write in &plan.batch().writes {
            self.tell(|| tale(who, write));
        }
        self.check_plan(who, &plan)?;
        let open = Open::new(plan, purpose);
        if open.is_certain() {
            return self.settle(who, open);
        }
        self.leaders[who].open.push(open);
        Ok(())
    }

    pub(super) fn apply_any(
        &mut self,
        who: usize,
        plan: u8,
        faults: [Option<Fault>; 2],
    ) -> Result<bool, String> {
        let count = self.leaders[who].open.len();
        let Some(n) = usize::from(plan).checked_rem(count) else {
            return Ok(false);
        };
        self.apply(who, n, &faults)?;
        Ok(true)
    }

    fn apply(&mut self, who: usize, n: usize, faults: &[Option<Fault>]) -> Checked {
        *self.faults.lock().expect("nobody panics with it") = faults.iter().copied().collect();
        let left = self.leaders[who].open[n].left();
        let mut answers = block_on(self.store.apply(&left));
        for (write, answer) in left.writes.iter().zip(&answers) {
            let uncertain = &mut self.leaders[who].uncertain;
            match answer {
                Answer::Unknown => uncertain.insert(write.target.clone()),
                Answer::Definite(_) => uncertain.remove(&write.target),
            };
        }
        if self.planted == Some(Planted::SettledByAbsence) {
            for (write, answer) in left.writes.iter().zip(&mut answers) {
                let found = self
                    .base
                    .current(&write.target)
                    .filter(|(_, value)| value.plan() == Some(left.id));
                if *answer == Answer::Unknown {
                    let seen = found.map(|(version, _)| Outcome::Applied(version));
                    *answer = Answer::Definite(seen.unwrap_or(Outcome::Unavailable));
                }
            }
        }
        let open = &mut self.leaders[who].open[n];
        open.hear(answers);
        if open.is_certain() {
            let open = self.leaders[who].open.remove(n);
            return self.settle(who, open);
        }
        Ok(())
    }

    fn settle(&mut self, who: usize, open: Open) -> Checked {
        let leader = &mut self.leaders[who];
        let outcomes: Vec<Outcome> = open.outcomes.into_iter().flatten().collect();
        let settled = leader.engine.settle(open.plan, outcomes, self.now);
        if let Purpose::Bind(ready) = open.purpose
            && settled.is_complete()
            && ready.until > self.now.elapsed
        {
            leader.ready.push(ready);
        }
        self.tell(|| format!("  settled: {settled:?}"));
        self.end_due(who)
    }

    /// Lets everything that a process has open become certain, without further faults.
    pub(super) fn settle_all(&mut self, who: usize) -> Checked {
        while !self.leaders[who].open.is_empty() {
            self.apply(who, 0, &[])?;
        }
        Ok(())
    }

    pub(super) fn bind_any(&mut self, who: usize, ready: u8, how: How) -> Result<bool, String> {
        let all = &mut self.leaders[who].ready;
        let Some(n) = usize::from(ready).checked_rem(all.len()) else {
            return Ok(false);
        };
        let ready = all.remove(n);
        match how {
            How::Fails => {}
            How::Late => self.late_bindings.push(Ready {
                until: ready.until + BIND_LIVES,
                ..ready
            }),
            How::Unheard => _ = self.land(&ready)?,
            How::Succeeds => {
                self.land(&ready)?;
                self.tell_bound(who, &ready.uid)?;
            }
        }
        Ok(true)
    }

    pub(super) fn land_binding(&mut self) -> Result<bool, String> {
        match self.late_bindings.pop() {
            Some(late) => self.land(&late),
            None => Ok(false),
        }
    }

    /// The API server binds the pod, if it still can be bound.
    fn land(&mut self, ready: &Ready) -> Result<bool, String> {
        let Some(pod) = self
            .truth
            .pod_mut(&ready.uid)
            .filter(|pod| pod.is_live() && pod.bound.is_none())
        else {
            return Ok(false);
        };
        pod.bound = Some(Binding {
            node: ready.node,
            addresses: ready.addresses.clone(),
        });
        let pod = pod.clone();
        self.expect_back(&pod, &ready.addresses);
        Ok(true)
    }

    /// Slots that keep addresses are to find these again.
    fn expect_back(&mut self, pod: &Pod, addresses: &[IpAddr]) {
        let Some(slot) = pod.tenant.slot_ref() else {
            return;
        };
        self.expected.retain(|_, expected| *expected != slot);
        if pod.policy.is_sticky() && pod.tenant.pool.is_none() {
            let safe = addresses.iter().filter(|ip| !self.robbed.contains_key(ip));
            let theirs = safe.map(|ip| (*ip, slot.clone()));
            self.expected.extend(theirs);
        }
    }

    /// A pod with another policy takes the slot's addresses over: from now on its policy holds.
    fn forget_changed(&mut self, pod: &Pod) {
        let Some(slot) = pod.tenant.slot_ref() else {
            return;
        };
        let fills =
            |other: &&Pod| other.bound.is_some() && other.tenant.slot_ref().as_ref() == Some(&slot);
        let last = self.truth.pods.iter().rfind(fills);
        let other = |last: &Pod| {
            let (then, now) = (&last.tenant, &pod.tenant);
            last.policy != pod.policy || then.pool != now.pool || then.app != now.app
        };
        if last.is_some_and(other) {
            self.expected.retain(|_, expected| *expected != slot);
        }
    }

    pub(super) fn notice(&mut self, who: usize, pod: u8) -> Result<bool, String> {
        let bound: Vec<&Pod> = self
            .truth
            .pods
            .iter()
            .filter(|pod| !pod.uses().is_empty())
            .collect();
        let Some(uid) = pick(&bound, pod).map(|pod| pod.uid.clone()) else {
            return Ok(false);
        };
        self.tell_bound(who, &uid)?;
        Ok(true)
    }

    /// Tells the leader with which addresses the pod is bound, if it is.
    pub(super) fn tell_bound(&mut self, who: usize, uid: &Name) -> Checked {
        let addresses = match self.truth.pod(uid) {
            Some(pod) if !pod.uses().is_empty() => pod.uses().to_vec(),
            _ => return Ok(()),
        };
        let plan = self.leaders[who]
            .engine
            .plan_bound(uid, &addresses, self.now);
        self.begin(who, plan, Purpose::Other)
    }
}

/// A write in a line.
fn tale(who: usize, write: &Write) -> String {
    let event = write.entry.as_ref().map(|entry| entry.event);
    let put = write.put.as_ref().map(|value| match value {
        Value::Pool(record) => format!("{record:?}"),
        Value::Address(record) => {
            let tenant = record.owner.tenant();
            let pod = record
                .owner
                .pod()
                .map(|pod| format!("{} {} {}", pod.name, pod.uid, pod.node));
            let app = record.owner.app().map(|app| app.name);
            let slot = tenant.map(|tenant| &tenant.slot);
            format!(
                "{app:?} {slot:?} {pod:?} {:?} {:?}",
                record.policy, record.mark
            )
        }
    });
    format!(
        "  {who}: {event:?} {} at {:?}: {put:?}",
        write.target, write.expect
    )
}

/// What the engine knew before it decided, read naively.
struct Before {
    /// Pods of the app that have addresses or are about to.
    pods: BTreeSet<Name>,
    limit: Option<u64>,
    /// Addresses of the pod's own slot.
    own: Vec<(IpAddr, Record)>,
    /// Addresses that the app keeps for any of its pods.
    shared: Vec<IpAddr>,
    records: Vec<(IpAddr, Record)>,
    held: BTreeSet<IpAddr>,
    pool: Option<(u64, u64)>,
}

impl Before {
    fn of(model: &Model, who: usize, pod: &Pod, request: &PodRequest, lag: u8) -> Self {
        let leader = &model.leaders[who];
        let records = model.records_of(who);
        let app = request.tenant().app_ref();
        let of_app = |record: &&Record| app.is_some() && record.owner.app() == app;
        let known = records.iter().map(|(_, record)| record);
        let replaced = leader.taken_over();
        let staying = records
            .iter()
            .filter(|(ip, _)| !replaced.contains(ip))
            .map(|(_, record)| record);
        let live = staying.chain(leader.on_their_way()).filter(of_app);
        // Those that have ended use nothing any more.
        let lives = |uid: &Name| model.truth.pod(uid).is_some_and(Pod::is_live);
        let pods = live
            .filter_map(|record| record.owner.pod().map(|pod| pod.uid.clone()))
            .filter(lives);
        let world = Lagging {
            truth: &model.truth,
            lag,
        };
        let limit = match app.as_ref().map(|app| world.app(app)) {
            Some(Fact::Known(state)) => state
                .slots
                .count()
                .map(|slots| slots + u64::from(state.surge)),
            _ => None,
        };
        let held = leader.held();
        let slot = request.tenant().slot_ref();
        let own = records.iter().filter(|(_, record)| {
            let tenant = record.owner.tenant();
            slot.is_some() && tenant.and_then(|tenant| tenant.slot_ref()) == slot
                || record
                    .owner
                    .pod()
                    .is_some_and(|holder| holder.uid == pod.uid)
        });
        let kept = |record: &Record| {
            let tenant = record.owner.tenant();
            tenant.is_some_and(|tenant| {
                tenant.slot == Slot::Any && tenant.pool.is_none() && tenant.pod.is_none()
            })
        };
        let shared = records.iter().filter(|(ip, record)| {
            kept(record) && record.owner.app() == app && record.mark.is_none() && !held.contains(ip)
        });
        let pool = request.pool().and_then(|pool| {
            let size = leader.engine.pool(pool)?.size;
            let has = known
                .clone()
                .filter(|record| record.owner.pool() == Some(pool))
                .count();
            Some((u64::from(size), has as u64 + model.entering(who, pool)))
        });
        Self {
            pods: pods.collect(),
            limit,
            own: own.cloned().collect(),
            shared: shared.map(|(ip, _)| *ip).collect(),
            held,
            pool,
            records,
        }
    }

    fn check(
        &self,
        model: &Model,
        who: usize,
        pod: &Pod,
        node: usize,
        chosen: &[IpAddr],
        plan: &Plan,
    ) -> Checked {
        self.check_each(model, who, pod, node, chosen)?;
        self.check_sticky(pod, node, chosen, model, who)?;
        // Another leader, or a robber, may end a pod that is about to be served again: a sweep mends
        // the count.
        if !model.both_lead && model.robbed.is_empty() {
            self.check_app(pod, chosen)?;
        }
        self.check_pool(pod, plan)
    }

    fn record(&self, ip: IpAddr) -> Option<&Record> {
        self.records
            .iter()
            .find(|(other, _)| *other == ip)
            .map(|(_, record)| record)
    }

    /// IN-RANGE and ONE-OWNER, for each address.
    fn check_each(
        &self,
        model: &Model,
        who: usize,
        pod: &Pod,
        node: usize,
        chosen: &[IpAddr],
    ) -> Checked {
        let distinct: BTreeSet<&IpAddr> = chosen.iter().collect();
        ensure!(
            distinct.len() == chosen.len(),
            "ONE-OWNER: one address twice in {chosen:?}"
        );
        ensure!(
            chosen.len() == pod.wants().len(),
            "{} wants, {chosen:?}",
            pod.wants().len()
        );
        let entries = model.entries_of(who);
        for (ip, want) in chosen.iter().zip(pod.wants()) {
            let within = want.within.is_none_or(|within| within.contains(*ip));
            ensure!(within, "IN-RANGE: {ip} was not asked for");
            ensure!(
                !self.held.contains(ip),
                "ONE-OWNER: {ip} is held by another plan"
            );
            let own = self.own.iter().any(|(other, _)| other == ip);
            let gives = entries
                .iter()
                .any(|entry| entry.gives(*ip) && entry.serves(node));
            match self.record(*ip) {
                None => {
                    ensure!(
                        gives,
                        "IN-RANGE: {ip} is not to be given on {}",
                        NODES[node].0
                    );
                    ensure!(model.node_joined != Some(*ip), "IN-RANGE: {ip} is a node's");
                }
                Some(record) => {
                    let marked = record
                        .mark
                        .as_ref()
                        .is_some_and(|mark| mark.until > model.now.wall);
                    ensure!(own || !marked, "IN-RANGE: {ip} is marked: {record:?}");
                    let others = record.owner.pod().filter(|holder| holder.uid != pod.uid);
                    let live = others
                        .and_then(|holder| model.truth.pod(&holder.uid))
                        .filter(|pod| pod.is_live());
                    ensure!(live.is_none(), "LIVE-KEEPS: {ip} is {live:?}'s");
                    ensure!(
                        own || record.is_reserve(),
                        "ONE-OWNER: {ip} is not {}'s: {record:?}",
                        pod.name
                    );
                }
            }
        }
        Ok(())
    }

    fn check_sticky(
        &self,
        pod: &Pod,
        node: usize,
        chosen: &[IpAddr],
        model: &Model,
        who: usize,
    ) -> Checked {
        if !pod.policy.is_sticky() || chosen.len() != 1 {
            return Ok(());
        }
        let got = chosen[0];
        let mine = |ip: &IpAddr| self.own.iter().any(|(other, _)| other == ip);
        let slot = pod.tenant.slot != Slot::Any;
        ensure!(
            self.own.is_empty() || !slot || mine(&got),
            "STICKY: {} gets {got}, has {:?}",
            pod.name,
            self.own
        );
        let entries = model.entries_of(who);
        let gives = |entry: &Entry, ip| entry.gives(ip) && entry.serves(node);
        let good = |ip: &&IpAddr| {
            let never = model.node_joined == Some(**ip);
            !never && entries.iter().any(|entry| gives(entry, **ip))
        };
        let kept = self.shared.iter().find(good);
        let fresh = self.record(got).is_none();
        ensure!(
            slot || !fresh || kept.is_none() || pod.tenant.pool.is_some(),
            "STICKY: {} gets {got}, {kept:?} is kept",
            pod.name
        );
        Ok(())
    }

    fn check_app(&self, pod: &Pod, chosen: &[IpAddr]) -> Checked {
        let counted = matches!(pod.tenant.slot, Slot::Any | Slot::Ordinal(_));
        let (Some(limit), true) = (
            self.limit,
            counted && pod.policy.is_sticky() && self.pool.is_none(),
        ) else {
            return Ok(());
        };
        let own = chosen
            .iter()
            .all(|ip| self.own.iter().any(|(other, _)| other == ip));
        ensure!(
            own || !pod.is_live()
                || self.pods.contains(&pod.uid)
                || (self.pods.len() as u64) < limit,
            "CAP: {} is one more than {limit} pods: {:?}",
            pod.name,
            self.pods,
        );
        Ok(())
    }

    fn check_pool(&self, pod: &Pod, plan: &Plan) -> Checked {
        let (Some((size, before)), Some(pool)) = (self.pool, &pod.tenant.pool) else {
            return Ok(());
        };
        let mut after = before;
        for write in &plan.batch().writes {
            let was = address_of(&write.target).and_then(|ip| self.record(ip));
            after -= u64::from(was.is_some_and(|was| was.owner.pool() == Some(pool)));
            let Some(Value::Address(record)) = &write.put else {
                continue;
            };
            after += u64::from(record.owner.pool() == Some(pool));
        }
        ensure!(
            after <= size.max(before),
            "CAP: pool {pool} of size {size} goes from {before} to {after}"
        );
        Ok(())
    }
}
