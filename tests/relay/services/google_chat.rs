//! A Google Chat space's webhook.

use serde_json::Value;

use super::Service;
use super::check::{list, only, posted_json, text, that};
use crate::support::{Reply, Request};

const PATH: &str = "/v1/spaces/AAA/messages?key=k&token=t";

pub const SERVICE: Service = Service {
    kind: "google_chat",
    settings: |base| format!("url: '{base}{PATH}'"),
    answer,
    refusal: Reply::Status(
        400,
        r#"{"error":{"code":400,"message":"Invalid JSON payload received.","status":"INVALID_ARGUMENT"}}"#,
    ),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let target = format!("{PATH}&messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
    let message = posted_json(request, &target)?;
    that(request.body.len() <= 32_000, || format!("{} bytes, more than 32,000", request.body.len()))?;
    only(&message, &["text", "cardsV2", "thread"])?;
    that(!text(&message, "/text", 4096)?.contains("<users/"), || "it pages".to_owned())?;
    only(&message["thread"], &["threadKey"])?;
    that(text(&message, "/thread/threadKey", 4000)?.starts_with("job-"), || "the thread is not the job's".to_owned())?;
    for card in list(&message, "/cardsV2", 1)? {
        only(card, &["cardId", "card"])?;
        text(card, "/cardId", 64)?;
        only(&card["card"], &["header", "sections"])?;
        only(&card["card"]["header"], &["title", "subtitle"])?;
        text(card, "/card/header/title", 500)?;
        for section in list(card, "/card/sections", 10)? {
            only(section, &["widgets"])?;
            let widgets = list(section, "/widgets", 100)?;
            that(!widgets.is_empty(), || "a section without widgets".to_owned())?;
            widgets.iter().try_for_each(widget)?;
        }
    }
    Ok(Reply::Status(200, r#"{"name":"spaces/AAA/messages/BBB"}"#))
}

fn widget(widget: &Value) -> Result<(), String> {
    only(widget, &["textParagraph", "decoratedText", "buttonList"])?;
    that(widget.as_object().is_some_and(|kinds| kinds.len() == 1), || format!("not one widget: {widget}"))?;
    if let Some(paragraph) = widget.get("textParagraph") {
        only(paragraph, &["text"])?;
        html(text(paragraph, "/text", 20_000)?)?;
    } else if let Some(decorated) = widget.get("decoratedText") {
        only(decorated, &["topLabel", "text", "wrapText"])?;
        text(decorated, "/topLabel", 500)?;
        html(text(decorated, "/text", 5000)?)?;
    } else {
        for button in list(widget, "/buttonList/buttons", 5)? {
            only(button, &["text", "onClick"])?;
            text(button, "/text", 40)?;
            that(text(button, "/onClick/openLink/url", 2048)?.starts_with("http"), || "no address to open".to_owned())?;
        }
    }
    Ok(())
}

/// Only the tags a card knows, each `&` an entity.
fn html(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('<') {
        let tags = ["<b>", "</b>", "<i>", "</i>", "<br>", "<a href=\"http", "</a>"];
        that(tags.iter().any(|tag| text[at..].starts_with(tag)), || format!("an unknown tag in {text}"))?;
    }
    for (at, _) in text.match_indices('&') {
        let entities = ["&amp;", "&lt;", "&gt;", "&quot;"];
        that(entities.iter().any(|entity| text[at..].starts_with(entity)), || format!("a bare & in {text}"))?;
    }
    Ok(())
}
