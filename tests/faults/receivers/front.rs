//! A door in front of a fake receiver: as long as all is well it lets everything through; else it does to each connection what
//! it was told.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::Fake;

/// What is done to one connection.
pub type Manner = Arc<dyn Fn(TcpStream, Arc<Seen>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A manner from an async function.
pub fn manner<F>(act: impl Fn(TcpStream, Arc<Seen>) -> F + Send + Sync + 'static) -> Manner
where
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |stream, seen| Box::pin(act(stream, seen)))
}

/// What the ill-mannered door has seen.
#[derive(Default)]
pub struct Seen {
    connections: Mutex<usize>,
    taken: Mutex<Vec<(Instant, String)>>,
}

impl Seen {
    /// The message was answered 200: it counts as arrived.
    pub fn took(&self, message: &Value) {
        let job = message["job"].as_str().expect("a job").to_owned();
        self.taken.lock().expect("not poisoned").push((Instant::now(), job));
    }

    pub fn taken(&self) -> Vec<(Instant, String)> {
        self.taken.lock().expect("not poisoned").clone()
    }

    /// How many connections were ill-treated.
    pub fn connections(&self) -> usize {
        *self.connections.lock().expect("not poisoned")
    }
}

/// The door.
pub struct Front {
    address: SocketAddr,
    well: watch::Sender<bool>,
    pub seen: Arc<Seen>,
}

impl Front {
    /// Before `fake`; all is well.
    pub async fn of(fake: &Fake, manner: Manner) -> Front {
        let behind: SocketAddr = {
            let url = fake.url("");
            let port = url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a URL with a port");
            ([127, 0, 0, 1], port).into()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (well, seen) = (watch::Sender::new(true), Arc::new(Seen::default()));
        let (changes, noted) = (well.clone(), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (manner, noted, mut change) = (Arc::clone(&manner), Arc::clone(&noted), changes.subscribe());
                tokio::spawn(async move {
                    let well = *change.borrow_and_update();
                    let treatment = async {
                        if well {
                            let mut inner = TcpStream::connect(behind).await.expect("the fake listens");
                            // How it ends is between the two.
                            let _ = copy_bidirectional(&mut stream, &mut inner).await;
                        } else {
                            *noted.connections.lock().expect("not poisoned") += 1;
                            manner(stream, noted).await;
                        }
                    };
                    // A connection does not outlive the mood it began in.
                    tokio::select! {
                        () = treatment => {}
                        _ = change.changed() => {}
                    }
                });
            }
        });
        Front { address, well, seen }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on all is well, or nothing.
    pub fn turn(&self, well: bool) {
        self.well.send_replace(well);
    }
}

/// One request: its body, as JSON. Nothing at the end of the connection.
pub async fn request(stream: &mut TcpStream) -> Option<Value> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length: usize = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |n| n.trim().parse().expect("a number"));
    while bytes.len() < head + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(serde_json::from_slice(&bytes[head..]).expect("webhooks send JSON"))
}
