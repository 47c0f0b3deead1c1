//! A receiver that only notes what came when: cheap enough for a million messages. It takes its time for each.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket};

use crate::receivers::front::request;

/// The receiver. It is away until told otherwise: its port is taken, and nobody listens.
pub struct Sink {
    address: SocketAddr,
    socket: Option<TcpSocket>,
    came: Arc<Mutex<Vec<(Instant, String)>>>,
}

impl Sink {
    pub fn away() -> Sink {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        Sink { address, socket: Some(socket), came: Arc::default() }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Listens; from now on each message is answered after `pause`.
    pub fn back(&mut self, pause: Duration) {
        let listener: TcpListener =
            self.socket.take().expect("it is away").listen(1024).expect("a bound socket can listen");
        let came = Arc::clone(&self.came);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let came = Arc::clone(&came);
                tokio::spawn(async move {
                    while let Some(message) = request(&mut stream).await {
                        let job = message["job"].as_str().expect("a job").to_owned();
                        came.lock().expect("not poisoned").push((Instant::now(), job));
                        tokio::time::sleep(pause).await;
                        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    }

    pub fn count(&self) -> usize {
        self.came.lock().expect("not poisoned").len()
    }

    /// How many came before this job's first message; nothing if it has not come.
    pub fn before(&self, job: &str) -> Option<usize> {
        self.came.lock().expect("not poisoned").iter().position(|(_, came)| came == job)
    }

    /// What came, in order.
    pub fn came(&self) -> Vec<(Instant, String)> {
        self.came.lock().expect("not poisoned").clone()
    }
}
