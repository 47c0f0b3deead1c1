//! Opening the door, and closing it last without refusing anybody.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use actix_web::dev::{ServerHandle, Service as _};
use actix_web::http::{ConnectionType, KeepAlive};
use actix_web::{App, HttpServer, web};
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::{State, api, health, ingest, metrics};

/// Longer than the idle time of the usual proxies (nginx: 60 s), so that it is they who close an idle connection, and no request
/// crosses our closing on its way.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// For the head of a request; `body` has its own limit.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection that is open but idle may still bring a request once the door closes.
const IDLE_GRACE: Duration = Duration::from_secs(1);

const BACKLOG: u32 = 1024;

/// The running server.
#[derive(Debug)]
pub struct Server {
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
    stopping: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
}

/// Listens on `address`, with room for a burst of connections. Must be called inside the runtime.
///
/// # Errors
/// The address is in use, or not this machine's.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Else a restart would have to wait for the connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Serves on `listeners` (bound here or inherited) with `workers` threads and at most `connections` at once, until [`Server::close`].
/// More connections wait in the kernel. Must be called inside the runtime.
///
/// # Errors
/// A listener cannot be used.
pub fn run(state: &Arc<State>, listeners: Vec<TcpListener>, workers: usize, connections: usize) -> io::Result<Server> {
    let state = Arc::clone(state);
    let stopping = state.intake.stopping_flag();
    let configure = move |config: &mut web::ServiceConfig| {
        config
            .app_data(web::Data::from(Arc::clone(&state.intake)))
            .app_data(web::Data::from(Arc::clone(&state)))
            .configure(ingest::routes)
            .configure(health::routes)
            .configure(metrics::routes)
            .configure(api::routes)
            .default_service(web::to(ingest::nowhere));
    };
    open(configure, stopping, listeners, workers, connections)
}

fn open(
    configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    stopping: Arc<AtomicBool>,
    listeners: Vec<TcpListener>,
    workers: usize,
    most: usize,
) -> io::Result<Server> {
    let connections = Arc::new(AtomicUsize::new(0));
    let (for_apps, for_connections) = (Arc::clone(&stopping), Arc::clone(&connections));
    let workers = workers.max(1);
    let mut server = HttpServer::new(move || {
        let stopping = Arc::clone(&for_apps);
        App::new().configure(configure.clone()).wrap_fn(move |request, service| {
            let stopping = Arc::clone(&stopping);
            let answer = service.call(request);
            async move {
                let mut answer = answer.await?;
                if stopping.load(Relaxed) {
                    answer.response_mut().head_mut().set_connection_type(ConnectionType::Close);
                }
                Ok(answer)
            }
        })
    })
    .on_connect(move |_, extensions| {
        extensions.insert(Open::new(&for_connections));
    })
    .workers(workers)
    .max_connections(most.div_ceil(workers))
    .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
    .client_request_timeout(HEAD_PATIENCE)
    .tcp_nodelay(true)
    .shutdown_timeout(10)
    .disable_signals();
    for listener in listeners {
        server = server.listen(listener)?;
    }
    let server = server.run();
    let handle = server.handle();
    Ok(Server { handle, task: tokio::spawn(server), stopping, connections })
}

impl Server {
    /// Returns only if the server ends by itself, with the reason.
    ///
    /// # Errors
    /// Always an error, unless it was closed.
    pub async fn ended(&mut self) -> io::Result<()> {
        (&mut self.task).await.map_err(io::Error::other)?
    }

    /// Closes the door within `within`: takes no new connections (they wait in the kernel for the next process, if it inherits the
    /// socket), lets those that are open bring what is on its way, answers it, and ends.
    ///
    /// Call [`super::Intake::stop`] as early as possible before: from then on each answer asks the client for a new connection, so
    /// that few are left open here.
    pub async fn close(self, within: Duration) {
        let deadline = Instant::now() + within;
        self.stopping.store(true, Relaxed);
        self.handle.pause().await;
        // The acceptor is a thread of its own: what it took in this moment must reach its worker before anyone looks.
        sleep(Duration::from_millis(20)).await;
        let grace = deadline.min(Instant::now() + IDLE_GRACE);
        while self.connections.load(Relaxed) > 0 && Instant::now() < grace {
            sleep(Duration::from_millis(10)).await;
        }
        if timeout_at(deadline, self.handle.stop(true)).await.is_ok() {
            info!("the door is closed");
        } else {
            warn!(connections = self.connections.load(Relaxed), "closed with requests unanswered: they took too long");
            drop(self.handle.stop(false));
        }
    }
}

/// One open connection: lives in its extensions.
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(count: &Arc<AtomicUsize>) -> Open {
        count.fetch_add(1, Relaxed);
        Open(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// A server that answers `/` at once and `/slow` after it was told to.
    fn serve(listener: TcpListener, go: Arc<tokio::sync::Notify>) -> Server {
        let configure = move |config: &mut web::ServiceConfig| {
            let go = Arc::clone(&go);
            let slow = move || {
                let go = Arc::clone(&go);
                async move {
                    go.notified().await;
                    "late"
                }
            };
            config.route("/", web::get().to(async || "soon")).route("/slow", web::get().to(slow));
        };
        open(configure, Arc::default(), vec![listener], 2, 64).unwrap()
    }

    fn listener() -> TcpListener {
        bind("127.0.0.1:0".parse().unwrap()).unwrap()
    }

    fn connect(address: SocketAddr) -> TcpStream {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn ask(stream: &mut TcpStream, path: &str) {
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }

    /// One answer, to the end of its body of four letters.
    fn answer(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        let mut byte = [0];
        while !text.windows(4).any(|four| four == b"\r\n\r\n") {
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "ended after {:?}", String::from_utf8_lossy(&text));
            text.push(byte[0]);
        }
        let mut body = [0; 4];
        stream.read_exact(&mut body).unwrap();
        text.extend(body);
        String::from_utf8(text).unwrap().to_ascii_lowercase()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn closing_answers_what_is_in_flight_and_ends_what_is_idle() {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let go = Arc::new(tokio::sync::Notify::new());
        let server = serve(listener, Arc::clone(&go));
        let connections = Arc::clone(&server.connections);
        let (said, hear) = mpsc::channel();
        let client = thread::spawn(move || {
            let (mut idle, mut busy, mut late) = (connect(address), connect(address), connect(address));
            ask(&mut idle, "/");
            let first = answer(&mut idle);
            assert!(first.ends_with("soon") && !first.contains("connection: close"), "{first}");
            ask(&mut late, "/");
            answer(&mut late);
            ask(&mut busy, "/slow");
            said.send(()).unwrap();
            // Meanwhile the door closes: a request on an open connection is still answered, and asks for another connection.
            thread::sleep(Duration::from_millis(200));
            ask(&mut late, "/");
            let last = answer(&mut late);
            assert!(last.ends_with("soon") && last.contains("connection: close"), "{last}");
            assert_eq!(idle.read(&mut [0]).unwrap(), 0, "the idle connection ends in order");
            go.notify_one();
            let slow = answer(&mut busy);
            assert!(slow.ends_with("late"), "{slow}");
        });
        tokio::task::spawn_blocking(move || hear.recv().unwrap()).await.unwrap();
        server.close(Duration::from_secs(10)).await;
        tokio::task::spawn_blocking(move || client.join().unwrap()).await.unwrap();
        assert_eq!(connections.load(Relaxed), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_comes_while_the_door_closes_is_answered_by_the_next_process() {
        let listener = listener();
        let address = listener.local_addr().unwrap();
        let held = listener.try_clone().unwrap();
        let server = serve(listener, Arc::default());
        let mut idle = connect(address);
        ask(&mut idle, "/");
        let closing = tokio::spawn(server.close(Duration::from_secs(10)));
        // The idle connection holds the closing up for a while; this one comes in between.
        sleep(Duration::from_millis(300)).await;
        let client = thread::spawn(move || {
            let mut stream = connect(address);
            ask(&mut stream, "/");
            answer(&mut stream)
        });
        closing.await.unwrap();
        let next = serve(held, Arc::default());
        let said = tokio::task::spawn_blocking(move || client.join().unwrap()).await.unwrap();
        assert!(said.ends_with("soon"), "{said}");
        next.close(Duration::from_secs(10)).await;
    }
}
