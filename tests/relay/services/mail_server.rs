//! A strict mail server for submissions: RFC 5321, STARTTLS (RFC 3207), AUTH (RFC 4954). It takes mail only after TLS and a login, asks
//! of every line what the standards ask, and answers as mail servers do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::check::that;
use super::mime::Mail;
use crate::support::certificate;

/// The only user.
pub const USER: &str = "alerts";
/// A line of a mail, and of a command, without its end.
const LINE: usize = 998;
const COMMAND: usize = 510;

/// What the server does from now on.
#[derive(Clone)]
pub struct Ways {
    pub password: &'static str,
    /// As EHLO names them: `PLAIN LOGIN`.
    pub mechanisms: &'static str,
    /// The first line it says.
    pub greeting: &'static str,
    /// The answer to a recipient.
    pub recipient: fn(&str) -> &'static str,
    /// The answer to a mail that is right.
    pub mail: fn(&Mail) -> &'static str,
    /// Whether a goodbye is answered.
    pub polite: bool,
}

struct Shared {
    ways: Mutex<Ways>,
    mails: Mutex<Vec<Mail>>,
    /// What no mail server would have been sent by a good client.
    wrong: Mutex<Vec<String>>,
    logins: Mutex<Vec<&'static str>>,
    connections: watch::Sender<usize>,
    tls: TlsAcceptor,
}

/// The server. Takes every mail until told otherwise.
pub struct MailServer {
    shared: Arc<Shared>,
    pub address: SocketAddr,
    /// What vouches for it, as PEM.
    pub certificate: String,
}

impl MailServer {
    pub async fn start() -> MailServer {
        let (tls, certificate) = certificate();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let ways = Ways {
            password: "s3cr3t-pass",
            mechanisms: "PLAIN LOGIN",
            greeting: "220 mail.example.com ESMTP",
            recipient: |_| "250 2.1.5 known",
            mail: |_| "250 2.0.0 queued",
            polite: true,
        };
        let shared = Arc::new(Shared {
            ways: Mutex::new(ways),
            mails: Mutex::default(),
            wrong: Mutex::default(),
            logins: Mutex::default(),
            connections: watch::Sender::new(0),
            tls,
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                shared.connections.send_modify(|count| *count += 1);
                tokio::spawn(async move { Session::new(stream, &shared).converse().await });
            }
        });
        MailServer { shared, address, certificate }
    }

    pub fn now(&self, change: impl FnOnce(&mut Ways)) {
        change(&mut self.shared.ways.lock().expect("not poisoned"));
    }

    /// The mails that were taken.
    pub fn mails(&self) -> Vec<Mail> {
        self.shared.mails.lock().expect("not poisoned").clone()
    }

    /// The mechanisms of logins that succeeded.
    pub fn logins(&self) -> Vec<&'static str> {
        self.shared.logins.lock().expect("not poisoned").clone()
    }

    pub fn wrong(&self) -> Vec<String> {
        self.shared.wrong.lock().expect("not poisoned").clone()
    }

    pub fn connections(&self) -> usize {
        *self.shared.connections.borrow()
    }

    /// Waits for the `n`th connection, from 1.
    pub async fn called(&self, n: usize) {
        let mut count = self.shared.connections.subscribe();
        let wait = tokio::time::timeout(std::time::Duration::from_secs(60), count.wait_for(|count| *count >= n));
        let came = wait.await.is_ok();
        assert!(came, "{n} connections were expected, {} came", self.connections());
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

struct Session<'a> {
    shared: &'a Shared,
    stream: Option<Box<dyn Stream>>,
    buffer: Vec<u8>,
    encrypted: bool,
    greeted: bool,
    logged_in: bool,
    from: Option<String>,
    to: Vec<String>,
}

impl<'a> Session<'a> {
    fn new(stream: TcpStream, shared: &'a Shared) -> Session<'a> {
        Session {
            shared,
            stream: Some(Box::new(stream)),
            buffer: Vec::new(),
            encrypted: false,
            greeted: false,
            logged_in: false,
            from: None,
            to: Vec::new(),
        }
    }

    /// Until either side hangs up.
    async fn converse(mut self) -> Option<()> {
        let greeting = self.ways().greeting;
        self.say(greeting).await?;
        if !greeting.starts_with('2') {
            return None;
        }
        loop {
            let line = self.line(COMMAND).await?;
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let answer = match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.hello(rest),
                "STARTTLS" => {
                    self.start_tls().await?;
                    continue;
                }
                "AUTH" => self.login(rest).await?,
                "MAIL" => self.mail_from(rest),
                "RCPT" => self.recipient(rest),
                "DATA" => self.data().await?,
                "QUIT" if !self.ways().polite => continue,
                "QUIT" => {
                    self.say("221 2.0.0 bye").await?;
                    return None;
                }
                _ => self.object("500 5.5.2 unknown command", &line),
            };
            self.say(&answer).await?;
            if answer.starts_with("421") || answer.starts_with("521") {
                return None;
            }
        }
    }

    fn ways(&self) -> Ways {
        self.shared.ways.lock().expect("not poisoned").clone()
    }

    /// Notes what a good client would not have done.
    fn object(&self, answer: &str, what: &str) -> String {
        self.shared.wrong.lock().expect("not poisoned").push(format!("{answer}: {what}"));
        answer.to_owned()
    }

    fn hello(&mut self, name: &str) -> String {
        if name.is_empty() || name.contains(' ') {
            return self.object("501 5.5.4 a name is wanted", name);
        }
        self.greeted = true;
        let offers = if self.encrypted { format!("AUTH {}", self.ways().mechanisms) } else { "STARTTLS".to_owned() };
        format!("250-mail.example.com\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250 {offers}")
    }

    async fn start_tls(&mut self) -> Option<()> {
        if !self.greeted || self.encrypted || !self.buffer.is_empty() {
            let answer = self.object("503 5.5.1 no STARTTLS now", "out of turn, or something was said before TLS");
            return self.say(&answer).await;
        }
        self.say("220 2.0.0 go ahead").await?;
        let stream = self.shared.tls.accept(self.stream.take()?).await.ok()?;
        self.stream = Some(Box::new(stream));
        // What was said in the clear counts for nothing.
        (self.encrypted, self.greeted) = (true, false);
        Some(())
    }

    async fn login(&mut self, rest: &str) -> Option<String> {
        if !self.encrypted {
            return Some(self.object("538 5.7.11 encryption required", "a login in the clear"));
        }
        if !self.greeted || self.logged_in {
            return Some(self.object("503 5.5.1 no AUTH now", rest));
        }
        let (mechanism, first) = rest.split_once(' ').unwrap_or((rest, ""));
        let ways = self.ways();
        if !ways.mechanisms.split(' ').any(|known| known == mechanism) {
            return Some(self.object("504 5.5.4 unknown mechanism", mechanism));
        }
        let (name, said) = if mechanism == "PLAIN" {
            let whole = if first.is_empty() { self.asked("").await? } else { decoded(first) };
            let [_, user, password] = whole.split('\0').collect::<Vec<_>>()[..] else {
                return Some(self.object("501 5.5.2 not three parts", &whole));
            };
            ("PLAIN", (user.to_owned(), password.to_owned()))
        } else {
            ("LOGIN", (self.asked("Username:").await?, self.asked("Password:").await?))
        };
        if said != (USER.to_owned(), ways.password.to_owned()) {
            return Some("535 5.7.8 bad credentials".to_owned());
        }
        self.logged_in = true;
        self.shared.logins.lock().expect("not poisoned").push(name);
        Some("235 2.7.0 welcome".to_owned())
    }

    async fn asked(&mut self, question: &str) -> Option<String> {
        self.say(&format!("334 {}", STANDARD.encode(question))).await?;
        Some(decoded(&self.line(COMMAND).await?))
    }

    fn mail_from(&mut self, rest: &str) -> String {
        if !self.logged_in || !self.greeted {
            return self.object("530 5.7.0 log in first, after STARTTLS", rest);
        }
        match address(rest, "FROM:") {
            Some(from) if self.from.is_none() => {
                self.from = Some(from);
                "250 2.1.0 ok".to_owned()
            }
            _ => self.object("501 5.5.4 no sender, or a second one", rest),
        }
    }

    fn recipient(&mut self, rest: &str) -> String {
        let Some(to) = address(rest, "TO:").filter(|_| self.from.is_some()) else {
            return self.object("501 5.5.4 no recipient, or no sender before", rest);
        };
        let answer = (self.ways().recipient)(&to);
        if answer.starts_with('2') {
            self.to.push(to);
        }
        answer.to_owned()
    }

    async fn data(&mut self) -> Option<String> {
        if self.to.is_empty() {
            return Some(self.object("503 5.5.1 nobody to send to", ""));
        }
        self.say("354 end with a dot").await?;
        let mut lines = Vec::new();
        loop {
            let line = self.line(LINE).await?;
            match line.strip_prefix('.') {
                Some("") => break,
                Some(rest) if rest.starts_with('.') => lines.push(rest.to_owned()),
                Some(_) => return Some(self.object("554 5.6.0 a dot was not doubled", &line)),
                None => lines.push(line),
            }
        }
        let (from, to) = (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        Some(match Mail::read(from, to, &lines) {
            Err(why) => self.object("554 5.6.0 malformed", &format!("{why}\n{}", lines.join("\n"))),
            Ok(mail) => {
                let answer = (self.ways().mail)(&mail);
                if answer.starts_with('2') {
                    self.shared.mails.lock().expect("not poisoned").push(mail);
                }
                answer.to_owned()
            }
        })
    }

    async fn say(&mut self, answer: &str) -> Option<()> {
        self.stream.as_mut()?.write_all(format!("{answer}\r\n").as_bytes()).await.ok()
    }

    /// The next line without its end: in ASCII, of at most `longest` bytes. Hangs up over any other.
    async fn line(&mut self, longest: usize) -> Option<String> {
        let end = loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                break at;
            }
            if self.stream.as_mut()?.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        };
        let line: Vec<u8> = self.buffer.drain(..=end).collect();
        let found = String::from_utf8_lossy(&line).into_owned();
        let checked = found.strip_suffix("\r\n").ok_or("a bare LF".to_owned()).and_then(|line| {
            that(!line.contains('\r'), || "a bare CR".to_owned())?;
            that(line.is_ascii() && !line.contains('\0'), || "not in ASCII".to_owned())?;
            that(line.len() <= longest, || format!("{} bytes in a line", line.len()))
        });
        if let Err(why) = checked {
            self.object(&why, &found);
            return None;
        }
        Some(found.trim_end_matches("\r\n").to_owned())
    }
}

fn decoded(text: &str) -> String {
    STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// The address of `FROM:<a@b>`, without parameters: none was offered.
fn address(text: &str, word: &str) -> Option<String> {
    let path = text.get(word.len()..).filter(|_| text[..word.len()].eq_ignore_ascii_case(word))?;
    let address = path.strip_prefix('<')?.strip_suffix('>')?;
    address.contains('@').then(|| address.to_owned())
}
