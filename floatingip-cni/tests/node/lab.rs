//! A node with a neighbour on its network, and the plugin as its runtime calls it.

use std::env;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use floatingip_cni::plugin::Plugin;
use floatingip_cni::spec::{Attachment, Invocation};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::space::Space;

/// The node's link to the network.
pub(crate) const DEVICE: &str = "eth0";
pub(crate) const HOST_IP: &str = "10.9.0.10";
/// The neighbour, who is the gateway too.
pub(crate) const OUTSIDE_IP: &str = "10.9.0.1";
pub(crate) const OUTSIDE_MAC: &str = "02:00:00:00:00:01";

/// The folder with Debian's CNI plugins.
const PLUGINS: &str = "FLOATINGIP_CNI_PLUGINS";

/// `require`: being skipped is a failure. `skip`: be skipped.
const MODE: &str = "FLOATINGIP_NODE";

/// Node, neighbour, and the folder with the plugin and its records.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) host: Space,
    pub(crate) outside: Space,
    folder: TempDir,
}

/// One call of the plugin.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) verb: &'static str,
    pub(crate) container: &'a str,
    pub(crate) interface: &'a str,
    pub(crate) netns: String,
    pub(crate) args: String,
    pub(crate) config: Value,
}

/// What the plugin answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) success: bool,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The code of an error.
    pub(crate) fn code(&self) -> u64 {
        self.json()["code"].as_u64().unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn fails_with(&self, code: u64, words: &str) {
        assert!(!self.success, "{}", self.text);
        assert_eq!(self.code(), code, "{}", self.text);
        assert!(
            self.text.contains(words),
            "{:?} is not in {}",
            words,
            self.text
        );
    }

    #[track_caller]
    pub(crate) fn succeeds(&self) -> &Self {
        assert!(self.success, "{}", self.text);
        self
    }
}

impl Lab {
    /// A node whose device has an address and the default route; none where this process may not make one.
    pub(crate) fn new() -> Option<Self> {
        let bare = Self::bare()?;
        bare.host
            .ip(&format!("address add {HOST_IP}/24 dev {DEVICE}"));
        bare.host.ip(&format!("route add default via {OUTSIDE_IP}"));
        Some(bare)
    }

    /// The same without address and routes.
    pub(crate) fn bare() -> Option<Self> {
        let host = match wanted().and_then(|()| Space::try_new()) {
            Ok(host) => host,
            Err(error) => return skipped(&error),
        };
        let lab = Self {
            host,
            outside: Space::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        let outside = lab.outside.path();
        lab.host.ip(&format!(
            "link add {DEVICE} type veth peer name out0 netns {outside}"
        ));
        lab.outside
            .ip(&format!("link set out0 address {OUTSIDE_MAC}"));
        lab.outside
            .ip(&format!("address add {OUTSIDE_IP}/24 dev out0"));
        lab.outside.ip("link set out0 up");
        lab.host.ip(&format!("link set {DEVICE} up"));
        for plugin in Plugin::ALL {
            let name = lab.folder.path().join(plugin.name());
            symlink(env!("CARGO_BIN_EXE_floatingip-cni"), name).unwrap();
        }
        Some(lab)
    }

    /// The program of that type: one of ours, else one of Debian's.
    fn program(&self, kind: &str) -> PathBuf {
        let mut found = self.plugin_folders().into_iter();
        let found = found.find_map(|folder| Some(folder.join(kind)).filter(|it| it.exists()));
        found.unwrap_or_else(|| panic!("no plugin {kind}"))
    }

    /// A shell script as a plugin of a type of its own.
    pub(crate) fn script(&self, kind: &str, text: &str) {
        let fresh = self.folder.path().join(format!("{kind}.new"));
        fs::write(&fresh, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
        // Renamed, so that no child of another test's thread has it open for writing when it is run.
        fs::rename(&fresh, self.folder.path().join(kind)).unwrap();
    }

    /// What a script wrote beside itself.
    pub(crate) fn beside(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// As a runtime has them in `CNI_PATH`.
    fn plugin_folders(&self) -> Vec<PathBuf> {
        let own = self.folder.path().to_owned();
        let debians = env::var_os(PLUGINS).map(PathBuf::from);
        [own].into_iter().chain(debians).collect()
    }

    pub(crate) fn records(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// How many attachments are remembered.
    pub(crate) fn remembered(&self) -> usize {
        let network = fs::read_dir(self.records().join("vlan/lan"));
        network.map_or(0, Iterator::count)
    }

    /// A configuration with the fields that `more` has.
    pub(crate) fn config(&self, more: &Value) -> Value {
        let mut config = json!({
            "cniVersion": "1.0.0",
            "name": "lan",
            "type": "galaxy-k8s-vlan",
            "device": DEVICE,
            "state_folder": self.records(),
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        config
    }

    /// `ADD` of `eth0` with an address; change what is to be different.
    pub(crate) fn add<'a>(
        &self,
        container: &'a str,
        space: &Space,
        ips: &[&str],
        more: &Value,
    ) -> Call<'a> {
        Call {
            verb: "ADD",
            container,
            interface: "eth0",
            netns: space.path(),
            args: format!("IgnoreUnknown=1;K8S_POD_NAME=a;ipinfos={}", infos(ips)),
            config: self.config(more),
        }
    }

    /// Calls the plugin as a runtime does.
    pub(crate) fn call(&self, call: &Call<'_>) -> Answer {
        let output = self.spawn(call).wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(error, "", "nothing is for standard error");
        Answer {
            success: output.status.success(),
            text: String::from_utf8(output.stdout).unwrap(),
        }
    }

    /// Begins a call of the plugin that the configuration names as its type.
    pub(crate) fn spawn(&self, call: &Call<'_>) -> Child {
        let kind = call.config["type"].as_str().unwrap();
        let folders = env::join_paths(self.plugin_folders()).unwrap();
        let programs = env::split_paths("/usr/sbin:/usr/bin:/sbin:/bin");
        // Debian's call iptables, which lies beside them.
        let programs = env::join_paths(self.plugin_folders().into_iter().chain(programs)).unwrap();
        let spawn = || {
            Command::new(self.program(kind))
                .env_clear()
                .env("PATH", &programs)
                .env("CNI_COMMAND", call.verb)
                .env("CNI_CONTAINERID", call.container)
                .env("CNI_IFNAME", call.interface)
                .env("CNI_NETNS", &call.netns)
                .env("CNI_ARGS", &call.args)
                .env("CNI_PATH", &folders)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        };
        let mut child = self.host.run(spawn).unwrap();
        let config = call.config.to_string();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(config.as_bytes())
            .unwrap();
        child
    }

    /// As the library reads a call.
    pub(crate) fn attachment(call: &Call<'_>) -> Attachment {
        let read = Invocation::read(|name| {
            Some(match name {
                "CNI_COMMAND" => "DEL".to_owned(),
                "CNI_CONTAINERID" => call.container.to_owned(),
                "CNI_IFNAME" => call.interface.to_owned(),
                _ => return None,
            })
        });
        match read {
            Ok(Invocation::Del { attachment }) => attachment,
            other => panic!("{other:?}"),
        }
    }
}

impl Call<'_> {
    /// The same call with another verb. `CHECK` gets `result` as the former one.
    pub(crate) fn verb(&self, verb: &'static str) -> Self {
        Self {
            verb,
            ..self.clone()
        }
    }

    pub(crate) fn check(&self, result: &Answer) -> Self {
        let mut call = self.verb("CHECK");
        call.config["prevResult"] = result.json();
        call
    }
}

/// `address/prefix`, with `@vlan` where it has one. The gateway is the address that ends in 1.
pub(crate) fn infos(ips: &[&str]) -> Value {
    let info = |text: &&str| {
        let (ip, vlan) = text.split_once('@').unwrap_or((text, "0"));
        let net: ipnet::IpNet = ip.parse().unwrap();
        let first = if net.addr().is_ipv4() { 0 } else { 1 };
        let gateway = net.hosts().nth(first).unwrap();
        json!({"ip": ip, "vlan": vlan.parse::<u16>().unwrap(), "gateway": gateway})
    };
    ips.iter().map(info).collect()
}

/// What a test needs that not every machine has: its place is in a variable.
pub(crate) fn needed(variable: &str, what: &str) -> Option<PathBuf> {
    wanted().ok()?;
    if let Some(place) = env::var_os(variable) {
        return Some(place.into());
    }
    let ci = env::var_os("CI").is_some_and(|value| value == "true");
    assert!(
        !ci && !required(),
        "{variable} does not say where {what}: `cargo xtask ci node` sees to it"
    );
    let _ = writeln!(
        io::stderr(),
        "\nSKIPPED: a test needs to know where {what}, in {variable}\n"
    );
    None
}

/// The folder with Debian's plugins (`bridge`, `macvlan`, `host-local`, `portmap`, …) and the iptables that `portmap` calls.
pub(crate) fn debians_plugins() -> Option<PathBuf> {
    needed(PLUGINS, "Debian's CNI plugins are")
}

fn wanted() -> io::Result<()> {
    match env::var_os(MODE) {
        Some(value) if value == "skip" => Err(io::Error::other(format!("{MODE} is skip"))),
        _ => Ok(()),
    }
}

fn required() -> bool {
    env::var_os(MODE).is_some_and(|value| value == "require")
}

/// Past the macros, whose output is kept back: what is skipped must not look like what passed.
fn skipped(error: &io::Error) -> Option<Lab> {
    assert!(
        !required(),
        "no network namespace can be made: {error}; run as root"
    );
    let _ = writeln!(
        io::stderr(),
        "\nSKIPPED: a test on real interfaces needs root: {error}\n"
    );
    None
}
