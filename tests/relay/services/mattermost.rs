//! Mattermost's incoming webhooks.

use super::Service;
use super::check::{list, one_of, only, posted_json, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "mattermost",
    settings: |base| format!("url: '{base}/hooks/ucw5qjw86jgeum77', channel: town-square, username: jobs"),
    answer,
    refusal: Reply::Status(
        400,
        r#"{"id":"web.incoming_webhook.parse.app_error","message":"Unable to parse incoming data.","status_code":400}"#,
    ),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let message = posted_json(request, "/hooks/ucw5qjw86jgeum77")?;
    only(&message, &["text", "attachments", "props", "channel", "username"])?;
    one_of(&message, "/channel", &["town-square"])?;
    one_of(&message, "/username", &["jobs"])?;
    that(message.get("text").is_none(), || "text without a mention".to_owned())?;
    that(request.text().encode_utf16().count() <= 16_383 * 2, || "too long".to_owned())?;
    for attachment in list(&message, "/attachments", 1)? {
        let known = ["fallback", "color", "title", "title_link", "text", "fields", "footer"];
        only(attachment, &known)?;
        for (pointer, max) in [("/fallback", 500), ("/title", 500), ("/text", 16_383), ("/footer", 300)] {
            quiet(text(attachment, pointer, max)?)?;
        }
        literal(text(attachment, "/text", 16_383)?)?;
        // With a link, the title is shown as it is.
        if attachment.get("title_link").is_none() {
            literal(text(attachment, "/title", 500)?)?;
        }
        that(text(attachment, "/color", 7)?.starts_with('#'), || "no colour".to_owned())?;
        if attachment.get("title_link").is_some() {
            that(text(attachment, "/title_link", 2048)?.starts_with("http"), || "no address to open".to_owned())?;
        }
        for field in list(attachment, "/fields", 100)? {
            only(field, &["title", "value", "short"])?;
            that(field["short"].is_boolean(), || "short is no boolean".to_owned())?;
            for (pointer, max) in [("/title", 1000), ("/value", 2000)] {
                quiet(text(field, pointer, max)?)?;
                literal(text(field, pointer, max)?)?;
            }
        }
    }
    Ok(Reply::Status(200, "ok"))
}

/// It pages nobody.
fn quiet(text: &str) -> Result<(), String> {
    for pages in ["@channel", "@everyone", "@here", "@all"] {
        that(!text.contains(pages), || format!("{pages} in {text}"))?;
    }
    that(!text.contains('\0'), || format!("a NUL in {text}"))
}

/// Of values, nothing is markup.
fn literal(text: &str) -> Result<(), String> {
    that(!text.contains("](https://evil.example)"), || format!("a value became a link: {text}"))
}
