//! Email kinds: settings that are wrong, and the form they share.

use super::tests::{example, sent};
use crate::event::{Job, JobType, Outcome, State};
use crate::message::testing::{event_of, failed_job, job, layer, node, scope};
use crate::message::{Circumstances, Engine, compose};
use crate::receiver::{Outgoing, read_receiver};
use crate::yaml::Problems;

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
        let job = Job { id: Some(id.into()), ..job(JobType::LoadSource, State::Done, Some(Outcome::Failed)) };
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
