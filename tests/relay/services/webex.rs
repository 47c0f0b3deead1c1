//! Webex' REST API.

use super::Service;
use super::check::{header, one_of, only, posted_json, text, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "webex",
    settings: |base| format!("token: bot-token, room: Y2lzY29zcGFyazovL3VzL1JPT00vMTIz, endpoint: '{base}'"),
    answer,
    refusal: Reply::Status(400, r#"{"message":"Unable to process the message","errors":[],"trackingId":"x"}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let message = posted_json(request, "/v1/messages")?;
    header(request, "authorization", "Bearer bot-token")?;
    only(&message, &["roomId", "markdown", "text"])?;
    one_of(&message, "/roomId", &["Y2lzY29zcGFyazovL3VzL1JPT00vMTIz"])?;
    for pointer in ["/markdown", "/text"] {
        let text = text(&message, pointer, 7439)?;
        that(text.len() <= 7439, || format!("{pointer} is longer than 7439 bytes"))?;
        for calls in ["<@", "](https://evil.example)", "\0"] {
            that(pointer == "/text" && calls.starts_with(']') || !text.contains(calls), || {
                format!("{calls:?} in {text}")
            })?;
        }
    }
    Ok(Reply::Status(200, r#"{"id":"Y2lzY29zcGFyazovL3VzL01FU1NBR0UvMQ"}"#))
}
