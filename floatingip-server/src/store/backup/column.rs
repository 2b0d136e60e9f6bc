//! Keys and values as a backup has them: in a form of ours, so that it does not depend on redb's, and
//! read with care, as redb panics over bytes that it did not write.

/// What a table has as key or value.
pub(in crate::store) trait Column: redb::Value + 'static {
    /// Adds the value's bytes.
    fn write(value: &Self::SelfType<'_>, bytes: &mut Vec<u8>);

    /// The value of such bytes; none for bytes that [`Column::write`] does not make.
    fn read(bytes: &[u8]) -> Option<Self::SelfType<'_>>;
}

impl Column for u64 {
    fn write(value: &Self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&value.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_le_bytes)
    }
}

impl Column for &'static [u8] {
    fn write(value: &&[u8], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(value);
    }

    fn read(bytes: &[u8]) -> Option<&[u8]> {
        Some(bytes)
    }
}

impl<const N: usize> Column for &'static [u8; N] {
    fn write(value: &&[u8; N], bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(*value);
    }

    fn read(bytes: &[u8]) -> Option<&[u8; N]> {
        bytes.try_into().ok()
    }
}

impl Column for &'static str {
    fn write(value: &&str, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(value.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<&str> {
        std::str::from_utf8(bytes).ok()
    }
}

/// Bytes of one length, then a number.
impl<const N: usize> Column for (&'static [u8; N], u64) {
    fn write(value: &(&[u8; N], u64), bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(value.0);
        u64::write(&value.1, bytes);
    }

    fn read(bytes: &[u8]) -> Option<(&[u8; N], u64)> {
        let (first, second) = bytes.split_at_checked(N)?;
        Some((first.try_into().ok()?, u64::read(second)?))
    }
}

/// Texts, each after its length.
impl Column for (&'static str, &'static str, &'static str, &'static str) {
    fn write(value: &(&str, &str, &str, &str), bytes: &mut Vec<u8>) {
        for text in [value.0, value.1, value.2, value.3] {
            u64::write(&(text.len() as u64), bytes);
            bytes.extend_from_slice(text.as_bytes());
        }
    }

    fn read(bytes: &[u8]) -> Option<(&str, &str, &str, &str)> {
        let (first, rest) = text(bytes)?;
        let (second, rest) = text(rest)?;
        let (third, rest) = text(rest)?;
        let (fourth, rest) = text(rest)?;
        rest.is_empty().then_some((first, second, third, fourth))
    }
}

fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
