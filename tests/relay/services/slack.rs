//! Slack's incoming webhooks.

use serde_json::Value;

use super::Service;
use super::check::{list, one_of, only, posted_json, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "slack",
    settings: |base| format!("url: '{base}/services/T0/B0/key'"),
    answer,
    refusal: Reply::Status(400, "invalid_blocks"),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let message = posted_json(request, "/services/T0/B0/key")?;
    only(&message, &["text", "blocks"])?;
    safe(text(&message, "/text", 40_000)?)?;
    for block in list(&message, "/blocks", 50)? {
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
    Ok(Reply::Status(200, "ok"))
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
