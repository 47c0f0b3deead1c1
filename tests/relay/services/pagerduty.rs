//! PagerDuty's Events API v2.

use super::Service;
use super::check::{list, one_of, only, posted_json, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "pagerduty",
    settings: |base| format!("routing_key: R0123456789ABCDEF0123456789ABCDE, endpoint: '{base}'"),
    answer,
    refusal: Reply::Status(400, r#"{"status":"invalid event","message":"Event object is invalid"}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let event = posted_json(request, "/v2/enqueue")?;
    that(request.body.len() <= 512 * 1024, || "larger than 512 KB".to_owned())?;
    only(&event, &["routing_key", "event_action", "dedup_key", "payload", "links", "client", "client_url"])?;
    one_of(&event, "/routing_key", &["R0123456789ABCDEF0123456789ABCDE"])?;
    text(&event, "/dedup_key", 255)?;
    if one_of(&event, "/event_action", &["trigger", "resolve"])? == "trigger" {
        let known = ["summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details"];
        only(&event["payload"], &known)?;
        text(&event, "/payload/summary", 1024)?;
        text(&event, "/payload/source", 1024)?;
        one_of(&event, "/payload/severity", &["critical", "error", "warning", "info"])?;
        if event.get("links").is_some() {
            for link in list(&event, "/links", 50)? {
                only(link, &["href", "text"])?;
            }
        }
    }
    Ok(Reply::Status(202, r#"{"status":"success","message":"Event processed","dedup_key":"x"}"#))
}
