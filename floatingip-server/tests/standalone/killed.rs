//! SIGKILL at random moments, under many clients at once: what was acknowledged is found again.
//!
//! Each client has pools and an app of its own, of which it knows everything, and all of them quarrel about a few
//! pools more. Meanwhile addresses are taken away by the configuration and given back. After each kill a copy of
//! the folder is compared with what they know; the next server starts on the folder as the kill left it.
//! `FLOATINGIP_KILLS` says how many kills, `FLOATINGIP_SEED` what is asked and roughly when they come.

mod app;
mod board;
mod client;
mod found;
mod left;
mod operation;
mod pool;
mod register;
mod standing;
mod steward;
mod wire;

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use self::board::{Board, Kinds};
use self::client::Client;
use self::found::Found;
use self::left::Left;
use self::steward::Steward;
use crate::client::Answer;
use crate::server::{Home, wait_for};

/// A promise that was not kept, in words.
type Broken = String;

/// Why a client stops.
enum End {
    /// The server is gone.
    Gone,
    Broken(Broken),
}

impl From<Broken> for End {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

const CLIENTS: usize = 64;
/// Changes that are acknowledged before a kill: these, and up to so many more.
const LEAST: u64 = 1000;
const MORE: u64 = 200;
/// So many kinds of operations there are, and each has to be acknowledged.
const KINDS: usize = 15;
/// Kills of one folder, one after the other; then another one, so that none becomes long to verify.
const CHAIN: u32 = 10;
/// The longest time that a server which is on its way up lives, in milliseconds.
const YOUNG: u64 = 60;

/// A node that may use the second subnet, and only that.
const OTHER_NODE: &str = "10.9.0.1";

/// More addresses than all clients together ever have; and some for the other node, all but the last of which
/// may be taken away.
fn configuration(taken: bool) -> String {
    let first = if taken { 9 } else { 2 };
    format!(
        r#"[{{"routableSubnet":"10.0.0.0/16","ips":["10.0.64.2~10.0.79.241"],"subnet":"10.0.64.0/20","gateway":"10.0.64.1"}},
        {{"routableSubnet":"10.9.0.0/16","ips":["10.0.96.{first}~10.0.96.9"],"subnet":"10.0.96.0/24","gateway":"10.0.96.1"}}]"#
    )
}

/// What happened, for those who want to know whether it was enough.
#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    young: u32,
    /// Servers that started on a file which a kill had left for them to repair.
    torn: u32,
    acknowledged: u64,
    kinds: Kinds,
    /// Requests that a kill left without an answer, and what was found of them.
    open: u32,
    open_found: u32,
}

impl Tally {
    fn count(&mut self, board: &Board) {
        self.acknowledged += board.acknowledged();
        for (kind, times) in board.kinds() {
            *self.kinds.entry(kind).or_default() += times;
        }
    }
}

#[test]
fn what_was_acknowledged_is_there_after_kills_at_random_moments() {
    let begun = Instant::now();
    let seed = number("FLOATINGIP_SEED").unwrap_or_else(|| RandomState::new().hash_one("killed"));
    let kills = number("FLOATINGIP_KILLS").map_or(3, |kills| u32::try_from(kills).unwrap());
    println!("FLOATINGIP_SEED={seed}");
    let mut random = Rng::with_seed(seed);
    let mut tally = Tally::default();
    while tally.kills < kills {
        let some = CHAIN.min(kills - tally.kills);
        let told = chain(some, &mut random, &mut tally);
        told.unwrap_or_else(|broken| panic!("FLOATINGIP_SEED={seed}: {broken}; {tally:?}"));
    }
    println!("{tally:?} in {:.0} s", begun.elapsed().as_secs_f32());
    assert!(tally.acknowledged >= LEAST * u64::from(kills), "{tally:?}");
    assert!(tally.open > 0, "{tally:?}");
    assert_eq!(tally.torn, kills - kills.div_ceil(CHAIN), "{tally:?}");
    assert_eq!(tally.kinds.len(), KINDS, "{tally:?}");
}

/// A number from the environment: the machine's own timing is not repeated with it.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Kills servers of one folder.
fn chain(kills: u32, random: &mut Rng, tally: &mut Tally) -> Result<(), Broken> {
    let home = Home::new(&configuration(false));
    let mut steward = Steward::default();
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|number| Client::new(number, random.fork()))
        .collect();
    let mut board = Board::default();
    for kill in 0..kills {
        if kill > 0 {
            tally.torn += u32::from(is_torn(&home)?);
        }
        if random.u8(..3) == 0 {
            kill_young(&home, random);
            tally.young += 1;
        }
        live(&home, &mut clients, &mut steward, &board, random)?;
        tally.kills += 1;
        tally.count(&board);
        let told = compare(&home, &mut clients, &mut steward, board, tally);
        board = told.map_err(|broken| format!("kill {kill} of the chain: {broken}"))?;
    }
    Ok(())
}

/// Whether the next server has something to repair.
fn is_torn(home: &Home) -> Result<bool, Broken> {
    left(home)?.is_torn().map_err(|error| error.to_string())
}

fn left(home: &Home) -> Result<Left, Broken> {
    Left::by(&home.path("data")).map_err(|error| error.to_string())
}

/// Kills a server that is on its way up.
fn kill_young(home: &Home, random: &mut Rng) {
    let server = home.spawn(home.command(&[]));
    thread::sleep(Duration::from_millis(random.u64(..YOUNG)));
    server.kill();
}

/// All clients ask the server until it is killed, or one of them finds a promise broken.
fn live(
    home: &Home,
    clients: &mut [Client],
    steward: &mut Steward,
    board: &Board,
    random: &mut Rng,
) -> Result<(), Broken> {
    let server = home.start();
    let enough = LEAST + random.u64(..MORE);
    let (port, pid) = (server.port, server.pid());
    thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || client.live(port, board));
        }
        scope.spawn(move || steward.live(home, port, pid, board));
        wait_for("acknowledged changes", || {
            (board.is_over() || board.acknowledged() >= enough).then_some(())
        });
        thread::sleep(Duration::from_micros(random.u64(..10_000)));
        board.is_killed_now();
        server.kill();
    });
    board.verdict()
}

/// Compares what is left with what everybody knows; from then on everybody knows what was found.
fn compare(
    home: &Home,
    clients: &mut [Client],
    steward: &mut Steward,
    board: Board,
    tally: &mut Tally,
) -> Result<Board, Broken> {
    let mut found = Found::read(&left(home)?, board.seen())?;
    found.check_journal()?;
    let next = board.after(&mut found)?;
    for client in clients {
        if let Some(written) = client.compare(&mut found, &next)? {
            tally.open += 1;
            tally.open_found += u32::from(written);
        }
    }
    steward.compare(&mut found, &next)?;
    found.nothing_is_left()?;
    Ok(next)
}

/// The only address of an interface.
fn attached(answer: &Answer) -> Result<IpAddr, Broken> {
    let has = answer.json(200);
    let text = has["ipinfos"][0]["ip"].as_str();
    let ip = text.and_then(|text| text.split_once('/')?.0.parse().ok());
    ip.ok_or_else(|| format!("no address: {answer:?}"))
}
