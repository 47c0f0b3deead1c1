//! The threads lanes run on.
//!
//! Each thread drives a runtime of its own: a lane's tasks wake each other without crossing threads, which is most of what a message
//! costs beyond its system calls. Lanes are spread over the threads in turn.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::{Builder, Handle};

use super::environment::Network;

/// The threads. They run until the process ends.
#[derive(Debug)]
pub struct LaneThreads {
    handles: Vec<Handle>,
    next: AtomicUsize,
}

impl LaneThreads {
    /// Starts half as many threads as there are cores: the other half is busy with taking in (see the relay's limits) and writing down.
    /// A simulated network runs them where they are started.
    ///
    /// # Errors
    /// When the system gives no thread or runtime.
    pub fn start(network: &Network) -> io::Result<LaneThreads> {
        match network {
            Network::Real => LaneThreads::of_their_own(),
            #[cfg(test)]
            Network::Simulated(_) => Ok(LaneThreads { handles: vec![Handle::current()], next: AtomicUsize::new(0) }),
        }
    }

    fn of_their_own() -> io::Result<LaneThreads> {
        let count = std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2);
        let mut handles = Vec::with_capacity(count);
        for number in 0..count {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            std::thread::Builder::new()
                .name(format!("jobrelay-lane-{number}"))
                .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
        }
        Ok(LaneThreads { handles, next: AtomicUsize::new(0) })
    }

    /// The thread whose turn it is.
    pub fn next(&self) -> &Handle {
        &self.handles[self.next.fetch_add(1, Ordering::Relaxed) % self.handles.len()]
    }
}
