//! Twilio's messages.

use std::collections::BTreeMap;

use super::Service;
use super::check::{header, that};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "twilio",
    settings: |base| {
        format!(
            "account_sid: AC01, auth_token: some-auth-token, from: '+15017122661', to: '+15558675310', endpoint: '{base}'"
        )
    },
    answer,
    refusal: Reply::Status(
        400,
        r#"{"code":21617,"message":"The concatenated message body exceeds the 1600 character limit","status":400}"#,
    ),
};

fn answer(request: &Request) -> Result<Reply, String> {
    that(request.method == "POST", || format!("method {}", request.method))?;
    let target = "/2010-04-01/Accounts/AC01/Messages.json";
    that(request.target == target, || format!("{} instead of {target}", request.target))?;
    header(request, "content-type", "application/x-www-form-urlencoded")?;
    // AC01:some-auth-token
    header(request, "authorization", "Basic QUMwMTpzb21lLWF1dGgtdG9rZW4=")?;
    let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    that(form.keys().eq(["Body", "From", "To"]), || format!("parameters {:?}", form.keys()))?;
    let number = |name: &str| form[name].strip_prefix('+').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    that(number("From") && number("To"), || "no telephone number".to_owned())?;
    let length = form["Body"].encode_utf16().count();
    that((1..=1600).contains(&length), || format!("a body of {length}"))?;
    that(!form["Body"].contains('\u{0}'), || "a NUL".to_owned())?;
    Ok(Reply::Status(201, r#"{"sid":"SM0123","status":"queued","error_code":null}"#))
}
