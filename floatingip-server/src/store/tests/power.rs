//! Power cuts: whatever was acknowledged is found again, whichever bytes had reached the disk.

mod disk;
mod found;
mod life;
mod notes;
mod witness;

use std::hash::{BuildHasher, RandomState};

use fastrand::Rng;
use tokio::runtime::{Builder, Runtime};

use self::disk::{Disk, Flaw};
use self::life::{Life, People};
use self::notes::Notes;
use super::*;

/// A promise that was not kept, in words.
type Broken = String;

/// Cuts of one file, one after the other.
const CHAIN: u32 = 20;
const CHAINS: u32 = 10;

/// The calls that change or flush something, between two cuts at most.
const CALLS: u32 = 500;

/// What the runs of one seed came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Run {
    cuts: u32,
    flushes: u32,
    /// A sum of all that was found after them.
    sum: u32,
}

/// The power goes off again and again over one file.
fn chain(seed: u64, flaw: Flaw) -> Result<Run, Broken> {
    let mut random = Rng::with_seed(seed);
    let mut run = Run::default();
    let (mut bytes, mut notes, mut people) = (Vec::new(), Notes::default(), People::default());
    for cut in 0..CHAIN {
        let at = |broken: Broken| format!("cut {cut} of the chain: {broken}");
        let (disk, store) = open(&mut bytes, flaw, &mut random, &mut run).map_err(at)?;
        done(notes.compare(&store)).map_err(at)?;
        people.compare(&notes).map_err(at)?;
        run.sum = run.sum.rotate_left(1) ^ notes.sum();
        let life = done(Life::begin(store, notes, people, random.u64(..)));
        disk.cut_after(random.u32(0..CALLS));
        let waiting = runtime();
        let _beside = waiting.enter();
        (notes, people) = life.map_err(at)?.until_cut(&disk, &mut random);
        run.count(&disk, &mut bytes);
    }
    let (_, store) = open(&mut bytes, flaw, &mut random, &mut run)?;
    done(notes.compare(&store))?;
    people.compare(&notes)?;
    Ok(run)
}

/// What needs a runtime; all else runs beside one, which would want its turn.
fn done<F: Future>(future: F) -> F::Output {
    runtime().block_on(future)
}

/// Its clock stands still while nothing runs on it.
fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_time().build();
    runtime.unwrap()
}

/// Opens what a cut has left; sometimes the power goes off in the middle of the repair.
fn open(
    bytes: &mut Vec<u8>,
    flaw: Flaw,
    random: &mut Rng,
    run: &mut Run,
) -> Result<(Disk, EmbeddedStore), Broken> {
    loop {
        let disk = Disk::new(bytes.clone(), flaw, random.fork());
        // A file that is being made has another name yet; that is a test of its own.
        if !bytes.is_empty() && random.u8(0..4) == 0 {
            disk.cut_after(random.u32(0..30));
        }
        match disk.store() {
            Ok(store) if !disk.is_off() => {
                disk.never_cut();
                return Ok((disk, store));
            }
            Err(error) if !disk.is_off() => return Err(text(&error)),
            _ => run.count(&disk, bytes),
        }
    }
}

impl Run {
    fn count(&mut self, disk: &Disk, bytes: &mut Vec<u8>) {
        *bytes = disk.remains();
        self.cuts += 1;
        self.flushes += disk.flushes();
    }
}

/// The number with which everything is repeated: printed, and taken from `FLOATINGIP_SEED`.
fn seed() -> u64 {
    let given = std::env::var("FLOATINGIP_SEED").map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|_| RandomState::new().hash_one("power"));
    println!("FLOATINGIP_SEED={seed}");
    seed
}

#[test]
fn what_was_acknowledged_is_there_after_power_cuts_at_two_hundred_random_points() {
    let seed = seed();
    let mut cuts = 0;
    for chain_seed in (0..CHAINS).map(|n| seed.wrapping_add(n.into())) {
        let run = chain(chain_seed, Flaw::None);
        let run = run.unwrap_or_else(|broken| panic!("FLOATINGIP_SEED={chain_seed}: {broken}"));
        assert!(run.flushes > CHAIN, "{run:?}");
        cuts += run.cuts;
    }
    assert!(cuts >= 200, "{cuts} cuts");
}

#[test]
fn a_missing_flush_is_found() {
    let seed = seed();
    let mut found = 0;
    for chain_seed in (0..3).map(|n| seed.wrapping_add(n)) {
        found += u32::from(chain(chain_seed, Flaw::ForgetsFlushes(3)).is_err());
    }
    assert_eq!(found, 3, "of three chains");
}

#[test]
fn what_is_acknowledged_after_a_failed_flush_is_there_after_a_power_cut() {
    let mut random = Rng::with_seed(seed());
    let (mut bytes, mut written, mut failures) = (Vec::new(), 0, 0);
    for _ in 0..CHAIN {
        let disk = Disk::new(bytes, Flaw::None, random.fork());
        let store = disk.store().unwrap();
        assert_eq!(done(store.load()).unwrap().version, Version(written));
        disk.set_flaw(Flaw::FailsFlushes(16));
        for _ in 0..random.u32(1..20) {
            let plan = u32::try_from(written).unwrap() + 1;
            let outcomes = done(super::disk::settle(&store, &web(plan)));
            written += 1;
            assert_eq!(outcomes, [Outcome::Applied(Version(written))]);
        }
        failures += store.counts().failures;
        bytes = disk.remains();
    }
    assert!(failures > 0, "no flush has failed");
}

#[test]
fn the_same_seed_leaves_the_same() {
    let first = chain(7, Flaw::None).unwrap();
    assert_eq!(chain(7, Flaw::None).unwrap(), first);
}

/// A new file is made under another name: what a cut leaves of it is in nobody's way.
#[test]
fn a_power_cut_while_the_file_is_made_leaves_nothing_in_the_way() {
    let mut random = Rng::with_seed(seed());
    let mut cuts = 0;
    for calls in 0.. {
        let disk = Disk::new(Vec::new(), Flaw::None, random.fork());
        disk.cut_after(calls);
        let made = disk.file().map(|file| file.close());
        if !disk.is_off() {
            made.unwrap();
            break;
        }
        cuts += 1;
        let folder = folder();
        let draft = folder.path().join("floatingip.redb.new");
        fs::write(&draft, disk.remains()).unwrap();
        let store = super::open(&folder);
        assert_eq!(done(store.load()).unwrap(), Snapshot::default());
        assert!(!draft.exists());
    }
    assert!(cuts > 5, "{cuts} cuts");
}

/// It gets its name once all of it is flushed.
#[test]
fn a_new_file_is_whole_before_it_gets_its_name() {
    let mut random = Rng::with_seed(seed());
    for _ in 0..20 {
        let disk = Disk::new(Vec::new(), Flaw::None, random.fork());
        disk.file().unwrap().close();
        let folder = folder();
        fs::write(file(&folder), disk.remains()).unwrap();
        let store = super::open(&folder);
        assert_eq!(done(store.load()).unwrap(), Snapshot::default());
    }
}
