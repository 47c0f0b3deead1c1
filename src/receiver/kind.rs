//! What a kind is, and what every receiver can be asked.

use std::fmt::Debug;
use std::sync::Arc;

use super::request::Payload;
use super::secret::names_a_secret;
use super::{
    Answer, Call, Common, Failure, Header, Judgement, MailServer, Outgoing, Rate, Request, SecretUrl, Sent, Unsendable,
    plain,
};
use crate::event::Event;
use crate::message::{Body, Definition, Message, RenderError, RenderedBody, Scope};
use crate::yaml::{Map, Node, Problems, Span};

/// Where a kind's form goes, and what goes with it.
pub(super) struct To<'a> {
    pub method: &'static str,
    pub url: &'a SecretUrl,
    /// Besides the usual ones.
    pub headers: Vec<Header>,
}

impl<'a> To<'a> {
    /// A plain POST.
    pub fn post(url: &'a SecretUrl) -> To<'a> {
        To { method: "POST", url, headers: Vec::new() }
    }

    /// A POST with an `Authorization`.
    pub fn authorized(url: &'a SecretUrl, authorization: String) -> To<'a> {
        To { headers: vec![("Authorization".into(), authorization.into())], ..To::post(url) }
    }
}

/// How a kind is found and read.
pub(super) struct Entry {
    /// As written in `kind`.
    pub name: &'static str,
    /// Whether it sends over HTTP: only then have headers, timeouts and the like an effect.
    pub http: bool,
    /// The service's own limit.
    pub rate: Option<Rate>,
    /// Whether the success after a failure is sent there if routes.yaml does not say.
    pub recovered: bool,
    /// Where in the service its address or key is found, for people.
    pub obtain: &'static str,
    /// A receiver of this kind as it stands in routes.yaml, in flow style, with the settings it needs.
    pub example: &'static str,
    /// The JSON Schema of the kind's own settings: where their names come from.
    pub schema: fn() -> schemars::Schema,
    /// Reads the kind's own settings, recording every problem.
    pub read: fn(&Node, &mut Problems) -> Option<Box<dyn Kind>>,
}

impl Entry {
    /// Whether a setting that every kind has, or `body`, has an effect here.
    pub fn takes(&self, name: &str) -> bool {
        let common: &[&str] = match self.name {
            _ if self.http => return true,
            "smtp" => &["concurrency", "rate", "recovered", "retry", "timeout"],
            _ => &["rate", "recovered"],
        };
        common.contains(&name)
    }
}

/// Whom a kind speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Alerts are never swallowed: fallbacks apply.
    People,
    /// Exactly its body or nothing.
    Machine,
}

/// A receiver's settings as written, for [`Kind::no_effect`].
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// All of them, as written.
    pub settings: &'a Map,
    /// The compiled `body`.
    pub body: Option<&'a Body>,
}

/// How a kind writes texts into a `body`.
#[derive(Debug, Clone, Copy)]
pub struct Markup {
    /// `message.text` in the service's own markup.
    pub text: fn(&Message) -> String,
    /// Escapes inserted values.
    pub escape: fn(&str) -> String,
}

/// What a trial of a receiver's own `body` found.
#[derive(Debug, Clone, PartialEq)]
pub enum BodyFault {
    /// Templates that fail: where they stand, and why.
    Templates(Vec<(Span, String)>),
    /// The service would refuse what it came to, with the reason.
    Form(String),
}

/// How a kind keeps the messages of a job together, and those of a recovery with the failure's.
#[derive(Debug, Clone, Copy)]
pub enum Threads {
    /// Not by earlier messages: these are not looked for.
    None,
    /// The service's answer to the first message tells what later ones answer to.
    Answered,
    /// A message's own event tells it, if it is of a job.
    Named(fn(&Event) -> Option<String>),
}

/// A service's form. One implementation per file.
pub trait Kind: Debug + Send + Sync {
    /// Whom it speaks to.
    fn audience(&self) -> Audience;
    /// Puts a message into the service's form. `receiver` has the settings that every kind has, its own `body` among them.
    ///
    /// # Errors
    /// When nothing can be sent.
    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable>;
    /// How texts are written into a `body`: as they are, unless the service has a markup of its own.
    fn markup(&self) -> Markup {
        Markup { text: |message| message.text.source(), escape: str::to_owned }
    }
    /// Whether the service would take a receiver's own `body`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    fn check_body(&self, body: &RenderedBody) -> Result<(), String> {
        let _ = body;
        Ok(())
    }
    /// What the reader of its own form sees, where that is more than the words of the message.
    fn reading(&self, call: &Call<'_>) -> Option<String> {
        let _ = call;
        None
    }
    /// What an HTTP answer means.
    fn judge(&self, answer: &Answer) -> Judgement;
    /// What to do when no answer came, where the kind's own settings have to do with it.
    fn advise(&self, failure: &Failure) -> Option<&'static str> {
        let _ = failure;
        None
    }
    /// Where its requests go, if it sends any.
    fn url(&self) -> Option<&SecretUrl> {
        None
    }
    /// How it keeps the messages of a job together.
    fn threads(&self) -> Threads {
        Threads::None
    }
    /// The mail server it hands its mails to, if it does.
    fn mail_server(&self) -> Option<MailServer> {
        None
    }
    /// Every secret among the kind's own settings.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
    /// Of these, what by itself lets somebody in: it does not belong into a file that others read.
    fn credentials(&self) -> Vec<String> {
        self.secrets()
    }
    /// Why a setting that was given has no effect beside the others, if so.
    fn no_effect(&self, key: &str, given: Given<'_>) -> Option<String> {
        let _ = (key, given);
        None
    }
    /// Whether the kind can call somebody at all; those that cannot skip every mention.
    fn mentions(&self) -> bool {
        false
    }
    /// Whether the kind can make a mention of this.
    ///
    /// # Errors
    /// A sentence that says what is accepted.
    fn check_mention(&self, mention: &str) -> Result<(), String> {
        let _ = mention;
        Ok(())
    }
}

/// A named place messages go.
#[derive(Debug)]
pub struct Receiver {
    /// As in routes.yaml.
    pub name: Arc<str>,
    /// `slack`, `webhook`, …
    pub kind_name: &'static str,
    /// The service's form, with the kind's own settings.
    pub kind: Box<dyn Kind>,
    /// The settings every kind has.
    pub common: Common,
    /// Its layer of the message.
    pub message: MessageRef,
    /// Replaces the kind's own form.
    pub body: Option<Body>,
    /// Changes when any resolved setting changes: a blocked lane tries again at once.
    pub fingerprint: u64,
}

/// A `message` setting.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum MessageRef {
    /// There is none.
    #[default]
    None,
    /// Written at the receiver.
    Inline(Definition),
    /// A name under `messages:`, checked by config.
    Named(String),
}

impl Receiver {
    /// What to send for `call`.
    ///
    /// # Errors
    /// When nothing can be sent.
    pub fn request(&self, call: &Call<'_>) -> Result<Sent, Unsendable> {
        self.kind.request(call, self)
    }

    /// What people see of `call`, as far as text can show it.
    #[must_use]
    pub fn reading(&self, call: &Call<'_>) -> String {
        let own_form = self.body.is_none() || call.plain;
        let reading = if own_form { self.kind.reading(call) } else { None };
        reading.unwrap_or_else(|| plain::text(call.message, &mut Vec::new()))
    }

    /// What the outcome of an attempt means.
    #[must_use]
    pub fn judge(&self, outcome: &Result<Answer, Failure>) -> Judgement {
        match outcome {
            Ok(answer) => self.kind.judge(answer),
            Err(failure) => {
                let judged = Judgement::of_failure(failure);
                match self.kind.advise(failure) {
                    Some(advice) => judged.advise(advice),
                    None => judged,
                }
            }
        }
    }

    /// Whether what it sends depends on the message at all: a machine's fixed form needs none composed, and does not care if its
    /// templates fail. Where it does, a machine must not be sent a message whose templates failed.
    #[must_use]
    pub fn uses_message(&self) -> bool {
        self.kind.audience() == Audience::People || self.body.as_ref().is_some_and(Body::uses_message)
    }

    /// Every secret of the resolved settings, to be kept out of whatever is written or shown; of a URL the whole, and its path with query;
    /// of the headers those whose names say so, since others hold plain words (`X-Team: data`).
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = self.kind.secrets();
        secrets.extend(self.secret_headers());
        secrets.extend(self.common.proxy.iter().flat_map(SecretUrl::secrets));
        // Shorter ones hide nothing and would garble every text.
        secrets.retain(|secret| secret.len() >= 4);
        secrets.sort_unstable();
        secrets.dedup();
        secrets
    }

    /// Of the secrets, those that by themselves let somebody in.
    #[must_use]
    pub fn credentials(&self) -> Vec<String> {
        let mut credentials = self.kind.credentials();
        credentials.extend(self.secret_headers());
        credentials.extend(self.common.proxy.iter().flat_map(SecretUrl::credentials));
        credentials
    }

    fn secret_headers(&self) -> impl Iterator<Item = String> {
        let headers = self.common.headers.iter().filter(|(name, _)| names_a_secret(name));
        headers.map(|(_, value)| value.expose().to_owned())
    }

    /// The receiver's own `body` for `call`, if it has one.
    pub(super) fn own_body(&self, call: &Call<'_>) -> Option<Result<RenderedBody, RenderError>> {
        let Markup { escape, .. } = self.kind.markup();
        let body = self.body.as_ref()?;
        Some(body.render(call.engine, &self.scope(call), call.message, &self.body_text(call), escape))
    }

    /// Tries the receiver's own `body`, if it has one, without sending it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn try_body(&self, call: &Call<'_>) -> Result<(), BodyFault> {
        let (Some(body), Some(rendered)) = (&self.body, self.own_body(call)) else { return Ok(()) };
        if let Ok(rendered) = rendered {
            return self.kind.check_body(&rendered).map_err(BodyFault::Form);
        }
        let Markup { escape, .. } = self.kind.markup();
        let text = self.body_text(call);
        Err(BodyFault::Templates(body.failures(call.engine, &self.scope(call), call.message, &text, escape)))
    }

    fn body_text(&self, call: &Call<'_>) -> String {
        // Where no text is asked for, none needs to be marked up.
        if self.uses_message() { (self.kind.markup().text)(call.message) } else { String::new() }
    }

    fn scope(&self, call: &Call<'_>) -> Scope {
        Scope {
            event: call.event.clone(),
            route: call.route.clone(),
            receiver: self.name.clone(),
            delivery: call.delivery,
        }
    }

    /// For people: the receiver's own `body` or else the kind's `form`. A body that fails is not sent; the form says so. After a
    /// refusal (`call.plain`) the body is what was refused.
    pub(super) fn for_people(
        &self,
        call: &Call<'_>,
        to: To<'_>,
        form: impl FnOnce(&Message, &mut Vec<String>) -> Payload,
    ) -> Sent {
        self.for_people_with(call, to, form, |_| {})
    }

    /// The same; `complete` adds to the receiver's own `body` what the service must be told besides.
    pub(super) fn for_people_with(
        &self,
        call: &Call<'_>,
        to: To<'_>,
        form: impl FnOnce(&Message, &mut Vec<String>) -> Payload,
        complete: impl FnOnce(&mut serde_json::Value),
    ) -> Sent {
        let mut notes = Vec::new();
        let own = if call.plain { None } else { self.own_body(call) };
        let payload = match own {
            Some(Ok(mut body)) => {
                if let RenderedBody::Json(json) = &mut body {
                    complete(json);
                }
                body.into()
            }
            Some(Err(RenderError(why))) => {
                notes.push(format!("`body` failed, the usual form was sent instead: {why}"));
                let mut message = call.message.clone();
                message
                    .notices
                    .push(format!("This is the usual form, because the `body` in routes.yaml failed: {why}."));
                form(&message, &mut notes)
            }
            None => form(call.message, &mut notes),
        };
        let request = Request::new(self, call.delivery, to.method, to.url, Some(payload), to.headers);
        Sent { outgoing: Outgoing::Http(request), notes }
    }
}
