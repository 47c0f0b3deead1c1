//! Whatever the bytes of a routes.yaml: it is used, or refused with located problems that can be shown. Never a panic, never a hang.
//!
//! `PROPTEST_CASES=100000 cargo test any_bytes` looks further than the suite does.

use std::fs;

use proptest::prelude::*;

use super::print::{Checked, Format};
use crate::config::SAMPLE;
use crate::fuzzing::read_routes;

/// Used, or refused for a reason that has a place and a cure.
fn holds(bytes: impl Into<Vec<u8>>) -> Checked<'static> {
    let (text, config, problems) = read_routes(bytes.into());
    Checked { file: "f", text, config, problems, strict: false, hindsight: None }
}

/// The same, and what is printed.
fn shown(bytes: impl Into<Vec<u8>>) {
    let checked = holds(bytes);
    for format in [Format::Human, Format::Json, Format::Github] {
        let text = checked.text(format, true);
        assert!(text.len() < 1_000_000, "{} bytes for {} problems", text.len(), checked.problems.len());
    }
}

/// The sample with its commented parts switched on says more of the language.
fn seeds() -> Vec<String> {
    let on = |line: &str| match line.trim_start().strip_prefix('#') {
        Some(rest) if !rest.starts_with(' ') || line.starts_with("  #  ") => line.replacen('#', "", 1),
        _ => line.to_owned(),
    };
    let mut seeds = vec![SAMPLE.to_owned(), SAMPLE.lines().map(on).collect::<Vec<_>>().join("\n")];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/broken");
    let broken = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut broken: Vec<_> = broken.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    broken.sort();
    seeds.extend(broken.iter().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()));
    seeds
}

/// Words of YAML, of the file and of templates, parted by `¦`.
const WORDS: &str = "\n¦\n  ¦\n    ¦\n  - ¦\n- ¦: ¦:¦- ¦? ¦, ¦{ ¦ }¦[¦]¦\"¦'¦|\n¦>-\n¦#¦ # ¦&a ¦*a¦<<: *a¦!t ¦---\n¦...\n¦%YAML 1.2\n¦\t¦\r\n¦\u{a0}¦\u{feff}¦\\¦\
    \\n¦\\u00fc¦é¦😀¦\0¦~¦null¦{{ ¦ }}¦{% ¦ %}¦{# ¦${¦${X}¦${X:-¦$$¦receivers:\n¦routes:\n¦messages:\n¦tests:\n¦timezone: ¦kind: slack¦\
    kind: webhook¦kind: ¦url: ¦https://x.example/¦name: ¦when: ¦to: ¦message: ¦title: ¦body: ¦outcome: failed¦state: DONE¦type: ¦\
    ran_for: ¦\"> 2h\"¦time: ¦not: ¦any: ¦raw: ¦if ¦for x in raw¦endif¦job¦| upper¦1¦<<<<<<< a\n¦```\n¦“";

fn words() -> Vec<&'static str> {
    WORDS.split('¦').collect()
}

fn soup() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(words()), 0..60).prop_map(|words| words.concat())
}

/// One thing a hand at the keyboard, or half a write, does to a file.
#[derive(Debug, Clone)]
enum Edit {
    Cut(usize, usize),
    Insert(usize, &'static str),
    Copy(usize, usize, usize),
    Truncate(usize),
    SwapLines(usize, usize),
    Indent(usize, usize),
    Outdent(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<usize>;
    prop_oneof![
        (at(), 1_usize..30).prop_map(|(at, len)| Edit::Cut(at, len)),
        (at(), proptest::sample::select(words())).prop_map(|(at, token)| Edit::Insert(at, token)),
        (at(), 1_usize..200, at()).prop_map(|(from, len, to)| Edit::Copy(from, len, to)),
        at().prop_map(Edit::Truncate),
        (at(), at()).prop_map(|(one, other)| Edit::SwapLines(one, other)),
        (at(), 1_usize..5).prop_map(|(line, by)| Edit::Indent(line, by)),
        at().prop_map(Edit::Outdent),
    ]
}

impl Edit {
    fn apply(&self, text: &str) -> String {
        let mut letters: Vec<char> = text.chars().collect();
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        let (size, height) = (letters.len() + 1, lines.len());
        match *self {
            Edit::Cut(at, len) => {
                let at = at % size;
                letters.drain(at..(at + len).min(size - 1));
            }
            Edit::Insert(at, token) => {
                letters.splice(at % size..at % size, token.chars());
            }
            Edit::Copy(from, len, to) => {
                let from = from % size;
                let part = letters[from..(from + len).min(size - 1)].to_vec();
                letters.splice(to % size..to % size, part);
            }
            Edit::Truncate(at) => letters.truncate(at % size),
            Edit::SwapLines(one, other) => {
                lines.swap(one % height, other % height);
                return lines.join("\n");
            }
            Edit::Indent(line, by) => {
                lines[line % height].insert_str(0, &" ".repeat(by));
                return lines.join("\n");
            }
            Edit::Outdent(line) => {
                let line = &mut lines[line % height];
                *line = line.strip_prefix(' ').unwrap_or(line).to_owned();
                return lines.join("\n");
            }
        }
        letters.into_iter().collect()
    }
}

proptest! {
    #[test]
    fn bytes_are_used_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        shown(bytes);
    }

    #[test]
    fn words_in_any_order_are_used_or_refused(text in soup()) {
        shown(text);
    }

    #[test]
    fn edited_files_are_used_or_refused(
        seed in proptest::sample::select(seeds()),
        edits in proptest::collection::vec(edit(), 1..5),
    ) {
        shown(edits.iter().fold(seed, |text, edit| edit.apply(&text)));
    }
}

/// Without the words of its comments, which are for people, but with their signs.
fn sample_in_short() -> String {
    let line = |line: &'static str| if line.trim_start().starts_with("# ") { "# x" } else { line };
    let mut lines: Vec<&str> = SAMPLE.lines().map(line).collect();
    lines.dedup();
    lines.join("\n") + "\n"
}

#[test]
fn the_sample_without_any_one_character_loads_or_says_where() {
    let text = sample_in_short();
    assert!(holds(text.as_str()).config.is_some());
    let refused = text.char_indices().filter(|(at, letter)| {
        let changed = format!("{}{}", &text[..*at], &text[at + letter.len_utf8()..]);
        holds(changed).config.is_none()
    });
    // Both happen, or nothing was tried.
    let refused = refused.count();
    assert!(refused > 100 && refused < text.chars().count() - 100, "{refused}");
}

#[test]
fn the_sample_without_any_one_line_or_with_two_swapped_loads_or_says_where() {
    let lines: Vec<&str> = SAMPLE.lines().collect();
    for at in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(at);
        holds(fewer.join("\n"));
        let mut swapped = lines.clone();
        swapped.swap(at, (at + 1) % lines.len());
        holds(swapped.join("\n"));
    }
}

/// A part many times, each with its own number for `N`.
fn numbered(count: usize, part: &str) -> String {
    (0..count).map(|n| part.replace('N', &n.to_string())).collect()
}

#[test]
fn a_large_file_is_read_or_refused_in_time_that_grows_with_it() {
    let many = |part: &str| part.repeat(1_000_000 / part.len());
    let head = "receivers: { a: { kind: console } }\nroutes: [{ name: b, to: a }]\n";
    for text in [
        many("x"),
        many("\n"),
        many(" "),
        many("#\n"),
        many("- "),
        many("- a\n"),
        many("["),
        many("{"),
        many("? "),
        many("a: "),
        many("\""),
        many("'\n"),
        many("&a "),
        many("*a "),
        many("!a "),
        many("---\n"),
        many("\t"),
        many("\u{feff}"),
        many("${"),
        many("{{"),
        many("{%"),
        format!("{head}messages: {{ a: {{ title: \"{}\" }} }}\n", many("{{ x }} ")),
        format!("{head}messages: {{ a: {{ title: \"{}\" }} }}\n", many("{{")),
        format!("{head}messages: {{ a: {{ title: \"{}\" }} }}\n", many("{{ job }} ${")),
        format!("{head}messages: {{ a: {{ text: \"{}\" }} }}\n", many("[")),
        format!("{head}messages: {{ a: {{ title: \"{{{{ {} }}}}\" }} }}\n", many("(")),
        format!("{head}messages: {{ a: {{ title: \"{{{{ {}1 }}}}\" }} }}\n", many("1 + ")),
        format!("receivers: {{ a: {{ kind: webhook, url: \"{}\" }} }}\n", many("${A}")),
        format!("receivers: {{ a: {{ kind: webhook, url: \"{}\" }} }}\n", many("${")),
        numbered(20_000, "kN: x\n"),
        format!("receivers:\n{}", numbered(5_000, "  rN: { kind: console, xN: y }\n")),
        format!("receivers: {{ a: {{ kind: webhook, {} }} }}\n", numbered(10_000, "xN: y, ")),
        format!("{head}messages: {{ a: {{ {} }} }}\n", numbered(10_000, "xN: y, ")),
        format!(
            "receivers: {{ a: {{ kind: console }} }}\nroutes:\n{}",
            many("  - { name: x, to: [b, c], when: { stat: x } }\n")
        ),
    ] {
        let checked = holds(text);
        for format in [Format::Human, Format::Json, Format::Github] {
            let _ = checked.text(format, false);
        }
    }
    let checked = holds(vec![b'#'; 5_000_000]);
    assert!(checked.text(Format::Github, false).contains("larger than 4 MiB"));
}
