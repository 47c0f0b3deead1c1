//! What Linux says of a process: CPU time, memory, bytes written.

use std::path::PathBuf;

/// The figures of one process.
#[derive(Clone, Copy)]
pub struct Figures(pub u32);

impl Figures {
    /// User and system time so far, in seconds.
    pub fn cpu(self) -> f64 {
        let stat = self.read("stat");
        let fields: Vec<&str> = stat[stat.rfind(')').expect("a name in brackets") + 2..].split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<f64>().expect("a number of ticks");
        // Fields 14 and 15 of proc(5), in ticks of 10 ms.
        (ticks(11) + ticks(12)) / 100.0
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

/// A thread of this process.
pub struct Thread(PathBuf);

impl Thread {
    /// The calling one.
    pub fn current() -> Thread {
        Thread(PathBuf::from("/proc").join(std::fs::read_link("/proc/thread-self").expect("Linux")))
    }

    /// Its CPU time so far, in seconds.
    pub fn cpu(&self) -> f64 {
        let text = std::fs::read_to_string(self.0.join("schedstat")).expect("a kernel that counts CPU time of threads");
        let nanoseconds: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
        nanoseconds / 1e9
    }
}
