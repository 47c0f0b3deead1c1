//! The only place that speaks HTTP outwards: requests in the relay's own words become reqwest's, answers come back bounded.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::time::{Sleep, sleep};

use super::environment::{Environment, Network, WallClock};
use super::guard::{forbidden, forbidden_literal};
use super::mail::{self, Posted};
use super::proxies::{environment_proxies, is_environment_proxy};
#[cfg(test)]
use super::simulated;
use crate::receiver::{Answer, Common, Failure, Letter, Request, SecretUrl, Step, Tls, retry_after};

/// No more of an answer is read.
const ANSWER_BYTES: usize = 16 * 1024;
/// Of every message; not among the names that the HTTP library knows.
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes rustls use *ring*; must have run before the first client is built. Later calls do nothing.
pub fn install_crypto() {
    // An error says that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A receiver's own connections: nothing is shared between lanes.
#[derive(Debug, Clone)]
pub struct Client {
    wire: Wire,
    /// For answers that name a date.
    now: WallClock,
    timeout: Duration,
    deny_private: bool,
    /// The receiver's own.
    proxy: Option<SecretUrl>,
}

/// What requests go through.
#[derive(Debug, Clone)]
enum Wire {
    Http(reqwest::Client),
    #[cfg(test)]
    Simulated(Arc<dyn simulated::Simulated>),
}

/// An answer, its body still on the way.
enum Response {
    Http(reqwest::Response),
    #[cfg(test)]
    Simulated(simulated::Response),
}

impl Client {
    /// Builds the client for a receiver's settings, reading its TLS files.
    ///
    /// # Errors
    /// A sentence that names the file or setting at fault.
    pub fn new(common: &Common, deny_private: bool) -> Result<Client, String> {
        install_crypto();
        if let Some((variable, why)) =
            environment_proxies().find_map(|proxy| Some((proxy.variable, proxy.forbidden()?)))
        {
            return Err(format!("the proxy of the environment, {variable}, cannot be used: {why}"));
        }
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT.min(common.timeout))
            .pool_idle_timeout(Duration::from_secs(50))
            .pool_max_idle_per_host(common.concurrency)
            .tcp_nodelay(true)
            .dns_resolver(Arc::new(VettedResolver { deny_private }));
        if let Some(proxy) = &common.proxy {
            let proxy = reqwest::Proxy::all(proxy.expose().clone()).map_err(|e| format!("proxy: {}", plain(&e)))?;
            builder = builder.proxy(proxy);
        }
        builder = match &common.tls {
            Some(tls) => with_tls(builder, tls)?,
            None => builder.tls_backend_preconfigured(usual_tls()?),
        };
        let inner = builder.build().map_err(|e| format!("the HTTP client cannot be set up: {}", plain(&e)))?;
        let now = Timestamp::now;
        Ok(Client { wire: Wire::Http(inner), now, timeout: common.timeout, deny_private, proxy: common.proxy.clone() })
    }

    /// The client for a receiver's settings in this environment.
    ///
    /// # Errors
    /// See [`Client::new`].
    pub fn of(environment: &Environment, common: &Common, deny_private: bool) -> Result<Client, String> {
        match &environment.network {
            Network::Real => Ok(Client { now: environment.now, ..Client::new(common, deny_private)? }),
            #[cfg(test)]
            Network::Simulated(network) => Ok(Client {
                wire: Wire::Simulated(Arc::clone(network)),
                now: environment.now,
                timeout: common.timeout,
                deny_private,
                proxy: None,
            }),
        }
    }

    /// Sends one request and reads its answer up to a bound.
    ///
    /// # Errors
    /// When no answer came. The text carries no URL.
    pub async fn send(&self, request: &Request) -> Result<Answer, Failure> {
        self.vet_named(request)?;
        // One timer for all of it: head and body of an answer are worth no other.
        let mut time = pin!(sleep(self.timeout));
        let mut response = tokio::select! {
            biased;
            result = self.call(request) => result?,
            () = &mut time => return Err(Failure::Timeout(self.timeout)),
        };
        let status = response.status();
        let retry_after = response.retry_after().and_then(|value| retry_after(value, (self.now)()));
        let body = read_bounded(&mut response, time).await;
        Ok(Answer { status, retry_after, body, step: Step::Message })
    }

    /// Hands one mail to its server. `patient`: to none of its recipients, if one of them is put off.
    ///
    /// # Errors
    /// When no reply came.
    pub async fn mail(&self, letter: &Letter, patient: bool) -> Result<Posted, Failure> {
        mail::send(letter, self.timeout, self.deny_private, patient).await
    }

    async fn call(&self, request: &Request) -> Result<Response, Failure> {
        match &self.wire {
            Wire::Http(client) => self.call_http(client, request).await.map(Response::Http),
            #[cfg(test)]
            Wire::Simulated(network) => network.call(request).await.map(Response::Simulated),
        }
    }

    async fn call_http(&self, client: &reqwest::Client, request: &Request) -> Result<reqwest::Response, Failure> {
        let method = reqwest::Method::from_bytes(request.method.as_bytes()).unwrap_or(reqwest::Method::POST);
        let mut builder = client.request(method, request.url.expose().clone());
        for (name, value) in &request.headers {
            // What is always the same goes in as a static: the library copies headers four times for a request.
            builder = match (&**name, value) {
                ("Idempotency-Key", value) => builder.header(&IDEMPOTENCY_KEY, &**value),
                (name, Cow::Borrowed(value)) => builder.header(name, HeaderValue::from_static(value)),
                (name, Cow::Owned(value)) => builder.header(name, value),
            };
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body.clone());
        }
        builder.send().await.map_err(|error| self.failure(&error))
    }

    /// What reaches no resolver: an IP address in the URL or as the receiver's proxy. Nor may a receiver borrow the one name that the
    /// resolver lets through to a private address.
    fn vet_named(&self, request: &Request) -> Result<(), Failure> {
        let urls = [Some(request.url.expose()), self.proxy.as_ref().map(SecretUrl::expose)];
        for url in urls.into_iter().flatten() {
            if let Some(why) = forbidden_literal(url, self.deny_private) {
                return Err(Failure::ForbiddenAddress(why));
            }
            if self.deny_private && url.domain().is_some_and(is_environment_proxy) {
                let why = "the relay's own proxy is no receiver's to name (--deny-private)";
                return Err(Failure::ForbiddenAddress(why.to_owned()));
            }
        }
        Ok(())
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        let text = plain(error);
        if let Some(refused) = find::<ForbiddenAddress>(error) {
            return Failure::ForbiddenAddress(refused.to_string());
        }
        if error.is_builder() {
            return Failure::Malformed(text);
        }
        if error.is_timeout() {
            return Failure::Timeout(CONNECT_TIMEOUT.min(self.timeout));
        }
        if find::<rustls::Error>(error).is_some() {
            return Failure::Tls(text);
        }
        if find::<NotResolved>(error).is_some() {
            return Failure::Dns(text);
        }
        if error.is_connect() {
            let through = if self.proxy.is_some() { "through the proxy: " } else { "" };
            return Failure::Connect(format!("{through}{text}"));
        }
        Failure::Interrupted(text)
    }
}

impl Response {
    fn status(&self) -> u16 {
        match self {
            Response::Http(response) => response.status().as_u16(),
            #[cfg(test)]
            Response::Simulated(response) => response.status,
        }
    }

    /// The header, if it is text.
    fn retry_after(&self) -> Option<&str> {
        match self {
            Response::Http(response) => response.headers().get(reqwest::header::RETRY_AFTER)?.to_str().ok(),
            #[cfg(test)]
            Response::Simulated(response) => response.retry_after.as_deref(),
        }
    }

    /// The next part of the body; `None`: the end, in good order or not.
    async fn chunk(&mut self) -> Option<Bytes> {
        match self {
            Response::Http(response) => response.chunk().await.ok().flatten(),
            #[cfg(test)]
            Response::Simulated(response) => response.chunk().await,
        }
    }
}

/// The status decides; a body that breaks off or never ends changes nothing about it: what was taken must not be sent again.
async fn read_bounded(response: &mut Response, mut time: Pin<&mut Sleep>) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < ANSWER_BYTES {
        let chunk = tokio::select! {
            biased;
            chunk = response.chunk() => chunk,
            () = &mut time => None,
        };
        let Some(chunk) = chunk else { break };
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_BYTES - body.len())]);
    }
    body.freeze()
}

/// TLS with the system's certificates. They are read once: for hundreds of receivers that would be most of what a start costs.
fn usual_tls() -> Result<rustls::ClientConfig, String> {
    static SHARED: OnceLock<rustls::ClientConfig> = OnceLock::new();
    if let Some(config) = SHARED.get() {
        return Ok(config.clone());
    }
    let verified = rustls::ClientConfig::builder().with_platform_verifier();
    let mut config =
        verified.map_err(|e| format!("the system's certificates cannot be used: {e}"))?.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(SHARED.get_or_init(|| config).clone())
}

fn with_tls(mut builder: reqwest::ClientBuilder, tls: &Tls) -> Result<reqwest::ClientBuilder, String> {
    let read = |path: &str| std::fs::read(path).map_err(|e| format!("tls: {path} cannot be read: {e}"));
    if let Some(path) = &tls.ca {
        let certificates = reqwest::Certificate::from_pem_bundle(&read(path)?)
            .map_err(|e| format!("tls.ca: {path} holds no PEM certificates: {}", plain(&e)))?;
        builder = builder.tls_certs_merge(certificates);
    }
    if let (Some(cert), Some(key)) = (&tls.cert, &tls.key) {
        let mut pem = read(cert)?;
        pem.push(b'\n');
        pem.extend(read(key)?);
        let identity = reqwest::Identity::from_pem(&pem)
            .map_err(|e| format!("tls.cert, tls.key: {cert} and {key} do not make an identity: {}", plain(&e)))?;
        builder = builder.identity(identity);
    }
    Ok(builder)
}

/// Resolves with the system's resolver and hands on only vetted addresses: what was checked is what is connected to. Through a proxy,
/// the only name that comes here is the proxy's own: the receiver's is the proxy's to resolve, and to police.
#[derive(Debug)]
struct VettedResolver {
    deny_private: bool,
}

impl Resolve for VettedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        // Who runs the relay has named that proxy, not who writes routes.yaml: it may well be a private one.
        let deny_private = self.deny_private && !is_environment_proxy(name.as_str());
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|e| Box::new(NotResolved(e)) as Box<dyn StdError + Send + Sync>)?
                .collect();
            for address in &addresses {
                if let Some(why) = forbidden(address.ip(), deny_private) {
                    return Err(Box::new(ForbiddenAddress(format!("{}: {why}", address.ip()))) as _);
                }
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[derive(Debug)]
struct ForbiddenAddress(String);

impl fmt::Display for ForbiddenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for ForbiddenAddress {}

#[derive(Debug)]
struct NotResolved(io::Error);

impl fmt::Display for NotResolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl StdError for NotResolved {}

/// The first cause of this type. rustls and resolver errors hide inside `io::Error`s.
fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = find::<E>(inner)
        {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// The innermost cause in words, without the URL that reqwest puts in front.
fn plain(error: &(dyn StdError + 'static)) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if error.source().is_none()
        && let Some(error) = error.downcast_ref::<reqwest::Error>()
    {
        return if error.is_builder() { "invalid request".to_owned() } else { "the connection failed".to_owned() };
    }
    cause.to_string()
}
