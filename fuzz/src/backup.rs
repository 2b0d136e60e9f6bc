//! Backups: bytes that are no backup are refused, in bounded memory; what is accepted makes a store.

use floatingip_server::store::backup;

/// Reads the bytes as they are, then as if their checksum were right, which a fuzzer does not guess.
pub fn check(data: &[u8]) {
    read(data);
    if let Some((body, _)) = data.split_last_chunk::<4>() {
        let sum = backup::checksum(body).to_le_bytes();
        read(&[body, &sum].concat());
    }
}

fn read(data: &[u8]) {
    let refused = backup::check(data).is_err();
    let restored = backup::rehearse(data);
    assert!(!refused || restored.is_err(), "damaged, and restored");
    if let Ok(summary) = restored {
        assert!(summary.rows <= data.len() as u64, "{summary:?}");
    }
}
