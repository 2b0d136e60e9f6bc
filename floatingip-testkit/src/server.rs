//! Our own server as a process, against a control plane.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::control_plane::{ControlPlane, Extender};
use crate::eventually;
use crate::port;
use crate::process::{Launch, Process};
use crate::verify;
use crate::web::Web;

/// The longest wait for readiness, and for a clean end.
const LIMIT: Duration = Duration::from_secs(60);
/// So many seconds later what looks wrong is looked at again: on a busy machine things are in flight longer.
const VERIFY_AGAIN: u64 = 5;

/// A server to be started: its ports are chosen before, because the scheduler has to know them.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    binary: PathBuf,
    port: u16,
    api_port: u16,
    bind: IpAddr,
    arguments: Vec<String>,
    /// Instead of the administrator's, for a server that installs nothing.
    kubeconfig: Option<PathBuf>,
}

impl ServerPlan {
    /// For the binary at this path: `env!("CARGO_BIN_EXE_floatingip-server")` in its own tests.
    ///
    /// # Errors
    /// No port is free.
    pub fn new(binary: impl Into<PathBuf>) -> Result<Self> {
        Ok(Self {
            binary: binary.into(),
            port: port::free()?,
            api_port: port::free()?,
            bind: Ipv4Addr::LOCALHOST.into(),
            arguments: Vec::new(),
            kubeconfig: None,
        })
    }

    /// Has it listen at all addresses that there are, for real nodes, instead of on loopback.
    #[must_use]
    pub fn for_nodes(mut self) -> Self {
        self.bind = Ipv4Addr::UNSPECIFIED.into();
        self
    }

    /// The number of the API port, for what is configured before it runs.
    pub fn api_port(&self) -> u16 {
        self.api_port
    }

    /// One more argument of `floatingip-server kubernetes`.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// As it is deployed: with the rights of this kubeconfig, and definitions that somebody else has installed.
    #[must_use]
    pub fn with_rights_of(mut self, kubeconfig: impl Into<PathBuf>) -> Self {
        self.kubeconfig = Some(kubeconfig.into());
        self
    }

    /// Where the scheduler is to ask.
    pub fn extender(&self) -> Extender {
        Extender::at(self.port)
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// It ends at once, or is not ready in time; the text has the end of its log.
    pub async fn start(self, plane: &ControlPlane) -> Result<Server> {
        let server = self.spawn(plane)?;
        server.ready(LIMIT).await?;
        Ok(server)
    }

    /// Starts it and waits for nothing.
    ///
    /// # Errors
    /// The binary cannot be started.
    pub fn spawn(self, plane: &ControlPlane) -> Result<Server> {
        let log = plane
            .folder()
            .join(format!("floatingip-server-{}.log", self.port));
        let (kubeconfig, installs) = match &self.kubeconfig {
            Some(kubeconfig) => (kubeconfig.clone(), None),
            None => (plane.kubeconfig(), Some("--install-crds")),
        };
        let launch = Launch::new(&self.binary, log)
            .arg("kubernetes")
            .flag("kubeconfig", kubeconfig)
            .flag("bind", self.bind.to_string())
            .flag("port", self.port.to_string())
            .flag("api-port", self.api_port.to_string())
            .args(installs)
            .args(&self.arguments)
            .env("NO_COLOR", "1");
        Ok(Server {
            process: Process::start(launch)?,
            extender: Web::at(self.port)?,
            api: Web::at(self.api_port)?,
            plan: self,
        })
    }
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    process: Process,
    extender: Web,
    api: Web,
    plan: ServerPlan,
}

impl Server {
    /// Waits until `/readyz` of the API port says 200.
    ///
    /// # Errors
    /// It does not in time, or the process has ended; the text has the end of the log.
    pub async fn ready(&self, limit: Duration) -> Result<()> {
        let log = || format!("{}\nthe server is not ready", self.process.log_tail(30));
        eventually(limit, "/readyz", || async {
            // An ended process is told at once, as an answer: no waiting brings it back.
            if self.process.ended()?.is_some() {
                return Ok(self.process.check_running());
            }
            let answer = self.api.get("/readyz?verbose").await?;
            ensure!(answer.status == 200, "{}: {}", answer.status, answer.body);
            Ok(Ok(()))
        })
        .await
        .with_context(log)?
    }

    /// The API port.
    pub fn api(&self) -> &Web {
        &self.api
    }

    /// The number of the API port, for command lines.
    pub fn api_port(&self) -> u16 {
        self.plan.api_port
    }

    /// The number of the extender's port, for who passes connections on.
    pub fn extender_port(&self) -> u16 {
        self.plan.port
    }

    /// The extender's port.
    pub fn extender(&self) -> &Web {
        &self.extender
    }

    /// The process: its log, and `pause` and `resume`.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Fails unless `floatingip-server verify` finds the cluster as it has to be.
    ///
    /// # Errors
    /// Something is wrong, or that could not be found out.
    pub async fn verify(&self, plane: &ControlPlane) -> Result<()> {
        verify(&self.plan.binary, plane, VERIFY_AGAIN)
            .await?
            .clean()
    }

    /// Ends it as a power cut does.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&self) -> Result<()> {
        self.process.kill()
    }

    /// Ends it as an operator does.
    ///
    /// # Errors
    /// It has not ended in time.
    pub async fn terminate(&self) -> Result<ExitStatus> {
        self.process.terminate(LIMIT).await
    }

    /// Starts it again at the same ports, and waits until it is ready.
    ///
    /// # Errors
    /// As for [`ServerPlan::start`].
    pub async fn restart(&self) -> Result<()> {
        self.process.restart()?;
        self.ready(LIMIT).await
    }
}
