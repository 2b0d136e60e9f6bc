//! `ADD`.

use super::act::{Broken, carry_out};
use super::addresses::addresses;
use super::conflict::Conflict;
use super::plan::{Connects, Plan, Wish};
use super::release::left_over;
use super::spaces::Spaces;
use crate::link::Netns;
use crate::spec::{Args, Attachment, CniResult, Code, Failure, Network};
use crate::state::{Folder, Lock, Record, Stage};

/// Connects a container.
///
/// # Errors
/// It could not be connected. What was made is undone, or the details say what was not.
pub fn add<C: Connects>(
    config: &C,
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
    let mut node = Node {
        spaces: Spaces::open(netns)?,
        records: config.records(),
    };
    let plan = node.prepare(&wish)?;
    match node.settle(config, &plan) {
        Ok(()) => Ok(plan.result),
        Err(failure) => Err(node.give_up(config, &plan.record, failure)),
    }
}

/// Both namespaces, and what is remembered.
struct Node {
    spaces: Spaces,
    records: Folder,
}

impl Node {
    /// Under the node's lock: decides, writes down what is going to be made, and makes the links.
    fn prepare<C: Connects>(&mut self, wish: &Wish<'_, C>) -> Result<Plan, Failure> {
        self.records.make()?;
        let _lock = Lock::take(wish.config.state_folder(), Lock::PATIENCE)?;
        self.clear(wish)?;
        let mut plan = C::decide(wish, &mut self.spaces)?;
        plan.record.space = self.spaces.container.netns().map(Netns::identity);
        self.records.write(&plan.record)?;
        if let Err(broken) = carry_out(
            &plan.prepare,
            &mut self.spaces.host,
            &mut self.spaces.container,
        ) {
            if broken.left.is_empty() {
                self.records.forget(&wish.network.name, wish.attachment)?;
            }
            return Err(told(broken));
        }
        Ok(plan)
    }

    /// Removes what an `ADD` of the same attachment left that did not come to its end.
    fn clear<C: Connects>(&mut self, wish: &Wish<'_, C>) -> Result<(), Failure> {
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
                wish.config.release(&record, &mut self.spaces.host)?;
                Ok(self.records.forget(name, wish.attachment)?)
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
            return Err(in_use(config, plan, neighbour));
        }
        carry_out(
            &plan.finish,
            &mut self.spaces.host,
            &mut self.spaces.container,
        )
        .map_err(told)?;
        if let Some(ip) = self.spaces.await_ipv6(&plan.record)? {
            return Err(in_use(config, plan, ip));
        }
        self.spaces.await_carriers(&plan.carriers)?;
        self.spaces.announce(plan);
        let record = Record {
            stage: Stage::Done,
            ..plan.record.clone()
        };
        // `GC` takes a record that is being written without it for one whose writer was killed.
        let _lock = Lock::take(config.state_folder(), Lock::PATIENCE)?;
        Ok(self.records.write(&record)?)
    }

    /// Takes the links away again.
    fn give_up<C: Connects>(&mut self, config: &C, record: &Record, failure: Failure) -> Failure {
        let lock = Lock::take(config.state_folder(), Lock::PATIENCE);
        if let Err(error) = lock {
            return failure.and(format!("nothing was undone: {error}; DEL does it"));
        }
        if let Err(error) = config.release(record, &mut self.spaces.host) {
            return failure.and(left_over(&error));
        }
        match self.records.forget(&record.network, &record.attachment()) {
            Ok(()) => failure,
            Err(error) => failure.and(error.to_string()),
        }
    }
}

fn in_use<C: Connects>(config: &C, plan: &Plan, conflict: impl Into<Conflict>) -> Failure {
    let server = config.server();
    conflict
        .into()
        .failure(server.as_ref(), &plan.record.network)
}

fn told(broken: Broken) -> Failure {
    let failure = Failure::from(broken.error);
    match broken.left.as_slice() {
        [] => failure,
        left => failure.with_details(format!("not undone: {}", left.join("; "))),
    }
}
