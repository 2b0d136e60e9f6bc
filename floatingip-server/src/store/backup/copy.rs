//! From the tables to a backup.

use std::io::Write;

use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, TableError, TableHandle};

use super::super::tables::{self, Visitor};
use super::frame::{MOST_BYTES, Sink};
use super::{Column, CopyError, Summary};

/// Writes every row that the transaction sees.
pub(super) fn copy(transaction: &ReadTransaction, out: impl Write) -> Result<Summary, CopyError> {
    let sink = Sink::begin(out).map_err(CopyError::Write)?;
    let mut copier = Copier { transaction, sink };
    tables::for_each(&mut copier)?;
    copier.sink.end().map_err(CopyError::Write)
}

struct Copier<'a, W> {
    transaction: &'a ReadTransaction,
    sink: Sink<W>,
}

impl<W: Write> Visitor for Copier<'_, W> {
    type Error = CopyError;

    fn table<K: Column + Key, V: Column>(
        &mut self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<(), CopyError> {
        let table = match self.transaction.open_table(definition) {
            // A file of before there was such a table has it from its first write on.
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            table => table.map_err(|error| CopyError::Store(error.into()))?,
        };
        let failed = |error: redb::StorageError| CopyError::Store(error.into());
        self.sink
            .table(definition.name())
            .map_err(CopyError::Write)?;
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for row in table.iter().map_err(failed)? {
            let found = row.map_err(failed)?;
            key.clear();
            value.clear();
            K::write(&found.0.value(), &mut key);
            V::write(&found.1.value(), &mut value);
            let bytes = key.len().max(value.len());
            if bytes > MOST_BYTES {
                return Err(CopyError::TooLong {
                    table: definition.name().to_owned(),
                    bytes,
                    most: MOST_BYTES,
                });
            }
            self.sink.row(&key, &value).map_err(CopyError::Write)?;
        }
        self.sink.end_table().map_err(CopyError::Write)
    }
}
