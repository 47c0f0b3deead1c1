//! The only place that speaks SMTP: letters in the relay's own words become lettre's, replies come back as answers whose status is
//! the server's reply code.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox as LettreMailbox, Message, MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::time::timeout;

use super::guard::forbidden;
use crate::receiver::{Answer, Failure, Letter, MailServer, Mailbox, Security, Step};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A mail is sent once the server took it; saying goodbye may not hold the lane up for longer.
const GOODBYE: Duration = Duration::from_secs(1);
/// Without encryption none of this is said before a password is asked for.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];
/// What SMTP says where it wants another sort of login.
const NO_MECHANISM: u16 = 534;
/// A mailbox that has no room (RFC 3463) seldom has it soon: the others do not wait for that.
const FULL: &str = "4.2.2";
/// What a server says that hangs up.
const CLOSING: u16 = 421;

/// What a server said of a letter.
#[derive(Debug)]
pub struct Posted {
    pub answer: Answer,
    /// Whom it took no mail for while it did for others, and why.
    pub refused: Vec<(String, Answer)>,
}

/// Whether the files a server's settings name can be used.
///
/// # Errors
/// A sentence that names the file at fault.
pub fn check_mail_server(server: &MailServer) -> Result<(), String> {
    tls(server).map(|_| ())
}

/// Hands a letter to its server, within `limit`. The goodbye comes after it: the answer in hand counts whatever becomes of that.
/// `patient`: if one of its recipients is put off, it goes to none of them yet.
///
/// # Errors
/// When no reply came.
pub async fn send(letter: &Letter, limit: Duration, deny_private: bool, patient: bool) -> Result<Posted, Failure> {
    let message = message(letter).map_err(Failure::Malformed)?;
    let conversation = async {
        let mut connection = connect(&letter.server, limit, deny_private).await?;
        let said = deliver(&mut connection, &message, limit, patient).await;
        Ok((connection, said))
    };
    let said = match timeout(limit, conversation).await {
        Ok(Ok((mut connection, said))) => {
            let _ = timeout(GOODBYE, connection.command(Quit)).await;
            said
        }
        Ok(Err(stop)) => Err(stop),
        Err(_) => Err(Stop::Failed(Failure::Timeout(limit))),
    };
    match said {
        Ok(posted) => Ok(posted),
        Err(Stop::Replied(answer)) => Ok(Posted { answer, refused: Vec::new() }),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

/// Why a conversation ended before its end.
enum Stop {
    Failed(Failure),
    Replied(Answer),
}

/// A connection on which mail can be sent.
async fn connect(server: &MailServer, limit: Duration, deny_private: bool) -> Result<AsyncSmtpConnection, Stop> {
    let addresses = resolve(server, deny_private).await.map_err(Stop::Failed)?;
    let tls = tls(server).map_err(|why| Stop::Failed(Failure::Tls(why)))?;
    let turned_away = |error: Error| stop(&error, Step::Hello, limit);
    let name = ClientId::default();
    let from_start = tls.clone().filter(|_| server.security == Security::Implicit);
    let patience = Some(CONNECT_TIMEOUT.min(limit));
    let mut connection = AsyncSmtpConnection::connect_tokio1(&*addresses, patience, &name, from_start, None)
        .await
        .map_err(turned_away)?;
    if let (Security::Starttls, Some(tls)) = (server.security, tls) {
        if !connection.can_starttls() {
            return Err(Stop::Failed(Failure::Tls("the server offers no STARTTLS".to_owned())));
        }
        connection.starttls(tls, &name).await.map_err(turned_away)?;
    }
    if let Some((username, password)) = &server.login {
        if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
            let body = "the server offers no login by PLAIN or LOGIN here".into();
            return Err(Stop::Replied(Answer { status: NO_MECHANISM, body, retry_after: None, step: Step::Hello }));
        }
        let credentials = Credentials::new(username.clone(), password.expose().to_owned());
        connection.auth(&MECHANISMS, &credentials).await.map_err(turned_away)?;
    }
    Ok(connection)
}

/// Says who a mail is from and for, and hands it over for those that the server takes it for. Addresses and mails are in ASCII, which asks
/// for nothing further; lettre's own `send` would end at the first refusal, with a goodbye that has no limit.
async fn deliver(
    connection: &mut AsyncSmtpConnection,
    message: &Message,
    limit: Duration,
    patient: bool,
) -> Result<Posted, Stop> {
    let envelope = message.envelope();
    let of_addresses = |error: Error| stop(&error, Step::Addresses, limit);
    connection.command(Mail::new(envelope.from().cloned(), Vec::new())).await.map_err(of_addresses)?;
    let (mut taken, mut refused) = (false, Vec::new());
    for to in envelope.to() {
        match connection.command(Rcpt::new(to.clone(), Vec::new())).await.map_err(of_addresses) {
            Ok(_) => taken = true,
            Err(Stop::Replied(answer)) if answer.status != CLOSING => refused.push((to.to_string(), answer)),
            // It hung up, and has said why.
            Err(Stop::Failed(_)) if !taken && !refused.is_empty() => break,
            Err(stop) => return Err(stop),
        }
    }
    // Whoever is put off may be taken another time.
    let hopeful = refused.iter().position(|(_, answer)| answer.status < 500);
    let soon = |at: usize| !refused[at].1.summary().contains(FULL);
    if !taken || (patient && hopeful.is_some_and(soon)) {
        return Err(Stop::Replied(refused.swap_remove(hopeful.unwrap_or(0)).1));
    }
    connection.command(Data).await.map_err(of_addresses)?;
    let response =
        connection.message(&message.formatted()).await.map_err(|error| stop(&error, Step::Message, limit))?;
    Ok(Posted { answer: answer(&response), refused })
}

/// The server's addresses, each of which may be called: what was checked is what is connected to.
async fn resolve(server: &MailServer, deny_private: bool) -> Result<Vec<SocketAddr>, Failure> {
    let vetted = |ip: IpAddr| match forbidden(ip, deny_private) {
        Some(why) => Err(Failure::ForbiddenAddress(format!("{ip}: {why}"))),
        None => Ok(()),
    };
    let found = tokio::net::lookup_host((server.host.as_str(), server.port)).await;
    let addresses: Vec<SocketAddr> = found.map_err(|e| Failure::Dns(e.to_string()))?.collect();
    addresses.iter().try_for_each(|address| vetted(address.ip()))?;
    Ok(addresses)
}

fn tls(server: &MailServer) -> Result<Option<TlsParameters>, String> {
    if server.security == Security::None {
        return Ok(None);
    }
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(path) = &server.ca {
        let pem = std::fs::read(path).map_err(|e| format!("ca: {path} cannot be read: {e}"))?;
        let certificate = Certificate::from_pem(&pem).map_err(|_| format!("ca: {path} holds no PEM certificates"))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map(Some).map_err(|e| format!("TLS cannot be set up: {}", cause(&e)))
}

fn message(letter: &Letter) -> Result<Message, String> {
    let mut builder = Message::builder()
        .message_id(Some(format!("<{}>", letter.id)))
        .date(SystemTime::now())
        .from(mailbox(&letter.from)?)
        .subject(letter.subject.clone());
    for to in &letter.to {
        builder = builder.to(mailbox(to)?);
    }
    for cc in &letter.cc {
        builder = builder.cc(mailbox(cc)?);
    }
    if let Some(reply_to) = &letter.reply_to {
        builder = builder.reply_to(mailbox(reply_to)?);
    }
    for (name, value) in &letter.headers {
        let name = HeaderName::new_from_ascii((*name).to_owned()).map_err(|e| e.to_string())?;
        builder = builder.raw_header(HeaderValue::new(name, value.clone()));
    }
    let text = letter.text.clone();
    let made = match &letter.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, html.clone())),
        None => builder.singlepart(SinglePart::plain(text)),
    };
    made.map_err(|e| e.to_string())
}

fn mailbox(mailbox: &Mailbox) -> Result<LettreMailbox, String> {
    let email = mailbox.email.parse().map_err(|e| format!("{}: {e}", mailbox.email))?;
    Ok(LettreMailbox::new(Some(mailbox.name.clone()).filter(|name| !name.is_empty()), email))
}

fn answer(response: &Response) -> Answer {
    let body = response.message().collect::<Vec<_>>().join("\n").into();
    Answer { status: response.code().into(), body, retry_after: None, step: Step::Message }
}

fn stop(error: &Error, step: Step, limit: Duration) -> Stop {
    let text = cause(error);
    if let Some(code) = error.status() {
        return Stop::Replied(Answer { status: code.into(), body: text.into(), retry_after: None, step });
    }
    Stop::Failed(if error.is_client() {
        // Found before anything was said.
        Failure::Malformed(text)
    } else if error.is_timeout() {
        Failure::Timeout(CONNECT_TIMEOUT.min(limit))
    } else if error.is_tls() || error.to_string().contains("certificate") {
        Failure::Tls(text)
    } else if error.to_string().starts_with("Connection") {
        Failure::Connect(text)
    } else {
        Failure::Interrupted(text)
    })
}

/// The innermost cause in words: of a reply, what the server said.
fn cause(error: &Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
