//! The command line.

mod cluster;
mod journal;

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, Subcommand, ValueEnum};
use thiserror::Error;

pub use cluster::{Access, Kubernetes, Verify};
pub use journal::{Age, AgeError, Journal};

/// Gives pods addresses of the data-centre network, and keeps them as their release policy says.
#[derive(Debug, Parser)]
#[command(
    name = "floatingip-server",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How log lines look.
    #[arg(
        long,
        global = true,
        help_heading = "Log",
        value_enum,
        default_value_t = LogFormat::Text,
        env = "FLOATINGIP_LOG_FORMAT",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,
    /// Which log lines are written: a level (error, warn, info, debug, trace) or a list such as
    /// `info,floatingip_server=debug`.
    #[arg(
        long,
        global = true,
        help_heading = "Log",
        default_value = "info",
        env = "FLOATINGIP_LOG",
        value_name = "FILTER"
    )]
    pub log: String,
}

/// What the server can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serves without Kubernetes: one process, an embedded store, the /v1 API.
    ///
    /// Reads the configuration from a file (the JSON list, or the ConfigMap manifest around it), keeps
    /// every address in DIR, and serves the API at ADDR. Reads the file again when it changes and on
    /// SIGHUP; a bad file changes nothing. Ends with exit code 0 on SIGTERM, 2 if there is no
    /// configuration to start with, 1 for any other fault.
    #[command(after_long_help = EXAMPLES)]
    Standalone(Standalone),
    /// Copies the addresses of a standalone server, its journal and its last good configuration, all as of
    /// one moment, to a file.
    ///
    /// A server that uses DIR goes on meanwhile, and is asked for the backup; one that does not run need not
    /// be started. The file is there once it is whole and flushed, for this user alone to read: it tells who
    /// has which address. A file that is there already is left as it is. Ends with exit code 0 once the backup is
    /// written, 2 where the same command never works (FILE is there, DIR has no store), 1 for any other
    /// fault; no file is left then.
    Backup(Backup),
    /// Makes the store of a standalone server from a backup, where there is none.
    ///
    /// The store is there once every byte of the backup was checked, and every record was read from what
    /// was made. What happened after the backup is not in it: see to addresses that were given since then
    /// before the server is started. Ends with exit code 0 once the store is restored, 2 where the same
    /// command never works (FILE is damaged, cut off or no backup, DIR has a store), 1 for any other fault;
    /// there is no store then.
    Restore(Restore),
    /// Serves a Kubernetes cluster, where galaxy-ipam was: the scheduler extender at one port, the /v1 API
    /// at another, the addresses in FloatingIP objects.
    ///
    /// Reads the configuration from a ConfigMap, follows it, and listens at once; `/readyz?verbose` at the
    /// API port says what is missing. In a pod it uses the service account. Of several processes one
    /// decides, by a Lease. Ends with exit code 0 on SIGTERM.
    Kubernetes(Kubernetes),
    /// Compares a live cluster with what must hold, and changes and locks nothing: one line for each
    /// violation, with the invariant, the objects, their versions, and what to do.
    ///
    /// Reads FloatingIP and Pool objects, pods, workloads, nodes and the ConfigMap: to get and list them
    /// has to be allowed, no more. What is in flight
    /// looks wrong for a moment: what looks wrong is read again, twice, and told only if it is still
    /// there at the same versions. Ends with exit code 0 if nothing is wrong, 1 if something is, 2 if
    /// that could not be found out. The invariants are ONE-OWNER, ONE-SLOT, IN-RANGE, LIVE-KEEPS,
    /// STICKY, PROMPT, CAP and DURABLE.
    Verify(Verify),
}

const EXAMPLES: &str = "\
Examples:
  Serve the sample configuration of the repository, at 127.0.0.1:32761:
      floatingip-server standalone
  Serve your own, with the addresses kept where the system keeps such things:
      floatingip-server standalone --config /etc/floatingip/config.yaml --data-dir /var/lib/floatingip
  Reserve five addresses for a pool, and look at them:
      curl -H 'Content-type: application/json' \\
          -d '{\"name\":\"blue\",\"size\":5,\"preAllocateIP\":true}' http://127.0.0.1:32761/v1/pool
      curl 'http://127.0.0.1:32761/v1/ip?poolName=blue'";

/// How to serve without Kubernetes.
#[derive(Clone, Debug, clap::Args)]
pub struct Standalone {
    /// The configuration: a JSON list, or a ConfigMap manifest with it.
    #[arg(
        long,
        value_name = "FILE",
        env = "FLOATINGIP_CONFIG",
        default_value = "examples/floatingip-config.yaml"
    )]
    pub config: PathBuf,
    /// Where everything is kept. Made if it is not there; one process at a time.
    #[arg(
        long,
        value_name = "DIR",
        env = "FLOATINGIP_DATA_DIR",
        default_value = "floatingip-data"
    )]
    pub data_dir: PathBuf,
    /// Where the API is served: HOST:PORT, or unix:PATH for a socket. Anybody who reaches it can
    /// release addresses.
    #[arg(
        long,
        value_name = "ADDR",
        env = "FLOATINGIP_LISTEN",
        default_value = "127.0.0.1:32761"
    )]
    pub listen: Listen,
    /// A file with tokens, one a line: whoever changes something through the API has to name one of them, as
    /// `Authorization: Bearer TOKEN`. Without it everybody may who reaches the API. Read anew for each change.
    #[arg(long, value_name = "FILE", env = "FLOATINGIP_API_TOKEN_FILE")]
    pub api_token_file: Option<PathBuf>,
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
    /// What is kept of what happened.
    #[command(flatten)]
    pub journal: Journal,
}

/// How to make a backup.
#[derive(Clone, Debug, clap::Args)]
pub struct Backup {
    /// The folder of the server.
    #[arg(
        long,
        value_name = "DIR",
        env = "FLOATINGIP_DATA_DIR",
        default_value = "floatingip-data"
    )]
    pub data_dir: PathBuf,
    /// Where the backup goes; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
}

/// How to restore.
#[derive(Clone, Debug, clap::Args)]
pub struct Restore {
    /// The folder of the server. Made if it is not there.
    #[arg(
        long,
        value_name = "DIR",
        env = "FLOATINGIP_DATA_DIR",
        default_value = "floatingip-data"
    )]
    pub data_dir: PathBuf,
    /// The backup; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    pub from: PathBuf,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the API is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A TCP address, `HOST:PORT`; port 0 takes any free one.
    Tcp(String),
    /// A socket file, `unix:PATH`.
    Unix(PathBuf),
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let bad = || ListenError {
            found: text.to_owned(),
        };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = Some(path).filter(|path| !path.is_empty());
            return path
                .map(|path| Self::Unix(PathBuf::from(path)))
                .ok_or_else(bad);
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port: Result<u16, _> = port.parse();
        match (host.is_empty(), port) {
            (false, Ok(_)) => Ok(Self::Tcp(text.to_owned())),
            _ => Err(bad()),
        }
    }
}

/// A text that is no place to listen at.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{found}` is no place to listen at: write HOST:PORT, such as 127.0.0.1:32761, or unix:PATH"
)]
pub struct ListenError {
    /// What stood there.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn places_to_listen_at_are_host_and_port_or_a_socket() {
        for good in ["127.0.0.1:0", "localhost:80", "[::1]:32761"] {
            assert_eq!(good.parse(), Ok(Listen::Tcp(good.to_owned())));
        }
        assert_eq!(
            "unix:/run/f.sock".parse(),
            Ok(Listen::Unix("/run/f.sock".into()))
        );
        for bad in [
            "",
            "unix:",
            "localhost",
            ":80",
            "localhost:",
            "localhost:99999",
            "h:x",
        ] {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }

    #[test]
    fn defaults_need_no_preparation() {
        let args = Args::try_parse_from(["floatingip-server", "standalone"]).unwrap();
        let Command::Standalone(standalone) = args.command else {
            panic!("another command");
        };
        assert_eq!(standalone.listen, Listen::Tcp("127.0.0.1:32761".to_owned()));
        assert!(!standalone.galaxy_compat);
    }

    #[test]
    fn a_cluster_is_served_at_the_ports_of_galaxy() {
        let parse = |more: &[&str]| {
            let args = ["floatingip-server", "kubernetes"].iter().chain(more);
            match Args::try_parse_from(args).unwrap().command {
                Command::Kubernetes(kubernetes) => kubernetes,
                _ => panic!("another command"),
            }
        };
        let defaults = parse(&[]);
        assert_eq!((defaults.port, defaults.api_port), (9040, 9041));
        assert!(defaults.leader_elect);
        assert!(parse(&["--leader-elect"]).leader_elect);
        assert!(parse(&["--leader-elect=true"]).leader_elect);
        assert!(!parse(&["--leader-elect=false"]).leader_elect);
    }
}
