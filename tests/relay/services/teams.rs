//! A Teams workflow's webhook.

use serde_json::{Value, json};

use super::Service;
use super::check::{list, one_of, only, posted_json, text, that};
use crate::support::{Reply, Request};

const PATH: &str = "/workflows/0a1b2c/triggers/manual/paths/invoke?api-version=1&sig=signature";

pub const SERVICE: Service = Service {
    kind: "teams",
    settings: |base| format!("url: '{base}{PATH}'"),
    answer,
    refusal: Reply::Status(
        400,
        r#"{"error":{"code":"TriggerInputSchemaMismatch","message":"The input body did not match."}}"#,
    ),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let message = posted_json(request, PATH)?;
    that(request.body.len() <= 28 * 1024, || format!("{} bytes, more than 28 KB", request.body.len()))?;
    only(&message, &["type", "attachments"])?;
    one_of(&message, "/type", &["message"])?;
    let [attachment] = list(&message, "/attachments", 1)? else { return Err("no attachment".to_owned()) };
    only(attachment, &["contentType", "contentUrl", "content"])?;
    one_of(attachment, "/contentType", &["application/vnd.microsoft.card.adaptive"])?;
    that(attachment["contentUrl"] == Value::Null, || "contentUrl is not null".to_owned())?;
    let card = &attachment["content"];
    only(card, &["$schema", "type", "version", "msteams", "body", "actions"])?;
    one_of(card, "/type", &["AdaptiveCard"])?;
    one_of(card, "/version", &["1.4"])?;
    only(&card["msteams"], &["width", "entities"])?;
    for element in list(card, "/body", 100)? {
        if one_of(element, "/type", &["TextBlock", "FactSet"])? == "TextBlock" {
            only(element, &["type", "text", "wrap", "size", "weight", "color", "isSubtle", "fontType"])?;
            that(element["wrap"] == json!(true), || "it does not wrap".to_owned())?;
            escaped(text(element, "/text", 10_000)?)?;
            continue;
        }
        only(element, &["type", "facts", "separator"])?;
        for fact in list(element, "/facts", 100)? {
            only(fact, &["title", "value"])?;
            escaped(text(fact, "/title", 1000)?)?;
            escaped(text(fact, "/value", 2000)?)?;
        }
    }
    if card.get("actions").is_some() {
        for action in list(card, "/actions", 6)? {
            only(action, &["type", "title", "url"])?;
            one_of(action, "/type", &["Action.OpenUrl"])?;
            that(text(action, "/url", 2048)?.starts_with("http"), || "no address to open".to_owned())?;
        }
    }
    Ok(Reply::Status(202, ""))
}

/// Only links of the relay's own are links, and nobody is mentioned without an entity.
fn escaped(text: &str) -> Result<(), String> {
    that(!text.contains("](https://evil.example)"), || format!("a value became a link: {text}"))?;
    that(!text.replace("\\<", "").contains('<'), || format!("a bare < in {text}"))
}
