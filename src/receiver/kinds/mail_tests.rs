//! Email kinds: what their answers mean, settings that are wrong, and the form they share.

use bytes::Bytes;

use super::tests::{example, sent};
use crate::event::{Job, JobType, Outcome, State};
use crate::message::testing::{event_of, failed_job, job, layer, node, scope};
use crate::message::{Circumstances, Engine, compose};
use crate::receiver::Verdict::{self, Blocked, Delivered, Later, Refused};
use crate::receiver::{Answer, Outgoing, Reason, read_receiver};
use crate::yaml::Problems;

/// Kind, status, body, verdict, reason, whether the plain form is tried.
type Row = (&'static str, u16, &'static str, Verdict, Option<Reason>, bool);

#[test]
fn answers_mean_what_the_services_say() {
    use Reason::{Auth, Client, Form, RateLimited, Server};
    let rows: &[Row] = &[
        ("sendgrid", 202, "", Delivered, None, false),
        (
            "sendgrid",
            400,
            r#"{"errors":[{"message":"The subject is required.","field":"subject"}]}"#,
            Refused,
            Some(Form),
            true,
        ),
        (
            "sendgrid",
            400,
            r#"{"errors":[{"message":"Does not contain a valid address.","field":"from.email"}]}"#,
            Blocked,
            Some(Client),
            false,
        ),
        (
            "sendgrid",
            401,
            r#"{"errors":[{"message":"The provided authorization grant is invalid, expired, or revoked"}]}"#,
            Blocked,
            Some(Auth),
            false,
        ),
        ("sendgrid", 401, r#"{"errors":[{"message":"Maximum credits exceeded"}]}"#, Blocked, Some(RateLimited), false),
        (
            "sendgrid",
            403,
            r#"{"errors":[{"message":"The from address does not match a verified Sender Identity."}]}"#,
            Blocked,
            Some(Auth),
            false,
        ),
        ("sendgrid", 413, "", Refused, Some(Form), true),
        ("sendgrid", 429, r#"{"errors":[{"message":"too many requests"}]}"#, Later, Some(RateLimited), false),
        ("sendgrid", 500, "", Later, Some(Server), false),
        ("mailgun", 200, r#"{"id":"<x@mg.example.com>","message":"Queued. Thank you."}"#, Delivered, None, false),
        (
            "mailgun",
            400,
            r#"{"message":"Need at least one of 'text' or 'html' parameters specified"}"#,
            Refused,
            Some(Form),
            true,
        ),
        (
            "mailgun",
            400,
            r#"{"message":"'to' parameter is not a valid address. please check documentation"}"#,
            Blocked,
            Some(Client),
            false,
        ),
        ("mailgun", 401, "Forbidden", Blocked, Some(Auth), false),
        ("mailgun", 402, "", Blocked, Some(Client), false),
        (
            "mailgun",
            403,
            r#"{"message":"Domain sandbox1.mailgun.org is not allowed to send"}"#,
            Blocked,
            Some(Auth),
            false,
        ),
        ("mailgun", 404, r#"{"message":"Domain not found: mg.example.com"}"#, Blocked, Some(Client), false),
        ("mailgun", 413, "", Refused, Some(Form), true),
        ("mailgun", 429, "", Later, Some(RateLimited), false),
        ("postmark", 200, r#"{"ErrorCode":0,"Message":"OK"}"#, Delivered, None, false),
        ("postmark", 200, r#"{"ErrorCode":406,"Message":"inactive"}"#, Blocked, Some(Client), false),
        ("postmark", 401, r#"{"ErrorCode":10,"Message":"Bad or missing API token"}"#, Blocked, Some(Auth), false),
        ("postmark", 422, r#"{"ErrorCode":300,"Message":"Invalid email request"}"#, Refused, Some(Form), true),
        ("postmark", 422, r#"{"ErrorCode":400,"Message":"Sender signature not found"}"#, Blocked, Some(Auth), false),
        ("postmark", 422, r#"{"ErrorCode":405,"Message":"Not allowed to send"}"#, Blocked, Some(Auth), false),
        ("postmark", 422, r#"{"ErrorCode":406,"Message":"Inactive recipient"}"#, Blocked, Some(Client), false),
        ("postmark", 422, r#"{"ErrorCode":1235,"Message":"no such stream"}"#, Blocked, Some(Client), false),
        ("postmark", 403, "", Blocked, Some(Auth), false),
        ("postmark", 429, "", Later, Some(RateLimited), false),
        ("postmark", 503, "", Later, Some(Server), false),
        ("ses", 200, r#"{"MessageId":"0102"}"#, Delivered, None, false),
        (
            "ses",
            400,
            r#"{"message":"Email address is not verified. The following identities failed the check in region EU-WEST-1: alerts@example.com"}"#,
            Blocked,
            Some(Auth),
            false,
        ),
        ("ses", 400, r#"{"message":"Sending paused for this account."}"#, Blocked, Some(Auth), false),
        ("ses", 400, r#"{"message":"Daily message quota exceeded."}"#, Later, Some(RateLimited), false),
        ("ses", 429, r#"{"message":"Maximum sending rate exceeded."}"#, Later, Some(RateLimited), false),
        ("ses", 400, r#"{"message":"Local address contains control or whitespace"}"#, Refused, Some(Form), true),
        (
            "ses",
            403,
            r#"{"message":"The security token included in the request is invalid."}"#,
            Blocked,
            Some(Auth),
            false,
        ),
        (
            "ses",
            403,
            r#"{"message":"Signature expired: 20251202T144604Z is now earlier than 20251202T150000Z"}"#,
            Blocked,
            Some(Auth),
            false,
        ),
        ("ses", 404, "", Blocked, Some(Client), false),
        ("ses", 413, "", Refused, Some(Form), true),
        ("ses", 500, "", Later, Some(Server), false),
        ("resend", 200, r#"{"id":"49a3999c"}"#, Delivered, None, false),
        ("resend", 401, r#"{"name":"restricted_api_key","message":"only to send"}"#, Blocked, Some(Auth), false),
        ("resend", 403, r#"{"name":"invalid_api_key","message":"API key is invalid"}"#, Blocked, Some(Auth), false),
        (
            "resend",
            403,
            r#"{"name":"validation_error","message":"The example.com domain is not verified"}"#,
            Blocked,
            Some(Auth),
            false,
        ),
        ("resend", 404, "", Blocked, Some(Client), false),
        ("resend", 409, r#"{"name":"concurrent_idempotent_requests"}"#, Later, Some(Server), false),
        ("resend", 409, r#"{"name":"invalid_idempotent_request"}"#, Refused, Some(Form), true),
        ("resend", 422, r#"{"name":"invalid_from_address"}"#, Blocked, Some(Client), false),
        ("resend", 422, r#"{"name":"missing_required_field"}"#, Refused, Some(Form), true),
        ("resend", 429, r#"{"name":"rate_limit_exceeded"}"#, Later, Some(RateLimited), false),
        ("resend", 429, r#"{"name":"daily_quota_exceeded"}"#, Later, Some(RateLimited), false),
        ("smtp", 250, "2.0.0 queued", Delivered, None, false),
        ("smtp", 421, "4.7.0 try later", Later, Some(Server), false),
        ("smtp", 450, "4.2.0 greylisted", Later, Some(Server), false),
        ("smtp", 530, "5.7.0 authentication required", Blocked, Some(Auth), false),
        ("smtp", 534, "5.7.9 mechanism too weak", Blocked, Some(Auth), false),
        ("smtp", 535, "5.7.8 bad credentials", Blocked, Some(Auth), false),
        ("smtp", 550, "5.1.1 no such user", Blocked, Some(Client), false),
        ("smtp", 552, "5.3.4 message too big", Refused, Some(Form), true),
        ("smtp", 554, "5.7.1 this looks like spam", Refused, Some(Form), true),
    ];
    let wait = Some(std::time::Duration::from_secs(30));
    for (kind, status, body, verdict, reason, bad_form) in rows {
        let answer = Answer { status: *status, retry_after: wait, body: Bytes::from_static(body.as_bytes()) };
        let judged = example(kind).judge(&Ok(answer));
        let found = (judged.verdict, judged.reason, judged.bad_form);
        assert_eq!(found, (*verdict, *reason, *bad_form), "{kind} {status} {body}");
        assert!(judged.advice.is_some() || matches!(verdict, Delivered | Later), "{kind} {status} {body}");
        assert!(*verdict == Later || judged.lane_waits.is_none(), "{kind} {status} {body}");
        assert!(
            *reason != Some(RateLimited) || *verdict == Blocked || judged.lane_waits == wait,
            "{kind} {status} {body}"
        );
    }
}

#[test]
fn wrong_settings_are_told() {
    let from = "from: a@b.example, to: c@d.example";
    let many: Vec<String> = (0..51).map(|n| format!("p{n}@d.example")).collect();
    for (settings, why) in [
        ("kind: sendgrid, api_key: k, from: a@b.example".to_owned(), "to"),
        ("kind: sendgrid, api_key: k, from: ops, to: c@d.example".to_owned(), "no `@`"),
        ("kind: sendgrid, api_key: k, from: a@b.example, to: 'c@d.example, e@f.example'".to_owned(), "no mailbox"),
        ("kind: sendgrid, api_key: k, from: a@b.example, to: [c@d.example, C@D.example]".to_owned(), "there twice"),
        (format!("kind: resend, api_key: k, from: a@b.example, to: [{}]", many.join(", ")), "50 at most"),
        (format!("kind: mailgun, api_key: k, domain: 'https://mg.example.com', {from}"), "without scheme or path"),
        (format!("kind: mailgun, api_key: k, domain: mg.example.com, body: x, {from}"), "Mailgun takes a form"),
        (format!("kind: ses, access_key: a, secret_key: b, region: Ireland, {from}"), "no AWS region"),
        (format!("kind: smtp, host: 'smtp://mail.example.com:25', {from}"), "write its name alone"),
        (format!("kind: smtp, host: mail.example.com, password: x, {from}"), "there is no `username`"),
        (format!("kind: smtp, host: mail.example.com, tls: none, ca: x.pem, {from}"), "shows no certificate"),
        (format!("kind: smtp, host: mail.example.com, headers: {{ A: b }}, {from}"), "sends nothing over HTTP"),
        (format!("kind: sendgrid, api_key: k, region: us, {from}"), "eu"),
    ] {
        let mut problems = Problems::default();
        read_receiver("mail", &node(&format!("{{ {settings} }}")), &mut Engine::default(), &mut problems);
        let found: Vec<_> =
            problems.iter().map(|p| format!("{}; {}", p.message, p.help.as_deref().unwrap_or_default())).collect();
        assert!(found.len() == 1 && found[0].contains(why), "{settings}: {found:?}");
    }
}

fn mail_of(job: Job, words: &str, plain: bool) -> serde_json::Value {
    let mut engine = Engine::default();
    let words = layer(&mut engine, words);
    let event = event_of(Some(job));
    let message = compose(&engine, &[&words], &scope(event.clone()), &Circumstances::default()).message;
    let receiver = example("sendgrid");
    let sent =
        if plain { super::tests::sent_plainly(&receiver, event, &message) } else { sent(&receiver, event, &message) };
    let Outgoing::Http(request) = sent.outgoing else { panic!("not HTTP") };
    serde_json::from_slice(&request.body).expect("JSON")
}

#[test]
fn a_mail_says_everything_once_in_each_part() {
    let words = r#"{
        title: "Nightly run\r\nBcc: x@evil.example",
        text: "**Bold** and _italic_, `code <b>`\n\n- one\n- [two](https://x.example/?a=1&b=2)\n\n```\nlet x < 1;\n  y\n```",
        level: critical, link: "https://acme.example/jobs/1?a=1&b=2", fields: { Owner: "A & B" } }"#;
    let form = mail_of(failed_job(), words, false);
    assert_eq!(form["subject"], "Nightly run Bcc: x@evil.example");
    assert_eq!(form["headers"]["Importance"], "high");
    assert_eq!(form["headers"]["References"], "<job_1@jobrelay>");
    insta::assert_snapshot!("mail_text", form["content"][0]["value"].as_str().unwrap());
    insta::assert_snapshot!("mail_html", form["content"][1]["value"].as_str().unwrap());
    let plain = mail_of(failed_job(), words, true);
    assert_eq!(plain["content"].as_array().unwrap().len(), 1, "no HTML in the plainest form");
}

#[test]
fn a_thread_is_named_by_its_job_whatever_its_id_holds() {
    let of = |id: &str| {
        let job = Job { id: Some(id.to_owned()), ..job(JobType::LoadSource, State::Done, Some(Outcome::Failed)) };
        mail_of(job, "{}", false)["headers"]["References"].as_str().unwrap().to_owned()
    };
    assert_eq!(of("job_1-a"), "<job_1-a@jobrelay>");
    for id in ["a>\r\nBcc: x@y.example", "a b", "日本", &"x".repeat(500)] {
        let thread = of(id);
        let inner = thread.strip_prefix('<').and_then(|t| t.strip_suffix("@jobrelay>")).unwrap();
        assert!(inner.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')), "{thread}");
        assert!(thread.len() < 120, "{thread}");
    }
    assert_ne!(of("a b"), of("ab"));
}
