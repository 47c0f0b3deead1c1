//! The receiver at the other end: one thread that answers 200, counts, and notes when which event arrived.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::process::Thread;
use crate::{http, requests};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const LISTENER: Token = Token(usize::MAX);
/// Without a new message for so long, the rest is lost.
const PATIENCE: Duration = Duration::from_secs(30);

/// A receiver that takes everything.
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Default)]
struct Shared {
    count: AtomicUsize,
    arrivals: Mutex<Option<Arc<Arrivals>>>,
}

/// When the events with numbers from `first` on arrived.
pub struct Arrivals {
    first: usize,
    begun: Instant,
    /// Nanoseconds after `begun`; 0: not yet.
    after: Vec<AtomicU64>,
}

impl Sink {
    /// Starts its thread.
    pub fn start() -> Sink {
        let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let poll = Poll::new().expect("a kernel with epoll");
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("a fresh listener");
        let shared = Arc::new(Shared::default());
        let (tell, told) = mpsc::channel();
        let theirs = Arc::clone(&shared);
        thread::spawn(move || {
            tell.send(Thread::current()).expect("waited for below");
            serve(&listener, poll, &theirs);
        });
        Sink { address, shared, thread: told.recv().expect("the thread has begun") }
    }

    /// As a receiver's URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Messages so far.
    pub fn count(&self) -> usize {
        self.shared.count.load(Ordering::Relaxed)
    }

    /// CPU time so far, in seconds.
    pub fn cpu(&self) -> f64 {
        self.thread.cpu()
    }

    /// Waits until as many messages have come in all.
    ///
    /// # Panics
    /// When no more come.
    pub fn wait_for(&self, count: usize) {
        let (mut seen, mut since) = (self.count(), Instant::now());
        while seen < count {
            thread::sleep(Duration::from_millis(1));
            let now = self.count();
            if now > seen {
                (seen, since) = (now, Instant::now());
            }
            assert!(since.elapsed() < PATIENCE, "{} messages did not arrive", count - seen);
        }
    }

    /// From now on notes when the `count` events from `first` on arrive.
    pub fn note(&self, first: usize, count: usize, begun: Instant) -> Arc<Arrivals> {
        let after = (0..count).map(|_| AtomicU64::new(0)).collect();
        let arrivals = Arc::new(Arrivals { first, begun, after });
        *self.shared.arrivals.lock().expect("the sink does not panic") = Some(Arc::clone(&arrivals));
        arrivals
    }
}

impl Arrivals {
    /// How long after the beginning the event at this place arrived first.
    pub fn of(&self, place: usize) -> Option<Duration> {
        let after = self.after.get(place)?.load(Ordering::Relaxed);
        (after > 0).then(|| Duration::from_nanos(after))
    }

    fn arrived(&self, body: &[u8]) {
        let place = requests::number_in(body).and_then(|number| number.checked_sub(self.first));
        let Some(after) = place.and_then(|place| self.after.get(place)) else { return };
        let now = u64::try_from(self.begun.elapsed().as_nanos()).expect("a benchmark ends within centuries");
        // What comes a second time came before.
        let _ = after.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

fn serve(listener: &TcpListener, mut poll: Poll, shared: &Shared) {
    let mut open: Vec<Option<Connection>> = Vec::new();
    let mut ready = Events::with_capacity(1024);
    loop {
        if let Err(error) = poll.poll(&mut ready, None) {
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
            continue;
        }
        for event in &ready {
            if event.token() == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    take(stream, &mut open, &poll);
                }
                continue;
            }
            let place = &mut open[event.token().0];
            if place.as_mut().is_some_and(|connection| !connection.read(shared)) {
                *place = None;
            }
        }
    }
}

fn take(mut stream: TcpStream, open: &mut Vec<Option<Connection>>, poll: &Poll) {
    let free = open.iter().position(Option::is_none).unwrap_or_else(|| {
        open.push(None);
        open.len() - 1
    });
    // A connection that is gone already needs no answers.
    let _ = stream.set_nodelay(true);
    if poll.registry().register(&mut stream, Token(free), Interest::READABLE).is_ok() {
        open[free] = Some(Connection { stream, buffer: vec![0; 32 * 1024], filled: 0 });
    }
}

impl Connection {
    /// Reads until nothing is left. `false`: the other end is gone.
    fn read(&mut self, shared: &Shared) -> bool {
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(2 * self.filled, 0);
            }
            let free = self.buffer.len() - self.filled;
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return false,
                Ok(read) => {
                    self.filled += read;
                    if !self.answer(shared) {
                        return false;
                    }
                    // Whatever comes after a short read is told of anew.
                    if read < free {
                        return true;
                    }
                }
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }

    fn answer(&mut self, shared: &Shared) -> bool {
        let mut begin = 0;
        while let Some((body, end)) = http::first(&self.buffer[begin..self.filled]) {
            if let Some(arrivals) = &*shared.arrivals.lock().expect("nobody panics with it") {
                arrivals.arrived(&self.buffer[begin + body..begin + end]);
            }
            begin += end;
            shared.count.fetch_add(1, Ordering::Relaxed);
            if self.stream.write_all(ANSWER).is_err() {
                return false;
            }
        }
        self.buffer.copy_within(begin..self.filled, 0);
        self.filled -= begin;
        true
    }
}
