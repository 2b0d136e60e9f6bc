//! The control plane: its processes, its folder, and a client.

mod builder;
mod launch;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;

pub use self::builder::Builder;
pub use self::launch::Extender;
use self::launch::Site;
use crate::assets::{Assets, Part};
use crate::eventually;
use crate::process::Process;

/// The longest wait for a part to be ready; on a busy machine, and none waits longer than it must.
const START_LIMIT: Duration = Duration::from_secs(90);

/// A running control plane. All of it ends when it is dropped.
pub struct ControlPlane {
    // Dropped in this order: the processes before the folder that they write to.
    parts: BTreeMap<Part, Process>,
    site: Site,
    client: Client,
    /// Keeps the folder for as long as the control plane lives.
    _folder: TempDir,
}

impl fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ControlPlane");
        shown
            .field("parts", &self.parts)
            .field("site", &self.site)
            .finish_non_exhaustive()
    }
}

impl ControlPlane {
    /// What to start, with the programs of a folder. By itself that is etcd and the API server.
    pub fn builder(assets: Assets) -> Builder {
        Builder::new(assets)
    }

    /// As [`builder`](Self::builder) with the programs that are found; none, said loudly, where `parts` are missing.
    ///
    /// # Errors
    /// They are missing, and `FLOATINGIP_REQUIRE_ASSETS` says that they may not be.
    pub fn builder_or_skip(suite: &str, parts: &[Part]) -> Result<Option<Builder>> {
        Ok(Assets::find_or_skip(suite, parts)?.map(Self::builder))
    }

    /// A client with all rights.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A kubeconfig file with all rights.
    pub fn kubeconfig(&self) -> PathBuf {
        self.site.kubeconfig()
    }

    /// The same for real nodes; it is there where [`Builder::for_nodes_at`] was told an address.
    pub fn kubeconfig_for_nodes(&self) -> PathBuf {
        self.site.kubeconfig_for_nodes()
    }

    /// A folder for files of the test, removed with the control plane.
    pub fn folder(&self) -> &Path {
        self.site.folder()
    }

    /// The process of a part that was started.
    ///
    /// # Errors
    /// It was not started.
    pub fn process(&self, part: Part) -> Result<&Process> {
        self.parts
            .get(&part)
            .with_context(|| format!("{part} was not started"))
    }

    /// Starts kube-scheduler, with our extender or without, and waits until it is ready.
    ///
    /// # Errors
    /// It is not ready in time.
    pub async fn start_scheduler(&mut self, extender: Option<&Extender>) -> Result<()> {
        let launch = self.site.scheduler(extender)?;
        self.start(Part::Scheduler, Process::start(launch)?).await
    }

    /// Starts kube-controller-manager, which takes a node for lost after `grace`, and waits until it is ready.
    ///
    /// # Errors
    /// It is not ready in time.
    pub async fn start_controller_manager(&mut self, grace: Duration) -> Result<()> {
        let launch = self.site.controller_manager(grace);
        self.start(Part::ControllerManager, Process::start(launch)?)
            .await
    }

    /// Starts kwok, which renews its nodes' leases four times within `grace`, and waits until it is ready.
    ///
    /// # Errors
    /// It is not ready in time.
    pub async fn start_kwok(&mut self, grace: Duration) -> Result<()> {
        let launch = self.site.kwok(grace);
        self.start(Part::Kwok, Process::start(launch)?).await
    }

    /// Starts a part again at its former port, and waits until it is ready.
    ///
    /// # Errors
    /// It was not started before, or is not ready in time.
    pub async fn restart(&self, part: Part) -> Result<()> {
        let process = self.process(part)?;
        process.restart()?;
        self.wait_ready(part, process).await
    }

    /// The last lines of every part's log, for the text of a failure.
    pub fn report(&self) -> String {
        let tail =
            |(part, process): (&Part, &Process)| format!("--- {part}\n{}", process.log_tail(15));
        self.parts.iter().map(tail).collect::<Vec<_>>().join("\n")
    }

    async fn start(&mut self, part: Part, process: Process) -> Result<()> {
        self.wait_ready(part, &process).await?;
        self.parts.insert(part, process);
        Ok(())
    }

    /// Asks the part itself, so that ready means what it means by it.
    async fn wait_ready(&self, part: Part, process: &Process) -> Result<()> {
        let Some((url, path)) = self.site.readiness(part) else {
            return process.check_running();
        };
        let asker = asker(&url, &self.client)?;
        eventually(START_LIMIT, &format!("{part} at {url}"), || async {
            // An ended process is told at once, as an answer: no waiting brings it back.
            if process.ended()?.is_some() {
                return Ok(process.check_running());
            }
            let request = http::Request::get(path).body(Vec::new())?;
            asker.request_text(request).await?;
            Ok(Ok(()))
        })
        .await?
    }
}

/// A client for the health of a part: the API server's, which has a token, or an unnamed one.
fn asker(url: &str, client: &Client) -> Result<Client> {
    if url.is_empty() {
        return Ok(client.clone());
    }
    let mut config = Config::new(url.parse()?);
    config.accept_invalid_certs = true;
    Ok(Client::try_from(config)?)
}

/// The administrator's client.
async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
