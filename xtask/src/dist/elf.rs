//! Whether a program needs anything beside itself, as its ELF headers say (64 bits, little-endian).

use anyhow::{Context as _, Result, bail};

const MAGIC: [u8; 6] = [0x7f, b'E', b'L', b'F', 2, 1];

/// Kinds of parts: what is loaded with the program, and the program that loads it.
const DYNAMIC: u64 = 2;
const INTERPRETER: u64 = 3;
/// An entry of the dynamic part that names a library. A static program that may be loaded anywhere has the part, for
/// its own addresses, but none of these.
const NEEDED: u64 = 1;

/// # Errors
/// It is no such program, or needs a loader or a library.
pub(super) fn check_static(file: &[u8]) -> Result<()> {
    if !file.starts_with(&MAGIC) {
        bail!("it is no ELF program of 64 bits");
    }
    for part in parts(file).context("its headers are cut off")? {
        match part.kind {
            INTERPRETER => bail!("it names a loader"),
            DYNAMIC if names_library(part.content) => bail!("it needs a library"),
            _ => {}
        }
    }
    Ok(())
}

struct Part<'a> {
    kind: u64,
    content: &'a [u8],
}

fn parts(file: &[u8]) -> Option<Vec<Part<'_>>> {
    let start = number(file, 0x20, 8)?;
    let (size, count) = (number(file, 0x36, 2)?, number(file, 0x38, 2)?);
    let part = |index: u64| {
        let at = start.checked_add(size.checked_mul(index)?)?;
        let (from, length) = (number(file, at + 8, 8)?, number(file, at + 32, 8)?);
        let range = usize::try_from(from).ok()?..usize::try_from(from.checked_add(length)?).ok()?;
        Some(Part {
            kind: number(file, at, 4)?,
            content: file.get(range)?,
        })
    };
    (0..count).map(part).collect()
}

fn names_library(dynamic: &[u8]) -> bool {
    dynamic
        .chunks(16)
        .any(|entry| number(entry, 0, 8) == Some(NEEDED))
}

fn number(bytes: &[u8], at: u64, length: usize) -> Option<u64> {
    let bytes = bytes.get(usize::try_from(at).ok()?..)?.get(..length)?;
    let add = |number, byte: &u8| (number << 8) | u64::from(*byte);
    Some(bytes.iter().rev().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header, and one part of a kind and a content.
    fn program(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(&MAGIC);
        (file[0x20], file[0x36], file[0x38]) = (64, 56, 1);
        (file[64], file[72], file[96]) = (kind, 120, u8::try_from(content.len()).unwrap());
        file.extend(content);
        file
    }

    #[test]
    fn only_what_needs_nothing_is_static() {
        let refused = |file: &[u8]| check_static(file).unwrap_err().to_string();
        let needed = [[1_u64, 5], [0, 0]].as_flattened().to_vec();
        let needed: Vec<u8> = needed.iter().flat_map(|it| it.to_le_bytes()).collect();
        assert!(check_static(&program(1, b"code")).is_ok());
        assert!(check_static(&program(2, &[0; 16])).is_ok());
        assert!(refused(&program(3, b"/lib/ld.so\0")).contains("loader"));
        assert!(refused(&program(2, &needed)).contains("library"));
        assert!(refused(&program(1, b"code")[..100]).contains("cut off"));
        assert!(refused(b"#!/bin/sh").contains("no ELF"));
    }

    #[test]
    fn this_very_test_needs_a_loader() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        let expected = cfg!(target_feature = "crt-static");
        assert_eq!(check_static(&own).is_ok(), expected);
    }
}
