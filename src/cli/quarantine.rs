//! `quarantine`: what could not be read, and why. `replay --quarantine` and `dismiss --quarantine` end here, too.

use std::process::ExitCode;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use serde::Serialize;

use super::bytes::{shown, write_raw};
use super::client::{RelayArgs, converse};
use super::failure::Failure;
use super::output::{count, one_line, say, say_json};
use super::range::{CareArgs, meant};
use super::replay::Id;
use super::table::{Column, table};
use super::times::stamp;
use crate::delivery::api_client::ApiClient;
use crate::server::types::{
    DismissAnswer, DismissItemsRequest, QuarantineItem, QuarantineList, Reread, RereadAnswer, RereadRequest,
    RereadResult,
};
use crate::store::QuarantineTotals;

const PATH: &str = "/api/v1/quarantine";
/// All there can be.
const ALL: usize = 1_000;
/// Items read again in one request.
const SHARE: usize = 100;

/// List what came in and could not be read, newest first, or show one such item
#[derive(Args)]
#[command(
    after_help = "What came over and over is listed once. At most 1,000 items and 64 MiB are kept; the oldest go, and are counted.

Examples:
  jobrelay quarantine
  jobrelay quarantine 7                 why, and what came: headers and body
  jobrelay quarantine 7 --raw > body    the body, byte for byte (a secret in it is shown as ***)
  jobrelay replay --quarantine          read them again, after an upgrade
  jobrelay dismiss --quarantine 7       it is of no use

Times are UTC."
)]
pub struct QuarantineArgs {
    /// One item in full
    id: Option<i64>,

    /// Write its body to standard output, as it came
    #[arg(long, requires = "id", conflicts_with = "json")]
    raw: bool,

    /// At most so many
    #[arg(long, value_name = "N", default_value = "20", value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    limit: usize,

    #[command(flatten)]
    relay: RelayArgs,
}

impl QuarantineArgs {
    /// Asks and prints.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let client = self.relay.client()?;
        match self.id {
            Some(id) if self.raw => write_raw(&body(&client, id)?)?,
            Some(id) => self.one(&client, id)?,
            None => self.list(&client)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self, client: &ApiClient) -> Result<(), Failure> {
        let list = listed(client, self.limit)?;
        if self.relay.json { say_json(&list) } else { say(list_text(&list)) }
    }

    fn one(&self, client: &ApiClient, id: i64) -> Result<(), Failure> {
        let item: QuarantineItem = converse(async { Ok(client.get(&format!("{PATH}/{id}"), &[]).await?) })?;
        if self.relay.json { say_json(&item) } else { say(one_text(&item, &body(client, id)?)) }
    }
}

fn listed(client: &ApiClient, limit: usize) -> Result<QuarantineList, Failure> {
    converse(async { Ok(client.get(PATH, &[("limit", limit.to_string())]).await?) })
}

fn body(client: &ApiClient, id: i64) -> Result<Vec<u8>, Failure> {
    converse(async { Ok(client.get_bytes(&format!("{PATH}/{id}/body")).await?) })
}

fn list_text(list: &QuarantineList) -> String {
    let mut parts = Vec::new();
    if list.items.is_empty() {
        parts.push("The quarantine is empty: all that came in could be read.".to_owned());
    } else {
        let columns = [
            Column::Fixed("ID"),
            Column::Spare("FIRST"),
            Column::Fixed("LAST"),
            Column::Fixed("TIMES"),
            Column::Spare("BYTES"),
            Column::Spare("TYPE"),
            Column::Wraps("WHY"),
        ];
        let row = |item: &QuarantineItem| {
            vec![
                item.id.to_string(),
                stamp(item.first),
                stamp(item.last),
                item.count.to_string(),
                item.bytes.to_string(),
                item.content_type.clone(),
                item.reason.clone(),
            ]
        };
        parts.push(table(&columns, list.items.iter().map(row).collect()));
    }
    parts.extend(totals_text(list.totals, list.items.len() as u64));
    if let Some(item) = list.items.first() {
        let id = item.id;
        parts.push(format!(
            "One of them: jobrelay quarantine {id}\nRead them again after an upgrade: jobrelay replay --quarantine"
        ));
    }
    parts.join("\n\n")
}

/// What a list does not show: `37 older ones were dropped`.
fn totals_text(totals: QuarantineTotals, listed: u64) -> Option<String> {
    let QuarantineTotals { items, bytes, repeated, dropped, dismissed, reread } = totals;
    let mut said = Vec::new();
    if items > listed {
        said.push(format!("{listed} of {items} items are shown, with {bytes} bytes in all"));
    }
    for (n, one, more) in [
        (dropped, "older one was dropped to make room", "older ones were dropped to make room"),
        (repeated, "repeat only counted", "repeats only counted"),
        (reread, "was read again and became an event", "were read again and became events"),
        (dismissed, "was dismissed", "were dismissed"),
    ] {
        match n {
            0 => {}
            1 => said.push(format!("1 {one}")),
            _ => said.push(format!("{n} {more}")),
        }
    }
    (!said.is_empty()).then(|| format!("{}.", said.join("; ")))
}

fn one_text(item: &QuarantineItem, body: &[u8]) -> String {
    let id = item.id;
    let times = match item.count {
        1 => format!("came once, at {}", stamp(item.first)),
        n => format!("came {n} times, first at {}, last at {}", stamp(item.first), stamp(item.last)),
    };
    let row = |name: &str, value: &str| vec![name.to_owned(), one_line(value)];
    let mut rows = vec![row("why", &item.reason), row("content-type", &item.content_type)];
    rows.extend(item.headers.iter().map(|(name, value)| row(&format!("ce-{name}"), value)));
    let facts = table(&[Column::Fixed(""), Column::Wraps("")], rows);
    format!(
        "Item {id} {times}\n\n{facts}\n\nThe body, {}:\n{}\n\n\
         Was it a job event that this version cannot read? After an upgrade: jobrelay replay --quarantine {id}\n\
         Is it of no use? jobrelay dismiss --quarantine {id}",
        count(body.len() as u64, "byte"),
        shown(body, &format!("jobrelay quarantine {id} --raw writes all of them")),
    )
}

/// A number where another ID belongs.
pub fn not_an_item(number: i64) -> Failure {
    Failure::usage(format!("{number} is neither an event (evt_…) nor a delivery (dlv_…)"))
        .help(format!("an item of the quarantine is named by --quarantine {number}"))
}

/// The numbers among `ids`, oldest first; all items there are if there are none.
fn chosen(client: &ApiClient, ids: &[Id]) -> Result<Vec<i64>, Failure> {
    let mut numbers: Vec<i64> = if ids.is_empty() {
        listed(client, ALL)?.items.iter().map(|item| item.id).collect()
    } else {
        let number =
            |id: &Id| match id {
                Id::Item(number) => Ok(*number),
                Id::Event(_) | Id::Delivery(_) => Err(Failure::usage("items of the quarantine have plain numbers")
                    .help("`jobrelay quarantine` lists them")),
            };
        ids.iter().map(number).collect::<Result<_, _>>()?
    };
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

/// `replay --quarantine`.
pub fn replay(client: &ApiClient, ids: &[Id], care: &CareArgs, json: bool) -> Result<ExitCode, Failure> {
    let numbers = chosen(client, ids)?;
    if ids.is_empty() && !care.dry_run {
        let what = format!("{} to read again", count(numbers.len() as u64, "item"));
        if !meant(numbers.len() as u64, &what, care.yes)? {
            say("Nothing was read again.")?;
            return Ok(ExitCode::FAILURE);
        }
    }
    let mut items: Vec<Reread> = Vec::new();
    let asked = converse(async {
        for share in numbers.chunks(SHARE) {
            let request = RereadRequest { ids: share.to_vec(), dry_run: care.dry_run };
            let answer: RereadAnswer = client.post(&format!("{PATH}/replay"), &request).await?;
            items.extend(answer.items);
        }
        Ok(())
    });
    if asked.is_ok() || !items.is_empty() {
        if json { say_json(&Told { items: &items })? } else { say(reread_text(&items))? }
    }
    asked.map(|()| ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Told<'a> {
    items: &'a [Reread],
}

/// `dismiss --quarantine`.
pub fn dismiss(client: &ApiClient, ids: &[Id], care: &CareArgs, json: bool) -> Result<ExitCode, Failure> {
    let numbers = chosen(client, ids)?;
    let what = count(numbers.len() as u64, "item");
    if care.dry_run {
        say(format_args!("{what} would be dismissed"))?;
        return Ok(ExitCode::SUCCESS);
    }
    if numbers.is_empty() {
        say("The quarantine is empty.")?;
        return Ok(ExitCode::SUCCESS);
    }
    if ids.is_empty() && !meant(numbers.len() as u64, &format!("{what} of the quarantine to dismiss"), care.yes)? {
        say("Nothing was dismissed.")?;
        return Ok(ExitCode::FAILURE);
    }
    let request = DismissItemsRequest { ids: numbers, all: false };
    let answer: DismissAnswer = converse(async { Ok(client.post(&format!("{PATH}/dismiss"), &request).await?) })?;
    if json {
        say_json(&answer)?;
    } else {
        say(format_args!("{} dismissed", count(answer.dismissed, "item")))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn reread_text(items: &[Reread]) -> String {
    if items.is_empty() {
        return "The quarantine is empty.".to_owned();
    }
    let columns = [Column::Fixed("ID"), Column::Fixed("NOW"), Column::Wraps("")];
    let rows = items.iter().map(|item| vec![item.id.to_string(), word(item.result).to_owned(), outcome(item)]);
    let of = |result| items.iter().filter(|item| item.result == result).count() as u64;
    let (accepted, readable) = (of(RereadResult::Accepted), of(RereadResult::Readable));
    let sum = if readable > 0 {
        format!("{} could be read now. Nothing was done: leave out --dry-run to do it", count(readable, "item"))
    } else {
        format!("{} read and accepted", count(accepted, "item"))
    };
    format!("{}\n{sum}; {} cannot be read", table(&columns, rows.collect()), of(RereadResult::Unreadable))
}

fn word(result: RereadResult) -> &'static str {
    match result {
        RereadResult::Readable => "readable",
        RereadResult::Accepted => "accepted",
        RereadResult::Unreadable => "stays",
        RereadResult::Gone => "gone",
    }
}

fn outcome(item: &Reread) -> String {
    if let Some(reason) = &item.reason {
        return reason.clone();
    }
    let events = item.events.iter().map(|event| {
        let id = event.id.map(|id| format!("{id} ")).unwrap_or_default();
        if event.duplicate {
            return format!("{id}(known already, not sent again)");
        }
        let to = if event.receivers.is_empty() { "nobody".to_owned() } else { event.receivers.join(", ") };
        format!("{id}to {to}")
    });
    events.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;
    use crate::server::types::RereadEvent;

    fn item(id: i64, times: u64) -> QuarantineItem {
        QuarantineItem {
            id,
            content_type: "application/json".to_owned(),
            headers: vec![("id".to_owned(), "a\u{1b}[2J".to_owned())],
            reason: "not JSON: expected value at line 1 column 1".to_owned(),
            first: "2026-01-31T09:05:00Z".parse().unwrap(),
            last: "2026-01-31T09:06:00Z".parse().unwrap(),
            count: times,
            bytes: 5,
            body: "job=7".to_owned(),
        }
    }

    #[test]
    fn a_list_says_what_it_does_not_show() {
        let totals = QuarantineTotals { items: 1_000, bytes: 9_000, repeated: 1, dropped: 37, dismissed: 0, reread: 2 };
        insta::assert_snapshot!(list_text(&QuarantineList { items: vec![item(1_037, 2)], totals }), @"
        ID    FIRST                 LAST                  TIMES  BYTES  TYPE              WHY
        1037  2026-01-31 09:05:00Z  2026-01-31 09:06:00Z  2      5      application/json  not JSON: expected value at line 1 column 1

        1 of 1000 items are shown, with 9000 bytes in all; 37 older ones were dropped to make room; 1 repeat only counted; 2 were read again and became events.

        One of them: jobrelay quarantine 1037
        Read them again after an upgrade: jobrelay replay --quarantine
        ");
        let empty = QuarantineList { items: Vec::new(), totals: QuarantineTotals::default() };
        assert_eq!(list_text(&empty), "The quarantine is empty: all that came in could be read.");
    }

    #[test]
    fn one_item_in_full_cannot_steer_the_terminal() {
        insta::assert_snapshot!(one_text(&item(7, 1), b"job=\x1b[2J7"), @r"
        Item 7 came once, at 2026-01-31 09:05:00Z

        why           not JSON: expected value at line 1 column 1
        content-type  application/json
        ce-id         a [2J

        The body, 9 bytes:
        job=\u{1b}[2J7

        Was it a job event that this version cannot read? After an upgrade: jobrelay replay --quarantine 7
        Is it of no use? jobrelay dismiss --quarantine 7
        ");
    }

    #[test]
    fn what_became_of_each() {
        let event = |id, duplicate, to: &[&str]| RereadEvent {
            id,
            duplicate,
            matched: Vec::new(),
            receivers: to.iter().map(|&name| name.into()).collect(),
        };
        let reread =
            |id, result, reason: Option<&str>, events| Reread { id, result, reason: reason.map(str::to_owned), events };
        let one = Some(EventId(1));
        let items = [
            reread(1, RereadResult::Accepted, None, vec![event(one, false, &["ops", "log"]), event(one, true, &[])]),
            reread(2, RereadResult::Unreadable, Some("not JSON"), Vec::new()),
            reread(3, RereadResult::Gone, None, Vec::new()),
        ];
        insta::assert_snapshot!(reread_text(&items), @r"
        ID  NOW
        1   accepted  evt_0000000000001 to ops, log; evt_0000000000001 (known already, not sent again)
        2   stays     not JSON
        3   gone
        1 item read and accepted; 1 cannot be read
        ");
        let dry = [reread(1, RereadResult::Readable, None, vec![event(None, false, &[])])];
        let said = reread_text(&dry);
        assert!(said.contains("to nobody") && said.contains("Nothing was done"), "{said}");
    }
}
