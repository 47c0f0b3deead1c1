//! incident.io's HTTP alert sources.

use super::Service;
use super::check::{header, one_of, only, posted_json, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "incident_io",
    settings: |base| format!("source: 01GW2G3V0S59R238FAHPDS1R66, token: some-random-string, endpoint: '{base}'"),
    answer,
    refusal: Reply::Status(422, r#"{"type":"validation_error","status":422,"errors":[{"code":"is_required"}]}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let event = posted_json(request, "/v2/alert_events/http/01GW2G3V0S59R238FAHPDS1R66")?;
    header(request, "authorization", "Bearer some-random-string")?;
    only(&event, &["title", "description", "status", "deduplication_key", "source_url", "metadata"])?;
    text(&event, "/title", 500)?;
    text(&event, "/deduplication_key", 255)?;
    one_of(&event, "/status", &["firing", "resolved"])?;
    for member in ["/description", "/source_url"] {
        if event.pointer(member).is_some() {
            text(&event, member, 20_000)?;
        }
    }
    that(event["metadata"].is_object(), || "no metadata".to_owned())?;
    Ok(Reply::Status(
        202,
        r#"{"deduplication_key":"unique-key","message":"Event accepted for processing","status":"success"}"#,
    ))
}
