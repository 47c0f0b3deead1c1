//! `check --since`: beside a running relay, after an orderly stop, after a kill.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{PLANNING_FAILED, Relay, STOPPED, run_in, update};

const RULING: &str = "receivers:
  ops: { kind: inbox, recovered: true }
  log: { kind: inbox }
routes:
  - { name: failed jobs, when: { outcome: failed }, to: ops }
  - { name: customers, when: { data_product: Customers }, to: [log, ops] }
  - { name: stopped jobs, when: { outcome: stopped }, to: log }
";

async fn happen(relay: &Relay) {
    let outcomes = ["", PLANNING_FAILED, PLANNING_FAILED, STOPPED, "", "", PLANNING_FAILED];
    let products = ["Customers", "Orders", "Sites"];
    for n in 0..42 {
        relay.accept(&update(&format!("job-{n}"), products[n % 3], outcomes[(n / 3) % 7])).await;
    }
}

fn json(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

#[tokio::test]
async fn the_file_that_ran_would_have_sent_what_was_sent() {
    let relay = Relay::start(RULING).await;
    happen(&relay).await;
    let all = relay.get("/api/v1/deliveries?limit=500").await;
    let mut sent: BTreeMap<String, u64> = BTreeMap::new();
    let mut recoveries = 0;
    for delivery in all["items"].as_array().expect("a list") {
        *sent.entry(delivery["receiver"].as_str().expect("a name").to_owned()).or_default() += 1;
        recoveries += u64::from(delivery["route"] == "");
    }
    assert!(recoveries > 0, "or it shows little: {all}");
    let found = json(&relay.cli(&["check", "routes.yaml", "--since", "1h", "--format", "json"]).await);
    let receivers = found["hindsight"]["receivers"].as_object().unwrap_or_else(|| panic!("{found}"));
    let counted = |word: &str| -> BTreeMap<String, u64> {
        receivers.iter().map(|(name, of)| (name.clone(), of[word].as_u64().expect("a number"))).collect()
    };
    assert_eq!(counted("before"), sent);
    assert_eq!(counted("after"), sent);
    assert_eq!(found["hindsight"]["events"], 42);
    let said = relay.says(&["check", "routes.yaml", "--since", "1h"]).await;
    assert!(said.contains("Every message would have been the same."), "{said}");
}

#[tokio::test]
async fn a_failed_job_that_nobody_would_hear_of_is_a_problem() {
    let mut relay = Relay::start(RULING).await;
    happen(&relay).await;
    let next = RULING.replace("outcome: failed }", "outcome: failed, data_product: [Custmers, Orders] }").replace(
        "stopped jobs, when: { outcome: stopped }, to: log",
        "stopped jobs, when: { outcome: stopped, state: DONE }, to: log, message: { title: Stopped }",
    ) + "  - { name: warehouse, when: { any: [{ destination: '*' }] }, to: log }\n";
    std::fs::write(relay.path("next.yaml"), next).expect("a file can be written");
    for how in ["beside", "after a stop", "after a kill"] {
        let output = relay.cli(&["check", "next.yaml", "--since", "1h"]).await;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{how}: {said}");
        for part in [
            "error[failed-job-unheard]: 6 failed jobs since ",
            "next.yaml:4:1",
            "Update data product failed: Sites",
            "by route \"failed jobs\" before",
            "warning[unseen-name]: data_product: no event since ",
            "did you mean \"Customers\"?",
            "warning[unmatched-route]: no event since ",
            "matches the route \"warehouse\"",
            "ops: 9 fewer, such as",
            "log: 4 changed, such as",
            "now: ",
            "9 events would newly reach nobody, 6 of them failed jobs, such as",
            "next.yaml: 1 error, ",
        ] {
            assert!(said.contains(part), "{how}: {part}\n{said}");
        }
        let found = json(&relay.cli(&["check", "next.yaml", "--since", "1h", "--format", "json"]).await);
        assert_eq!(
            (&found["ok"], &found["hindsight"]["failed_unheard"]["count"]),
            (&false.into(), &6.into()),
            "{found}"
        );
        match how {
            "beside" => assert!(relay.terminate().await.success()),
            _ if how == "after a stop" => {
                relay.run().await;
                relay.kill();
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn without_a_history_it_says_what_is_missing() {
    let relay = Relay::prepare(RULING);
    let output = relay.cli(&["check", "routes.yaml", "--since", "30d"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("there is no store at data/jobrelay.db") && said.contains("--store"), "{said}");
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(report.contains("routes.yaml: ok, 2 receivers, 3 routes"), "the file's own report is told: {report}");
    assert!(!relay.path("data").exists(), "it makes none");
    assert!(run_in(&relay.path(""), &["check", "routes.yaml"]).status.success());
}
