//! The file's text without the secrets written in it, to be kept beside the decisions made by it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Redactor;
use super::wary::hide;
use crate::yaml::{Map, Node, Problems, Style, Value, parse};

/// Stands for a secret that was written in plain, in a value that can be read again.
const MASKED: &str = "${MASKED}";
/// The same where a variable cannot stand: inside a default, and where nothing is read again.
const STARS: &str = "***";

/// `text` with what `redactor` knows replaced by `${MASKED}` in values, by `***` elsewhere. Routes, messages, keys and kinds stay as they are, whatever they look like: a
/// decision must be the same when it is made again by the masked file.
pub(super) fn mask(text: &str, root: &Map, redactor: &Redactor) -> String {
    let mut pieces = Pieces { text, redactor, settled: BTreeMap::new() };
    for (key, node) in &root.0 {
        if key.text != "receivers" {
            pieces.keep(node);
        }
    }
    // After the rest, for anchored values that are used in both.
    if let Some((_, Node { value: Value::Map(receivers), .. })) = root.get("receivers") {
        for (key, node) in &receivers.0 {
            pieces.keep_span(key.span.start, key.span.end);
            pieces.receiver(node);
        }
    }
    pieces.join()
}

/// Whether a masked text lacks a secret that was written in plain: it cannot be used to send then.
#[must_use]
pub fn holds_masked(text: &str) -> bool {
    let Some(Node { value: Value::Map(root), .. }) = parse(text, &mut Problems::default()) else {
        // What cannot be read cannot be sent with either, if anything was masked in it.
        return text.contains(STARS);
    };
    root.get("receivers").is_some_and(|(_, receivers)| holds(receivers))
}

fn holds(node: &Node) -> bool {
    match &node.value {
        Value::Null => false,
        Value::Scalar(scalar) => scalar.text.contains(MASKED) || scalar.text.contains(STARS),
        Value::List(items) => items.iter().any(holds),
        Value::Map(map) => map.0.iter().any(|(_, value)| holds(value)),
    }
}

/// Parts of the text whose masked form is settled, by where they start; what lies between them is redacted as it is.
struct Pieces<'a> {
    text: &'a str,
    redactor: &'a Redactor,
    settled: BTreeMap<usize, (usize, String)>,
}

impl Pieces<'_> {
    fn set(&mut self, start: usize, end: usize, masked: String) {
        self.settled.insert(start, (end, masked));
    }

    fn keep(&mut self, node: &Node) {
        match &node.value {
            Value::Null => {}
            Value::Scalar(_) => self.keep_span(node.span.start, node.span.end),
            Value::List(items) => items.iter().for_each(|item| self.keep(item)),
            Value::Map(map) => {
                for (key, value) in &map.0 {
                    self.keep_span(key.span.start, key.span.end);
                    self.keep(value);
                }
            }
        }
    }

    fn keep_span(&mut self, start: usize, end: usize) {
        self.set(start, end, self.text[start..end].to_owned());
    }

    fn receiver(&mut self, node: &Node) {
        if let Value::Map(map) = &node.value {
            for (key, value) in &map.0 {
                self.keep_span(key.span.start, key.span.end);
                if key.text == "kind" { self.keep(value) } else { self.redact(value) }
            }
        }
    }

    fn redact(&mut self, node: &Node) {
        match &node.value {
            Value::Null => {}
            Value::Scalar(scalar) => {
                let source = &self.text[node.span.start..node.span.end];
                let (shown, redacted) = (self.redactor.redact(source), self.redactor.redact(&scalar.text));
                let masked = match scalar.style {
                    _ if redacted == scalar.text => shown.into_owned(),
                    Style::Plain | Style::Quoted => serde_json::Value::from(readable(&redacted)).to_string(),
                    Style::Block if shown != source => readable(&shown).into_owned(),
                    // Folding hides the secret from a search. What ends the block stays.
                    Style::Block => format!("{MASKED}{}", &source[source.trim_end().len()..]),
                };
                self.set(node.span.start, node.span.end, masked);
            }
            Value::List(items) => items.iter().for_each(|item| self.redact(item)),
            Value::Map(map) => {
                for (key, value) in &map.0 {
                    self.keep_span(key.span.start, key.span.end);
                    self.redact(value);
                }
            }
        }
    }

    fn join(&self) -> String {
        let mut masked = String::new();
        let mut at = 0;
        for (&start, (end, piece)) in &self.settled {
            // Pieces are tokens of one text: they never overlap, unless an anchored value is met under two roots.
            if start >= at {
                masked.push_str(&self.between(at, start));
                masked.push_str(piece);
                at = *end;
            }
        }
        masked.push_str(&self.between(at, self.text.len()));
        masked
    }

    /// Punctuation and comments. What was commented out may be a secret that no receiver uses any more.
    fn between(&self, start: usize, end: usize) -> String {
        let redacted = self.redactor.redact(&self.text[start..end]);
        let hidden = |line: &str| match line.find('#') {
            Some(at) => format!("{}{}", &line[..at], hide(&line[at..])),
            None => line.to_owned(),
        };
        redacted.split_inclusive('\n').map(hidden).collect()
    }
}

/// A variable stands for a secret, so that the file can be read again where none is at hand; the default of a variable has one.
fn readable(redacted: &str) -> Cow<'_, str> {
    if redacted.contains("${") { redacted.into() } else { redacted.replace(STARS, MASKED).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(text: &str, secrets: &[&str]) -> String {
        let node = parse(text, &mut Problems::default()).expect("YAML");
        let Value::Map(root) = &node.value else { panic!("a map") };
        mask(text, root, &Redactor::new(secrets))
    }

    #[test]
    fn secrets_of_receivers_go_and_everything_else_stays() {
        let text = "# was: https://x/T0/key\nreceivers:\n  slack: { kind: slack, url: https://x/T0/key, sign: [\"wh\\u0073ec_1\", slack] }\n\
                    routes:\n  - { name: slack, to: slack, when: { tenant: slack } } # slack\n";
        assert_eq!(
            masked(text, &["https://x/T0/key", "whsec_1", "slack"]),
            "# was: ***\nreceivers:\n  slack: { kind: slack, url: \"${MASKED}\", sign: [\"${MASKED}\", \"${MASKED}\"] }\n\
             routes:\n  - { name: slack, to: slack, when: { tenant: slack } } # ***\n"
        );
    }

    #[test]
    fn secrets_that_were_commented_out_go_too() {
        let text = "receivers: # T024BE7LDAbc91xyz\n  #old: { url: https://hooks.example/services/T0/key } # since 2025\n  a: { kind: inbox }\n";
        assert_eq!(
            masked(text, &[]),
            "receivers: # ***\n  #old: { url: https://hooks.example/*** } # since 2025\n  a: { kind: inbox }\n"
        );
    }

    #[test]
    fn a_missing_secret_is_noticed() {
        let file = |url: &str, to: &str| {
            format!("receivers:\n  a: {{ kind: webhook, url: {url} }}\nroutes: [{{ name: \"***\", to: {to} }}] # ***\n")
        };
        let plain = file("https://x.example/secret", "a");
        for (text, missing) in [
            (masked(&plain, &["https://x.example/secret"]), true),
            (masked(&plain, &["secret"]), true),
            (masked(&plain, &[]), false),
            (file("\"${URL}\"", "a"), false),
            (file("\"***\"", "a"), true),
            (file("***", "a"), true),
        ] {
            assert_eq!(holds_masked(&text), missing, "{text}");
        }
    }

    #[test]
    fn a_file_without_secrets_stays_byte_for_byte() {
        let text = "receivers: &r\n  a: &a { kind: inbox }\n  b: { <<: *a }\nroutes: []\nx: [*a]\n\n# end";
        assert_eq!(masked(text, &[]), text);
    }
}
