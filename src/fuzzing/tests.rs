//! The committed corpus, as it is and changed by seeded chance: what needs no fuzzer, with every build.
//!
//! `FUZZ_CASES=100000 cargo test fuzzing` looks further than the suite does.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use fastrand::Rng;

/// What a target's corpus and so many changes of it do not hold, if anything.
fn replay(target: &str, cases: u64, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let mut inputs: Vec<_> =
        fs::read_dir(folder.join("corpus").join(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    let inputs: Vec<Vec<u8>> = inputs.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(inputs.len() >= 10, "{target}: too little to say anything");
    let words = words(&fs::read_to_string(folder.join("words.dict")).unwrap());
    let cases = std::env::var("FUZZ_CASES").map_or(cases, |cases| cases.parse().expect("FUZZ_CASES is a number"));
    let changed = (0..cases).map(|seed| changed(&inputs, &words, &mut Rng::with_seed(seed)));
    for input in inputs.iter().cloned().chain(changed) {
        assert!(
            catch_unwind(|| check(&input)).is_ok(),
            "{target}: {:?} does not hold",
            String::from_utf8_lossy(&input)
        );
    }
}

/// The words of libFuzzer's dictionary: quoted, with `\\xNN` for bytes.
fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let quoted = dictionary.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.map(unquoted).collect()
}

fn unquoted(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        out.push(match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                rest = after;
                let digits = [*high, *low];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            (b'\\', [next, after @ ..]) => {
                rest = after;
                *next
            }
            _ => *first,
        });
    }
    out
}

/// One of the inputs after a few strokes: bytes cut, turned, repeated, words put in, parts of others taken over.
fn changed(inputs: &[Vec<u8>], words: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    let mut input = rng.choice(inputs).unwrap().clone();
    for _ in 0..rng.usize(1..6) {
        let from = rng.usize(0..=input.len());
        let to = (from + rng.usize(0..=40)).min(input.len());
        match rng.u8(0..6) {
            0 => drop(input.drain(from..to)),
            1 => input[from..to].iter_mut().take(1).for_each(|byte| *byte ^= 1 << rng.u8(0..8)),
            2 => {
                let part = input[from..to].repeat(rng.usize(1..20));
                input.splice(from..from, part);
            }
            3 => {
                let other = rng.choice(inputs).unwrap();
                let begin = rng.usize(0..=other.len());
                let end = (begin + rng.usize(0..=200)).min(other.len());
                input.splice(from..to, other[begin..end].iter().copied());
            }
            _ => drop(input.splice(from..from, rng.choice(words).unwrap().iter().copied())),
        }
    }
    input
}

#[test]
fn one_event_has_one_reading() {
    replay("event", 300, super::event);
}

#[test]
fn a_file_is_used_or_refused_and_read_again_the_same() {
    replay("routes", 60, super::routes);
}

#[test]
fn conditions_hold_as_they_are_written_and_what_follows_does() {
    replay("when", 200, super::when);
}

#[test]
fn what_an_event_says_stays_text_in_every_kind() {
    replay("message", 30, super::message);
}

#[test]
fn no_answer_makes_a_lane_wait_longer_than_an_hour() {
    replay("retry_after", 30, super::retry_after);
}

#[test]
fn what_is_signed_verifies_and_a_door_opens_to_its_key_alone() {
    replay("signature", 300, super::signature);
}
