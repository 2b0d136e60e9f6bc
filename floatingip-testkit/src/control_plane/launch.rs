//! The command lines and files of each part.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::assets::{Assets, Part};
use crate::port;
use crate::process::Launch;

const HOST: &str = "127.0.0.1";
/// Of the administrator. No secret: the port is on loopback, and the cluster lives for the length of a test.
const TOKEN: &str = "administrator-of-a-test";

/// How kwok plays a kubelet.
const STAGES: &str = include_str!("kwok.yaml");

/// How the scheduler reaches us: DESIGN's configuration, of which tests change a part.
#[derive(Clone, Debug)]
pub struct Extender {
    url: String,
    node_cache_capable: bool,
}

impl Extender {
    /// At `http://127.0.0.1:PORT/v1`, with node names only.
    pub fn at(port: u16) -> Self {
        Self {
            url: format!("http://{HOST}:{port}/v1"),
            node_cache_capable: true,
        }
    }

    /// Sends whole nodes instead of their names.
    #[must_use]
    pub fn whole_nodes(mut self) -> Self {
        self.node_cache_capable = false;
        self
    }

    fn entry(&self) -> Value {
        json!({
            "urlPrefix": self.url,
            "filterVerb": "filter",
            "prioritizeVerb": "priority",
            "bindVerb": "bind",
            "preemptVerb": "preempt",
            "weight": 10,
            "httpTimeout": "30s",
            "nodeCacheCapable": self.node_cache_capable,
            "ignorable": false,
            "managedResources": [
                {"name": "tke.cloud.tencent.com/eni-ip", "ignoredByScheduler": true}
            ],
        })
    }
}

/// Where everything is: the folder and the ports of one control plane.
#[derive(Debug)]
pub(super) struct Site {
    assets: Assets,
    folder: PathBuf,
    ports: Ports,
    /// Where nodes reach the API server, if there are real ones.
    for_nodes: Option<IpAddr>,
}

#[derive(Debug)]
struct Ports {
    etcd: u16,
    etcd_peer: u16,
    api_server: u16,
    scheduler: u16,
    controller_manager: u16,
    kwok: u16,
}

impl Site {
    /// Chooses the ports and writes the files that several parts read.
    pub(super) fn new(assets: Assets, folder: &Path, for_nodes: Option<IpAddr>) -> Result<Self> {
        let ports = Ports {
            etcd: port::free()?,
            etcd_peer: port::free()?,
            api_server: port::free()?,
            scheduler: port::free()?,
            controller_manager: port::free()?,
            kwok: port::free()?,
        };
        let site = Self {
            assets,
            folder: folder.to_owned(),
            ports,
            for_nodes,
        };
        fs::write(
            site.path("tokens.csv"),
            format!("{TOKEN},admin,admin,system:masters\n"),
        )?;
        fs::write(site.kubeconfig(), site.kubeconfig_text(HOST).to_string())?;
        if let Some(address) = for_nodes {
            let text = site.kubeconfig_text(&address.to_string()).to_string();
            fs::write(site.kubeconfig_for_nodes(), text)?;
        }
        fs::write(site.path("kwok.yaml"), STAGES)?;
        Ok(site)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    pub(super) fn kubeconfig_for_nodes(&self) -> PathBuf {
        self.path("kubeconfig-for-nodes")
    }

    /// Where a part says that it is ready. An empty URL is the API server's; etcd is ready when that one is.
    pub(super) fn readiness(&self, part: Part) -> Option<(String, &'static str)> {
        let ports = &self.ports;
        match part {
            Part::Etcd => None,
            Part::ApiServer => Some((String::new(), "/readyz")),
            Part::Scheduler => Some((format!("https://{HOST}:{}", ports.scheduler), "/readyz")),
            Part::ControllerManager => Some((
                format!("https://{HOST}:{}", ports.controller_manager),
                "/healthz",
            )),
            Part::Kwok => Some((format!("http://{HOST}:{}", ports.kwok), "/healthz")),
        }
    }

    /// Its data need not outlive the test, so that nothing is synced to the disk.
    pub(super) fn etcd(&self) -> Launch {
        let client = format!("http://{HOST}:{}", self.ports.etcd);
        let peer = format!("http://{HOST}:{}", self.ports.etcd_peer);
        self.launch(Part::Etcd)
            .flag("data-dir", self.path("etcd"))
            .flag("listen-client-urls", &client)
            .flag("advertise-client-urls", &client)
            .flag("listen-peer-urls", &peer)
            .flag("initial-advertise-peer-urls", &peer)
            .flag("initial-cluster", format!("default={peer}"))
            .arg("--unsafe-no-fsync")
            .flag("log-level", "warn")
    }

    /// It makes its own certificate, whose key also signs service accounts' tokens.
    pub(super) fn api_server(&self) -> Launch {
        let key = self.signing_key();
        let launch = self
            .secure(Part::ApiServer, self.ports.api_server)
            .flag("etcd-servers", format!("http://{HOST}:{}", self.ports.etcd))
            .flag("service-account-key-file", &key)
            .flag("service-account-signing-key-file", &key)
            .flag("service-account-issuer", "https://kubernetes.default.svc")
            .flag("service-cluster-ip-range", "10.97.0.0/16")
            .flag("token-auth-file", self.path("tokens.csv"))
            .flag("authorization-mode", "RBAC")
            .flag("allow-privileged", "true")
            .flag("disable-admission-plugins", "ServiceAccount")
            .flag("endpoint-reconciler-type", "none")
            .flag("default-not-ready-toleration-seconds", "1")
            .flag("default-unreachable-toleration-seconds", "1");
        match self.for_nodes {
            None => launch,
            // Of a flag that is given twice the second holds.
            Some(address) => launch
                .flag("bind-address", "0.0.0.0")
                .flag("advertise-address", address.to_string()),
        }
    }

    pub(super) fn scheduler(&self, extender: Option<&Extender>) -> Result<Launch> {
        let configuration = json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": false},
            "clientConnection": {"kubeconfig": self.kubeconfig(), "qps": 5000, "burst": 5000},
            "podInitialBackoffSeconds": 1,
            "podMaxBackoffSeconds": 2,
            "extenders": extender.map(Extender::entry).into_iter().collect::<Vec<_>>(),
        });
        let file = self.path("scheduler.yaml");
        fs::write(&file, configuration.to_string())?;
        let launch = self.secure(Part::Scheduler, self.ports.scheduler);
        Ok(launch
            .flag("config", file)
            .arg("--authentication-skip-lookup"))
    }

    pub(super) fn controller_manager(&self, grace: Duration) -> Launch {
        self.secure(Part::ControllerManager, self.ports.controller_manager)
            .flag("kubeconfig", self.kubeconfig())
            .arg("--authentication-skip-lookup")
            .flag("leader-elect", "false")
            .flag("kube-api-qps", "5000")
            .flag("kube-api-burst", "5000")
            .flag("node-monitor-period", "1s")
            .flag("node-eviction-rate", "1000")
            .flag("secondary-node-eviction-rate", "1000")
            .flag(
                "node-monitor-grace-period",
                format!("{}ms", grace.as_millis()),
            )
            .flag("service-account-private-key-file", self.signing_key())
            .flag("use-service-account-credentials", "false")
            .flag("flex-volume-plugin-dir", self.path("flex"))
    }

    /// It renews a lease after a quarter of its duration. Nodes are picked by a label, because a node that loses it is
    /// dropped; one that loses an annotation is not.
    pub(super) fn kwok(&self, grace: Duration) -> Launch {
        self.launch(Part::Kwok)
            .flag("kubeconfig", self.kubeconfig())
            .flag("config", self.path("kwok.yaml"))
            .flag(
                "manage-nodes-with-label-selector",
                "kwok.x-k8s.io/node=fake",
            )
            .flag(
                "node-lease-duration-seconds",
                grace.as_secs().max(1).to_string(),
            )
            .flag("server-address", format!("{HOST}:{}", self.ports.kwok))
            .flag("v", "WARN")
    }

    fn secure(&self, part: Part, port: u16) -> Launch {
        self.launch(part)
            .flag("secure-port", port.to_string())
            .flag("bind-address", HOST)
            .flag("cert-dir", self.certificates(part))
    }

    fn launch(&self, part: Part) -> Launch {
        Launch::new(self.assets.program(part), self.path(&format!("{part}.log")))
    }

    fn certificates(&self, part: Part) -> PathBuf {
        self.path(&format!("{part}-certificates"))
    }

    fn signing_key(&self) -> PathBuf {
        self.certificates(Part::ApiServer).join("apiserver.key")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// JSON, which is YAML.
    fn kubeconfig_text(&self, host: &str) -> Value {
        let server = format!("https://{host}:{}", self.ports.api_server);
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": server, "insecure-skip-tls-verify": true}}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        })
    }
}
