//! SendGrid's v3 Mail Send.

use super::Service;
use super::check::{header, list, only, posted_json, text, that};
use super::mail::{headers, mailbox, parts};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "sendgrid",
    settings: |base| {
        format!(
            "api_key: SG.test.key, from: 'Alerts <alerts@example.com>', to: [data@example.com, 'Ops <ops@example.com>'], cc: boss@example.com, reply_to: help@example.com, endpoint: '{base}'"
        )
    },
    answer,
    refusal: Reply::Status(400, r#"{"errors":[{"message":"Bad Request","field":null,"help":null}]}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let form = posted_json(request, "/v3/mail/send")?;
    header(request, "authorization", "Bearer SG.test.key")?;
    only(&form, &["personalizations", "from", "reply_to", "subject", "content", "headers"])?;
    let [people] = list(&form, "/personalizations", 1)? else { return Err("no personalization".to_owned()) };
    only(people, &["to", "cc"])?;
    for person in
        list(people, "/to", 1000)?.iter().chain(list(people, "/cc", 1000)?).chain([&form["from"], &form["reply_to"]])
    {
        only(person, &["email", "name"])?;
        mailbox(text(person, "/email", 320)?)?;
    }
    that(people["to"][1]["name"] == "Ops" && form["from"]["name"] == "Alerts", || "names are lost".to_owned())?;
    let content = list(&form, "/content", 2)?;
    that(content[0]["type"] == "text/plain", || "plain text comes first".to_owned())?;
    that(content.get(1).is_none_or(|html| html["type"] == "text/html"), || "no HTML".to_owned())?;
    parts(&form, "/subject", "/content/0/value", "/content/1/value")?;
    let all = form["headers"].as_object().ok_or("no headers")?;
    headers(all.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())))?;
    Ok(Reply::Status(202, ""))
}
