//! A sender that never stops: what it was answered 200 for must arrive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use super::{Relay, update};

const KEYS: usize = 24;

/// Status and `Retry-After` of an answer that was not 200.
pub type Refusal = (u16, String);

/// Posts to a relay that comes and goes; knows what was answered 200.
pub struct Sender {
    url: Arc<std::sync::Mutex<String>>,
    accepted: Arc<Mutex<BTreeSet<String>>>,
    refused: Arc<std::sync::Mutex<BTreeMap<Refusal, usize>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Sender {
    /// One task for each key (a data product), so that the order within a key is the order of the answers.
    pub fn start(relay: &Relay) -> Sender {
        Sender::paced(relay, Duration::ZERO)
    }

    /// With a pause after each event of a key.
    pub fn paced(relay: &Relay, pause: Duration) -> Sender {
        Sender::saying(relay, pause, "")
    }

    /// Of jobs that ended so: `error` is JSON, empty for a success.
    pub fn saying(relay: &Relay, pause: Duration, error: &str) -> Sender {
        let error: Arc<str> = error.into();
        let sender = Sender {
            url: Arc::new(std::sync::Mutex::new(relay.url("/webhooks/v1alpha1/jobEvents"))),
            accepted: Arc::default(),
            refused: Arc::default(),
            stop: Arc::default(),
            tasks: Vec::new(),
        };
        let tasks = (0..KEYS).map(|key| {
            let (url, accepted) = (Arc::clone(&sender.url), Arc::clone(&sender.accepted));
            let (refused, stop) = (Arc::clone(&sender.refused), Arc::clone(&sender.stop));
            let (http, error) = (relay.http.clone(), Arc::clone(&error));
            tokio::spawn(async move {
                for n in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let job = format!("{key:02}-{n:06}");
                    let body = update(&job, &format!("P{key}"), &error).to_string();
                    let to = url.lock().expect("not poisoned").clone();
                    let answer =
                        http.post(to).header("content-type", "application/cloudevents+json").body(body).send().await;
                    match answer {
                        Ok(answer) if answer.status() == 200 => {
                            accepted.lock().await.insert(job);
                            tokio::time::sleep(pause).await;
                            continue;
                        }
                        Ok(answer) => {
                            let after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
                            let refusal = (answer.status().as_u16(), after.unwrap_or_default().to_owned());
                            *refused.lock().expect("not poisoned").entry(refusal).or_default() += 1;
                        }
                        Err(_) => {}
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        });
        let tasks = tasks.collect();
        Sender { tasks, ..sender }
    }

    /// The relay came back at another address.
    pub fn now_at(&self, relay: &Relay) {
        *self.url.lock().expect("not poisoned") = relay.url("/webhooks/v1alpha1/jobEvents");
    }

    /// How many were accepted so far.
    pub async fn count(&self) -> usize {
        self.accepted.lock().await.len()
    }

    /// Waits until `more` than now are accepted.
    pub async fn accepts(&self, more: usize) {
        let (enough, deadline) = (self.count().await + more, Instant::now() + Duration::from_secs(60));
        while self.count().await < enough {
            assert!(Instant::now() < deadline, "only {} of {enough} were accepted", self.count().await);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What was answered instead of 200 so far, and how often.
    pub fn refused(&self) -> BTreeMap<Refusal, usize> {
        self.refused.lock().expect("not poisoned").clone()
    }

    /// Stops, and returns the jobs whose events were accepted.
    pub async fn finish(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::SeqCst);
        for task in self.tasks {
            task.await.expect("no panic");
        }
        let accepted = self.accepted.lock().await;
        accepted.clone()
    }
}
