//! How fast the relay is beside its floor: the same actix-web, `serde_json` and reqwest, receiving, parsing and forwarding the same body,
//! storing nothing and deciding nothing. Run alternately in one sitting; figures are medians, and ratios to the floor.
//!
//! `cargo bench --bench relay -- [--rounds N] [--events N] [--connections N]`

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const RESOURCES: usize = 500;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--floor") {
        floor(&arguments[at + 1]);
        return;
    }
    let number = |flag: &str, default: usize| {
        let at = arguments.iter().position(|a| a == flag);
        at.and_then(|at| arguments.get(at + 1)).map_or(default, |text| text.parse().expect("a number"))
    };
    let (rounds, events, connections) =
        (number("--rounds", 5), number("--events", 60_000), number("--connections", 128));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(compare(rounds, events, connections));
}

async fn compare(rounds: usize, events: usize, connections: usize) {
    let sink = Sink::start().await;
    println!("{events} events of {} bytes a round over {connections} connections\n", event(0).len());
    println!("{:<8} {:>5} {:>12} {:>16}", "what", "round", "delivered/s", "CPU µs/message");
    let mut all = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        for (subject, results) in [Subject::Floor, Subject::Relay].into_iter().zip(&mut all) {
            let process = subject.start(&sink.url);
            let result = measure(&process, &sink, events, connections).await;
            println!("{:<8} {round:>5} {:>12.0} {:>16.1}", format!("{subject:?}"), result.rate, result.cpu);
            results.push(result);
        }
    }
    let [floor, relay] = all.map(|results| {
        let median = |of: fn(&Measured) -> f64| {
            let mut values: Vec<f64> = results.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        (median(|m| m.rate), median(|m| m.cpu))
    });
    println!("\nfloor: {:.0}/s, {:.1} µs. relay: {:.0}/s, {:.1} µs.", floor.0, floor.1, relay.0, relay.1);
    println!("relay / floor: rate {:.2}, CPU per message {:.2}", relay.0 / floor.0, relay.1 / floor.1);
}

struct Measured {
    /// Delivered messages per second.
    rate: f64,
    /// User and system time of the process per message, in µs.
    cpu: f64,
}

async fn measure(process: &Process, sink: &Sink, events: usize, connections: usize) -> Measured {
    // Warm connections, caches and allocator.
    load(&process.address, sink, events / 10, connections).await;
    let cpu = process.cpu();
    let begun = Instant::now();
    load(&process.address, sink, events, connections).await;
    let took = begun.elapsed().as_secs_f64();
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let count = events as f64;
    Measured { rate: count / took, cpu: (process.cpu() - cpu) * 1e6 / count }
}

/// Posts `events` and waits until the sink has as many more.
async fn load(address: &str, sink: &Sink, events: usize, connections: usize) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let target = sink.count.load(Ordering::Relaxed) + events;
    let left = Arc::new(AtomicUsize::new(events));
    let mut posters = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (left, address) = (Arc::clone(&left), address.to_owned());
        posters.spawn(async move {
            let mut stream = TcpStream::connect(&address).await.expect("it listens");
            stream.set_nodelay(true).expect("an option every system has");
            let mut buffer = vec![0; 8192];
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let body = event(NEXT.fetch_add(1, Ordering::Relaxed));
                let request = format!(
                    "POST /webhooks/v1alpha1/jobEvents HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/cloudevents+json\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(request.as_bytes()).await.expect("it reads");
                let read = stream.read(&mut buffer).await.expect("it answers");
                assert!(buffer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..read]));
            }
        });
    }
    while posters.join_next().await.is_some() {}
    while sink.count.load(Ordering::Relaxed) < target {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn event(n: usize) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"5f0c2b1e-0000-4000-8000-{n:012}","source":"//acme.tamr.cloud/webhooks/v1alpha1","type":"com.tamr.job.v1alpha1","time":"2025-12-02T14:46:05.000Z","datacontenttype":"application/json","data":{{"jobId":"job_{n}","jobType":"UPDATE_DATA_PRODUCT","dataProductId":"dp_{key}","dataProductDisplayName":"Customers {key}","workflowId":"","workflowDisplayName":"","status":{{"state":"DONE","stateStartTime":"2025-12-02T14:46:04.518Z","error":{{"reason":"PLANNING_FAILED","message":"Something went wrong while planning the job."}}}},"pastStatuses":[{{"state":"PENDING","stateStartTime":"2025-12-02T14:19:00.000Z"}},{{"state":"RUNNING","stateStartTime":"2025-12-02T14:20:00.000Z"}}]}}}}"#,
        key = n % RESOURCES
    )
}

/// A receiver that only counts.
struct Sink {
    url: String,
    count: Arc<AtomicUsize>,
}

impl Sink {
    async fn start() -> Sink {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(swallow(stream, Arc::clone(&counter)));
            }
        });
        Sink { url, count }
    }
}

async fn swallow(mut stream: TcpStream, count: Arc<AtomicUsize>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let head = loop {
            if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(0);
        while buffer.len() < head + 4 + length {
            if stream.read_buf(&mut buffer).await.unwrap_or(0) == 0 {
                return;
            }
        }
        buffer.drain(..head + 4 + length);
        count.fetch_add(1, Ordering::Relaxed);
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
            return;
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Subject {
    Floor,
    Relay,
}

impl Subject {
    fn start(self, sink: &str) -> Process {
        let dir = tempfile::tempdir().expect("a directory");
        let mut command = match self {
            Subject::Floor => {
                let mut command = Command::new(std::env::current_exe().expect("this program"));
                command.args(["--floor", sink]);
                command
            }
            Subject::Relay => {
                let routes = format!(
                    "receivers:\n  sink: {{ kind: webhook, url: \"{sink}\", concurrency: 128 }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: sink\n"
                );
                std::fs::write(dir.path().join("routes.yaml"), routes).expect("a file can be written");
                let mut command = Command::new(env!("CARGO_BIN_EXE_jobrelay"));
                command.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]).current_dir(dir.path());
                command
            }
        };
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it can be run");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = loop {
            let line = lines.next().expect("it says where it listens").expect("UTF-8");
            if let Some(at) = line.find("listening on http://") {
                let rest = &line[at + "listening on http://".len()..];
                let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c))).unwrap_or(rest.len());
                break rest[..end].to_owned();
            }
        };
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Process { child, address, _dir: dir }
    }
}

struct Process {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl Process {
    /// User and system time so far, in seconds.
    fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("Linux");
        let fields: Vec<&str> = stat[stat.rfind(')').expect("a name") + 2..].split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
        // Fields 14 and 15 of proc(5), in ticks of 10 ms.
        (ticks(11) + ticks(12)) / 100.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The floor, as a process of its own.
fn floor(sink: &str) {
    jobrelay::delivery::install_crypto();
    let sink = sink.to_owned();
    let client = reqwest::Client::builder().tcp_nodelay(true).build().expect("a client");
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            let (client, sink) = (client.clone(), sink.clone());
            App::new().default_service(web::to(move |body: web::Bytes| {
                let (client, sink) = (client.clone(), sink.clone());
                async move {
                    let event: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
                    let id = event["id"].as_str().map(str::to_owned);
                    let answer = client.post(&sink).header("content-type", "application/json").body(body).send().await;
                    assert!(answer.is_ok_and(|answer| answer.status() == 200));
                    HttpResponse::Ok().json(id)
                }
            }))
        })
        .bind("127.0.0.1:0")
        .expect("a free port");
        eprintln!("listening on http://{}", server.addrs()[0]);
        server.run().await.expect("it runs");
    });
}
