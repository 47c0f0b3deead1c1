//! A number for what a part of a file says, wherever it stands and whatever comments are around it.

use sha2::{Digest, Sha256};

use super::{Map, Node, Style, Value};

/// Equal for nodes that say the same. The order of a map's own keys does not matter; deeper down it may be what people see (the
/// fields of a message, a body), so there it counts. Quotes count too: they make text of a number.
#[must_use]
pub fn fingerprint(node: &Node) -> u64 {
    let mut digest = Sha256::new();
    match &node.value {
        Value::Map(map) => {
            let mut sorted = map.clone();
            sorted.0.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
            digest_map(&sorted, &mut digest);
        }
        Value::Null | Value::Scalar(_) | Value::List(_) => digest_node(node, &mut digest),
    }
    let mut first = [0; 8];
    first.copy_from_slice(&digest.finalize()[..8]);
    u64::from_be_bytes(first)
}

fn digest_node(node: &Node, digest: &mut Sha256) {
    match &node.value {
        Value::Null => digest.update(b"0"),
        Value::Scalar(scalar) => {
            text(if scalar.style == Style::Plain { b"p" } else { b"q" }, &scalar.text, digest);
        }
        Value::List(items) => {
            count(b"l", items.len(), digest);
            for item in items {
                digest_node(item, digest);
            }
        }
        Value::Map(map) => digest_map(map, digest),
    }
}

fn digest_map(map: &Map, digest: &mut Sha256) {
    count(b"m", map.0.len(), digest);
    for (key, value) in &map.0 {
        text(b"k", &key.text, digest);
        digest_node(value, digest);
    }
}

// Lengths keep neighbours apart.
fn text(sort: &[u8], text: &str, digest: &mut Sha256) {
    count(sort, text.len(), digest);
    digest.update(text.as_bytes());
}

fn count(sort: &[u8], count: usize, digest: &mut Sha256) {
    digest.update(sort);
    digest.update((count as u64).to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Problems, parse};

    fn of(text: &str) -> u64 {
        fingerprint(&parse(text, &mut Problems::default()).expect("YAML"))
    }

    #[test]
    fn what_says_the_same_is_equal() {
        let one = of("{ a: 1, b: [x, y], c: { d: e, f: g } }");
        let same =
            ["c: { d: e, f: g }\nb:\n  - x # a comment\n  - y\na: 1\n", "a: 1\nb: &b [x, y]\nc:\n  d: e\n  f: g\n"];
        for text in same {
            assert_eq!(of(text), one, "{text}");
        }
        let other = [
            "{ a: '1', b: [x, y], c: { d: e, f: g } }",
            "{ a: 1, b: [y, x], c: { d: e, f: g } }",
            "{ a: 1, b: [x, y], c: { f: g, d: e } }",
            "{ a: 1, b: [xy], c: { d: e, f: g } }",
            "{ a: 1, b: [x, y], c: { d: e, f: } }",
            "{ b: 1, a: [x, y], c: { d: e, f: g } }",
            "[a, 1]",
            "",
        ];
        for text in other {
            assert_ne!(of(text), one, "{text}");
        }
    }

    #[test]
    fn an_alias_says_what_its_anchor_does() {
        let of_second = |text: &str| {
            let node = parse(text, &mut Problems::default()).expect("YAML");
            let Value::List(items) = &node.value else { panic!("a list") };
            fingerprint(&items[1])
        };
        let written = of_second("[{}, { a: x, b: y }]");
        assert_eq!(of_second("[&one { a: x, b: y }, *one]"), written);
        assert_eq!(of_second("[&one { a: x }, { <<: *one, b: y }]"), written);
    }
}
