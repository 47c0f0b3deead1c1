//! The program. What it does is in the library, so that tests and benchmarks can reach it.

use std::process::ExitCode;

/// Messages are made in one thread and freed in another, which glibc's allocator pays for with fragmentation and locks. Without
/// transparent huge pages (`no_thp`): they cost a third more memory and save no time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    jobrelay::cli::run(std::env::args_os())
}
