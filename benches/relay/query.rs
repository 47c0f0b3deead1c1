//! Asking a subject: one GET, and how long its answer took.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// An answer.
pub struct Answer {
    pub text: String,
    /// From the connection to the last byte, in ms.
    pub took: f64,
}

/// `None` while nobody listens, or what answers is not a 200.
pub fn get(address: SocketAddr, path: &str) -> Option<Answer> {
    let begun = Instant::now();
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.starts_with("HTTP/1.1 200").then(|| Answer { text, took: begun.elapsed().as_secs_f64() * 1e3 })
}
