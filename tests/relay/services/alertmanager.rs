//! Prometheus' Alertmanager, API v2.

use jiff::Timestamp;
use serde_json::Value;

use super::Service;
use super::check::{list, only, posted_json, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "alertmanager",
    settings: |base| format!("url: '{base}', labels: {{ severity: critical }}"),
    answer,
    refusal: Reply::Status(400, r#""start time must be before end time""#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let alerts = posted_json(request, "/api/v2/alerts")?;
    for alert in list(&alerts, "", 64)? {
        only(alert, &["labels", "annotations", "startsAt", "endsAt", "generatorURL"])?;
        let labels = names_and_texts(&alert["labels"])?;
        that(labels >= 3, || format!("{labels} labels"))?;
        text(alert, "/labels/alertname", 100)?;
        names_and_texts(&alert["annotations"])?;
        text(alert, "/annotations/summary", 1024)?;
        let time = |name: &str| match alert.get(name) {
            None => Ok(None),
            Some(time) => {
                let time = time.as_str().and_then(|time| time.parse::<Timestamp>().ok());
                time.map(Some).ok_or(format!("{name} is no time"))
            }
        };
        let (starts, ends) = (time("startsAt")?, time("endsAt")?);
        that(ends.is_some(), || "it would end by itself in five minutes".to_owned())?;
        that(starts <= ends, || "start time must be before end time".to_owned())?;
    }
    Ok(Reply::Status(200, ""))
}

/// How many there are.
fn names_and_texts(set: &Value) -> Result<usize, String> {
    let set = set.as_object().ok_or("no set of labels")?;
    for (name, value) in set {
        let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let rest = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        that(first && rest, || format!("the name {name:?}"))?;
        that(value.is_string(), || format!("{name} is no text"))?;
    }
    Ok(set.len())
}
