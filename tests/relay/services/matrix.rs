//! A Matrix homeserver.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex};

use serde_json::json;

use super::Service;
use super::check::{header, html, json as json_of, one_of, only, text, that};
use crate::support::{Reply, Request};

const PATH: &str = "/_matrix/client/v3/rooms/%21abcdef%3Aexample%2Ecom/send/m.room.message/";

pub const SERVICE: Service = Service {
    kind: "matrix",
    settings: |base| format!("homeserver: '{base}', token: syt_token, room: '!abcdef:example.com'"),
    answer,
    refusal: Reply::Status(400, r#"{"errcode":"M_BAD_JSON","error":"bad content"}"#),
};

/// The server takes one transaction for one event.
static TRANSACTIONS: LazyLock<Mutex<BTreeMap<String, Vec<u8>>>> = LazyLock::new(Mutex::default);

fn answer(request: &Request) -> Result<Reply, String> {
    that(request.method == "PUT", || format!("method {}", request.method))?;
    let transaction = request.target.strip_prefix(PATH).ok_or_else(|| format!("path {}", request.target))?;
    that(transaction.len() > 8 && !transaction.contains(['/', '?']), || format!("transaction {transaction:?}"))?;
    header(request, "authorization", "Bearer syt_token")?;
    header(request, "idempotency-key", transaction)?;
    let body = request.body.clone();
    let known = TRANSACTIONS.lock().expect("not poisoned").entry(transaction.to_owned()).or_insert(body).clone();
    that(known == request.body, || "one transaction for two events".to_owned())?;

    let event = json_of(request)?;
    that(request.body.len() <= 60_000, || format!("{} bytes", request.body.len()))?;
    only(&event, &["msgtype", "body", "format", "formatted_body", "m.mentions", "m.relates_to"])?;
    one_of(&event, "/msgtype", &["m.text"])?;
    one_of(&event, "/format", &["org.matrix.custom.html"])?;
    that(event["m.mentions"] == json!({}), || format!("it mentions {}", event["m.mentions"]))?;
    let seen = html(text(&event, "/formatted_body", 60_000)?, &["b", "i", "code", "pre", "a", "br"])?;
    for shown in [text(&event, "/body", 60_000)?, &seen] {
        that(!shown.contains("@room") && !shown.contains(" @everyone"), || format!("it calls everyone: {shown}"))?;
        that(!shown.contains('\0'), || format!("a NUL in {shown}"))?;
    }
    Ok(Reply::Status(200, r#"{"event_id":"$YUwRidLecu:example.com"}"#))
}
