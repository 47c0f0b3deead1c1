//! The running relay: store, lanes and door put together, and taken apart again in the right order.

mod disk;
mod heartbeat;
mod hindsight;
mod last_good;
mod limits;
mod logging;
mod narrate;
mod orphans;
mod own;
mod reloader;
mod retention;
#[cfg(test)]
mod simulation;
mod source;

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use listenfd::ListenFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

use crate::config::Secrets;
use crate::delivery::{Environment, Junction, Lanes, Narrator, Setup, install_crypto, proxies_in_environment};
use crate::event::OwnEvent;
use crate::server::types::Refusal;
use crate::server::{self, Corridor, Door, Intake, Standing, State};
use crate::store::{SqliteStore, Store};

pub use disk::Limit;
pub use logging::LogFormat;

/// In an orderly stop the lanes may wait for what is in flight as long as their receivers have for an answer, and so much more to put it
/// on record: what is cut off is sent again at the next start.
const TO_RECORD: Duration = Duration::from_secs(2);
/// Within these bounds. Service managers kill what takes longer than 90 s.
const LANES_AT_LEAST: Duration = Duration::from_secs(6);
const LANES_AT_MOST: Duration = Duration::from_secs(60);
/// What the relay has to say of itself is put on record within this time.
const TO_TELL: Duration = Duration::from_secs(1);
/// After the lanes, the door has so long.
const DOOR_WITHIN: Duration = Duration::from_secs(4);

/// How a relay is to run: the flags of `serve`, read. Holds secrets, so it cannot be printed.
#[derive(Clone)]
pub struct Options {
    /// The routes.yaml to run and to watch.
    pub routes: PathBuf,
    /// `host:port` of each address to listen on, at least one; port 0 lets the system choose. Sockets handed over by systemd
    /// take their place.
    pub listen: Vec<String>,
    /// The `SQLite` file; it and its directory are made if missing.
    pub store: PathBuf,
    /// How long events are kept once nothing is owed for them.
    pub retention: Duration,
    /// Directory with one file per name, or a file of NAME=value lines.
    pub secrets: Option<PathBuf>,
    /// Where people and the sender reach this relay, as given.
    pub public_url: Option<String>,
    /// `basic:user:pass`, `header:Name:value` or `none`, as given; any one of several lets a request in. Empty: not set.
    pub ingest_auth: Vec<String>,
    /// Credential of the API, or `none`, as given. `None`: not set.
    pub admin_token: Option<String>,
    /// `None`: human if the log goes to a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    /// Refuse to call private addresses too, beside link-local and cloud-metadata ones.
    pub deny_private: bool,
    /// When the disk under the store counts as nearly full.
    pub disk_low: Limit,
    /// The address of a dead man's switch, as given: a secret.
    pub heartbeat: Option<String>,
    /// How often it is called.
    pub heartbeat_every: Duration,
    /// Where `routes` cannot be used at the start, run the version that ruled last.
    pub last_good: bool,
    /// Run by `demo`: a throw-away store, a reader who watches the terminal.
    pub demo: bool,
}

/// Why a relay did not start, or ended.
enum End {
    /// Told to stop.
    Stopped,
    /// The options or routes.yaml cannot be used: exit code 2.
    Unusable(String),
    /// Anything else: exit code 1.
    Failed(String),
}

/// Runs a relay until it is told to stop. The exit code is 0 after an orderly stop, 1 after a failure, 2 if the routes.yaml or an
/// option cannot be used.
#[must_use]
pub fn serve(options: Options) -> ExitCode {
    logging::start(options.log_format);
    install_crypto();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let end = match runtime {
        Ok(runtime) => {
            let end = runtime.block_on(run(options));
            // A look-up in a resolver that hangs must not keep the process.
            runtime.shutdown_background();
            end
        }
        Err(error) => End::Failed(format!("the runtime cannot be started: {error}")),
    };
    match end {
        End::Stopped => ExitCode::SUCCESS,
        End::Unusable(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
        End::Failed(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> End {
    match start(&options).await {
        Ok(relay) => relay.until_stopped().await,
        Err(end) => end,
    }
}

/// All parts, running.
struct Relay {
    server: server::Server,
    intake: Arc<Intake>,
    lanes: Lanes,
    store: Arc<dyn Store>,
    /// Tells what the relay has to say of itself, until its other end is dropped.
    teller: JoinHandle<()>,
    stop_telling: oneshot::Sender<()>,
    /// Tasks that end with the relay.
    helpers: Vec<JoinHandle<()>>,
    signals: Signals,
}

/// SIGXFSZ: a file would grow beyond the process's limit (`ulimit -f`). Unheard it kills; heard, the write fails like on a full disk.
/// The number holds for x86, ARM and RISC-V.
const FILE_TOO_LARGE: i32 = 25;

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    _file_too_large: Signal,
}

async fn start(options: &Options) -> Result<Relay, End> {
    // Before anything that takes time: a stop during the start must not kill.
    let signals = Signals::listen().map_err(|e| End::Failed(format!("signals cannot be received: {e}")))?;
    let source = source::Source {
        routes: options.routes.clone(),
        secrets: Secrets { path: options.secrets.clone() },
        deny_private: options.deny_private,
    };
    let watch = source::Watch::new(source.look());
    let terminal = std::io::stderr().is_terminal();
    let loaded = match source.load(terminal) {
        Err(refused) if !options.last_good => {
            return Err(End::Unusable(refused.for_owner().to_owned()));
        }
        loaded => loaded,
    };
    let heartbeat = heartbeat::Heartbeat::new(options).map_err(End::Unusable)?;
    let listeners = listeners(&options.listen)?;
    let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let door = server::start_policy(&addresses, &options.ingest_auth, options.admin_token.as_deref())
        .map_err(End::Unusable)?;

    let junction = Junction::default();
    let store = open_store(options, &junction).await?;
    let (tell, own_events) = mpsc::unbounded_channel();
    let (config, refused) = match loaded {
        Ok(loaded) => {
            loaded.log_warnings();
            (loaded.config, None)
        }
        Err(refused) => {
            let config = last_good::load(&*store, &source, &refused).await.map_err(End::Unusable)?;
            (config, Some(refused))
        }
    };
    let narrator = Arc::new(Narrator::default());
    let setup = Setup {
        store: Arc::clone(&store),
        junction,
        tell: tell.clone(),
        public_url: options.public_url.as_deref().map(|url| Arc::from(url.trim_end_matches('/'))),
        deny_private: options.deny_private,
        narrator: Arc::clone(&narrator),
        environment: Environment::real(),
    };
    let lanes = Lanes::new(setup).map_err(End::Unusable)?;
    let ready = lanes.ready(&config).await.map_err(End::Unusable)?;
    // Only what can run is recorded as ruling; it decides nothing before.
    let now = Timestamp::now();
    store.apply_version(&config.version, &config.masked, now).await.map_err(|e| End::Failed(e.to_string()))?;

    let running = Arc::new(ArcSwap::new(config));
    let corridor =
        Arc::new(Corridor::new(Arc::clone(&store), Arc::clone(&running), tell.clone(), Arc::clone(&narrator)));
    let said = say(options, &addresses, &door);
    let intake = Arc::new(Intake::new(Arc::clone(&corridor), door));
    let standing = match refused {
        None => Standing { since: now, read_at: Some(now), refused: None },
        Some(refused) => {
            let refusal = refused.since(now, source.name());
            tell_refused(&tell, &refusal);
            Standing { since: now, read_at: None, refused: Some(refusal) }
        }
    };
    let (reload, asked) = mpsc::unbounded_channel();
    let state = Arc::new(State::new(Arc::clone(&intake), lanes.clone(), standing, reload));
    let server = server::run(&state, listeners, limits::workers(), limits::connections())
        .map_err(|e| End::Failed(format!("cannot listen: {e}")))?;
    // Last, as nothing can fail any more: a start that is tried again and again must not send again and again.
    lanes.apply(ready);
    tracing::info!("{said}");

    let certificates = source::Watch::new(source::certificates(&running.load()));
    let reloader = reloader::Reloader {
        source,
        watch,
        certificates,
        asked,
        state: Arc::clone(&state),
        lanes: lanes.clone(),
        running,
        store: Arc::clone(&store),
        tell: tell.clone(),
        again: None,
        hindsight: JoinSet::new(),
    };
    let refused = {
        let state = Arc::clone(&state);
        move || state.standing.load().refused.is_some()
    };
    let (stop_telling, stopped) = oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let teller = tokio::spawn(own::admit(corridor, own_events, refused, Timestamp::now, stopped));
    let mut helpers = vec![
        tokio::spawn(reloader.run()),
        tokio::spawn(retention::run(Arc::clone(&store), options.retention, Timestamp::now)),
        tokio::spawn(probe(Arc::clone(&state), Arc::clone(&store))),
        tokio::spawn(disk::watch(options.store.clone(), options.disk_low, Arc::clone(&state), tell)),
        tokio::spawn(narrate::run(narrator)),
        tokio::spawn(orphans::watch(lanes.clone())),
    ];
    helpers.extend(heartbeat.map(|heartbeat| tokio::spawn(heartbeat.run(state))));
    Ok(Relay { server, intake, lanes, store, teller, stop_telling, helpers, signals })
}

impl Relay {
    async fn until_stopped(mut self) -> End {
        let end = tokio::select! {
            () = self.signals.received() => End::Stopped,
            ended = self.server.ended() => End::Failed(match ended {
                Ok(()) => "the server ended by itself".to_owned(),
                Err(error) => format!("the server ended: {error}"),
            }),
        };
        let Relay { server, intake, lanes, store, mut teller, stop_telling, helpers, mut signals } = self;
        let orderly = async {
            let within = lanes_within(&lanes);
            let deadline = Instant::now() + within + DOOR_WITHIN;
            tracing::info!("stopping: finishing what is in flight");
            intake.stop();
            lanes.stop(within).await;
            // The door closes last: until here it accepts, and what it accepts is on disk for the next start.
            server.close(deadline.saturating_duration_since(Instant::now())).await;
            // Of what the lanes came to at last, too, the next start shall tell.
            drop(stop_telling);
            if timeout(TO_TELL, &mut teller).await.is_err() {
                tracing::warn!("what the relay has to say of itself could not be put on record");
                teller.abort();
            }
            for helper in helpers {
                helper.abort();
            }
            store.close().await;
        };
        tokio::select! {
            () = orderly => {}
            () = signals.received() => tracing::warn!("told to stop twice: leaving at once; nothing accepted is lost"),
        }
        tracing::info!("stopped");
        end
    }
}

/// How long an orderly stop lets the lanes finish.
fn lanes_within(lanes: &Lanes) -> Duration {
    (lanes.longest_answer() + TO_RECORD).clamp(LANES_AT_LEAST, LANES_AT_MOST)
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            _file_too_large: signal(SignalKind::from_raw(FILE_TOO_LARGE))?,
        })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The sockets systemd hands over, else the addresses asked for.
fn listeners(listen: &[String]) -> Result<Vec<TcpListener>, End> {
    let mut inherited = ListenFd::from_env();
    if inherited.len() > 0 {
        let mut listeners = Vec::new();
        for place in 0..inherited.len() {
            let listener = inherited
                .take_tcp_listener(place)
                .map_err(|e| End::Failed(format!("socket {place} handed over by the service manager: {e}")))?;
            listeners.extend(listener);
        }
        return Ok(listeners);
    }
    let mut listeners = Vec::new();
    for text in listen {
        let addresses = text.to_socket_addrs().map_err(|e| {
            End::Unusable(format!("error: --listen {text}: {e}\nhelp: give HOST:PORT, such as 127.0.0.1:8080"))
        })?;
        for address in addresses {
            listeners.push(server::bind(address).map_err(|e| End::Failed(unbound(address, &e)))?);
        }
    }
    Ok(listeners)
}

/// Why an address cannot be listened on, and what to do.
fn unbound(address: SocketAddr, error: &io::Error) -> String {
    let help = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "\nhelp: another relay or `jobrelay demo` may be running there: stop it, or give another --listen"
        }
        _ => "",
    };
    format!("--listen {address}: {error}{help}")
}

async fn probe(state: Arc<State>, store: Arc<dyn Store>) {
    state.probe.run(store).await;
}

fn tell_refused(tell: &mpsc::UnboundedSender<OwnEvent>, refusal: &Refusal) {
    // The other end is gone only while the relay stops.
    let _ = tell.send(OwnEvent::RoutesRefused { problems: refusal.problems, report: refusal.report.clone() });
}

async fn open_store(options: &Options, junction: &Junction) -> Result<Arc<dyn Store>, End> {
    let (path, handoff) = (options.store.clone(), junction.handoff());
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path, handoff)).await;
    match opened {
        Ok(Ok(store)) => Ok(Arc::new(store)),
        Ok(Err(error)) => Err(End::Failed(error.to_string())),
        Err(error) => Err(End::Failed(format!("the store cannot be opened: {error}"))),
    }
}

/// What is said at start: where it listens and what to type into the sender.
fn say(options: &Options, addresses: &[SocketAddr], door: &Door) -> String {
    let listening: Vec<String> = addresses.iter().map(|address| format!("http://{address}")).collect();
    let mut said = format!("jobrelay {} is listening on {}", env!("CARGO_PKG_VERSION"), listening.join(", "));
    let mut proxies: Vec<_> = proxies_in_environment().into_iter().collect();
    proxies.sort_unstable();
    for (name, value) in proxies {
        // Writing to a String cannot fail.
        let _ = write!(said, "\n{name}={value} applies to receivers");
    }
    if !options.demo {
        said.push('\n');
        said.push_str(&server::instructions(addresses, options.public_url.as_deref(), door));
    }
    said
}
