//! The command line of the commands that are about a cluster.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::ArgAction;

/// Where the cluster is, and where in it the configuration.
#[derive(Clone, Debug, clap::Args)]
pub struct Access {
    /// How to reach the API server; without it `KUBECONFIG`, `~/.kube/config`, or in a pod the service
    /// account.
    #[arg(long, value_name = "FILE", env = "FLOATINGIP_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of what is the server's own: Pool objects, the kept configuration, the Lease.
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "FLOATINGIP_NAMESPACE",
        default_value = "kube-system"
    )]
    pub namespace: String,
    /// The namespace of the ConfigMap with the configuration.
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "FLOATINGIP_CONFIG_NAMESPACE",
        default_value = "kube-system"
    )]
    pub config_namespace: String,
    /// The name of the ConfigMap.
    #[arg(
        long,
        value_name = "NAME",
        env = "FLOATINGIP_CONFIG_NAME",
        default_value = "floatingip-config"
    )]
    pub config_name: String,
    /// The key of its data that holds the list of subnets.
    #[arg(
        long,
        value_name = "KEY",
        env = "FLOATINGIP_CONFIG_KEY",
        default_value = "floatingips"
    )]
    pub config_key: String,
}

/// How to serve a cluster.
#[derive(Clone, Debug, clap::Args)]
pub struct Kubernetes {
    /// The cluster.
    #[command(flatten)]
    pub access: Access,
    /// The address to listen at, for both ports. Anybody who reaches them can release addresses.
    #[arg(
        long,
        value_name = "ADDR",
        env = "FLOATINGIP_BIND",
        default_value = "0.0.0.0"
    )]
    pub bind: IpAddr,
    /// The address at which other processes of the server reach this one, to pass on what they are asked; in a
    /// pod its own address (`status.podIP`). Without it that of --bind, or none where that is any address.
    #[arg(long, value_name = "ADDR", env = "FLOATINGIP_ADVERTISE")]
    pub advertise: Option<IpAddr>,
    /// The port of the scheduler extender; 0 takes any free one.
    #[arg(
        long,
        value_name = "PORT",
        env = "FLOATINGIP_PORT",
        default_value_t = 9040
    )]
    pub port: u16,
    /// The port of the API, with probes and metrics; 0 takes any free one.
    #[arg(
        long,
        value_name = "PORT",
        env = "FLOATINGIP_API_PORT",
        default_value_t = 9041
    )]
    pub api_port: u16,
    /// A file with tokens, one a line: whoever changes something through the API has to name one of them, as
    /// `Authorization: Bearer TOKEN`. Without it everybody may who reaches the API. Read anew for each change.
    #[arg(long, value_name = "FILE", env = "FLOATINGIP_API_TOKEN_FILE")]
    pub api_token_file: Option<PathBuf>,
    /// Create or update the custom resource definitions before anything else.
    #[arg(long, env = "FLOATINGIP_INSTALL_CRDS")]
    pub install_crds: bool,
    /// Decide only while holding the lease. Off, nothing keeps a second process from deciding as well.
    #[arg(
        long,
        env = "FLOATINGIP_LEADER_ELECT",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true"
    )]
    pub leader_elect: bool,
    /// The name of the Lease.
    #[arg(
        long,
        value_name = "NAME",
        env = "FLOATINGIP_LEASE",
        default_value = "floatingip-server"
    )]
    pub lease: String,
    /// Answer as galaxy-ipam does where it and common sense part: addresses sort as text, bad pages
    /// are clamped, listings without filter have free addresses too, unknown fields are ignored.
    #[arg(long, env = "FLOATINGIP_GALAXY_COMPAT")]
    pub galaxy_compat: bool,
    /// Pre-allocation of pools leaves so many free addresses in each subnet.
    #[arg(
        long,
        value_name = "N",
        env = "FLOATINGIP_POOL_HEADROOM",
        default_value_t = 0
    )]
    pub pool_headroom: u32,
    /// How often every record is compared with the cluster, in seconds; at least 1.
    #[arg(
        long,
        value_name = "SECONDS",
        env = "FLOATINGIP_SWEEP_SECONDS",
        default_value_t = 60,
        value_parser = clap::value_parser!(u64).range(1..=86_400)
    )]
    pub sweep_seconds: u64,
}

/// What to compare.
#[derive(Clone, Debug, clap::Args)]
pub struct Verify {
    /// The cluster. To get, list and watch has to be allowed there, no more.
    #[command(flatten)]
    pub access: Access,
    /// Read the configuration as the server does with this flag: unknown fields are ignored.
    #[arg(long, env = "FLOATINGIP_GALAXY_COMPAT")]
    pub galaxy_compat: bool,
    /// How long to wait before what looks wrong is read again, in seconds; longer where the API server
    /// is slow, or where the server may be about to repair it.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 3,
        value_parser = clap::value_parser!(u64).range(1..=600)
    )]
    pub wait_seconds: u64,
}
