//! What the API shows of a server in a cluster beside its addresses: what its decisions rest on.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use floatingip_core::Name;
use floatingip_k8s::event::Reporter;
use floatingip_k8s::index::{Kind, KindStatus, SharedIndex};
use floatingip_k8s::lease::Leadership;
use floatingip_k8s::store::{CrdStore, Following, Latency, Tally, Verb};
use floatingip_k8s::waiting::Waiting;
use tokio::sync::watch;

use super::configuration::Standing;
use super::front::Duty;
use super::latency::Latencies;
use super::relay::{Port, Relayed, destination};
use super::{Core, Extender, Life, explain};
use crate::backend::{Bucket, Check, Explained, Gauge, Histogram, Readiness};
use crate::desk::{Around, now, total};
use crate::native::FromCluster;

/// Everything that can be looked at before there is a core.
#[derive(Debug)]
pub(super) struct Surroundings {
    pub(super) configuration: watch::Receiver<Standing>,
    pub(super) leadership: watch::Receiver<Leadership>,
    pub(super) duty: watch::Receiver<Duty>,
    /// What keeps the custom resources from being usable; none once they are.
    pub(super) definitions: watch::Receiver<Option<String>>,
    pub(super) index: SharedIndex,
    pub(super) store: CrdStore,
    pub(super) reporter: Reporter,
    pub(super) waiting: Waiting,
    pub(super) latencies: Arc<Latencies>,
    pub(super) relayed: Relayed,
    pub(super) running: OnceLock<Running>,
}

/// What comes with the core.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) core: Arc<Core>,
    pub(super) extender: Arc<Extender>,
    pub(super) life: Arc<Life>,
    pub(super) following: Following,
}

impl Surroundings {
    pub(super) fn readiness(&self) -> Readiness {
        let checks = vec![
            self.configured(),
            self.defined(),
            self.indexed(),
            self.followed(),
            self.certain(),
            self.on_duty(),
        ];
        // With the last good configuration, a cut watch and held addresses the server still serves.
        let duty = *self.duty.borrow();
        let ready = duty == Duty::Deciding || (self.running.get().is_some() && self.passes_on());
        Readiness { ready, checks }
    }

    /// Whether the process that decides is known, and where it answers at both ports.
    fn passes_on(&self) -> bool {
        let (duty, leadership) = (*self.duty.borrow(), self.leadership.borrow());
        let known = |port| destination(duty, &leadership, port).is_some();
        known(Port::Extender) && known(Port::Api)
    }

    pub(super) fn explain(&self, namespace: &str, pod: &str) -> Option<Explained> {
        let running = self.running.get()?;
        let explanation = running.extender.explain(namespace, pod)?;
        Some(explain::shown(&running.core, &explanation))
    }

    pub(super) fn gauges(&self) -> Vec<Gauge> {
        let mut gauges = self.own_gauges();
        gauges.extend(self.life_gauges());
        gauges.extend(self.tally_gauges());
        gauges
    }
}

impl Surroundings {
    fn configured(&self) -> Check {
        let standing = self.configuration.borrow();
        let detail = match (&standing.good, &standing.fault) {
            (Some(_), None) => String::new(),
            (Some(_), Some(fault)) => {
                format!("the last good one is in force; the present one is not usable: {fault}")
            }
            (None, Some(fault)) => format!("none is in force: {fault}"),
            (None, None) => "not read yet".to_owned(),
        };
        check("config", detail)
    }

    fn defined(&self) -> Check {
        let failure = self.definitions.borrow().clone();
        check("crds", failure.unwrap_or_default())
    }

    /// Only kinds that are always there count; another one that cannot be watched is only told of.
    fn indexed(&self) -> Check {
        let synced = self.index.read().synced();
        let missing = |(kind, status): (Kind, KindStatus)| {
            let failure = status
                .failure
                .unwrap_or_else(|| "not listed yet".to_owned());
            (status.synced_since.is_none()).then(|| format!("{kind}: {failure}"))
        };
        let mut missing: Vec<String> = synced.into_iter().filter_map(missing).collect();
        if !self.index.read().is_synced() && missing.is_empty() {
            missing.push("not listed yet".to_owned());
        }
        check("index", missing.join("; "))
    }

    fn followed(&self) -> Check {
        let detail = match self.running.get() {
            None => "not read yet".to_owned(),
            Some(running) if running.following.is_synced() => String::new(),
            Some(_) => "the watch of FloatingIP and Pool objects is interrupted".to_owned(),
        };
        check("records", detail)
    }

    fn certain(&self) -> Check {
        let uncertain = self
            .running
            .get()
            .map_or(0, |running| running.core.uncertain());
        let detail = match uncertain {
            0 => String::new(),
            plans => format!("{plans} changes are not confirmed yet"),
        };
        check("store", detail)
    }

    fn on_duty(&self) -> Check {
        let deciding = *self.duty.borrow() == Duty::Deciding;
        let passes_on = self.passes_on();
        let detail = match &*self.leadership.borrow() {
            _ if deciding => "this process decides".to_owned(),
            Leadership::Own => "leading, but not ready to decide yet".to_owned(),
            Leadership::Other(holder) if passes_on => {
                format!("{} leads, and is asked", holder.identity)
            }
            Leadership::Other(holder) => {
                format!("{} leads, and does not say where", holder.identity)
            }
            Leadership::Unknown => "nobody is known to lead".to_owned(),
        };
        Check {
            name: "leader",
            ok: deciding || passes_on,
            detail,
        }
    }

    fn own_gauges(&self) -> Vec<Gauge> {
        let leading = self.leadership.borrow().is_own();
        let counts = self.store.counts();
        let writes = || {
            counts
                .requests
                .iter()
                .filter(|(verb, _)| *verb != Verb::Look)
        };
        vec![
            now(
                "floatingip_leader",
                "Whether this process holds the lease: 1, or 0.",
                f64::from(u8::from(leading)),
            ),
            total(
                "floatingip_relayed_total",
                "Requests that were passed on to the process that decides, and answered by it.",
                self.relayed.answered(),
            ),
            total(
                "floatingip_relay_failures_total",
                "Requests that the process that decides was to answer, and did not: see it, and the network.",
                self.relayed.failed(),
            ),
            total(
                "floatingip_config_refused_total",
                "Versions of the ConfigMap that could not be used.",
                self.configuration.borrow().bad,
            ),
            now(
                "floatingip_pods_waiting",
                "Pods that no node would do for, and that are woken when there is room.",
                self.waiting.len() as f64,
            ),
            total(
                "floatingip_events_lost_total",
                "Events that were not written: too many, or the API server did not take them.",
                self.reporter.lost(),
            ),
            total(
                "floatingip_store_writes_total",
                "Writes of custom resources that were done.",
                writes().map(|(_, tally)| tally.done).sum(),
            ),
            total(
                "floatingip_store_failures_total",
                "Writes that certainly did nothing, or have no certain outcome: see the API server.",
                writes()
                    .map(|(_, tally)| tally.undone + tally.unknown)
                    .sum(),
            ),
        ]
    }

    fn life_gauges(&self) -> Vec<Gauge> {
        let Some(Running { life, .. }) = self.running.get() else {
            return Vec::new();
        };
        let counts = life.counts();
        vec![
            now(
                "floatingip_changes_pending",
                "Changes of pods, apps, nodes and pools that are not carried out yet.",
                life.backlog() as f64,
            ),
            total(
                "floatingip_changes_left_total",
                "Changes that were given up and left to the next survey.",
                counts.left(),
            ),
            total(
                "floatingip_surveys_total",
                "How often every record was compared with the cluster.",
                counts.surveys(),
            ),
            total(
                "floatingip_survey_repairs_total",
                "Records that had to be repaired.",
                counts.repairs(),
            ),
            total(
                "floatingip_foreign_addresses_total",
                "How often a bound pod was seen with an address that is not its own.",
                counts.foreign(),
            ),
        ]
    }

    fn tally_gauges(&self) -> Vec<Gauge> {
        let Some(Running { core, .. }) = self.running.get() else {
            return Vec::new();
        };
        let tally = core.engine().tally();
        vec![now(
            "floatingip_apps_uncapped",
            "Apps whose pods keep addresses and whose number of slots was never known.",
            tally.apps_without_cap as f64,
        )]
    }

    pub(super) fn histograms(&self) -> Vec<Histogram> {
        let mut all = self.latencies.histograms();
        all.extend(self.store_histograms());
        all
    }

    fn store_histograms(&self) -> Vec<Histogram> {
        let requests = self.store.counts().requests;
        let shown = |(verb, tally): (Verb, Tally)| Histogram {
            name: "floatingip_store_request_seconds",
            help: "How long requests to the API server for records took.",
            label: ("verb", verb.name()),
            buckets: buckets(&tally.latency),
            count: tally.latency.count(),
            sum: tally.latency.sum.as_secs_f64(),
        };
        requests.into_iter().map(shown).collect()
    }
}

/// Added up, as Prometheus has them.
fn buckets(latency: &Latency) -> Vec<Bucket> {
    let mut count = 0;
    let bucket = |(bound, within): (&Duration, &u64)| {
        count += within;
        Bucket {
            at_most: bound.as_secs_f64(),
            count,
        }
    };
    Latency::BOUNDS
        .iter()
        .zip(&latency.buckets)
        .map(bucket)
        .collect()
}

/// A check that is good where there is nothing to say.
fn check(name: &'static str, detail: String) -> Check {
    Check {
        name,
        ok: detail.is_empty(),
        detail,
    }
}

impl Around for Arc<Surroundings> {
    type Native = FromCluster;

    fn native(&self) -> Option<&FromCluster> {
        None
    }

    fn readiness(&self) -> Readiness {
        Surroundings::readiness(self)
    }

    fn explain(&self, namespace: &Name, pod: &Name) -> Option<Explained> {
        Surroundings::explain(self, namespace, pod)
    }

    fn gauges(&self) -> Vec<Gauge> {
        Surroundings::gauges(self)
    }

    fn histograms(&self) -> Vec<Histogram> {
        Surroundings::histograms(self)
    }
}
