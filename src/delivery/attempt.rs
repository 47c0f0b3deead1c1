//! One attempt: the event from memory or store, the message as the running routes.yaml says, the service's form, the answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::client::Client;
use super::environment::WallClock;
use super::mail::Posted;
use super::prepare::{Prepared, Subject, prepare};
use super::preview::Preview;
use super::references::{Recent, earlier};
use crate::config::{Config, Redactor};
use crate::event::{Event, EventId};
use crate::message::{Late, Since};
use crate::receiver::{
    Answer, Audience, Failure, Judgement, Letter, Outgoing, Reason, Receiver, Threads, Unsendable, Verdict,
};
use crate::store::{Owed, Store, StoreError};

/// So often a mail is tried for all of its recipients, where one is put off (greylisting): some minutes. Then the others get it.
const PATIENT_TRIES: u32 = 10;
/// A message this late says so.
const LATE: Duration = Duration::from_secs(5 * 60);

/// What an attempt needs, as it was when the attempt began.
#[derive(Clone)]
pub struct Means {
    pub config: Arc<Config>,
    pub receiver: Arc<Receiver>,
    pub client: Client,
    pub store: Arc<dyn Store>,
    pub now: WallClock,
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
    /// Of a message that began a thread: what later ones answer to.
    pub reference: Option<String>,
    /// One of the relay's own events: its death is not told again.
    pub own: bool,
}

impl Tried {
    /// The attempt panicked: a fault of the relay's own, which delays this key alone.
    #[must_use]
    pub fn broken(at: Timestamp) -> Tried {
        let detail = "internal error, please report it".to_owned();
        let judgement = Judgement::not_delivered(Verdict::Later, Reason::Template, detail);
        Tried { at, ..Tried::unsent(judgement) }
    }

    fn unsent(judgement: Judgement) -> Tried {
        Tried {
            judgement,
            at: Timestamp::UNIX_EPOCH,
            took: Duration::ZERO,
            notes: Vec::new(),
            copy: None,
            reference: None,
            own: false,
        }
    }
}

/// What became of a message in one form. Texts are as they came.
struct Outcome {
    judgement: Judgement,
    notes: Vec<String>,
    copy: Option<String>,
}

/// Makes one attempt of `owed`. `recent`: what the same lane has sent.
///
/// # Errors
/// When the store cannot give the event at present: no attempt was made.
pub async fn attempt(means: &Means, recent: &Recent, owed: &Owed) -> Result<Tried, StoreError> {
    let at = (means.now)();
    let begun = Instant::now();
    let event = match &owed.content {
        Some(event) => Arc::clone(event),
        None => match content(means, owed.event).await? {
            Ok(event) => event,
            Err(judgement) => return Ok(Tried { at, ..Tried::unsent(judgement) }),
        },
    };
    let own = event.is_own();
    let late = lateness(means, owed.event, &event, at).await;
    let mut subject =
        Subject { id: owed.id, event, route: Arc::clone(&owed.route), closes: owed.closes, earlier: None };
    subject.earlier = earlier(means, recent, &subject).await;

    let way = Way {
        config: &means.config,
        receiver: &means.receiver,
        client: &means.client,
        public_url: means.public_url.as_deref(),
        event: Some(owed.event),
        patient: owed.attempts < PATIENT_TRIES,
    };
    let (mut outcome, plain) = once(way, &subject, late, at).await;
    if let Threads::Named(name) = means.receiver.kind.threads() {
        outcome.judgement.reference = name(&subject.event);
    }
    let judgement = &outcome.judgement;
    let arrived = judgement.verdict == Verdict::Delivered;
    let reference = if arrived { recent.arrived(&subject, means.receiver.kind_name, plain, judgement) } else { None };
    Ok(Tried { at, took: begun.elapsed(), reference, own, ..outcome.redacted(&means.config.redactor) })
}

/// The event from the store, or what it means that there is none: what can never be sent is dead at once.
///
/// # Errors
/// When it may be read another time.
async fn content(means: &Means, id: EventId) -> Result<Result<Arc<Event>, Judgement>, StoreError> {
    Ok(match means.store.content(id).await {
        Ok(Some(event)) => Ok(event),
        Ok(None) => Err(dead(Reason::Template, "its event is not in the store any more".to_owned())),
        Err(error @ StoreError::EventUnreadable { .. }) => Err(dead(Reason::Template, error.to_string())),
        Err(error) => return Err(error),
    })
}

/// Makes one attempt outside any lane: nothing waits for it, nothing is kept of it.
///
/// # Errors
/// A sentence, if the receiver's settings name files that cannot be read.
pub async fn try_once(config: &Config, receiver: &Receiver, subject: &Subject) -> Result<Tried, String> {
    let client = Client::new(&receiver.common, false)?;
    let (at, begun) = (Timestamp::now(), Instant::now());
    let (outcome, _) = once(
        Way { config, receiver, client: &client, public_url: None, event: None, patient: false },
        subject,
        None,
        at,
    )
    .await;
    let own = subject.event.is_own();
    Ok(Tried { at, took: begun.elapsed(), own, ..outcome.redacted(&config.redactor) })
}

/// The message of a delivery of the event `id` as it would be, or was, sent at `now`.
///
/// # Errors
/// When nothing can be sent: a sentence, redacted.
pub async fn preview(means: &Means, id: EventId, subject: &Subject, now: Timestamp) -> Result<Preview, String> {
    let redactor = &means.config.redactor;
    let late = lateness(means, id, &subject.event, now).await;
    let earlier = earlier(means, &Recent::default(), subject).await;
    let subject = Subject { earlier, ..subject.clone() };
    let public_url = means.public_url.as_deref();
    let prepared = prepare(&means.config, &means.receiver, public_url, &subject, late, now, false);
    Preview::of_result(prepared, &means.receiver, redactor).map_err(|why| format!("nothing can be sent: {why}"))
}

impl Outcome {
    fn redacted(self, redactor: &Redactor) -> Tried {
        let Outcome { mut judgement, notes, copy } = self;
        judgement.detail = hidden(judgement.detail, redactor);
        judgement.advice = judgement.advice.map(|advice| hidden(advice, redactor));
        let notes = notes.into_iter().map(|note| hidden(note, redactor)).collect();
        Tried { notes, copy: copy.map(|text| hidden(text, redactor)), ..Tried::unsent(judgement) }
    }
}

/// The text without secrets; itself, where there are none.
fn hidden(text: String, redactor: &Redactor) -> String {
    match redactor.redact(&text) {
        Cow::Owned(hidden) => hidden,
        Cow::Borrowed(_) => text,
    }
}

/// What a message is made of and sent by.
#[derive(Clone, Copy)]
struct Way<'a> {
    config: &'a Config,
    receiver: &'a Receiver,
    client: &'a Client,
    public_url: Option<&'a str>,
    /// Of a delivery of the store's.
    event: Option<EventId>,
    /// A mail goes to none of its recipients while one is put off.
    patient: bool,
}

/// Sends the message, and once more in plain form if its form is refused; says whether that was the last.
async fn once(way: Way<'_>, subject: &Subject, late: Option<Late>, now: Timestamp) -> (Outcome, bool) {
    let outcome = send(way, subject, late.clone(), now, false).await;
    if !outcome.judgement.bad_form || way.receiver.kind.audience() != Audience::People {
        return (outcome, false);
    }
    let refusal = format!("refused in its full form ({}), sent again in plain form", outcome.judgement.detail);
    let mut outcome = send(way, subject, late, now, true).await;
    outcome.notes.insert(0, refusal);
    (outcome, true)
}

async fn send(means: Way<'_>, subject: &Subject, late: Option<Late>, now: Timestamp, plain: bool) -> Outcome {
    let prepared = prepare(means.config, means.receiver, means.public_url, subject, late, now, plain);
    let Prepared { outgoing, copy, mut notes, fallback, .. } = match prepared {
        Ok(prepared) => prepared,
        Err(Unsendable(why)) => {
            return Outcome { judgement: dead(Reason::Template, why), notes: Vec::new(), copy: None };
        }
    };
    if let Some(why) = fallback {
        let why = means.config.redactor.redact(&why);
        tracing::error!(receiver = %means.receiver.name, delivery = %subject.id, "the built-in message was sent: {why}");
    }
    let judgement = match &outgoing {
        Outgoing::Http(request) => {
            let answer = means.client.send(request).await;
            judge(means.receiver, &answer, &means.config.redactor)
        }
        Outgoing::Mail(letter) => {
            // In a box of its own: every attempt, of whatever kind, would else be as large as a conversation with a mail server.
            let posted = Box::pin(means.client.mail(letter, means.patient)).await;
            let answer = posted.map(|Posted { answer, refused }| {
                if let Some(note) = left_out(refused, letter, &means.config.redactor) {
                    tracing::warn!(receiver = %means.receiver.name, delivery = %subject.id, "{note}");
                    notes.push(note);
                }
                answer
            });
            judge(means.receiver, &answer, &means.config.redactor)
        }
        Outgoing::Console(text) => {
            // A span, and not fields of the line: they would stand behind the text.
            let job = subject.event.job.as_ref().and_then(|job| job.id.as_deref());
            let (receiver, delivery, route) = (&*means.receiver.name, subject.id, &*subject.route);
            tracing::info_span!("attempt", %receiver, %delivery, event = means.event.map(display), %route, job)
                .in_scope(|| tracing::info!("\n{text}"));
            written("written to the log")
        }
        Outgoing::Inbox(_) => written("kept in the inbox"),
    };
    Outcome { judgement, notes, copy }
}

/// What the answer means, told in its own words without secrets: half a secret, where they are cut, would not be known as one. What it
/// means is not asked of words without secrets: a secret may be a word as common as `true`.
fn judge(receiver: &Receiver, answer: &Result<Answer, Failure>, redactor: &Redactor) -> Judgement {
    let judgement = receiver.judge(answer);
    let Ok(whole) = answer else { return judgement };
    let Some(shown) = without_secrets(whole, redactor) else { return judgement };
    let summary = shown.summary();
    let told = receiver.judge(&Ok(shown));
    Judgement { detail: if told.verdict == judgement.verdict { told.detail } else { summary }, ..judgement }
}

/// `None`: there are none in it.
fn without_secrets(answer: &Answer, redactor: &Redactor) -> Option<Answer> {
    match redactor.redact(&String::from_utf8_lossy(&answer.body)) {
        Cow::Owned(hidden) => Some(Answer { body: hidden.into(), ..answer.clone() }),
        Cow::Borrowed(_) => None,
    }
}

/// Who got no mail while others did: said, since the delivery counts. Redacted.
fn left_out(refused: Vec<(String, Answer)>, letter: &Letter, redactor: &Redactor) -> Option<String> {
    if refused.is_empty() {
        return None;
    }
    let (count, all) = (refused.len(), letter.to.len() + letter.cc.len());
    let named = refused.into_iter().map(|(to, why)| {
        let why = without_secrets(&why, redactor).unwrap_or(why);
        format!("{to} ({})", why.summary())
    });
    let note = format!("{count} of {all} recipients got no mail: {}", named.collect::<Vec<_>>().join(", "));
    Some(redactor.redact(&note).into_owned())
}

/// How late a message to people is at `now`, and what the next run of the same key has come to until then.
/// One that cannot be found out is left unsaid.
async fn lateness(means: &Means, id: EventId, event: &Event, now: Timestamp) -> Option<Late> {
    let by = Duration::try_from(now.duration_since(event.received.received_at)).unwrap_or_default();
    if by <= LATE || means.receiver.kind.audience() == Audience::Machine {
        return None;
    }
    let next = means.store.next_of_key(&event.key, id, now).await.unwrap_or_else(|error| {
        tracing::warn!(receiver = %means.receiver.name, event = %id, "what came of it since could not be read: {error}");
        None
    });
    let since = next.and_then(|stored| {
        let job = stored.event.job.as_ref()?;
        match job.outcome {
            Some(outcome) => Some(Since::Ended(outcome)),
            None => job.state.as_ref().map(|state| Since::Going(state.as_str().to_owned())),
        }
    });
    Some(Late { by, since })
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
        reference: None,
    }
}

fn dead(reason: Reason, detail: String) -> Judgement {
    Judgement::not_delivered(Verdict::Refused, reason, detail)
}
