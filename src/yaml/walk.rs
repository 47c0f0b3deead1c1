//! A serde deserializer over the located tree.

use std::collections::HashSet;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::fault::{Fault, What, address, quoted};
use super::{Key, Node, Scalar, Style, Value};

/// Nodes to leave out, by their address: their fault is known.
pub(super) type Skipped = HashSet<usize>;

/// Reads one node.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    pub node: &'a Node,
    pub skipped: &'a Skipped,
}

impl<'a> Walk<'a> {
    /// Places a fault at this node, unless a node further in has claimed it.
    pub fn claim(self, mut fault: Fault) -> Fault {
        if fault.node.is_none() {
            fault.node = Some(address(self.node));
            fault.span.get_or_insert(self.node.span);
            fault.follows = self.follows(&fault.what);
        }
        fault
    }

    /// Whether a fault of this list or map may only come from a child that is left out.
    fn follows(self, what: &What) -> bool {
        match (&self.node.value, what) {
            (Value::Map(map), What::MissingKey(key)) => map.get(key).is_some_and(|(_, value)| self.is_skipped(value)),
            (Value::Map(map), _) => map.0.iter().any(|(_, value)| self.is_skipped(value)),
            (Value::List(items), _) => items.iter().any(|item| self.is_skipped(item)),
            (Value::Null | Value::Scalar(_), _) => false,
        }
    }

    fn is_skipped(self, node: &Node) -> bool {
        self.skipped.contains(&address(node))
    }

    fn child(self, node: &'a Node) -> Walk<'a> {
        Walk { node, skipped: self.skipped }
    }

    fn entries(self, entries: &'a [(Key, Node)]) -> Entries<'a> {
        Entries { walk: self, rest: entries.iter(), value: None }
    }

    fn items(self, items: &'a [Node]) -> Items<'a> {
        Items { walk: self, rest: items.iter() }
    }

    fn unexpected(self) -> Unexpected<'a> {
        match &self.node.value {
            Value::Null => Unexpected::Unit,
            Value::Scalar(scalar) => Unexpected::Str(&scalar.text),
            Value::List(_) => Unexpected::Seq,
            Value::Map(_) => Unexpected::Map,
        }
    }

    /// A scalar of which `parse` makes a number or boolean. Only a plain one may be: quotes say "text".
    fn plain<T>(self, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, Fault> {
        let Value::Scalar(Scalar { text, style, .. }) = &self.node.value else {
            return Err(Fault::invalid_type(self.unexpected(), &expected));
        };
        match (parse(text), style) {
            (Some(value), Style::Plain) => Ok(value),
            (parsed, style) => {
                let help = match style {
                    Style::Plain => match text.to_lowercase().as_str() {
                        "yes" | "on" if expected == BOOLEAN => Some("write `true`".to_owned()),
                        "no" | "off" if expected == BOOLEAN => Some("write `false`".to_owned()),
                        _ => None,
                    },
                    Style::Quoted | Style::Block => {
                        parsed.map(|_| "remove the quotes: a value in quotes is text".to_owned())
                    }
                };
                Err(Fault::new(What::WrongType { expected: expected.to_owned(), found: quoted(text), help }))
            }
        }
    }
}

const BOOLEAN: &str = "`true` or `false`";
const NATURAL: &str = "a whole number, 0 or more";
const INTEGER: &str = "a whole number";
const NUMBER: &str = "a number";

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Decimal, and finite: `inf`, `nan`, hexadecimal and `1_000` are text.
fn float(text: &str) -> Option<f64> {
    let number = text.parse::<f64>().ok()?;
    (number.is_finite() && text.contains(|letter: char| letter.is_ascii_digit())).then_some(number)
}

macro_rules! whole_numbers {
    ($($method:ident $parsed:ty => $visit:ident, $expected:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            visitor.$visit(self.plain($expected, |text| text.parse::<$parsed>().ok())?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Walk<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar(Scalar { text, style: Style::Quoted | Style::Block, .. }) => visitor.visit_str(text),
            Value::Scalar(Scalar { text, style: Style::Plain, .. }) => {
                if let Some(value) = boolean(text) {
                    visitor.visit_bool(value)
                } else if let Ok(number) = text.parse::<u64>() {
                    visitor.visit_u64(number)
                } else if let Ok(number) = text.parse::<i64>() {
                    visitor.visit_i64(number)
                } else if let Some(number) = float(text) {
                    visitor.visit_f64(number)
                } else {
                    visitor.visit_str(text)
                }
            }
            Value::List(items) => visitor.visit_seq(self.items(items)),
            Value::Map(map) => visitor.visit_map(self.entries(&map.0)),
        }
    }

    whole_numbers! {
        deserialize_u8 u64 => visit_u64, NATURAL;
        deserialize_u16 u64 => visit_u64, NATURAL;
        deserialize_u32 u64 => visit_u64, NATURAL;
        deserialize_u64 u64 => visit_u64, NATURAL;
        deserialize_i8 i64 => visit_i64, INTEGER;
        deserialize_i16 i64 => visit_i64, INTEGER;
        deserialize_i32 i64 => visit_i64, INTEGER;
        deserialize_i64 i64 => visit_i64, INTEGER;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_f64(self.plain(NUMBER, float)?)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_bool(self.plain(BOOLEAN, boolean)?)
    }

    /// Any scalar is text if text is asked for, as written.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Scalar(scalar) => visitor.visit_str(&scalar.text),
            _ => Err(Fault::invalid_type(self.unexpected(), &visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::List(items) => visitor.visit_seq(self.items(items)),
            _ => Err(Fault::invalid_type(self.unexpected(), &"a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Map(map) => visitor.visit_map(self.entries(&map.0)),
            _ => Err(Fault::invalid_type(self.unexpected(), &"a map")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Map(map) => visitor.visit_map(self.entries(&map.0)),
            _ => Err(Fault::invalid_type(self.unexpected(), &"a map of settings")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.node.value {
            Value::Scalar(scalar) => visitor.visit_enum(Choice { name: &scalar.text, value: None }),
            Value::Map(map) if let [(key, value)] = map.0.as_slice() => {
                if self.is_skipped(value) {
                    // Its fault is told; this one is known to follow from it.
                    return Err(Fault::custom("no value"));
                }
                let value = self.child(value);
                let choice = Choice { name: &key.text, value: Some(value) };
                visitor.visit_enum(choice).map_err(|mut fault| {
                    if let (None, What::UnknownValue { known, .. }) = (fault.node, fault.what.as_ref()) {
                        let key_fault = What::UnknownKey { key: key.text.clone(), known };
                        *fault.what = key_fault;
                        fault.span = Some(key.span);
                        fault
                    } else {
                        value.claim(fault).under(&key.text)
                    }
                })
            }
            _ => {
                let expected = format!("one of {}", known.join(", "));
                Err(Fault::invalid_type(self.unexpected(), &expected.as_str()))
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf unit unit_struct }
}

/// The items of a list.
struct Items<'a> {
    walk: Walk<'a>,
    rest: std::slice::Iter<'a, Node>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let walk = self.walk;
        let Some(item) = self.rest.find(|item| !walk.is_skipped(item)) else { return Ok(None) };
        let item = walk.child(item);
        seed.deserialize(item).map(Some).map_err(|fault| item.claim(fault))
    }
}

/// The entries of a map.
struct Entries<'a> {
    walk: Walk<'a>,
    rest: std::slice::Iter<'a, (Key, Node)>,
    value: Option<&'a (Key, Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        let walk = self.walk;
        let Some(entry) = self.rest.find(|(_, value)| !walk.is_skipped(value)) else { return Ok(None) };
        self.value = Some(entry);
        let (key, value) = entry;
        seed.deserialize(key.text.as_str().into_deserializer()).map(Some).map_err(|mut fault: Fault| {
            fault.span.get_or_insert(key.span);
            fault.map.get_or_insert(walk.node.span);
            walk.child(value).claim(fault)
        })
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let (key, value) = self.value.take().expect("serde asks for a value only after its key");
        let value = self.walk.child(value);
        seed.deserialize(value).map_err(|fault| value.claim(fault).under(&key.text))
    }
}

/// One of an enum's names, alone or with a value.
struct Choice<'a> {
    name: &'a str,
    value: Option<Walk<'a>>,
}

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        Ok((seed.deserialize(self.name.into_deserializer())?, self))
    }
}

impl<'a> Choice<'a> {
    fn value(self) -> Result<Walk<'a>, Fault> {
        let message = || format!("`{}` needs a value: write it as `{}: …`", self.name, self.name);
        self.value.ok_or_else(|| Fault::custom(message()))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        match self.value {
            None => Ok(()),
            Some(value) if value.node.value == Value::Null => Ok(()),
            Some(_) => Err(Fault::custom(format!("`{}` takes no value", self.name))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(self.value()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.value()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Fault> {
        self.value()?.deserialize_struct("", fields, visitor)
    }
}
