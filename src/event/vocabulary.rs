//! The vocabulary: every word there is, once, with what it means and what it is good for. Conditions, templates, samples, searches,
//! the JSON Schema and help texts all go by this table, so that a word means the same wherever it stands.

use Sort::{Duration, Hours, Outcome, Resource, State, Structure, Text, Type};
use Use::{Print, Sample, Search, Show, When};

/// A word of the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// As written everywhere: `data_product`.
    pub name: &'static str,
    /// What it means, for people: one line.
    pub doc: &'static str,
    /// What it stands for.
    pub sort: Sort,
    uses: &'static [Use],
}

/// What a word stands for, and so how it is asked for and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// A text, compared by patterns.
    Text,
    /// A job type: the vendor's, or any other.
    Type,
    /// A state: the vendor's, or any other.
    State,
    /// One of the relay's own outcomes.
    Outcome,
    /// A thing with `.id` and `.name`.
    Resource,
    /// A stretch of time, compared by `<` and `>`.
    Duration,
    /// A point in time, asked for by days and hours.
    Hours,
    /// A list or map.
    Structure,
}

/// What a word is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// May be asked for in `when`.
    When,
    /// Printed by templates.
    Print,
    /// Shown by `jobrelay events show`.
    Show,
    /// Searched for in the API and by `jobrelay events`.
    Search,
    /// Set in a made-up event: `send`, `explain`, inline tests.
    Sample,
}

/// Every word, in the order they are told in.
pub const VOCABULARY: [Word; 25] = [
    word("type", Type, &[When, Print, Show, Search, Sample], "What sort of job it is"),
    word("type_label", Text, &[When, Print], "The job type, written for people: `Load source`"),
    word("state", State, &[When, Print, Show, Search, Sample], "The state the job is in now"),
    word("since", Text, &[When, Print, Show], "When that state was entered: `2026-01-31T08:00:00.000Z`"),
    word("outcome", Outcome, &[When, Print, Show, Search, Sample], "How a DONE job ended; no other job has an outcome"),
    word("reason", Text, &[When, Print, Show, Search, Sample], "Why it was stopped or failed: `PLANNING_FAILED`"),
    word("error", Text, &[When, Print, Show, Search, Sample], "The error message"),
    word("resource", Resource, &[When, Print, Search], "Name or ID of anything the job ran for"),
    word("source", Resource, &[When, Print, Show, Search, Sample], "Name or ID of the source"),
    word("data_product", Resource, &[When, Print, Show, Search, Sample], "Name or ID of the data product"),
    word("workflow", Resource, &[When, Print, Show, Search, Sample], "Name or ID of the workflow"),
    word("destination", Resource, &[When, Print, Show, Search, Sample], "Name or ID of the destination"),
    word("job", Text, &[When, Print, Show, Sample], "The job's ID"),
    word("queued_for", Duration, &[When, Print, Show, Sample], "How long it waited before it ran"),
    word("ran_for", Duration, &[When, Print, Show, Sample], "How long it ran, until DONE"),
    word("tenant", Text, &[When, Print, Show, Search, Sample], "The host that sent it, or the first part of its name"),
    word("event_id", Text, &[When, Print, Show], "The sender's ID of the event"),
    word(
        "event_type",
        Text,
        &[When, Print, Show, Search],
        "The event's own type; `jobrelay.…` for what the relay says of itself",
    ),
    word(
        "time",
        Hours,
        &[When, Print, Show, Sample],
        "When it was: in messages by the sender's clock, in `when` by the relay's",
    ),
    word("received_at", Text, &[Print, Show], "When the relay received it"),
    word("history", Structure, &[Print, Show], "The states before, oldest first, each with `state` and `since`"),
    word("raw", Structure, &[When, Print], "Any field of the event as it came, by its path"),
    word("route", Text, &[Print], "The route that applied; empty for a recovery"),
    word("receiver", Text, &[Print], "The receiver it goes to"),
    word("delivery", Text, &[Print], "The ID of this delivery"),
];

const fn word(name: &'static str, sort: Sort, uses: &'static [Use], doc: &'static str) -> Word {
    Word { name, doc, sort, uses }
}

impl Word {
    /// Whether it is good for this.
    #[must_use]
    pub fn is_for(&self, wanted: Use) -> bool {
        self.uses.contains(&wanted)
    }
}

/// The word of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Word> {
    VOCABULARY.iter().find(|word| word.name == name)
}

/// The words that are good for something, in their order.
pub fn words(wanted: Use) -> impl Iterator<Item = &'static Word> {
    VOCABULARY.iter().filter(move |word| word.is_for(wanted))
}

/// Their names.
pub fn names(wanted: Use) -> impl Iterator<Item = &'static str> {
    words(wanted).map(|word| word.name)
}

/// Whether this names a thing with `.id` and `.name`.
#[must_use]
pub fn is_resource(name: &str) -> bool {
    find(name).is_some_and(|word| word.sort == Resource)
}

#[cfg(test)]
mod tests {
    use super::super::{Form, Received, flat, parse};
    use super::*;

    #[test]
    fn each_word_stands_once_and_says_what_it_means_on_one_line() {
        for (at, word) in VOCABULARY.iter().enumerate() {
            assert_eq!(VOCABULARY.iter().position(|other| other.name == word.name), Some(at), "{}", word.name);
            assert!(!word.doc.is_empty() && !word.doc.contains('\n') && !word.doc.ends_with('.'), "{}", word.doc);
        }
    }

    /// A word that is shown or searched must be in what the API answers.
    #[test]
    fn the_flat_event_speaks_the_vocabulary() {
        let form = Form { content_type: String::new(), attributes: Vec::new() };
        let received = Received { form, body: r#"{"jobId": "j"}"#.into(), received_at: jiff::Timestamp::UNIX_EPOCH };
        let event = parse(received).expect("readable");
        let flat = serde_json::to_value(flat(&event)).expect("JSON");
        let members: Vec<&str> = flat.as_object().expect("an object").keys().map(String::as_str).collect();
        for member in &members {
            assert!(find(member).is_some(), "{member} is no word of the vocabulary");
        }
        for name in names(Show).chain(names(Search)) {
            assert!(members.contains(&name), "{name} is not in the flat event");
        }
    }
}
