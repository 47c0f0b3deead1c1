//! `--heartbeat`: a dead man's switch elsewhere is told that the relay works, and so notices when it does not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::MissedTickBehavior;

use super::Options;
use crate::delivery::Client;
use crate::receiver::{Common, Request, Retry, SecretUrl, USER_AGENT};
use crate::server::State;

const TIMEOUT: Duration = Duration::from_secs(15);

/// Calls an address while the relay is ready.
pub(super) struct Heartbeat {
    client: Client,
    request: Request,
    every: Duration,
}

/// How a beat went.
#[derive(Debug, PartialEq, Eq)]
enum Beat {
    Heard,
    /// The call failed.
    Unheard(String),
    /// The relay is not ready: it was not called.
    Held(String),
}

impl Heartbeat {
    /// `None` without the option.
    ///
    /// # Errors
    /// A sentence without the URL, which is a secret.
    pub(super) fn new(options: &Options) -> Result<Option<Heartbeat>, String> {
        let Some(url) = &options.heartbeat else { return Ok(None) };
        let unusable = |why: String| format!("error: --heartbeat: {why}");
        let url = SecretUrl::parse(url).map_err(unusable)?;
        let client = Client::new(&settings(), options.deny_private).map_err(unusable)?;
        let user_agent = ("User-Agent".into(), USER_AGENT.into());
        let request = Request { method: "GET", url, headers: vec![user_agent], body: Bytes::new() };
        Ok(Some(Heartbeat { client, request, every: options.heartbeat_every }))
    }

    /// Runs until aborted.
    pub(super) async fn run(self, state: Arc<State>) {
        let mut due = tokio::time::interval(self.every);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = Beat::Heard;
        loop {
            due.tick().await;
            let beat = match state.readiness().await {
                Ok(()) => self.call().await,
                Err(why) => Beat::Held(why),
            };
            // A log line for each beat would hide the change.
            if std::mem::discriminant(&beat) != std::mem::discriminant(&before) {
                match &beat {
                    Beat::Heard => tracing::info!("the heartbeat is heard again"),
                    Beat::Unheard(why) => tracing::warn!("the heartbeat is not heard: {why}"),
                    Beat::Held(why) => tracing::warn!("the heartbeat stops: {why}"),
                }
            }
            before = beat;
        }
    }

    async fn call(&self) -> Beat {
        match self.client.send(&self.request).await {
            Ok(answer) if (200..300).contains(&answer.status) => Beat::Heard,
            // The body may repeat the address.
            Ok(answer) => Beat::Unheard(format!("answered {}; look at the address in --heartbeat", answer.status)),
            Err(failure) => Beat::Unheard(failure.to_string()),
        }
    }
}

/// As a receiver with no settings has them.
fn settings() -> Common {
    let retry = Retry { give_up: TIMEOUT, first: TIMEOUT, max: TIMEOUT };
    Common {
        headers: Vec::new(),
        timeout: TIMEOUT,
        rate: None,
        concurrency: 1,
        retry,
        recovered: false,
        proxy: None,
        tls: None,
    }
}
