//! Telegram's Bot API.

use serde_json::json;

use super::Service;
use super::check::{html, one_of, only, posted_json, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "telegram",
    settings: |base| {
        format!("token: '123456789:AAExampleExample', chat_id: -1001234567890, thread_id: 42, endpoint: '{base}'")
    },
    answer,
    refusal: Reply::Status(400, r#"{"ok":false,"error_code":400,"description":"Bad Request: can't parse entities"}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let message = posted_json(request, "/bot123456789:AAExampleExample/sendMessage")?;
    only(&message, &["chat_id", "message_thread_id", "text", "parse_mode", "link_preview_options"])?;
    that(message["chat_id"] == json!(-1_001_234_567_890_i64), || format!("chat {}", message["chat_id"]))?;
    that(message["message_thread_id"] == json!(42), || format!("topic {}", message["message_thread_id"]))?;
    that(message["link_preview_options"] == json!({"is_disabled": true}), || "it shows previews".to_owned())?;
    one_of(&message, "/parse_mode", &["HTML"])?;
    let seen = html(text(&message, "/text", 100_000)?, &["b", "i", "code", "pre", "a"])?;
    that(seen.encode_utf16().count() <= 4096, || "message is too long".to_owned())?;
    for calls in [" @everyone", "@here", "\0"] {
        that(!seen.contains(calls), || format!("{calls:?} in {seen}"))?;
    }
    Ok(Reply::Status(200, r#"{"ok":true,"result":{"message_id":7}}"#))
}
