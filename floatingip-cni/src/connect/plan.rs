//! What an `ADD` is asked for, and what is decided of it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use super::act::{Place, Step};
use super::spaces::Spaces;
use crate::link::{Form, Kernel, Mac, View};
use crate::server::Server;
use crate::spec::{Attachment, CniResult, Failure, InterfaceName, IpInfos, Network};
use crate::state::{Endpoint, Folder, Record, Stage};

/// The configuration of a plugin that connects containers by links that it makes or moves.
pub trait Connects: Sized {
    /// Where the lock is, and the folder with the records.
    fn state_folder(&self) -> &Path;

    /// Where the records are.
    fn records(&self) -> Folder;

    /// The server that hears of an address that somebody else uses, where there is one.
    fn server(&self) -> Option<Server>;

    /// The VLAN of addresses that an IPAM plugin lends which knows of none; 0: untagged.
    fn vlan(&self) -> u16;

    /// Decides an `ADD`, under the node's lock.
    ///
    /// # Errors
    /// It cannot be done.
    fn decide(wish: &Wish<'_, Self>, spaces: &mut Spaces) -> Result<Plan, Failure>;

    /// What is done for the links of an `ADD` that came to its end, as well as it can be.
    fn connected(&self, _record: &Record) {}

    /// Undoes an `ADD` that may have come to any point. The caller has the node's lock.
    ///
    /// # Errors
    /// Something is left, which a later call may undo.
    fn release(&self, record: &Record, host: &mut Kernel) -> Result<(), Failure>;
}

/// What a runtime wants of this plugin.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a, C> {
    /// The plugin's own configuration.
    pub config: &'a C,
    /// What all plugins find in it.
    pub network: &'a Network,
    /// Which interface of which container.
    pub attachment: &'a Attachment,
    /// The container's namespace.
    pub netns: &'a Path,
    /// The addresses.
    pub infos: &'a IpInfos,
}

/// What is going to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Under the node's lock: all links.
    pub prepare: Vec<Step>,
    /// Links of the container that have to have a carrier before anything is said on them.
    pub carriers: Vec<InterfaceName>,
    /// Where others are asked whether the addresses are free.
    pub probes: Vec<Voice>,
    /// When nobody has them: addresses and routes.
    pub finish: Vec<Step>,
    /// Where it is announced that the addresses are there now.
    pub announcements: Vec<Voice>,
    /// In which form.
    pub form: Form,
    /// What has to be remembered to undo it all.
    pub record: Record,
    /// What the runtime is told.
    pub result: CniResult,
}

/// A link that speaks for addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// In which namespace the link is.
    pub place: Place,
    /// Its name.
    pub link: InterfaceName,
    /// The hardware address that it speaks as.
    pub mac: Mac,
    /// The addresses.
    pub ips: Vec<Ipv4Addr>,
    /// One of the node's own on that link, to ask with once more: who answers for others answers no probe.
    pub own: Option<Ipv4Addr>,
}

impl<C> Wish<'_, C> {
    /// An address that the node has. Not every way to connect lets it hear the question whether it has.
    pub(crate) fn own_address(&self, host: &View) -> Option<IpAddr> {
        let mut wanted = self.infos.as_slice().iter().map(|info| info.ip.addr());
        wanted.find(|ip| host.addresses.iter().any(|it| it.net().addr() == *ip))
    }

    /// What is written down before the first change.
    pub(crate) fn record(&self, endpoints: Vec<Endpoint>) -> Record {
        Record {
            network: self.network.name.clone(),
            container: self.attachment.container.clone(),
            interface: self.attachment.interface.clone(),
            netns: self.netns.to_owned(),
            space: None,
            stage: Stage::Begun,
            lent: None,
            endpoints,
        }
    }
}
