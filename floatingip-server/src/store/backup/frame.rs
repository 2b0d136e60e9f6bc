//! The bytes of a backup.
//!
//! | part | bytes |
//! |---|---|
//! | head | `floatingip-backup`, one byte of format, the store's format (u64), version of the program (text) |
//! | table | 1, its name (text) |
//! | row | 2, length of key and of value (u32 each), key, value |
//! | end of a table | 3, its rows (u64) |
//! | end | 4, CRC-32 of everything before it (u32) |
//! | given up | 5, why (text): in the place of any other frame; a server says so to whoever asked it |
//!
//! Numbers are little-endian, a text is its length (u16) and UTF-8. Nothing follows the end.

use std::io::{self, Read, Write};
use std::mem::take;

use thiserror::Error;

use super::super::format::STORE_FORMAT;
use super::Summary;

const MAGIC: &[u8; 17] = b"floatingip-backup";
const FORMAT: u8 = 1;

const TABLE: u8 = 1;
const ROW: u8 = 2;
const TABLE_END: u8 = 3;
const END: u8 = 4;
const GIVEN_UP: u8 = 5;

/// The longest key or value: far above a configuration of 1 MiB, and no more than memory can have.
pub(super) const MOST_BYTES: usize = 16 << 20;

/// Why a backup cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes cannot be had.
    #[error("the backup cannot be read: check its name and the disk it is on")]
    Io(#[source] io::Error),
    /// Something else.
    #[error("this is no backup of a floatingip store: name a file that `backup` has written")]
    Foreign,
    /// A later version of this software wrote it.
    #[error(
        "the backup was written by version {version} in format {found}, this server reads formats up to {supported}: restore it with that version, or a later one"
    )]
    Newer {
        /// The format of the backup, or of the store in it.
        found: u64,
        /// The newest one that is understood.
        supported: u64,
        /// The version of the program that wrote it, where that can be told.
        version: String,
    },
    /// It ends before its end.
    #[error("the backup is cut off after byte {bytes}: it was not copied whole; take another copy")]
    CutOff {
        /// So many could be understood.
        bytes: u64,
    },
    /// The bytes are not those that were written.
    #[error(
        "the backup is damaged before byte {at} ({what}): take another copy of it, or another backup"
    )]
    Damaged {
        /// How far it was read.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// The server that was asked for it does not finish it.
    #[error("the server gives no backup: {why}")]
    GivenUp {
        /// In its own words.
        why: String,
    },
}

/// Writes a backup, frame by frame.
#[derive(Debug)]
pub(super) struct Sink<W> {
    out: W,
    sum: crc32fast::Hasher,
    summary: Summary,
    rows: u64,
}

impl<W: Write> Sink<W> {
    pub(super) fn begin(out: W) -> io::Result<Self> {
        let mut sink = Self {
            out,
            sum: crc32fast::Hasher::new(),
            summary: Summary::default(),
            rows: 0,
        };
        sink.put(MAGIC)?;
        sink.put(&[FORMAT])?;
        sink.put(&STORE_FORMAT.to_le_bytes())?;
        sink.text(env!("CARGO_PKG_VERSION"))?;
        Ok(sink)
    }

    pub(super) fn table(&mut self, name: &str) -> io::Result<()> {
        self.rows = 0;
        self.put(&[TABLE])?;
        self.text(name)
    }

    /// Neither key nor value is longer than [`MOST_BYTES`].
    pub(super) fn row(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.rows += 1;
        self.put(&[ROW])?;
        for part in [key, value] {
            let length = u32::try_from(part.len()).map_err(io::Error::other)?;
            self.put(&length.to_le_bytes())?;
        }
        self.put(key)?;
        self.put(value)
    }

    pub(super) fn end_table(&mut self) -> io::Result<()> {
        self.summary.tables += 1;
        self.summary.rows += self.rows;
        self.put(&[TABLE_END])?;
        self.put(&self.rows.to_le_bytes())
    }

    pub(super) fn end(mut self) -> io::Result<Summary> {
        self.put(&[END])?;
        let sum = self.sum.clone().finalize();
        self.put(&sum.to_le_bytes())?;
        self.out.flush()?;
        Ok(self.summary)
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        let length = u16::try_from(text.len()).map_err(io::Error::other)?;
        self.put(&length.to_le_bytes())?;
        self.put(text.as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Tells the reader of a backup that was begun, between two frames, that it is not finished.
pub(super) fn give_up(mut out: impl Write, why: &str) -> io::Result<()> {
    let length = u16::try_from(why.len()).map_err(io::Error::other)?;
    out.write_all(&[GIVEN_UP])?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(why.as_bytes())?;
    out.flush()
}

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Table(&'a str),
    Row { key: &'a [u8], value: &'a [u8] },
    TableEnd,
    End(Summary),
}

/// Reads a backup frame by frame: each is whole and in its place, and [`Frame::End`] comes only where
/// the checksum is right.
#[derive(Debug)]
pub(super) struct Frames<R> {
    bytes: R,
    at: u64,
    sum: crc32fast::Hasher,
    summary: Summary,
    /// The rows so far of the table that is being read.
    rows: Option<u64>,
    key: Vec<u8>,
    value: Vec<u8>,
    name: String,
}

impl<R: Read> Frames<R> {
    /// Reads the head.
    pub(super) fn begin(bytes: R) -> Result<Self, ReadError> {
        let mut frames = Self {
            bytes,
            at: 0,
            sum: crc32fast::Hasher::new(),
            summary: Summary::default(),
            rows: None,
            key: Vec::new(),
            value: Vec::new(),
            name: String::new(),
        };
        frames.head()?;
        Ok(frames)
    }

    fn head(&mut self) -> Result<(), ReadError> {
        let magic = self.array().map_err(foreign)?;
        if magic != *MAGIC {
            return Err(ReadError::Foreign);
        }
        let [format] = self.array()?;
        if format != FORMAT {
            return Err(ReadError::Newer {
                found: format.into(),
                supported: FORMAT.into(),
                version: "of its time".to_owned(),
            });
        }
        let store = u64::from_le_bytes(self.array()?);
        let version = self.text()?.to_owned();
        if store > STORE_FORMAT {
            return Err(ReadError::Newer {
                found: store,
                supported: STORE_FORMAT,
                version,
            });
        }
        Ok(())
    }

    pub(super) fn next(&mut self) -> Result<Frame<'_>, ReadError> {
        let [kind] = self.array()?;
        match (kind, self.rows) {
            (TABLE, None) => {
                self.rows = Some(0);
                Ok(Frame::Table(self.text()?))
            }
            (ROW, Some(rows)) => {
                self.rows = Some(rows.saturating_add(1));
                self.row()
            }
            (TABLE_END, Some(rows)) => self.table_end(rows),
            (END, None) => self.end(),
            (GIVEN_UP, _) => Err(self.given_up()?),
            _ => Err(self.damaged("a frame that does not belong there")),
        }
    }

    fn row(&mut self) -> Result<Frame<'_>, ReadError> {
        let key = u32::from_le_bytes(self.array()?);
        let value = u32::from_le_bytes(self.array()?);
        let (key_buffer, value_buffer) = (take(&mut self.key), take(&mut self.value));
        self.key = self.some(key, key_buffer)?;
        self.value = self.some(value, value_buffer)?;
        Ok(Frame::Row {
            key: &self.key,
            value: &self.value,
        })
    }

    fn table_end(&mut self, rows: u64) -> Result<Frame<'_>, ReadError> {
        if u64::from_le_bytes(self.array()?) != rows {
            return Err(self.damaged("rows are missing, or too many"));
        }
        self.rows = None;
        self.summary.tables += 1;
        self.summary.rows = self.summary.rows.saturating_add(rows);
        Ok(Frame::TableEnd)
    }

    fn end(&mut self) -> Result<Frame<'_>, ReadError> {
        let sum = self.sum.clone().finalize();
        if u32::from_le_bytes(self.array()?) != sum {
            return Err(self.damaged("the checksum is wrong"));
        }
        match self.bytes.read(&mut [0]) {
            Ok(0) => Ok(Frame::End(self.summary)),
            Ok(_) => Err(self.damaged("something follows its end")),
            Err(error) => Err(ReadError::Io(error)),
        }
    }

    fn given_up(&mut self) -> Result<ReadError, ReadError> {
        let why = self.text()?.to_owned();
        Ok(ReadError::GivenUp { why })
    }

    fn text(&mut self) -> Result<&str, ReadError> {
        let length = u16::from_le_bytes(self.array()?);
        let bytes = self.some(length.into(), Vec::new())?;
        let text = String::from_utf8(bytes);
        self.name = text.map_err(|_| self.damaged("a name that is no text"))?;
        Ok(&self.name)
    }

    /// So many bytes, in a buffer that grows with what is there and not with what a length claims.
    fn some(&mut self, length: u32, mut buffer: Vec<u8>) -> Result<Vec<u8>, ReadError> {
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        if wanted > MOST_BYTES {
            return Err(self.damaged("a length that no row has"));
        }
        buffer.clear();
        let read = (&mut self.bytes)
            .take(length.into())
            .read_to_end(&mut buffer);
        self.at += buffer.len() as u64;
        read.map_err(ReadError::Io)?;
        if buffer.len() < wanted {
            return Err(ReadError::CutOff { bytes: self.at });
        }
        self.sum.update(&buffer);
        Ok(buffer)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut array = [0; N];
        match self.bytes.read_exact(&mut array) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ReadError::CutOff { bytes: self.at });
            }
            Err(error) => return Err(ReadError::Io(error)),
        }
        self.at += N as u64;
        self.sum.update(&array);
        Ok(array)
    }

    pub(super) fn damaged(&self, what: &'static str) -> ReadError {
        ReadError::Damaged { at: self.at, what }
    }
}

/// A file that is shorter than the first bytes of a backup is none.
fn foreign(error: ReadError) -> ReadError {
    match error {
        ReadError::CutOff { .. } => ReadError::Foreign,
        error => error,
    }
}
