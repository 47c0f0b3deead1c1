//! Posts events over many connections, from the calling thread alone: a closed loop, where each connection waits for its answer before it
//! sends the next.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::http;
use crate::process::Thread;
use crate::requests::Requests;

/// Numbers no event had before.
pub fn numbers(count: usize) -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(count, Ordering::Relaxed)
}

/// What posting cost.
pub struct Posted {
    /// When the first was sent.
    pub begun: Instant,
    /// CPU time of the generator, in seconds.
    pub cpu: f64,
}

/// Posts `count` events, each of which must be answered 200.
pub fn closed(address: SocketAddr, connections: usize, count: usize, requests: &mut Requests) -> Posted {
    let mut poll = Poll::new().expect("a kernel with epoll");
    let mut open: Vec<Connection> = (0..connections).map(|token| Connection::open(address, token, &poll)).collect();
    let (thread, begun) = (Thread::current(), Instant::now());
    let (cpu, first) = (thread.cpu(), numbers(count));
    let mut left = first..first + count;
    for (connection, number) in open.iter_mut().zip(&mut left) {
        connection.send(requests.get(number));
    }
    let mut answered = 0;
    let mut ready = Events::with_capacity(connections);
    while answered < count {
        poll.poll(&mut ready, None).expect("it can be waited for");
        for event in &ready {
            let connection = &mut open[event.token().0];
            if !connection.answered() {
                continue;
            }
            answered += 1;
            if let Some(number) = left.next() {
                connection.send(requests.get(number));
            }
        }
    }
    Posted { begun, cpu: thread.cpu() - cpu }
}

/// One connection with at most one request under way.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

impl Connection {
    /// Connects, and lets `poll` tell of answers by this token.
    pub fn open(address: SocketAddr, token: usize, poll: &Poll) -> Connection {
        Connection::of(std::net::TcpStream::connect(address).expect("it listens"), token, poll)
    }

    /// The same for a stream that is connected.
    pub fn of(stream: std::net::TcpStream, token: usize, poll: &Poll) -> Connection {
        stream.set_nodelay(true).expect("an option every system has");
        stream.set_nonblocking(true).expect("an option every system has");
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(token), Interest::READABLE).expect("a fresh stream");
        Connection { stream, buffer: vec![0; 16 * 1024], filled: 0 }
    }

    /// Sends a request; the answer to the last one has come.
    pub fn send(&mut self, request: &[u8]) {
        let written = self.stream.write(request).expect("it reads");
        assert_eq!(written, request.len(), "an idle connection takes a whole request");
    }

    /// Reads what has come: whether the answer is there. It must be a 200.
    pub fn answered(&mut self) -> bool {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => panic!("the connection was closed before the answer"),
            Ok(read) => self.filled += read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("no answer: {error}"),
        }
        let answer = &self.buffer[..self.filled];
        assert!(answer.starts_with(b"HTTP/1.1 200"), "not accepted: {}", String::from_utf8_lossy(answer));
        let Some((_, end)) = http::first(answer) else { return false };
        assert_eq!(end, self.filled, "one answer to one request");
        self.filled = 0;
        true
    }
}
