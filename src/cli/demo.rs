//! `demo`: a relay on a throw-away store that plays sample jobs through its own front door.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use super::client::converse;
use super::failure::Failure;
use super::output::{count, say};
use super::serve::listen_address;
use crate::config::SAMPLE;
use crate::delivery::api_client::ApiClient;
use crate::event::{Outcome, Resource, Sample, State};
use crate::relay::{self, Limit, LogFormat, Options};
use crate::server::types::IngestAnswer;

const DOOR: &str = "/webhooks/v1alpha1/jobEvents";
/// Slow enough to read along.
const PACE: Duration = Duration::from_millis(300);
/// How long the relay may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Ports tried above the wished one.
const PORTS: u16 = 50;

/// See it work: a relay on a temporary store, playing sample jobs
///
/// Sample jobs of every type and outcome are posted to the relay's own webhook, and the messages that come of them appear here.
/// Then the relay stays up until Ctrl-C, for your own `jobrelay send`. Nothing is kept.
#[derive(Args)]
pub struct DemoArgs {
    /// Run these routes instead of the built-in sample; the file is watched, so edit away
    #[arg(long, value_name = "FILE")]
    routes: Option<PathBuf>,

    /// Address to listen on; if its port is taken, the next free one is used
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    listen: String,
}

impl DemoArgs {
    /// Runs the relay in this thread and the player in another.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let dir = tempfile::Builder::new().prefix("jobrelay-demo-").tempdir();
        let dir = dir.map_err(|e| Failure::new(format!("cannot make a temporary directory: {e}")))?;
        let wished = resolve(&self.listen)?;
        let address = free_address(wished)?;
        let routes = match self.routes {
            Some(file) => file,
            None => write_sample(dir.path())?,
        };
        let taken = if wished.port() != 0 && wished != address {
            format!(" (port {} is taken)", wished.port())
        } else {
            String::new()
        };
        say(format_args!("The demo relay is at http://{address}{taken}, with the routes in {}.", routes.display()))?;
        let player = std::thread::Builder::new().name("player".to_owned()).spawn(move || {
            if let Err(failure) = converse(play(address)) {
                failure.report();
            }
        });
        player.map_err(|e| Failure::new(format!("cannot start: {e}")))?;
        // Ends with the process; the player has nothing to finish.
        Ok(relay::serve(Options {
            routes,
            listen: vec![address.to_string()],
            store: dir.path().join("jobrelay.db"),
            retention: Duration::from_secs(86_400),
            secrets: None,
            public_url: None,
            ingest_auth: Vec::new(),
            admin_token: None,
            log_format: Some(LogFormat::Human),
            deny_private: false,
            disk_low: Limit::default(),
            heartbeat: None,
            heartbeat_every: Duration::from_secs(60),
            last_good: false,
            demo: true,
        }))
    }
}

fn write_sample(dir: &Path) -> Result<PathBuf, Failure> {
    let file = dir.join("routes.yaml");
    std::fs::write(&file, SAMPLE).map_err(|e| Failure::new(format!("cannot write {}: {e}", file.display())))?;
    Ok(file)
}

/// The demo runs without credentials, so it stays on loopback.
fn resolve(listen: &str) -> Result<SocketAddr, Failure> {
    let address = listen.to_socket_addrs().ok().and_then(|mut all| all.next());
    let address = address.ok_or_else(|| Failure::usage(format!("{listen} is no address of this machine")))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(Failure::usage("the demo asks for no credentials, so it listens on this machine only")
            .help("--listen 127.0.0.1:PORT; `jobrelay serve` can be opened to others"))
    }
}

/// `wished`, or the same host at the next free port.
fn free_address(wished: SocketAddr) -> Result<SocketAddr, Failure> {
    let ports = wished.port()..=wished.port().saturating_add(PORTS);
    ports
        .filter_map(|port| TcpListener::bind((wished.ip(), port)).ok())
        .find_map(|listener| listener.local_addr().ok())
        .ok_or_else(|| {
            let last = wished.port().saturating_add(PORTS);
            Failure::new(format!("no free port on {} from {} to {last}", wished.ip(), wished.port()))
        })
}

/// Waits for the relay, plays the sample jobs, and says what to do next.
async fn play(address: SocketAddr) -> Result<(), Failure> {
    let client = ApiClient::new(&format!("http://{address}"), None)?;
    let begun = Instant::now();
    while let Err(error) = client.get_text("/healthz").await {
        if begun.elapsed() > PATIENCE {
            return Err(error.into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let jobs = jobs();
    say(format_args!("Posting {} to {DOOR}, as the sender would:\n", count(jobs.len() as u64, "sample event")))?;
    for job in &jobs {
        tokio::time::sleep(PACE).await;
        let event = job.event(Timestamp::now(), fastrand::u128(..)).map_err(Failure::new)?;
        say(format_args!("-> {}", headline(&event)))?;
        let _: IngestAnswer = client.post(DOOR, &event).await?;
    }
    // The last message is on its way.
    tokio::time::sleep(PACE * 3).await;
    say(next_steps(address))
}

/// Every type with every outcome, a success after each failure, and one job seen from its beginning.
fn jobs() -> Vec<Sample> {
    let named = |name: &str| Some(Resource::named(name));
    let resources = [
        Sample { source: named("CRM accounts"), ..Sample::default() },
        Sample { data_product: named("Customers"), ..Sample::default() },
        Sample { workflow: named("Nightly refresh"), ..Sample::default() },
        Sample { data_product: named("Customers"), destination: named("warehouse"), ..Sample::default() },
        Sample { destination: named("Warehouse"), ..Sample::default() },
    ];
    let mut jobs = Vec::new();
    for (i, resource) in resources.iter().enumerate() {
        let states = if i == 0 { &[State::Pending, State::Running][..] } else { &[] };
        let job = |run: usize| Some((4_001 + i * 10 + run).to_string());
        for state in states {
            jobs.push(Sample { state: Some(state.clone()), job: job(0), ..resource.clone() });
        }
        for (run, outcome) in [Outcome::Failed, Outcome::Stopped, Outcome::Succeeded].into_iter().enumerate() {
            jobs.push(Sample { outcome: Some(outcome), job: job(run), ..resource.clone() });
        }
    }
    jobs
}

/// `job 4001: LOAD_SOURCE DONE, PLANNING_FAILED`.
fn headline(event: &Value) -> String {
    let data = &event["data"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let status = &data["status"];
    let reason = status["error"]["reason"].as_str().map(|reason| format!(", {reason}")).unwrap_or_default();
    format!("job {}: {} {}{reason}", text(&data["jobId"]), text(&data["jobType"]), text(&status["state"]))
}

fn next_steps(address: SocketAddr) -> String {
    let program = std::env::args().next().unwrap_or_else(|| "jobrelay".to_owned());
    let url = if address.port() == 8080 { String::new() } else { format!(" --url http://{address}") };
    format!(
        "\nThat was all; the relay stays up until Ctrl-C. In another terminal, try:
  {program} send{url} --type load_source --source CRM --outcome failed
  {program} events{url}
  {program} deliveries{url} --receiver inbox --message\n"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_play_has_every_type_and_outcome() {
        let now = "2026-01-31T09:05:00Z".parse().unwrap();
        let seen: BTreeSet<String> = jobs()
            .iter()
            .map(|job| {
                let event = job.event(now, 7).unwrap();
                let data = &event["data"];
                format!("{} {} {}", data["jobType"], data["status"]["state"], data["status"]["error"]["reason"])
            })
            .collect();
        // 5 types × 3 outcomes, and the beginning of one job.
        assert_eq!(seen.len(), 17, "{seen:#?}");
    }

    #[test]
    fn a_taken_port_gives_way_to_the_next_free_one() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let wished = taken.local_addr().unwrap();
        let found = free_address(wished).unwrap();
        assert!(found.ip() == wished.ip() && found.port() != wished.port(), "{found}");
    }

    #[test]
    fn the_demo_stays_on_this_machine() {
        assert!(resolve("0.0.0.0:8080").is_err());
        assert_eq!(resolve("127.0.0.1:0").unwrap().port(), 0);
    }
}
