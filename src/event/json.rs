//! JSON borrowed from the body it stands in: an event is looked through once, and most of it is never asked for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};

/// In an object with more members than this a repeated name is looked for in an index: a hostile body may have a hundred thousand.
const FEW: usize = 24;

/// As [`serde_json::Value`].
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// Members in the order received. Of a name that comes twice the last value counts, in the first one's place.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

impl<'a> Json<'a> {
    pub fn as_object(&self) -> Option<&Object<'a>> {
        if let Json::Object(members) = self { Some(members) } else { None }
    }

    pub fn as_array(&self) -> Option<&[Json<'a>]> {
        if let Json::Array(items) = self { Some(items) } else { None }
    }

    pub fn as_str(&self) -> Option<&str> {
        if let Json::String(text) = self { Some(text) } else { None }
    }

    /// The same without the body.
    pub fn into_owned(self) -> Json<'static> {
        match self {
            Json::Null => Json::Null,
            Json::Bool(yes) => Json::Bool(yes),
            Json::Number(number) => Json::Number(number),
            Json::String(text) => Json::String(text.into_owned().into()),
            Json::Array(items) => Json::Array(items.into_iter().map(Json::into_owned).collect()),
            Json::Object(Object(members)) => Json::Object(Object(
                members.into_iter().map(|(name, value)| (name.into_owned().into(), value.into_owned())).collect(),
            )),
        }
    }
}

impl<'a> Object<'a> {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> + Clone {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    pub fn values(&self) -> impl Iterator<Item = &Json<'a>> {
        self.0.iter().map(|(_, value)| value)
    }

    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        self.position(name).map(|at| &self.0[at].1)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn insert(&mut self, name: impl Into<Cow<'a, str>>, value: Json<'a>) {
        let name = name.into();
        match self.position(&name) {
            Some(at) => self.0[at].1 = value,
            None => self.0.push((name, value)),
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| known == name)
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(text: &'a str) -> Json<'a> {
        Json::String(text.into())
    }
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Json::String(text.into())
    }
}

impl From<Json<'_>> for Value {
    fn from(json: Json<'_>) -> Value {
        match json {
            Json::Null => Value::Null,
            Json::Bool(yes) => Value::Bool(yes),
            Json::Number(number) => Value::Number(number),
            Json::String(text) => Value::String(text.into_owned()),
            Json::Array(items) => Value::Array(items.into_iter().map(Value::from).collect()),
            Json::Object(members) => Value::Object(members.into()),
        }
    }
}

impl From<Object<'_>> for Map<String, Value> {
    fn from(Object(members): Object<'_>) -> Map<String, Value> {
        members.into_iter().map(|(name, value)| (name.into_owned(), value.into())).collect()
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Json::Null => s.serialize_unit(),
            Json::Bool(yes) => s.serialize_bool(*yes),
            Json::Number(number) => number.serialize(s),
            Json::String(text) => s.serialize_str(text),
            Json::Array(items) => s.collect_seq(items),
            Json::Object(members) => members.serialize(s),
        }
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.iter())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Json<'a>, D::Error> {
        d.deserialize_any(OfJson)
    }
}

struct OfJson;

impl<'de> Visitor<'de> for OfJson {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json<'de>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Json<'de>, E> {
        Ok(Json::Bool(yes))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json<'de>, E> {
        Ok(Json::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json<'de>, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Json<'de>, E> {
        Ok(text.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Json<'de>, E> {
        Ok(text.to_owned().into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json<'de>, A::Error> {
        let mut members = Object(Vec::with_capacity(8));
        let mut index: HashMap<Cow<'de, str>, usize> = HashMap::new();
        while let Some(Name(name)) = map.next_key()? {
            let value = map.next_value()?;
            if members.len() < FEW {
                members.insert(name, value);
                continue;
            }
            if index.is_empty() {
                index.extend(members.0.iter().enumerate().map(|(at, (name, _))| (name.clone(), at)));
            }
            if let Some(at) = index.get(&name) {
                members.0[*at].1 = value;
            } else {
                index.insert(name.clone(), members.len());
                members.0.push((name, value));
            }
        }
        Ok(Json::Object(members))
    }
}

struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Name<'de>, D::Error> {
        d.deserialize_str(OfName)
    }
}

struct OfName;

impl<'de> Visitor<'de> for OfName {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string key")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(text.into()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name(text.to_owned().into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(text: &str) -> Json<'_> {
        serde_json::from_str(text).expect("JSON")
    }

    #[test]
    fn of_a_name_that_comes_twice_the_last_value_counts_however_many_there_are() {
        assert_eq!(json(r#"{"a":1,"b":2,"\u0061":3}"#), json(r#"{"a":3,"b":2}"#));
        let many: Vec<String> = (0..50).map(|n| format!(r#""m{n}":{n}"#)).collect();
        let text = format!(r#"{{{},"m3":"x","m40":"y"}}"#, many.join(","));
        let json = json(&text);
        let members = json.as_object().expect("an object");
        let last = ["m3", "m40"].map(|name| members.get(name).and_then(Json::as_str));
        assert_eq!((members.len(), last), (50, [Some("x"), Some("y")]));
    }

    #[test]
    fn texts_without_escapes_are_borrowed() {
        let body = r#"{"plain":"text","escaped":"a\nb"}"#;
        let json = json(body);
        let members = json.as_object().expect("an object");
        assert!(matches!(members.get("plain"), Some(Json::String(Cow::Borrowed("text")))));
        assert!(matches!(members.get("escaped"), Some(Json::String(Cow::Owned(text))) if text == "a\nb"));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 60, 40, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((".{0,3}", inner), 0..40)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_and_writes_as_serde_json_does(value in any_json()) {
            let text = value.to_string();
            // Not all numbers come back as they were written.
            let read = serde_json::from_str::<Value>(&text).expect("JSON").to_string();
            let json = json(&text);
            prop_assert_eq!(serde_json::to_string(&json).expect("JSON"), read.as_str());
            prop_assert_eq!(Value::from(json.clone().into_owned()).to_string(), read.as_str());
        }
    }
}
