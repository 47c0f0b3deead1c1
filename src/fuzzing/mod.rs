//! What the fuzz targets in `fuzz/` check, a function each: any bytes go in, and what does not hold panics.
//!
//! The same functions run over the committed corpus (`fuzz/corpus`) in the plain test suite, so what a fuzzer once found is tried
//! with every build.

mod event;
mod message;
mod retry_after;
mod routes;
mod signature;
mod when;

pub use event::event;
pub use message::message;
pub use retry_after::retry_after;
#[cfg(test)]
pub(crate) use routes::read as read_routes;
pub use routes::routes;
pub use signature::signature;
pub use when::when;

/// The parts of an input, as text; a line `---` stands between them. Those that are missing are empty.
fn parts<const N: usize>(data: &[u8]) -> [String; N] {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.splitn(N, "\n---\n");
    std::array::from_fn(|_| parts.next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
