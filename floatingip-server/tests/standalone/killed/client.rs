//! One client: it asks one thing after the other, and remembers what it was told.

use std::collections::BTreeSet;
use std::net::IpAddr;

use fastrand::Rng;

use super::app::App;
use super::board::{Board, LARGEST_SHARED, SHARED};
use super::found::Found;
use super::operation::Operation;
use super::pool::Pool;
use super::wire::Connection;
use super::{Broken, End};
use crate::client::Answer;

/// The most addresses that one client keeps in quarantine.
const MARKS: usize = 3;

#[derive(Debug)]
pub(super) struct Client {
    number: usize,
    random: Rng,
    pools: [Pool; 2],
    app: App,
    marks: BTreeSet<IpAddr>,
    /// Asked and not answered.
    open: Option<Operation>,
}

impl Client {
    pub(super) fn new(number: usize, random: Rng) -> Self {
        Self {
            number,
            random,
            pools: ["a", "b"].map(|pool| Pool::new(format!("client-{number}-{pool}"))),
            app: App::new(number),
            marks: BTreeSet::new(),
            open: None,
        }
    }

    /// Asks until the server is gone, or a promise broken.
    pub(super) fn live(&mut self, port: u16, board: &Board) {
        board.ends(self.ask_on(port, board));
    }

    fn ask_on(&mut self, port: u16, board: &Board) -> Result<(), End> {
        let mut connection = Connection::open(port).map_err(|_| End::Gone)?;
        while !board.is_over() {
            let again = self.open.take();
            let operation = again.unwrap_or_else(|| self.next());
            match shared(&operation) {
                Some(pool) => quarrel(&mut connection, &operation, pool, board)?,
                None => self.act(&mut connection, &operation, board)?,
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Operation {
        let random = &mut self.random;
        let own: Vec<IpAddr> = self.pools.iter().flat_map(Pool::certain).collect();
        let some = random.choice(&own);
        let reason = reason(self.number);
        match (random.u8(..20), some, self.marks.first()) {
            (0, Some(ip), _) if self.marks.len() < MARKS => {
                let ip = *ip;
                Operation::Quarantine { ip, reason }
            }
            (1, _, Some(ip)) => Operation::Lift { ip: *ip },
            (2, ..) => of_all(random),
            (3..=12, ..) => self.app.next(random),
            (turn, ..) => self.pools[usize::from(turn % 2)].next(random),
        }
    }

    /// Asks for something that is this client's alone.
    fn act(
        &mut self,
        connection: &mut Connection,
        operation: &Operation,
        board: &Board,
    ) -> Result<(), End> {
        board.disclaim(&self.at_stake(operation));
        self.open = Some(operation.clone());
        let acknowledged = board.acknowledged();
        let answer = connection
            .ask(&operation.request())
            .map_err(|_| End::Gone)?;
        let told = self.hear(operation, &answer, acknowledged, board);
        told.map_err(|broken| format!("client {}: {operation:?}: {broken}", self.number))?;
        self.open = None;
        board.acknowledge(operation);
        Ok(())
    }

    /// What it may lose by an operation.
    fn at_stake(&self, operation: &Operation) -> BTreeSet<IpAddr> {
        let mut pools = self.pools.iter();
        match pools.find(|pool| operation.pool() == Some(&pool.name)) {
            Some(pool) => pool.at_stake(operation),
            None if operation.is_of_app() => self.app.at_stake(operation),
            None => BTreeSet::new(),
        }
    }

    fn pool(&mut self, operation: &Operation) -> Option<&mut Pool> {
        let name = operation.pool()?;
        self.pools.iter_mut().find(|pool| pool.name == name)
    }

    fn hear(
        &mut self,
        operation: &Operation,
        answer: &Answer,
        acknowledged: u64,
        board: &Board,
    ) -> Result<(), Broken> {
        if let (404, Operation::Show { .. }) = (answer.status, operation) {
            return self.app.not_found(answer);
        }
        if answer.status != 200 {
            return Err(format!("{answer:?}"));
        }
        match operation {
            Operation::Quarantine { ip, .. } => {
                self.marks.insert(*ip);
            }
            Operation::Lift { ip } => {
                self.marks.remove(ip);
            }
            Operation::List { .. } => {
                let ips = listed(answer);
                board.claim(self.number, &ips)?;
                self.pool(operation)
                    .map_or(Ok(()), |pool| pool.listed(ips))?;
            }
            _ if operation.is_of_app() => {
                self.app.answered(operation, answer, acknowledged)?;
                board.claim(self.number, &self.app.certain())?;
            }
            _ => {
                if let Some(pool) = self.pool(operation) {
                    pool.acknowledged(operation);
                }
            }
        }
        Ok(())
    }

    /// Compares what a kill has left with what this client knows, and takes that over. Whether there
    /// was something of the operation that was not answered; none without one.
    pub(super) fn compare(
        &mut self,
        found: &mut Found,
        board: &Board,
    ) -> Result<Option<bool>, Broken> {
        let open = self.open.take().filter(Operation::is_change);
        let mut written = self.compare_marks(found, open.as_ref())?;
        for pool in &mut self.pools {
            let of_it = open.as_ref().filter(|open| open.pool() == Some(&pool.name));
            written |= pool.compare(found, of_it)?;
            board.claim(self.number, &pool.known)?;
        }
        let of_it = open.as_ref().filter(|open| open.is_of_app());
        written |= self.app.compare(found, of_it)?;
        board.claim(self.number, &self.app.certain())?;
        // It may have been done in part: asked again, it comes to its end.
        let unfinished = |open: &Operation| matches!(open, Operation::Put { .. });
        let known = open.as_ref().map(|_| written);
        self.open = open.filter(unfinished);
        Ok(known)
    }

    fn compare_marks(
        &mut self,
        found: &mut Found,
        open: Option<&Operation>,
    ) -> Result<bool, Broken> {
        let marks = found.take_marks(&reason(self.number));
        let touched = open.and_then(Operation::marked);
        let differs = |ip: &&IpAddr| Some(**ip) != touched;
        if let Some(ip) = marks.symmetric_difference(&self.marks).find(differs) {
            return Err(format!(
                "client {} was told of the marks {:?}, and there are {marks:?}: {ip}",
                self.number, self.marks
            ));
        }
        let written = marks != self.marks;
        self.marks = marks;
        Ok(written)
    }
}

/// Nobody else gives it, so that a mark tells whose it is.
fn reason(client: usize) -> String {
    format!("client {client}")
}

/// Something about a pool that all share.
fn of_all(random: &mut Rng) -> Operation {
    let pool = SHARED[random.usize(..SHARED.len())].to_owned();
    match random.u8(..4) {
        0 => Operation::Delete { pool },
        _ => Operation::Put {
            pool,
            size: random.u32(..=LARGEST_SHARED),
        },
    }
}

/// Which of the shared pools it is about.
fn shared(operation: &Operation) -> Option<usize> {
    let name = operation.pool()?;
    SHARED.iter().position(|shared| *shared == name)
}

/// Sets the size of a pool that others set too.
fn quarrel(
    connection: &mut Connection,
    operation: &Operation,
    pool: usize,
    board: &Board,
) -> Result<(), End> {
    let size = match operation {
        Operation::Put { size, .. } => Some(*size),
        _ => None,
    };
    let write = board.begin(pool, size);
    let answer = connection
        .ask(&operation.request())
        .map_err(|_| End::Gone)?;
    match (answer.status, size) {
        // It was not there: nothing was written, and nothing is certain.
        (404, None) => return Ok(()),
        (200 | 202, _) => board.end(pool, write),
        _ => return Err(End::Broken(format!("{operation:?}: {answer:?}"))),
    }
    board.acknowledge(operation);
    Ok(())
}

fn listed(answer: &Answer) -> BTreeSet<IpAddr> {
    let page = answer.json(200);
    let rows = page["content"].as_array().unwrap().iter();
    rows.map(|row| row["ip"].as_str().unwrap().parse().unwrap())
        .collect()
}
