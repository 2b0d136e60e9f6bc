//! What was given to an interface, and by whom.

use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::config::IpamConfig;
use super::release::{ENDING, forget, tell};
use super::request::pod_of;
use crate::connect::bound;
use crate::delegate::Limit;
use crate::server::{AttachRequest, Server, ServerError, ServerUrl};
use crate::spec::{
    Args, Attachment, Code, ContainerId, Failure, InterfaceName, IpInfos, Network, NetworkName,
};
use crate::state::{FolderOf, Lock, Remembered};

/// Who takes addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker<'a> {
    pub(crate) network: &'a Network,
    pub(crate) attachment: &'a Attachment,
    pub(crate) args: &'a Args,
}

/// The addresses of an interface, as they are remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The network.
    pub network: NetworkName,
    /// The container.
    pub container: ContainerId,
    /// Its interface.
    pub interface: InterfaceName,
    /// Where they are from.
    pub origin: Origin,
    /// The addresses; none while the server is being asked.
    pub addresses: Vec<IpNet>,
}

/// Where addresses are from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// The pod was bound with them: whoever bound it looks after them.
    Binding,
    /// The standalone server gave them, and wants to hear of the end.
    Server(Grant),
}

/// What is needed to speak with the server of addresses that it gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Where it is.
    #[serde(rename = "serverURL")]
    pub url: ServerUrl,
    /// The file with the token.
    pub token_file: Option<PathBuf>,
    /// What it calls this node.
    pub node: String,
    /// The `ADD`, among those of the same interface; none: a former version did not name it.
    #[serde(default)]
    pub attempt: Option<String>,
    /// The pod's namespace,
    pub namespace: String,
    /// name
    pub pod: String,
    /// and UID, as the server has them.
    pub uid: String,
}

/// An interface whose end was told, or that never had anything. Who tells of its end again need not ask anybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    network: NetworkName,
    container: ContainerId,
    interface: InterfaceName,
}

impl Ended {
    pub(super) fn new(network: &NetworkName, attachment: &Attachment) -> Self {
        Self {
            network: network.clone(),
            container: attachment.container.clone(),
            interface: attachment.interface.clone(),
        }
    }
}

impl Remembered for Ended {
    fn of(&self) -> (&NetworkName, Attachment) {
        let attachment = Attachment {
            container: self.container.clone(),
            interface: self.interface.clone(),
        };
        (&self.network, attachment)
    }
}

impl Lease {
    /// How long the server may take to give addresses: the rest of an `ADD` has to fit behind it.
    const GIVING: std::time::Duration = std::time::Duration::from_secs(10);

    fn begun(taker: &Taker<'_>, origin: Origin) -> Self {
        Self {
            network: taker.network.name.clone(),
            container: taker.attachment.container.clone(),
            interface: taker.attachment.interface.clone(),
            origin,
            addresses: Vec::new(),
        }
    }

    /// Did its `ADD` come to its end?
    fn is_given(&self) -> bool {
        !self.addresses.is_empty()
    }

    fn with(mut self, infos: &IpInfos) -> Self {
        self.addresses = infos.as_slice().iter().map(|info| info.ip).collect();
        self
    }
}

impl Grant {
    /// The server, where it is by now.
    pub(super) fn server(&self, config: &IpamConfig) -> Server {
        let remembered = || Server::at(self.url.clone(), self.token_file.clone());
        config.server().unwrap_or_else(remembered)
    }

    /// The one that gave them, where the configuration names another one by now.
    pub(super) fn former_server(&self, config: &IpamConfig) -> Option<Server> {
        let now = config.server()?;
        let former = || Server::at(self.url.clone(), self.token_file.clone());
        (*now.url() != self.url).then(former)
    }

    fn of(server: &Server, request: &AttachRequest) -> Self {
        let [namespace, pod, uid] = pod_of(request);
        Self {
            url: server.url().clone(),
            token_file: server.token().map(Into::into),
            node: request.node_name.clone(),
            attempt: Some(request.attempt.clone()),
            namespace,
            pod,
            uid,
        }
    }
}

impl Remembered for Lease {
    fn of(&self) -> (&NetworkName, Attachment) {
        let attachment = Attachment {
            container: self.container.clone(),
            interface: self.interface.clone(),
        };
        (&self.network, attachment)
    }
}

/// The addresses of an interface: those that its pod was bound with, else those that the server gives. An `ADD` that
/// did not come to its end is ended first. One that did is refused: a main plugin that calls `DEL` because its second
/// `ADD` failed would take the addresses of the first one away.
///
/// # Errors
/// There are none, or it has some already. What the server may have given is remembered.
pub(crate) fn obtain(
    config: &IpamConfig,
    taker: &Taker<'_>,
    within: Limit,
) -> Result<IpInfos, Failure> {
    let leases = config.leases();
    leases.make()?;
    let patience = Lock::PATIENCE.min(within.left());
    let _alone = Lock::of(leases.path(), &taker.attachment.container, patience)?;
    match leases.read(&taker.network.name, taker.attachment)? {
        Some(lease) if lease.is_given() => return Err(given_already(&lease)),
        Some(open) => tell(config, &open, within.at_most(ENDING))?,
        None => {}
    }
    if let Some(infos) = bound(taker.network, taker.args)? {
        let lease = Lease::begun(taker, Origin::Binding).with(&infos);
        begin(config, &leases, &lease)?;
        return Ok(infos);
    }
    let server = config.server().ok_or_else(nobody_gives)?;
    let request = config.request(taker)?;
    let lease = Lease::begun(taker, Origin::Server(Grant::of(&server, &request)));
    begin(config, &leases, &lease)?;
    match server.attach(&request, within.at_most(Lease::GIVING)) {
        Ok(infos) => {
            remember(&leases, &lease.with(&infos))?;
            Ok(infos)
        }
        Err(error) => Err(not_given(config, taker, error)),
    }
}

fn begin(config: &IpamConfig, leases: &FolderOf<Lease>, lease: &Lease) -> Result<(), Failure> {
    remember(leases, lease)?;
    let (network, attachment) = lease.of();
    Ok(config.ended().forget(network, &attachment)?)
}

/// Under the lock, without which `GC` takes a file that is being written for one whose writer was killed.
fn remember(leases: &FolderOf<Lease>, lease: &Lease) -> Result<(), Failure> {
    let _lock = Lock::take(leases.path(), Lock::PATIENCE)?;
    Ok(leases.write(lease)?)
}

/// Where it is certain that nothing was given there is nothing to remember.
fn not_given(config: &IpamConfig, taker: &Taker<'_>, error: ServerError) -> Failure {
    let nothing = error.is_definite();
    let failure = Failure::from(error);
    if !nothing {
        return failure;
    }
    match forget(config, &taker.network.name, taker.attachment) {
        Ok(()) => failure,
        Err(error) => failure.and(error),
    }
}

fn given_already(lease: &Lease) -> Failure {
    let (network, attachment) = lease.of();
    let ips: Vec<_> = lease.addresses.iter().map(ToString::to_string).collect();
    let ips = ips.join(" and ");
    Failure::new(
        Code::InvalidEnvironment,
        format!("{attachment} has {ips} of {network} already: call DEL first; nothing was changed"),
    )
}

fn nobody_gives() -> Failure {
    Failure::new(
        Code::InvalidEnvironment,
        "the pod has no floating IP: CNI_ARGS has no ipinfos, nor has a pod annotation of runtimeConfig, and ipam.serverURL names no server that gives one; on Kubernetes: does the pod request tke.cloud.tencent.com/eni-ip, was it bound by the floating-IP scheduler extender, and has the main plugin the capability io.kubernetes.cri.pod-annotations?",
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::super::release::end;
    use super::*;

    /// Of an `ADD` or `DEL` that has been slow before.
    const LEFT: Duration = Duration::from_millis(300);
    /// Sooner than any limit of what is asked of a server.
    const SOON: Duration = Duration::from_millis(2500);

    #[test]
    fn a_silent_server_is_waited_for_no_longer_than_there_is_time() {
        let folder = tempfile::tempdir().unwrap();
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", silent.local_addr().unwrap());
        let config = json!({"nodeName": "n1", "serverURL": url});
        let config: IpamConfig = serde_json::from_value(config).unwrap();
        let config = config.kept_in(folder.path());
        let network = Network::read(br#"{"name":"lan"}"#).unwrap();
        let attachment = Attachment {
            container: "c1".parse().unwrap(),
            interface: "eth0".parse().unwrap(),
        };
        let taker = Taker {
            network: &network,
            attachment: &attachment,
            args: &Args::default(),
        };
        let began = Instant::now();
        let failure = obtain(&config, &taker, Limit::starting_now(LEFT)).unwrap_err();
        assert_eq!(failure.code, Code::TryAgain, "{failure}");
        let ended = end(
            &config,
            &network.name,
            &attachment,
            Limit::starting_now(LEFT),
        );
        assert_eq!(ended.unwrap_err().code, Code::TryAgain);
        let took = began.elapsed();
        assert!(took < SOON, "{took:?}");
    }
}
