//! A store with all its surroundings: sample events, a hand-over that remembers, restarts and kills.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::event::{self, DeliveryId, Form, Received};
use crate::receiver::{Reason, Verdict};
use crate::routing::{Decision, Target};
use crate::store::{
    Accepted, Attempt, Attempted, Delivery, DeliveryFilter, DeliveryState, End, Handoff, NewEvent, Owed, Store,
};

/// Where one store lives, over its restarts.
#[async_trait]
pub(crate) trait Place: Send + Sync + Sized + 'static {
    /// An empty one.
    fn new() -> Self;
    /// Opens the store, as a starting relay does.
    async fn open(&self, handoff: Handoff) -> Arc<dyn Store>;
    /// Ends the store as a kill would, at this moment: what is not durable now is gone at the next `open`.
    async fn kill(&self, store: Arc<dyn Store>);
    /// Opens the store once more for another relay, while the first has it open. `None`: it was refused, as in use.
    async fn open_beside(&self, handoff: Handoff) -> Option<Beside>;
}

/// What a second relay gets that opens a store which relays share.
pub(crate) struct Beside {
    pub store: Arc<dyn Store>,
    /// Lets time pass for both.
    pub pass: Box<dyn Fn(Duration) + Send + Sync>,
}

/// The lanes that the relay claims at its start; what others hold is not handed over.
const LANES: [&str; 8] = ["audit", "chat", "gone", "inbox", "new", "old", "ops", "pager"];

/// 2026-09-21T14:13:20Z, with nanoseconds.
const START: (i64, i32) = (1_790_000_000, 123_456_789);

/// An event to be.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub id: String,
    pub job: String,
    pub product: String,
    /// The whole `status`.
    pub status: &'static str,
    pub to: Vec<&'static str>,
    pub opens: Vec<&'static str>,
    /// After the start.
    pub received: SignedDuration,
    /// Any change makes it other data.
    pub note: String,
}

/// How long the relay claims its lanes for.
pub(super) const CLAIM: Duration = Duration::from_secs(30);

const RUNNING: &str = r#"{"state":"RUNNING","stateStartTime":"2026-09-21T14:00:00.000Z"}"#;
const SUCCEEDED: &str = r#"{"state":"DONE","stateStartTime":"2026-09-21T14:10:00.000Z"}"#;
const FAILED: &str = r#"{"state":"DONE","stateStartTime":"2026-09-21T14:10:00.000Z","error":{"reason":"PLANNING_FAILED","message":"no plan"}}"#;
const STOPPED: &str = r#"{"state":"DONE","stateStartTime":"2026-09-21T14:10:00.000Z","error":{"reason":"STOPPED_BY_USER","message":"stop"}}"#;

impl Sample {
    /// A running job's event of the product `customers`, for nobody.
    pub fn new(id: &str) -> Sample {
        Sample {
            id: id.to_owned(),
            job: "job-1".to_owned(),
            product: "customers".to_owned(),
            status: RUNNING,
            to: Vec::new(),
            opens: Vec::new(),
            received: SignedDuration::ZERO,
            note: String::new(),
        }
    }

    pub fn to(self, to: &[&'static str]) -> Sample {
        assert!(to.iter().all(|name| LANES.contains(name)), "a lane of the relay: {to:?}");
        Sample { to: to.to_vec(), ..self }
    }

    pub fn product(self, product: &str) -> Sample {
        Sample { product: product.to_owned(), ..self }
    }

    pub fn job(self, job: &str) -> Sample {
        Sample { job: job.to_owned(), ..self }
    }

    pub fn note(self, note: &str) -> Sample {
        Sample { note: note.to_owned(), ..self }
    }

    pub fn received_after(self, received: SignedDuration) -> Sample {
        Sample { received, ..self }
    }

    /// Its job failed, and these want to hear of the recovery.
    pub fn failed(self, opens: &[&'static str]) -> Sample {
        Sample { status: FAILED, opens: opens.to_vec(), ..self }
    }

    pub fn succeeded(self) -> Sample {
        Sample { status: SUCCEEDED, ..self }
    }

    pub fn stopped(self) -> Sample {
        Sample { status: STOPPED, ..self }
    }

    pub fn received_at(&self) -> Timestamp {
        at(self.received)
    }

    /// As the relay would bring it.
    pub fn build(&self) -> NewEvent {
        let body = format!(
            r#"{{"specversion":"1.0","id":"{}","source":"https://acme.tamr.cloud/webhooks/1","type":"job","data":{{"jobId":"{}",
                "jobType":"UPDATE_DATA_PRODUCT","dataProductId":"{}","note":"{}","status":{}}}}}"#,
            self.id, self.job, self.product, self.note, self.status
        );
        let form = Form { content_type: "application/cloudevents+json".to_owned(), attributes: Vec::new() };
        let received = Received { form, body: body.into(), received_at: self.received_at() };
        let targets = self
            .to
            .iter()
            .map(|to| Target { route: Arc::from(format!("to {to}")), receiver: Arc::from(*to) })
            .collect();
        NewEvent {
            event: Arc::new(event::parse(received).expect("a sample is readable")),
            decision: Decision { matched: vec![Arc::from("a route")], targets },
            opens: self.opens.iter().map(|name| Arc::from(*name)).collect(),
            version: Arc::from("v1"),
        }
    }
}

/// So long after the start.
pub(crate) fn at(after: SignedDuration) -> Timestamp {
    Timestamp::new(START.0, START.1).unwrap() + after
}

/// An attempt at a delivery, and where it left it.
pub(crate) fn tried(delivery: DeliveryId, number: u32, end: End) -> Attempted {
    let (verdict, reason, detail) = match end {
        End::Delivered => (Verdict::Delivered, None, "200 ok"),
        End::Owed { .. } => (Verdict::Later, Some(Reason::Server), "503 busy"),
        End::Dead => (Verdict::Refused, Some(Reason::Client), "400 invalid_payload"),
    };
    let attempt = Attempt {
        number,
        at: at(SignedDuration::from_nanos(i64::from(number))),
        took: Duration::from_nanos(1_234_567),
        verdict,
        reason,
        detail: detail.to_owned(),
        notes: if number == 1 { vec!["title cut".to_owned()] } else { Vec::new() },
    };
    Attempted { delivery, receiver: "ops".into(), attempt, end, copy: None, reference: None }
}

/// A running store.
pub(crate) struct World<P: Place> {
    place: P,
    pub store: Arc<dyn Store>,
    handed: Arc<Mutex<Vec<Owed>>>,
}

impl<P: Place> World<P> {
    pub async fn new() -> World<P> {
        let place = P::new();
        let handed = Arc::default();
        let store = open(&place, &handed).await;
        World { place, store, handed }
    }

    /// Closes and opens.
    pub async fn restart(&mut self) {
        self.store.close().await;
        self.store = open(&self.place, &self.handed).await;
    }

    /// Kills and opens.
    pub async fn kill(&mut self) {
        self.place.kill(Arc::clone(&self.store)).await;
        self.store = open(&self.place, &self.handed).await;
    }

    /// A second relay comes.
    pub async fn open_beside(&self, handoff: Handoff) -> Option<Beside> {
        self.place.open_beside(handoff).await
    }

    /// Accepts one event.
    pub async fn accept(&self, sample: Sample) -> Accepted {
        self.store.accept(vec![sample.build()]).await.unwrap().remove(0)
    }

    /// Accepts one event that is owed to exactly one receiver.
    pub async fn owe_one(&self, sample: Sample) -> DeliveryId {
        let accepted = self.accept(sample).await;
        assert_eq!(accepted.deliveries.len(), 1, "{accepted:?}");
        accepted.deliveries[0].0
    }

    pub async fn end(&self, delivery: DeliveryId, end: End) {
        self.store.record([tried(delivery, 1, end)].into()).await.unwrap();
    }

    pub async fn delivery(&self, id: DeliveryId) -> Option<Delivery> {
        let filter = DeliveryFilter { id: Some(id), limit: 2, ..DeliveryFilter::default() };
        let mut found = self.store.deliveries(&filter).await.unwrap();
        assert!(found.len() < 2);
        found.pop()
    }

    pub async fn state(&self, id: DeliveryId) -> DeliveryState {
        self.delivery(id).await.expect("it is kept").state
    }

    /// All that is owed to a receiver.
    pub async fn owed(&self, receiver: &str) -> Vec<Owed> {
        self.store.owed(receiver, DeliveryId(0), 1_000).await.unwrap()
    }

    /// What was handed over since last asked.
    pub fn handed(&self) -> Vec<Owed> {
        std::mem::take(&mut *self.handed.lock().unwrap())
    }
}

/// As a starting relay does it, which then claims its lanes.
async fn open<P: Place>(place: &P, handed: &Arc<Mutex<Vec<Owed>>>) -> Arc<dyn Store> {
    let store = place.open(remember(handed)).await;
    for lane in LANES {
        assert!(store.claim(lane, CLAIM).await.unwrap(), "{lane}");
    }
    store
}

pub(super) fn remember(handed: &Arc<Mutex<Vec<Owed>>>) -> Handoff {
    let handed = Arc::clone(handed);
    Arc::new(move |fresh| handed.lock().unwrap().extend(fresh))
}

pub(crate) fn owed_ids(owed: &[Owed]) -> Vec<DeliveryId> {
    owed.iter().map(|o| o.id).collect()
}
