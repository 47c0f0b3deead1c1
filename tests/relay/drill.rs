//! A fire drill: a test message straight to receivers, through a relay or from routes.yaml alone.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Fake, Relay, Reply};

/// Receivers of one Slack each: well, revoked, asked too often, out of reach, refusing the form; and one of the relay's own.
struct Stage {
    well: Fake,
    fakes: Vec<Fake>,
    routes: String,
}

impl Stage {
    async fn new() -> Stage {
        let (well, revoked, busy, away, strict) =
            (Fake::start(), Fake::start(), Fake::start(), Fake::start(), Fake::start());
        revoked.replies(|_| Reply::Status(403, "invalid_token"));
        busy.replies(|_| Reply::Header(429, "Retry-After", "30".to_owned(), "rate_limited"));
        away.down().await;
        strict.replies(|request| match request.json().get("blocks") {
            Some(_) => Reply::Status(400, "invalid_blocks"),
            None => Reply::Status(200, "ok"),
        });
        let receiver = |name: &str, fake: &Fake| {
            format!("  {name}: {{ kind: slack, url: \"{}\" }}\n", fake.url("/services/T0/B0/s3cr3t"))
        };
        let routes = format!(
            "receivers:\n{}{}{}{}{}  own: {{ kind: inbox }}\nroutes: [{{ name: all, to: [well, revoked, busy, away, strict, own] }}]\n",
            receiver("well", &well),
            receiver("revoked", &revoked),
            receiver("busy", &busy),
            receiver("away", &away),
            receiver("strict", &strict),
        );
        Stage { well, fakes: vec![revoked, busy, away, strict], routes }
    }
}

/// Exit code and all that was said, where no relay answers.
async fn alone(dir: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jobrelay"));
    // Port 1 is nobody's.
    command.args(arguments).current_dir(dir).env("JOBRELAY_LISTEN", "127.0.0.1:1").env_remove("JOBRELAY_URL");
    let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("no panic");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

fn directory(routes: &str) -> TempDir {
    let dir = TempDir::new().expect("a directory");
    std::fs::write(dir.path().join("routes.yaml"), routes).expect("a file can be written");
    dir
}

#[tokio::test]
async fn without_a_relay_every_receiver_is_tried_from_the_file() {
    let stage = Stage::new().await;
    let dir = directory(&stage.routes);
    let (code, said) = alone(dir.path(), &["send", "--to", "all"]).await;
    assert_eq!(code, Some(1), "{said}");
    let of = |name: &str| {
        let mut lines = said.lines().skip_while(|line| !line.starts_with(&format!("  {name} (")));
        let first = lines.next().unwrap_or_else(|| panic!("{name}: {said}"));
        let more = lines.take_while(|line| line.starts_with("    "));
        std::iter::once(first).chain(more).collect::<Vec<_>>().join("\n")
    };
    assert!(said.contains("no relay answers at http://127.0.0.1:1") && said.contains("to 6 receivers"), "{said}");
    assert!(of("well").contains("delivered in") && of("well").contains("200 ok"), "{said}");
    let revoked = of("revoked");
    assert!(revoked.contains("blocked") && revoked.contains("403 invalid_token"), "{said}");
    assert!(revoked.contains("what to do: the webhook was revoked: make a new one"), "{said}");
    assert!(of("busy").contains("would try again: 429 rate_limited"), "{said}");
    assert!(of("away").contains("no connection"), "{said}");
    let strict = of("strict");
    assert!(strict.contains("delivered") && strict.contains("sent again in plain form"), "{said}");
    assert!(of("own").contains("not tried"), "{said}");
    assert!(!said.contains("s3cr3t"), "{said}");
    let message = stage.well.wait_for(1).await.remove(0);
    assert!(message.text().to_lowercase().contains("test"), "always marked: {}", message.text());
    assert_eq!(stage.fakes[0].count(), 1, "one attempt");
    assert!(!dir.path().join("data").exists(), "nothing is kept");
}

#[tokio::test]
async fn one_receiver_that_works_is_success() {
    let stage = Stage::new().await;
    let dir = directory(&stage.routes);
    let (code, said) = alone(dir.path(), &["send", "--to", "well", "--reason", "OUT_OF_MEMORY"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(stage.well.wait_for(1).await[0].text().contains("OUT_OF_MEMORY"));
    let (code, said) = alone(dir.path(), &["send", "--to", "revoked", "--routes", "routes.yaml", "--json"]).await;
    let told: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!(
        (code, &told[0]["verdict"], &told[0]["detail"]),
        (Some(1), &"blocked".into(), &"403 invalid_token".into())
    );

    let (code, said) = alone(dir.path(), &["send", "--to", "wel"]).await;
    assert!(code == Some(1) && said.contains("did you mean well?"), "{said}");
    let (code, said) = alone(dir.path(), &["send", "--to", "well", "--url", "http://127.0.0.1:1"]).await;
    assert!(code == Some(1) && said.contains("no relay answers"), "a relay that was named is meant: {said}");
    let (code, said) = alone(dir.path(), &["send", "--routes", "routes.yaml"]).await;
    assert!(code == Some(2) && said.contains("--to"), "{said}");
    std::fs::write(dir.path().join("routes.yaml"), "receivers: {}").expect("a file can be written");
    let (code, said) = alone(dir.path(), &["send", "--to", "all"]).await;
    assert!(code == Some(1) && said.contains("jobrelay check routes.yaml"), "{said}");
}

#[tokio::test]
async fn a_relay_sends_to_all_and_tells_how_each_took_it() {
    let stage = Stage::new().await;
    let relay = Relay::start(&stage.routes).await;
    let output = relay.cli(&["send", "--to", "all", "--wait", "3s"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for name in ["well", "revoked", "busy", "away", "strict", "own"] {
        assert!(said.contains(&format!("straight to {name}\n")), "{said}");
    }
    assert!(said.contains("well: delivered") && said.contains("own: delivered"), "{said}");
    assert!(said.contains("403 invalid_token") && said.contains("the webhook was revoked"), "{said}");
    assert!(said.contains("429 rate_limited") && said.contains("no connection"), "{said}");
    let output = relay.cli(&["send", "--to", "well", "--json"]).await;
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((output.status.code(), &told["deliveries"][0]["state"]), (Some(0), &"delivered".into()));
}
