//! The audit in words: a page.

use std::fmt;

use super::Report;
use crate::cli::output::{count, figure, one_line};
use crate::store::{Checked, Flaw};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checked { events, deliveries, owed, attempts, references, lines } = self.audit.checked;
        writeln!(f, "Checked")?;
        writeln!(f, "  {}: readable, unchanged, decided, all their deliveries there", figure(events, "event"))?;
        writeln!(
            f,
            "  {} ({owed} owed) and {}: each with its event, in a state its attempts bear out",
            figure(deliveries, "delivery"),
            figure(attempts, "earlier attempt"),
        )?;
        writeln!(
            f,
            "  {} (open failures, threads) and the indexes: each leads to a row that is there",
            figure(references, "reference")
        )?;
        writeln!(f, "  {} in the books: each is what the rows add up to", figure(lines, "number"))?;
        if self.relay {
            writeln!(f, "  the running relay: its books, and that a lane works on everything that is due")?;
        } else {
            writeln!(f, "\nThe running relay was not asked whether it works on all that is owed: name it with --url.")?;
        }
        if self.ok {
            return write!(f, "\nAll is well.");
        }
        for (flaw, finding) in &self.audit.findings {
            let (what, cure) = words(*flaw);
            writeln!(f, "\n{what}: {}", finding.count)?;
            for example in &finding.examples {
                writeln!(f, "  {}", one_line(example))?;
            }
            let more = finding.count - finding.examples.len() as u64;
            if more > 0 {
                writeln!(f, "  and {more} more")?;
            }
            writeln!(f, "  to do: {cure}")?;
        }
        let all = self.audit.findings.values().map(|finding| finding.count).sum();
        write!(f, "\n{}.", count(all, "thing that is wrong").replace("thing that is wrongs", "things that are wrong"))
    }
}

const REPAIR: &str = "stop the relay, keep this file, and `jobrelay repair` saves what can be read into a new one; or copy a backup back and remove the -wal and -shm beside it";

/// What it means, and what to do.
fn words(flaw: Flaw) -> (&'static str, &'static str) {
    match flaw {
        Flaw::DamagedFile => ("The file is damaged", REPAIR),
        Flaw::DamagedRow => ("Rows hold what no relay writes", REPAIR),
        Flaw::EventChanged => (
            "Events are not what was received",
            "after a change of version: tell the maintainers; else the disk is to blame, look at its health, copy a backup back and remove the -wal and -shm beside it",
        ),
        Flaw::Undecided => ("Events without their decision", "`jobrelay replay evt_…` decides each of them anew"),
        Flaw::VersionLost => {
            ("Versions of routes.yaml that are not kept", "what they decided stands; it cannot be recomputed any more")
        }
        Flaw::DeliveryMissing => {
            ("Decided, and no delivery", "`jobrelay replay evt_…` decides each of these events anew")
        }
        Flaw::DeliveryWrong => (
            "Deliveries that were not decided so",
            "look at each with `jobrelay explain dlv_…`; `jobrelay dismiss dlv_…` takes it off",
        ),
        Flaw::Orphan => ("Deliveries, attempts or copies of nothing", REPAIR),
        Flaw::StateWrong => (
            "Deliveries in a state their attempts do not bear out",
            "ask the receiver whether it has them; `jobrelay replay dlv_…` sends one again, `jobrelay dismiss dlv_…` takes it off",
        ),
        Flaw::IndexWrong => ("Rows that are not found where they are looked for", REPAIR),
        Flaw::ReferenceWrong => ("Open failures or threads that lead nowhere", REPAIR),
        Flaw::BooksWrong => ("The books do not say what the rows say", REPAIR),
        Flaw::Forgotten => (
            "Owed and due, and no lane is at it",
            "restart the relay: it reads all that is owed when it starts; and tell the maintainers",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Audit;

    #[test]
    fn what_was_checked_and_what_was_not() {
        let mut audit = Audit::default();
        audit.checked.events = 2;
        let report = Report { ok: true, relay: false, audit };
        insta::assert_snapshot!(report.to_string(), @r"
        Checked
          2 events: readable, unchanged, decided, all their deliveries there
          0 deliveries (0 owed) and 0 earlier attempts: each with its event, in a state its attempts bear out
          0 references (open failures, threads) and the indexes: each leads to a row that is there
          0 numbers in the books: each is what the rows add up to

        The running relay was not asked whether it works on all that is owed: name it with --url.

        All is well.
        ");
    }
}
