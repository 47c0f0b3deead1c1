//! A fake receiver: a small HTTP/1.1 server on a real socket that remembers what it got and answers as told, badly if told so.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub at: Instant,
}

impl Request {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }

    /// The delivery ID, from the idempotency key.
    pub fn delivery(&self) -> String {
        self.header("idempotency-key").rsplit_once('-').map_or_else(String::new, |(id, _)| id.to_owned())
    }
}

/// What to do with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    Status(u16, &'static str),
    /// Status, one header, body.
    Header(u16, &'static str, String, &'static str),
    /// Take the request, wait, then answer so.
    Late(Duration, u16),
    /// The head of an answer and a beginning of its body, then nothing.
    NoEnd(u16),
    /// Take the request and close the connection.
    HangUp,
}

type Rule = Box<dyn Fn(&Request) -> Reply + Send + Sync>;

struct Shared {
    requests: Mutex<Vec<Request>>,
    rule: Mutex<Rule>,
    count: watch::Sender<usize>,
    tls: Option<TlsAcceptor>,
}

/// The receiver. Answers 200 `ok` until told otherwise.
pub struct Fake {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: Mutex<Option<AbortHandle>>,
}

impl Fake {
    pub fn start() -> Fake {
        Fake::at(anywhere())
    }

    pub fn at(address: SocketAddr) -> Fake {
        Fake::with(address, None)
    }

    /// With a certificate for `localhost`, made here; returns it as PEM, to be trusted.
    pub fn start_tls() -> (Fake, String) {
        let (acceptor, pem) = certificate();
        (Fake::with(anywhere(), Some(acceptor)), pem)
    }

    fn with(address: SocketAddr, tls: Option<TlsAcceptor>) -> Fake {
        let listener = listen(address);
        let address = listener.local_addr().expect("a bound socket has an address");
        let rule: Rule = Box::new(|_| Reply::Status(200, "ok"));
        let shared =
            Arc::new(Shared { requests: Mutex::default(), rule: Mutex::new(rule), count: watch::Sender::new(0), tls });
        let fake = Fake { shared, address, serving: Mutex::default() };
        fake.serve(listener);
        fake
    }

    fn serve(&self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    match shared.tls.clone() {
                        None => converse(stream, &shared).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, &shared).await;
                            }
                        }
                    }
                });
            }
        });
        *self.serving.lock().expect("not poisoned") = Some(task.abort_handle());
    }

    /// From now on connections are refused; those that are open break.
    pub async fn down(&self) {
        if let Some(task) = self.serving.lock().expect("not poisoned").take() {
            task.abort();
        }
        while TcpSocket::new_v4().expect("a socket").connect(self.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Listens again, at the same address.
    pub fn up(&self) {
        self.serve(listen(self.address));
    }

    pub fn url(&self, path: &str) -> String {
        match self.shared.tls {
            None => format!("http://{}{path}", self.address),
            Some(_) => format!("https://localhost:{}{path}", self.address.port()),
        }
    }

    /// What to do with each request from now on.
    pub fn replies(&self, rule: impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        *self.shared.rule.lock().expect("not poisoned") = Box::new(rule);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("not poisoned").clone()
    }

    pub fn count(&self) -> usize {
        *self.shared.count.borrow()
    }

    /// Waits for the `n`th request (from 1) and returns all so far.
    pub async fn wait_for(&self, n: usize) -> Vec<Request> {
        let mut count = self.shared.count.subscribe();
        let wait = count.wait_for(|count| *count >= n);
        let waited = tokio::time::timeout(Duration::from_secs(60), wait).await.map(drop);
        let texts: Vec<_> = self.requests().iter().map(Request::text).collect();
        assert!(waited.is_ok(), "{n} requests were expected, {} came: {texts:#?}", texts.len());
        self.requests()
    }
}

/// A certificate for `localhost`, made here, to serve with; and as PEM, to be trusted.
pub fn certificate() -> (TlsAcceptor, String) {
    jobrelay::delivery::install_crypto();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate can be made");
    let pem = made.cert.pem();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("the certificate fits its key");
    (TlsAcceptor::from(Arc::new(config)), pem)
}

/// A port of its own, below those that systems give away: while a fake is down nobody else must get its port, and its messages.
fn anywhere() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(101);
    loop {
        let n = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = SocketAddr::from(([127, 0, 0, 1], 10_000 + u16::try_from(n).expect("small")));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn listen(address: SocketAddr) -> TcpListener {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option every system has");
    socket.bind(address).expect("the port is free");
    socket.listen(1024).expect("a bound socket can listen")
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, shared: &Shared) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        let reply = shared.rule.lock().expect("not poisoned")(&request);
        shared.requests.lock().expect("not poisoned").push(request);
        shared.count.send_modify(|count| *count += 1);
        let (status, header, body) = match reply {
            Reply::Status(status, body) => (status, String::new(), body),
            Reply::Header(status, name, value, body) => (status, format!("{name}: {value}\r\n"), body),
            Reply::Late(time, status) => {
                tokio::time::sleep(time).await;
                (status, String::new(), "ok")
            }
            Reply::NoEnd(status) => {
                // Whether it still listens is its own affair.
                let _ =
                    stream.write_all(format!("HTTP/1.1 {status} X\r\ncontent-length: 99\r\n\r\nok").as_bytes()).await;
                return std::future::pending().await;
            }
            Reply::HangUp => return,
        };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{header}\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> Option<Request> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&buffer[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut start = lines.next()?.split(' ');
    let (method, target) = (start.next()?.to_owned(), start.next()?.to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    buffer.drain(..head_end + 4);
    while buffer.len() < length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = buffer.drain(..length).collect();
    Some(Request { method, target, headers, body, at: Instant::now() })
}
