//! SIGKILL at random moments, under many clients at once: what was acknowledged is found again.
//!
//! Each client has pools and pods of its own, of which it knows everything, and all of them quarrel about a few
//! more. After each kill the folder is compared with what they know, before any server has seen it.
//! `FLOATINGIP_KILLS` says how many kills, `FLOATINGIP_SEED` what is asked and roughly when they come.

mod board;
mod client;
mod found;
mod operation;
mod pod;
mod pool;
mod register;
mod wire;

use std::hash::{BuildHasher, RandomState};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;

use self::board::Board;
use self::client::Client;
use self::found::Found;
use crate::server::{Home, wait_for};

/// A promise that was not kept, in words.
type Broken = String;

const CLIENTS: usize = 64;
/// Changes that are acknowledged before a kill: these, and up to so many more.
const LEAST: u64 = 1000;
const MORE: u64 = 200;
/// Kills of one folder, one after the other; then another one, so that none becomes long to verify.
const CHAIN: u32 = 10;
/// The longest time that a server which is on its way up lives, in milliseconds.
const YOUNG: u64 = 60;

/// More addresses than all clients together ever have.
const CONFIGURATION: &str = r#"[{"routableSubnet":"10.0.0.0/16","ips":["10.0.64.2~10.0.79.241"],"subnet":"10.0.64.0/20","gateway":"10.0.64.1"}]"#;

/// What happened, for those who want to know whether it was enough.
#[derive(Debug, Default)]
struct Tally {
    kills: u32,
    young: u32,
    acknowledged: u64,
    /// Requests that a kill left without an answer, and what was found of them.
    open: u32,
    open_found: u32,
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
}

/// A number from the environment: the machine's own timing is not repeated with it.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap())
}

/// Kills servers of one folder.
fn chain(kills: u32, random: &mut Rng, tally: &mut Tally) -> Result<(), Broken> {
    let home = Home::new(CONFIGURATION);
    let mut clients: Vec<Client> = (0..CLIENTS)
        .map(|number| Client::new(number, random.fork()))
        .collect();
    let mut board = Board::default();
    for kill in 0..kills {
        if random.u8(..3) == 0 {
            kill_young(&home, random);
            tally.young += 1;
        }
        live(&home, &mut clients, &board, random)?;
        tally.kills += 1;
        tally.acknowledged += board.acknowledged();
        let told = compare(&home, &mut clients, board, tally);
        board = told.map_err(|broken| format!("kill {kill} of the chain: {broken}"))?;
    }
    Ok(())
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
    board: &Board,
    random: &mut Rng,
) -> Result<(), Broken> {
    let server = home.start();
    let enough = LEAST + random.u64(..MORE);
    let port = server.port;
    thread::scope(|scope| {
        for client in clients {
            scope.spawn(move || client.live(port, board));
        }
        wait_for("acknowledged changes", || {
            (board.is_over() || board.acknowledged() >= enough).then_some(())
        });
        thread::sleep(Duration::from_micros(random.u64(..10_000)));
        board.is_killed_now();
        server.kill();
    });
    board.verdict()
}

/// Compares the folder with what everybody knows; from then on everybody knows what was found.
fn compare(
    home: &Home,
    clients: &mut [Client],
    board: Board,
    tally: &mut Tally,
) -> Result<Board, Broken> {
    let mut found = Found::read(&home.path("data"), board.seen())?;
    found.check_journal()?;
    let next = board.after(&mut found)?;
    for client in clients {
        if let Some(written) = client.compare(&mut found, &next)? {
            tally.open += 1;
            tally.open_found += u32::from(written);
        }
    }
    found.nothing_is_left()?;
    Ok(next)
}
