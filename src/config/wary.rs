//! Keeps what only looks like a secret out of texts that others read: of a refused file, nobody knows which values are secret.

use crate::receiver::is_key_like;
use crate::yaml::Problems;

/// A path with query shorter than this is no key: `/api/v1`.
const SHORTEST_PATH: usize = 8;

/// What ends an address in a text.
const ENDS: [char; 5] = ['"', '`', '\'', '\\', '>'];

/// What ends a word that may be a key.
const BREAKS: &str = "\"'`\\,;:(){}[]<>/?&=+@#|!*$";

/// The same problems without what looks like a secret, for logs, answers and messages.
#[must_use]
pub fn discreet(problems: Problems) -> Problems {
    problems.reworded(hide)
}

/// `text` with all that follows the host of an address, and every word that looks like a key, as `***`.
pub(super) fn hide(text: &str) -> String {
    let mut hidden = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, address) = rest.split_at(at + 3);
        hidden.push_str(&words(before));
        let end = address.find(|c: char| c.is_whitespace() || ENDS.contains(&c)).unwrap_or(address.len());
        let (address, after) = address.split_at(end);
        hidden.push_str(&after_the_host(address));
        rest = after;
    }
    hidden.push_str(&words(rest));
    hidden
}

fn after_the_host(address: &str) -> String {
    let (authority, path) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
    let host = match authority.rsplit_once('@') {
        Some((_, host)) => format!("***@{}", words(host)),
        None => words(authority),
    };
    // A template or a variable says where the secret comes from, not what it is.
    let harmless = path.chars().count() < SHORTEST_PATH || path.trim_start_matches('/').starts_with(['…', '$']);
    if harmless { host + &words(path) } else { host + "/***" }
}

fn words(text: &str) -> String {
    let breaks = |c: char| c.is_whitespace() || BREAKS.contains(c);
    let hide = |piece: &str| {
        let word = piece.trim_end_matches(breaks);
        if is_key_like(word) { format!("***{}", &piece[word.len()..]) } else { piece.to_owned() }
    };
    text.split_inclusive(breaks).map(hide).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Secrets, load};
    use crate::yaml::report_without_source;

    #[test]
    fn what_looks_like_a_secret_is_hidden_and_names_are_not() {
        for (text, expected) in [
            (
                "there is no kind \"https://hooks.example/services/T0/KEY\"",
                "there is no kind \"https://hooks.example/***\"",
            ),
            ("write it in full: `https://host/path`", "write it in full: `https://host/path`"),
            (
                "# was https://u:pw@x.example, see https://x.example/",
                "# was https://***@x.example, see https://x.example/",
            ),
            ("unknown key \"T024BE7LDAbc91xyz\"", "unknown key \"***\""),
            ("url: \"https://x.example/${KEY_OF_HOOK}\"", "url: \"https://x.example/${KEY_OF_HOOK}\""),
            ("no receiver \"data-ops-2026-q1\", did you mean \"data-ops\"?", ""),
        ] {
            let expected = if expected.is_empty() { text } else { expected };
            assert_eq!(hide(text), expected);
        }
    }

    #[test]
    fn a_refused_file_tells_no_secret_wherever_it_was_put() {
        let key = "T024BE7LDAbc91xyz";
        for receiver in [
            "kind: slack, https://hooks.slack.com/services/KEY",
            "kind: https://hooks.slack.com/services/KEY",
            "kind: KEY",
            "kind: webhook, url: https://x.example/KEY, auth: { KEY: x }",
            "kind: webhook, url: https://x.example/KEY, headers: { 'Authorization: Bearer KEY' }",
            "kind: webhook, url: https://x.example/KEY, rate: https://x.example/KEY",
            "kind: webhook, url: https://x.example/KEY, timeout: [https://x.example/KEY]",
        ] {
            let text = format!(
                "receivers: {{ a: {{ {receiver} }} }}\nroutes: [{{ name: x, to: [https://x.example/KEY, KEY, a], message: KEY }}]\n"
            )
            .replace("KEY", key);
            let (_, problems) = load(&text, &Secrets::default());
            assert!(problems.has_errors(), "{text}");
            let report = report_without_source("f", &text, &discreet(problems));
            assert!(!report.contains(key), "{report}");
        }
    }
}
