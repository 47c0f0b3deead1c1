//! The commands' way to a running relay: a small JSON client whose errors say what to do next.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Method, StatusCode, redirect};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::receiver::USER_AGENT;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(30);
/// Characters shown of an answer that is not problem details.
const SHOWN: usize = 300;

/// Talks to one relay.
#[derive(Clone)]
pub struct ApiClient {
    http: Client,
    /// As given, without a trailing slash.
    base: String,
    /// The same without user and password, for people.
    shown: String,
    token: Option<String>,
}

/// Why a relay did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The address is not an http(s) URL.
    #[error("{url:?} is not the address of a relay: {why}")]
    BadUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// Nobody listens there, or the way there is broken.
    #[error("no relay answers at {base} ({why})")]
    NoAnswer {
        /// The relay's address.
        base: String,
        /// The innermost cause.
        why: String,
    },
    /// 401 or 403.
    #[error("{base} wants the admin token: {detail}")]
    Unauthorized {
        /// The relay's address.
        base: String,
        /// In the relay's words.
        detail: String,
    },
    /// The relay said no. `detail` is the sentence of its problem details, or the beginning of whatever it answered.
    #[error("{detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// In the relay's words.
        detail: String,
    },
    /// What was to be sent cannot be written as JSON.
    #[error("the request is not JSON: {why}")]
    Unsendable {
        /// What is wrong with it.
        why: String,
    },
    /// It answered, but not as a relay does.
    #[error("{base} does not answer as a relay does: {why}")]
    NotARelay {
        /// The relay's address.
        base: String,
        /// What came instead.
        why: String,
    },
}

/// The members of RFC 9457 problem details that are shown.
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

impl ApiClient {
    /// A client of the relay at `base`. `token` goes with every request.
    ///
    /// # Errors
    /// [`ApiError::BadUrl`].
    pub fn new(base: &str, token: Option<String>) -> Result<ApiClient, ApiError> {
        let bad = |why: String| ApiError::BadUrl { url: base.to_owned(), why };
        let mut url = Url::parse(base).map_err(|e| bad(e.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(bad("it must begin with http:// or https://".to_owned()));
        }
        super::install_crypto();
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TOTAL_TIMEOUT);
        if is_loopback(&url) {
            // A proxy that HTTPS_PROXY names cannot reach this machine's loopback.
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|e| bad(innermost(&e)))?;
        let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
        let base = trimmed(base);
        let host = |()| bad("it has no host".to_owned());
        url.set_username("").map_err(host)?;
        url.set_password(None).map_err(host)?;
        Ok(ApiClient { http, base, shown: trimmed(url.as_str()), token })
    }

    /// The relay's address for people, without a trailing slash.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// `GET path?query` → JSON.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, ApiError> {
        let body = self.call(Method::GET, path, query, None).await?;
        self.read(&body)
    }

    /// `POST path` with JSON → JSON.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ApiError> {
        let body = serde_json::to_vec(body).map_err(|e| ApiError::Unsendable { why: e.to_string() })?;
        let body = self.call(Method::POST, path, &[], Some(body)).await?;
        self.read(&body)
    }

    /// `GET path`, whatever the answer's body.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub async fn get_text(&self, path: &str) -> Result<String, ApiError> {
        let body = self.call(Method::GET, path, &[], None).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// `GET path`, the answer's body byte for byte.
    ///
    /// # Errors
    /// See [`ApiError`].
    pub async fn get_bytes(&self, path: &str) -> Result<Vec<u8>, ApiError> {
        self.call(Method::GET, path, &[], None).await
    }

    /// `POST path` without a body, whatever the answer's body.
    ///
    /// # Errors
    /// Any [`ApiError`].
    pub async fn post_empty(&self, path: &str) -> Result<(), ApiError> {
        self.call(Method::POST, path, &[], None).await.map(drop)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        json: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, ApiError> {
        let no_answer = |e: &reqwest::Error| ApiError::NoAnswer { base: self.shown.clone(), why: innermost(e) };
        let mut url = Url::parse(&format!("{}{path}", self.base))
            .map_err(|e| ApiError::BadUrl { url: self.shown.clone(), why: e.to_string() })?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url).header(ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(json) = json {
            request = request.header(CONTENT_TYPE, "application/json").body(json);
        }
        let answer = request.send().await.map_err(|e| no_answer(&e))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(|e| no_answer(&e))?;
        if status.is_success() {
            return Ok(body.to_vec());
        }
        Err(self.refusal(status, &body))
    }

    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ApiError> {
        serde_json::from_slice(body)
            .map_err(|e| ApiError::NotARelay { base: self.shown.clone(), why: format!("{e} in {:?}", beginning(body)) })
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> ApiError {
        let base = self.shown.clone();
        let detail = match serde_json::from_slice::<Problem>(body) {
            Ok(Problem { detail, .. }) if !detail.is_empty() => detail,
            Ok(Problem { title, .. }) if !title.is_empty() => title,
            _ if body.is_empty() => format!("it answered {status}"),
            _ => format!("it answered {status}: {}", beginning(body)),
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ApiError::Unauthorized { base, detail },
            _ if status.is_redirection() => ApiError::NotARelay { base, why: format!("{status}, a redirect") },
            _ => ApiError::Refused { status: status.as_u16(), detail },
        }
    }
}

impl ApiError {
    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            ApiError::BadUrl { .. } => Some("write it like http://127.0.0.1:8080 (--url or JOBRELAY_URL)".to_owned()),
            ApiError::NoAnswer { .. } => {
                Some("is `jobrelay serve` running? --url or JOBRELAY_URL names another relay".to_owned())
            }
            ApiError::Unauthorized { .. } => {
                Some("set JOBRELAY_ADMIN_TOKEN (or --admin-token) to the token the relay was started with".to_owned())
            }
            ApiError::NotARelay { .. } => Some("does --url or JOBRELAY_URL name the relay itself?".to_owned()),
            ApiError::Refused { .. } | ApiError::Unsendable { .. } => None,
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The cause at the bottom: the libraries' own sentences on top of it only repeat the URL.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// Answers one connection with `answer` and gives back what was asked.
    fn answer_once(answer: &'static str) -> (String, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 4096];
            let n = stream.read(&mut request).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..n]).into_owned()
        });
        (base, asked)
    }

    fn http(status: &str, body: &str) -> &'static str {
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).leak()
    }

    #[tokio::test]
    async fn a_request_carries_query_and_token() {
        let (base, asked) = answer_once(http("200 OK", r#"{"a":1}"#));
        let client = ApiClient::new(&format!("{base}/"), Some("t0ken".to_owned())).unwrap();
        let got: serde_json::Value = client.get("/api/v1/events", &[("job", "a b&c".to_owned())]).await.unwrap();
        assert_eq!(got["a"], 1);
        let asked = asked.join().unwrap();
        assert!(asked.starts_with("GET /api/v1/events?job=a+b%26c HTTP/1.1\r\n"), "{asked}");
        assert!(asked.contains("authorization: Bearer t0ken\r\n"), "{asked}");
    }

    #[tokio::test]
    async fn errors_say_what_the_relay_said() {
        let problem = r#"{"type":"/problems/x","title":"T","status":404,"detail":"no receiver \"x\""}"#;
        for (answer, message, helps) in [
            (http("404 Not Found", problem), "no receiver \"x\"", false),
            (http("503 Service Unavailable", "busy"), "it answered 503 Service Unavailable: busy", false),
            (http("500 Internal Server Error", ""), "it answered 500 Internal Server Error", false),
            (http("401 Unauthorized", ""), "wants the admin token", true),
            (http("301 Moved Permanently", ""), "a redirect", true),
            (http("200 OK", "<html>"), "does not answer as a relay does", true),
        ] {
            let (base, asked) = answer_once(answer);
            let client = ApiClient::new(&base, None).unwrap();
            let error = client.get::<serde_json::Value>("/x", &[]).await.unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
            assert_eq!(error.help().is_some(), helps, "{error}");
            asked.join().unwrap();
        }
    }

    #[tokio::test]
    async fn nobody_there() {
        // Bound and dropped: nobody listens on this port now.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = format!("http://127.0.0.1:{port}");
        let with_password = format!("http://me:pa55@127.0.0.1:{port}/");
        let error = ApiClient::new(&with_password, None).unwrap().get_text("/healthz").await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("no relay answers at {base} (")), "{error}");
        assert!(error.help().unwrap().contains("jobrelay serve"));
    }

    #[test]
    fn only_http_addresses() {
        for bad in ["127.0.0.1:8080", "ftp://x", "", "unix:/run/x"] {
            assert!(matches!(ApiClient::new(bad, None), Err(ApiError::BadUrl { .. })), "{bad}");
        }
    }
}
