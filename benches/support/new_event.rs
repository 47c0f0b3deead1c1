//! An event as the relay accepts it: read and decided.

use std::sync::Arc;

use jiff::Timestamp;
use jobrelay::config::Config;
use jobrelay::event::{Form, Received, parse};
use jobrelay::routing::decide;
use jobrelay::store::NewEvent;

/// Ready for the store.
pub fn new(config: &Config, body: String, received_at: Timestamp) -> NewEvent {
    let form = Form { content_type: "application/cloudevents+json".to_owned(), attributes: Vec::new() };
    let event = parse(Received { form, body: body.into(), received_at }).expect("readable");
    let decision = decide(&config.routes, &event);
    let opens = decision.targets.iter().map(|target| &target.receiver);
    let opens = opens.filter(|name| config.receivers[*name].common.recovered).cloned().collect();
    NewEvent { event: Arc::new(event), decision, opens, version: Arc::clone(&config.version) }
}
