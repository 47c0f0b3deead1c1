//! From bytes to an [`Event`]: tolerant exactly where the vendor's documents end.

use serde_json::Value;

use super::job::Subject;
use super::json::{Json, Object};
use super::raw::Raw;
use super::read_job::{read_job, read_job_among_attributes};
use super::{Event, Fingerprint, Job, Received, envelope, fingerprint, own, tenant};

/// Why something could not be read as an event, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unreadable {
    /// What was wrong, where (line and column, or path), and what was expected.
    pub message: String,
}

impl Unreadable {
    /// `problem`, and what should have been there.
    pub(super) fn expected(problem: &str) -> Self {
        Unreadable { message: format!("{problem}; expected a CloudEvents envelope or a job event, as a JSON object") }
    }

    /// The error's own words end in line and column.
    pub(super) fn not_json(error: &serde_json::Error) -> Self {
        Self::expected(&format!("not JSON: {error}"))
    }
}

/// Reads one event. Pure: the same `received` gives the same event.
///
/// # Errors
/// Not JSON, or JSON that is neither a `CloudEvents` envelope nor a job event.
pub fn parse(received: Received) -> Result<Event, (Received, Unreadable)> {
    match read(&received).map(event) {
        Ok(event) => Ok(event(received)),
        Err(unreadable) => Err((received, unreadable)),
    }
}

/// An event's members in the shape of an envelope, and what was found in them.
struct Parts<'a> {
    members: Object<'a>,
    attributes: envelope::Attributes,
    job: Option<Job>,
    /// Not an envelope: a job event alone.
    bare: bool,
}

fn read(received: &Received) -> Result<Parts<'_>, Unreadable> {
    let mut members = envelope::open(received)?;
    if envelope::is_envelope(&members) {
        envelope::unwrap_data(&mut members);
        let attributes = envelope::Attributes::of(&members);
        // Other events of the sender may name a job too (the one that changed a record, say) without being its event. One without a
        // type is read like a bare one, which says no more of itself.
        let event_type = &attributes.event_type;
        let named_job = event_type.is_empty() || envelope::says(event_type, "job");
        let job = match members.get("data") {
            Some(data) => data.as_object().and_then(|data| read_job(data, named_job)),
            None => read_job_among_attributes(&members),
        };
        return Ok(Parts { members, attributes, job, bare: false });
    }
    let attributes = envelope::Attributes::default();
    if let Some(job) = members.get("data").and_then(Json::as_object).and_then(|data| read_job(data, true)) {
        return Ok(Parts { members, attributes, job: Some(job), bare: true });
    }
    let job = read_job(&members, true).ok_or_else(|| neither(&members))?;
    let mut wrapped = Object::default();
    wrapped.insert("specversion", "1.0".into());
    wrapped.insert("data", Json::Object(members));
    Ok(Parts { members: wrapped, attributes, job: Some(job), bare: true })
}

/// What the parts say, without the body they are borrowed from: that is put in last.
fn event(parts: Parts<'_>) -> impl FnOnce(Received) -> Event + use<> {
    let Parts { members, attributes, job, .. } = parts;
    let envelope::Attributes { id, source, event_type, time, test } = attributes;
    let data = members.get("data").map_or_else(|| fingerprint::of_data(&members), fingerprint::of_data);
    let id = id.unwrap_or_else(|| derived_id(job.as_ref(), data));
    let about = own::about(&source, &event_type, &members);
    let tenant = tenant::host(&source);
    move |received| Event {
        key: key(&id, &tenant, job.as_ref(), about.as_deref(), test),
        fingerprint: Fingerprint { id: fingerprint::of_id(&source, &id), data },
        id,
        source,
        event_type,
        time,
        tenant,
        job,
        raw: Raw::default(),
        test,
        about,
        received,
    }
}

/// The members of an event that was read before, as they stand in an envelope.
pub(super) fn envelope_of(event: &Event) -> Value {
    // What could be read once can be read again; else there would be no event.
    let Ok(Parts { mut members, bare, .. }) = read(&event.received) else { return Value::Null };
    if bare && members.get("id").is_none() {
        members.insert("id", event.id.as_str().into());
    }
    Value::Object(members.into())
}

/// The ID of an event that came without one: the same job in the same state is the same event.
fn derived_id(job: Option<&Job>, data: [u8; 16]) -> String {
    let of_job = job.and_then(|job| {
        let (id, state, since) = (job.id.as_ref()?, job.state.as_ref()?, job.since?);
        Some(format!("{id}/{}/{since}", state.as_str()))
    });
    of_job.unwrap_or_else(|| fingerprint::hex(data))
}

fn key(id: &str, tenant: &str, job: Option<&Job>, about: Option<&str>, test: bool) -> String {
    if test {
        return ["test/", id].concat();
    }
    // What the relay says of one receiver stays in order: "recovered" must not overtake "down".
    if let Some(receiver) = about {
        return ["jobrelay/receiver/", receiver].concat();
    }
    let Some(job) = job else { return [tenant, "/event/", id].concat() };
    let job_type = job.job_type.as_ref().map_or("job", |job_type| job_type.as_str());
    match job.subject() {
        Some(Subject::One(_, resource)) => [tenant, "/", job_type, "/", resource.id_or_name()].concat(),
        Some(Subject::Pair(from, to)) => [tenant, "/", job_type, "/", from.id_or_name(), "→", to.id_or_name()].concat(),
        None => match &job.id {
            Some(job_id) => [tenant, "/job/", job_id].concat(),
            None => [tenant, "/event/", id].concat(),
        },
    }
}

/// Names a few of the members that are there, so that the report can be understood without the body.
fn neither(members: &Object<'_>) -> Unreadable {
    const NAMED: usize = 8;
    const LETTERS: usize = 40;
    let mut names: Vec<String> = members
        .iter()
        .take(NAMED)
        .map(|(name, _)| format!("{:?}", name.chars().take(LETTERS).collect::<String>()))
        .collect();
    if members.len() > NAMED {
        names.push("…".to_owned());
    }
    let found = if names.is_empty() { "no members".to_owned() } else { names.join(", ") };
    Unreadable {
        message: format!(
            "neither a CloudEvents envelope (`specversion`, or `id`, `source` and `type`) nor a job event (`jobId`, \
             `jobType`, `configuration` or `status`, at the top, under `data` or `data.job`); the object has {found}"
        ),
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
