//! Whether Slack would take a body of one's own: what it demands of every message, and its limits.

use serde_json::{Map, Value};

use super::slack::{FIELD, FIELDS, HEADER, SECTION};
use crate::message::RenderedBody;

/// Most blocks in one message.
const BLOCKS: usize = 50;

/// # Errors
/// A sentence that says what Slack would refuse.
pub(super) fn check(body: &RenderedBody) -> Result<(), String> {
    let RenderedBody::Json(Value::Object(members)) = body else {
        return Err("Slack takes an object: write `body: { text: … }`".to_owned());
    };
    let text = match members.get("text") {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(other) => return Err(format!("`text` is {}, and Slack takes text only", sort(other))),
    };
    let blocks = list(members, "blocks")?;
    let attachments = list(members, "attachments")?;
    if !text && blocks.is_empty() && attachments.is_empty() {
        return Err("Slack shows nothing without `text`, `blocks` or `attachments`".to_owned());
    }
    if blocks.len() > BLOCKS {
        return Err(format!("`blocks` has {} entries, and Slack takes {BLOCKS}", blocks.len()));
    }
    blocks
        .iter()
        .enumerate()
        .try_for_each(|(number, block)| check_block(block).map_err(|why| format!("block {} {why}", number + 1)))
}

fn list<'a>(members: &'a Map<String, Value>, name: &str) -> Result<&'a [Value], String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => match items.iter().position(|item| !item.is_object()) {
            Some(at) => Err(format!("entry {} of `{name}` is {}, not an object", at + 1, sort(&items[at]))),
            None => Ok(items),
        },
        Some(other) => Err(format!("`{name}` is {}, and Slack takes a list", sort(other))),
    }
}

fn check_block(block: &Value) -> Result<(), String> {
    let Some(kind) = block["type"].as_str().filter(|kind| !kind.is_empty()) else {
        return Err("has no `type`".to_owned());
    };
    let text = |text: &Value| text["text"].as_str().map_or(0, |text| text.chars().count());
    let longest = match kind {
        "header" => HEADER,
        "section" => SECTION,
        _ => return Ok(()),
    };
    if text(&block["text"]) > longest {
        return Err(format!("is a {kind} of more than {longest} characters"));
    }
    let fields = block["fields"].as_array().map_or(&[][..], Vec::as_slice);
    if kind == "header" && block["text"]["type"] != "plain_text" {
        return Err("is a header, whose `text` has the type plain_text".to_owned());
    }
    if kind == "section" && text(&block["text"]) == 0 && fields.is_empty() {
        return Err("is a section without text and fields".to_owned());
    }
    if fields.len() > FIELDS {
        return Err(format!("has {} fields, and Slack takes {FIELDS}", fields.len()));
    }
    if fields.iter().any(|field| text(field) > FIELD) {
        return Err(format!("has a field of more than {FIELD} characters"));
    }
    Ok(())
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_slack_would_refuse_is_said() {
        let long = "x".repeat(3001);
        let section = |text: &str| json!({"type": "section", "text": {"type": "mrkdwn", "text": text}});
        for (body, said) in [
            (json!({"text": "x"}), ""),
            (json!({"blocks": [section("x"), {"type": "divider"}]}), ""),
            (json!({"attachments": [{"text": "x"}]}), ""),
            (json!([1]), "Slack takes an object"),
            (json!({}), "nothing without `text`"),
            (json!({"text": " "}), "nothing without `text`"),
            (json!({"title": "x"}), "nothing without `text`"),
            (json!({"text": 5}), "`text` is a number"),
            (json!({"blocks": "x"}), "`blocks` is a text"),
            (json!({"blocks": ["x"]}), "entry 1 of `blocks` is a text"),
            (json!({"blocks": [{"text": "x"}]}), "block 1 has no `type`"),
            (json!({"blocks": [section("x"), section(&long)]}), "block 2 is a section of more than 3000"),
            (json!({"blocks": [section("")]}), "block 1 is a section without text"),
            (json!({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}), "plain_text"),
            (json!({"blocks": vec![section("x"); 51]}), "`blocks` has 51 entries"),
            (json!({"blocks": [{"type": "section", "fields": vec![json!({"text": "x"}); 11]}]}), "has 11 fields"),
        ] {
            let checked = check(&RenderedBody::Json(body.clone())).err().unwrap_or_default();
            assert!(checked.contains(said) && checked.is_empty() == said.is_empty(), "{body}: {checked}");
        }
        assert!(check(&RenderedBody::Text("x".to_owned())).is_err());
    }
}
