//! Which thread a message belongs to: the store knows, but a lane goes on to the next message of a key before the outcome of the
//! last is on disk. What was sent just now is remembered here.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::attempt::Means;
use super::lane::UNRECORDED;
use super::prepare::Subject;
use crate::event::{DeliveryId, Event};
use crate::receiver::{Judgement, Threads};
use crate::store::{InThread, KeyHash};

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

/// What `subject` answers to, for kinds that have threads. A message whose thread cannot be read begins one.
pub async fn earlier(means: &Means, recent: &Recent, subject: &Subject) -> Option<String> {
    if matches!(means.receiver.kind.threads(), Threads::None) {
        return None;
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
        return None;
    }
    let just_sent = match message.closes {
        Some(_) => recent.of_failure(&message),
        None => recent.of_job(&message),
    };
    let found = if just_sent.is_some() {
        just_sent
    } else {
        // Of a recovery whose failure began no thread, its own job's counts.
        let kept = means.store.reference(&message).await.unwrap_or_else(|error| {
            tracing::warn!(receiver = %message.receiver, delivery = %subject.id, "its thread could not be read: {error}");
            None
        });
        kept.or_else(|| recent.of_job(&message))
    };
    found.and_then(|kept| of_kind(&kept, means.receiver.kind_name))
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::testing::{event_of, failed_job};
    use crate::receiver::{Reason, Verdict};

    fn subject(id: i64, earlier: Option<&str>) -> Subject {
        let event = Arc::new(event_of(Some(failed_job())));
        Subject { id: DeliveryId(id), event, route: "r".into(), closes: None, earlier: earlier.map(str::to_owned) }
    }

    fn answered(reference: &str) -> Judgement {
        Judgement {
            reference: Some(reference.to_owned()),
            verdict: Verdict::Delivered,
            ..Judgement::not_delivered(Verdict::Later, Reason::Server, String::new())
        }
    }

    fn message(before: i64, closes: Option<i64>) -> InThread {
        let event = event_of(Some(failed_job()));
        InThread {
            receiver: "ops".into(),
            key: KeyHash::of(&event.key),
            job: job(&event),
            closes: closes.map(DeliveryId),
            before: DeliveryId(before),
        }
    }

    #[test]
    fn what_was_sent_just_now_is_answered_before_it_is_on_disk() {
        let recent = Recent::default();
        assert_eq!(recent.arrived(&subject(5, None), "slack", false, &answered("a")).as_deref(), Some("slack a"));
        assert_eq!(
            recent.arrived(&subject(6, Some("a")), "slack", false, &answered("b")),
            None,
            "no thread of its own"
        );
        assert_eq!(recent.of_job(&message(5, None)), None);
        assert_eq!(recent.of_job(&message(7, None)).as_deref(), Some("slack a"));
        assert_eq!(
            recent.of_failure(&message(9, Some(6))).as_deref(),
            Some("slack a"),
            "the thread's first, not the reply"
        );
        assert_eq!(recent.of_failure(&message(9, Some(4))), None);
        assert_eq!(recent.of_job(&InThread { job: None, ..message(9, None) }), None);
        // The plain form answered to nothing.
        assert_eq!(recent.arrived(&subject(8, Some("a")), "slack", true, &answered("c")).as_deref(), Some("slack c"));
        assert_eq!(recent.of_job(&message(9, None)).as_deref(), Some("slack c"));
    }

    #[test]
    fn another_service_knows_nothing_of_the_references_of_the_first() {
        assert_eq!(of_kind("slack 1.2 in C0", "slack").as_deref(), Some("1.2 in C0"));
        assert_eq!(of_kind("slack 1.2 in C0", "matrix"), None);
    }

    #[test]
    fn a_long_backlog_is_forgotten_from_its_beginning() {
        let recent = Recent::default();
        for n in 0..=i64::try_from(REMEMBERED).unwrap() {
            recent.arrived(&subject(n + 1, None), "slack", false, &answered(&n.to_string()));
        }
        assert_eq!(recent.of_failure(&message(i64::MAX, Some(1))), None);
        assert_eq!(recent.of_failure(&message(i64::MAX, Some(2))).as_deref(), Some("slack 1"));
    }
}
