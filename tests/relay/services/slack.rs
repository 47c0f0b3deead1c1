//! Slack's incoming webhooks and its Web API.

use serde_json::Value;

use super::Service;
use super::check::{header, list, one_of, only, posted_json, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "slack",
    settings: |base| format!("url: '{base}/services/T0/B0/key'"),
    answer,
    refusal: Reply::Status(400, "invalid_blocks"),
};

pub const WEB_API: Service = Service {
    kind: "slack-token",
    settings: |base| format!("token: '{TOKEN}', channel: C0123ABCDEF, endpoint: '{base}'"),
    answer: answer_of_web_api,
    refusal: Reply::Status(200, r#"{"ok":false,"error":"invalid_blocks"}"#),
};

const TOKEN: &str = "xoxb-0123456789-ABCDEF";

fn answer(request: &Request) -> Result<Reply, String> {
    let message = posted_json(request, "/services/T0/B0/key")?;
    only(&message, &["text", "blocks"])?;
    check(&message)?;
    Ok(Reply::Status(200, "ok"))
}

pub fn answer_of_web_api(request: &Request) -> Result<Reply, String> {
    let message = posted_json(request, "/api/chat.postMessage")?;
    header(request, "authorization", &format!("Bearer {TOKEN}"))?;
    only(&message, &["channel", "text", "blocks", "thread_ts"])?;
    one_of(&message, "/channel", &["C0123ABCDEF"])?;
    if message.get("thread_ts").is_some() {
        one_of(&message, "/thread_ts", &["1764686764.000100"])?;
    }
    check(&message)?;
    Ok(Reply::Status(200, r#"{"ok":true,"channel":"C0123ABCDEF","ts":"1764686764.000100","message":{"text":"…"}}"#))
}

fn check(message: &Value) -> Result<(), String> {
    safe(text(message, "/text", 40_000)?)?;
    for block in list(message, "/blocks", 50)? {
        match one_of(block, "/type", &["header", "section", "context"])? {
            "header" => {
                one_of(block, "/text/type", &["plain_text"])?;
                text(block, "/text/text", 150)?;
            }
            "section" if block.get("fields").is_some() => {
                for field in list(block, "/fields", 10)? {
                    mrkdwn(field, 2000)?;
                }
            }
            "section" => mrkdwn(&block["text"], 3000)?,
            _ => {
                for element in list(block, "/elements", 10)? {
                    mrkdwn(element, 3000)?;
                }
            }
        }
    }
    Ok(())
}

fn mrkdwn(object: &Value, max: usize) -> Result<(), String> {
    one_of(object, "/type", &["mrkdwn"])?;
    safe(text(object, "/text", max)?)
}

/// Only entities, links and mentions of the relay's own may be interpreted.
fn safe(text: &str) -> Result<(), String> {
    that(!text.contains("<!channel>") && !text.contains("<@U012ABCDEF>"), || format!("it pages: {text}"))?;
    for (at, _) in text.match_indices('&') {
        let entity = ["&amp;", "&lt;", "&gt;"].iter().any(|entity| text[at..].starts_with(entity));
        that(entity, || format!("a bare & in {text}"))?;
    }
    Ok(())
}
