//! What tells a repeat from a new event.

use sha2::{Digest, Sha256};

/// Bytes that the data of nearly every event fits into.
const USUAL: usize = 1_024;

/// What makes an event a duplicate: the same source and ID (`id`), with the same data (`data`). Halves of SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Of source and ID.
    pub id: [u8; 16],
    /// Of the data.
    pub data: [u8; 16],
}

/// The half that names the event. NUL parts the two: a URI reference cannot hold one.
pub(super) fn of_id(source: &str, id: &str) -> [u8; 16] {
    half(Sha256::new().chain_update(source).chain_update([0]).chain_update(id))
}

/// The half that covers the data: its JSON without insignificant whitespace, members in the order received, so that
/// the three forms of one event, and a sender's other formatting, give the same.
pub(super) fn of_data(data: &impl serde::Serialize) -> [u8; 16] {
    let mut canonical = Vec::with_capacity(USUAL);
    serde_json::to_writer(&mut canonical, data).expect("JSON that was read can be written");
    half(Sha256::new().chain_update(canonical))
}

/// For an ID made from a body.
pub(super) fn hex(half: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(half))
}

fn half(hash: Sha256) -> [u8; 16] {
    let whole: [u8; 32] = hash.finalize().into();
    *whole.first_chunk().expect("32 bytes have a first 16")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_and_id_do_not_run_together() {
        assert_ne!(of_id("ab", "c"), of_id("a", "bc"));
    }

    #[test]
    fn the_first_half_of_sha_256() {
        // printf 's\0i' | sha256sum; printf '[1]' | sha256sum
        assert_eq!(hex(of_id("s", "i")), "8fbef1375683a30bdc81e345d2b3babb");
        assert_eq!(hex(of_data(&serde_json::json!([1]))), "080a9ed428559ef602668b4c00f114f1");
    }
}
