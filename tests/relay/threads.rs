//! A job's messages stay together, over restarts, and a recovery finds the failure it closes.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::{Fake, PLANNING_FAILED, Relay, Reply, Request, event, update};

/// A Slack that gives each message a number.
fn slack() -> Fake {
    let (fake, count) = (Fake::start(), AtomicUsize::new(0));
    fake.replies(move |request| {
        let message = request.json();
        assert_eq!((request.target.as_str(), &message["channel"]), ("/api/chat.postMessage", &json!("C0123ABCDEF")));
        // Of a message that was deleted since, or of another channel.
        if message["thread_ts"] == "3.0" {
            return Reply::Status(200, r#"{"ok":false,"error":"cannot_reply_to_message"}"#);
        }
        let number = count.fetch_add(1, Ordering::SeqCst);
        let answer = json!({"ok": true, "channel": "C0123ABCDEF", "ts": format!("{number}.0"), "message": message});
        Reply::Status(200, Box::leak(answer.to_string().into_boxed_str()))
    });
    fake
}

fn routes(fake: &Fake, channel: &str) -> String {
    format!(
        "receivers:\n  ops: {{ kind: slack, token: xoxb-0123456789, channel: {channel}, endpoint: \"{}\", rate: 1000/s, recovered: true }}\nroutes:\n  - {{ name: all, when: {{ outcome: [failed, stopped] }}, to: ops }}\n  - {{ name: running, when: {{ state: RUNNING }}, to: ops }}\n",
        fake.url("").trim_end_matches('/')
    )
}

fn running(job: &str, product: &str) -> Value {
    event(&json!({
        "jobId": job, "jobType": "UPDATE_DATA_PRODUCT", "dataProductId": format!("dp_{product}"), "dataProductDisplayName": product,
        "status": {"state": "RUNNING", "stateStartTime": "2025-12-02T14:20:00.000Z"},
    }))
}

fn answered(request: &Request) -> Value {
    request.json()["thread_ts"].clone()
}

#[tokio::test]
async fn a_jobs_messages_answer_to_its_first() {
    let fake = slack();
    let mut relay = Relay::start(&routes(&fake, "C0123ABCDEF")).await;
    let mut ids = vec![
        relay.accept(&running("one", "Customers")).await,
        relay.accept(&update("one", "Customers", PLANNING_FAILED)).await,
    ];
    fake.wait_for(2).await;
    ids.push(relay.accept(&running("other", "Suppliers")).await);
    fake.wait_for(3).await;
    relay.drained("ops").await;
    relay.restart().await;
    // The next run of the first begins anew; its success closes the failure, in that one's thread.
    ids.push(relay.accept(&running("two", "Customers")).await);
    fake.wait_for(4).await;
    ids.push(relay.accept(&update("two", "Customers", "")).await);
    fake.wait_for(5).await;
    ids.push(relay.accept(&update("other", "Suppliers", PLANNING_FAILED)).await);
    let came = fake.wait_for(6).await;
    relay.drained("ops").await;

    let mut threads = std::collections::BTreeMap::new();
    for id in &ids {
        let explained = relay.get(&format!("/api/v1/events/{id}/explain?message=true")).await;
        let delivery = explained["deliveries"][0]["id"].as_str().expect("a delivery").to_owned();
        let request = came.iter().find(|request| request.delivery() == delivery).expect("it came");
        let preview = &explained["messages"][0]["message"]["request"]["body"]["json"];
        assert_eq!(preview, &request.json(), "the preview is what was sent");
        threads.insert(id.as_str(), answered(request));
    }
    let first = |at: usize| threads[ids[at].as_str()].clone();
    assert_eq!((first(0), first(2), first(3)), (Value::Null, Value::Null, Value::Null), "each job begins its own");
    assert_eq!(first(1), "0.0");
    assert_eq!(first(4), "0.0", "the recovery answers to the failed job");
    assert_eq!(first(5), "2.0");
}

#[tokio::test]
async fn a_thread_that_cannot_be_answered_swallows_no_alert() {
    let fake = slack();
    let relay = Relay::start(&routes(&fake, "C0123ABCDEF")).await;
    for n in 0..3 {
        relay.accept(&update(&format!("before-{n}"), &format!("P{n}"), PLANNING_FAILED)).await;
    }
    fake.wait_for(3).await;
    relay.accept(&running("one", "Customers")).await;
    fake.wait_for(4).await;
    let id = relay.accept(&update("one", "Customers", PLANNING_FAILED)).await;
    let came = fake.wait_for(6).await;
    relay.drained("ops").await;
    assert_eq!((answered(&came[4]), answered(&came[5])), (json!("3.0"), Value::Null));
    let kept = relay.get(&format!("/api/v1/events/{id}")).await;
    assert_eq!(kept["deliveries"][0]["state"], "delivered");
    assert!(kept.to_string().contains("cannot_reply_to_message"), "{kept}");
    // And from then on its messages are together again.
    relay.accept(&update("one", "Customers", r#"{"reason": "OTHER", "message": "again"}"#)).await;
    assert_eq!(answered(&fake.wait_for(7).await[6]), json!("4.0"));
}

#[tokio::test]
async fn a_change_of_channel_begins_anew() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Status(200, r#"{"ok":true,"ts":"7.0"}"#));
    let relay = Relay::start(&routes(&fake, "C0123ABCDEF")).await;
    relay.accept(&running("one", "Customers")).await;
    fake.wait_for(1).await;
    relay.edit(&routes(&fake, "C0999")).await;
    relay.accept(&update("one", "Customers", PLANNING_FAILED)).await;
    let came = fake.wait_for(2).await;
    assert_eq!((came[1].json()["channel"].clone(), answered(&came[1])), (json!("C0999"), Value::Null));
}
