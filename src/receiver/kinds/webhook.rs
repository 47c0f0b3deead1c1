//! The `webhook` kind: any HTTP endpoint. It drives a machine, so it gets exactly its body or nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::event::{DeliveryId, Event, FlatEvent, flat};
use crate::message::RenderError;
use crate::receiver::from_text::read_from_text;
use crate::receiver::kind::{Entry, Given};
use crate::receiver::one_or_many::OneOrMany;
use crate::receiver::request::Payload;
use crate::receiver::sign::{self, SigningSecret};
use crate::receiver::{
    Answer, Audience, Call, Header, Judgement, Kind, Outgoing, Reason, Receiver, Request, Secret, SecretUrl, Sent,
    Unsendable, Verdict,
};
use crate::yaml::{self, read};

/// Bytes that the flat form of most events fits into.
const USUAL: usize = 1_024;

pub(super) const ENTRY: Entry = Entry {
    name: "webhook",
    http: true,
    rate: None,
    recovered: false,
    obtain: "From whoever runs the endpoint",
    example: "{ kind: webhook, url: \"${WEBHOOK_URL}\" }",
    schema: || schemars::schema_for!(Webhook),
    read: |node, problems| Some(Box::new(read::<Webhook>(node, problems)?)),
};

/// Any HTTP endpoint: the event as one flat JSON object, or a `body` of your own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    /// Where requests go.
    url: SecretUrl,
    /// The HTTP method (`POST`); `GET` sends no body.
    #[serde(default)]
    method: Method,
    /// How the relay shows who it is.
    auth: Option<Auth>,
    /// One or several secrets (`whsec_…`) to sign with, as Standard Webhooks says.
    sign: Option<OneOrMany<SigningSecret>>,
    /// Statuses that count as delivered, as codes or classes (`[2xx]`).
    success: Option<OneOrMany<Success>>,
    /// What is sent instead of the event as one flat JSON object.
    format: Option<Format>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(transform = in_small_letters_too)]
enum Method {
    #[serde(alias = "get")]
    Get,
    #[default]
    #[serde(alias = "post")]
    Post,
    #[serde(alias = "put")]
    Put,
    #[serde(alias = "patch")]
    Patch,
    #[serde(alias = "delete")]
    Delete,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Auth {
    /// `user:password`.
    Basic(Credentials),
    /// A token.
    Bearer(Token),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// The received body, byte for byte.
    Raw,
    /// A structured `CloudEvent`.
    Cloudevents,
}

/// The aliases are read, but not offered.
fn in_small_letters_too(schema: &mut Schema) {
    let names = schema.clone().to_value();
    let all = names["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let small = all.map(str::to_lowercase).collect::<Vec<_>>().join("|");
    *schema = json_schema!({"anyOf": [names, {"type": "string", "pattern": format!("^({small})$"), "patternErrorMessage": "This is no method."}]});
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

impl Kind for Webhook {
    fn audience(&self) -> Audience {
        Audience::Machine
    }

    fn request(&self, call: &Call<'_>, receiver: &Receiver) -> Result<Sent, Unsendable> {
        let mut headers: Vec<_> = self.auth.iter().map(|auth| ("Authorization".into(), auth.header().into())).collect();
        let payload =
            if self.method == Method::Get { None } else { Some(self.payload(call, receiver, &mut headers)?) };
        if let (Some(OneOrMany(secrets)), Some(payload)) = (&self.sign, &payload) {
            headers.extend(sign::headers(secrets, call.delivery, call.now, &payload.body));
        }
        let request = Request::new(receiver, call.delivery, self.method.as_str(), &self.url, payload, headers);
        Ok(Sent { outgoing: Outgoing::Http(request), notes: Vec::new() })
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        let judged = Judgement::of_status(answer);
        let Some(OneOrMany(success)) = &self.success else { return judged };
        if success.iter().any(|success| success.counts(answer.status)) {
            return Judgement::delivered(answer);
        }
        if judged.verdict == Verdict::Delivered {
            return Judgement::not_delivered(Verdict::Refused, Reason::Client, answer.summary())
                .advise(format!("`success` in routes.yaml does not count {} as delivered", answer.status));
        }
        judged
    }

    fn url(&self) -> Option<&SecretUrl> {
        Some(&self.url)
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = self.url.secrets();
        secrets.extend(self.own_secrets());
        secrets
    }

    fn credentials(&self) -> Vec<String> {
        let mut credentials = self.url.credentials();
        credentials.extend(self.own_secrets());
        credentials
    }

    fn no_effect(&self, key: &str, given: Given<'_>) -> Option<String> {
        let is_get = self.method == Method::Get;
        let sets_authorization = || match given.settings.get("headers") {
            Some((_, yaml::Node { value: yaml::Value::Map(headers), .. })) => {
                headers.0.iter().any(|(name, _)| name.text.eq_ignore_ascii_case("authorization"))
            }
            _ => false,
        };
        let why = match key {
            "body" | "format" | "sign" if is_get => "`method: GET` sends no body",
            "format" if given.body.is_some() => "`body` says what is sent",
            "message" if !given.body.is_some_and(crate::message::Body::uses_message) => {
                "a webhook sends no message unless its `body` uses `{{ message.title }}`, `{{ message.text }}` …"
            }
            "auth" if sets_authorization() => "`headers` sets Authorization",
            "auth" if self.url.has_credentials() => "`url` carries credentials",
            "tls" if self.url.expose().scheme() == "http" => "`url` begins with `http://`",
            _ => return None,
        };
        Some(why.to_owned())
    }
}

impl Webhook {
    /// Those beside the URL.
    fn own_secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        match &self.auth {
            Some(auth @ Auth::Basic(Credentials { user, password })) => {
                let header = auth.header();
                secrets.extend([password.expose().to_owned(), format!("{user}:{}", password.expose())]);
                secrets.extend(header.strip_prefix("Basic ").map(str::to_owned));
            }
            Some(Auth::Bearer(Token(token))) => secrets.push(token.expose().to_owned()),
            None => {}
        }
        secrets.extend(self.sign.iter().flat_map(|OneOrMany(sign)| sign).map(|sign| sign.secret().to_owned()));
        secrets
    }

    fn payload(&self, call: &Call<'_>, receiver: &Receiver, headers: &mut Vec<Header>) -> Result<Payload, Unsendable> {
        if let Some(body) = receiver.own_body(call) {
            let failed = |RenderError(why)| {
                Unsendable(format!("the `body` of receiver {} could not be rendered: {why}", receiver.name))
            };
            return body.map(Payload::from).map_err(failed);
        }
        Ok(match self.format {
            Some(Format::Raw) => {
                let came = &call.event.received;
                // In the binary form half of the event is in its headers.
                headers.extend(
                    came.form
                        .attributes
                        .iter()
                        .map(|(name, value)| (format!("ce-{name}").into(), value.clone().into())),
                );
                Payload { content_type: came.form.content_type.clone().into(), body: came.body.clone() }
            }
            Some(Format::Cloudevents) => Payload {
                content_type: "application/cloudevents+json".into(),
                body: cloud_event(call.event).to_string().into(),
            },
            None => {
                let flat = Flat {
                    delivery: call.delivery,
                    route: call.route,
                    receiver: &receiver.name,
                    event: flat(call.event),
                };
                let failed = |error| Unsendable(format!("the event could not be written as JSON: {error}"));
                let mut body = Vec::with_capacity(USUAL);
                serde_json::to_writer(&mut body, &flat).map_err(failed)?;
                Payload { content_type: "application/json".into(), body: body.into() }
            }
        })
    }
}

/// The normalised event, and why it came.
#[derive(Serialize)]
struct Flat<'a> {
    delivery: DeliveryId,
    route: &'a str,
    receiver: &'a str,
    #[serde(flatten)]
    event: FlatEvent<'a>,
}

/// A structured `CloudEvent`, complete even where what came was not one.
fn cloud_event(event: &Event) -> Value {
    const CAMEL: [(&str, &str); 2] = [("specVersion", "specversion"), ("dataContentType", "datacontenttype")];
    let mut envelope = serde_json::Map::new();
    envelope.insert("specversion".into(), "1.0".into());
    envelope.insert("id".into(), event.id.as_str().into());
    envelope.insert("source".into(), if event.source.is_empty() { "/jobrelay" } else { event.source.as_str() }.into());
    envelope.insert("type".into(), if event.event_type.is_empty() { "job" } else { event.event_type.as_str() }.into());
    if let Value::Object(members) = event.envelope() {
        for (name, value) in members {
            let plain = CAMEL.iter().find(|(camel, _)| *camel == name).map(|(_, plain)| (*plain).to_owned());
            envelope.entry(plain.unwrap_or(name)).or_insert(value);
        }
    }
    json!(envelope)
}

impl Auth {
    fn header(&self) -> String {
        match self {
            Auth::Basic(Credentials { user, password }) => {
                format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())))
            }
            Auth::Bearer(Token(token)) => format!("Bearer {}", token.expose()),
        }
    }
}

/// `user:password`.
#[derive(Debug)]
struct Credentials {
    user: String,
    password: Secret,
}

impl Credentials {
    fn parse(text: &str) -> Result<Credentials, String> {
        let (user, password) = text.split_once(':').ok_or("basic credentials are `user:password`")?;
        Ok(Credentials { user: user.to_owned(), password: Secret::new(password) })
    }
}

/// A bearer token.
#[derive(Debug)]
pub(super) struct Token(Secret);

impl Token {
    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }

    /// One that no header can carry would fail at every attempt.
    fn parse(text: &str) -> Result<Token, String> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a bearer token is one word of visible ASCII letters".to_owned());
        }
        Ok(Token(Secret::new(text)))
    }
}

/// A status, or a class of them, that counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Success {
    Code(u16),
    /// Its first digit.
    Class(u16),
}

impl Success {
    fn parse(text: &str) -> Result<Success, String> {
        let wrong = || format!("\"{text}\" is no status; write a code (`409`) or a class (`2xx`)");
        let text = text.trim();
        if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
            return class.parse().ok().filter(|class| (2..=5).contains(class)).map(Success::Class).ok_or_else(wrong);
        }
        text.parse().ok().filter(|code| (200..=599).contains(code)).map(Success::Code).ok_or_else(wrong)
    }

    fn counts(self, status: u16) -> bool {
        match self {
            Success::Code(code) => code == status,
            Success::Class(class) => status / 100 == class,
        }
    }
}

read_from_text! {
    Credentials: {"type": ["string", "integer"]};
    Token: {"type": ["string", "integer"]};
    Success: {"type": ["string", "integer"], "examples": ["2xx"]};
}
