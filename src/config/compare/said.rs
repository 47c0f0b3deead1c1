//! What a receiver would have been sent by one of the files, apart from where to and how signed.

use std::sync::Arc;

use super::openings::Sent;
use crate::config::Config;
use crate::event::{DeliveryId, Event, EventId};
use crate::message::{Circumstances, Message, Scope, compose, cut, one_line};
use crate::receiver::{Audience, Call, Outgoing, Receiver};

/// Letters shown before the first difference, and in all.
const BEFORE: usize = 24;
const SHOWN: usize = 100;

/// The words and form of a message. No delivery was made, so it has the event's number; it is as if sent at once.
pub(super) fn said(config: &Config, receiver: &Receiver, id: EventId, event: &Arc<Event>, sent: &Sent) -> String {
    let machine = receiver.kind.audience() == Audience::Machine;
    let delivery = DeliveryId(id.0);
    let message = if receiver.uses_message() {
        let scope = Scope {
            event: Arc::clone(event),
            route: Arc::clone(&sent.route),
            receiver: Arc::clone(&receiver.name),
            delivery,
        };
        let circumstances = Circumstances { closes: sent.closes.then_some(delivery), ..Circumstances::default() };
        let composed = compose(&config.engine, &config.layers(&sent.route, receiver), &scope, &circumstances);
        if let (true, Some(why)) = (machine, composed.failed) {
            return format!("nothing: {why}");
        }
        composed.message
    } else {
        Message::default()
    };
    let call = Call {
        event,
        delivery,
        route: &sent.route,
        message: &message,
        engine: &config.engine,
        now: event.received.received_at,
        plain: false,
        earlier: None,
    };
    match receiver.request(&call) {
        Err(unsendable) => format!("nothing: {unsendable}"),
        Ok(sent) => match sent.outgoing {
            Outgoing::Console(text) | Outgoing::Inbox(text) => text,
            Outgoing::Mail(letter) => format!("{}\n{}", letter.subject, letter.text),
            Outgoing::Http(request) => {
                let form = request.header("Content-Type").unwrap_or_default();
                format!("{} {form} {}", request.method, String::from_utf8_lossy(&request.body))
            }
        },
    }
}

/// Both texts where they begin to differ, on one line each.
pub(super) fn where_they_differ(old: &str, new: &str) -> (String, String) {
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(BEFORE);
    let part = |text: &str| {
        let part: String = text.chars().skip(from).collect();
        let opened = if from > 0 { "…" } else { "" };
        format!("{opened}{}", cut(&one_line(&part), SHOWN).0)
    };
    (part(old), part(new))
}
