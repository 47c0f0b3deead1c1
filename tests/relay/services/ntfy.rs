//! An ntfy server.

use super::Service;
use super::check::{header, list, only, posted_json, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "ntfy",
    settings: |base| format!("url: '{base}/acme-jobs', token: tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2"),
    answer,
    refusal: Reply::Status(
        400,
        r#"{"code":40017,"http":400,"error":"invalid request: request body must be message JSON"}"#,
    ),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let message = posted_json(request, "/")?;
    header(request, "authorization", "Bearer tk_AgQdq7mVBoFD37zQVN29RhuMzNIz2")?;
    that(request.body.len() <= 2 * 4096, || "JSON body too large".to_owned())?;
    only(&message, &["topic", "title", "message", "priority", "tags", "click", "actions"])?;
    that(text(&message, "/topic", 64)? == "acme-jobs", || "another topic".to_owned())?;
    text(&message, "/title", 250)?;
    // More would be shown as an attachment.
    that(text(&message, "/message", 4096)?.len() <= 4096, || "message longer than 4096 bytes".to_owned())?;
    that(message["priority"].as_u64().is_some_and(|n| (1..=5).contains(&n)), || "no priority".to_owned())?;
    for tag in list(&message, "/tags", 5)? {
        that(tag.as_str().is_some_and(|tag| !tag.is_empty() && !tag.contains(',')), || format!("tag {tag}"))?;
    }
    if message.get("click").is_some() {
        that(text(&message, "/click", 2000)?.starts_with("http"), || "no address to open".to_owned())?;
    }
    if message.get("actions").is_some() {
        for action in list(&message, "/actions", 3)? {
            only(action, &["action", "label", "url"])?;
        }
    }
    Ok(Reply::Status(200, r#"{"id":"sPs71M8A2T","time":1643935928,"event":"message","topic":"acme-jobs"}"#))
}
