//! How fast `check --since` looks back: a store of some hundred thousand realistic events, made through the store itself, compared by the
//! real binary with a file that decides otherwise here and there.
//!
//! `cargo bench --bench history -- [--events N] [--rounds N]`

#[path = "support/history.rs"]
mod history;
#[path = "support/new_event.rs"]
mod new_event;
#[path = "support/team.rs"]
mod team;

use std::process::Command;
use std::time::Instant;

use history::History;
use jobrelay::config;

const RESOURCES: usize = 500;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |flag: &str, default: usize| {
        let at = arguments.iter().position(|a| a == flag);
        at.and_then(|at| arguments.get(at + 1)).map_or(default, |text| text.parse().expect("a number"))
    };
    let (events, rounds) = (number("--events", 500_000), number("--rounds", 3));
    let dir = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file can be written");
    let old = routes(false);
    file("old.yaml", &old);
    file("new.yaml", &routes(true));
    file("words.yaml", &old.replace("{ title: \"{{ type_label }}", "{ title: \"!! {{ type_label }}"));
    let (config, problems) = config::load_without_secrets(&old);
    let config = config.unwrap_or_else(|| panic!("{problems:?}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let history = History { config: &config, events, body: &event, delivered: false };
    runtime.block_on(history::fill(&dir.path().join("jobrelay.db"), &history));
    let bytes: usize = (0..30).map(|n| event(n).len()).sum();
    println!("{events} events of {} bytes on average", bytes / 30);
    for (name, what) in
        [("old.yaml", "the same"), ("new.yaml", "decides otherwise"), ("words.yaml", "says it otherwise")]
    {
        for _ in 0..rounds {
            let (begun, cpu) = (Instant::now(), cpu_of_children());
            let output = Command::new(env!("CARGO_BIN_EXE_jobrelay"))
                .args(["check", name, "--since", "3000d", "--store", "sqlite:jobrelay.db", "--format", "json"])
                .current_dir(dir.path())
                .output()
                .expect("it can be run");
            let took = begun.elapsed().as_secs_f64();
            let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(found["hindsight"]["events"], events);
            #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let count = events as f64;
            let (rate, cpu) = (count / took, (cpu_of_children() - cpu) * 1e6 / count);
            println!("{what:<20} {took:>6.2} s {rate:>9.0} events/s {cpu:>6.1} µs of CPU each");
        }
    }
}

/// User and system time of the processes that have ended, in seconds: it says more than the clock where others are at work.
fn cpu_of_children() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..].split(' ').collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    // Fields 16 and 17 of proc(5), in ticks of 10 ms.
    (ticks(13) + ticks(14)) / 100.0
}

fn routes(otherwise: bool) -> String {
    team::routes(
        |name| format!("kind: slack, url: \"https://hooks.slack.com/services/T/B/{name}\", message: short"),
        otherwise,
    )
}

/// A job's life is three events: waiting, running, done; every tenth fails.
fn event(n: usize) -> String {
    const PENDING: &str = r#"{"state":"PENDING","stateStartTime":"2025-12-02T14:19:00.000Z"}"#;
    const RUNNING: &str = r#"{"state":"RUNNING","stateStartTime":"2025-12-02T14:20:00.000Z"}"#;
    let (job, step) = (n / 3, n % 3);
    let key = job % RESOURCES;
    let error = r#","error":{"reason":"PLANNING_FAILED","message":"Something went wrong while planning the job. Please verify the configuration."}"#;
    let error = if job.is_multiple_of(10) { error } else { "" };
    let done = format!(r#"{{"state":"DONE","stateStartTime":"2025-12-02T14:46:04.518Z"{error}}}"#);
    let (status, past) = match step {
        0 => (PENDING, String::new()),
        1 => (RUNNING, PENDING.to_owned()),
        _ => (done.as_str(), format!("{PENDING},{RUNNING}")),
    };
    format!(
        r#"{{"specversion":"1.0","id":"5f0c2b1e-0000-4000-8000-{n:012}","source":"//acme.tamr.cloud/webhooks/v1alpha1","type":"com.tamr.job.v1alpha1","time":"2025-12-02T14:46:05.000Z","subject":"jobs/5f0c2b1e-0000-4000-9000-{job:012}","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","datacontenttype":"application/json","data":{{"jobId":"5f0c2b1e-0000-4000-9000-{job:012}","jobType":"UPDATE_DATA_PRODUCT","dataProductId":"5f0c2b1e-0000-4000-a000-{key:012}","dataProductDisplayName":"Customers {key}","workflowId":"","workflowDisplayName":"","status":{status},"pastStatuses":[{past}]}}}}"#
    )
}
