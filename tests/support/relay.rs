//! The real binary, driven as its user would: files on disk, HTTP, signals.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jobrelay");
const PATIENCE: Duration = Duration::from_secs(60);

/// A relay with a directory of its own. Ends with its owner.
pub struct Relay {
    dir: TempDir,
    flags: Vec<String>,
    environment: Vec<(String, String)>,
    socket: Option<TcpListener>,
    wrapper: Vec<String>,
    child: Option<Child>,
    url: String,
    log: Arc<Mutex<Vec<String>>>,
    pub http: reqwest::Client,
}

impl Relay {
    /// Not started yet: flags and files may still be set.
    pub fn prepare(routes: &str) -> Relay {
        jobrelay::delivery::install_crypto();
        let dir = TempDir::new().expect("a temporary directory");
        std::fs::write(dir.path().join("routes.yaml"), routes).expect("a file can be written");
        Relay {
            dir,
            flags: Vec::new(),
            environment: Vec::new(),
            socket: None,
            wrapper: Vec::new(),
            child: None,
            url: String::new(),
            log: Arc::default(),
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
        }
    }

    pub async fn start(routes: &str) -> Relay {
        let mut relay = Relay::prepare(routes);
        relay.run().await;
        relay
    }

    pub fn flag(mut self, flag: &str, value: &str) -> Relay {
        self.flags.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    pub fn switch(mut self, flag: &str) -> Relay {
        self.flags.push(flag.to_owned());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Relay {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Holds the listening socket itself, as a service manager does, so that it outlives the process.
    pub fn hold_socket(mut self) -> Relay {
        self.socket = Some(TcpListener::bind("127.0.0.1:0").expect("a free port"));
        self
    }

    /// Runs it by another program that becomes it, such as `prlimit --nofile=64`: the words before the relay's own.
    pub fn under(mut self, wrapper: &[&str]) -> Relay {
        self.wrapper = wrapper.iter().map(|&word| word.to_owned()).collect();
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = match &self.socket {
            None => match self.wrapper.split_first() {
                None => Command::new(BINARY),
                Some((program, words)) => {
                    let mut command = Command::new(program);
                    command.args(words).arg(BINARY);
                    command
                }
            },
            Some(socket) => {
                // The process ID is known only inside the new process; a shell becomes it.
                let mut shell = Command::new("sh");
                shell.args([
                    "-c",
                    "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"",
                    BINARY,
                ]);
                shell.stdin(Stdio::from(OwnedFd::from(socket.try_clone().expect("a descriptor can be copied"))));
                shell
            }
        };
        command
            .args(["serve", "--log-format", "json", "--listen", "127.0.0.1:0", "--routes"])
            .arg(self.path("routes.yaml"))
            .arg("--store")
            .arg(format!("sqlite:{}", self.path("data/jobrelay.db").display()))
            .args(&self.flags)
            .current_dir(self.dir.path())
            .envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
    }

    /// Starts and waits until it listens.
    pub async fn run(&mut self) {
        self.spawn();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(url) = self.log_since_start().iter().find_map(|line| listening(line)) {
                self.url = url;
                return;
            }
            if let Some(status) = self.child.as_mut().expect("just started").try_wait().expect("a child can be asked") {
                panic!("it ended with {status}:\n{}", self.log_text());
            }
            assert!(Instant::now() < deadline, "it does not start:\n{}", self.log_text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts, and waits for nothing.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let mut child = self.command().stderr(Stdio::piped()).spawn().expect("the binary can be run");
        let lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let log = Arc::clone(&self.log);
        log.lock().expect("not poisoned").push("--- start".to_owned());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                log.lock().expect("not poisoned").push(line);
            }
        });
        self.child = Some(child);
    }

    fn log_since_start(&self) -> Vec<String> {
        let log = self.log.lock().expect("not poisoned");
        let start = log.iter().rposition(|line| line == "--- start").unwrap_or(0);
        log[start..].to_vec()
    }

    pub fn log_text(&self) -> String {
        self.log.lock().expect("not poisoned").join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().expect("a child can be killed");
        child.wait().expect("a child can be waited for");
    }

    /// SIGTERM, and waits for the end.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended().await
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let status = tokio::task::spawn_blocking(move || child.wait().expect("a child can be waited for"));
        tokio::time::timeout(PATIENCE, status).await.expect("it ends in time").expect("no panic")
    }

    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").args(["-s", name, &self.pid().to_string()]).status().expect("kill can be run");
        assert!(status.success());
    }

    pub async fn restart(&mut self) {
        assert!(self.terminate().await.success(), "{}", self.log_text());
        self.run().await;
    }

    /// Writes routes.yaml as editors do (a new file renamed over the old) and waits until it applies or is refused.
    pub async fn edit(&self, routes: &str) {
        let before = self.log_text().len();
        let new = self.path("routes.yaml.new");
        std::fs::write(&new, routes).expect("a file can be written");
        std::fs::rename(&new, self.path("routes.yaml")).expect("a file can be renamed");
        self.until("routes.yaml was read again", || {
            let text = self.log_text();
            text[before..].contains(" applies")
                || text[before..].contains("is again what runs")
                || text[before..].contains("was refused")
        })
        .await;
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Posts an event as the sender does; returns status and answer.
    pub async fn post(&self, event: &Value) -> (u16, Value) {
        self.post_raw("application/cloudevents+json", &[], event.to_string().into_bytes()).await
    }

    pub async fn post_raw(&self, content_type: &str, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, Value) {
        let mut request = self.http.post(self.url("/webhooks/v1alpha1/jobEvents")).header("content-type", content_type);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body).send().await.expect("the relay answers");
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.expect("a whole answer");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// Posts an event and expects it to be accepted.
    pub async fn accept(&self, event: &Value) -> String {
        let (status, answer) = self.post(event).await;
        assert_eq!((status, &answer["accepted"]), (200, &Value::from(1)), "{answer}\n{}", self.log_text());
        answer["ids"][0].as_str().expect("an ID").to_owned()
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(self.url(path)).send().await.expect("the relay answers");
        let bytes = answer.bytes().await.expect("a whole answer");
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    }

    /// The state of a receiver's lane.
    pub async fn lane(&self, receiver: &str) -> Value {
        let all = self.get("/api/v1/receivers").await;
        let all = all["items"].as_array().unwrap_or_else(|| panic!("{all}"));
        all.iter().find(|lane| lane["receiver"] == receiver).cloned().unwrap_or(Value::Null)
    }

    /// Waits until a receiver is owed nothing.
    pub async fn drained(&self, receiver: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lane = self.lane(receiver).await;
            if lane["owed"] == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{lane}\n{}", self.log_text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until `done` says so.
    pub async fn until(&self, what: &str, done: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < deadline, "waited in vain: {what}\n{}", self.log_text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Runs another command of the binary against this relay.
    pub async fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(self.dir.path()).env("JOBRELAY_URL", &self.url);
        tokio::task::spawn_blocking(move || command.output().expect("the binary can be run")).await.expect("no panic")
    }

    /// The same, expecting success; returns what it printed.
    pub async fn says(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}\n{}", String::from_utf8_lossy(&output.stderr));
        text
    }

    /// Runs the relay in the foreground until it ends by itself.
    pub async fn fails(&self) -> (Option<i32>, String) {
        let mut command = self.command();
        let output = tokio::task::spawn_blocking(move || command.output().expect("the binary can be run"));
        let output = tokio::time::timeout(PATIENCE, output).await.expect("it ends in time").expect("no panic");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn listening(line: &str) -> Option<String> {
    let at = line.find("listening on http://")?;
    let url = &line[at + "listening on ".len()..];
    let end = url.find(|c: char| !(c.is_ascii_alphanumeric() || ":/.[]".contains(c))).unwrap_or(url.len());
    Some(url[..end].to_owned())
}

/// Runs a command of the binary in `dir`, without a relay.
pub fn run_in(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).current_dir(dir).output().expect("the binary can be run")
}
