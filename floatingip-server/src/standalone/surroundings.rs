//! What the API shows of the standalone server beside its addresses: its configuration and its store.

use std::sync::Arc;

use floatingip_core::Name;
use tokio::sync::watch;
use tracing::error;

use super::Core;
use super::backups::Tally;
use super::configuration::Status;
use super::workloads::Workloads;
use crate::backend::{
    Check, Explained, Gauge, Histogram, History, HistoryError, HistoryQuestion, Readiness,
};
use crate::desk::{Around, now, total};

/// The standalone server's configuration and store.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    core: Arc<Core>,
    configuration: watch::Receiver<Status>,
    workloads: Workloads,
    backups: Tally,
}

impl Surroundings {
    pub(super) const fn new(
        core: Arc<Core>,
        configuration: watch::Receiver<Status>,
        workloads: Workloads,
        backups: Tally,
    ) -> Self {
        Self {
            core,
            configuration,
            workloads,
            backups,
        }
    }

    fn store(&self) -> Check {
        let trouble = match self.core.uncertain() {
            _ if !self.core.store().is_writable() => Some(
                "its writer has ended, and nothing can be changed: see the log, and start the server again"
                    .to_owned(),
            ),
            0 => None,
            plans => Some(format!("{plans} changes are not confirmed yet")),
        };
        Check {
            name: "store",
            ok: trouble.is_none(),
            detail: trouble.unwrap_or_default(),
        }
    }
}

impl Around for Surroundings {
    type Native = Workloads;

    fn native(&self) -> Option<&Workloads> {
        Some(&self.workloads)
    }

    fn readiness(&self) -> Readiness {
        let fault = self.configuration.borrow().fault.clone();
        let configured = !self.core.engine().topology().subnets().is_empty();
        let configuration = Check {
            name: "config",
            ok: fault.is_none(),
            detail: fault.map_or_else(String::new, |fault| {
                format!("the last good one is in force; the present one is not usable: {fault}")
            }),
        };
        // With the last good configuration and held addresses the server still serves.
        Readiness {
            ready: configured && self.core.store().is_writable(),
            checks: vec![configuration, self.store()],
        }
    }

    fn explain(&self, namespace: &Name, pod: &Name) -> Option<Explained> {
        self.workloads.explain(namespace, pod)
    }

    fn history(&self, question: &HistoryQuestion) -> Result<History, HistoryError> {
        let told = self.core.store().journal(question);
        told.map_err(|error| {
            error!(
                error = &error as &dyn std::error::Error,
                "the journal cannot be read"
            );
            HistoryError::Unavailable
        })
    }

    fn histograms(&self) -> Vec<Histogram> {
        let store = self.core.store();
        let shown = |of, times| {
            Histogram::of(
                "floatingip_store_seconds",
                "How long the store took: for a commit, and for a batch of changes with its wait for one.",
                ("of", of),
                times,
            )
        };
        vec![
            shown("batch", store.batch_times()),
            shown("commit", store.commit_times()),
        ]
    }

    fn gauges(&self) -> Vec<Gauge> {
        let counts = self.core.store().counts();
        vec![
            total(
                "floatingip_store_batches_total",
                "Batches of changes that the store has answered.",
                counts.batches,
            ),
            total(
                "floatingip_store_commits_total",
                "Transactions committed, each with one flush to the disk.",
                counts.commits,
            ),
            total(
                "floatingip_store_failures_total",
                "Transactions that failed: check the disk.",
                counts.failures,
            ),
            now(
                "floatingip_store_queue",
                "Batches that wait for the store's writer or are being written; at most 1024.",
                self.core.store().queue() as f64,
            ),
            now(
                "floatingip_store_last_commit_seconds",
                "How long the last commit took.",
                counts.last_commit.as_secs_f64(),
            ),
            total(
                "floatingip_backups_total",
                "Backups given to their end while the server runs.",
                self.backups.given(),
            ),
            total(
                "floatingip_backup_failures_total",
                "Backups refused or cut off: see the log.",
                self.backups.failed(),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use floatingip_core::config::{Config, Strictness};

    use super::*;
    use crate::desk::Writes;
    use crate::store::EmbeddedStore;

    const CONFIG: &str = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.70.2"],"subnet":"10.0.70.0/24","gateway":"10.0.70.1"}]"#;

    #[tokio::test]
    async fn a_server_whose_store_writes_no_more_is_not_ready_and_says_so() {
        let topology = Config::parse(CONFIG, Strictness::Strict).unwrap();
        let store = EmbeddedStore::in_memory().unwrap();
        let core = super::super::start(0, topology.into_topology(), store).await;
        let core = Arc::new(core.unwrap());
        let workloads = Workloads::new(Arc::clone(&core), Writes::default());
        let (_status, seen) = watch::channel(Status::default());
        let around = Surroundings::new(Arc::clone(&core), seen, workloads, Tally::default());
        let ready = around.readiness();
        assert!(ready.ready && ready.checks.iter().all(|check| check.ok));

        core.store().close();
        let readiness = around.readiness();
        assert!(!readiness.ready);
        let check = readiness.checks.iter().find(|check| !check.ok).unwrap();
        assert_eq!(check.name, "store");
        assert!(check.detail.contains("start the server again"), "{check:?}");
    }
}
