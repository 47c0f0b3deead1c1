//! Bytes → text: the encodings that editors leave behind.

use super::{Code, Problems, Span};

/// The text of a file. What is no UTF-8 is a problem; it is read as well as it can be, so that the report can show its lines and
/// whatever else is wrong.
#[must_use]
pub fn decode(bytes: Vec<u8>, problems: &mut Problems) -> String {
    const HELP: &str = "save the file as UTF-8: the editor's \"save as\" or \"encoding\" has it";
    if let Some(text) = utf16(&bytes) {
        problems.error(Code::NotUtf8, first(&text), "the file is UTF-16, and is read as UTF-8", HELP.to_owned());
        return text;
    }
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let start = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let message = format!("the byte 0x{:02x} here is no UTF-8", error.as_bytes()[start]);
        let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
        problems.error(Code::NotUtf8, Span { start, end }, message, HELP.to_owned());
        text
    })
}

/// UTF-16 as some editors and shells write it, with its mark at the front.
fn utf16(bytes: &[u8]) -> Option<String> {
    let unit = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return None,
    };
    let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
    Some(String::from_utf16_lossy(&units))
}

fn first(text: &str) -> Span {
    Span { start: 0, end: text.chars().next().map_or(0, char::len_utf8) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_utf8_is_shown_at_its_place() {
        let utf16 =
            |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> { text.encode_utf16().flat_map(bytes).collect() };
        let cases = [
            (b"a: \xc3\xbc\n".to_vec(), "a: ü\n", None),
            (b"a: \xfc b\n".to_vec(), "a: \u{fffd} b\n", Some("the byte 0xfc here is no UTF-8 @ \u{fffd}")),
            (utf16("\u{feff}a: ü\n", u16::to_le_bytes), "a: ü\n", Some("the file is UTF-16, and is read as UTF-8 @ a")),
            (utf16("\u{feff}a: ü\n", u16::to_be_bytes), "a: ü\n", Some("the file is UTF-16, and is read as UTF-8 @ a")),
            (vec![0xff, 0xfe, 0x00], "", Some("the file is UTF-16, and is read as UTF-8 @ ")),
        ];
        for (bytes, expected, problem) in cases {
            let mut problems = Problems::default();
            let text = decode(bytes, &mut problems);
            assert_eq!(text, expected);
            let said = problems.iter().next().map(|p| format!("{} @ {}", p.message, &text[p.span.start..p.span.end]));
            assert_eq!(said.as_deref(), problem);
        }
    }
}
