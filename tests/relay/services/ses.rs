//! Amazon SES, API v2. Signatures are checked against AWS's own implementation in `tests/real/ses.py`.

use super::Service;
use super::check::{list, only, posted_json, text, that};
use super::mail::{headers, mailbox, parts};
use crate::support::{Reply, Request};

pub const SERVICE: Service = Service {
    kind: "ses",
    settings: |base| {
        format!(
            "region: eu-west-1, access_key: AKIDEXAMPLE, secret_key: wJalrXUtnFEMI, session_token: t0ken, from: 'Jürgen <alerts@example.com>', to: [data@example.com, 'Ops <ops@example.com>'], cc: boss@example.com, reply_to: help@example.com, endpoint: '{base}'"
        )
    },
    answer,
    refusal: Reply::Status(400, r#"{"message":"Missing required parameter"}"#),
};

fn answer(request: &Request) -> Result<Reply, String> {
    let form = posted_json(request, "/v2/email/outbound-emails")?;
    let date = request.header("x-amz-date");
    that(date.len() == 16 && date.ends_with('Z'), || format!("x-amz-date {date:?}"))?;
    that(request.header("x-amz-security-token") == "t0ken", || "no token".to_owned())?;
    let authorization = request.header("authorization");
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{}/eu-west-1/ses/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature=",
        date.get(..8).unwrap_or_default()
    );
    let signature = authorization.strip_prefix(&scope).ok_or(format!("authorization {authorization:?}"))?;
    that(signature.len() == 64, || format!("signature {signature:?}"))?;

    only(&form, &["FromEmailAddress", "ReplyToAddresses", "Destination", "Content"])?;
    only(&form["Destination"], &["ToAddresses", "CcAddresses"])?;
    that(text(&form, "/FromEmailAddress", 320)?.is_ascii(), || "a sender beyond ASCII".to_owned())?;
    for people in ["/Destination/ToAddresses", "/Destination/CcAddresses", "/ReplyToAddresses"] {
        list(&form, people, 50)?.iter().try_for_each(|one| mailbox(one.as_str().unwrap_or_default()))?;
    }
    let simple = form.pointer("/Content/Simple").ok_or("no simple content")?;
    only(simple, &["Subject", "Body", "Headers"])?;
    parts(simple, "/Subject/Data", "/Body/Text/Data", "/Body/Html/Data")?;
    let all = list(simple, "/Headers", 15)?;
    headers(
        all.iter()
            .map(|header| (header["Name"].as_str().unwrap_or_default(), header["Value"].as_str().unwrap_or_default())),
    )?;
    Ok(Reply::Status(200, r#"{"MessageId":"0102019a"}"#))
}
