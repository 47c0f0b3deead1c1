//! Writing to the terminal, or to whoever reads the other end of the pipe.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use super::failure::Failure;
use crate::message::is_unwanted;
pub use crate::message::one_line;

/// Prints `text` and a newline at once. A reader that has gone away (`| head`) is no failure.
pub fn say(text: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::new(format!("cannot write the output: {e}"))),
        _ => Ok(()),
    }
}

/// Prints `value` as indented JSON.
pub fn say_json(value: &impl Serialize) -> Result<(), Failure> {
    say(json(value))
}

/// `value` as indented JSON.
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("the API's types are plain JSON")
}

/// `text` with its lines kept, no other control characters, and nothing that turns it.
pub fn many_lines(text: &str) -> String {
    text.chars().filter(|&c| !is_unwanted(c)).collect()
}

/// `text` in at most `max` characters, the last one `…` if something is missing.
pub fn shortened(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// `1 event`, `2 events`, `no events`.
pub fn count(n: u64, noun: &str) -> String {
    let plural = noun.strip_suffix('y').map_or_else(|| format!("{noun}s"), |stem| format!("{stem}ies"));
    match n {
        0 => format!("no {plural}"),
        1 => format!("1 {noun}"),
        _ => format!("{n} {plural}"),
    }
}

/// The same with a figure also for none, as reports have it: `0 events`.
pub fn figure(n: u64, noun: &str) -> String {
    let text = count(n, noun);
    text.strip_prefix("no ").map_or_else(|| text.clone(), |nouns| format!("0 {nouns}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_from_an_event_can_steer_the_terminal() {
        assert_eq!(one_line("a\u{1b}[31mb\r\n  c\u{9b}"), "a [31mb c");
        assert_eq!(many_lines("a\u{1b}[2J\n\tb\r"), "a[2J\n\tb");
        assert_eq!(one_line("\u{202e} a\u{2066}b \u{2069}"), "ab");
        assert_eq!(many_lines("a\u{202e}b\n"), "ab\n");
    }

    #[test]
    fn numbers_and_nouns() {
        let cases = [(0, "event", "no events"), (1, "delivery", "1 delivery"), (3, "delivery", "3 deliveries")];
        for (n, noun, want) in cases {
            assert_eq!(count(n, noun), want);
            assert_eq!(figure(n, noun), want.replace("no ", "0 "));
        }
    }

    proptest! {
        #[test]
        fn shortened_is_never_longer(text in "\\PC*", max in 1usize..20) {
            let short = shortened(&text, max);
            prop_assert!(short.chars().count() <= max);
            prop_assert_eq!(short == text, text.chars().count() <= max);
        }
    }
}
