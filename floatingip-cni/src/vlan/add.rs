//! `ADD`.

use std::io;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::act::{Broken, Place, carry_out};
use super::config::VlanConfig;
use super::facts::Facts;
use super::plan::{Plan, Voice, Wish, plan};
use super::release::{left_over, release};
use crate::link::{self, Kernel, KernelError, Neighbour, Netns};
use crate::spec::{Args, Attachment, CniResult, Code, Failure, IpInfos, Network};
use crate::state::{Folder, Lock, Record, Stage};

/// How long IPv6 addresses may be tentative: the kernel waits up to a second, asks once, and waits another.
const TENTATIVE: Duration = Duration::from_secs(5);

/// How long the device may be without a carrier before others are asked all the same.
const CARRIER: Duration = Duration::from_secs(5);

/// Connects a container.
///
/// # Errors
/// It could not be connected. What was made is undone, or the details say what was not.
pub fn add(
    config: &VlanConfig,
    network: &Network,
    attachment: &Attachment,
    netns: &std::path::Path,
    args: &Args,
) -> Result<CniResult, Failure> {
    let infos = addresses(network, args)?;
    let wish = Wish {
        config,
        network,
        attachment,
        netns,
        infos: &infos,
    };
    let container = Netns::open(netns).map_err(KernelError::from)?;
    let mut node = Node {
        host: Kernel::here()?,
        container: Kernel::inside(container)?,
        records: config.records(),
    };
    let plan = node.prepare(&wish)?;
    match node.settle(config, &plan) {
        Ok(()) => Ok(plan.result),
        Err(failure) => Err(node.give_up(config, &plan.record, failure)),
    }
}

/// From the arguments, as galaxy's daemon passes them, else from the annotations that a runtime passes on.
fn addresses(network: &Network, args: &Args) -> Result<IpInfos, Failure> {
    let found = args.ip_infos()?;
    let found = found.map_or_else(|| network.annotated(), |infos| Ok(Some(infos)))?;
    found.ok_or_else(|| match &network.ipam {
        Some(kind) => Failure::new(
            Code::UnsupportedField,
            format!("CNI_ARGS has no ipinfos, and addresses of the IPAM plugin {kind} are not supported"),
        ),
        None => Failure::new(
            Code::InvalidEnvironment,
            "the pod has no floating IP: CNI_ARGS has no ipinfos, nor has a pod annotation of runtimeConfig; does it request tke.cloud.tencent.com/eni-ip, and was it bound by the floating-IP scheduler extender?",
        ),
    })
}

/// Both namespaces, and what is remembered.
struct Node {
    host: Kernel,
    container: Kernel,
    records: Folder,
}

impl Node {
    /// Under the node's lock: decides, writes down what is going to be made, and makes the links.
    fn prepare(&mut self, wish: &Wish<'_>) -> Result<Plan, Failure> {
        self.records.make()?;
        let _lock = Lock::take(&wish.config.state_folder, Lock::PATIENCE)?;
        self.clear(wish)?;
        let facts = Facts::gather(wish.config, &mut self.host, &mut self.container)?;
        let mut plan = plan(wish, &facts, &mut fastrand::Rng::new())?;
        plan.record.space = self.container.netns().map(Netns::identity);
        self.records.write(&plan.record)?;
        if let Err(broken) = carry_out(&plan.prepare, &mut self.host, &mut self.container) {
            if broken.left.is_empty() {
                self.records.forget(&wish.network.name, wish.attachment)?;
            }
            return Err(told(broken));
        }
        Ok(plan)
    }

    /// Removes what an `ADD` of the same attachment left that did not come to its end.
    fn clear(&mut self, wish: &Wish<'_>) -> Result<(), Failure> {
        let name = &wish.network.name;
        match self.records.read(name, wish.attachment)? {
            None => Ok(()),
            Some(record) if record.stage == Stage::Done => Err(Failure::new(
                Code::InvalidEnvironment,
                format!(
                    "{} is connected to {name} already: call DEL first; nothing was changed",
                    wish.attachment
                ),
            )),
            Some(record) => {
                release(&record, &mut self.host)?;
                Ok(self.records.forget(name, wish.attachment)?)
            }
        }
    }

    /// Without the lock, as it takes time and concerns nobody else: asks whether the addresses are free, and gives
    /// them to the container.
    fn settle(&mut self, config: &VlanConfig, plan: &Plan) -> Result<(), Failure> {
        if !plan.probes.is_empty() {
            self.await_carrier(&plan.record)?;
        }
        if let Some(Neighbour { ip, mac }) = self.ask(&plan.probes)? {
            return Err(Failure::new(
                Code::AddressInUse,
                format!(
                    "{ip} is used by {mac} already: find that machine on the network and take the address from it, or release the address"
                ),
            ));
        }
        carry_out(&plan.finish, &mut self.host, &mut self.container).map_err(told)?;
        self.await_ipv6(&plan.record)?;
        self.announce(plan);
        let record = Record {
            stage: Stage::Done,
            ..plan.record.clone()
        };
        // `GC` takes a record that is being written without it for one whose writer was killed.
        let _lock = Lock::take(&config.state_folder, Lock::PATIENCE)?;
        Ok(self.records.write(&record)?)
    }

    /// Nobody hears a question before: a card that was just switched on takes seconds. Goes on without one, as the
    /// bridge may lead to the network by another way.
    fn await_carrier(&mut self, record: &Record) -> Result<(), Failure> {
        let since = Instant::now();
        for endpoint in &record.endpoints {
            let uplink = &endpoint.uplink.name;
            while since.elapsed() < CARRIER
                && self.host.link(uplink)?.is_some_and(|link| !link.carrier)
            {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    /// All at the same time.
    fn ask(&self, voices: &[Voice]) -> Result<Option<Neighbour>, Failure> {
        let asked = |voice: &Voice| {
            let ask = || link::probe(voice.link.as_str(), voice.mac, &voice.ips);
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

    /// The kernel itself asks whether they are free.
    fn await_ipv6(&mut self, record: &Record) -> Result<(), Failure> {
        let wanted: Vec<IpAddr> = record
            .endpoints
            .iter()
            .flat_map(|endpoint| &endpoint.addresses)
            .map(ipnet::IpNet::addr)
            .filter(IpAddr::is_ipv6)
            .collect();
        let since = Instant::now();
        while !wanted.is_empty() {
            let all = self.container.addresses()?;
            let mut own = all.iter().filter(|it| wanted.contains(&it.net().addr()));
            if let Some(taken) = own.clone().find(|address| address.is_taken()) {
                let ip = taken.net().addr();
                return Err(Failure::new(
                    Code::AddressInUse,
                    format!(
                        "{ip} is used on this network already: find that machine and take the address from it, or release the address"
                    ),
                ));
            }
            if !own.any(link::Address::is_tentative) {
                return Ok(());
            }
            if since.elapsed() > TENTATIVE {
                return Err(Failure::new(
                    Code::TryAgain,
                    "the kernel does not find out whether the IPv6 addresses are free: has the link a carrier?",
                ));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// As well as it can be done: neighbours find out without it, only later.
    fn announce(&self, plan: &Plan) {
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

    /// Takes the links away again.
    fn give_up(&mut self, config: &VlanConfig, record: &Record, failure: Failure) -> Failure {
        let lock = Lock::take(&config.state_folder, Lock::PATIENCE);
        if let Err(error) = lock {
            return failure.with_details(format!("nothing was undone: {error}; DEL does it"));
        }
        if let Err(error) = release(record, &mut self.host) {
            return failure.with_details(left_over(&error));
        }
        match self.records.forget(&record.network, &record.attachment()) {
            Ok(()) => failure,
            Err(error) => failure.with_details(error.to_string()),
        }
    }
}

fn told(broken: Broken) -> Failure {
    let failure = Failure::from(broken.error);
    match broken.left.as_slice() {
        [] => failure,
        left => failure.with_details(format!("not undone: {}", left.join("; "))),
    }
}
