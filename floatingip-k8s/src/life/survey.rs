//! The survey's parts that look at the cluster: pods whose addresses no record knows, apps that nobody lists.

use std::collections::BTreeSet;
use std::future::ready;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use floatingip_core::Name;
use floatingip_core::engine::{AppHolding, NotAdopted};
use floatingip_core::owner::AppRef;
use floatingip_core::request::PodRequest;
use floatingip_core::{Store, Timer};
use futures::StreamExt;
use tokio::task::yield_now;
use tracing::{info, warn};

use super::Life;
use crate::event::{Notice, Severity, pod_reference};
use crate::index::live::{AppRead, read_app};
use crate::index::{KindRef, PodEntry};
use crate::request::request_of;

/// How many apps are looked up in one go.
pub(super) const SLICE: usize = 256;
/// How many live reads of apps one survey makes at most; the next one goes on.
const MOST_READS: usize = 512;
/// How long one of them may take.
const READ: Duration = Duration::from_secs(5);
/// How many of them at once, and how many pods are adopted at once.
const AT_ONCE: usize = 16;

impl<S: Store, T: Timer> Life<S, T> {
    pub(super) fn take_in_nodes(&self) {
        let nodes: Vec<(Name, Vec<IpAddr>)> = self
            .index()
            .read()
            .nodes()
            .map(|(name, addresses)| (name.clone(), addresses.to_vec()))
            .collect();
        for (name, addresses) in nodes {
            self.take_in_node(&name, &addresses);
        }
    }

    /// Compares what bound pods use with the records: missing ones are written, extra ones freed, and what
    /// belongs to others is told. Says for how many pods records are still missing.
    pub(super) async fn adopt_all(&self) -> usize {
        let mut unrecorded = 0;
        for pods in self.bound().chunks(SLICE) {
            let pods = pods.iter().cloned();
            let (same, odd): (Vec<_>, Vec<_>) = pods.partition(|pod| self.is_recorded(pod));
            let adopted = futures::stream::iter(odd)
                .map(|pod| async move { self.adopt(&pod).await })
                .buffer_unordered(AT_ONCE);
            unrecorded += adopted.filter(|done| ready(!done)).count().await;
            for pod in same {
                self.settle(&pod).await;
            }
            // Where there is nothing to write nothing waits, and others are to have their turn.
            yield_now().await;
        }
        unrecorded
    }

    fn bound(&self) -> Vec<Arc<PodEntry>> {
        let index = self.index().read();
        let bound = index
            .pods()
            .filter(|pod| pod.node.is_some() && !pod.finished);
        bound.cloned().collect()
    }

    /// Whether the pod's binding names addresses, and the records say the same.
    pub(super) fn is_recorded(&self, pod: &PodEntry) -> bool {
        let named = sorted(&pod.bound_addresses);
        !named.is_empty() && self.core.engine().addresses_of(&pod.uid) == named
    }

    /// Whether nothing is left to be done.
    pub(super) async fn adopt(&self, pod: &PodEntry) -> bool {
        if pod.bound_addresses.is_empty() {
            self.tell_of_none(pod);
            return true;
        }
        let request = request_of(pod, pod.node.as_deref(), &self.index().read());
        let done = match request {
            // An annotation alone proves nothing: the node has to report the same addresses.
            _ if !runs_with_what_it_names(pod) => {
                self.tell_of_others(pod);
                true
            }
            Ok(request) => self.record(pod, &request).await,
            Err(fault) if fault.is_transient() => false,
            Err(fault) => {
                self.tell_of_foreign(pod, &fault.to_string());
                true
            }
        };
        self.settle(pod).await;
        done
    }

    async fn record(&self, pod: &PodEntry, request: &PodRequest) -> bool {
        match self.core.adopt(request, &pod.bound_addresses).await {
            Ok(report) => {
                if !report.adopted.is_empty() {
                    info!(pod = %pod.name, addresses = ?report.adopted, "adopted");
                }
                let busy = |refusal: &NotAdopted| matches!(refusal, NotAdopted::Busy { .. });
                let refusals = report.refused.iter().map(|(_, refusal)| refusal);
                for refusal in refusals.clone().filter(|refusal| !busy(refusal)) {
                    self.tell_of_foreign(pod, &refusal.to_string());
                }
                !refusals.into_iter().any(busy)
            }
            Err(stuck) => {
                warn!(pod = %pod.name, "not adopted, tried again: {stuck}");
                false
            }
        }
    }

    /// The pod names addresses that the records give to other pods.
    fn tell_of_others(&self, pod: &PodEntry) {
        let others: Vec<IpAddr> = {
            let engine = self.core.engine();
            let is_others = |ip: &&IpAddr| {
                let record = engine.record(**ip);
                let holder = record.and_then(|record| record.owner.pod());
                holder.is_some_and(|holder| holder.uid != pod.uid)
            };
            pod.bound_addresses
                .iter()
                .filter(is_others)
                .copied()
                .collect()
        };
        for ip in others {
            self.tell_of_foreign(pod, &format!("{ip} belongs to another pod"));
        }
    }

    /// The pod is bound with these addresses and no others; after a start the engine does not know.
    async fn settle(&self, pod: &PodEntry) {
        if let Err(stuck) = self.core.bound(&pod.uid, &pod.bound_addresses).await {
            warn!(pod = %pod.name, "former addresses are not freed, tried again: {stuck}");
        }
    }

    fn tell_of_foreign(&self, pod: &PodEntry, why: &str) {
        self.counts.foreign.fetch_add(1, Ordering::Relaxed);
        let note = format!("the pod uses an address that is not its own: {why}");
        warn!(namespace = %pod.namespace, pod = %pod.name, "{note}");
        self.tell_pod(pod, "ForeignFloatingIP", note);
    }

    /// Trap of `ignorable: true`: the scheduler's own binder has bound it.
    fn tell_of_none(&self, pod: &PodEntry) {
        if pod.wanted.is_some() {
            let note = "the pod was bound without an address, not by this server: set `ignorable: false` for the \
                        extender, and delete the pod so that it is scheduled again";
            self.tell_pod(pod, "NoFloatingIP", note.to_owned());
        }
    }

    fn tell_pod(&self, pod: &PodEntry, reason: &'static str, note: String) {
        self.reporter.tell(Notice {
            regarding: pod_reference(&pod.namespace, &pod.name, &pod.uid),
            severity: Severity::Warning,
            reason,
            note,
        });
    }

    /// Reads the apps live that have addresses to lose and that no watch shows.
    pub(super) async fn confirm_apps(&self) {
        let mut reads = 0;
        while reads < MOST_READS {
            let after = self.reached().clone();
            let apps = self.core.engine().apps_after(after.as_ref(), SLICE);
            *self.reached() = apps.last().map(|holding| holding.app.clone());
            if apps.is_empty() {
                return;
            }
            self.demand_kinds(&apps);
            let doubtful: Vec<AppRef> = apps
                .into_iter()
                .filter(|holding| holding.freed_with_it > 0)
                .map(|holding| holding.app)
                .filter(|app| self.index().read().needs_confirmation(app))
                .collect();
            reads += doubtful.len();
            self.confirm(doubtful).await;
            yield_now().await;
        }
        info!("many apps are not listed: the next survey goes on reading them");
    }

    /// Has the kinds of apps looked up that only records name.
    fn demand_kinds(&self, apps: &[AppHolding]) {
        let unknown: BTreeSet<KindRef> = {
            let index = self.index().read();
            let kinds = apps.iter().map(|holding| KindRef::of(&holding.app));
            kinds.filter(|kind| index.scales(kind).is_none()).collect()
        };
        if !unknown.is_empty() {
            let mut index = self.index().write();
            unknown.into_iter().for_each(|kind| index.demand(kind));
        }
    }

    fn reached(&self) -> MutexGuard<'_, Option<AppRef>> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn confirm(&self, apps: Vec<AppRef>) {
        futures::stream::iter(apps)
            .for_each_concurrent(AT_ONCE, |app| async move {
                self.is_gone(&app).await;
            })
            .await;
    }

    /// Whether a live read says that the app is gone; the index knows then.
    pub(super) async fn is_gone(&self, app: &AppRef) -> bool {
        match read_app(&self.client, self.index(), app, READ).await {
            AppRead::Gone => true,
            AppRead::Present => false,
            AppRead::Unknown(failure) => {
                info!(
                    "{app} keeps its addresses, for nobody can tell whether it is there: {failure}"
                );
                false
            }
        }
    }
}

/// Whether the node reports just the addresses that the binding names.
fn runs_with_what_it_names(pod: &PodEntry) -> bool {
    !pod.finished && sorted(&pod.bound_addresses) == sorted(&pod.pod_ips)
}

fn sorted(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let distinct: BTreeSet<IpAddr> = addresses.iter().copied().collect();
    distinct.into_iter().collect()
}
