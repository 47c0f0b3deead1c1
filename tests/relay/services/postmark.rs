//! Postmark's email API.

use super::Service;
use super::check::{header, list, only, posted_json, text};
use super::mail::{headers, mailbox, parts};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "postmark",
    settings: |base| {
        format!(
            "token: 0b0c1d2e-test, from: 'Alerts <alerts@example.com>', to: [data@example.com, 'Ops <ops@example.com>'], cc: boss@example.com, reply_to: help@example.com, endpoint: '{base}'"
        )
    },
    answer,
    refusal: Reply::Status(422, r#"{"ErrorCode":300,"Message":"Invalid email request"}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let form = posted_json(request, "/email")?;
    header(request, "x-postmark-server-token", "0b0c1d2e-test")?;
    header(request, "accept", "application/json")?;
    let known =
        ["From", "To", "Cc", "ReplyTo", "Subject", "TextBody", "HtmlBody", "MessageStream", "Headers", "Metadata"];
    only(&form, &known)?;
    for people in ["/From", "/To", "/Cc", "/ReplyTo"] {
        text(&form, people, 10_000)?.split(", ").try_for_each(mailbox)?;
    }
    text(&form, "/MessageStream", 30)?;
    text(&form, "/Metadata/delivery", 80)?;
    parts(&form, "/Subject", "/TextBody", "/HtmlBody")?;
    for header in list(&form, "/Headers", 20)? {
        only(header, &["Name", "Value"])?;
    }
    let word = |value: &'_ serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let all: Vec<_> =
        list(&form, "/Headers", 20)?.iter().map(|header| (word(&header["Name"]), word(&header["Value"]))).collect();
    headers(all.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
    Ok(Reply::Status(200, r#"{"To":"data@example.com","MessageID":"b7bc2f4a","ErrorCode":0,"Message":"OK"}"#))
}
