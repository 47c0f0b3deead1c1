//! The corridor below HTTP: received → parsed → decided → durable. The webhook, `send` and the relay's own events all take it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, info, warn};

use super::Counters;
use crate::config::Config;
use crate::delivery::Narrator;
use crate::event::Outcome;
use crate::event::{self, Event, OwnEvent, Received, Unreadable};
use crate::message;
use crate::routing::{self, Decision, Target};
use crate::store::{Accepted, NewEvent, NewQuarantined, Store, StoreError};

/// A store that has not answered by then counts as one that cannot write. What it still makes durable later is known as a
/// duplicate when the sender tries again.
const STORE_PATIENCE: Duration = Duration::from_secs(20);

/// The way every event takes. Cheap to share; knows nothing of HTTP.
pub struct Corridor {
    /// Where everything accepted is kept.
    pub store: Arc<dyn Store>,
    /// The running routes.yaml. One event is decided by one version of it, whole.
    pub config: Arc<ArcSwap<Config>>,
    /// What was turned away since the start.
    pub counters: Counters,
    tell: UnboundedSender<OwnEvent>,
    narrator: Arc<Narrator>,
}

/// What became of one item.
#[derive(Debug)]
pub enum Admitted {
    /// Durable (or known already).
    Accepted(Accepted),
    /// Not kept anywhere yet: see [`Corridor::quarantine`].
    Unreadable(Received, Unreadable),
}

impl fmt::Debug for Corridor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Corridor").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl Corridor {
    /// `tell` takes what the relay has to say about itself; whoever reads it wraps it with [`event::own`] and admits it.
    pub fn new(
        store: Arc<dyn Store>,
        config: Arc<ArcSwap<Config>>,
        tell: UnboundedSender<OwnEvent>,
        narrator: Arc<Narrator>,
    ) -> Corridor {
        Corridor { store, config, counters: Counters::default(), tell, narrator }
    }

    /// Reads, decides and keeps; one answer for each item, in order. All readable ones are durable when this returns `Ok`.
    ///
    /// Never speaks of what it could not read: else an unreadable event of the relay itself would beget another.
    ///
    /// # Errors
    /// The store could not take them: none was kept.
    pub async fn admit(&self, items: Vec<Received>) -> Result<Vec<Admitted>, StoreError> {
        let mut unreadable = Vec::new();
        let mut events = Vec::with_capacity(items.len());
        {
            let config = self.config.load();
            for (place, received) in items.into_iter().enumerate() {
                match event::parse(received) {
                    Ok(event) => {
                        let decision = routing::decide(&config.routes, &event);
                        events.push(decided(&config, event, decision));
                    }
                    Err((received, why)) => unreadable.push((place, received, why)),
                }
            }
        }
        let mut answers: Vec<Admitted> = self.accept(events).await?.into_iter().map(Admitted::Accepted).collect();
        // In ascending order, so that each lands where it was.
        for (place, received, why) in unreadable {
            answers.insert(place.min(answers.len()), Admitted::Unreadable(received, why));
        }
        Ok(answers)
    }

    /// Straight to one receiver, whatever the routes say. The name must be one of the running routes.yaml.
    ///
    /// # Errors
    /// The store could not take it.
    pub async fn admit_to(&self, event: Event, receiver: &Arc<str>) -> Result<(Decision, Accepted), StoreError> {
        let new = {
            let config = self.config.load();
            let decision = straight_to(receiver, &routing::decide(&config.routes, &event));
            decided(&config, event, decision)
        };
        self.accept_one(new).await
    }

    /// As [`Corridor::admit`], for one event that was read already.
    ///
    /// # Errors
    /// The store could not take it.
    pub async fn admit_one(&self, event: Event) -> Result<(Decision, Accepted), StoreError> {
        let new = {
            let config = self.config.load();
            let decision = routing::decide(&config.routes, &event);
            decided(&config, event, decision)
        };
        self.accept_one(new).await
    }

    /// Keeps something unreadable, counts it, and lets the relay say so.
    ///
    /// # Errors
    /// The store could not keep it.
    pub async fn quarantine(&self, received: Received, why: Unreadable) -> Result<(), StoreError> {
        let item = NewQuarantined {
            form: received.form,
            body: received.body,
            reason: why.message.clone(),
            received_at: received.received_at,
        };
        let new = self.store.quarantine(item).await.inspect_err(|_| self.count_unwritable())?;
        warn!(reason = %why, repeated = !new, "unreadable, kept in the quarantine: see `jobrelay quarantine`");
        if new {
            // The other end is gone only while the relay stops.
            let _ = self.tell.send(OwnEvent::Quarantined { reason: why.message, more: 0 });
        }
        Ok(())
    }

    async fn accept_one(&self, new: NewEvent) -> Result<(Decision, Accepted), StoreError> {
        let decision = new.decision.clone();
        let accepted = self.accept(vec![new]).await?.pop().expect("the store answers for each item");
        Ok((decision, accepted))
    }

    async fn accept(&self, events: Vec<NewEvent>) -> Result<Vec<Accepted>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let described: Vec<Arc<Event>> = events.iter().map(|new| Arc::clone(&new.event)).collect();
        let accepted = match tokio::time::timeout(STORE_PATIENCE, self.store.accept(events)).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Unwritable(format!("no answer within {} s", STORE_PATIENCE.as_secs()))),
        }
        .inspect_err(|error| {
            self.count_unwritable();
            warn!(%error, "events answered 503: the sender has to send them again");
        })?;
        for (event, answer) in described.iter().zip(&accepted) {
            self.log(event, answer);
        }
        Ok(accepted)
    }

    pub(super) fn log(&self, event: &Event, answer: &Accepted) {
        let job = event.job.as_ref().and_then(|job| job.id.as_deref());
        if answer.duplicate {
            info!(event = %answer.id, job, sender_id = %event.id, "a duplicate: not sent again");
            return;
        }
        if answer.id_reused {
            warn!(event = %answer.id, job, sender_id = %event.id, "the sender used this ID for other data before: taken as a new event");
        }
        if self.narrator.accepted() {
            let to: Vec<&str> = answer.deliveries.iter().map(|(_, receiver)| &**receiver).collect();
            let to = if to.is_empty() { "nobody".to_owned() } else { to.join(", ") };
            info!(event = %answer.id, job, "accepted: {}, for {to}", headline(event));
        } else {
            debug!(event = %answer.id, job, deliveries = answer.deliveries.len(), "accepted");
        }
    }

    fn count_unwritable(&self) {
        self.counters.unwritable.fetch_add(1, Relaxed);
    }
}

/// What an event says, on one line: `Update data product Customers failed`.
fn headline(event: &Event) -> String {
    let words =
        [event.text("type_label"), event.text("resource"), event.text("outcome").or_else(|| event.text("state"))];
    let said: Vec<_> = words.into_iter().flatten().collect();
    message::one_line(&if said.is_empty() { event.event_type.to_string() } else { said.join(" ") })
}

pub(super) fn decided(config: &Config, mut event: Event, decision: Decision) -> NewEvent {
    let wants_recovery = |name: &Arc<str>| config.receivers.get(name).is_some_and(|receiver| receiver.common.recovered);
    let opens = opens(&event, &decision, wants_recovery);
    event.forget_raw();
    NewEvent { event: Arc::new(event), decision, opens, version: Arc::clone(&config.version) }
}

/// The receivers that shall hear when the failure is over. A failure that no later run can end would stay open for ever.
fn opens(event: &Event, decision: &Decision, wants_recovery: impl Fn(&Arc<str>) -> bool) -> Vec<Arc<str>> {
    if event.job.as_ref().and_then(|job| job.outcome) != Some(Outcome::Failed) || !event.may_run_again() {
        return Vec::new();
    }
    decision.targets.iter().map(|target| &target.receiver).filter(|name| wants_recovery(name)).cloned().collect()
}

/// A decision for one receiver only. If the routes name it too, theirs is the route, so that the message is the one it will get.
pub(super) fn straight_to(receiver: &Arc<str>, routes_say: &Decision) -> Decision {
    let route =
        routes_say.targets.iter().find(|target| target.receiver == *receiver).map(|target| Arc::clone(&target.route));
    Decision {
        matched: route.iter().cloned().collect(),
        targets: vec![Target { route: route.unwrap_or_else(|| Arc::from("")), receiver: Arc::clone(receiver) }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(targets: &[(&str, &str)]) -> Decision {
        Decision {
            matched: targets.iter().map(|(route, _)| Arc::from(*route)).collect(),
            targets: targets
                .iter()
                .map(|(route, to)| Target { route: Arc::from(*route), receiver: Arc::from(*to) })
                .collect(),
        }
    }

    #[test]
    fn a_failure_opens_only_where_a_later_run_can_close_it() {
        let opens = |of: &str, test: bool| {
            let body = format!(
                r#"{{"specversion":"1.0","id":"1","source":"https://acme.tamr.cloud/1","type":"job","data":{{"jobId":"j1",
                    "jobType":"UPDATE_DATA_PRODUCT"{of},"status":{{"state":"DONE","error":{{"reason":"PLANNING_FAILED"}}}}}}}}"#
            );
            let form = event::Form { content_type: "application/cloudevents+json".to_owned(), attributes: Vec::new() };
            let received = Received { form, body: body.into(), received_at: jiff::Timestamp::UNIX_EPOCH };
            let mut event = event::parse(received).expect("readable");
            event.test |= test;
            opens(&event, &decision(&[("failed", "pager"), ("failed", "ops")]), |name| **name == *"pager")
        };
        let product = r#","dataProductId":"customers""#;
        assert_eq!(opens(product, false), [Arc::from("pager")]);
        assert_eq!(opens("", false), [], "the next run has another job ID");
        assert_eq!(opens(product, true), [], "each test is its own");
    }

    #[test]
    fn straight_to_a_receiver_borrows_the_route_that_names_it() {
        let routes_say = decision(&[("failed", "ops"), ("all", "log")]);
        let forced = straight_to(&Arc::from("log"), &routes_say);
        assert_eq!(forced, decision(&[("all", "log")]));
    }

    #[test]
    fn straight_to_a_receiver_no_route_names_has_no_route() {
        let forced = straight_to(&Arc::from("pager"), &decision(&[("failed", "ops")]));
        assert_eq!(forced.matched, Vec::<Arc<str>>::new());
        assert_eq!(forced.targets, decision(&[("", "pager")]).targets);
    }
}
