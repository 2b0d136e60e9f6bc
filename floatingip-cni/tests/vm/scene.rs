//! What a test has: one card of the host, the wire behind it, and namespaces in the place of containers.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::process::{eventually, ip, run};
use crate::wire::Wire;

/// The card of the host, which is also the physical function.
pub(crate) const CARD: &str = "eth0";

/// Its hardware address.
pub(crate) const CARD_MAC: &str = "52:54:00:00:00:01";

/// The kernel of the virtual machine has this among its arguments: a real host would lose its network.
const MACHINE: &str = "floatingip.vm-test";

/// Where the plugins keep what they made; the links are gone with the test.
const RECORDS: &str = "/run/floatingip";

/// The machine has one pair of cards.
static CARDS: Mutex<()> = Mutex::new(());

/// The two cards, up and without anything on them, for one test.
pub(crate) struct Scene {
    pub(crate) wire: Wire,
    containers: RefCell<Vec<Netns>>,
    _cards: MutexGuard<'static, ()>,
}

impl Scene {
    /// The cards stay up from one test to the next: a link takes a second to come up.
    pub(crate) fn new() -> Self {
        let arguments = fs::read_to_string("/proc/cmdline").unwrap();
        assert!(arguments.contains(MACHINE), "run `cargo xtask vm-test`");
        let cards = CARDS.lock().unwrap_or_else(PoisonError::into_inner);
        ip(&format!("link set {CARD} up"));
        Self {
            wire: Wire::of_card(),
            containers: RefCell::default(),
            _cards: cards,
        }
    }

    /// A namespace that lasts until the end of the test.
    pub(crate) fn container(&self, name: &str) -> Netns {
        let netns = Netns::new(name);
        self.containers.borrow_mut().push(netns.clone());
        netns
    }

    /// A VLAN of the host's card, with an address of the host.
    pub(crate) fn vlan(&self, id: u16, address: &str) -> String {
        let name = format!("{CARD}.{id}");
        ip(&format!(
            "link add link {CARD} name {name} type vlan id {id}"
        ));
        ip(&format!("address add {address} dev {name}"));
        ip(&format!("link set {name} up"));
        name
    }

    /// What the card does for its functions, and what their links are: what may not change by a pod that came and went.
    pub(crate) fn functions_as_they_are(&self) -> String {
        let settings = ip(&format!("link show {CARD}"));
        let settings = settings.lines().filter(|line| line.contains("vf "));
        let links = (0..).map_while(function);
        let links = links.map(|name| ip(&format!("-brief link show {name}")));
        let settings = settings.map(ToOwned::to_owned);
        settings.chain(links).collect::<Vec<_>>().join("\n")
    }

    /// Enables virtual functions, and returns the names of their links.
    pub(crate) fn functions(&self, count: usize) -> Vec<String> {
        fs::write(device("sriov_numvfs"), count.to_string()).unwrap();
        let found = |index| eventually("a function has its link", || function(index));
        (0..count).map(found).collect()
    }
}

impl Drop for Scene {
    /// Namespaces first: functions come out of them before they are taken away. Nothing here may panic a second time.
    fn drop(&mut self) {
        for netns in self.containers.borrow().iter() {
            run(&format!("ip netns delete {}", netns.0));
        }
        for link in made_links() {
            run(&format!("ip link delete {link}"));
        }
        let _ = fs::write(device("sriov_numvfs"), "0");
        let _ = fs::remove_dir_all(RECORDS);
        run(&format!("ip address flush dev {CARD}"));
    }
}

/// A named network namespace.
#[derive(Clone)]
pub(crate) struct Netns(String);

impl Netns {
    /// The namespace, with its loopback up. Nothing takes it down by itself.
    pub(crate) fn new(name: &str) -> Self {
        ip(&format!("netns add {name}"));
        let netns = Self(name.to_owned());
        netns.ip("link set lo up");
        netns
    }

    /// The namespace of that name, which was made before.
    pub(crate) fn existing(name: &str) -> Option<Self> {
        let there = Path::new("/run/netns").join(name).exists();
        there.then(|| Self(name.to_owned()))
    }

    /// The file by which a runtime names it.
    pub(crate) fn path(&self) -> String {
        format!("/run/netns/{}", self.0)
    }

    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Runs `ip` in it.
    pub(crate) fn ip(&self, line: &str) -> String {
        ip(&format!("-netns {} {line}", self.0))
    }

    /// Sets one of its settings.
    pub(crate) fn set(&self, setting: &str) {
        let line = format!("ip netns exec {} busybox sysctl -w {setting}", self.0);
        let (success, said) = run(&line);
        assert!(success, "{line}: {said}");
    }

    /// Moves a link of the host into it, with a new name and an address, and sets it up.
    pub(crate) fn take(&self, link: &str, name: &str, address: &str) {
        ip(&format!("link set {link} netns {} name {name}", self.0));
        self.ip(&format!("address add {address} dev {name}"));
        self.ip(&format!("link set {name} up"));
    }

    /// An answer comes, at the first question or at a later one: a card takes about a second to settle.
    pub(crate) fn reaches(&self, address: &str) {
        let from = &self.0;
        eventually(&format!("{from} reaches {address}"), || {
            self.is_answered(1, address).then_some(())
        });
    }

    /// No answer comes to any of some questions. Only tells something beside what does reach.
    pub(crate) fn does_not_reach(&self, address: &str) {
        let from = &self.0;
        assert!(!self.is_answered(3, address), "{from} reaches {address}");
    }

    fn is_answered(&self, questions: u32, address: &str) -> bool {
        let ping = format!("busybox ping -q -c {questions} -i 0.3 -W 1 {address}");
        run(&format!("ip netns exec {} {ping}", self.0)).0
    }
}

/// Whether the host has a link of that name.
pub(crate) fn is_link(name: &str) -> bool {
    Path::new("/sys/class/net").join(name).exists()
}

/// Links that are no device's.
fn made_links() -> Vec<String> {
    let links = fs::read_dir("/sys/class/net").into_iter().flatten();
    let made = links
        .flatten()
        .filter(|link| !link.path().join("device").exists());
    let names = made.map(|link| link.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "lo").collect()
}

/// A file of the host's card as a device.
fn device(file: &str) -> PathBuf {
    Path::new("/sys/class/net")
        .join(CARD)
        .join("device")
        .join(file)
}

/// The name of the link of a virtual function, as soon as it has one.
fn function(index: usize) -> Option<String> {
    let links = fs::read_dir(device(&format!("virtfn{index}/net"))).ok()?;
    let name = links.flatten().next()?.file_name();
    Some(name.to_string_lossy().into_owned())
}
