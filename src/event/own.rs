//! The relay's own events: they enter the corridor as any other event does.
//!
//! A sender could forge one. It gains nothing: such an event is routed like any other, and "never to the receiver it
//! speaks of" only ever sends less than the forger could have left unsent.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::json::Object;
use super::view::Millis;
use super::{DeliveryId, EventId, Received, fingerprint};

/// The `source` of the relay's own events. It names no host, so they belong to no tenant.
pub(super) const SOURCE: &str = "/jobrelay";
/// What the relay's own event types begin with.
pub(super) const TYPE_PREFIX: &str = "jobrelay.";

/// Something the relay has to say about itself. `event_type` is `jobrelay.` and the `snake_case` name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnEvent {
    /// A receiver refuses everything: what it is owed is held.
    ReceiverBlocked {
        /// Its name.
        receiver: String,
        /// Its answer, in words.
        reason: String,
    },
    /// A receiver cannot be reached, or is failing.
    ReceiverDown {
        /// Its name.
        receiver: String,
        /// What happened, in words.
        reason: String,
    },
    /// A receiver that was down or blocked took a message.
    ReceiverRecovered {
        /// Its name.
        receiver: String,
    },
    /// A delivery was given up.
    DeliveryDead {
        /// Name of the receiver that did not get it.
        receiver: String,
        /// The delivery, to replay it.
        delivery: DeliveryId,
        /// The event it was for.
        event: EventId,
        /// Why, in words.
        reason: String,
        /// So many others to this receiver were given up since the event before this one.
        more: u64,
    },
    /// A changed routes.yaml cannot be used.
    RoutesRefused {
        /// How many were found.
        problems: usize,
        /// All of them, as a person reads them.
        report: String,
    },
    /// Something received cannot be read as an event.
    Quarantined {
        /// Why, in words.
        reason: String,
        /// So many other items were put there since the event before this one.
        more: u64,
    },
    /// The disk under the store is nearly full.
    DiskLow {
        /// What is left.
        free_bytes: u64,
        /// Where the store is.
        path: String,
    },
}

impl OwnEvent {
    /// The same, standing for `others` of its sort, too. Events that stand for no others stay as they are.
    #[must_use]
    pub fn with_more(mut self, others: u64) -> OwnEvent {
        if let OwnEvent::DeliveryDead { more, .. } | OwnEvent::Quarantined { more, .. } = &mut self {
            *more += others;
        }
        self
    }
}

/// Wraps `what` in a structured `CloudEvent` (`source` `/jobrelay`, members under `data`, with a `summary` sentence
/// for people).
#[must_use]
pub fn own(what: &OwnEvent, now: Timestamp) -> Received {
    let (name, summary, members) = describe(what);
    let mut data = Map::new();
    data.insert("summary".to_owned(), summary.into());
    if let Value::Object(members) = members {
        data.extend(members);
    }
    // The same thing said twice in one instant is one event.
    let id = format!("{}-{}", now.as_nanosecond(), &fingerprint::hex(fingerprint::of_data(&(name, &data)))[..8]);
    let envelope = json!({
        "specversion": "1.0",
        "id": id,
        "source": SOURCE,
        "type": format!("{TYPE_PREFIX}{name}"),
        "time": Millis(now),
        "datacontenttype": "application/json",
        "data": data,
    });
    Received::structured(&envelope, now)
}

/// The receiver an envelope speaks of, if it is one of the relay's own.
pub(super) fn about(source: &str, event_type: &str, members: &Object<'_>) -> Option<String> {
    if source != SOURCE || !event_type.starts_with(TYPE_PREFIX) {
        return None;
    }
    Some(members.get("data")?.as_object()?.get("receiver")?.as_str()?.to_owned())
}

/// The first error of a report, on one line.
fn first_error(report: &str) -> &str {
    let error = report.lines().find(|line| line.contains("error[")).or_else(|| report.lines().next());
    error.unwrap_or_default().trim_start_matches("error: ").trim_end_matches('.')
}

/// Name, sentence for people, members for rules and templates.
fn describe(what: &OwnEvent) -> (&'static str, String, Value) {
    match what {
        OwnEvent::ReceiverBlocked { receiver, reason } => (
            "receiver_blocked",
            format!("Receiver {receiver} is blocked: {reason}. What it is owed is held until it answers again."),
            json!({"receiver": receiver, "reason": reason}),
        ),
        OwnEvent::ReceiverDown { receiver, reason } => (
            "receiver_down",
            format!("Receiver {receiver} is down: {reason}. What it is owed waits and is tried again."),
            json!({"receiver": receiver, "reason": reason}),
        ),
        OwnEvent::ReceiverRecovered { receiver } => (
            "receiver_recovered",
            format!("Receiver {receiver} answers again. What it is owed is on its way."),
            json!({"receiver": receiver}),
        ),
        OwnEvent::DeliveryDead { receiver, delivery, event, reason, more } => (
            "delivery_dead",
            match more {
                0 => format!(
                    "A message to {receiver} was given up: {reason}. `jobrelay replay {delivery}` sends it again."
                ),
                _ => format!(
                    "{} messages to {receiver} were given up, the last: {reason}. `jobrelay deliveries --receiver {receiver} --state \
                     dead` lists them, `jobrelay replay --receiver {receiver}` sends them again.",
                    more.saturating_add(1)
                ),
            },
            json!({"receiver": receiver, "delivery": delivery, "event": event, "reason": reason, "more": more}),
        ),
        OwnEvent::RoutesRefused { problems, report } => {
            let found = if *problems == 1 { "1 error".to_owned() } else { format!("{problems} errors, the first") };
            let first = first_error(report);
            (
                "routes_refused",
                format!(
                    "A change of routes.yaml was refused: {found}: {first}. The relay goes on with the file before it."
                ),
                json!({"problems": problems, "report": report}),
            )
        }
        OwnEvent::Quarantined { reason, more } => (
            "quarantined",
            match more {
                0 => format!(
                    "Something was received that cannot be read as an event: {reason}. It is kept in the quarantine."
                ),
                _ => format!(
                    "{} items were received that cannot be read as events, the last: {reason}. They are kept in the quarantine; \
                     `jobrelay quarantine` lists them.",
                    more.saturating_add(1)
                ),
            },
            json!({"reason": reason, "more": more}),
        ),
        OwnEvent::DiskLow { free_bytes, path } => (
            "disk_low",
            format!("Only {} left where the store is ({path}). A full disk refuses events.", bytes(*free_bytes)),
            json!({"free_bytes": free_bytes, "path": path}),
        ),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1_048_576 => format!("{} KiB", count >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", count >> 20),
        _ => format!("{} GiB", count >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::super::json::Json;
    use super::super::parse;
    use super::*;

    fn now() -> Timestamp {
        "2025-12-02T14:46:04.5Z".parse().expect("a timestamp")
    }

    #[test]
    fn an_own_event_is_read_like_any_other() {
        let receiver = "data-ops".to_owned();
        let down = OwnEvent::ReceiverDown { receiver: receiver.clone(), reason: "connection refused".to_owned() };
        let event = parse(own(&down, now())).expect("readable");
        assert_eq!(event.event_type, "jobrelay.receiver_down");
        assert_eq!((event.source.as_str(), event.tenant.as_str()), ("/jobrelay", ""));
        assert_eq!(event.time, Some(now()));
        assert_eq!(event.about, Some(receiver.clone()));
        assert_eq!(event.raw()["data"]["reason"], "connection refused");
        assert_eq!(event.raw()["time"], "2025-12-02T14:46:04.500Z");
        assert_eq!(event.job, None);
        let recovered = parse(own(&OwnEvent::ReceiverRecovered { receiver }, now())).expect("readable");
        assert_eq!(event.key, recovered.key, "in order");
        assert_ne!(event.fingerprint.id, recovered.fingerprint.id);
    }

    #[test]
    fn every_own_event_has_a_name_and_a_sentence() {
        let text = || "x".to_owned();
        let dead = |more| {
            let (delivery, event) = (DeliveryId(2), EventId(1));
            OwnEvent::DeliveryDead { receiver: text(), delivery, event, reason: text(), more }
        };
        for (what, name, summary) in [
            (
                OwnEvent::ReceiverBlocked { receiver: text(), reason: text() },
                "receiver_blocked",
                "Receiver x is blocked: x. What it is owed is held until it answers again.",
            ),
            (
                dead(0),
                "delivery_dead",
                "A message to x was given up: x. `jobrelay replay dlv_0000000000002` sends it again.",
            ),
            (
                dead(7),
                "delivery_dead",
                "8 messages to x were given up, the last: x. `jobrelay deliveries --receiver x --state dead` lists them, \
                 `jobrelay replay --receiver x` sends them again.",
            ),
            (
                OwnEvent::RoutesRefused { problems: 1, report: "error: it cannot be read.\nhelp: y".to_owned() },
                "routes_refused",
                "A change of routes.yaml was refused: 1 error: it cannot be read. The relay goes on with the file before it.",
            ),
            (
                OwnEvent::RoutesRefused {
                    problems: 2,
                    report: "f:1:1: warning[a]: b\nf:2:1: error[c]: d (help: e)\nf:3:1: error[g]: h".to_owned(),
                },
                "routes_refused",
                "A change of routes.yaml was refused: 2 errors, the first: f:2:1: error[c]: d (help: e). The relay goes on with the file \
                 before it.",
            ),
            (
                OwnEvent::Quarantined { reason: text(), more: 0 },
                "quarantined",
                "Something was received that cannot be read as an event: x. It is kept in the quarantine.",
            ),
            (
                OwnEvent::Quarantined { reason: text(), more: 1 },
                "quarantined",
                "2 items were received that cannot be read as events, the last: x. They are kept in the quarantine; \
                 `jobrelay quarantine` lists them.",
            ),
            (
                OwnEvent::DiskLow { free_bytes: 52_428_800, path: text() },
                "disk_low",
                "Only 50 MiB left where the store is (x). A full disk refuses events.",
            ),
        ] {
            let event = parse(own(&what, now())).expect("readable");
            assert_eq!(event.event_type, format!("jobrelay.{name}"));
            assert_eq!(event.raw()["data"]["summary"], summary);
        }
    }

    #[test]
    fn only_the_relay_speaks_of_receivers() {
        let json: Json<'_> = serde_json::from_str(r#"{"data":{"receiver":"data-ops"}}"#).expect("JSON");
        let members = json.as_object().expect("an object");
        assert_eq!(about("/jobrelay", "jobrelay.receiver_down", members), Some("data-ops".to_owned()));
        assert_eq!(about("acme.tamr.cloud", "jobrelay.receiver_down", members), None);
        assert_eq!(about("/jobrelay", "other", members), None);
    }
}
