//! The kit of the scenarios: an engine, a world that does as it is told, and a store that applies
//! everything unless a test says otherwise.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::config::{Config, Strictness};
use crate::engine::{Allocation, Ending, Engine, Explanation, Observed, PoolStep, Settings};
use crate::fact::{AppState, Fact, NodeState, PodState, Slots, World};
use crate::name::Name;
use crate::owner::{AppRef, Owner, Pod, Slot, Tenant};
use crate::plan::Plan;
use crate::policy::ReleasePolicy;
use crate::range::{Family, RangeSet};
use crate::record::{Attachment, Record, Target, Value, Version};
use crate::refusal::Refusal;
use crate::request::{PodRequest, Want};
use crate::store::{Outcome, Snapshot};
use crate::testing::fixture::{self, PodFixture, pool};
use crate::time::{Now, WallTime};
use crate::topology::Reach;

/// The `n`-th address of the subnet that nodes named `a…` may use.
pub(super) fn a(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, n])
}

/// The `n`-th address of the subnet that nodes named `b…` may use.
pub(super) fn b(n: u8) -> IpAddr {
    IpAddr::from([10, 0, 1, n])
}

/// An entry of the configuration, its gateway the last but one address of a /24.
pub(super) fn entry(node_subnets: &str, ips: &str, net: &str) -> String {
    let gateway = match net.split_once("0/24") {
        Some((prefix, _)) => format!("{prefix}254"),
        None => "fd00::ffff".to_owned(),
    };
    format!(
        r#"{{"nodeSubnets":{node_subnets},"ips":["{ips}"],"subnet":"{net}","gateway":"{gateway}"}}"#
    )
}

/// The subnet of the nodes `a…`, with these addresses.
pub(super) fn subnet_a(ips: &str) -> String {
    entry(r#"["10.1.0.0/16"]"#, ips, "10.0.0.0/24")
}

/// The subnet of the nodes `b…`, with these addresses.
pub(super) fn subnet_b(ips: &str) -> String {
    entry(r#"["10.2.0.0/16"]"#, ips, "10.0.1.0/24")
}

/// A pod that asks, with everything its annotations say.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pod: PodFixture,
    policy: ReleasePolicy,
    wants: Vec<Want>,
    attachment: Option<Attachment>,
}

fn asker(pod: PodFixture) -> Asker {
    Asker {
        pod,
        policy: ReleasePolicy::PodDelete,
        wants: vec![Want::default()],
        attachment: None,
    }
}

/// A pod of the Deployment `web` on node `a-1`.
pub(super) fn replica(name: &str) -> Asker {
    asker(fixture::pod(name).on_node("a-1").of_deployment("web"))
}

/// A pod `APP-N` of the StatefulSet `APP` on node `a-1`.
pub(super) fn ordinal(name: &str) -> Asker {
    let (app, _) = name.rsplit_once('-').expect("the name of an ordinal pod");
    asker(fixture::pod(name).on_node("a-1").of_statefulset(app))
}

/// A pod of the DaemonSet `agent` on a node.
pub(super) fn daemon(name: &str, node: &str) -> Asker {
    asker(fixture::pod(name).on_node(node).of_daemonset("agent"))
}

/// A pod of the Job `job` on node `a-1`.
pub(super) fn job(name: &str) -> Asker {
    asker(fixture::pod(name).on_node("a-1").of_job("job"))
}

/// A pod of nobody's on node `a-1`.
pub(super) fn bare(name: &str) -> Asker {
    asker(fixture::pod(name).on_node("a-1"))
}

impl Asker {
    pub(super) fn immutable(self) -> Self {
        self.policy(ReleasePolicy::Immutable)
    }

    pub(super) fn never(self) -> Self {
        self.policy(ReleasePolicy::Never)
    }

    pub(super) fn policy(self, policy: ReleasePolicy) -> Self {
        Self { policy, ..self }
    }

    pub(super) fn of(self, group: &str, kind: &str, app: &str, slot: Slot) -> Self {
        let pod = self.pod.of(group, kind, app, slot);
        Self { pod, ..self }
    }

    pub(super) fn in_pool(self, pool: &str) -> Self {
        let pod = self.pod.in_pool(pool);
        Self { pod, ..self }
    }

    pub(super) fn in_namespace(self, namespace: &str) -> Self {
        let pod = self.pod.in_namespace(namespace);
        Self { pod, ..self }
    }

    pub(super) fn on(self, node: &str) -> Self {
        let pod = self.pod.on_node(node);
        Self { pod, ..self }
    }

    pub(super) fn uid(self, uid: &str) -> Self {
        let pod = self.pod.with_uid(uid);
        Self { pod, ..self }
    }

    /// The same pod of the app as it was made again.
    pub(super) fn of_new_app(self) -> Self {
        let mut tenant = self.tenant();
        let app = tenant.app.take().expect("a pod of an app");
        let pod = self.pod.of(&app.group, &app.kind, &app.name, tenant.slot);
        let pod = pod.of_app_uid("made again");
        Self { pod, ..self }
    }

    pub(super) fn wants(self, families: &[Family]) -> Self {
        let want = |family: &Family| Want {
            family: Some(*family),
            within: None,
        };
        let wants = families.iter().map(want).collect();
        Self { wants, ..self }
    }

    pub(super) fn ranges(self, ranges: &[&str]) -> Self {
        let want = |text: &&str| Want {
            family: None,
            within: Some(text.parse::<RangeSet>().expect("ranges")),
        };
        let wants = ranges.iter().map(want).collect();
        Self { wants, ..self }
    }

    pub(super) fn attached(self, container: &str) -> Self {
        let attachment = Some(fixture::attachment(&self.pod().node, container));
        Self { attachment, ..self }
    }

    /// At this interface of that container.
    pub(super) fn interface(self, name: &str) -> Self {
        let attachment = self.attachment.map(|attachment| Attachment {
            interface: name.into(),
            ..attachment
        });
        Self { attachment, ..self }
    }

    pub(super) fn pod(&self) -> Pod {
        self.pod.pod()
    }

    pub(super) fn owner(&self) -> Owner {
        self.pod.owner()
    }

    pub(super) fn tenant(&self) -> Tenant {
        self.pod.reserve().tenant().expect("a slot").clone()
    }

    pub(super) fn app(&self) -> AppRef {
        self.tenant().app_ref().expect("a pod of an app")
    }

    pub(super) fn request(&self) -> PodRequest {
        let request = PodRequest::new(self.tenant(), self.pod(), self.policy).expect("a request");
        let request = request.with_wants(self.wants.clone()).expect("wants");
        match &self.attachment {
            Some(attachment) => request.with_attachment(attachment.clone()),
            None => request,
        }
    }
}

/// What a scene's world says.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) apps: BTreeMap<AppRef, Fact<AppState>>,
    pub(super) pods: BTreeMap<Name, Fact<PodState>>,
    pub(super) nodes: BTreeMap<Name, Fact<NodeState>>,
}

impl World for Script {
    fn app(&self, app: &AppRef) -> Fact<AppState> {
        self.apps.get(app).cloned().unwrap_or(Fact::Unknown)
    }

    fn pod(&self, _: &str, name: &str) -> Fact<PodState> {
        self.pods.get(name).cloned().unwrap_or(Fact::Unknown)
    }

    fn node(&self, name: &str) -> Fact<NodeState> {
        self.nodes.get(name).cloned().unwrap_or(Fact::Unknown)
    }
}

/// An engine with everything around it.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) engine: Engine,
    pub(super) world: Script,
    pub(super) now: Now,
    version: u64,
}

impl Scene {
    /// With these entries of the configuration.
    pub(super) fn of(entries: &[String]) -> Self {
        Self::with(entries, Settings::default())
    }

    /// With four addresses for the nodes `a…` and four for the nodes `b…`.
    pub(super) fn two_subnets() -> Self {
        Self::of(&[subnet_a("10.0.0.1~10.0.0.4"), subnet_b("10.0.1.1~10.0.1.4")])
    }

    pub(super) fn with(entries: &[String], settings: Settings) -> Self {
        let mut scene = Self {
            engine: Engine::new(settings),
            world: Script::default(),
            now: Now::default(),
            version: 100,
        };
        scene.configure(entries);
        scene
    }

    pub(super) fn configure(&mut self, entries: &[String]) -> crate::topology::Difference {
        let document = format!("[{}]", entries.join(","));
        let config = Config::parse(&document, Strictness::Strict).expect("a good configuration");
        let topology = config.topology().clone();
        let difference = self.engine.reconfigure(topology);
        self.check();
        difference
    }

    /// The same store, read by a process that has just started with this configuration.
    pub(super) fn restart(&mut self, entries: &[String]) {
        let addresses = self.engine.ledger.records().iter();
        let addresses = addresses.map(|(ip, k)| (*ip, k.version, (*k.record).clone()));
        let pools = self.engine.pools.iter();
        let snapshot = Snapshot {
            addresses: addresses.collect(),
            pools: pools
                .map(|(n, (v, r))| (n.clone(), *v, r.clone()))
                .collect(),
            version: Version(self.version),
        };
        self.engine = Engine::new(self.engine.settings.clone());
        self.configure(entries);
        self.engine.load(snapshot, self.now);
        self.check();
    }

    /// The subnets of the nodes with this beginning: `a`, `b`, or both for `x`.
    pub(super) fn reach(&self, node: &str) -> Reach {
        let (a, b) = (IpAddr::from([10, 1, 0, 1]), IpAddr::from([10, 2, 0, 1]));
        match node.chars().next() {
            Some('a') => self.engine.topology().reach(&[a]),
            Some('b') => self.engine.topology().reach(&[b]),
            _ => self.engine.topology().reach(&[a, b]),
        }
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        let passed = Duration::from_secs(seconds);
        self.now.elapsed += passed;
        self.now.wall = self.now.wall.plus(passed);
    }

    // What pods do.

    /// Passes the filter, or is told why not.
    pub(super) fn claim(&mut self, asker: &Asker) -> Result<(), Refusal> {
        let reach = self.reach(&asker.pod().node);
        let answers = self
            .engine
            .claim(&asker.request(), &[reach], &self.world, self.now);
        answers.into_iter().next().expect("one answer")
    }

    /// Decides, and leaves the plan open.
    pub(super) fn plan(&mut self, asker: &Asker) -> Result<Allocation, Refusal> {
        let reach = self.reach(&asker.pod().node);
        self.engine
            .plan_allocate(&asker.request(), &reach, &self.world, self.now)
    }

    /// Gets addresses, durably, but is not bound (yet).
    pub(super) fn attempt(&mut self, asker: &Asker) -> Result<Vec<IpAddr>, Refusal> {
        let allocation = self.plan(asker)?;
        self.settle(allocation.plan);
        self.see(asker, false);
        Ok(allocation.addresses)
    }

    /// Is bound with these addresses.
    pub(super) fn bound(&mut self, asker: &Asker, addresses: &[IpAddr]) {
        self.see(asker, true);
        let plan = self
            .engine
            .plan_bound(&asker.pod().uid, addresses, self.now);
        self.settle(plan);
    }

    /// Gets all its addresses and is bound.
    pub(super) fn allocate_all(&mut self, asker: &Asker) -> Vec<IpAddr> {
        let addresses = self.attempt(asker).expect("an address");
        self.bound(asker, &addresses);
        addresses
    }

    /// Gets its address and is bound.
    pub(super) fn allocate(&mut self, asker: &Asker) -> IpAddr {
        self.allocate_all(asker)[0]
    }

    /// Is deleted, and the engine is told.
    pub(super) fn end(&mut self, asker: &Asker) {
        self.vanish(asker);
        self.end_late(asker);
    }

    /// The engine is told of an end, whatever the world looks like now.
    pub(super) fn end_late(&mut self, asker: &Asker) {
        self.end_as(asker, &Ending::Certain);
    }

    /// What is due to end does.
    pub(super) fn end_due(&mut self) {
        for end in self.engine.due_ends() {
            let plan = self.engine.plan_due(&end, &self.world, self.now);
            self.settle(plan);
        }
    }

    pub(super) fn end_as(&mut self, asker: &Asker, ending: &Ending) {
        let uid = asker.pod().uid;
        let plan = self.engine.plan_ended(&uid, ending, &self.world, self.now);
        self.settle(plan);
    }

    /// Is deleted by force on a node that nobody reaches.
    pub(super) fn end_unreachable(&mut self, asker: &Asker, rest: u64) {
        self.vanish(asker);
        let rest = Duration::from_secs(rest);
        self.end_as(asker, &Ending::Unreachable { rest });
    }

    // What the world does, without telling the engine.

    /// The pod is there.
    pub(super) fn see(&mut self, asker: &Asker, bound: bool) {
        let state = PodState::new(asker.pod().uid).with_bound(bound);
        self.world.pods.insert(asker.pod().name, Fact::Known(state));
    }

    /// The pod is bound, and its binding names these addresses.
    pub(super) fn see_with(&mut self, asker: &Asker, addresses: &[IpAddr]) {
        let state = PodState::new(asker.pod().uid).with_bound(true);
        let state = state.with_addresses(addresses.iter().copied());
        self.world.pods.insert(asker.pod().name, Fact::Known(state));
    }

    /// The pod has succeeded or failed, and is still there.
    pub(super) fn finish(&mut self, asker: &Asker) {
        let state = PodState::new(asker.pod().uid).with_bound(true);
        let state = state.with_finished(true);
        self.world.pods.insert(asker.pod().name, Fact::Known(state));
    }

    /// The pod is gone.
    pub(super) fn vanish(&mut self, asker: &Asker) {
        self.world.pods.insert(asker.pod().name, Fact::Gone);
    }

    pub(super) fn app_is(&mut self, asker: &Asker, slots: Slots) {
        self.app_surges(asker, slots, 0);
    }

    pub(super) fn app_surges(&mut self, asker: &Asker, slots: Slots, surge: u32) {
        let mut state = AppState::new(slots).with_surge(surge);
        state.uid = asker.tenant().app.and_then(|app| app.uid);
        self.world.apps.insert(asker.app(), Fact::Known(state));
    }

    pub(super) fn app_gone(&mut self, asker: &Asker) {
        self.world.apps.insert(asker.app(), Fact::Gone);
    }

    pub(super) fn app_unknown(&mut self, asker: &Asker) {
        self.world.apps.insert(asker.app(), Fact::Unknown);
    }

    pub(super) fn node_is(&mut self, node: &str, ready: bool) {
        let state = Fact::Known(NodeState::new(ready));
        self.world.nodes.insert(Name::from(node), state);
    }

    // What the engine is told.

    /// The app has changed: until nothing is left to do.
    pub(super) fn app_changed(&mut self, asker: &Asker) {
        loop {
            let plan = self.engine.plan_app(&asker.app(), &self.world, self.now);
            let done = plan.is_empty();
            self.settle(plan);
            if done {
                return;
            }
        }
    }

    /// The app has so many slots now, and the engine is told.
    pub(super) fn scale(&mut self, asker: &Asker, count: u32) {
        let slots = match asker.tenant().slot {
            Slot::Ordinal(_) => Slots::Ordinals { start: 0, count },
            _ => Slots::Count(count),
        };
        self.app_is(asker, slots);
        self.app_changed(asker);
    }

    /// A whole sweep, in slices of two records.
    pub(super) fn sweep(&mut self) {
        let mut after = None;
        loop {
            let swept = self.engine.plan_sweep(after, 2, &self.world, self.now);
            self.settle(swept.plan);
            after = swept.next;
            if after.is_none() {
                return;
            }
        }
    }

    /// Somebody else has written this.
    pub(super) fn others_write(&mut self, ip: IpAddr, record: Option<Record>) {
        self.version += 1;
        let observed = Observed {
            target: Target::Address(ip),
            version: Version(self.version),
            value: record.map(Value::Address),
        };
        self.engine.observe(observed, self.now);
        self.check();
    }

    // Pools.

    pub(super) fn put_pool(&mut self, name: &str, size: u32, fill: bool) {
        let plan = self
            .engine
            .plan_put_pool(&pool(name), size, fill, self.now)
            .expect("a pool at rest");
        self.settle(plan);
    }

    /// Fills the pool; whether it has all it is owed.
    pub(super) fn fill_pool(&mut self, name: &str) -> bool {
        loop {
            let step = self.engine.plan_fill_pool(&pool(name), self.now);
            match step {
                PoolStep::More(plan) => self.settle(plan),
                PoolStep::Done => return true,
                PoolStep::Short => return false,
            }
        }
    }

    pub(super) fn trim_pool(&mut self, name: &str) {
        while let PoolStep::More(plan) = self.engine.plan_trim_pool(&pool(name), self.now) {
            self.settle(plan);
        }
    }

    pub(super) fn delete_pool(&mut self, name: &str) {
        while let Some(PoolStep::More(plan)) = self.engine.plan_delete_pool(&pool(name), self.now) {
            self.settle(plan);
        }
    }

    pub(super) fn pool_total(&self, name: &str) -> u64 {
        let standing = self.engine.ledger.pool(&pool(name));
        standing.map_or(0, |standing| standing.total)
    }

    // Settling.

    pub(super) fn next_version(&mut self) -> Version {
        self.version += 1;
        Version(self.version)
    }

    /// The store has applied everything.
    pub(super) fn settle(&mut self, plan: Plan) {
        let writes = plan.batch().writes.len();
        let outcomes = (0..writes)
            .map(|_| Outcome::Applied(self.next_version()))
            .collect();
        self.settle_as(plan, outcomes);
    }

    pub(super) fn settle_as(&mut self, plan: Plan, outcomes: Vec<Outcome>) {
        self.engine.settle(plan, outcomes, self.now);
        self.check();
    }

    // Questions.

    pub(super) fn record(&self, ip: IpAddr) -> Option<&Record> {
        self.engine.record(ip).map(|record| &**record)
    }

    /// Nobody has it and nothing keeps it from being handed out.
    pub(super) fn is_free(&self, ip: IpAddr) -> bool {
        let subnet = self.engine.topology().subnet_of(ip);
        let space = subnet.and_then(|subnet| self.engine.spaces.get(subnet.id().index()));
        let only = RangeSet::from_iter([crate::range::IpRange::single(ip)]);
        space.is_some_and(|space| !space.fresh(Some(&only), 1, &[]).is_empty())
    }

    /// It is kept for a slot, an app or a pool, without a pod.
    pub(super) fn is_kept(&self, ip: IpAddr) -> bool {
        self.record(ip).is_some_and(Record::is_reserve)
    }

    /// The UID of the pod that has it.
    pub(super) fn holder(&self, ip: IpAddr) -> Option<Name> {
        let pod = self.record(ip)?.owner.pod()?;
        Some(pod.uid.clone())
    }

    pub(super) fn explain(&self, asker: &Asker) -> Explanation {
        let reach = self.reach(&asker.pod().node);
        self.engine
            .explain(&asker.request(), &reach, &self.world, self.now)
    }

    /// What every state must have: the spaces know just what is taken.
    fn check(&self) {
        let engine = &self.engine;
        let subnets = engine.topology().subnets().iter();
        for (subnet, space) in subnets.zip(&engine.spaces) {
            let takes = |ip: &IpAddr| {
                engine.record(*ip).is_some()
                    || engine.is_held(*ip)
                    || engine.missing.contains_key(ip)
                    || engine.node_addresses.contains_key(ip)
            };
            if subnet.usable().size() <= 1 << 12 {
                let taken = subnet.usable().iter().filter(takes).count() as u128;
                assert_eq!(
                    space.free(),
                    subnet.usable().size() - taken,
                    "{}",
                    subnet.net()
                );
            }
        }
    }
}

/// A record that an asker's pod has the address, as others would write it.
pub(super) fn record_of(asker: &Asker) -> Record {
    Record {
        policy: asker.policy,
        updated_at: WallTime::default(),
        ..fixture::record(asker.owner())
    }
}
