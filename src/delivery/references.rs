//! Which thread a message belongs to: the store knows, but a lane goes on to the next message of a key before the outcome of the
//! last is on disk. What was sent just now is remembered here.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::attempt::Means;
use super::lane::UNRECORDED;
use super::prepare::Subject;
use crate::event::{DeliveryId, Event};
use crate::receiver::Judgement;
use crate::store::{InThread, KeyHash, StoreError};

/// More than a lane sends without a record.
const REMEMBERED: usize = 2 * UNRECORDED;

/// Messages of one lane that got a reference or answered to one, oldest first.
#[derive(Debug, Default)]
pub struct Recent(Mutex<VecDeque<Told>>);

#[derive(Debug)]
struct Told {
    delivery: DeliveryId,
    key: KeyHash,
    job: Option<String>,
    /// What later messages of its thread answer to.
    reference: String,
}

impl Recent {
    /// Remembers a message that arrived. Returns the reference, if it began a thread that is to be kept.
    pub fn arrived(&self, subject: &Subject, kind: &str, plain: bool, judgement: &Judgement) -> Option<String> {
        // The plain form answers to nothing: an earlier message may be what was refused.
        let answered = subject.earlier.as_deref().filter(|_| !plain);
        let begun = if answered.is_none() { judgement.reference.as_deref() } else { None };
        let reference = kept(begun.or(answered)?, kind);
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() == REMEMBERED {
            told.pop_front();
        }
        told.push_back(Told {
            delivery: subject.id,
            key: KeyHash::of(&subject.event.key),
            job: job(&subject.event),
            reference: reference.clone(),
        });
        begun.map(|_| reference)
    }

    fn find(&self, wanted: impl Fn(&Told) -> bool) -> Option<String> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().rfind(|told| wanted(told)).map(|told| told.reference.clone())
    }

    fn of_failure(&self, message: &InThread) -> Option<String> {
        self.find(|told| Some(told.delivery) == message.closes)
    }

    fn of_job(&self, message: &InThread) -> Option<String> {
        message.job.as_ref()?;
        self.find(|told| told.key == message.key && told.job == message.job && told.delivery < message.before)
    }
}

/// What `subject` answers to, for kinds that have threads.
///
/// # Errors
/// When the store cannot be read.
pub async fn earlier(means: &Means, recent: &Recent, subject: &Subject) -> Result<Option<String>, StoreError> {
    if !means.receiver.kind.threads() {
        return Ok(None);
    }
    let message = InThread {
        receiver: means.receiver.name.clone(),
        key: KeyHash::of(&subject.event.key),
        job: job(&subject.event),
        closes: subject.closes,
        // One that is not owed yet would come after all there are.
        before: if subject.id == DeliveryId(0) { DeliveryId(i64::MAX) } else { subject.id },
    };
    if message.job.is_none() && message.closes.is_none() {
        return Ok(None);
    }
    let just_sent = match message.closes {
        Some(_) => recent.of_failure(&message),
        None => recent.of_job(&message),
    };
    let found = match just_sent {
        Some(reference) => Some(reference),
        // Of a recovery whose failure began no thread, its own job's counts.
        None => means.store.reference(&message).await?.or_else(|| recent.of_job(&message)),
    };
    Ok(found.and_then(|kept| of_kind(&kept, means.receiver.kind_name)))
}

/// As kept: a name in routes.yaml may come to stand for another service, which knows nothing of the references of the first.
fn kept(reference: &str, kind: &str) -> String {
    format!("{kind} {reference}")
}

fn of_kind(kept: &str, kind: &str) -> Option<String> {
    kept.strip_prefix(kind)?.strip_prefix(' ').map(str::to_owned)
}

fn job(event: &Event) -> Option<String> {
    event.job.as_ref().and_then(|job| job.id.as_deref()).map(str::to_owned)
}
