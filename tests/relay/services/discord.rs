//! A Discord channel's webhook.

use serde_json::{Value, json};

use super::Service;
use super::check::{list, only, posted_json, text, that};
use crate::support::{Reply, Request};

const PATH: &str = "/api/webhooks/1234567890123456789/token";

pub const SERVICE: Service = Service {
    kind: "discord",
    settings: |base| format!("url: '{base}{PATH}', thread_id: 1234567890123456789"),
    answer,
    refusal: Reply::Status(400, r#"{"message":"Invalid Form Body","code":50035,"errors":{}}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let message = posted_json(request, &format!("{PATH}?wait=true&thread_id=1234567890123456789"))?;
    only(&message, &["content", "embeds", "allowed_mentions"])?;
    let nobody = json!({"parse": [], "users": [], "roles": []});
    that(message["allowed_mentions"] == nobody, || format!("it may mention: {}", message["allowed_mentions"]))?;
    that(message.get("content").is_none(), || "content without a mention".to_owned())?;
    let mut whole = 0;
    for embed in list(&message, "/embeds", 10)? {
        only(embed, &["title", "url", "description", "color", "fields", "timestamp", "footer"])?;
        whole += part(embed, "/title", 256)?;
        whole += part(embed, "/description", 4096)?;
        whole += part(embed, "/footer/text", 2048)?;
        that(embed["color"].as_u64().is_some_and(|colour| colour <= 0xff_ff_ff), || "no colour".to_owned())?;
        let time: Result<jiff::Timestamp, _> = text(embed, "/timestamp", 40)?.parse();
        that(time.is_ok(), || "the timestamp is none".to_owned())?;
        if embed.get("url").is_some() {
            that(text(embed, "/url", 2048)?.starts_with("http"), || "no address to open".to_owned())?;
        }
        for field in list(embed, "/fields", 25)? {
            only(field, &["name", "value", "inline"])?;
            that(field["inline"].is_boolean(), || "inline is no boolean".to_owned())?;
            whole += part(field, "/name", 256)? + part(field, "/value", 1024)?;
        }
    }
    that(whole <= 6000, || format!("{whole} characters, more than 6000"))?;
    Ok(Reply::Status(200, r#"{"id":"1","type":0,"content":""}"#))
}

/// Its length.
fn part(embed: &Value, pointer: &str, max: usize) -> Result<usize, String> {
    let text = text(embed, pointer, max)?;
    for pages in ["@everyone", "@here", "<@"] {
        that(!text.contains(pages), || format!("{pages} in {text}"))?;
    }
    that(!text.contains("](https://evil.example)"), || format!("a value became a link: {text}"))?;
    Ok(text.encode_utf16().count())
}
