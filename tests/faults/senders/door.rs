//! A relay's door as a socket sees it, and the ordinary senders who come through it meanwhile.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;

use crate::figures::{Arrived, Held, PATIENCE, held, median, settle};
use crate::support::{Fake, Relay, update};

/// In MiB: 64 of bodies, and what everything else may cost.
const MOST_MEMORY: u64 = 300;

/// A relay with one receiver, that gets everything.
pub struct Door {
    pub relay: Relay,
    pub fake: Fake,
    /// The jobs that have to arrive.
    pub accepted: BTreeSet<String>,
    /// The middle time of an ordinary answer, in each turn.
    medians: Vec<Duration>,
}

impl Door {
    pub async fn open() -> Door {
        let fake = Fake::start();
        let routes = format!(
            "receivers:\n  sink: {{ kind: webhook, url: \"{}\", retry: {{ first: 20ms, max: 200ms }} }}\nroutes:\n  - name: jobs\n    \
             when: {{ type: \"*\" }}\n    to: sink\n",
            fake.url("/")
        );
        Door { relay: Relay::start(&routes).await, fake, accepted: BTreeSet::new(), medians: Vec::new() }
    }

    pub fn address(&self) -> SocketAddr {
        self.relay.url("").trim_start_matches("http://").parse().expect("an address")
    }

    pub async fn connect(&self) -> TcpStream {
        let connecting = TcpStream::connect(self.address());
        tokio::time::timeout(PATIENCE, connecting).await.expect("it connects in time").expect("the relay listens")
    }

    pub fn held(&self) -> Held {
        held(&self.relay)
    }

    /// Twenty ordinary events, each of which is accepted.
    pub async fn others(&mut self) {
        let mut took = Vec::new();
        for _ in 0..20 {
            let job = format!("other-{:06}", self.accepted.len());
            let begun = Instant::now();
            self.relay.accept(&update(&job, "other", "")).await;
            took.push(begun.elapsed());
            self.accepted.insert(job);
        }
        self.medians.push(median(took));
    }

    /// How many requests were turned away for this cause.
    pub async fn refused(&self, cause: &str) -> u64 {
        self.relay.get("/api/v1/stats").await["refused"][cause].as_u64().expect("a number")
    }

    /// All is over: ordinary events are answered, everything accepted arrives once, nothing else does, and it cost no more memory
    /// than it may.
    pub async fn close(mut self, fault: &str, said: &str) {
        self.others().await;
        self.relay.drained("sink").await;
        let requests = self.fake.requests();
        let arrivals: Vec<_> =
            requests.iter().map(|r| (r.at, r.json()["job"].as_str().expect("a job").to_owned())).collect();
        let Arrived { lost, repeated } = settle(&self.accepted, &arrivals);
        let held = self.held();
        println!(
            "{fault}: {said} · {} accepted, lost {}, repeated {repeated} · others' answers: medians {:.1?} · memory {} MiB (most {}), {} files",
            self.accepted.len(),
            lost.len(),
            self.medians,
            held.now,
            held.peak,
            held.files,
        );
        assert!(lost.is_empty() && repeated == 0, "{fault}: lost {lost:?}, repeated {repeated}");
        assert_eq!(arrivals.len(), self.accepted.len(), "{fault}: only what was accepted arrives");
        assert!(held.peak < MOST_MEMORY, "{fault}: {held:?}");
        assert_eq!(self.relay.http.get(self.relay.url("/readyz")).send().await.expect("an answer").status(), 200);
    }
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The header's value; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        value.unwrap_or_default()
    }
}

/// The answers on a connection, one after the other.
pub struct Answers<'a, S> {
    stream: &'a mut S,
    bytes: Vec<u8>,
}

impl<'a, S: AsyncRead + Unpin> Answers<'a, S> {
    pub fn of(stream: &'a mut S) -> Self {
        Answers { stream, bytes: Vec::new() }
    }

    /// Nothing once the connection ends.
    pub async fn next(&mut self) -> Option<Answer> {
        let length = loop {
            if let Some(at) = self.bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.read().await?;
        };
        let head = String::from_utf8_lossy(&self.bytes[..length]).into_owned();
        self.bytes.drain(..length);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").parse().unwrap_or(0);
        while self.bytes.len() < length {
            self.read().await?;
        }
        answer.body = self.bytes.drain(..length).collect();
        Some(answer)
    }

    async fn read(&mut self) -> Option<()> {
        (self.stream.read_buf(&mut self.bytes).await.ok()? > 0).then_some(())
    }
}

/// The first answer on a connection. What comes with it is dropped.
pub async fn answer(stream: &mut TcpStream) -> Option<Answer> {
    Answers::of(stream).next().await
}
