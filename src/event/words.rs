//! The text of a word of the vocabulary, for patterns and templates.

use std::borrow::Cow;

use jiff::Timestamp;

use super::{Event, JobType, duration};

impl Event {
    /// The text a word of the vocabulary prints: `type`, `type_label`, `state`, `since`, `outcome`, `reason`, `error`,
    /// `resource`, `source`, `data_product`, `workflow`, `destination`, `job`, `queued_for`, `ran_for`, `tenant`,
    /// `event_id`, `event_type`, `time`, `received_at`. `None` if it is absent in this event, or no such word.
    #[must_use]
    pub fn text(&self, word: &str) -> Option<Cow<'_, str>> {
        match word {
            "event_id" => return filled(&self.id),
            "event_type" => return filled(&self.event_type),
            "tenant" => return filled(&self.tenant),
            "time" => return self.time.map(stamp),
            "received_at" => return Some(stamp(self.received.received_at)),
            _ => {}
        }
        let job = self.job.as_ref()?;
        let named = match word {
            "source" => &job.source,
            "data_product" => &job.data_product,
            "workflow" => &job.workflow,
            "destination" => &job.destination,
            _ => &None,
        };
        if let Some(resource) = named {
            return Some(resource.name_or_id().into());
        }
        match word {
            "job" => job.id.as_deref().map(Cow::Borrowed),
            "type" => job.job_type.as_ref().map(|job_type| job_type.as_str().into()),
            "type_label" => job.job_type.as_ref().map(JobType::label),
            "state" => job.state.as_ref().map(|state| state.as_str().into()),
            "since" => job.since.map(stamp),
            "outcome" => job.outcome.map(|outcome| outcome.as_str().into()),
            "reason" => job.reason.as_deref().map(Cow::Borrowed),
            "error" => job.error.as_deref().map(Cow::Borrowed),
            "resource" => job.resource().map(|(_, resource)| resource.to_string().into()),
            "queued_for" => job.queued_for.map(|duration| duration::readable(duration).into()),
            "ran_for" => job.ran_for.map(|duration| duration::readable(duration).into()),
            _ => None,
        }
    }
}

fn filled(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

fn stamp(time: Timestamp) -> Cow<'static, str> {
    format!("{time:.3}").into()
}

#[cfg(test)]
mod tests {
    use super::super::{Form, Received, parse};
    use super::*;

    #[test]
    fn every_word_prints_its_text() {
        let body = r#"{
            "specversion": "1.0", "id": "e-1", "source": "acme.tamr.cloud", "type": "tamr.job", "time": "2025-12-02T14:46:04.6Z",
            "data": {
                "jobId": "j-1", "sourceId": "s-1", "sourceDisplayName": "CRM", "workflowId": "w-1",
                "status": {
                    "state": "DONE", "stateStartTime": "2025-12-02T14:46:04.518Z", "error": {"reason": "R", "message": "m"}
                },
                "pastStatuses": [
                    {"state": "PENDING", "stateStartTime": "2025-12-02T13:00:00Z"},
                    {"state": "RUNNING", "stateStartTime": "2025-12-02T13:46:00Z"}
                ]
            }
        }"#;
        let form = Form { content_type: String::new(), attributes: Vec::new() };
        let event = parse(Received { form, body: body.into(), received_at: Timestamp::UNIX_EPOCH }).expect("readable");
        for (word, text) in [
            ("type", Some("load_source")),
            ("type_label", Some("Load source")),
            ("state", Some("DONE")),
            ("since", Some("2025-12-02T14:46:04.518Z")),
            ("outcome", Some("failed")),
            ("reason", Some("R")),
            ("error", Some("m")),
            ("resource", Some("CRM")),
            ("source", Some("CRM")),
            ("data_product", None),
            ("workflow", Some("w-1")),
            ("destination", None),
            ("job", Some("j-1")),
            ("queued_for", Some("46m")),
            ("ran_for", Some("1h")),
            ("tenant", Some("acme.tamr.cloud")),
            ("event_id", Some("e-1")),
            ("event_type", Some("tamr.job")),
            ("time", Some("2025-12-02T14:46:04.600Z")),
            ("received_at", Some("1970-01-01T00:00:00.000Z")),
            ("status", None),
        ] {
            assert_eq!(event.text(word).as_deref(), text, "{word}");
        }
    }
}
