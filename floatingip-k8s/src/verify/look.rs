//! Reads what is compared.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use floatingip_core::ReleasePolicy;
use floatingip_core::owner::AppRef;
use floatingip_core::record::{Target, Value};
use futures::StreamExt as _;
use kube::Client;
use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Records, Subject};
use crate::crd::Found;
use crate::index::live::read_app;
use crate::index::{Kind, KindRef, SharedIndex, watch};
use crate::store::{self, Kind as RecordKind, ListError, StoreOptions, list};

/// How long every list of a look may take.
const LISTS: Duration = Duration::from_secs(120);
/// How long kinds may take to be discovered, and listed, that records or pods name.
const KINDS: Duration = Duration::from_secs(15);
/// The pause between two looks at how far they are.
const POLL: Duration = Duration::from_millis(50);
/// How long one live read may take, and how many of them are under way.
const READ: Duration = Duration::from_secs(5);
const AT_ONCE: usize = 16;

/// Why a cluster cannot be looked at.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LookError {
    /// FloatingIP or Pool objects.
    #[error(transparent)]
    Records(#[from] ListError),
    /// Pods, nodes or workloads.
    #[error("cannot list everything within {} s: {missing}; see that this identity may list and watch it", LISTS.as_secs())]
    Index {
        /// What is missing, and why.
        missing: String,
    },
}

/// Looks at a cluster as the server does, and changes nothing in it. Lists are at quorum and paged, and each
/// is as of a version of its own. Needs a tokio runtime.
pub struct Looker {
    client: Client,
    options: StoreOptions,
    index: SharedIndex,
    /// Ends with this.
    _watches: JoinSet<()>,
}

impl fmt::Debug for Looker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Looker");
        shown
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Looker {
    /// Begins to watch.
    #[must_use]
    pub fn new(client: Client, options: StoreOptions) -> Self {
        let index = SharedIndex::default();
        let mut watches = JoinSet::new();
        watches.spawn(watch::run(client.clone(), index.clone()));
        Self {
            client,
            options,
            index,
            _watches: watches,
        }
    }

    /// Pods, nodes and apps, as of the last look or later.
    #[must_use]
    pub fn index(&self) -> &SharedIndex {
        &self.index
    }

    /// Reads everything anew.
    ///
    /// # Errors
    /// What cannot be listed, within two minutes.
    pub async fn look(&self) -> Result<Records, LookError> {
        self.list_index().await?;
        let (addresses, pools) = tokio::try_join!(
            list(&self.client, RecordKind::FloatingIp, &self.options),
            list(&self.client, RecordKind::Pool, &self.options),
        )?;
        let mut records = Records::default();
        records.take(addresses);
        records.take(pools);
        self.find_kinds(&records).await;
        self.confirm_apps(&records).await;
        Ok(records)
    }

    async fn list_index(&self) -> Result<(), LookError> {
        if self.index.catch_up(LISTS).await.is_ok() {
            return Ok(());
        }
        let status = self.index.read().synced();
        let missing = Kind::built_in().into_iter().filter_map(|kind| {
            let status = status.get(&kind);
            let failure = status.and_then(|status| status.failure.clone());
            let unlisted = status.is_none_or(|status| status.synced_since.is_none());
            match failure {
                Some(failure) => Some(format!("{kind} ({failure})")),
                None => unlisted.then(|| kind.to_string()),
            }
        });
        let missing: Vec<String> = missing.collect();
        Err(LookError::Index {
            missing: missing.join(", "),
        })
    }

    /// Sees to it that the kinds of apps that have addresses are known; one that stays unknown is told of.
    async fn find_kinds(&self, records: &Records) {
        {
            let mut index = self.index.write();
            for (_, record) in records.addresses.values() {
                if let Some(app) = record.owner.app() {
                    index.demand(KindRef::of(&app));
                }
            }
        }
        let all_looked_at = async {
            while self
                .index
                .read()
                .demanded()
                .iter()
                .any(|kind| !self.is_looked_at(kind))
            {
                sleep(POLL).await;
            }
        };
        // What cannot be found in time stays unknown, and nothing is concluded from it.
        let _ = timeout(KINDS, all_looked_at).await;
    }

    /// Whether it is certain that the kind does not scale, or it was listed, or it cannot be.
    fn is_looked_at(&self, kind: &KindRef) -> bool {
        let index = self.index.read();
        let status = index.synced().remove(&Kind::Apps(kind.clone()));
        index.scales(kind) == Some(false)
            || status
                .is_some_and(|status| status.synced_since.is_some() || status.failure.is_some())
    }

    /// Reads live the apps that are not listed and whose absence would free addresses.
    async fn confirm_apps(&self, records: &Records) {
        let immutable = |policy| policy == ReleasePolicy::Immutable;
        let records = records.addresses.values();
        let apps = records.filter(|(_, record)| immutable(record.policy));
        let apps: BTreeSet<AppRef> = apps.filter_map(|(_, record)| record.owner.app()).collect();
        let doubtful = apps
            .into_iter()
            .filter(|app| self.index.read().needs_confirmation(app));
        let doubtful: Vec<AppRef> = doubtful.collect();
        futures::stream::iter(doubtful)
            .for_each_concurrent(AT_ONCE, |app| async move {
                // The index notes what it shows.
                read_app(&self.client, &self.index, &app, READ).await;
            })
            .await;
    }
}

impl Records {
    fn take(&mut self, list: store::List) {
        for found in list.found {
            self.take_found(found);
        }
        for unreadable in list.unreadable {
            let subject = Subject::new(list.kind.plural(), &unreadable.name, None);
            self.unreadable
                .push((subject, unreadable.fault.to_string()));
        }
    }

    fn take_found(&mut self, found: Found) {
        let version = found.version;
        match (found.target, found.value) {
            (Target::Address(ip), Value::Address(record)) => {
                if let Some(fault) = found.fault {
                    let subject = Subject::address(ip, version);
                    self.unreadable.push((subject, fault.to_string()));
                }
                self.addresses.insert(ip, (version, record));
            }
            (Target::Pool(name), Value::Pool(record)) => {
                self.pools.insert(name, (version, record));
            }
            // Each kind is read as its own.
            (Target::Address(_), Value::Pool(_)) | (Target::Pool(_), Value::Address(_)) => {}
        }
    }
}
