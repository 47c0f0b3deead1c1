//! An email address with a name, as written in routes.yaml: `Data team <data@example.com>`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::receiver::from_text::read_from_text;

/// Somebody mail comes from or goes to. Its parts hold no control characters, so that neither can begin another header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Empty if only the address was given.
    pub name: String,
    /// `local@domain`, in ASCII.
    pub email: String,
}

impl Mailbox {
    /// Reads `ops@example.com` or `Ops <ops@example.com>`.
    pub(in crate::receiver) fn parse(text: &str) -> Result<Mailbox, String> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err("an email address is one line without control characters".to_owned());
        }
        let (name, email) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, email)) => (name.trim(), email.trim()),
            None => ("", text),
        };
        let quoted = name.strip_prefix('"').and_then(|name| name.strip_suffix('"'));
        let name = quoted.unwrap_or(name).trim();
        if name.contains(['"', '\\', '<', '>']) || name.len() > 200 || (quoted.is_none() && name.contains('@')) {
            return Err(format!(
                "{text:?} is no email address; write `Name <ops@example.com>`, several addresses as a list"
            ));
        }
        match fault(email) {
            Some(why) => {
                Err(format!("{email:?} is no email address: {why}; write `ops@example.com` or `Ops <ops@example.com>`"))
            }
            None => Ok(Mailbox { name: name.to_owned(), email: email.to_owned() }),
        }
    }

    /// In ASCII, where a header is written as it is: a name beyond it in encoded words (RFC 2047).
    pub(in crate::receiver) fn ascii(&self) -> String {
        if self.name.is_ascii() {
            return self.to_string();
        }
        let mut words = vec![String::new()];
        for c in self.name.chars() {
            // An encoded word has at most 75 characters, and never a part of a character.
            if words.last().is_some_and(|word| word.len() + c.len_utf8() > 42) {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(c);
            }
        }
        let words: Vec<_> = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
        format!("{} <{}>", words.join(" "), self.email)
    }
}

/// As written, the name in quotes where it needs them.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mailbox { name, email } = self;
        if name.is_empty() {
            f.write_str(email)
        } else if name.contains(['(', ')', '[', ']', ':', ';', '@', ',', '.']) {
            write!(f, "\"{name}\" <{email}>")
        } else {
            write!(f, "{name} <{email}>")
        }
    }
}

/// What is wrong with an address, as far as its form tells.
fn fault(email: &str) -> Option<&'static str> {
    let Some((local, domain)) = email.rsplit_once('@') else { return Some("it has no `@`") };
    if !email.is_ascii() {
        return Some("it holds letters other than ASCII; write the domain in its `xn--` form");
    }
    let in_local = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
    if local.is_empty() || local.len() > 64 || !local.chars().all(in_local) {
        return Some("what stands before `@` is no mailbox");
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Some("a dot is out of place");
    }
    let label = |label: &str| {
        let inside = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        (1..=63).contains(&label.len()) && inside && !label.starts_with('-') && !label.ends_with('-')
    };
    if domain.len() > 253 || !domain.split('.').all(label) {
        return Some("what stands behind `@` is no domain");
    }
    (!domain.contains('.') && domain != "localhost").then_some("the domain has no dot")
}

read_from_text! {
    Mailbox: {"type": "string", "pattern": "@", "patternErrorMessage": "Write ops@example.com or Ops <ops@example.com>.", "examples": ["Data team <data@example.com>"]};
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_names() {
        for (text, name, email, written) in [
            ("ops@example.com", "", "ops@example.com", "ops@example.com"),
            (" Ops <ops@example.com> ", "Ops", "ops@example.com", "Ops <ops@example.com>"),
            ("<o.p+s@x-y.example>", "", "o.p+s@x-y.example", "o.p+s@x-y.example"),
            ("\"Acme, Inc.\" <a@b.example>", "Acme, Inc.", "a@b.example", "\"Acme, Inc.\" <a@b.example>"),
            ("Data (EU) <a@b.example>", "Data (EU)", "a@b.example", "\"Data (EU)\" <a@b.example>"),
            ("root@localhost", "", "root@localhost", "root@localhost"),
        ] {
            let read = Mailbox::parse(text).unwrap();
            assert_eq!((read.name.as_str(), read.email.as_str(), read.to_string().as_str()), (name, email, written));
            assert_eq!(Mailbox::parse(written).unwrap(), read);
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        for (text, why) in [
            ("ops", "no `@`"),
            ("", "no `@`"),
            ("@example.com", "no mailbox"),
            ("a b@example.com", "no mailbox"),
            (".a@example.com", "dot is out of place"),
            ("a..b@example.com", "dot is out of place"),
            ("a@example", "no dot"),
            ("a@-x.example", "no domain"),
            ("a@x..example", "no domain"),
            ("a@b.example, c@d.example", "no mailbox"),
            ("A <a@b.example>, C <c@d.example>", "several addresses as a list"),
            ("a@müller.example", "xn--"),
            ("Ops\r\nBcc: x@y.example <a@b.example>", "one line"),
            ("a@b.example\u{0}", "one line"),
        ] {
            let said = Mailbox::parse(text).unwrap_err();
            assert!(said.contains(why), "{text:?}: {said}");
        }
    }

    #[test]
    fn a_name_in_any_script_has_an_ascii_form() {
        let of = |text: &str| Mailbox::parse(text).unwrap().ascii();
        assert_eq!(of("Ops <a@b.example>"), "Ops <a@b.example>");
        assert_eq!(of("Jürgen <a@b.example>"), "=?utf-8?B?SsO8cmdlbg==?= <a@b.example>");
        let long = of(&format!("{} <a@b.example>", "日本".repeat(20)));
        assert!(long.is_ascii() && long.split(' ').all(|word| word.len() <= 75), "{long}");
    }

    proptest! {
        #[test]
        fn nothing_read_can_begin_another_header(text in "[ -~\\r\\n\\t\u{0}-\u{ff}]{0,20}<?a@b.example>?[\\r\\n]?.{0,5}") {
            if let Ok(read) = Mailbox::parse(&text) {
                prop_assert!(!read.to_string().chars().any(char::is_control));
                prop_assert!(read.ascii().is_ascii());
            }
        }
    }
}
