//! A dotted path into the raw envelope: `data.status.state`.

use serde_json::{Map, Value};

use super::Pattern;

/// A compiled path. A dot inside a name is written `\.`; a number picks an element of a list, any other name looks
/// into every element of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path {
    segments: Box<[Segment]>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Segment {
    name: String,
    index: Option<usize>,
}

impl Path {
    /// `None` if a name is empty.
    #[must_use]
    pub fn new(text: &str) -> Option<Path> {
        let (mut names, mut name) = (Vec::new(), String::new());
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' => name.push(chars.next_if(|c| matches!(c, '.' | '\\')).unwrap_or(c)),
                '.' => names.push(std::mem::take(&mut name)),
                c => name.push(c),
            }
        }
        names.push(name);
        let segment = |name: String| (!name.is_empty()).then(|| Segment { index: name.parse().ok(), name });
        names.into_iter().map(segment).collect::<Option<_>>().map(|segments| Path { segments })
    }

    /// Puts `value` at this path, making what leads there: an object, unless a list has the index asked for.
    pub fn put(&self, raw: &mut Value, value: Value) {
        let mut at = raw;
        for segment in &self.segments {
            let found = segment.index.filter(|index| at.get(*index).is_some());
            if found.is_none() && !at.is_object() {
                *at = Value::Object(Map::new());
            }
            at = match found {
                Some(index) => &mut at[index],
                None => &mut at[&segment.name],
            };
        }
        *at = value;
    }

    /// Whether what stands at this path in `raw` matches one of `patterns`.
    pub(super) fn matches(&self, raw: &Value, patterns: &[Pattern]) -> bool {
        self.any_text(raw, |text| patterns.iter().any(|pattern| pattern.matches(text)))
    }

    /// Whether `wanted` says so of what stands at this path in `raw`: text, a number or a boolean by its JSON text, a list if it does
    /// of any of its elements.
    pub(super) fn any_text(&self, raw: &Value, mut wanted: impl FnMut(&str) -> bool) -> bool {
        any_below(&self.segments, raw, &mut wanted)
    }

    /// Every text that `matches` looks at in `raw`, but empty ones, which match nothing.
    pub fn texts(&self, raw: &Value) -> Vec<String> {
        let mut texts = Vec::new();
        self.any_text(raw, |text| {
            texts.extend((!text.is_empty()).then(|| text.to_owned()));
            false
        });
        texts
    }
}

/// Whether `wanted` says so of any text at the path.
fn any_below(segments: &[Segment], value: &Value, wanted: &mut impl FnMut(&str) -> bool) -> bool {
    let Some((segment, rest)) = segments.split_first() else { return any_leaf(value, wanted) };
    match (value, segment.index) {
        (Value::Object(members), _) => members.get(&segment.name).is_some_and(|value| any_below(rest, value, wanted)),
        (Value::Array(items), Some(index)) => items.get(index).is_some_and(|value| any_below(rest, value, wanted)),
        (Value::Array(items), None) => items.iter().any(|value| any_below(segments, value, wanted)),
        _ => false,
    }
}

fn any_leaf(value: &Value, wanted: &mut impl FnMut(&str) -> bool) -> bool {
    match value {
        Value::String(text) => wanted(text),
        Value::Bool(yes) => wanted(if *yes { "true" } else { "false" }),
        Value::Number(number) => wanted(&number.to_string()),
        Value::Array(items) => items.iter().any(|item| any_leaf(item, wanted)),
        Value::Null | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_what_stands_there() {
        let raw = json!({
            "id": "e-1",
            "data": {
                "a.b": "dotted", "a\\": "slash", "n": 1.50, "big": 12_345_678_901_u64, "yes": true, "none": null,
                "blank": "", "object": {"x": "y"}, "tags": ["prod", "EU", 7], "7": "seven",
                "items": [{"name": "one"}, {"name": "two", "tags": [["deep"]]}]
            }
        });
        for (path, pattern, holds) in [
            ("id", "E-1", true),
            ("data.a\\.b", "dotted", true),
            ("data.a.b", "*", false),
            ("data.a\\\\", "slash", true),
            ("data.n", "1.5", true),
            ("data.big", "12345678901", true),
            ("data.yes", "true", true),
            ("data.none", "*", false),
            ("data.none", "null", false),
            ("data.blank", "*", false),
            ("data.object", "*", false),
            ("data.object.x", "y", true),
            ("data.tags", "eu", true),
            ("data.tags", "7", true),
            ("data.tags", "eu,*", false),
            ("data.tags.0", "prod", true),
            ("data.tags.0", "eu", false),
            ("data.tags.9", "*", false),
            ("data.7", "seven", true),
            ("data.items.1.name", "two", true),
            ("data.items.name", "two", true),
            ("data.items.name", "three", false),
            ("data.items.tags", "deep", true),
            ("missing.path", "*", false),
            ("id.x", "*", false),
        ] {
            let path_read = Path::new(path).expect(path);
            assert_eq!(path_read.matches(&raw, &[Pattern::new(pattern)]), holds, "{path} {pattern}");
        }
        for path in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(Path::new(path), None, "{path}");
        }
    }
}
