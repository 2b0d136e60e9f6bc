//! The plugin as a runtime calls it.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::scene::{CARD, Netns, Scene};

/// Where a runtime finds plugins.
const FOLDER: &str = "/opt/cni/bin";
/// What a container's interface is called, as every runtime does, and the host's card too.
const INTERFACE: &str = "eth0";
/// The gateway of every address, which is at the other end of the wire.
pub(crate) const GATEWAY: &str = "10.2.0.1";

/// A container, and how the plugin is called for it.
pub(crate) struct Pod {
    pub(crate) netns: Netns,
    config: Value,
    args: String,
}

impl Pod {
    /// A container that is not connected yet, for an address of a VLAN. `fields` are those of the configuration that differ.
    pub(crate) fn new(scene: &Scene, name: &str, ip: &str, vlan: u16, fields: &Value) -> Self {
        let mut config = json!({
            "cniVersion": "1.0.0",
            "name": "lan",
            "type": "galaxy-k8s-vlan",
            "device": CARD,
        });
        for (field, value) in fields.as_object().unwrap() {
            config[field] = value.clone();
        }
        let infos = json!([{"ip": format!("{ip}/24"), "vlan": vlan, "gateway": GATEWAY}]);
        Self {
            netns: scene.container(name),
            config,
            args: format!("IgnoreUnknown=1;ipinfos={infos}"),
        }
    }

    /// The same, connected.
    pub(crate) fn connected(
        scene: &Scene,
        name: &str,
        ip: &str,
        vlan: u16,
        fields: &Value,
    ) -> Self {
        let mut pod = Self::new(scene, name, ip, vlan, fields);
        pod.connect();
        pod
    }

    /// `ADD` works.
    pub(crate) fn connect(&mut self) {
        let result = self.succeeds("ADD");
        self.config["prevResult"] = serde_json::from_str(&result).unwrap();
    }

    /// Nobody tells its address.
    pub(crate) fn unbind(&mut self) {
        "IgnoreUnknown=1".clone_into(&mut self.args);
    }

    /// `DEL` works, and the interface is gone.
    pub(crate) fn disconnect(&self) {
        self.succeeds("DEL");
        assert!(!self.is_connected());
    }

    /// Whether it has an interface.
    pub(crate) fn is_connected(&self) -> bool {
        let links = self.netns.ip("-brief link");
        links.lines().any(|link| link.starts_with(INTERFACE))
    }

    /// Calls the plugin, and returns what it printed.
    #[track_caller]
    pub(crate) fn succeeds(&self, verb: &str) -> String {
        let (success, printed) = self.call(verb);
        assert!(success, "{verb}: {printed}");
        printed
    }

    /// Calls the plugin, which has to refuse with these words.
    #[track_caller]
    pub(crate) fn fails(&self, verb: &str, words: &str) {
        let (success, printed) = self.call(verb);
        assert!(!success && printed.contains(words), "{verb}: {printed}");
    }

    fn call(&self, verb: &str) -> (bool, String) {
        self.start(verb, &self.netns.path()).ends()
    }

    /// Calls the plugin without a namespace, as a runtime does once that is gone.
    #[track_caller]
    pub(crate) fn is_forgotten(&self) {
        let (success, printed) = self.start("DEL", "").ends();
        assert!(success, "DEL: {printed}");
    }

    /// Begins to call the plugin.
    pub(crate) fn begin(&self, verb: &str) -> Running {
        self.start(verb, &self.netns.path())
    }

    /// Sets a field of the configuration.
    pub(crate) fn set(&mut self, field: &str, value: Value) {
        self.config[field] = value;
    }

    /// What a runtime passes on with the call.
    pub(crate) fn args(&self) -> &str {
        &self.args
    }

    /// What a runtime calls the plugin with.
    pub(crate) fn input(&self) -> String {
        self.config.to_string()
    }

    fn start(&self, verb: &str, netns: &str) -> Running {
        let plugin = self.config["type"].as_str().unwrap();
        let mut child = Command::new(format!("{FOLDER}/{plugin}"))
            .env_clear()
            .env("CNI_COMMAND", verb)
            .env("CNI_CONTAINERID", self.netns.name())
            .env("CNI_IFNAME", INTERFACE)
            .env("CNI_NETNS", netns)
            .env("CNI_ARGS", &self.args)
            .env("CNI_PATH", FOLDER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let config = self.config.to_string();
        let mut input = child.stdin.take().unwrap();
        input.write_all(config.as_bytes()).unwrap();
        Running(child)
    }
}

/// A call that has begun.
pub(crate) struct Running(Child);

impl Running {
    /// Whether it worked, and what it printed.
    pub(crate) fn ends(self) -> (bool, String) {
        let output = self.0.wait_with_output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        (output.status.success(), printed)
    }

    /// Ends it wherever it is.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
