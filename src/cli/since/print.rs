//! Looking back, in words.

use std::fmt;

use super::Hindsight;
use crate::cli::output::{count, one_line};
use crate::cli::table::{Column, table};
use crate::cli::times::stamp;
use crate::config::compare::{Example, ReceiverDifference};

impl fmt::Display for Hindsight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let difference = &self.difference;
        if difference.events == 0 && self.unreadable == 0 {
            return writeln!(f, "no events since {}: there is nothing to compare.", stamp(self.since));
        }
        let same = if self.before == self.after { ": the same" } else { "" };
        writeln!(
            f,
            "{} since {}, by this file ({}) and by the one that ran last ({}, from {}){same}.",
            count(difference.events, "event"),
            stamp(self.since),
            self.after,
            self.before,
            stamp(self.before_since),
        )?;
        if self.unreadable > 0 {
            writeln!(f, "{} could not be read any more.", count(self.unreadable, "event"))?;
        }
        if difference.is_none() {
            return writeln!(f, "Every message would have been the same.");
        }
        let columns = [
            Column::Wraps("RECEIVER"),
            Column::Fixed("BEFORE"),
            Column::Fixed("NOW"),
            Column::Fixed("MORE"),
            Column::Fixed("FEWER"),
            Column::Fixed("CHANGED"),
        ];
        let row = |(name, of): (&std::sync::Arc<str>, &ReceiverDifference)| {
            let numbers = [of.before, of.after, of.more, of.fewer, of.changed];
            std::iter::once(name.to_string()).chain(numbers.iter().map(u64::to_string)).collect()
        };
        writeln!(f, "\n{}", table(&columns, difference.receivers.iter().map(row).collect()))?;
        for (name, of) in &difference.receivers {
            examples(f, &format!("{name}: {} more", of.more), of.more, &of.examples.more)?;
            examples(f, &format!("{name}: {} fewer", of.fewer), of.fewer, &of.examples.fewer)?;
            examples(f, &format!("{name}: {} changed", of.changed), of.changed, &of.examples.changed)?;
        }
        let (nobody, failed) = (&difference.newly_nobody, difference.failed_unheard.count);
        let of_them = if failed > 0 { format!(", {failed} of them failed jobs") } else { String::new() };
        let title = format!("{} would newly reach nobody{of_them}", count(nobody.count, "event"));
        // The failed ones are what matters.
        let shown = if failed > 0 { &difference.failed_unheard.examples } else { &nobody.examples };
        examples(f, &title, nobody.count, shown)
    }
}

fn examples(f: &mut fmt::Formatter<'_>, title: &str, all: u64, examples: &[Example]) -> fmt::Result {
    if all == 0 {
        return Ok(());
    }
    let such = if all > examples.len() as u64 { ", such as" } else { "" };
    writeln!(f, "\n{title}{such}")?;
    for example in examples {
        let route = if example.route.is_empty() { "recovery".to_owned() } else { format!("route {:?}", example.route) };
        writeln!(f, "  {}  {}  {} ({route})", example.event, stamp(example.at), one_line(&example.what))?;
        if let Some((was, is)) = &example.words {
            writeln!(f, "    was: {was}\n    now: {is}")?;
        }
    }
    Ok(())
}
