//! Secrets written in the file itself. What is one, the receiver's kind says.

use super::Read;
use crate::receiver::Receiver;
use crate::yaml::{Code, Node, Problems, Span, Value};

/// Shorter ones are found by chance in other settings.
const SHORTEST: usize = 4;

/// What holds no settings: words, and the kind's name.
const NO_SETTINGS: [&str; 3] = ["kind", "message", "body"];

pub(super) fn warn(read: &Read<'_>, problems: &mut Problems) {
    let Some((_, Node { value: Value::Map(section), .. })) = read.root.get("receivers") else { return };
    let mut found = Found { text: read.text, told: Vec::new(), problems };
    for (name, node) in &section.0 {
        let (Some(receiver), Value::Map(settings)) = (read.receivers.get(name.text.as_str()), &node.value) else {
            continue;
        };
        let secrets = secrets(receiver);
        for (key, value) in settings.0.iter().filter(|(key, _)| !NO_SETTINGS.contains(&key.text.as_str())) {
            found.below(value, &secrets, &name.text, &key.text);
        }
    }
}

/// The longest first, so that the whole of one is pointed at.
fn secrets(receiver: &Receiver) -> Vec<String> {
    let mut secrets = receiver.credentials();
    secrets.retain(|secret| secret.chars().count() >= SHORTEST);
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets
}

struct Found<'a> {
    text: &'a str,
    /// A value may belong to several receivers through an anchor.
    told: Vec<Span>,
    problems: &'a mut Problems,
}

impl Found<'_> {
    fn below(&mut self, node: &Node, secrets: &[String], receiver: &str, path: &str) {
        match &node.value {
            Value::Null => {}
            Value::List(items) => items.iter().for_each(|item| self.below(item, secrets, receiver, path)),
            Value::Map(map) => {
                for (key, value) in &map.0 {
                    self.below(value, secrets, receiver, &format!("{path}.{}", key.text));
                }
            }
            // What is put in place of a variable is not in the file.
            Value::Scalar(scalar) if scalar.text.contains("${") => {}
            Value::Scalar(scalar) => {
                let secret = secrets.iter().find(|secret| scalar.text.contains(secret.as_str()));
                if let Some(secret) = secret.filter(|_| !self.told.contains(&node.span)) {
                    self.told.push(node.span);
                    self.tell(node.span, secret, scalar.text.trim() == secret, receiver, path);
                }
            }
        }
    }

    fn tell(&mut self, value: Span, secret: &str, whole: bool, receiver: &str, path: &str) {
        let within = self.text.get(value.start..value.end).and_then(|source| source.find(secret));
        let place = within.map_or(value, |at| Span { start: value.start + at, end: value.start + at + secret.len() });
        let does = if whole { "is" } else { "contains" };
        let name = variable(receiver, path);
        self.problems.warn(
            Code::PlainSecret,
            place,
            format!("`{path}` {does} a secret in plain text: whoever reads this file can use it"),
            format!(
                "write \"${{{name}}}\" in its place, and put the value into the environment as {name}, or into a file of that name \
                 in the directory given with --secrets"
            ),
        );
    }
}

/// `DATA_OPS_URL`
fn variable(receiver: &str, path: &str) -> String {
    let setting = path.rsplit('.').next().unwrap_or(path);
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = format!("{receiver}_{setting}").chars().map(word).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}
