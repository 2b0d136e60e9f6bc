//! The configuration file: read at the start, followed while the server runs. A bad one changes
//! nothing; the last good one is kept with the addresses.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use floatingip_core::Topology;
use floatingip_core::config::{Config, Faults, Strictness};
use floatingip_core::store::LoadError;
use floatingip_core::topology::Difference;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tracing::{error, info, warn};

use super::Core;
use crate::config_file::{ConfigFileError, extract};
use crate::serve::signals::Hangups;
use crate::store::EmbeddedStore;

/// Under which name the last good configuration is kept.
const DOCUMENT: &str = "configuration";
/// The longest file that is read, as the largest ConfigMap.
const LONGEST: u64 = 1 << 20;

/// Where the configuration comes from, and how strictly it is read.
#[derive(Clone, Debug)]
pub(super) struct Source {
    path: PathBuf,
    strictness: Strictness,
}

/// What the server starts with.
pub(super) struct First {
    pub(super) topology: Topology,
    pub(super) status: Status,
    /// The text of the file, if it can be read: what is followed is what differs from it.
    pub(super) text: Option<String>,
}

/// How the configuration stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// Why the present file is not in force.
    pub(super) fault: Option<String>,
}

/// Why there is no configuration to start with.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The file cannot be used, and no good one was kept.
    #[error("no usable configuration in {file}, and none is kept from before: {fault}")]
    None {
        /// The file.
        file: String,
        /// Everything that is wrong with it.
        fault: Box<Unusable>,
    },
    /// The one that was kept cannot be read.
    #[error("the configuration kept from before cannot be read")]
    Kept(#[from] LoadError),
}

/// What is wrong with a configuration file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is longer than any configuration.
    #[error("it has more than {LONGEST} bytes, more than any ConfigMap: is it the right file?")]
    TooLong,
    /// The list is not where it should be.
    #[error(transparent)]
    Manifest(#[from] ConfigFileError),
    /// The list has faults.
    #[error("the list of subnets has these faults:\n{0}")]
    Faults(#[from] Faults),
}

impl Source {
    pub(super) fn new(path: PathBuf, galaxy_compat: bool) -> Self {
        let strictness = if galaxy_compat {
            Strictness::GalaxyCompat
        } else {
            Strictness::Strict
        };
        Self { path, strictness }
    }

    async fn read(&self) -> Result<String, Unusable> {
        let file = tokio::fs::File::open(&self.path).await?;
        let mut text = String::new();
        file.take(LONGEST + 1).read_to_string(&mut text).await?;
        if text.len() as u64 > LONGEST {
            return Err(Unusable::TooLong);
        }
        Ok(text)
    }

    /// The list in the text of the file, and what it says.
    fn parse(&self, text: &str) -> Result<(String, Config), Unusable> {
        let (json, notes) = extract(text)?;
        let config = Config::parse(&json, self.strictness)?;
        for note in notes {
            warn!("{}: {note}", self.path.display());
        }
        for warning in config.warnings() {
            warn!("{}: {warning}", self.path.display());
        }
        Ok((json, config))
    }
}

/// The configuration to start with: the file's, or else the last good one.
pub(super) async fn first(
    source: &Source,
    store: &EmbeddedStore,
) -> Result<First, ConfigurationError> {
    let read = source.read().await;
    let text = read.as_ref().ok().cloned();
    let (config, status) = match read.and_then(|text| source.parse(&text)) {
        Ok((json, config)) => {
            keep(store, &json).await;
            (config, Status::default())
        }
        Err(fault) => kept(source, store, fault)?,
    };
    Ok(First {
        topology: config.into_topology(),
        status,
        text,
    })
}

fn kept(
    source: &Source,
    store: &EmbeddedStore,
    fault: Unusable,
) -> Result<(Config, Status), ConfigurationError> {
    let file = source.path.display().to_string();
    let kept = store.document(DOCUMENT)?;
    let kept = kept.and_then(|json| Config::parse(&json, Strictness::GalaxyCompat).ok());
    let Some(config) = kept else {
        return Err(ConfigurationError::None {
            file,
            fault: Box::new(fault),
        });
    };
    error!("{file} is not usable, the last good configuration stays in force: {fault}");
    let fault = Some(fault.to_string());
    Ok((config, Status { fault }))
}

async fn keep(store: &EmbeddedStore, json: &str) {
    if let Err(error) = store.put_document(DOCUMENT, json).await {
        warn!("the configuration is in force, but was not kept for the next start: {error}");
    }
}

/// Follows the file: puts every good version in force, and tells of every bad one once.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) source: Source,
    /// The text that was dealt with last, if there was one.
    pub(super) seen: Option<String>,
    pub(super) core: Arc<Core>,
    pub(super) status: watch::Sender<Status>,
    pub(super) hangups: Hangups,
    pub(super) look_every: Duration,
}

impl Follow {
    pub(super) async fn run(mut self) {
        let mut look = tokio::time::interval(self.look_every);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = look.tick() => false,
                () = self.hangups.next() => true,
            };
            self.look(asked).await;
        }
    }

    async fn look(&mut self, asked: bool) {
        let read = self.source.read().await;
        let text = read.as_ref().ok().cloned();
        if asked || text != self.seen {
            self.seen = text;
            let parsed = read.and_then(|text| self.source.parse(&text));
            self.take(parsed).await;
        }
    }

    async fn take(&self, parsed: Result<(String, Config), Unusable>) {
        match parsed {
            Ok((json, config)) => {
                let difference = self.core.reconfigure(config.into_topology());
                self.status.send_replace(Status::default());
                tell(&self.core, &difference);
                keep(self.core.store(), &json).await;
                note_drains(&self.core).await;
            }
            Err(fault) => {
                let file = self.source.path.display().to_string();
                let fault = fault.to_string();
                self.status.send_replace(Status {
                    fault: Some(fault.clone()),
                });
                error!("{file} is not usable, the configuration in force stays: {fault}");
            }
        }
    }
}

/// Tells the journal what drains; at the start too, for the configuration may have changed meanwhile. The
/// next sweep does what could not be done.
pub(super) async fn note_drains(core: &Core) {
    let in_force = || Arc::clone(core.engine().topology());
    match core.store().note_drains(in_force, core.now().wall).await {
        Ok(0) => {}
        Ok(addresses) => info!(
            addresses,
            "the journal tells which addresses began or ceased to drain"
        ),
        Err(error) => warn!("the journal does not tell yet which addresses drain: {error}"),
    }
}

fn tell(core: &Core, difference: &Difference) {
    if difference.is_empty() {
        info!("the configuration was read again and is the same");
        return;
    }
    let draining = core.engine().records_in(&difference.removed).count();
    info!(
        added = %difference.added,
        removed = %difference.removed,
        changes = difference.changes.len(),
        draining,
        "another configuration is in force"
    );
}
