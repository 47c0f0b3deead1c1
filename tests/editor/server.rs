//! The real YAML language server from the npm registry, spoken to as an editor does: JSON-RPC over its standard input and output.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{LazyLock, Once};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// Where the cursor is in the text of a test.
const CURSOR: char = '¦';
/// Only for a server that has died without a word.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server at work in the directory that `jobrelay init` made.
pub struct Server {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    dir: TempDir,
    requests: u64,
    documents: u64,
}

/// A mistake as the editor marks it.
#[derive(Debug)]
pub struct Mark {
    /// The text that is underlined.
    pub token: String,
    pub message: String,
}

/// Whether these tests are left out on purpose; says so.
pub fn skipped() -> bool {
    let skipped = std::env::var_os("JOBRELAY_SKIP_EDITOR").is_some_and(|value| !value.is_empty());
    if skipped {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            eprintln!("JOBRELAY_SKIP_EDITOR is set: routes.schema.json is not tried with the language server");
        });
    }
    skipped
}

/// Installs the pinned version into the build directory, once.
static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/editor");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("editor");
    let done = to.join("installed.json");
    let lock = fs::read(from.join("package-lock.json")).expect("the lock file is there");
    if fs::read(&done).ok().as_ref() != Some(&lock) {
        fs::create_dir_all(&to).expect("the build directory can be written");
        for name in ["package.json", "package-lock.json", ".npmrc"] {
            fs::copy(from.join(name), to.join(name)).expect("a file can be copied");
        }
        let cure = "scripts/prepare installs npm; without a network, JOBRELAY_SKIP_EDITOR=1 leaves these tests out";
        let output = Command::new("npm").args(["ci", "--ignore-scripts"]).current_dir(&to).output();
        let output = output.unwrap_or_else(|e| panic!("npm cannot be run: {e}; {cure}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "npm ci cannot install the YAML language server; {cure}\n{said}");
        fs::write(done, lock).expect("the build directory can be written");
    }
    to.join("node_modules/yaml-language-server/bin/yaml-language-server")
});

impl Server {
    /// Starts it where `jobrelay init` has just been run.
    pub fn start() -> Server {
        let dir = TempDir::new().expect("a temporary directory");
        let init = Command::new(env!("CARGO_BIN_EXE_jobrelay")).arg("init").current_dir(&dir).output();
        assert!(init.expect("the binary can be run").status.success());
        let mut child = Command::new("node")
            .arg(&*INSTALLED)
            .arg("--stdio")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node can be run");
        let input = child.stdin.take().expect("piped");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            while let Some(message) = receive(&mut output) {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut server = Server { child, input, messages, dir, requests: 0, documents: 0 };
        server.request(
            "initialize",
            &json!({
                "processId": std::process::id(),
                "rootUri": server.uri(""),
                "capabilities": {
                    "workspace": {"configuration": true},
                    "textDocument": {
                        "completion": {"completionItem": {"snippetSupport": true, "documentationFormat": ["markdown"]}},
                        "hover": {"contentFormat": ["markdown"]},
                    },
                },
            }),
        );
        server.send(&json!({"method": "initialized", "params": {}}));
        // Settings come first, or it would ask the network for schemas of well-known files.
        server.wait_for(|message| message["method"] == "workspace/configuration");
        server
    }

    /// The file that `init` has written.
    pub fn sample(&self) -> String {
        fs::read_to_string(self.dir.path().join("routes.yaml")).expect("init has written it")
    }

    /// What is offered at the cursor: label and documentation.
    pub fn completions(&mut self, text: &str) -> Vec<(String, String)> {
        let at = self.open(text).1;
        let found = self.request("textDocument/completion", &at);
        let items = found.get("items").unwrap_or(&found).as_array().expect("a list").clone();
        let doc = |item: &Value| {
            item["documentation"]["value"].as_str().or(item["documentation"].as_str()).map(str::to_owned)
        };
        items.iter().map(|item| (string(&item["label"]), doc(item).unwrap_or_default())).collect()
    }

    /// The labels alone.
    pub fn offers(&mut self, text: &str) -> Vec<String> {
        self.completions(text).into_iter().map(|(label, _)| label).collect()
    }

    /// What is shown when the mouse rests at the cursor.
    pub fn hover(&mut self, text: &str) -> String {
        let at = self.open(text).1;
        string(&self.request("textDocument/hover", &at)["contents"]["value"])
    }

    /// What is marked as a mistake.
    pub fn marks(&mut self, text: &str) -> Vec<Mark> {
        let (found, _) = self.open(text);
        let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        let number = |place: &Value| usize::try_from(place.as_u64().expect("a number")).expect("small");
        let mark = |found: &Value| {
            let line = &lines[number(&found["range"]["start"]["line"])];
            let (from, to) =
                (number(&found["range"]["start"]["character"]), number(&found["range"]["end"]["character"]));
            Mark { token: line[from..to.min(line.len())].iter().collect(), message: string(&found["message"]) }
        };
        found.as_array().expect("a list").iter().map(mark).collect()
    }

    /// Opens a document and waits until it is checked. Returns what is wrong with it, and where the cursor is.
    fn open(&mut self, text: &str) -> (Value, Value) {
        self.documents += 1;
        let uri = self.uri(&format!("routes-{}.yaml", self.documents));
        let before = text.split(CURSOR).next().unwrap_or_default();
        let line = before.matches('\n').count();
        let character = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let document = json!({"uri": uri, "languageId": "yaml", "version": 1, "text": text.replace(CURSOR, "")});
        self.send(&json!({"method": "textDocument/didOpen", "params": {"textDocument": document}}));
        let checked = self.wait_for(|message| {
            message["method"] == "textDocument/publishDiagnostics" && message["params"]["uri"] == uri
        });
        let at = json!({"textDocument": {"uri": uri}, "position": {"line": line, "character": character}});
        (checked["params"]["diagnostics"].clone(), at)
    }

    fn uri(&self, name: &str) -> String {
        format!("file://{}/{name}", self.dir.path().display())
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        self.send(&json!({"id": id, "method": method, "params": params}));
        let answer = self.wait_for(|message| message["id"] == id && message.get("method").is_none());
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// Reads on to a message, answering what is asked meanwhile.
    fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect("the language server answers");
            if let (Some(id), Some(method)) = (message.get("id"), message.get("method")) {
                let settings = |item: &Value| match item["section"].as_str() {
                    Some("yaml") => {
                        json!({"validate": true, "hover": true, "completion": true, "schemaStore": {"enable": false}})
                    }
                    _ => json!({}),
                };
                let items = message["params"]["items"].as_array().map(Vec::as_slice).unwrap_or_default();
                let result = if method == "workspace/configuration" {
                    items.iter().map(settings).collect()
                } else {
                    Value::Null
                };
                self.send(&json!({"id": id, "result": result}));
            }
            if wanted(&message) {
                return message;
            }
        }
    }

    fn send(&mut self, message: &Value) {
        let mut message = message.clone();
        message["jsonrpc"] = json!("2.0");
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).expect("the language server reads");
        self.input.flush().expect("the language server reads");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One message; `None` at the end.
fn receive(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().ok()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
