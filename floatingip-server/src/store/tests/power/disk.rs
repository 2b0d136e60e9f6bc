//! A disk that a power cut takes everything from that was not flushed, or any part of it.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use fastrand::Rng;
use redb::{Database, DatabaseError, StorageBackend};

use crate::store::database::{DatabaseFile, builder};
use crate::store::medium::Medium;
use crate::store::{EmbeddedStore, OpenError};

/// What a disk writes as a whole, or not at all, unless the cut hits it.
const SECTOR: usize = 512;

/// What a disk does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// Nothing.
    None,
    /// One flush in so many is answered, and not done.
    ForgetsFlushes(u32),
    /// One flush in so many fails, and of what it should have written no later one writes anything.
    FailsFlushes(u32),
}

/// A disk; clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Disk(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// What a cut leaves alone.
    flushed: Vec<u8>,
    /// What is read: the flushed bytes with all later changes, and with what a failed flush has lost as
    /// long as that is not evicted.
    bytes: Vec<u8>,
    later: Vec<Change>,
    calls_until_cut: Option<u32>,
    off: bool,
    flaw: Flaw,
    flushes: u32,
    gate: Gate,
    random: Rng,
}

/// A call that changes something.
#[derive(Debug)]
enum Change {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
}

/// Whether a flush has to wait until the test lets it pass.
#[derive(Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Shut,
    /// A flush stands before it.
    Waiting,
    /// That flush may pass; the next one finds the gate shut.
    Passing,
}

impl Disk {
    pub(super) fn new(bytes: Vec<u8>, flaw: Flaw, random: Rng) -> Self {
        let state = State {
            flushed: bytes.clone(),
            bytes,
            later: Vec::new(),
            calls_until_cut: None,
            off: false,
            flaw,
            flushes: 0,
            gate: Gate::Open,
            random,
        };
        Self(Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }))
    }

    /// The file on this disk: made where there is none, else opened and repaired.
    pub(super) fn file(&self) -> Result<DatabaseFile, OpenError> {
        let disk = self.clone();
        DatabaseFile::on_medium("disk/floatingip.redb".into(), Box::new(disk), None)
    }

    pub(super) fn store(&self) -> Result<EmbeddedStore, OpenError> {
        // Age is measured by clocks, and a run must be the same each time.
        let options = super::super::Options {
            journal_age: None,
            ..super::super::Options::default()
        };
        EmbeddedStore::start(self.file()?, options)
    }

    /// The power goes off in the call that changes or flushes something after so many others.
    pub(super) fn cut_after(&self, calls: u32) {
        self.state().calls_until_cut = Some(calls);
    }

    pub(super) fn never_cut(&self) {
        self.state().calls_until_cut = None;
    }

    pub(super) fn set_flaw(&self, flaw: Flaw) {
        self.state().flaw = flaw;
    }

    pub(super) fn is_off(&self) -> bool {
        self.state().off
    }

    pub(super) fn flushes(&self) -> u32 {
        self.state().flushes
    }

    /// From now on flushes wait.
    pub(super) fn shut_gate(&self) {
        self.state().gate = Gate::Shut;
    }

    /// Waits until a flush stands before the gate, or the power is off; says whether it is on.
    pub(super) fn wait_for_flush(&self) -> bool {
        let halted = |state: &mut State| state.gate != Gate::Waiting && !state.off;
        let state = self.0.changed.wait_while(self.state(), halted);
        !state.unwrap().off
    }

    /// Lets one flush pass.
    pub(super) fn pass_one_flush(&self) {
        self.state().gate = Gate::Passing;
        self.0.changed.notify_all();
    }

    /// What is found when the power is back.
    pub(super) fn remains(&self) -> Vec<u8> {
        self.state().cut()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    fn pass_gate(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if state.gate == Gate::Shut {
            state.gate = Gate::Waiting;
            self.0.changed.notify_all();
            let waits = |state: &mut State| state.gate == Gate::Waiting && !state.off;
            state = self.0.changed.wait_while(state, waits).unwrap();
            state.gate = Gate::Shut;
        }
        state
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut state = self.state();
        let result = state.change(change);
        drop(state);
        self.0.changed.notify_all();
        result
    }
}

impl State {
    fn change(&mut self, change: Change) -> io::Result<()> {
        // What the cut falls upon may arrive in part.
        let alive = self.count();
        change.apply(&mut self.bytes);
        self.later.push(change);
        alive
    }

    fn flush(&mut self) -> io::Result<()> {
        self.count()?;
        self.flushes += 1;
        match self.flaw {
            Flaw::ForgetsFlushes(one_in) if self.random.u32(0..one_in) == 0 => return Ok(()),
            Flaw::FailsFlushes(one_in) if self.random.u32(0..one_in) == 0 => {
                return Err(self.fail_flush());
            }
            _ => {}
        }
        for change in self.later.drain(..) {
            change.apply(&mut self.flushed);
        }
        Ok(())
    }

    /// As Linux does it: what did not arrive counts as written. The length is the file system's own, and kept.
    fn fail_flush(&mut self) -> io::Error {
        self.flushed = self.cut();
        self.flushed.resize(self.bytes.len(), 0);
        self.later.clear();
        io::Error::other("a sector cannot be written")
    }

    fn evict(&mut self) {
        self.bytes = self.flushed.clone();
        for change in &self.later {
            change.apply(&mut self.bytes);
        }
    }

    fn count(&mut self) -> io::Result<()> {
        if self.off {
            return Err(io::Error::other("the power is off"));
        }
        match &mut self.calls_until_cut {
            None => return Ok(()),
            Some(0) => self.off = true,
            Some(calls) => {
                *calls -= 1;
                return Ok(());
            }
        }
        Err(io::Error::other("the power went off"))
    }

    /// The flushed bytes with what became of each later change: all of it, none, or some sectors. A
    /// disk keeps no order between flushes, except that of changes of the same bytes.
    fn cut(&mut self) -> Vec<u8> {
        let mut left = self.flushed.clone();
        let fate = self.random.u8(0..8);
        let last = self.later.len().saturating_sub(1);
        for (place, change) in self.later.iter().enumerate() {
            match fate {
                0 => {}
                1 => change.apply(&mut left),
                _ => match self.random.u8(0..3) {
                    0 => {}
                    1 => change.apply(&mut left),
                    _ => change.tear(&mut left, place == last, &mut self.random),
                },
            }
        }
        left
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => overwrite(bytes, *offset, data),
            Self::Length(length) => bytes.resize(*length, 0),
        }
    }

    /// Each sector by itself arrives or does not; of the last change one of them in part.
    fn tear(&self, bytes: &mut Vec<u8>, last: bool, random: &mut Rng) {
        let Self::Write { offset, data } = self else {
            return;
        };
        let torn = random.usize(0..data.len().div_ceil(SECTOR));
        for (number, sector) in data.chunks(SECTOR).enumerate() {
            let arrived = match (last && number == torn, random.bool()) {
                (true, _) => random.usize(0..=sector.len()),
                (false, true) => sector.len(),
                (false, false) => continue,
            };
            overwrite(bytes, offset + number * SECTOR, &sector[..arrived]);
        }
    }
}

/// Beyond the end the file grows, with zeros where nothing arrived.
fn overwrite(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

impl Medium for Disk {
    fn evict(&self) -> io::Result<()> {
        self.state().evict();
        Ok(())
    }

    fn open(&self) -> Result<Database, DatabaseError> {
        builder().create_with_backend(self.clone())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if state.off {
            return Err(io::Error::other("the power is off"));
        }
        let offset = size(offset);
        let from = state.bytes.get(offset..offset + out.len());
        out.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Change::Length(size(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.pass_gate();
        let result = state.flush();
        drop(state);
        self.0.changed.notify_all();
        result
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Change::Write {
            offset: size(offset),
            data: data.to_vec(),
        })
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}
