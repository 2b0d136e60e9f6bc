//! Both namespaces of an `ADD`: where others are asked, waited for and told.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::act::Place;
use super::plan::{Plan, Voice};
use crate::delegate::Limit;
use crate::link::{self, Kernel, KernelError, Neighbour, Netns};
use crate::spec::{Code, Failure, InterfaceName};
use crate::state::Record;

/// The node's namespace and the container's.
#[derive(Debug)]
pub struct Spaces {
    /// The node's.
    pub host: Kernel,
    /// The container's.
    pub container: Kernel,
    /// What all waits share.
    pub within: Limit,
}

/// How long IPv6 addresses may be tentative: the kernel waits up to a second, asks once, and waits another.
const TENTATIVE: Duration = Duration::from_secs(5);

/// How long a card may take to have a carrier once its link is switched on: some negotiate for seconds.
const CARRIER: Duration = Duration::from_secs(5);
/// Between two looks at what the kernel is waited for.
const PAUSE: Duration = Duration::from_millis(20);

impl Spaces {
    /// # Errors
    /// The container's cannot be entered.
    pub(crate) fn open(netns: &Path, within: Limit) -> Result<Self, KernelError> {
        let (mut host, mut container) = (Kernel::here()?, Kernel::inside(Netns::open(netns)?)?);
        host.end_after(within.left());
        container.end_after(within.left());
        Ok(Self {
            host,
            container,
            within,
        })
    }

    /// What is said before is lost.
    pub(super) fn await_carriers(&mut self, links: &[InterfaceName]) -> Result<(), Failure> {
        let (since, limit) = (Instant::now(), CARRIER.min(self.within.left()));
        for name in links {
            while !self.container.link(name)?.is_some_and(|link| link.carrier) {
                if since.elapsed() > limit {
                    return Err(no_carrier(name));
                }
                thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// Nobody hears a question before: a card that was just switched on takes seconds. Goes on without a carrier, as
    /// a bridge may lead to the network by another way.
    pub(super) fn await_uplinks(&mut self, record: &Record) -> Result<(), Failure> {
        let (since, limit) = (Instant::now(), CARRIER.min(self.within.left()));
        for endpoint in &record.endpoints {
            let uplink = &endpoint.uplink.name;
            while since.elapsed() < limit
                && self.host.link(uplink)?.is_some_and(|link| !link.carrier)
            {
                thread::sleep(PAUSE);
            }
        }
        Ok(())
    }

    /// All at the same time.
    pub(super) fn ask(&self, voices: &[Voice]) -> Result<Option<Neighbour>, Failure> {
        let asked = |voice: &Voice| {
            let ask = || link::probe(voice.link.as_str(), voice.mac, &voice.ips, voice.own);
            self.at(voice.place).run(ask).map_err(KernelError::from)
        };
        let answers: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = voices
                .iter()
                .map(|voice| scope.spawn(|| asked(voice)))
                .collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        for answer in answers {
            let answer =
                answer.unwrap_or_else(|_| Ok(Err(io::Error::other("its thread ended early"))));
            let answer = answer?.map_err(|error| {
                let what = "it cannot be asked whether the addresses are free (duplicate_address_probe: false leaves that out)";
                Failure::new(Code::Io, format!("{what}: {error}"))
            })?;
            if answer.is_some() {
                return Ok(answer);
            }
        }
        Ok(None)
    }

    /// The kernel itself asks whether they are free. Answers with one that is not.
    pub(super) fn await_ipv6(&mut self, record: &Record) -> Result<Option<IpAddr>, Failure> {
        let wanted: Vec<IpAddr> = record
            .endpoints
            .iter()
            .flat_map(|endpoint| &endpoint.addresses)
            .map(ipnet::IpNet::addr)
            .filter(IpAddr::is_ipv6)
            .collect();
        let (since, limit) = (Instant::now(), TENTATIVE.min(self.within.left()));
        while !wanted.is_empty() {
            let all = self.container.addresses()?;
            let mut own = all.iter().filter(|it| wanted.contains(&it.net().addr()));
            if let Some(taken) = own.clone().find(|address| address.is_taken()) {
                return Ok(Some(taken.net().addr()));
            }
            if !own.any(link::Address::is_tentative) {
                return Ok(None);
            }
            if since.elapsed() > limit {
                return Err(Failure::new(
                    Code::TryAgain,
                    "the kernel does not find out whether the IPv6 addresses are free: has the link a carrier?",
                ));
            }
            thread::sleep(PAUSE);
        }
        Ok(None)
    }

    /// As well as it can be done: neighbours find out without it, only later.
    pub(super) fn announce(&self, plan: &Plan) {
        for voice in &plan.announcements {
            let say = || link::announce(voice.link.as_str(), voice.mac, &voice.ips, plan.form);
            let _ = self.at(voice.place).run(say);
        }
    }

    fn at(&self, place: Place) -> &Kernel {
        match place {
            Place::Host => &self.host,
            Place::Container => &self.container,
        }
    }
}

fn no_carrier(name: &InterfaceName) -> Failure {
    let limit = CARRIER.as_secs();
    Failure::new(
        Code::TryAgain,
        format!(
            "{name} has no carrier after {limit} s: is the card's cable plugged, and its link up?"
        ),
    )
}
