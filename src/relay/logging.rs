//! Where log lines go: standard error, human on a terminal, JSON otherwise.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tracing::subscriber::Interest;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer};

/// Says twice a second that no descriptor is left for another connection.
const DOOR: &str = "actix_server::accept";
/// How often that is passed on, in seconds.
const DOOR_EVERY: u64 = 10;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

/// Starts logging. `JOBRELAY_LOG` filters, in the syntax of tracing's `EnvFilter` (`info` if unset).
pub(super) fn start(format: Option<LogFormat>) {
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Human } else { LogFormat::Json });
    let filter = EnvFilter::try_from_env("JOBRELAY_LOG").unwrap_or_else(|_| EnvFilter::new("info,actix_server=warn"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error says that logging is on already: a test or an embedding program has its own.
    let _ = match format {
        LogFormat::Human => builder.with_ansi(terminal).with_target(false).finish().with(seldom()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).finish().with(seldom()).try_init(),
    };
}

/// Lets what the door repeats pass only now and then.
fn seldom<S: tracing::Subscriber>() -> impl Layer<S> {
    let (start, next) = (Instant::now(), AtomicU64::new(0));
    dynamic_filter_fn(move |metadata, _| {
        let now = start.elapsed().as_secs();
        metadata.target() != DOOR
            || next
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |at| (now >= at).then_some(now + DOOR_EVERY))
                .is_ok()
    })
    .with_callsite_filter(|metadata| if metadata.target() == DOOR { Interest::sometimes() } else { Interest::always() })
}
