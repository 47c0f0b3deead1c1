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

/// The last commit that changed the program, `-dirty` where files of it have changed since; empty outside of a repository.
fn commit() -> String {
    const PROGRAM: [&str; 3] = ["src", "Cargo.toml", "Cargo.lock"];
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.args(arguments).arg("--").args(PROGRAM).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()
    };
    let Some(last) = git(&["log", "-1", "--abbrev=12", "--format=%h"]).filter(|said| said.status.success()) else {
        return String::new();
    };
    let is_dirty = git(&["diff", "--quiet", "HEAD"]).is_some_and(|said| !said.status.success());
    format!("{}{}", String::from_utf8_lossy(&last.stdout).trim(), if is_dirty { "-dirty" } else { "" })
}
