//! The relay's own identifiers: 64-bit, ordered by acceptance, unique across restarts and stores.
//!
//! One number space serves events and deliveries: milliseconds since the Unix epoch in the upper bits, a counter below.
//! Integers keep the store's tables append-only; the time part keeps them unique even when a store is thrown away
//! and begun anew, which matters because receivers remember delivery IDs to drop repeats.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const COUNTER_BITS: u32 = 20;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const DIGITS: usize = 13;

/// A text that is not an ID of the expected sort.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}: IDs look like {example}")]
pub struct BadId {
    text: String,
    expected: &'static str,
    example: &'static str,
}

/// The next ID after `last` at `now_ms` (milliseconds since the Unix epoch). Grows even when the clock goes back.
#[must_use]
pub fn next(last: i64, now_ms: i64) -> i64 {
    (last + 1).max(now_ms << COUNTER_BITS)
}

fn encode(id: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut digits = [0u8; DIGITS];
    let mut rest = id.cast_unsigned();
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest & 31) as usize];
        rest >>= 5;
    }
    f.write_str(std::str::from_utf8(&digits).expect("the alphabet is ASCII"))
}

fn decode(text: &str) -> Option<i64> {
    if text.len() != DIGITS {
        return None;
    }
    let mut id: u64 = 0;
    for byte in text.bytes() {
        let digit = ALPHABET.iter().position(|&a| a == byte.to_ascii_lowercase())?;
        id = id.checked_mul(32)?.checked_add(digit as u64)?;
    }
    i64::try_from(id).ok()
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $expected:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                encode(self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix($prefix).and_then(decode).map(Self).ok_or_else(|| BadId {
                    text: text.to_owned(),
                    expected: $expected,
                    example: $example,
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id_type!(
    /// Names one accepted event. Printed as `evt_` and 13 base-32 digits that sort by acceptance.
    EventId, "evt_", "an event ID", "evt_01k8zq4m7xb20"
);
id_type!(
    /// Names one delivery; the same through all its attempts. Printed as `dlv_` and 13 base-32 digits.
    DeliveryId, "dlv_", "a delivery ID", "dlv_01k8zq4m7xb21"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text() {
        for n in [0, 1, 31, 32, next(0, 1_790_000_000_000), i64::MAX] {
            let id = DeliveryId(n);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn text_order_is_number_order() {
        let (a, b) = (EventId(next(0, 1_790_000_000_000)), EventId(next(0, 1_790_000_000_001)));
        assert!(a < b && a.to_string() < b.to_string());
    }

    #[test]
    fn ids_grow_when_the_clock_goes_back() {
        let last = next(0, 1_790_000_000_000);
        assert_eq!(next(last, 1_000), last + 1);
    }

    #[test]
    fn a_delivery_id_is_not_an_event_id() {
        let text = DeliveryId(7).to_string();
        assert!(text.parse::<EventId>().is_err());
        assert!("dlv_!".parse::<DeliveryId>().is_err());
    }
}
