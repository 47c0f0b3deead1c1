//! What Linux says of a process: CPU time, memory, bytes written.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The figures of one process.
#[derive(Clone, Copy)]
pub struct Figures(pub u32);

impl Figures {
    /// CPU time so far.
    pub fn cpu(self) -> Cpu {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.0)).expect("Linux, and the process runs");
        let threads = tasks.filter_map(|task| Some(Thread(task.ok()?.path())));
        // One may end while it is looked at.
        Cpu(threads.filter_map(|thread| Some((thread.0.clone(), thread.try_cpu()?))).collect())
    }

    /// Memory in use, in MiB.
    pub fn memory(self) -> f64 {
        self.mebibytes("VmRSS:")
    }

    /// The most memory that was ever in use, in MiB.
    pub fn peak(self) -> f64 {
        self.mebibytes("VmHWM:")
    }

    /// Bytes it caused to be written to disk so far.
    pub fn written(self) -> f64 {
        value(&self.read("io"), "write_bytes:")
    }

    fn mebibytes(self, name: &str) -> f64 {
        value(&self.read("status"), name) / 1024.0
    }

    fn read(self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.0)).expect("Linux, and the process runs")
    }
}

/// The number after `name` at the beginning of a line.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("every Linux has this line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// CPU time of a process, by thread: the process's own sum comes in ticks of 10 ms, too coarse for a trickle of events.
pub struct Cpu(BTreeMap<PathBuf, f64>);

impl Cpu {
    /// What was spent since then, in seconds, by all threads that have not ended.
    pub fn since(&self, before: &Cpu) -> f64 {
        self.0.iter().map(|(thread, now)| now - before.0.get(thread).unwrap_or(&0.0)).sum()
    }
}

/// A thread.
pub struct Thread(PathBuf);

impl Thread {
    /// The calling one.
    pub fn current() -> Thread {
        Thread(PathBuf::from("/proc").join(std::fs::read_link("/proc/thread-self").expect("Linux")))
    }

    /// Its CPU time so far, in seconds.
    pub fn cpu(&self) -> f64 {
        self.try_cpu().expect("a kernel that counts CPU time of threads")
    }

    fn try_cpu(&self) -> Option<f64> {
        let text = std::fs::read_to_string(self.0.join("schedstat")).ok()?;
        let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
        Some(nanoseconds / 1e9)
    }
}
