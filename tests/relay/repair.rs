//! A damaged store: `serve` refuses it and says what to do, `repair` saves what can be read, and the relay runs on from there.

use serde_json::Value;

use crate::support::{Fake, Relay, Reply, run_in, update};

const PAGE: usize = 4096;

fn routes(fake: &Fake) -> String {
    format!(
        "receivers:\n  sink: {{ kind: webhook, url: \"{}\" }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: sink\n",
        fake.url("/")
    )
}

#[tokio::test]
async fn a_damaged_store_is_refused_then_repaired_and_what_was_owed_arrives() {
    let fake = Fake::start();
    fake.replies(|_| Reply::Status(503, "not yet"));
    let mut relay = Relay::start(&routes(&fake)).await;
    for n in 0..200 {
        relay.accept(&update(&format!("job-{n}"), &format!("P{n}"), "")).await;
    }
    let beside = run_in(&relay.path(""), &["repair", "--into", "sqlite:beside.db"]);
    let said = String::from_utf8_lossy(&beside.stderr);
    assert!(said.contains("in use") && said.contains("stop it first"), "{said}");
    assert_eq!((beside.status.code(), relay.path("beside.db").exists()), (Some(1), false), "{said}");
    assert!(relay.terminate().await.success());
    let file = relay.path("data/jobrelay.db");
    let whole = std::fs::read(&file).expect("readable");
    fake.replies(|_| Reply::Status(200, "ok"));
    for how in ["cut", "no header", "overwritten"] {
        let mut bytes = whole.clone();
        match how {
            "cut" => bytes.truncate(whole.len() * 9 / 10),
            "no header" => bytes[..PAGE].fill(0),
            _ => bytes[20 * PAGE..24 * PAGE].fill(0x5a),
        }
        std::fs::write(&file, &bytes).expect("writable");
        if how != "overwritten" {
            let names = || {
                let entries = std::fs::read_dir(relay.path("data")).expect("a directory");
                let mut names: Vec<_> = entries.map(|e| e.expect("an entry").file_name()).collect();
                names.sort();
                names
            };
            let before = names();
            let (code, said) = relay.fails().await;
            assert_eq!(code, Some(1), "{how}: {said}");
            for part in ["data/jobrelay.db", "nothing was changed", "jobrelay repair --store sqlite:"] {
                assert!(said.contains(part), "{how}: {part}\n{said}");
            }
            assert_eq!(std::fs::read(&file).expect("readable"), bytes, "{how}: it is as it was");
            assert_eq!(names(), before, "{how}: and nothing beside it");
        }
        let into = format!("sqlite:{}.db", how.replace(' ', "-"));
        let output = run_in(&relay.path(""), &["repair", "--into", &into, "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{how}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!((output.status.code(), &report["whole"]), (Some(0), &false.into()), "{how}: {report:#}");
        let saved = report["saved"]["events"].as_u64().expect("a number");
        println!("{how}: {saved} of 200 events saved, {} owed again", report["owed_again"]);
        assert!(saved >= 100, "{how}: {report:#}");
        assert!(run_in(&relay.path(""), &["audit", "--store", &into]).status.success(), "{how}");
        let again = run_in(&relay.path(""), &["repair", "--into", &into]);
        assert_eq!(again.status.code(), Some(1), "nothing is overwritten");

        let at = fake.count();
        let repaired = Relay::prepare(&routes(&fake));
        std::fs::create_dir(repaired.path("data")).expect("a directory can be made");
        std::fs::copy(relay.path(&into["sqlite:".len()..]), repaired.path("data/jobrelay.db"))
            .expect("it can be copied");
        let mut repaired = repaired;
        repaired.run().await;
        repaired.drained("sink").await;
        let arrived: std::collections::BTreeSet<String> =
            fake.requests()[at..].iter().map(|r| r.json()["job"].as_str().expect("a job").to_owned()).collect();
        assert!(arrived.len() as u64 >= saved, "{how}: {} of {saved} arrived", arrived.len());
        assert!(repaired.says(&["audit"]).await.contains("All is well."), "{how}");
    }
}

#[tokio::test]
async fn a_sound_store_is_saved_whole_and_the_page_says_so() {
    let fake = Fake::start();
    let mut relay = Relay::start(&routes(&fake)).await;
    for n in 0..20 {
        relay.accept(&update(&format!("job-{n}"), "A", "")).await;
    }
    relay.drained("sink").await;
    relay.kill();
    let output = run_in(&relay.path(""), &["repair", "--into", "sqlite:new.db"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for part in ["deliveries 20, events 20", "lost:    nothing", "audit:   all is well"] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    std::fs::write(relay.path("other.txt"), "receivers: {}\n".repeat(500)).expect("a file can be written");
    let other = run_in(&relay.path(""), &["repair", "--store", "sqlite:other.txt", "--into", "sqlite:none.db"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&other.stderr).contains("nothing of a jobrelay store"), "{other:?}");
    assert!(!relay.path("none.db").exists());
}
