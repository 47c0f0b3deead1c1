//! Which relay to talk to, and how.

use clap::Args;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use crate::delivery::api_client::{ApiClient, ApiError};
use crate::server::types::Page;

const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// Items asked for at once.
const PAGE: usize = 100;

/// The flags of every command that talks to a relay.
#[derive(Args)]
#[command(next_help_heading = "Relay")]
pub struct RelayArgs {
    /// Address of the relay [default: this machine's, at the port of `JOBRELAY_LISTEN` or 8080]
    #[arg(long, env = "JOBRELAY_URL", value_name = "URL")]
    url: Option<String>,

    /// The admin token the relay was started with, if it has one
    #[arg(long, env = "JOBRELAY_ADMIN_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    admin_token: Option<String>,

    /// Print JSON, for programs
    #[arg(long)]
    pub json: bool,
}

impl RelayArgs {
    /// Whether they name a relay at all, instead of leaving it to what is usual.
    pub fn named(&self) -> bool {
        self.url.as_deref().is_some_and(|url| !url.is_empty())
    }

    /// A client of the relay they name.
    pub fn client(&self) -> Result<ApiClient, Failure> {
        let given = |text: &&str| !text.is_empty();
        let listen = std::env::var("JOBRELAY_LISTEN").ok();
        let url = address(self.url.as_deref().filter(given), listen.as_deref());
        // `none` is how `serve` is told to ask for no token; the environment may be shared with it.
        let token = self.admin_token.as_deref().filter(given).filter(|token| *token != "none");
        Ok(ApiClient::new(&url, token.map(str::to_owned))?)
    }
}

/// `--url`, else the first address that a relay sharing this environment (the same container) listens on.
fn address(url: Option<&str>, listen: Option<&str>) -> String {
    if let Some(url) = url {
        return url.to_owned();
    }
    let listen = listen.and_then(|all| all.split(',').map(str::trim).find(|one| !one.is_empty()));
    match listen.and_then(|one| one.rsplit_once(':')) {
        Some(("0.0.0.0" | "", port)) => format!("http://127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("http://[::1]:{port}"),
        Some((host, port)) => format!("http://{host}:{port}"),
        None => DEFAULT_URL.to_owned(),
    }
}

/// Runs a command's conversation with the relay.
pub fn converse<T>(conversation: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("cannot start: {e}")))?
        .block_on(conversation)
}

/// The newest `limit` items of a list, page by page.
pub async fn list<T: DeserializeOwned>(
    client: &ApiClient,
    path: &str,
    filter: &[(&str, String)],
    limit: usize,
) -> Result<Vec<T>, ApiError> {
    let mut items = Vec::new();
    let mut before = None;
    loop {
        let mut query = filter.to_vec();
        query.push(("limit", (limit - items.len()).min(PAGE).to_string()));
        query.extend(before.take().map(|id| ("before", id)));
        let page: Page<T> = client.get(path, &query).await?;
        items.extend(page.items);
        if items.len() >= limit {
            items.truncate(limit);
            return Ok(items);
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(items),
        }
    }
}

/// `name` as one segment of a path.
pub fn segment(name: &str) -> String {
    let mut url = url::Url::parse("http://x/").expect("a URL");
    url.path_segments_mut().expect("http has a path").clear().push(name);
    url.path().trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_relay_in_the_same_container_is_found() {
        for (url, listen, want) in [
            (None, None, "http://127.0.0.1:8080"),
            (None, Some(""), "http://127.0.0.1:8080"),
            (None, Some("0.0.0.0:9000"), "http://127.0.0.1:9000"),
            (None, Some("[::]:9000"), "http://[::1]:9000"),
            (None, Some("10.0.0.1:80,127.0.0.1:81"), "http://10.0.0.1:80"),
            (Some("https://relay.example/x"), Some("0.0.0.0:9000"), "https://relay.example/x"),
        ] {
            assert_eq!(address(url, listen), want, "{url:?} {listen:?}");
        }
    }

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(segment("data ops/../x?y"), "data%20ops%2F..%2Fx%3Fy");
        assert_eq!(segment("data-ops"), "data-ops");
    }
}
