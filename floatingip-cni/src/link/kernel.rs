//! Requests to the kernel in one namespace, each answered within a time limit.

use std::io;
use std::time::Duration;

use netlink_packet_core::DecodeError;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;

use super::address::Address;
use super::change::{Change, Kind, Name, Rank};
use super::function::{self, Setting};
use super::message::{self, New, Request};
use super::netns::{Netns, NetnsError};
use super::route::Route;
use super::sysctl;
use super::talk::{Talk, refused};
use super::view::{Link, View};

/// The kernel's networking in one namespace.
#[derive(Debug)]
pub struct Kernel {
    talk: Talk,
    /// None: where this process is.
    netns: Option<Netns>,
}

/// Why the kernel did not do something.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The namespace cannot be used.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// It cannot be asked at all.
    #[error("the kernel cannot be asked by netlink: {0}")]
    Socket(io::Error),
    /// It did not answer.
    #[error("the kernel did not answer within {} s; it may be busy with another change of the network", Talk::PATIENCE.as_secs())]
    Silent,
    /// It was not asked any more.
    #[error("the call takes too long altogether; something before this was slow")]
    Late,
    /// It answered what cannot be read.
    #[error("an answer of the kernel cannot be read: {0}")]
    Unreadable(DecodeError),
    /// What was listed changed all the time.
    #[error("the kernel's lists change faster than they can be read")]
    Restless,
    /// A link that is needed is not there.
    #[error("there is no link {0}")]
    NoLink(Name),
    /// It said no.
    #[error("cannot {what}: {}{}", reason_of(*errno, reason), remedy_of(*errno, *module))]
    Refused {
        /// What it was asked for.
        what: String,
        /// Its error number.
        errno: Errno,
        /// Its own words; may be empty.
        reason: String,
        /// The module that does this.
        module: Option<&'static str>,
    },
}

fn reason_of(errno: Errno, reason: &str) -> String {
    let error = io::Error::from(errno);
    match reason {
        "" => error.to_string(),
        reason => format!("{reason} ({error})"),
    }
}

/// What to do about it, where that is known.
fn remedy_of(errno: Errno, module: Option<&'static str>) -> String {
    match (errno, module) {
        (Errno::OPNOTSUPP, Some(module)) => format!(
            "; this node's kernel has no module {module}: load it (modprobe {module}), or use another `switch` or no VLAN"
        ),
        (Errno::PERM | Errno::ACCESS, _) => "; the plugin has to run as root".to_owned(),
        _ => String::new(),
    }
}

impl KernelError {
    /// May the kernel have done what it was asked for all the same?
    pub fn is_uncertain(&self) -> bool {
        matches!(self, Self::Silent | Self::Unreadable(_) | Self::Socket(_))
    }
}

impl Kernel {
    /// In the namespace of this process.
    ///
    /// # Errors
    /// The kernel has no netlink for it.
    pub fn here() -> Result<Self, KernelError> {
        Ok(Self {
            talk: Talk::open().map_err(KernelError::Socket)?,
            netns: None,
        })
    }

    /// In a namespace.
    ///
    /// # Errors
    /// It cannot be entered.
    pub fn inside(netns: Netns) -> Result<Self, KernelError> {
        let talk = netns.run(Talk::open)?.map_err(KernelError::Socket)?;
        Ok(Self {
            talk,
            netns: Some(netns),
        })
    }

    /// Ends the conversation after so long: one answer after the other may be in time, and all too late.
    pub fn end_after(&mut self, left: Duration) {
        self.talk.end_after(left);
    }

    /// The namespace, if it is not that of this process.
    pub fn netns(&self) -> Option<&Netns> {
        self.netns.as_ref()
    }

    /// Runs `work` in the namespace.
    ///
    /// # Errors
    /// It cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetnsError> {
        match &self.netns {
            Some(netns) => netns.run(work),
            None => Ok(work()),
        }
    }

    /// The value of a setting below `/proc/sys/net`, if the kernel has it.
    ///
    /// # Errors
    /// It has, and cannot be read.
    pub fn setting(&self, name: &str) -> Result<Option<String>, KernelError> {
        let read = self.run(|| sysctl::read(name))?;
        read.map_err(|error| refused_file(format!("read net/{name}"), &error))
    }

    /// All links and addresses.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn view(&mut self) -> Result<View, KernelError> {
        Ok(View {
            links: self.links()?,
            addresses: self.addresses()?,
            routes: Vec::new(),
        })
    }

    /// All routes. There may be very many on a router.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn routes(&mut self) -> Result<Vec<Route>, KernelError> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut message = RouteMessage::default();
            message.header.address_family = family;
            let listed = self.talk.list(&RouteNetlinkMessage::GetRoute(message))?;
            routes.extend(listed.into_iter().filter_map(|message| match message {
                RouteNetlinkMessage::NewRoute(message) => Some(Route::from(message)),
                _ => None,
            }));
        }
        Ok(routes)
    }

    fn links(&mut self) -> Result<Vec<Link>, KernelError> {
        let all = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let listed = self.talk.list(&all)?.into_iter();
        let links = listed.filter_map(|message| match message {
            RouteNetlinkMessage::NewLink(message) => Some(Link::from(message)),
            _ => None,
        });
        Ok(links.collect())
    }

    /// All addresses.
    ///
    /// # Errors
    /// They cannot be listed.
    pub fn addresses(&mut self) -> Result<Vec<Address>, KernelError> {
        let all = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let listed = self.talk.list(&all)?.into_iter();
        let addresses = listed.filter_map(|message| match message {
            RouteNetlinkMessage::NewAddress(message) => Some(Address::from(message)),
            _ => None,
        });
        Ok(addresses.collect())
    }

    /// The link of a name, if it is there.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn link(&mut self, name: &Name) -> Result<Option<Link>, KernelError> {
        let asked = RouteNetlinkMessage::GetLink(message::named(name));
        let what = || format!("look for {name}");
        let request = Request::change(asked);
        match self.talk.ask(&request, what, None) {
            Ok(answers) => Ok(answers.into_iter().find_map(|message| match message {
                RouteNetlinkMessage::NewLink(message) => Some(Link::from(message)),
                _ => None,
            })),
            Err(KernelError::Refused { errno, .. }) if errno == Errno::NODEV => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a card does for its virtual functions, by their numbers.
    ///
    /// # Errors
    /// The kernel cannot be asked, or there is no such card.
    pub fn functions(&mut self, card: &Name) -> Result<Vec<(u32, Setting)>, KernelError> {
        let request = Request::change(RouteNetlinkMessage::GetLink(function::question(card)));
        let what = || format!("ask {card} for its functions");
        let answers = self.talk.ask(&request, what, None)?;
        let of_card = answers.into_iter().filter_map(|message| match message {
            RouteNetlinkMessage::NewLink(message) => Some(function::settings(&message)),
            _ => None,
        });
        Ok(of_card.flatten().collect())
    }

    /// Makes one change; `inside` is the container's namespace, for links that are made there.
    ///
    /// # Errors
    /// The kernel refuses it, or a link that it needs is not there.
    pub fn apply(&mut self, change: &Change, inside: Option<&Netns>) -> Result<(), KernelError> {
        let written = match change {
            Change::Set { setting, value, .. } => self.run(|| sysctl::write(setting, value))?,
            Change::IgnoreAdvertisements { name } => self.run(|| ignore_advertisements(name))?,
            _ => return self.ask(change, inside),
        };
        written.map_err(|error| refused_file(change.to_string(), &error))
    }

    fn ask(&mut self, change: &Change, inside: Option<&Netns>) -> Result<(), KernelError> {
        let module = match change {
            Change::Create { kind, .. } => Some(kind.module()),
            _ => None,
        };
        let request = self.request(change, inside)?;
        match self.talk.ask(&request, || change.to_string(), module) {
            Err(KernelError::Refused { errno, .. }) if is_moot(change, errno) => Ok(()),
            answer => answer.map(drop),
        }
    }

    fn request(&mut self, change: &Change, inside: Option<&Netns>) -> Result<Request, KernelError> {
        use RouteNetlinkMessage as Message;
        Ok(match change {
            Change::Create {
                name,
                mac,
                mtu,
                kind,
            } => {
                let new = New {
                    name,
                    mac: *mac,
                    mtu: *mtu,
                };
                let device = self.device_of(kind)?;
                let message = new.create(kind, device, inside.map(Netns::fd));
                Request::create(Message::NewLink(message))
            }
            Change::Delete { name } => Request::change(Message::DelLink(message::named(name))),
            Change::Up { name } => Request::change(Message::SetLink(message::switch(name, true))),
            Change::Down { name } => {
                Request::change(Message::SetLink(message::switch(name, false)))
            }
            Change::Rename { name, to } => {
                let link = self.index(name)?;
                Request::change(Message::SetLink(message::rename(link, to)))
            }
            Change::Move { name, to } => {
                let link = self.index(name)?;
                let there = inside.map(Netns::fd);
                Request::change(Message::SetLink(message::take(link, to, there)))
            }
            Change::Function {
                card,
                index,
                setting,
                ..
            } => Request::change(Message::SetLink(setting.message(card, *index))),
            Change::SetMac { name, mac, .. } => {
                Request::change(Message::SetLink(message::address(name, *mac)))
            }
            Change::Port { name, bridge } => {
                let bridge = bridge.as_ref().map_or(Ok(0), |bridge| self.index(bridge))?;
                Request::change(Message::SetLink(message::port(name, bridge)))
            }
            Change::AddAddress { name, address } => {
                Request::create(Message::NewAddress(address.on(self.index(name)?)))
            }
            Change::RemoveAddress { name, address } => {
                Request::change(Message::DelAddress(address.on(self.index(name)?)))
            }
            Change::AddRoute { name, route, rank } => {
                let message = Message::NewRoute(route.through(self.index(name)?));
                match rank {
                    Rank::Only => Request::create(message),
                    Rank::First => Request::prepend(message),
                }
            }
            Change::RemoveRoute { name, route } => {
                Request::change(Message::DelRoute(route.through(self.index(name)?)))
            }
            // Not a message.
            Change::Set { .. } | Change::IgnoreAdvertisements { .. } => {
                let what = change.to_string();
                return Err(refused(what, Errno::INVAL, String::new(), None));
            }
        })
    }

    fn device_of(&mut self, kind: &Kind) -> Result<Option<u32>, KernelError> {
        match kind {
            Kind::Vlan { device, .. } | Kind::Macvlan { device } | Kind::Ipvlan { device, .. } => {
                self.index(device).map(Some)
            }
            Kind::Bridge | Kind::Veth { .. } => Ok(None),
        }
    }

    /// The number of a link.
    ///
    /// # Errors
    /// It is not there.
    pub fn index(&mut self, name: &Name) -> Result<u32, KernelError> {
        let link = self.link(name)?;
        let link = link.ok_or_else(|| KernelError::NoLink(name.clone()))?;
        Ok(link.index)
    }
}

/// What was asked for is so already: the kernel adds and removes some of it with other things, as the route to a subnet
/// with an address, or IPv6 addresses with the switch of their link.
fn is_moot(change: &Change, errno: Errno) -> bool {
    match change {
        Change::AddRoute { rank, .. } => *rank == Rank::First && errno == Errno::EXIST,
        Change::RemoveAddress { .. } => errno == Errno::ADDRNOTAVAIL,
        Change::RemoveRoute { .. } => errno == Errno::SRCH,
        _ => false,
    }
}

/// A link without these settings has no IPv6, as in a kernel that has none: it ignores all there is.
fn ignore_advertisements(name: &Name) -> io::Result<()> {
    for setting in ["accept_ra", "autoconf"] {
        match sysctl::write(&format!("ipv6/conf/{name}/{setting}"), "0") {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn refused_file(what: String, error: &io::Error) -> KernelError {
    let errno = Errno::from_io_error(error).unwrap_or(Errno::IO);
    refused(what, errno, String::new(), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_late_is_not_asked_any_more() {
        let mut kernel = Kernel::here().unwrap();
        kernel.end_after(Duration::from_secs(20));
        assert!(kernel.view().is_ok());
        kernel.end_after(Duration::ZERO);
        assert!(matches!(kernel.view(), Err(KernelError::Late)));
        kernel.end_after(Duration::from_secs(20));
        assert!(kernel.view().is_ok(), "what was not asked is not answered");
    }
}
