//! Jira Service Management's alerts.

use super::Service;
use super::check::{header, json, list, one_of, only, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "jsm",
    settings: |base| format!("api_key: 01234567-89ab-cdef-0123-456789abcdef, endpoint: '{base}'"),
    answer,
    refusal: Reply::Status(
        422,
        r#"{"message":"Request body is not processable. Please check the errors.","errors":{"message":"…"},"took":0.0}"#,
    ),
};

const ALERTS: &str = "/jsm/ops/integration/v2/alerts";

fn answer(request: &Request) -> Result<Reply, String> {
    that(request.method == "POST", || format!("method {}", request.method))?;
    header(request, "authorization", "GenieKey 01234567-89ab-cdef-0123-456789abcdef")?;
    let body = json(request)?;
    let unreserved = |alias: &str| alias.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    if request.target == ALERTS {
        let known = ["message", "alias", "description", "tags", "details", "priority", "source", "entity"];
        only(&body, &known)?;
        text(&body, "/message", 130)?;
        that(unreserved(text(&body, "/alias", 512)?), || "an alias that no path takes".to_owned())?;
        one_of(&body, "/priority", &["P1", "P2", "P3", "P4", "P5"])?;
        for (member, max) in [("/description", 15_000), ("/source", 100), ("/entity", 512)] {
            if body.pointer(member).is_some() {
                text(&body, member, max)?;
            }
        }
        for tag in list(&body, "/tags", 20)? {
            text(tag, "", 50)?;
        }
        let details = body["details"].as_object().ok_or("no details")?;
        let size: usize = details.iter().map(|(k, v)| k.len() + v.as_str().map_or(9000, |v| v.chars().count())).sum();
        that(size <= 8000, || format!("details of {size} characters"))?;
    } else {
        let alias = request.target.strip_prefix(ALERTS).and_then(|rest| rest.strip_prefix('/'));
        let alias = alias.and_then(|rest| rest.strip_suffix("/close?identifierType=alias"));
        that(alias.is_some_and(unreserved), || format!("address {}", request.target))?;
        only(&body, &["user", "source", "note"])?;
        text(&body, "/source", 100)?;
        text(&body, "/note", 25_000)?;
    }
    Ok(Reply::Status(202, r#"{"result":"Request will be processed","took":0.1,"requestId":"43a29c5c-3dbf"}"#))
}
