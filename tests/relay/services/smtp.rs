//! Mails by SMTP: what arrives, what is tried again, held or given up, and whom the relay never calls.

use serde_json::json;

use super::mail_server::MailServer;
use super::mime::Mail;
use super::{beyond_every_limit, every_sort_of_event};
use crate::support::{PLANNING_FAILED, Relay, update};

const PEOPLE: &str = "from: 'Älerts, Inc <alerts@example.com>', to: [data@example.com, 'Ops <ops@example.com>'], cc: boss@example.com, reply_to: help@example.com";

/// A receiver `mail` with these settings, and everything goes to it.
fn routes(settings: &str, route: &str) -> String {
    format!(
        "receivers:\n  mail: {{ kind: smtp, {settings}, {PEOPLE}, retry: {{ first: 10ms, max: 50ms }} }}\nroutes:\n  - {{ name: all, to: mail, {route} }}\n"
    )
}

/// The settings for a server, whose certificate lies beside routes.yaml.
fn at(server: &MailServer, password: &str) -> String {
    format!("host: localhost, port: {}, ca: ca.pem, username: alerts, password: {password}", server.address.port())
}

async fn relay_to(server: &MailServer, route: &str) -> Relay {
    let mut relay = Relay::prepare(&routes(&at(server, "s3cr3t-pass"), route));
    std::fs::write(relay.path("ca.pem"), &server.certificate).expect("a file can be written");
    relay.run().await;
    relay
}

/// The state of an event's only delivery, and its attempts.
async fn delivery(relay: &Relay, event: &str) -> (serde_json::Value, String) {
    let event = relay.get(&format!("/api/v1/events/{event}")).await;
    (event["deliveries"][0]["state"].clone(), event["deliveries"].to_string())
}

/// From now on the server refuses mails, and a further one is dead for it.
async fn is_dead_as_spam(server: &MailServer, relay: &Relay) {
    server.now(|ways| ways.mail = |_| "550 5.7.1 this looks like spam");
    let refused = relay.accept(&update("job-2", "A", PLANNING_FAILED)).await;
    relay.drained("mail").await;
    let (state, told) = delivery(relay, &refused).await;
    assert_eq!(state, "dead", "{told}");
    assert!(told.contains("550 5.7.1 this looks like spam"), "{told}");
}

#[tokio::test]
async fn a_mail_server_takes_every_sort_of_mail() {
    let server = MailServer::start().await;
    let relay = relay_to(&server, "when: {}").await;
    let events = every_sort_of_event();
    for event in &events {
        relay.accept(event).await;
    }
    relay.drained("mail").await;
    assert_eq!(server.wrong(), Vec::<String>::new());
    let mails = server.mails();
    assert_eq!(mails.len(), events.len());
    for mail in &mails {
        assert_eq!(mail.from, "alerts@example.com");
        assert_eq!(mail.to, ["data@example.com", "ops@example.com", "boss@example.com"]);
        assert!(mail.html.is_some(), "{mail:?}");
    }
    let mut ids: Vec<&str> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), mails.len());
    assert!(server.logins().iter().all(|mechanism| *mechanism == "PLAIN"));
    let shown = relay
        .says(&["deliveries", "--message", mails[1].header("Message-ID").split(['<', '@']).nth(1).expect("an ID")])
        .await;
    for line in
        ["To: data@example.com, Ops <ops@example.com>", &format!("Subject: {}", mails[1].subject()), "the same in HTML"]
    {
        assert!(shown.contains(line), "{line} is not in\n{shown}");
    }
    assert!(!relay.log_text().contains("s3cr3t-pass"), "a password in the log");
}

#[tokio::test]
async fn a_mail_server_takes_a_mail_beyond_every_limit() {
    let server = MailServer::start().await;
    // The older servers know no PLAIN.
    server.now(|ways| ways.mechanisms = "LOGIN");
    let relay = relay_to(&server, &format!("message: {}", beyond_every_limit())).await;
    for event in &every_sort_of_event()[..5] {
        relay.accept(event).await;
    }
    relay.drained("mail").await;
    assert_eq!(server.wrong(), Vec::<String>::new());
    let mails = server.mails();
    assert_eq!(mails.len(), 5);
    for mail in &mails {
        assert!(mail.subject().ends_with('…') && mail.subject().len() <= 998, "{}", mail.subject());
        assert!(mail.text.contains("\nF0: ") && !mail.text.contains("\nF59: "), "{}", mail.text);
        assert_eq!(mail.header("Importance"), "high");
    }
    assert!(server.logins().iter().all(|mechanism| *mechanism == "LOGIN"));
}

#[tokio::test]
async fn lines_of_dots_and_headers_in_a_value_stay_text() {
    let server = MailServer::start().await;
    let message = r#"message: { title: "Ünicode: {{ error }}", text: "```\n.\n..\n.x\n```\n\n{{ error }}" }"#;
    let relay = relay_to(&server, message).await;
    relay.accept(&update("job-1", "A", r#"{"reason": "X", "message": "plan\r\n.\r\nBcc: evil@example.com"}"#)).await;
    relay.drained("mail").await;
    assert_eq!(server.wrong(), Vec::<String>::new());
    let [mail] = &server.mails()[..] else { panic!("{:?}", server.mails()) };
    let lines: Vec<&str> = mail.text.lines().map(str::trim).collect();
    assert!(lines.windows(3).any(|lines| lines == [".", "..", ".x"]), "{}", mail.text);
    assert_eq!((mail.to.len(), mail.header("Bcc")), (3, ""));
    assert!(mail.subject().starts_with("Ünicode: plan"), "{}", mail.subject());
}

#[tokio::test]
async fn what_the_server_puts_off_comes_later() {
    let server = MailServer::start().await;
    server.now(|ways| ways.mail = |_| "450 4.2.0 greylisted, try again");
    let relay = relay_to(&server, "when: {}").await;
    let put_off = relay.accept(&update("job-1", "A", PLANNING_FAILED)).await;
    server.called(1).await;
    server.now(|ways| ways.greeting = "421 4.7.0 too many connections");
    let seen = server.connections();
    server.called(seen + 2).await;
    assert!(server.mails().is_empty());
    server.now(|ways| {
        ways.greeting = "220 mail.example.com ESMTP";
        ways.mail = |_| "250 2.0.0 queued";
    });
    relay.drained("mail").await;
    let (state, told) = delivery(&relay, &put_off).await;
    assert_eq!(state, "delivered");
    assert!(told.contains("450") && told.contains("421"), "{told}");
    assert_eq!((server.mails().len(), server.wrong()), (1, Vec::new()));
}

/// Refuses what is said in HTML.
fn no_html(mail: &Mail) -> &'static str {
    if mail.html.is_some() { "552 5.3.4 message too big" } else { "250 2.0.0 queued" }
}

#[tokio::test]
async fn a_refused_mail_goes_once_more_in_plain_form_and_then_is_dead() {
    let server = MailServer::start().await;
    server.now(|ways| ways.mail = no_html);
    let relay = relay_to(&server, "when: {}").await;
    let plain = relay.accept(&update("job-1", "A", PLANNING_FAILED)).await;
    relay.drained("mail").await;
    assert_eq!(delivery(&relay, &plain).await.0, "delivered");
    assert!(server.mails()[0].subject().starts_with("Update data product failed"));

    is_dead_as_spam(&server, &relay).await;

    server.now(|ways| ways.mail = |_| "250 2.0.0 queued");
    relay.accept(&update("job-3", "A", PLANNING_FAILED)).await;
    relay.drained("mail").await;
    assert_eq!((server.mails().len(), server.wrong()), (2, Vec::new()));
}

#[tokio::test]
async fn an_answer_counts_whatever_becomes_of_the_goodbye() {
    let server = MailServer::start().await;
    server.now(|ways| ways.polite = false);
    let settings = format!("{}, timeout: 1s", at(&server, "s3cr3t-pass"));
    let mut relay = Relay::prepare(&routes(&settings, "when: {}"));
    std::fs::write(relay.path("ca.pem"), &server.certificate).expect("a file can be written");
    relay.run().await;
    let taken = relay.accept(&update("job-1", "A", PLANNING_FAILED)).await;
    relay.drained("mail").await;
    assert_eq!(delivery(&relay, &taken).await.0, "delivered");
    assert_eq!((server.mails().len(), server.connections()), (1, 1));

    is_dead_as_spam(&server, &relay).await;
    assert_eq!(server.wrong(), Vec::<String>::new());
}

/// Whether the lane holds what it owes, and says why in these words.
async fn held(relay: &Relay, owed: u64, why: &str) {
    let mut lane = json!(null);
    for _ in 0..3000 {
        lane = relay.lane("mail").await;
        if lane["health"] == "blocked" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!((&lane["health"], &lane["owed"]), (&json!("blocked"), &json!(owed)), "{lane}\n{}", relay.log_text());
    assert!(lane["detail"].as_str().is_some_and(|detail| detail.contains(why)), "{lane}");
    assert!(lane["advice"].as_str().is_some_and(|advice| !advice.contains("`url`")), "{lane}");
}

#[tokio::test]
async fn a_refused_login_holds_every_mail_until_the_password_is_mended() {
    let server = MailServer::start().await;
    server.now(|ways| ways.password = "another-one");
    let relay = relay_to(&server, "when: { type: '*' }").await;
    for n in 0..4 {
        relay.accept(&update(&format!("job-{n}"), &format!("P{n}"), PLANNING_FAILED)).await;
    }
    held(&relay, 4, "535 5.7.8 bad credentials").await;
    relay.edit(&routes(&at(&server, "another-one"), "when: { type: '*' }")).await;
    relay.drained("mail").await;
    assert_eq!((server.mails().len(), server.wrong()), (4, Vec::new()));
    assert!(!relay.log_text().contains("another-one"));
}

#[tokio::test]
async fn a_server_that_refuses_whoever_calls_holds_every_mail() {
    let server = MailServer::start().await;
    server.now(|ways| ways.greeting = "554 5.7.1 your address is on a list");
    let relay = relay_to(&server, "when: { type: '*' }").await;
    for n in 0..4 {
        relay.accept(&update(&format!("job-{n}"), &format!("P{n}"), PLANNING_FAILED)).await;
    }
    held(&relay, 4, "554 5.7.1 your address is on a list").await;
    assert_eq!(server.wrong(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_recipient_keeps_the_mail_from_nobody_else() {
    let server = MailServer::start().await;
    server.now(|ways| {
        ways.recipient = |to| if to == "ops@example.com" { "550 5.1.1 s3cr3t-pass is gone" } else { "250 2.1.5 known" };
    });
    let relay = relay_to(&server, "when: {}").await;
    let partly = relay.accept(&update("job-1", "A", PLANNING_FAILED)).await;
    relay.drained("mail").await;
    let [mail] = &server.mails()[..] else { panic!("{:?}", server.mails()) };
    assert_eq!(mail.to, ["data@example.com", "boss@example.com"]);
    let (state, told) = delivery(&relay, &partly).await;
    assert_eq!(state, "delivered", "{told}");
    let note = "1 of 3 recipients got no mail: ops@example.com (550 5.1.1 *** is gone)";
    assert!(told.contains("250 2.0.0 queued") && told.contains(note), "{told}");
    let log = relay.log_text();
    assert!(log.contains(note) && !log.contains("s3cr3t-pass"), "{log}");

    // Nobody is left: it is tried again while one of them may be taken then.
    server.now(|ways| {
        ways.recipient = |to| if to == "ops@example.com" { "450 4.2.0 greylisted" } else { "550 5.1.1 no such user" };
    });
    let put_off = relay.accept(&update("job-2", "A", PLANNING_FAILED)).await;
    server.called(3).await;
    server.now(|ways| ways.recipient = |_| "250 2.1.5 known");
    relay.drained("mail").await;
    let (state, told) = delivery(&relay, &put_off).await;
    assert_eq!(state, "delivered", "{told}");
    assert!(told.contains("450 4.2.0 greylisted") && !told.contains("5.1.1"), "{told}");
    assert_eq!((server.mails().len(), server.wrong()), (2, Vec::new()));
}

#[tokio::test]
async fn who_is_put_off_is_waited_for_but_not_for_ever() {
    let server = MailServer::start().await;
    server.now(|ways| {
        ways.recipient = |to| if to == "ops@example.com" { "450 4.2.0 greylisted" } else { "250 2.1.5 known" };
    });
    let mut relay = relay_to(&server, "when: {}").await;
    let waits = relay.accept(&update("job-1", "A", PLANNING_FAILED)).await;
    server.called(2).await;
    assert_eq!((server.mails().len(), delivery(&relay, &waits).await.0.as_str()), (0, Some("owed")));
    relay.terminate().await;
    let store = rusqlite::Connection::open(relay.path("data/jobrelay.db")).expect("the store is a SQLite file");
    store.execute("UPDATE deliveries SET attempts = 10", []).expect("it can be written");
    drop(store);
    relay.run().await;
    relay.drained("mail").await;
    let (state, told) = delivery(&relay, &waits).await;
    assert_eq!(state, "delivered", "{told}");
    assert!(told.contains("1 of 3 recipients got no mail: ops@example.com (450 4.2.0 greylisted)"), "{told}");

    server.now(|ways| {
        ways.recipient = |to| if to == "ops@example.com" { "452 4.2.2 full" } else { "250 2.1.5 known" };
    });
    relay.accept(&update("job-2", "B", PLANNING_FAILED)).await;
    relay.drained("mail").await;
    assert_eq!((server.mails().len(), server.wrong()), (2, Vec::new()), "for room nobody waits");
}

#[tokio::test]
async fn mails_that_the_server_takes_for_nobody_are_held_until_it_does() {
    // Of these, the second hangs up.
    let refusals: [fn(&str) -> &'static str; 2] = [|_| "554 5.7.1 relaying denied", |_| "521 5.7.1 relaying denied"];
    for refusal in refusals {
        let server = MailServer::start().await;
        server.now(|ways| ways.recipient = refusal);
        let relay = relay_to(&server, "when: { type: '*' }").await;
        for n in 0..4 {
            relay.accept(&update(&format!("job-{n}"), &format!("P{n}"), PLANNING_FAILED)).await;
        }
        held(&relay, 4, refusal("")).await;
        server.now(|ways| ways.recipient = |_| "250 2.1.5 known");
        relay.says(&["resume", "mail"]).await;
        relay.drained("mail").await;
        assert_eq!((server.mails().len(), server.wrong()), (4, Vec::new()));
    }
}

#[tokio::test]
async fn a_recovery_stands_in_the_thread_of_its_failure() {
    let server = MailServer::start().await;
    let file =
        routes(&at(&server, "s3cr3t-pass"), "when: { outcome: failed }").replace("retry:", "recovered: true, retry:");
    let mut relay = Relay::prepare(&file);
    std::fs::write(relay.path("ca.pem"), &server.certificate).expect("a file can be written");
    relay.run().await;
    relay.accept(&update("job-1", "Customers", PLANNING_FAILED)).await;
    relay.accept(&update("job-x", "Suppliers", PLANNING_FAILED)).await;
    relay.accept(&update("job-2", "Customers", "")).await;
    relay.drained("mail").await;
    let mails = server.mails();
    let of = |words: &str| mails.iter().find(|mail| mail.subject().contains(words)).expect(words);
    let (failure, other) = (of("failed: Customers"), of("failed: Suppliers"));
    let recovery = mails.iter().find(|mail| !mail.subject().contains("failed")).expect("a recovery");
    assert_eq!((mails.len(), server.wrong()), (3, Vec::new()));
    assert_eq!(recovery.header("References"), failure.header("References"));
    assert_eq!(recovery.header("In-Reply-To"), failure.header("In-Reply-To"));
    assert_ne!(other.header("References"), failure.header("References"));
}

#[tokio::test]
async fn private_addresses_are_not_called_where_that_is_asked_for() {
    let server = MailServer::start().await;
    let mut relay = Relay::prepare(&routes(&at(&server, "s3cr3t-pass"), "when: {}")).switch("--deny-private");
    std::fs::write(relay.path("ca.pem"), &server.certificate).expect("a file can be written");
    relay.run().await;
    relay.accept(&update("job-1", "A", PLANNING_FAILED)).await;
    held(&relay, 1, "private addresses are not called (--deny-private)").await;
    assert_eq!(server.connections(), 0);
}
