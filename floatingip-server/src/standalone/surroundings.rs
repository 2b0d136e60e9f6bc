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
        let uncertain = self.core.uncertain();
        let store = Check {
            name: "store",
            ok: uncertain == 0,
            detail: match uncertain {
                0 => String::new(),
                plans => format!("{plans} changes are not confirmed yet"),
            },
        };
        // With the last good configuration and held addresses the server still serves.
        Readiness {
            ready: configured,
            checks: vec![configuration, store],
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
