//! Durations inside templates: numbers of seconds that still know they are durations.
//!
//! `{% if ran_for > 3600 %}` and `{{ ran_for / 60 }}` need a number; `{{ ran_for }}` wants `1h 30m`. minijinja has no number
//! types of one's own, but it keeps the width an integer was made with until something is computed from it: a duration is
//! the only value made as `u128`. Recognised by asking the value to serialise itself.

use std::fmt;
use std::time::Duration;

use minijinja::Value;
use minijinja::value::ValueKind;
use serde::ser::{Impossible, Serialize, Serializer};

/// A duration as a value, in whole seconds.
pub(super) fn tagged(duration: Duration) -> Value {
    Value::from(u128::from(duration.as_secs()))
}

/// The duration behind a value made by [`tagged`].
pub(super) fn of(value: &Value) -> Option<Duration> {
    if value.kind() != ValueKind::Number {
        return None;
    }
    let seconds = value.serialize(Probe).ok()?;
    Some(Duration::from_secs(seconds))
}

/// Accepts a `u128`, refuses everything else.
struct Probe;

#[derive(Debug)]
struct Other;

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a duration")
    }
}

impl std::error::Error for Other {}

impl serde::ser::Error for Other {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Other
    }
}

macro_rules! refuse {
    ($($method:ident($($arg:ty),*) $(-> $ok:ty)?;)*) => {
        $(fn $method(self, $(_: $arg),*) -> Result<refuse!(@ok $($ok)?), Other> { Err(Other) })*
    };
    (@ok) => { u64 };
    (@ok $ok:ty) => { $ok };
}

impl Serializer for Probe {
    type Ok = u64;
    type Error = Other;
    type SerializeSeq = Impossible<u64, Other>;
    type SerializeTuple = Impossible<u64, Other>;
    type SerializeTupleStruct = Impossible<u64, Other>;
    type SerializeTupleVariant = Impossible<u64, Other>;
    type SerializeMap = Impossible<u64, Other>;
    type SerializeStruct = Impossible<u64, Other>;
    type SerializeStructVariant = Impossible<u64, Other>;

    fn serialize_u128(self, seconds: u128) -> Result<u64, Other> {
        u64::try_from(seconds).map_err(|_| Other)
    }

    refuse! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<u64, Other> {
        Err(Other)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<u64, Other> {
        Err(Other)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<u64, Other> {
        Err(Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_duration_is_one() {
        assert_eq!(of(&tagged(Duration::from_millis(5_400_900))), Some(Duration::from_secs(5400)));
        for value in [Value::from(5400), Value::from(5400u64), Value::from(1.5), Value::from("5400"), Value::UNDEFINED]
        {
            assert_eq!(of(&value), None, "{value}");
        }
    }
}
