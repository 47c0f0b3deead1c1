//! Finding events by the words of the vocabulary: a filter is a `when`, so it means here what it means in routes.yaml.

use actix_web::HttpRequest;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::query::Query;
use crate::event::Event;
use crate::event::vocabulary::{self, Use};
use crate::routing::{When, read_when};
use crate::server::problems::Problem;
use crate::store::{EventFilter, PAGE_BYTES, Store, StoredEvent};
use crate::yaml::{Key, Map, Node, Problems, Scalar, Span, Style, Value};

/// Keys of the query besides the words of the vocabulary. Those are patterns; several times given: any of them.
const OTHERS: [&str; 8] = ["test", "job", "key", "sender_id", "since", "until", "before", "limit"];

/// Events read from the store at a time when they are filtered here.
const STEP: usize = 500;

/// Steps for one page, at most: a rare filter on a long history answers a short page and where to go on.
const STEPS: usize = 40;

/// What to look for.
#[derive(Debug)]
pub struct Search {
    filter: EventFilter,
    when: Option<When>,
    test: Option<bool>,
    limit: usize,
}

/// A page of what was found, newest first.
#[derive(Debug)]
pub struct Found {
    pub events: Vec<StoredEvent>,
    /// Where the next page begins, if there may be one.
    pub next: Option<crate::event::EventId>,
}

impl Search {
    /// Reads the query of `GET /api/v1/events`.
    ///
    /// # Errors
    /// 400: unknown keys, bad values, patterns that can never hold.
    pub fn read(request: &HttpRequest, now: Timestamp) -> Result<Search, Problem> {
        let known: Vec<&str> = vocabulary::names(Use::Search).chain(OTHERS).collect();
        let query = Query::read(request, &known)?;
        let filter = EventFilter {
            before: query.id("before")?,
            since: query.time("since", now)?,
            until: query.time("until", now)?,
            job: query.text("job")?,
            key: query.text("key")?,
            sender_id: query.text("sender_id")?,
            limit: 0,
        };
        Ok(Search { filter, when: when(&query)?, test: query.flag("test")?, limit: query.limit()? })
    }

    /// Reads the store in short steps until the page is full (of events or of bytes), the history ends, or enough was looked at.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn run(mut self, store: &dyn Store) -> Result<Found, Problem> {
        let filtered = self.when.is_some() || self.test.is_some();
        self.filter.limit = if filtered { STEP } else { self.limit };
        let mut found = Found { events: Vec::new(), next: None };
        let mut bytes = 0;
        for _ in 0..STEPS {
            let step = store.events(&self.filter).await?;
            for event in step.events {
                if self.holds(&event.event) {
                    let id = event.id;
                    bytes += event.event.received.body.len();
                    found.events.push(event);
                    if found.events.len() == self.limit || bytes >= PAGE_BYTES {
                        found.next = Some(id);
                        return Ok(found);
                    }
                }
            }
            found.next = step.next;
            if found.next.is_none() {
                break;
            }
            self.filter.before = found.next;
        }
        Ok(found)
    }

    fn holds(&self, event: &Event) -> bool {
        self.test.is_none_or(|test| event.test == test)
            && self.when.as_ref().is_none_or(|when| when.holds(event, &TimeZone::UTC))
    }
}

/// The words of the query as a condition; `None` if there are none.
fn when(query: &Query) -> Result<Option<When>, Problem> {
    let mut map = Map::default();
    for word in vocabulary::names(Use::Search) {
        let values: Vec<Node> =
            query.all(word).map(|text| node(Value::Scalar(Scalar::new(text, Style::Quoted)))).collect();
        if !values.is_empty() {
            map.0.push((Key { text: word.to_owned(), span: Span::default() }, node(Value::List(values))));
        }
    }
    if map.0.is_empty() {
        return Ok(None);
    }
    let mut problems = Problems::default();
    let when = read_when(&node(Value::Map(map)), &mut problems);
    if !problems.has_errors() {
        return Ok(Some(when));
    }
    let said: Vec<String> = problems
        .iter()
        .map(|problem| {
            problem
                .help
                .as_ref()
                .map_or_else(|| problem.message.clone(), |help| format!("{} ({help})", problem.message))
        })
        .collect();
    Err(Problem::bad(said.join("; ")))
}

fn node(value: Value) -> Node {
    Node { span: Span::default(), value }
}
