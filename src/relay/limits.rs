//! How much of the machine the process may use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Connections at once, over all workers. More wait in the kernel's queue: they are late, not refused.
const CONNECTIONS: usize = 4096;

/// Threads of the door: half as many as there are cores. The lanes have the other half, and more threads than cores only keep each other
/// from finding much to do at a time.
pub(super) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).div_ceil(2)
}

/// Lets the process open as many files as it may (service managers start it with far fewer, for programs that use `select`), and
/// returns how many connections the door may hold: half of them at most, so that whoever comes takes none from lanes and store.
pub(super) fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    let open = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => limit.current,
    };
    open.and_then(|open| usize::try_from(open / 2).ok()).map_or(CONNECTIONS, |half| half.clamp(1, CONNECTIONS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_is_allowed_and_the_door_gets_half() {
        let most = connections();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert!((1..=CONNECTIONS).contains(&most));
        assert!(limit.current.is_none_or(|open| most as u64 <= open / 2));
    }
}
