//! The configuration of a cluster: a ConfigMap, followed by a watch. A bad one changes nothing; the last good
//! one is kept in a ConfigMap of our own.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use floatingip_core::Topology;
use floatingip_core::config::{Config, Strictness};
use floatingip_k8s::causes::Causes;
use floatingip_k8s::event::{Notice, Reporter, Severity, reference_of};
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::args::Kubernetes;

/// What the name of the kept configuration has behind the ConfigMap's.
pub(super) const KEPT: &str = "-last-good";
/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(5);
/// In whose name the kept configuration is written.
const MANAGER: &str = "floatingip-server";

/// How the configuration stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// What is in force: the list as text and what it means. None before there was a good one.
    pub(super) good: Option<Good>,
    /// Why the present ConfigMap is not in force.
    pub(super) fault: Option<String>,
    /// How many bad versions were seen.
    pub(super) bad: u64,
    /// The UID of the ConfigMap that was seen last.
    pub(super) uid: Option<String>,
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub(super) struct Good {
    pub(super) json: String,
    pub(super) topology: Topology,
}

/// Follows the ConfigMap.
#[derive(Debug)]
pub(super) struct Follower {
    maps: Api<ConfigMap>,
    kept: Api<ConfigMap>,
    name: String,
    namespace: String,
    key: String,
    strictness: Strictness,
    reporter: Reporter,
    standing: watch::Sender<Standing>,
}

impl Follower {
    pub(super) fn new(client: &Client, settings: &Kubernetes, reporter: Reporter) -> Self {
        Self {
            maps: Api::namespaced(client.clone(), &settings.access.config_namespace),
            kept: Api::namespaced(client.clone(), &settings.access.namespace),
            name: settings.access.config_name.clone(),
            namespace: settings.access.config_namespace.clone(),
            key: settings.access.config_key.clone(),
            strictness: match settings.galaxy_compat {
                true => Strictness::GalaxyCompat,
                false => Strictness::Strict,
            },
            reporter,
            standing: watch::Sender::default(),
        }
    }

    /// How the configuration stands, from now on.
    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Follows for ever.
    pub(super) async fn run(self) {
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let events = watcher(self.maps.clone(), only).default_backoff();
        self.follow(pin!(events)).await;
    }

    async fn follow(
        &self,
        mut events: impl Stream<Item = watcher::Result<Event<ConfigMap>>> + Unpin,
    ) {
        let mut listed = None;
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed = None,
                Ok(Event::InitApply(map)) => listed = Some(map),
                Ok(Event::InitDone) => self.take(listed.take()).await,
                Ok(Event::Apply(map)) => self.take(Some(map)).await,
                Ok(Event::Delete(_)) => self.take(None).await,
                Err(error) => {
                    let cause = Causes(&error);
                    warn!("the ConfigMap {} cannot be watched: {cause}", self.label());
                }
            }
        }
    }

    async fn take(&self, map: Option<ConfigMap>) {
        let uid = map.as_ref().and_then(ResourceExt::uid);
        // No news for those who wait for another configuration.
        self.standing.send_if_modified(|standing| {
            standing.uid = uid;
            false
        });
        let parsed = match &map {
            Some(map) => self.parse(map),
            None => Err(format!("there is no ConfigMap {}: create it", self.label())),
        };
        match parsed {
            Ok(good) => self.accept(good).await,
            Err(fault) => self.refuse(map.as_ref(), fault).await,
        }
    }

    fn parse(&self, map: &ConfigMap) -> Result<Good, String> {
        let data = map.data.as_ref();
        let json = data.and_then(|data| data.get(&self.key)).ok_or_else(|| {
            format!(
                "it has no key `{}` in `data`: put the JSON list there",
                self.key
            )
        })?;
        let config = Config::parse(json, self.strictness).map_err(|faults| faults.to_string())?;
        for warning in config.warnings() {
            warn!("ConfigMap {}: {warning}", self.label());
        }
        Ok(Good {
            json: json.clone(),
            topology: config.into_topology(),
        })
    }

    async fn accept(&self, good: Good) {
        let same = |known: &Standing| {
            let in_force = known.good.as_ref().map(|good| &good.json);
            known.fault.is_none() && in_force == Some(&good.json)
        };
        if same(&self.standing.borrow()) {
            return;
        }
        info!(
            "the configuration of ConfigMap {} is in force",
            self.label()
        );
        self.standing.send_modify(|standing| {
            standing.good = Some(good.clone());
            standing.fault = None;
        });
        self.keep(&good.json).await;
    }

    /// The last good one stays in force; at the start it is the one that was kept.
    async fn refuse(&self, map: Option<&ConfigMap>, fault: String) {
        let known = self.standing.borrow().good.is_some();
        let kept = if known { None } else { self.kept().await };
        error!(
            "ConfigMap {} is not usable, nothing changes: {fault}",
            self.label()
        );
        if let Some(map) = map {
            let stays = match known || kept.is_some() {
                true => "the last good configuration stays in force",
                false => "nothing is decided before it is put right",
            };
            self.tell(map, format!("{stays}: {fault}"));
        }
        self.standing.send_modify(|standing| {
            standing.good = standing.good.take().or(kept);
            standing.fault = Some(fault);
            standing.bad += 1;
        });
    }

    fn tell(&self, map: &ConfigMap, note: String) {
        let (namespace, uid) = (map.namespace(), map.uid());
        self.reporter.tell(Notice {
            regarding: reference_of::<ConfigMap>(namespace.as_deref(), &self.name, uid.as_deref()),
            severity: Severity::Warning,
            reason: "ConfigurationRefused",
            note,
        });
    }

    async fn kept(&self) -> Option<Good> {
        let name = self.kept_name();
        let found = match timeout(LIMIT, self.kept.get_opt(&name)).await {
            Ok(Ok(found)) => found?,
            Ok(Err(error)) => {
                let cause = Causes(&error);
                warn!("the kept configuration {name} cannot be read: {cause}");
                return None;
            }
            Err(_) => {
                warn!("the kept configuration {name} cannot be read in time");
                return None;
            }
        };
        let json = found.data?.remove(&self.key)?;
        // What was good once is read as leniently as ever.
        let config = Config::parse(&json, Strictness::GalaxyCompat).ok()?;
        warn!("the configuration kept in {name} is in force");
        Some(Good {
            json,
            topology: config.into_topology(),
        })
    }

    async fn keep(&self, json: &str) {
        let name = self.kept_name();
        let mut map = ConfigMap {
            data: Some(BTreeMap::from([(self.key.clone(), json.to_owned())])),
            ..ConfigMap::default()
        };
        map.metadata.name = Some(name.clone());
        let params = PatchParams::apply(MANAGER).force();
        let kept = timeout(LIMIT, self.kept.patch(&name, &params, &Patch::Apply(&map))).await;
        let failure = match kept {
            Ok(Ok(_)) => return,
            Ok(Err(error)) => Causes(&error).to_string(),
            Err(_) => "the API server did not answer in time".to_owned(),
        };
        warn!("the configuration is in force, but was not kept for the next start: {failure}");
    }

    fn kept_name(&self) -> String {
        format!("{}{KEPT}", self.name)
    }

    fn label(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
