//! Rocket.Chat's incoming integrations.

use super::Service;
use super::check::{list, only, posted_json, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "rocketchat",
    settings: |base| format!("url: '{base}/hooks/64b7c0ffee/sMtoken'"),
    answer,
    refusal: Reply::Status(400, r#"{"success":false,"error":"error-invalid-message"}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let message = posted_json(request, "/hooks/64b7c0ffee/sMtoken")?;
    only(&message, &["text", "attachments"])?;
    let mut whole = part(text(&message, "/text", 5000)?)?;
    for attachment in list(&message, "/attachments", 1)? {
        only(attachment, &["title", "title_link", "text", "color", "fields"])?;
        whole += part(text(attachment, "/text", 5000)?)?;
        that(text(attachment, "/color", 7)?.starts_with('#'), || "no colour".to_owned())?;
        if attachment.get("title_link").is_some() {
            text(attachment, "/title", 100)?;
            that(text(attachment, "/title_link", 2048)?.starts_with("http"), || "no address to open".to_owned())?;
        }
        for field in list(attachment, "/fields", 100)? {
            only(field, &["title", "value", "short"])?;
            that(field["short"].is_boolean(), || "short is no boolean".to_owned())?;
            whole += part(text(field, "/title", 5000)?)? + part(text(field, "/value", 5000)?)?;
        }
    }
    that(whole <= 5000, || format!("{whole} characters, more than 5000"))?;
    Ok(Reply::Status(200, r#"{"success":true}"#))
}

/// Its length.
fn part(text: &str) -> Result<usize, String> {
    // No `](` at all: the label would begin at the first bracket of any value.
    for pages in ["@channel", "@everyone", "@here", "@all", "]("] {
        that(!text.contains(pages), || format!("{pages} in {text}"))?;
    }
    Ok(text.encode_utf16().count())
}
