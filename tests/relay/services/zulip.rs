//! Zulip's REST API.

use super::Service;
use super::check::{form, header, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "zulip",
    settings: |base| format!("site: '{base}', email: bot@zulip.example, api_key: key-of-the-bot, stream: '#data-ops'"),
    answer,
    refusal: Reply::Status(400, r#"{"result":"error","msg":"Message must not be empty","code":"BAD_REQUEST"}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    that(request.method == "POST" && request.target == "/api/v1/messages", || request.target.clone())?;
    header(request, "authorization", "Basic Ym90QHp1bGlwLmV4YW1wbGU6a2V5LW9mLXRoZS1ib3Q=")?;
    let form = form(request)?;
    that(form.keys().eq(["content", "to", "topic", "type"]), || format!("members {:?}", form.keys()))?;
    that(form["type"] == "stream" && form["to"] == "data-ops", || format!("to {}", form["to"]))?;
    for (name, max) in [("topic", 60), ("content", 10_000)] {
        let length = form[name].chars().count();
        that((1..=max).contains(&length) && !form[name].trim().is_empty(), || format!("{name} is {length} long"))?;
        that(!form[name].contains('\0'), || format!("a NUL in {name}"))?;
    }
    for markup in ["@**", "@*", "@_*", "#**", "](https://evil.example)"] {
        that(!form["content"].contains(markup), || format!("{markup} in {}", form["content"]))?;
    }
    Ok(Reply::Status(200, r#"{"result":"success","msg":"","id":42}"#))
}
