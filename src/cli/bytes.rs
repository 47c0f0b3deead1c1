//! What came as bytes, for a terminal: nothing in it can steer one.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};

use super::failure::Failure;
use crate::message::is_unwanted;

/// Of a text, so many bytes are shown.
const TEXT: usize = 4_000;
/// Of anything else, so many.
const BINARY: usize = 512;
const PER_ROW: usize = 16;

/// The beginning of `bytes`: a text with its control characters escaped, anything else as hexadecimal numbers; then, if something is
/// missing, how much, and `hint`, which says where the rest is.
pub fn shown(bytes: &[u8], hint: &str) -> String {
    if bytes.is_empty() {
        return "(empty)".to_owned();
    }
    let (mut text, end) = match std::str::from_utf8(bytes) {
        Ok(text) => {
            let end = (0..=text.len().min(TEXT)).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            (escaped(&text[..end]), end)
        }
        Err(_) => (dump(&bytes[..bytes.len().min(BINARY)]), bytes.len().min(BINARY)),
    };
    if end < bytes.len() {
        write!(text, "\n… {end} of {} bytes shown; {hint}", bytes.len()).expect("a String takes any text");
    }
    text
}

/// Writes bytes as they are.
pub fn write_raw(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Failure::new(format!("cannot write the output: {e}"))),
        _ => Ok(()),
    }
}

fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unwanted(c) || is_mark(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Characters that change the order of their neighbours: shown here, as what came is to be seen as it is.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
}

fn dump(bytes: &[u8]) -> String {
    let row = |(number, row): (usize, &[u8])| {
        let hex = row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        let plain: String = row
            .iter()
            .map(|&byte| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' })
            .collect();
        format!("{:08x}  {hex:<width$}  {plain}", number * PER_ROW, width = PER_ROW * 3 - 1)
    };
    bytes.chunks(PER_ROW).enumerate().map(row).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_lines_and_nothing_that_steers() {
        assert_eq!(
            shown("{\n\t\"a\": \"\u{1b}[2J\r\u{9b}\u{202e}ü\"\n}".as_bytes(), ""),
            "{\n\t\"a\": \"\\u{1b}[2J\\u{d}\\u{9b}\\u{202e}ü\"\n}"
        );
        assert_eq!(shown(b"", ""), "(empty)");
    }

    #[test]
    fn what_is_no_text_is_numbers() {
        let mut bytes = b"\x89PNG\r\n\xff".to_vec();
        bytes.extend(b"0123456789abcdef");
        assert_eq!(
            shown(&bytes, ""),
            "00000000  89 50 4e 47 0d 0a ff 30 31 32 33 34 35 36 37 38  .PNG...012345678\n\
             00000010  39 61 62 63 64 65 66                             9abcdef"
        );
    }

    #[test]
    fn a_long_one_is_cut_between_characters_with_a_hint() {
        let text = "ü".repeat(TEXT);
        let cut = shown(format!("x{text}").as_bytes(), "--raw writes all");
        assert!(cut.ends_with("\n… 3999 of 8001 bytes shown; --raw writes all"), "{cut}");
        let cut = shown(&[0xff; 1_000], "more");
        assert_eq!(cut.lines().count(), BINARY / PER_ROW + 1);
        assert!(cut.ends_with("\n… 512 of 1000 bytes shown; more"), "{cut}");
    }
}
