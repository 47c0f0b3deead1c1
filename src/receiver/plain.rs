//! A message as plain text: for the log, the inbox, and whoever reads without markup.

use crate::message::{Message, cut, is_unwanted, one_line};

/// The most that is written of one message, in characters.
const LONGEST: usize = 20_000;

/// The whole message; notes say what was cut. Control characters in values, which could steer a terminal, are gone.
pub fn text(message: &Message, notes: &mut Vec<String>) -> String {
    let mut parts = vec![format!("[{}] {}", message.level.name(), one_line(&message.title))];
    parts.extend(message.notices.iter().map(|notice| one_line(notice)));
    parts.push(message.text.plain());
    if !message.fields.is_empty() {
        let fields: Vec<_> =
            message.fields.iter().map(|(name, value)| format!("{}: {}", one_line(name), one_line(value))).collect();
        parts.push(fields.join("\n"));
    }
    parts.extend(message.link.clone());
    parts.extend(message.footer.as_ref().map(|footer| match &footer.link {
        Some(link) => format!("({}, {link})", footer.text),
        None => format!("({})", footer.text),
    }));
    parts.retain(|part| !part.trim().is_empty());
    let text: String = parts.join("\n").chars().filter(|&c| c != '\t' && !is_unwanted(c)).collect();
    let (text, was_cut) = cut(&text, LONGEST);
    if was_cut {
        notes.push(format!("text cut to {LONGEST} characters"));
    }
    text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Footer;

    #[test]
    fn nothing_in_it_steers_or_turns_a_terminal() {
        let footer = Footer { text: "a\u{1b}[2J\tb\u{202e}c".to_owned(), link: None };
        let message = Message { title: "x".to_owned(), footer: Some(footer), ..Message::default() };
        let text = text(&message, &mut Vec::new());
        assert!(text.ends_with("\n(a[2Jbc)"), "{text:?}");
    }
}
