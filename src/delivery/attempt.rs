//! One attempt: the event from memory or store, the message as the running routes.yaml says, the service's form, the answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::client::Client;
use crate::config::{Config, Redactor};
use crate::event::{DeliveryId, Event, EventId};
use crate::message::{Circumstances, Composed, Late, Message, Scope, Since, compose};
use crate::receiver::{
    Answer, Audience, Call, Judgement, Outgoing, Reason, Receiver, Sent, Unsendable, Verdict, plain_text,
};
use crate::store::{Owed, Store, StoreError};

/// A message this late says so.
const LATE: Duration = Duration::from_secs(5 * 60);

/// What an attempt needs, as it was when the attempt began.
#[derive(Clone)]
pub struct Means {
    pub config: Arc<Config>,
    pub receiver: Arc<Receiver>,
    pub client: Client,
    pub store: Arc<dyn Store>,
    pub public_url: Option<Arc<str>>,
}

/// What an attempt came to. Texts are redacted.
#[derive(Debug)]
pub struct Tried {
    pub judgement: Judgement,
    pub at: Timestamp,
    pub took: Duration,
    pub notes: Vec<String>,
    /// What the reader saw, for kinds that speak to people.
    pub copy: Option<String>,
    /// One of the relay's own events: its death is not told again.
    pub own: bool,
}

impl Tried {
    /// The attempt panicked: a fault of the relay's own, which delays this key alone.
    #[must_use]
    pub fn broken() -> Tried {
        let detail = "internal error, please report it".to_owned();
        let judgement = Judgement::not_delivered(Verdict::Later, Reason::Template, detail);
        Tried { judgement, at: Timestamp::now(), took: Duration::ZERO, notes: Vec::new(), copy: None, own: false }
    }
}

/// A message in the service's form, with what a reader sees of it.
struct Prepared {
    sent: Sent,
    copy: Option<String>,
}

/// What became of a message in one form. Texts are as they came.
struct Outcome {
    judgement: Judgement,
    notes: Vec<String>,
    copy: Option<String>,
}

/// What a delivery is about, for rendering.
#[derive(Debug, Clone)]
pub struct Subject {
    pub id: DeliveryId,
    pub event_id: EventId,
    pub event: Arc<Event>,
    pub route: Arc<str>,
    pub closes: Option<DeliveryId>,
}

/// Makes one attempt of `owed`.
///
/// # Errors
/// When the store cannot give the event: no attempt was made.
pub async fn attempt(means: &Means, owed: &Owed) -> Result<Tried, StoreError> {
    let at = Timestamp::now();
    let begun = Instant::now();
    let event = match &owed.content {
        Some(event) => Some(Arc::clone(event)),
        None => means.store.event(owed.event).await?.map(|stored| stored.event),
    };
    let Some(event) = event else {
        let judgement = dead(Reason::Client, "its event is not in the store any more".to_owned());
        return Ok(Tried { judgement, at, took: Duration::ZERO, notes: Vec::new(), copy: None, own: false });
    };
    if let Some(job) = event.job.as_ref().and_then(|job| job.id.as_deref()) {
        tracing::Span::current().record("job", job);
    }
    let own = event.is_own();
    let subject =
        Subject { id: owed.id, event_id: owed.event, event, route: Arc::clone(&owed.route), closes: owed.closes };
    let late = lateness(means, &subject, at).await?;

    let mut outcome = send(means, &subject, late.clone(), at, false).await;
    if outcome.judgement.bad_form && means.receiver.kind.audience() == Audience::People {
        let refusal = format!("refused in its full form ({}), sent again in plain form", outcome.judgement.detail);
        outcome = send(means, &subject, late, at, true).await;
        outcome.notes.insert(0, refusal);
    }
    let Outcome { mut judgement, notes, copy } = outcome;
    let hidden = |text: &str| means.config.redactor.redact(text).into_owned();
    judgement.detail = hidden(&judgement.detail);
    Ok(Tried {
        judgement,
        at,
        took: begun.elapsed(),
        notes: notes.iter().map(|note| hidden(note)).collect(),
        copy: copy.map(|text| hidden(&text)),
        own,
    })
}

/// The message of a delivery as it would be sent now, for its reader; secrets redacted.
///
/// # Errors
/// When nothing can be sent, or the store cannot be read.
pub async fn preview(means: &Means, subject: &Subject) -> Result<String, String> {
    let now = Timestamp::now();
    let late = lateness(means, subject, now).await.map_err(|e| e.to_string())?;
    let prepared = prepare(means, subject, late, now, false).map_err(|e| e.to_string())?;
    let text = prepared.copy.unwrap_or_else(|| match &prepared.sent.outgoing {
        Outgoing::Http(request) => String::from_utf8_lossy(&request.body).into_owned(),
        Outgoing::Console(text) | Outgoing::Inbox(text) => text.clone(),
    });
    Ok(means.config.redactor.redact(&text).into_owned())
}

async fn send(means: &Means, subject: &Subject, late: Option<Late>, now: Timestamp, plain: bool) -> Outcome {
    let prepared = match prepare(means, subject, late, now, plain) {
        Ok(prepared) => prepared,
        Err(Unsendable(why)) => {
            return Outcome { judgement: dead(Reason::Template, why), notes: Vec::new(), copy: None };
        }
    };
    let judgement = match &prepared.sent.outgoing {
        Outgoing::Http(request) => {
            let answer = means.client.send(request).await;
            means.receiver.judge(&answer.map(|answer| without_secrets(answer, &means.config.redactor)))
        }
        Outgoing::Console(text) => {
            // Who, what and why are in the attempt's span.
            tracing::info!("\n{text}");
            written("written to the log")
        }
        Outgoing::Inbox(_) => written("kept in the inbox"),
    };
    Outcome { judgement, notes: prepared.sent.notes, copy: prepared.copy }
}

fn prepare(
    means: &Means,
    subject: &Subject,
    late: Option<Late>,
    now: Timestamp,
    plain: bool,
) -> Result<Prepared, Unsendable> {
    let Means { config, receiver, .. } = means;
    let machine = receiver.kind.audience() == Audience::Machine;
    let mut notes = Vec::new();
    let message = if receiver.uses_message() {
        let scope = Scope {
            event: Arc::clone(&subject.event),
            route: Arc::clone(&subject.route),
            receiver: Arc::clone(&receiver.name),
            delivery: subject.id,
        };
        let circumstances = Circumstances {
            late: if machine { None } else { late },
            closes: subject.closes,
            public_url: means.public_url.as_deref().map(str::to_owned),
        };
        let Composed { message, failed } =
            compose(&config.engine, &config.layers(&subject.route, receiver), &scope, &circumstances);
        if let Some(why) = failed {
            if machine {
                return Err(Unsendable(why));
            }
            let why = config.redactor.redact(&why);
            tracing::error!(receiver = %receiver.name, delivery = %subject.id, "the built-in message was sent: {why}");
            notes.push(format!("the built-in message was sent: {why}"));
        }
        message
    } else {
        Message::default()
    };
    let call = Call {
        event: &subject.event,
        delivery: subject.id,
        route: &subject.route,
        message: &message,
        engine: &config.engine,
        now,
        plain,
    };
    let mut sent = receiver.request(&call)?;
    notes.append(&mut sent.notes);
    sent.notes = notes;
    let copy = match &sent.outgoing {
        Outgoing::Console(text) | Outgoing::Inbox(text) => Some(text.clone()),
        Outgoing::Http(_) => (!machine).then(|| plain_text(&message, &mut Vec::new())),
    };
    Ok(Prepared { sent, copy })
}

/// Before anything is cut from the answer: half a secret would not be known as one.
fn without_secrets(mut answer: Answer, redactor: &Redactor) -> Answer {
    if let Cow::Owned(hidden) = redactor.redact(&String::from_utf8_lossy(&answer.body)) {
        answer.body = hidden.into();
    }
    answer
}

/// How late a message to people is, and what the next run of the same key has come to since.
async fn lateness(means: &Means, subject: &Subject, now: Timestamp) -> Result<Option<Late>, StoreError> {
    let by = Duration::try_from(now.duration_since(subject.event.received.received_at)).unwrap_or_default();
    if by <= LATE || means.receiver.kind.audience() == Audience::Machine {
        return Ok(None);
    }
    let next = means.store.next_of_key(&subject.event.key, subject.event_id).await?;
    let since = next.and_then(|stored| {
        let job = stored.event.job.as_ref()?;
        match job.outcome {
            Some(outcome) => Some(Since::Ended(outcome)),
            None => job.state.as_ref().map(|state| Since::Going(state.as_str().to_owned())),
        }
    });
    Ok(Some(Late { by, since }))
}

/// Delivered without any service.
fn written(how: &str) -> Judgement {
    Judgement {
        verdict: Verdict::Delivered,
        reason: None,
        detail: how.to_owned(),
        advice: None,
        lane_waits: None,
        bad_form: false,
    }
}

fn dead(reason: Reason, detail: String) -> Judgement {
    Judgement::not_delivered(Verdict::Refused, reason, detail)
}
