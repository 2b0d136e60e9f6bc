//! From a backup to the tables of a new file.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use redb::{Database, Key, TableDefinition, TableHandle};

use super::super::database;
use super::super::tables::{self, Visitor};
use super::frame::{Frame, Frames};
use super::{Column, ReadError, RestoreError, Summary};

/// The most rows of one transaction, and about the most bytes: what a transaction changes is in memory.
const ROWS: u32 = 1 << 16;
const BYTES: usize = 16 << 20;

/// Makes the file with every row of the backup, and closes it.
pub(super) fn fill<R: Read>(new: &Path, frames: &mut Frames<R>) -> Result<Summary, RestoreError> {
    let disk = |error: redb::Error| RestoreError::Disk {
        path: new.to_path_buf(),
        source: Box::new(error),
    };
    let database = database::builder().create(new);
    let database = database.map_err(|error| disk(error.into()))?;
    let summary = rows(&database, frames).map_err(|fault| fault.at(new))?;
    database.close().map_err(|error| disk(error.into()))?;
    Ok(summary)
}

/// Why a table was not filled.
pub(super) enum Fault {
    Redb(redb::Error),
    Backup(ReadError),
}

impl Fault {
    pub(super) fn at(self, path: &Path) -> RestoreError {
        match self {
            Self::Redb(error) => RestoreError::Disk {
                path: path.to_path_buf(),
                source: Box::new(error),
            },
            Self::Backup(error) => error.into(),
        }
    }
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Redb(error.into())
    }
}

/// Puts every row of the backup into its table.
pub(super) fn rows<R: Read>(database: &Database, frames: &mut Frames<R>) -> Result<Summary, Fault> {
    let mut seen = BTreeSet::new();
    loop {
        match frames.next().map_err(Fault::Backup)? {
            Frame::Table(name) => {
                let name = name.to_owned();
                let mut filler = Filler {
                    database,
                    frames,
                    name: &name,
                    filled: false,
                };
                tables::for_each(&mut filler)?;
                if !filler.filled || !seen.insert(name) {
                    let what = "a table that this server does not know, or twice";
                    return Err(Fault::Backup(frames.damaged(what)));
                }
            }
            Frame::End(summary) if summary.tables > 0 => return Ok(summary),
            _ => return Err(Fault::Backup(frames.damaged("no tables"))),
        }
    }
}

/// Puts the rows that follow into the table of that name.
struct Filler<'a, R> {
    database: &'a Database,
    frames: &'a mut Frames<R>,
    name: &'a str,
    filled: bool,
}

impl<R: Read> Visitor for Filler<'_, R> {
    type Error = Fault;

    fn table<K: Column + Key, V: Column>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<(), Fault> {
        if definition.name() != self.name {
            return Ok(());
        }
        self.filled = true;
        while self.some(definition)? {}
        Ok(())
    }
}

impl<R: Read> Filler<'_, R> {
    /// One transaction; whether more rows may follow.
    fn some<K: Column + Key, V: Column>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<bool, Fault> {
        let transaction = self.database.begin_write()?;
        let mut more = true;
        {
            let mut table = transaction.open_table(definition)?;
            let (mut rows, mut bytes) = (0, 0);
            while more && rows < ROWS && bytes < BYTES {
                let unfit = self
                    .frames
                    .damaged("a row that its table cannot have, right after it");
                match self.frames.next().map_err(Fault::Backup)? {
                    Frame::Row { key, value } => {
                        rows += 1;
                        bytes += key.len() + value.len();
                        let row = K::read(key).zip(V::read(value));
                        let Some((key, value)) = row else {
                            return Err(Fault::Backup(unfit));
                        };
                        table.insert(key, value)?;
                    }
                    _ => more = false,
                }
            }
        }
        transaction.commit()?;
        Ok(more)
    }
}
