//! What is measured: the floor and one or two builds of the relay, each a process of its own in a directory of its own.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::process::Figures;
use crate::query;

/// Something to start.
#[derive(Clone, PartialEq, Eq)]
pub enum Subject {
    /// The same stack, storing and deciding nothing.
    Floor,
    /// A build of the relay.
    Relay {
        /// What the table calls it.
        name: String,
        /// The program.
        program: PathBuf,
    },
}

/// What a subject is started with.
pub struct Setup {
    /// The relay's routes.yaml.
    pub routes: String,
    /// What the floor forwards to.
    pub floor: Vec<String>,
    /// How many of ten events the floor forwards.
    pub of_ten: usize,
}

impl Setup {
    /// Every event to one webhook.
    pub fn one(url: &str) -> Setup {
        let routes = format!(
            "receivers:\n  sink: {{ kind: webhook, url: \"{url}\", concurrency: 128 }}\nroutes:\n  - name: all\n    when: {{ type: \"*\" }}\n    to: sink\n"
        );
        Setup { routes, floor: vec![url.to_owned()], of_ten: 10 }
    }
}

impl Subject {
    /// What the table calls it.
    pub fn name(&self) -> &str {
        match self {
            Subject::Floor => "floor",
            Subject::Relay { name, .. } => name,
        }
    }

    /// Starts it in a fresh directory, and waits until it listens.
    pub fn start(&self, setup: &Setup) -> Running {
        let dir = tempfile::tempdir().expect("a directory");
        let mut running = self.start_in(dir.path(), setup);
        running.dir = Some(dir);
        running
    }

    /// Starts it in a directory that may hold a store, and ends it once it is ready: how long that took, in ms.
    pub fn ready_in(&self, dir: &Path, setup: &Setup) -> f64 {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let mut command = self.command(dir, setup, address);
        let begun = Instant::now();
        let mut child = command.stderr(Stdio::null()).spawn().expect("it can be run");
        while query::get(address, "/readyz").is_none() {
            assert!(begun.elapsed() < Duration::from_secs(120), "{} does not get ready", self.name());
            sleep(Duration::from_micros(500));
        }
        let took = begun.elapsed();
        child.kill().expect("it runs");
        child.wait().expect("it was killed");
        took.as_secs_f64() * 1e3
    }

    /// The same in a directory that may hold a store.
    pub fn start_in(&self, dir: &Path, setup: &Setup) -> Running {
        let mut command = self.command(dir, setup, SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut child = command.stderr(Stdio::piped()).spawn().expect("it can be run");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let mut said = String::new();
        let address = loop {
            let Some(line) = lines.next() else { panic!("{} did not start: {said}", self.name()) };
            let line = line.expect("UTF-8");
            if let Some(address) = listens(&line) {
                break address;
            }
            said.push_str(&line);
        };
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Running { figures: Figures(child.id()), child, address, dir: None }
    }

    fn command(&self, dir: &Path, setup: &Setup, listen: SocketAddr) -> Command {
        let mut command = match self {
            Subject::Floor => {
                let mut command = Command::new(std::env::current_exe().expect("this program"));
                command.args(["--floor", &setup.of_ten.to_string()]).args(&setup.floor);
                command
            }
            Subject::Relay { program, .. } => {
                std::fs::write(dir.join("routes.yaml"), &setup.routes).expect("a file can be written");
                let mut command = Command::new(program);
                command.args(["serve", "--listen", &listen.to_string(), "--log-format", "json"]).current_dir(dir);
                command.envs(deployed());
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    }
}

/// The variables that the relay is deployed with, but for those that the environment says otherwise.
fn deployed() -> impl Iterator<Item = (&'static str, &'static str)> {
    let unit = include_str!("../../deploy/jobrelay.service");
    let all = unit.lines().filter_map(|line| line.strip_prefix("Environment=")?.split_once('='));
    all.filter(|(name, _)| std::env::var_os(name).is_none())
}

/// The address in `listening on http://ADDRESS`.
fn listens(line: &str) -> Option<SocketAddr> {
    const BEFORE: &str = "listening on http://";
    let rest = &line[line.find(BEFORE)? + BEFORE.len()..];
    let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:".contains(c))).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// A started subject; killed when dropped.
pub struct Running {
    /// Where it takes events.
    pub address: SocketAddr,
    /// What it uses.
    pub figures: Figures,
    child: Child,
    dir: Option<TempDir>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Only now may its files go.
        self.dir.take();
    }
}
