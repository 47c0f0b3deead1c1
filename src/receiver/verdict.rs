//! What an answer means: one of four verdicts, by its status unless the kind knows better.

use std::time::Duration;

use super::{Answer, Failure};

/// One of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Done.
    Delivered,
    /// Try again.
    Later,
    /// This message will never be taken.
    Refused,
    /// No message will be taken until someone changes something.
    Blocked,
}

/// Why an attempt failed: the small set used by metrics, API and lists alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Key or permission.
    Auth,
    /// Too much at once.
    RateLimited,
    /// Any other answer that blames the request.
    Client,
    /// The service is in trouble.
    Server,
    /// No answer in time.
    Timeout,
    /// The host has no address.
    Dns,
    /// Certificate or handshake.
    Tls,
    /// No connection, or a broken one.
    Connect,
    /// The message's form was refused.
    Form,
    /// The message could not be rendered, or put into a request: nothing was sent.
    Template,
}

impl Reason {
    /// Every one, in the order of their codes in the store; a new one comes last.
    pub const ALL: [Reason; 10] = [
        Reason::Auth,
        Reason::RateLimited,
        Reason::Client,
        Reason::Server,
        Reason::Timeout,
        Reason::Dns,
        Reason::Tls,
        Reason::Connect,
        Reason::Form,
        Reason::Template,
    ];

    /// As it is written everywhere: `rate_limited`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Auth => "auth",
            Reason::RateLimited => "rate_limited",
            Reason::Client => "client",
            Reason::Server => "server",
            Reason::Timeout => "timeout",
            Reason::Dns => "dns",
            Reason::Tls => "tls",
            Reason::Connect => "connect",
            Reason::Form => "form",
            Reason::Template => "template",
        }
    }
}

impl std::str::FromStr for Reason {
    type Err = String;

    /// Reads [`Reason::as_str`], without case.
    fn from_str(text: &str) -> Result<Reason, String> {
        Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("{text:?} is none of {}", Reason::ALL.map(Reason::as_str).join(", ")))
    }
}

/// A verdict with its why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// What it means for the delivery.
    pub verdict: Verdict,
    /// `None` when delivered.
    pub reason: Option<Reason>,
    /// In the service's words: `403 invalid_token`.
    pub detail: String,
    /// What to do: `the webhook was revoked; make a new one at …`.
    pub advice: Option<String>,
    /// The whole lane waits this long (at most 1 h).
    pub lane_waits: Option<Duration>,
    /// The message was refused for its form: try the plain one.
    pub bad_form: bool,
    /// What later messages of the same thread answer to, in the service's words (a timestamp, an event's ID).
    pub reference: Option<String>,
}

impl Judgement {
    /// Delivered, in the words of the answer.
    #[must_use]
    pub fn delivered(answer: &Answer) -> Judgement {
        Judgement {
            verdict: Verdict::Delivered,
            reason: None,
            detail: answer.summary(),
            advice: None,
            lane_waits: None,
            bad_form: false,
            reference: None,
        }
    }

    /// Anything but delivered.
    #[must_use]
    pub fn not_delivered(verdict: Verdict, reason: Reason, detail: String) -> Judgement {
        Judgement {
            verdict,
            reason: Some(reason),
            detail,
            advice: None,
            lane_waits: None,
            bad_form: false,
            reference: None,
        }
    }

    /// With what to do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Judgement {
        self.advice = Some(advice.into());
        self
    }

    /// What an answer means where a kind knows nothing better.
    #[must_use]
    pub fn of_status(answer: &Answer) -> Judgement {
        use {Reason as R, Verdict as V};
        let (verdict, reason, advice) = match answer.status {
            200..=299 => return Judgement::delivered(answer),
            300..=399 => (
                V::Blocked,
                R::Client,
                Some("the address has moved and redirects are not followed: put the new one into routes.yaml"),
            ),
            401 | 403 => (V::Blocked, R::Auth, Some("the credentials were refused: put new ones into routes.yaml")),
            402 => (V::Blocked, R::Client, Some("the service wants to be paid: check the account")),
            404 | 410 => {
                (V::Blocked, R::Client, Some("there is nothing at this address any more: check it in routes.yaml"))
            }
            405 => (
                V::Blocked,
                R::Client,
                Some("the address does not take this method: check the address, and `method` if there is one"),
            ),
            407 => (V::Blocked, R::Auth, Some("the proxy refused its credentials: check `proxy`")),
            451 => (V::Blocked, R::Client, Some("the address is barred for legal reasons: use another")),
            408 => (V::Later, R::Timeout, None),
            429 => (V::Later, R::RateLimited, None),
            425 | 500..=599 => (V::Later, R::Server, None),
            413 => (V::Refused, R::Client, Some("the message is too big for this service: shorten it and replay it")),
            400..=499 => (
                V::Refused,
                R::Client,
                Some("this message was refused: mend it or the receiver's settings, then replay it"),
            ),
            _ => (V::Later, R::Server, None),
        };
        let lane_waits = answer.retry_after.filter(|_| verdict == V::Later);
        Judgement {
            advice: advice.map(str::to_owned),
            lane_waits,
            ..Judgement::not_delivered(verdict, reason, answer.summary())
        }
    }

    /// What the lack of an answer means.
    #[must_use]
    pub fn of_failure(failure: &Failure) -> Judgement {
        let (verdict, reason) = match failure {
            Failure::Timeout(_) => (Verdict::Later, Reason::Timeout),
            Failure::Dns(_) => (Verdict::Later, Reason::Dns),
            Failure::Tls(_) => (Verdict::Later, Reason::Tls),
            Failure::Connect(_) | Failure::Interrupted(_) => (Verdict::Later, Reason::Connect),
            Failure::Malformed(_) => (Verdict::Refused, Reason::Template),
            Failure::ForbiddenAddress(_) => (Verdict::Blocked, Reason::Connect),
        };
        let advice = match failure {
            Failure::ForbiddenAddress(_) => Some("this address is never called: put another into routes.yaml"),
            Failure::Dns(_) => Some("check the host name in routes.yaml"),
            Failure::Tls(_) => Some("check the certificate of the service; a private authority goes into `tls.ca`"),
            _ => None,
        };
        Judgement {
            advice: advice.map(str::to_owned),
            ..Judgement::not_delivered(verdict, reason, failure.to_string())
        }
    }
}
