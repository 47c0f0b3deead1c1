//! What a delivery is in the form of its service: the one answer for the lane that sends it and for whoever wants to see it first. Pure.

use std::sync::Arc;

use jiff::Timestamp;

use crate::config::Config;
use crate::event::{DeliveryId, Event};
use crate::message::{Circumstances, Composed, Late, Message, Scope, compose};
use crate::receiver::{Audience, Call, Outgoing, Receiver, Sent, Unsendable};

/// What a delivery is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The same on every attempt.
    pub id: DeliveryId,
    /// What it tells of.
    pub event: Arc<Event>,
    /// Empty for a recovery, and for what was sent straight to the receiver.
    pub route: Arc<str>,
    /// Of a recovery: the failure's delivery it closes.
    pub closes: Option<DeliveryId>,
    /// What an earlier message of the same thread got as its reference.
    pub earlier: Option<String>,
}

/// A message in its service's form, with what a reader sees of it. Holds secrets, in the request at least.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// To be sent.
    pub outgoing: Outgoing,
    /// What the reader sees, for kinds that speak to people.
    pub copy: Option<String>,
    /// Cuts and fallbacks, for the attempt's record: `title cut to 150 characters`.
    pub notes: Vec<String>,
    /// Why the built-in message stands in for the one in routes.yaml; among the notes, too.
    pub fallback: Option<String>,
    /// Mentions that the receiver's kind cannot make, so that nobody is called by them.
    pub unmentioned: Vec<String>,
}

/// Composes the message that `config` says and puts it into the form of `receiver`. `late` counts for people only; `plain` asks for
/// the form that is sent once the first was refused.
///
/// # Errors
/// When nothing can be sent: a machine gets exactly its body or nothing.
pub fn prepare(
    config: &Config,
    receiver: &Receiver,
    public_url: Option<&str>,
    subject: &Subject,
    late: Option<Late>,
    now: Timestamp,
    plain: bool,
) -> Result<Prepared, Unsendable> {
    let machine = receiver.kind.audience() == Audience::Machine;
    let Composed { message, failed } = if receiver.uses_message() {
        let scope = Scope {
            event: Arc::clone(&subject.event),
            route: Arc::clone(&subject.route),
            receiver: Arc::clone(&receiver.name),
            delivery: subject.id,
        };
        let circumstances = Circumstances {
            late: if machine { None } else { late },
            closes: subject.closes,
            public_url: public_url.map(str::to_owned),
        };
        compose(&config.engine, &config.layers(&subject.route, receiver), &scope, &circumstances)
    } else {
        Composed { message: Message::default(), failed: None }
    };
    if machine && let Some(why) = failed {
        return Err(Unsendable(why));
    }
    let call = Call {
        event: &subject.event,
        delivery: subject.id,
        route: &subject.route,
        message: &message,
        engine: &config.engine,
        now,
        plain,
        // The plainest form answers to nothing: an earlier message that is gone may be why the first was refused.
        earlier: subject.earlier.as_deref().filter(|_| !plain),
    };
    let Sent { outgoing, notes: of_form } = receiver.request(&call)?;
    let copy = match &outgoing {
        Outgoing::Console(text) | Outgoing::Inbox(text) => Some(text.clone()),
        Outgoing::Http(_) | Outgoing::Mail(_) => (!machine).then(|| receiver.reading(&call)),
    };
    let of_words = failed.iter().map(|why| format!("the built-in message was sent: {why}"));
    let notes = of_words.chain(of_form).collect();
    let unmentioned = if receiver.kind.mentions() { Vec::new() } else { message.mention };
    Ok(Prepared { outgoing, copy, notes, fallback: failed, unmentioned })
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::config::load_without_secrets;
    use crate::message::testing::{event_of, failed_job};

    const FILE: &str = "
receivers:
  people: { kind: inbox, message: { mention: here } }
  channel: { kind: slack, url: 'https://hooks.slack.com/services/T0/B0/key', message: { mention: here } }
  machine: { kind: webhook, url: https://x.example, body: { t: '{{ message.title }}' } }
routes:
  - { name: long, to: [people, channel] }
  - { name: broken, to: [people, channel, machine], message: { title: '{{ 1 // (error | length - 9) }}' } }
";

    fn prepared(receiver: &str, route: &str, plain: bool) -> Result<Prepared, Unsendable> {
        let (config, problems) = load_without_secrets(FILE);
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        let subject = Subject {
            id: DeliveryId(1 << 50),
            event: Arc::new(event_of(Some(failed_job()))),
            route: route.into(),
            closes: None,
            earlier: None,
        };
        let late = Late { by: std::time::Duration::from_secs(600), since: None };
        let now = subject.event.received.received_at + SignedDuration::from_mins(10);
        let relay = Some("https://relay.example");
        prepare(&config, &config.receivers[receiver], relay, &subject, Some(late), now, plain)
    }

    #[test]
    fn people_see_a_fallback_and_a_machine_gets_nothing() {
        let people = prepared("people", "broken", false).unwrap();
        let why = people.fallback.clone().unwrap();
        assert!(why.starts_with("its title: "), "{why}");
        assert_eq!(people.notes, [format!("the built-in message was sent: {why}")]);
        assert!(people.copy.unwrap().contains("the one in routes.yaml failed"));
        assert_eq!(prepared("machine", "broken", false), Err(Unsendable(why)));
    }

    #[test]
    fn lateness_is_told_to_people_only() {
        let people = prepared("people", "long", false).unwrap();
        assert!(people.copy.unwrap().contains("10m late"));
        assert_eq!((people.notes, people.fallback), (Vec::new(), None));
        let machine = prepared("machine", "long", false).unwrap();
        assert_eq!(machine.copy, None);
        let Outgoing::Http(request) = machine.outgoing else { panic!("a webhook is called") };
        assert_eq!(&request.body[..], br#"{"t":"Update data product failed: Customers"}"#);
    }

    #[test]
    fn a_kind_without_mentions_names_those_it_skips() {
        assert_eq!(prepared("people", "long", false).unwrap().unmentioned, ["here"]);
        assert_eq!(prepared("channel", "long", false).unwrap().unmentioned, [""; 0]);
    }

    #[test]
    fn the_plain_form_is_another_request() {
        let body = |plain| match prepared("channel", "long", plain).unwrap().outgoing {
            Outgoing::Http(request) => serde_json::from_slice::<serde_json::Value>(&request.body).unwrap(),
            other => panic!("{other:?}"),
        };
        assert!(body(false).get("blocks").is_some() && body(true).get("blocks").is_none());
    }
}
