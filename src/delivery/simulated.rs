//! The network of the simulation: it stands where reqwest does, so that timeouts, bounds and dates are the real code's.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::receiver::{Failure, Request};

/// Answers requests.
#[async_trait]
pub trait Simulated: Debug + Send + Sync {
    /// Returns with the answer's head. It may take any time, or for ever.
    ///
    /// # Errors
    /// When there is no answer.
    async fn call(&self, request: &Request) -> Result<Response, Failure>;
}

/// An answer, its body still on the way.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// The header, as it stands there.
    pub retry_after: Option<String>,
    pub body: VecDeque<Chunk>,
}

/// A part of a body.
#[derive(Debug)]
pub enum Chunk {
    Bytes(Bytes),
    /// Nothing for so long.
    Wait(Duration),
    /// The connection breaks here.
    Broken,
}

impl Response {
    /// The next part; `None`: the end, in good order or not.
    pub async fn chunk(&mut self) -> Option<Bytes> {
        loop {
            match self.body.pop_front()? {
                Chunk::Bytes(bytes) => return Some(bytes),
                Chunk::Wait(time) => tokio::time::sleep(time).await,
                Chunk::Broken => return None,
            }
        }
    }
}
