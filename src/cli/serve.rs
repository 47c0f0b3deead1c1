//! `serve`: flags and environment → how the relay is to run.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use clap::builder::{FalseyValueParser, OsStringValueParser, TypedValueParser};

use crate::event::duration;
use crate::relay::{self, Limit, LogFormat, Options};

/// Run the relay
///
/// Receives job events at POST /webhooks/v1alpha1/jobEvents and delivers what routes.yaml says. At start it prints what to type
/// into the sender. A changed routes.yaml applies by itself; a broken one changes nothing and is logged.
#[derive(Args)]
#[command(after_help = "Every flag has an environment twin, for containers and systemd.

On an address other than loopback, --ingest-auth and --admin-token must be set, or said to be `none`.

Examples:
  jobrelay serve
  jobrelay serve --listen 0.0.0.0:8080 --ingest-auth 'header:X-API-KEY:9f2c…' --admin-token 71be…
  JOBRELAY_STORE=sqlite:/data/jobrelay.db jobrelay serve

Exit codes: 0 after an orderly stop (SIGTERM, Ctrl-C), 1 on a failure, 2 if routes.yaml or a flag cannot be used.")]
pub struct ServeArgs {
    /// The rules: receivers, routes, messages. Watched while the relay runs
    #[arg(long, env = "JOBRELAY_ROUTES", value_name = "FILE", default_value = "routes.yaml")]
    routes: PathBuf,

    /// Address to listen on; may be given several times, `JOBRELAY_LISTEN` separates them by commas. Sockets handed over by
    /// systemd take its place
    #[arg(
        long,
        env = "JOBRELAY_LISTEN",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:8080",
        value_delimiter = ',',
        value_parser = listen_address
    )]
    listen: Vec<String>,

    /// Where events and deliveries are kept
    #[arg(
        long,
        env = "JOBRELAY_STORE",
        value_name = "sqlite:FILE",
        default_value = "sqlite:data/jobrelay.db",
        value_parser = store_file
    )]
    store: PathBuf,

    /// How long events are kept, like 30d or 12h. What is still owed is always kept
    #[arg(long, env = "JOBRELAY_RETENTION", value_name = "DURATION", default_value = "30d", value_parser = duration::parse)]
    retention: Duration,

    /// Where ${NAME} in routes.yaml is looked up before the environment: a directory with one file per name, or a file of
    /// NAME=value lines
    #[arg(long, env = "JOBRELAY_SECRETS", value_name = "PATH", value_parser = maybe_path())]
    secrets: Option<PathBuf>,

    /// Where the sender and people reach this relay: what to type into the sender, and where the link in a message leads
    #[arg(long, env = "JOBRELAY_PUBLIC_URL", value_name = "URL", value_parser = public_url)]
    public_url: Option<String>,

    /// What the sender must show: `basic:USER:PASSWORD`, `header:NAME:VALUE`, or `none`. Any one of several is enough, for
    /// rotation; `JOBRELAY_INGEST_AUTH` holds one per line
    #[arg(
        long,
        env = "JOBRELAY_INGEST_AUTH",
        value_name = "CREDENTIAL",
        // A password may hold a comma, but no credential holds a line break.
        value_delimiter = '\n',
        hide_env_values = true
    )]
    ingest_auth: Vec<String>,

    /// What the API asks for, or `none`
    #[arg(long, env = "JOBRELAY_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    admin_token: Option<String>,

    /// How to log [default: human on a terminal, json elsewhere]
    #[arg(long, env = "JOBRELAY_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,

    /// If routes.yaml cannot be used at the start, run the version that ran last, and say so loudly, instead of ending
    #[arg(long, env = "JOBRELAY_LAST_GOOD", value_parser = FalseyValueParser::new())]
    last_good: bool,

    /// Tell of a nearly full disk (event `jobrelay.disk_low`) when less than this is free under the store: a size like 500MiB, or a
    /// share like 5% [default: 1GiB and 5%]
    #[arg(long, env = "JOBRELAY_DISK_LOW", value_name = "LIMIT")]
    disk_low: Option<Limit>,

    /// Call this URL regularly while events can be accepted and messages move, so that a dead man's switch hears when not
    #[arg(long, env = "JOBRELAY_HEARTBEAT", value_name = "URL", hide_env_values = true)]
    heartbeat: Option<String>,

    /// How often it is called
    #[arg(long, env = "JOBRELAY_HEARTBEAT_EVERY", value_name = "DURATION", default_value = "1m", value_parser = heartbeat_every)]
    heartbeat_every: Duration,

    /// Never call private addresses (10.0.0.0/8 and the like) either. Link-local and cloud-metadata addresses are never called
    #[arg(long, env = "JOBRELAY_DENY_PRIVATE", value_parser = FalseyValueParser::new())]
    deny_private: bool,
}

impl ServeArgs {
    /// Runs the relay until it is told to stop.
    pub fn run(self) -> ExitCode {
        relay::serve(self.into_options())
    }

    /// An empty value is the same as none.
    fn into_options(self) -> Options {
        Options {
            routes: self.routes,
            listen: self.listen,
            store: self.store,
            retention: self.retention,
            secrets: self.secrets.filter(|path| !path.as_os_str().is_empty()),
            public_url: self.public_url.filter(|url| !url.is_empty()),
            ingest_auth: self.ingest_auth.iter().map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()).collect(),
            admin_token: self.admin_token.filter(|token| !token.is_empty()),
            log_format: self.log_format,
            deny_private: self.deny_private,
            disk_low: self.disk_low.unwrap_or_default(),
            heartbeat: self.heartbeat.filter(|url| !url.is_empty()),
            heartbeat_every: self.heartbeat_every,
            last_good: self.last_good,
            demo: false,
        }
    }
}

/// Checks `host:port`. The host may be a name; it is looked up when the relay starts.
pub fn listen_address(text: &str) -> Result<String, String> {
    match text.trim().rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.trim().to_owned()),
        _ => Err("write HOST:PORT, like 127.0.0.1:8080, or 0.0.0.0:8080 for every address of this machine".to_owned()),
    }
}

/// `sqlite:FILE` → the file.
pub fn store_file(text: &str) -> Result<PathBuf, String> {
    match text.split_once(':') {
        Some(("sqlite", file)) if !file.is_empty() => Ok(PathBuf::from(file)),
        _ => Err("write sqlite:FILE, like sqlite:data/jobrelay.db".to_owned()),
    }
}

/// At least a second.
fn heartbeat_every(text: &str) -> Result<Duration, String> {
    let every = duration::parse(text)?;
    if every < Duration::from_secs(1) { Err("a second at least, like 1m".to_owned()) } else { Ok(every) }
}

/// A path that may be empty, which is no path: that is how an unset variable comes through a compose file.
pub fn maybe_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Without a trailing slash, so that paths can be put behind it.
fn public_url(text: &str) -> Result<String, String> {
    let valid = |url: &url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if text.is_empty() || url::Url::parse(text).is_ok_and(|url| valid(&url)) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err("write it like https://jobrelay.example.com".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: ServeArgs,
    }

    fn options(words: &[&str]) -> Options {
        let words = std::iter::once("serve").chain(words.iter().copied());
        Line::try_parse_from(words).unwrap_or_else(|e| panic!("{e}")).serve.into_options()
    }

    #[test]
    fn the_defaults() {
        let o = options(&[]);
        assert_eq!(o.routes, PathBuf::from("routes.yaml"));
        assert_eq!(o.listen, ["127.0.0.1:8080"]);
        assert_eq!(o.store, PathBuf::from("data/jobrelay.db"));
        assert_eq!(o.retention, Duration::from_secs(30 * 86_400));
        assert!(o.ingest_auth.is_empty() && o.admin_token.is_none() && o.secrets.is_none());
        assert!(
            o.heartbeat.is_none() && o.heartbeat_every == Duration::from_secs(60) && o.disk_low == Limit::default()
        );
        assert!(!o.deny_private && !o.demo && o.log_format.is_none());
    }

    #[test]
    fn repeated_and_separated_values() {
        let o =
            options(&["--listen", "a:1,b:2", "--listen", "[::1]:3", "--ingest-auth", "basic:u:p,w\nheader:X:v\n\n"]);
        assert_eq!(o.listen, ["a:1", "b:2", "[::1]:3"]);
        assert_eq!(o.ingest_auth, ["basic:u:p,w", "header:X:v"]);
    }

    #[test]
    fn empty_is_unset() {
        let o = options(&["--secrets", "", "--public-url", "", "--ingest-auth", "", "--admin-token", ""]);
        assert!(o.secrets.is_none() && o.public_url.is_none() && o.ingest_auth.is_empty() && o.admin_token.is_none());
    }

    #[test]
    fn a_public_url_loses_its_slash() {
        assert_eq!(options(&["--public-url", "https://x.example/"]).public_url.as_deref(), Some("https://x.example"));
    }

    #[test]
    fn help_does_not_show_secrets() {
        use clap::CommandFactory;
        for name in ["ingest_auth", "admin_token", "heartbeat"] {
            let command = Line::command();
            let arg = command.get_arguments().find(|arg| arg.get_id() == name).expect("the flag");
            assert!(arg.is_hide_env_values_set(), "{name}");
        }
    }
}
