//! `ADD`.

use std::path::Path;
use std::time::Duration;

use super::act::{Broken, carry_out};
use super::addresses::{bound, no_address};
use super::conflict::Conflict;
use super::lender::Lender;
use super::plan::{Connects, Plan, Wish};
use super::release::{left_over, undo};
use super::spaces::Spaces;
use crate::delegate::Limit;
use crate::ipam::Taker;
use crate::link::Netns;
use crate::spec::{Args, Attachment, CniResult, Code, Failure, IpInfos, Network, NetworkName};
use crate::state::{Folder, Lent, Lock, Record, Stage};

/// How long all of it may take, what an IPAM plugin does included. With what undoes it, 10 s at most, that is half a
/// minute.
const WORK: Duration = Duration::from_secs(20);
/// How long the removal of what was made may take then.
const UNDOING: Duration = Duration::from_secs(6);

/// Connects a container.
///
/// # Errors
/// It could not be connected. What was made is undone, or the details say what was not.
pub fn add<C: Connects>(
    config: &C,
    network: &Network,
    attachment: &Attachment,
    netns: &Path,
    args: &Args,
    lender: &Lender,
) -> Result<CniResult, Failure> {
    let mut node = Node {
        spaces: Spaces::open(netns, Limit::starting_now(WORK))?,
        records: config.records(),
        lender,
    };
    let taker = Taker {
        network,
        attachment,
        args,
    };
    let (infos, lent) = node.addresses(config, &taker, netns)?;
    let wish = Wish {
        config,
        network,
        attachment,
        netns,
        infos: &infos,
    };
    node.connect(&wish, lent)
}

/// Both namespaces, what is remembered, and who lends addresses.
struct Node<'a> {
    spaces: Spaces,
    records: Folder,
    lender: &'a Lender,
}

impl Node<'_> {
    /// Those that the pod was bound with, else such as the IPAM plugin lends: that is written down before it is asked.
    fn addresses<C: Connects>(
        &mut self,
        config: &C,
        taker: &Taker<'_>,
        netns: &Path,
    ) -> Result<(IpInfos, Option<Lent>), Failure> {
        if let Some(infos) = bound(taker.network, taker.args)? {
            return Ok((infos, None));
        }
        let lent = self.lender.loan().ok_or_else(no_address)?;
        self.lender.find(&lent)?;
        self.begin(config, taker, netns, &lent)?;
        match self.lender.lend(config, taker, &lent, self.spaces.within) {
            Ok(infos) => Ok((infos, Some(lent))),
            Err(failure) => Err(self.not_lent(config, taker, &lent, failure)),
        }
    }

    fn begin<C: Connects>(
        &mut self,
        config: &C,
        taker: &Taker<'_>,
        netns: &Path,
        lent: &Lent,
    ) -> Result<(), Failure> {
        self.records.make()?;
        let _lock = self.lock(config)?;
        self.clear(config, &taker.network.name, taker.attachment)?;
        Ok(self.records.write(&Record {
            network: taker.network.name.clone(),
            container: taker.attachment.container.clone(),
            interface: taker.attachment.interface.clone(),
            netns: netns.to_owned(),
            space: self.spaces.container.netns().map(Netns::identity),
            stage: Stage::Begun,
            lent: Some(lent.clone()),
            endpoints: Vec::new(),
        })?)
    }

    fn not_lent<C: Connects>(
        &self,
        config: &C,
        taker: &Taker<'_>,
        lent: &Lent,
        failure: Failure,
    ) -> Failure {
        let folder = config.state_folder();
        let name = &taker.network.name;
        if !self.lender.lent_nothing(taker, lent, folder) {
            return self.give_up(config, name, taker.attachment, failure);
        }
        match self.records.forget(name, taker.attachment) {
            Ok(()) => failure,
            Err(error) => failure.and(error),
        }
    }

    fn connect<C: Connects>(
        &mut self,
        wish: &Wish<'_, C>,
        lent: Option<Lent>,
    ) -> Result<CniResult, Failure> {
        let Wish {
            config,
            network,
            attachment,
            ..
        } = wish;
        let is_lent = lent.is_some();
        let failure = match self.prepare(wish, lent) {
            Ok(plan) => match self.settle(*config, &plan) {
                Ok(()) => return Ok(plan.result),
                Err(failure) => failure,
            },
            Err(failure) if is_lent => failure,
            Err(failure) => return Err(failure),
        };
        Err(self.give_up(*config, &network.name, attachment, failure))
    }

    fn lock<C: Connects>(&self, config: &C) -> Result<Lock, Failure> {
        let limit = Lock::PATIENCE.min(self.spaces.within.left());
        Ok(Lock::take(config.state_folder(), limit)?)
    }

    /// Under the node's lock: decides, writes down what is going to be made, and makes the links.
    fn prepare<C: Connects>(
        &mut self,
        wish: &Wish<'_, C>,
        lent: Option<Lent>,
    ) -> Result<Plan, Failure> {
        let name = &wish.network.name;
        self.records.make()?;
        let _lock = self.lock(wish.config)?;
        let is_lent = lent.is_some();
        if !is_lent {
            self.clear(wish.config, name, wish.attachment)?;
        }
        let mut plan = C::decide(wish, &mut self.spaces)?;
        plan.record.space = self.spaces.container.netns().map(Netns::identity);
        plan.record.lent = lent;
        self.records.write(&plan.record)?;
        if let Err(broken) = carry_out(
            &plan.prepare,
            &mut self.spaces.host,
            &mut self.spaces.container,
        ) {
            if broken.is_undone() && !is_lent {
                self.records.forget(name, wish.attachment)?;
            }
            return Err(told(broken));
        }
        Ok(plan)
    }

    /// Removes what an `ADD` of the same attachment left that did not come to its end.
    fn clear<C: Connects>(
        &mut self,
        config: &C,
        name: &NetworkName,
        attachment: &Attachment,
    ) -> Result<(), Failure> {
        match self.records.read(name, attachment)? {
            None => Ok(()),
            Some(record) if record.stage == Stage::Done => Err(Failure::new(
                Code::InvalidEnvironment,
                format!(
                    "{attachment} is connected to {name} already: call DEL first; nothing was changed"
                ),
            )),
            Some(record) => {
                config.release(&record, &mut self.spaces.host)?;
                let folder = config.state_folder();
                self.lender.take_back(&record, folder, self.spaces.within)?;
                Ok(self.records.forget(name, attachment)?)
            }
        }
    }

    /// Without the lock, as it takes time and concerns nobody else: asks whether the addresses are free, and gives
    /// them to the container.
    fn settle<C: Connects>(&mut self, config: &C, plan: &Plan) -> Result<(), Failure> {
        self.spaces.await_carriers(&plan.carriers)?;
        if !plan.probes.is_empty() {
            self.spaces.await_uplinks(&plan.record)?;
        }
        if let Some(neighbour) = self.spaces.ask(&plan.probes)? {
            return Err(self.in_use(config, plan, neighbour));
        }
        carry_out(
            &plan.finish,
            &mut self.spaces.host,
            &mut self.spaces.container,
        )
        .map_err(told)?;
        if let Some(ip) = self.spaces.await_ipv6(&plan.record)? {
            return Err(self.in_use(config, plan, ip));
        }
        self.spaces.await_carriers(&plan.carriers)?;
        self.spaces.announce(plan);
        config.connected(&plan.record);
        let record = Record {
            stage: Stage::Done,
            ..plan.record.clone()
        };
        // `GC` takes a record that is being written without it for one whose writer was killed.
        let _lock = self.lock(config)?;
        Ok(self.records.write(&record)?)
    }

    /// Takes the links away again, and gives addresses back that were lent.
    fn give_up<C: Connects>(
        &self,
        config: &C,
        network: &NetworkName,
        attachment: &Attachment,
        failure: Failure,
    ) -> Failure {
        let within = Limit::starting_now(UNDOING);
        match undo(config, network, attachment, self.lender, within) {
            Ok(()) => failure,
            Err(error) => failure.and(left_over(&error)),
        }
    }

    fn in_use<C: Connects>(
        &self,
        config: &C,
        plan: &Plan,
        conflict: impl Into<Conflict>,
    ) -> Failure {
        let server = config.server().or_else(|| self.lender.server());
        let folder = config.state_folder();
        conflict
            .into()
            .failure(server.as_ref(), &plan.record, folder)
    }
}

fn told(broken: Broken) -> Failure {
    let failure = Failure::from(broken.error);
    match broken.left.as_slice() {
        [] => failure,
        left => failure.with_details(format!("not undone: {}", left.join("; "))),
    }
}
