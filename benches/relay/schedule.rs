//! Posts events at set times, whatever became of those before: an open loop. What is late counts from when it should have been sent, so
//! a relay that stops for a moment cannot hide it by holding up the clock.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::generator::{Connection, numbers};
use crate::requests::Requests;
use crate::sink::Sink;
use crate::statistics::float;

/// More requests are never under way at a time; those beyond wait, and that counts.
const CONNECTIONS: usize = 256;

/// When to send what.
pub struct Schedule<'a> {
    /// Events per second.
    pub rate: f64,
    pub events: usize,
    pub requests: &'a mut Requests,
}

/// How long events took, in ms, shortest first.
pub struct Latencies {
    /// From the scheduled sending until the message arrived; of each event for which one was expected.
    pub end_to_end: Vec<f64>,
    /// From the scheduled to the real sending.
    pub sending: Vec<f64>,
}

/// Runs a schedule; the events at the places that `expected` says must arrive at `sink`.
pub fn run(address: SocketAddr, sink: &Sink, schedule: Schedule<'_>, expected: impl Fn(usize) -> bool) -> Latencies {
    let Schedule { rate, events, requests } = schedule;
    let poll = Poll::new().expect("a kernel with epoll");
    let (free, idle) = mpsc::channel();
    // Each is used a few times a second: one that idles longer would be closed.
    let connections = (1..CONNECTIONS).take_while(|&count| float(count) < rate / 4.0).count() + 1;
    let (mut writers, mut readers) = (Vec::new(), Vec::new());
    for token in 0..connections {
        let stream = TcpStream::connect(address).expect("it listens");
        readers.push(Connection::of(stream.try_clone().expect("a descriptor is free"), token, &poll));
        writers.push(stream);
        free.send(token).expect("both ends are here");
    }
    let target = sink.count();
    let first = numbers(events);
    let begun = Instant::now() + Duration::from_millis(5);
    let arrivals = sink.note(first, events, begun);
    let due = |place: usize| Duration::from_secs_f64(float(place) / rate);
    let mut sending = Vec::with_capacity(events);
    thread::scope(|scope| {
        scope.spawn(|| collect(poll, readers, events, &free));
        for place in 0..events {
            let at = begun + due(place);
            let ahead = at.saturating_duration_since(Instant::now());
            if !ahead.is_zero() {
                thread::sleep(ahead);
            }
            let token = idle.recv().expect("answers come");
            let request = requests.get(first + place);
            sending.push(milliseconds(at.elapsed()));
            let written = writers[token].write(request).expect("it reads");
            assert_eq!(written, request.len(), "an idle connection takes a whole request");
        }
    });
    let expected: Vec<usize> = (0..events).filter(|&place| expected(first + place)).collect();
    sink.wait_for(target + expected.len());
    let latency = |&place: &usize| {
        let arrived = arrivals.of(place).or_else(|| {
            // Others may have been counted in its stead.
            thread::sleep(Duration::from_secs(2));
            arrivals.of(place)
        });
        milliseconds(arrived.expect("the message of every event arrives").saturating_sub(due(place)))
    };
    let mut end_to_end: Vec<f64> = expected.iter().map(latency).collect();
    end_to_end.sort_by(f64::total_cmp);
    sending.sort_by(f64::total_cmp);
    Latencies { end_to_end, sending }
}

/// Takes the answers, and gives the connections back.
fn collect(mut poll: Poll, mut readers: Vec<Connection>, events: usize, free: &mpsc::Sender<usize>) {
    let mut ready = Events::with_capacity(readers.len());
    let mut answered = 0;
    while answered < events {
        poll.poll(&mut ready, None).expect("it can be waited for");
        for event in &ready {
            let token = event.token().0;
            if readers[token].answered() {
                answered += 1;
                free.send(token).expect("the sender waits for this thread");
            }
        }
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
