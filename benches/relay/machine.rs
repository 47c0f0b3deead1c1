//! Where and when it was measured.

use std::process::Command;

use jiff::Timestamp;
use serde::Serialize;

/// What figures depend on besides the program.
#[derive(Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_mib: u64,
    pub kernel: String,
    pub date: String,
    pub commit: String,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Machine {
        let read = |path: &str| std::fs::read_to_string(path).expect("Linux");
        let value = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.map_or_else(String::new, |line| line.trim_start_matches([' ', '\t', ':']).to_owned())
        };
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let kibibytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
        Machine {
            cpu: value(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            memory_mib: kibibytes / 1_024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            date: Timestamp::now().strftime("%F").to_string(),
            commit: commit(),
        }
    }
}

/// As git names it, `-dirty` where files have changed since; empty outside of a repository.
fn commit() -> String {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--abbrev=12"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let said = git.output().ok().filter(|output| output.status.success());
    said.and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default().trim().to_owned()
}
