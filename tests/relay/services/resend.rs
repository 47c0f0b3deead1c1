//! Resend's emails API.

use super::Service;
use super::check::{header, list, only, posted_json, text, that};
use super::mail::{headers, mailbox, parts};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "resend",
    settings: |base| {
        format!(
            "api_key: re_test_key, from: 'Alerts <alerts@example.com>', to: [data@example.com, 'Ops <ops@example.com>'], reply_to: help@example.com, endpoint: '{base}'"
        )
    },
    answer,
    refusal: Reply::Status(422, r#"{"statusCode":422,"name":"validation_error","message":"Invalid request"}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let form = posted_json(request, "/emails")?;
    header(request, "authorization", "Bearer re_test_key")?;
    let key = request.header("idempotency-key");
    that((1..=256).contains(&key.len()), || format!("idempotency key {key:?}"))?;
    only(&form, &["from", "to", "cc", "reply_to", "subject", "text", "html", "headers"])?;
    mailbox(text(&form, "/from", 400)?)?;
    mailbox(text(&form, "/reply_to", 400)?)?;
    list(&form, "/to", 50)?.iter().try_for_each(|one| mailbox(one.as_str().unwrap_or_default()))?;
    parts(&form, "/subject", "/text", "/html")?;
    let all = form["headers"].as_object().ok_or("no headers")?;
    headers(all.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())))?;
    Ok(Reply::Status(200, r#"{"id":"49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}"#))
}
