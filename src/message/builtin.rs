//! The built-in message: reads well for every job type and outcome, for any other event, and for the relay's own.
//!
//! Written for a tired person: the title says what happened to what, the text why and what to do next, the fields the rest.

use super::cut::{cut, one_line};
use super::shield::shield;
use super::{Level, Markdown, Message, Scope};
use crate::event::duration::readable;
use crate::event::{Event, Job, JobType, Outcome, State};

/// Longest piece of an error message shown, in characters: the reason is at its beginning.
const ERROR_LENGTH: usize = 1500;
/// Longest name shown in a title or field.
const NAME_LENGTH: usize = 200;

/// The reason of an error that gave none.
const UNKNOWN: &str = "UNKNOWN";

/// What is said when routes.yaml says nothing.
#[must_use]
pub fn builtin(scope: &Scope) -> Message {
    let event = &*scope.event;
    let (title, text, level) = match &event.job {
        Some(job) => (headline(event, false), job_text(job), job_level(job)),
        None => (headline(event, false), other_text(event), own_level(&event.event_type)),
    };
    Message {
        title,
        text,
        level,
        link: None,
        fields: fields(event),
        mention: Vec::new(),
        notices: Vec::new(),
        footer: None,
    }
}

/// The title: what happened, to what. A recovery is a success after a failure.
#[must_use]
pub fn headline(event: &Event, recovery: bool) -> String {
    let Some(job) = &event.job else { return other_headline(event) };
    let what = job.job_type.as_ref().map_or_else(|| "Job".to_owned(), |t| short(&t.label()));
    let happened = match (job.outcome, &job.state) {
        _ if recovery => "recovered".to_owned(),
        (Some(outcome), _) => outcome.as_str().to_owned(),
        (None, Some(State::Pending)) => "is waiting".to_owned(),
        (None, Some(State::Running)) => "is running".to_owned(),
        (None, Some(State::Stopping)) => "is stopping".to_owned(),
        (None, Some(State::Done)) => "is done".to_owned(),
        (None, Some(State::Other(state))) => format!("is {}", short(state)),
        (None, None) => "reported something".to_owned(),
    };
    let to_what = match (job.resource(), &job.id) {
        (Some((_, resource)), _) => format!(": {}", short(&resource.to_string())),
        (None, Some(id)) => format!(" (job {})", short(id)),
        (None, None) => String::new(),
    };
    format!("{what} {happened}{to_what}")
}

fn job_level(job: &Job) -> Level {
    match job.outcome {
        Some(Outcome::Failed) => Level::Error,
        Some(Outcome::Stopped) => Level::Warning,
        Some(Outcome::Succeeded) => Level::Success,
        None => Level::Info,
    }
}

fn job_text(job: &Job) -> Markdown {
    let error = job.error.as_deref().map(|error| shield(&cut(error.trim(), ERROR_LENGTH).0).into_owned());
    let reason = job.reason.as_deref().filter(|reason| *reason != UNKNOWN).map(|r| shield(&in_words(r)).into_owned());
    let text = match (job.outcome, &job.state) {
        (Some(Outcome::Failed), _) => {
            let why = match (reason, error) {
                (Some(reason), Some(error)) => format!("**{reason}:** {error}"),
                (Some(reason), None) => format!("**{reason}.** The job gave no further message."),
                (None, Some(error)) => error,
                (None, None) => "The job failed without saying why.".to_owned(),
            };
            format!("{why}\n\n**What to do:** {}", after_failure(job.job_type.as_ref()))
        }
        (Some(Outcome::Stopped), _) => {
            let why = error
                .or_else(|| reason.map(|reason| format!("{reason}.")))
                .unwrap_or_else(|| "The job was stopped.".into());
            format!("{why}\n\n**What to do:** nothing, if this was meant to be. Otherwise run it again.")
        }
        (Some(Outcome::Succeeded), _) => match job.ran_for {
            Some(ran_for) => format!("Finished after {}. Nothing to do.", readable(ran_for)),
            None => "Finished. Nothing to do.".to_owned(),
        },
        (None, Some(State::Pending)) => "Waiting to start. Nothing to do.".to_owned(),
        (None, Some(State::Running)) => match job.queued_for {
            Some(queued_for) => format!("Started after {} in the queue. Nothing to do.", readable(queued_for)),
            None => "Started. Nothing to do.".to_owned(),
        },
        (None, Some(State::Stopping)) => "It was asked to stop and has not ended yet. Nothing to do.".to_owned(),
        (None, _) => error.unwrap_or_else(|| "It has not ended yet.".to_owned()),
    };
    Markdown(text)
}

/// The next step after a failure, by what was attempted.
fn after_failure(job_type: Option<&JobType>) -> &'static str {
    match job_type {
        Some(JobType::LoadSource) => "check the source and the connection it is read through, then load it again.",
        Some(JobType::UpdateDataProduct) => "check the data product's configuration and sources, then update it again.",
        Some(JobType::UpdateWorkflow) => "check the workflow's configuration, then update it again.",
        Some(JobType::PublishConfiguration) => {
            "check the publish configuration and that its destination can be written to, then publish again."
        }
        Some(JobType::PublishDestination) => {
            "check the destination's connection and that it can be written to, then publish again."
        }
        Some(JobType::Other(_)) | None => "look at the job in Tamr, mend the cause, then run it again.",
    }
}

fn fields(event: &Event) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            fields.push((name.to_owned(), short(&value)));
        }
    };
    if let Some(job) = &event.job {
        add("Job", job.id.as_ref().map(ToString::to_string));
        add("Ran for", job.ran_for.map(readable));
        add("Queued", job.queued_for.map(readable));
        // As routes.yaml would match it; the text has it in words.
        add("Reason", job.reason.as_ref().filter(|reason| *reason != UNKNOWN).map(ToString::to_string));
    } else if !is_own(event) {
        add("Event", Some(event.id.clone()));
        add("Time", event.time.map(super::values::timestamp));
    }
    if !is_own(event) {
        add("Tenant", Some(event.tenant.to_string()));
    }
    fields
}

fn is_own(event: &Event) -> bool {
    event.event_type.starts_with("jobrelay.")
}

fn other_headline(event: &Event) -> String {
    match event.event_type.strip_prefix("jobrelay.") {
        Some(what) => {
            let named = || event.envelope()["data"]["receiver"].as_str().map(str::to_owned);
            let about = event.about.clone().or_else(named);
            let about = about.map_or_else(String::new, |about| format!(": {}", short(&about)));
            format!("{}{about}", in_words(what))
        }
        None if event.event_type.is_empty() => "An event arrived".to_owned(),
        None => format!("Event {}", short(&event.event_type)),
    }
}

fn other_text(event: &Event) -> Markdown {
    let Some(what) = event.event_type.strip_prefix("jobrelay.") else {
        let from =
            if event.tenant.is_empty() { String::new() } else { format!(" from {}", shield(&short(&event.tenant))) };
        return Markdown(format!("An event that is not about a job came in{from}."));
    };
    let envelope = event.envelope();
    let summary = envelope["data"]["summary"].as_str().unwrap_or("The relay has something to say about itself.");
    let summary = shield(&cut(summary, ERROR_LENGTH).0).into_owned();
    let next = match what {
        "receiver_blocked" => "correct its settings in routes.yaml; it is tried again as soon as they change.",
        "receiver_down" => "nothing yet. If it stays down, check the service.",
        "delivery_dead" => "mend the cause, then replay it.",
        "routes_refused" => "mend the file; `jobrelay check` shows every problem.",
        "quarantined" => "look at what came, and check what the sender is set up to send.",
        "disk_low" => "make room, or keep events for a shorter time (`--retention`).",
        _ => return Markdown(summary),
    };
    Markdown(format!("{summary}\n\n**What to do:** {next}"))
}

/// The relay's own events, by how soon a person is needed.
fn own_level(event_type: &str) -> Level {
    match event_type {
        "jobrelay.receiver_blocked" | "jobrelay.delivery_dead" | "jobrelay.routes_refused" => Level::Error,
        "jobrelay.receiver_down" | "jobrelay.quarantined" => Level::Warning,
        "jobrelay.receiver_recovered" => Level::Success,
        "jobrelay.disk_low" => Level::Critical,
        _ => Level::Info,
    }
}

/// `PLANNING_FAILED` → `Planning failed`.
fn in_words(code: &str) -> String {
    let words = code.trim().replace(['_', '.'], " ").to_lowercase();
    let mut chars = words.chars();
    let first = chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    short(&(first + chars.as_str()))
}

/// One line of bounded length.
fn short(text: &str) -> String {
    cut(&one_line(text), NAME_LENGTH).0.into_owned()
}
