//! Many deliveries at once: which, how many they are, whether that is meant, and then share by share.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Args;
use clap::builder::PossibleValuesParser;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::client::converse;
use super::deliveries::{deliveries_table, state_word};
use super::failure::Failure;
use super::output::{count, say, say_json};
use super::table::{Column, table};
use super::times::{Since, since};
use crate::delivery::api_client::{ApiClient, ApiError};
use crate::event::DeliveryId;
use crate::receiver::Reason;
use crate::server::types::{Counted, Range, Step};
use crate::store::{Delivery, DeliveryState, Replayed};

/// New deliveries that are listed one by one in JSON.
const LISTED: usize = 1_000;

/// Flags that select deliveries; all that are given must hold.
#[derive(Args)]
#[command(next_help_heading = "Many at once")]
pub struct RangeArgs {
    /// Those of this receiver
    #[arg(long, value_name = "NAME")]
    pub receiver: Option<String>,

    /// Those of this route
    #[arg(long, value_name = "NAME")]
    pub route: Option<String>,

    /// Those in this state [default: dead]
    #[arg(long, value_parser = PossibleValuesParser::new(["owed", "delivered", "dead", "dismissed"]))]
    pub state: Option<String>,

    /// Those whose last attempt failed for this, like `auth`, `timeout` or `template`
    #[arg(long, value_name = "REASON")]
    pub reason: Option<Reason>,

    /// Those owed since then: 2h, 3d, or 2026-01-31T09:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub since: Option<Since>,

    /// Those owed before then
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub until: Option<Since>,

    #[command(flatten)]
    pub care: CareArgs,
}

/// Flags for doing much at once.
#[derive(Args)]
pub struct CareArgs {
    /// Only say what would be done
    #[arg(long)]
    pub dry_run: bool,

    /// Do not ask, even if there are many
    #[arg(long, short)]
    pub yes: bool,
}

impl RangeArgs {
    /// As the API has it.
    pub fn range(&self, now: Timestamp) -> Range {
        let state = self.state.as_deref().and_then(|word| {
            [DeliveryState::Owed, DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Dismissed]
                .into_iter()
                .find(|state| state_word(*state) == word)
        });
        Range {
            receiver: self.receiver.clone(),
            route: self.route.clone(),
            state,
            reason: self.reason,
            since: self.since.map(|since| since.at(now)),
            until: self.until.map(|until| until.at(now)),
            owed: false,
            before: None,
        }
    }
}

/// What one share came to, of a replay or of a dismissal.
#[derive(Deserialize)]
struct Share {
    #[serde(default)]
    replayed: Vec<Replayed>,
    #[serde(default)]
    moved: u64,
    #[serde(flatten)]
    step: Step,
}

/// What all shares came to.
#[derive(Debug, Default, Serialize)]
pub struct Sum {
    /// Deliveries replayed, dismissed, or counted.
    pub count: u64,
    /// Deliveries moved to another receiver.
    pub moved: u64,
    pub counts: Vec<Counted>,
    /// The first few.
    pub first: Vec<Delivery>,
    /// The first of the new ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replayed: Vec<Replayed>,
    #[serde(skip)]
    pub before: Option<DeliveryId>,
}

impl Sum {
    /// All that is told of.
    pub fn all(&self) -> u64 {
        self.count + self.moved
    }

    fn add(&mut self, share: Share) {
        let Share { replayed, moved, step } = share;
        self.moved += moved;
        self.before = self.before.or(step.before);
        for counted in step.counts {
            // What moves is in `moved`.
            if moved == 0 || counted.state != DeliveryState::Owed {
                self.count += counted.count;
            }
            let same = |c: &&mut Counted| {
                (&c.receiver, &c.route, c.state) == (&counted.receiver, &counted.route, counted.state)
            };
            match self.counts.iter_mut().find(same) {
                Some(known) => known.count += counted.count,
                None => self.counts.push(counted),
            }
        }
        if self.first.is_empty() {
            self.first = step.first;
        }
        let room = LISTED.saturating_sub(self.replayed.len());
        self.replayed.extend(replayed.into_iter().take(room));
    }
}

/// Something done to many deliveries.
pub struct Deed<'a> {
    /// The address that does it.
    pub path: &'static str,
    /// `replay`.
    pub verb: &'static str,
    /// `replayed`.
    pub done: &'static str,
    pub care: &'a CareArgs,
    pub json: bool,
}

impl Deed<'_> {
    /// Looks what there is, shows it, asks, and does it. `request` makes a request: whether it is a dry run, the end of the range,
    /// where to go on. `tell` says what was done.
    pub fn run<R: Serialize>(
        &self,
        client: &ApiClient,
        request: impl Fn(bool, Option<DeliveryId>, Option<String>) -> R,
        tell: impl Fn(&Sum) -> Result<(), Failure>,
    ) -> Result<ExitCode, Failure> {
        let Deed { path, verb, done, care, json } = *self;
        let now = Timestamp::now();
        let mut found = Sum::default();
        converse(async { Ok(through(client, path, |next| request(true, None, next), None, &mut found).await?) })?;
        if care.dry_run && json {
            return say_json(&found).map(|()| ExitCode::SUCCESS);
        }
        if found.all() == 0 {
            return tell(&found).map(|()| ExitCode::SUCCESS);
        }
        if care.dry_run {
            let text = format!("{}\n\n{}", overview(&found, now), amount(&found, " would be", done, "moved"));
            return say(text).map(|()| ExitCode::SUCCESS);
        }
        if found.all() > 1 && !care.yes && !json {
            say(overview(&found, now))?;
        }
        if !meant(found.all(), &amount(&found, " to", verb, "move"), care.yes)? {
            return say(format_args!("Nothing was {done}.")).map(|()| ExitCode::FAILURE);
        }
        let mut sum = Sum::default();
        let ended = converse(async {
            Ok(through(client, path, |next| request(false, found.before, next), Some(found.all()), &mut sum).await?)
        });
        // What was done before a failure is told, too.
        if ended.is_ok() || sum.all() > 0 {
            tell(&sum)?;
        }
        let goes_on = format!("what was {done} stays so, and the same command goes on with the rest");
        ended.map(|()| ExitCode::SUCCESS).map_err(|failure| failure.help(goes_on))
    }
}

/// Asks for share after share; `request` makes each request of the `next` of the answer before. What was done before a failure is in
/// `sum`. With `of`, a terminal is told how far it has come.
async fn through<R: Serialize>(
    client: &ApiClient,
    path: &str,
    request: impl Fn(Option<String>) -> R,
    of: Option<u64>,
    sum: &mut Sum,
) -> Result<(), ApiError> {
    let mut next = None;
    loop {
        let mut share: Share = client.post(path, &request(next)).await?;
        next = share.step.next.take();
        sum.add(share);
        if let Some(of) = of.filter(|_| io::stderr().is_terminal()) {
            let end = if next.is_none() { "\n" } else { "" };
            eprint!("\r{} of {of}{end}", sum.all());
        }
        if next.is_none() {
            return Ok(());
        }
    }
}

/// Whether to go on: one, or `--yes`, or a person says so.
pub fn meant(all: u64, what: &str, yes: bool) -> Result<bool, Failure> {
    if all <= 1 || yes {
        return Ok(true);
    }
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return Err(Failure::usage(format!("this is about {what}: say --yes if you mean it"))
            .help("--dry-run shows which they are"));
    }
    eprint!("{what}: go on? [y/N] ");
    let mut answer = String::new();
    let read = io::stderr().flush().and_then(|()| io::stdin().read_line(&mut answer));
    Ok(read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// `1203 deliveries to replay, and 5 owed deliveries to move`, of ` to`, `replay` and `move`.
fn amount(sum: &Sum, link: &str, deed: &str, shift: &str) -> String {
    let done = (sum.moved == 0 || sum.count > 0).then(|| format!("{}{link} {deed}", count(sum.count, "delivery")));
    let moved = (sum.moved > 0).then(|| format!("{}{link} {shift}", count(sum.moved, "owed delivery")));
    done.into_iter().chain(moved).collect::<Vec<_>>().join(", and ")
}

/// How many of which, and what the first look like.
fn overview(sum: &Sum, now: Timestamp) -> String {
    let mut parts = Vec::new();
    if !sum.counts.is_empty() {
        parts.push(counts_table(&sum.counts));
    }
    if !sum.first.is_empty() {
        parts.push(format!("The first of them:\n{}", deliveries_table(&sum.first, now)));
    }
    parts.join("\n\n")
}

/// Deliveries by receiver, route and state.
pub fn counts_table(counts: &[Counted]) -> String {
    let columns =
        [Column::Wraps("RECEIVER"), Column::Wraps("ROUTE"), Column::Fixed("STATE"), Column::Fixed("DELIVERIES")];
    let row = |c: &Counted| {
        let route = if c.route.is_empty() { "(none)".to_owned() } else { c.route.to_string() };
        vec![c.receiver.to_string(), route, state_word(c.state).to_owned(), c.count.to_string()]
    };
    table(&columns, counts.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn share(count: u64, moved: u64) -> Share {
        let counts = json!([{"receiver": "ops", "route": "failed", "state": "dead", "count": count}]);
        serde_json::from_value(json!({"moved": moved, "counts": counts, "before": "dlv_0000000000009"})).unwrap()
    }

    #[test]
    fn shares_add_up() {
        let mut sum = Sum::default();
        sum.add(share(2_000, 0));
        sum.add(share(3, 4));
        assert_eq!((sum.count, sum.moved, sum.counts.len(), sum.counts[0].count), (2_003, 4, 1, 2_003));
        assert_eq!(sum.before, Some(DeliveryId(9)));
        assert_eq!(amount(&sum, " to", "replay", "move"), "2003 deliveries to replay, and 4 owed deliveries to move");
        insta::assert_snapshot!(overview(&sum, Timestamp::UNIX_EPOCH), @r"
        RECEIVER  ROUTE   STATE  DELIVERIES
        ops       failed  dead   2003
        ");
    }

    #[test]
    fn what_moves_is_listed_and_counted_once() {
        let share = json!({
            "moved": 10,
            "counts": [{"receiver": "ops", "route": "failed", "state": "owed", "count": 10}],
        });
        let mut sum = Sum::default();
        sum.add(serde_json::from_value(share).unwrap());
        assert_eq!((sum.count, sum.moved, sum.all()), (0, 10, 10));
        assert_eq!(amount(&sum, " to", "replay", "move"), "10 owed deliveries to move");
        assert_eq!(amount(&sum, " would be", "replayed", "moved"), "10 owed deliveries would be moved");
        let shown = overview(&sum, Timestamp::UNIX_EPOCH);
        assert!(shown.ends_with("owed   10"), "{shown}");
        assert_eq!(amount(&Sum { count: 1, ..Sum::default() }, " to", "dismiss", "move"), "1 delivery to dismiss");
    }

    #[test]
    fn one_needs_no_question_and_many_do() {
        assert_eq!(meant(1, "", false), Ok(true));
        assert_eq!(meant(9, "", true), Ok(true));
        if !io::stdin().is_terminal() {
            let refused = meant(9, "9 deliveries", false).unwrap_err().to_string();
            assert!(
                refused.contains("9 deliveries") && refused.contains("--yes") && refused.contains("--dry-run"),
                "{refused}"
            );
        }
    }
}
