//! Mailgun's messages API.

use std::collections::BTreeMap;

use serde_json::json;

use super::Service;
use super::check::{header, that};
use super::mail::{headers, mailbox, parts};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "mailgun",
    settings: |base| {
        format!(
            "api_key: key-test, domain: mg.example.com, from: 'Alerts <alerts@mg.example.com>', to: [data@example.com, 'Ops <ops@example.com>'], reply_to: help@example.com, endpoint: '{base}'"
        )
    },
    answer,
    refusal: Reply::Status(400, r#"{"message":"Need at least one of 'text' or 'html' parameters specified"}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    that(request.method == "POST" && request.target == "/v3/mg.example.com/messages", || request.target.clone())?;
    // `api:key-test`
    header(request, "authorization", "Basic YXBpOmtleS10ZXN0")?;
    header(request, "content-type", "application/x-www-form-urlencoded")?;
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let form: BTreeMap<&str, &str> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    that(form.len() == pairs.len(), || "a name twice".to_owned())?;
    for name in form.keys() {
        let known = ["from", "to", "cc", "subject", "text", "html"].contains(name) || name.starts_with("h:");
        that(known, || format!("unknown parameter {name}"))?;
    }
    for name in ["from", "to", "h:Reply-To"] {
        form.get(name).ok_or(format!("no {name}"))?.split(", ").try_for_each(mailbox)?;
    }
    parts(&json!(form), "/subject", "/text", "/html")?;
    let all = form.iter().filter_map(|(name, value)| Some((name.strip_prefix("h:")?, *value)));
    headers(all.filter(|(name, _)| *name != "Reply-To"))?;
    Ok(Reply::Status(200, r#"{"id":"<20251202.1@mg.example.com>","message":"Queued. Thank you."}"#))
}
