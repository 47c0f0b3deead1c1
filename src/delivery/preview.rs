//! What is sent, to be looked at: the same request, with nothing in it that must not be shown.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Prepared;
use crate::config::Redactor;
use crate::receiver::{Outgoing, Receiver, Request, Unsendable};

/// A message before it is sent; secrets redacted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preview {
    /// What its reader sees. Absent for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What is sent. Absent for kinds that send nothing anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestView>,
    /// Cuts, fallbacks, and mentions that the kind cannot make.
    pub notes: Vec<String>,
}

/// An HTTP request, as it goes out but for its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestView {
    /// Upper case.
    pub method: String,
    /// Scheme and host: services put their keys into paths and queries.
    pub url: String,
    /// By name; `***` where a value may be a key.
    pub headers: BTreeMap<String, String>,
    /// Absent where the method sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyView>,
}

/// A body, so that its bytes can be told exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyView {
    /// The bytes are this, written without spaces.
    Json(Value),
    /// UTF-8, and no such JSON.
    Text(String),
    /// Anything else.
    Base64(String),
}

impl Preview {
    /// What `prepared` shows of itself.
    #[must_use]
    pub fn of(prepared: &Prepared, receiver: &Receiver, redactor: &Redactor) -> Preview {
        let hidden = |text: &str| redactor.redact(text).into_owned();
        let request = match &prepared.outgoing {
            Outgoing::Http(request) => Some(RequestView::of(request, receiver, redactor)),
            Outgoing::Mail(_) | Outgoing::Console(_) | Outgoing::Inbox(_) => None,
        };
        let unmentioned = prepared
            .unmentioned
            .iter()
            .map(|mention| format!("the mention {mention:?} is left out: {} has no mentions", receiver.kind_name));
        Preview {
            text: prepared.copy.as_deref().map(hidden),
            request,
            notes: prepared.notes.iter().cloned().chain(unmentioned).map(|note| hidden(&note)).collect(),
        }
    }

    /// What there is to see of it, or why nothing can be sent; redacted as well.
    ///
    /// # Errors
    /// Nothing can be sent.
    pub fn of_result(
        prepared: Result<Prepared, Unsendable>,
        receiver: &Receiver,
        redactor: &Redactor,
    ) -> Result<Preview, String> {
        prepared
            .map(|prepared| Preview::of(&prepared, receiver, redactor))
            .map_err(|Unsendable(why)| redactor.redact(&why).into_owned())
    }

    /// What its reader sees; of a machine, the body it gets.
    #[must_use]
    pub fn reading(&self) -> String {
        let body = || self.request.as_ref().and_then(|request| request.body.as_ref()).map(BodyView::text);
        self.text.clone().or_else(body).unwrap_or_default()
    }
}

impl RequestView {
    fn of(request: &Request, receiver: &Receiver, redactor: &Redactor) -> RequestView {
        // Also those that are too short for the redactor, which looks for them in any text.
        let own = |name: &str| receiver.common.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
        let headers = request.headers.iter().map(|(name, value)| {
            let secret = own(name) || name.eq_ignore_ascii_case("authorization");
            (name.to_string(), if secret { "***".to_owned() } else { redactor.redact(value).into_owned() })
        });
        RequestView {
            method: request.method.to_owned(),
            url: request.url.to_string(),
            headers: headers.collect(),
            body: (!request.body.is_empty()).then(|| BodyView::of(&request.body, redactor)),
        }
    }
}

impl BodyView {
    fn of(body: &[u8], redactor: &Redactor) -> BodyView {
        let Ok(text) = std::str::from_utf8(body) else { return BodyView::Base64(STANDARD.encode(body)) };
        let text = redactor.redact(text);
        match serde_json::from_str::<Value>(&text) {
            Ok(json) if json.to_string() == text => BodyView::Json(json),
            _ => BodyView::Text(text.into_owned()),
        }
    }

    /// As it is sent.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            BodyView::Json(json) => json.to_string(),
            BodyView::Text(text) | BodyView::Base64(text) => text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::load_without_secrets;
    use crate::delivery::{Subject, prepare};
    use crate::event::DeliveryId;
    use crate::message::testing::{event_of, failed_job};

    fn preview(receiver: &str) -> Preview {
        let file = "
receivers:
  inbox: { kind: inbox, message: { mention: here } }
  mail: { kind: smtp, host: mail.example.com, from: Alerts <alerts@example.com>, to: [data@example.com, Ops <ops@example.com>], cc: boss@example.com, reply_to: help@example.com }
  gateway: { kind: sendgrid, api_key: some-key, from: alerts@example.com, to: data@example.com }
  machine:
    kind: webhook
    url: https://x.example/hooks/T0-secret-path
    auth: { bearer: s3cr3t-token }
    headers: { X-Short: abc }
    body: { token: 's3cr3t-token', job: '{{ job }}' }
routes:
  - { name: all, to: [inbox, mail, gateway, machine] }
";
        let (config, problems) = load_without_secrets(file);
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        let event = std::sync::Arc::new(event_of(Some(failed_job())));
        let now = event.received.received_at;
        let subject = Subject { id: DeliveryId(1 << 50), event, route: "all".into(), closes: None, earlier: None };
        let receiver = &config.receivers[receiver];
        let prepared = prepare(&config, receiver, None, &subject, None, now, false).unwrap();
        Preview::of(&prepared, receiver, &config.redactor)
    }

    #[test]
    fn why_nothing_can_be_sent_tells_no_secret() {
        let file = "receivers: { a: { kind: webhook, url: https://x.example/, auth: { bearer: s3cr3t-token } } }\nroutes: [{ name: x, to: a }]\n";
        let (config, problems) = load_without_secrets(file);
        let config = config.unwrap_or_else(|| panic!("{problems:?}"));
        let why = Unsendable("`s3cr3t-token` is no number".to_owned());
        let told = Preview::of_result(Err(why), &config.receivers["a"], &config.redactor);
        assert_eq!(told, Err("`***` is no number".to_owned()));
    }

    #[test]
    fn a_request_without_its_secrets() {
        let shown = serde_json::to_string_pretty(&preview("machine")).unwrap();
        insta::assert_snapshot!(shown.replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r#"
        {
          "request": {
            "method": "POST",
            "url": "https://x.example/…",
            "headers": {
              "Authorization": "***",
              "Content-Type": "application/json",
              "Idempotency-Key": "dlv_0010000000000-a5945d11",
              "User-Agent": "jobrelay/VERSION",
              "X-Short": "***"
            },
            "body": {
              "json": {
                "token": "***",
                "job": "job_1"
              }
            }
          },
          "notes": []
        }
        "#);
    }

    #[test]
    fn a_reader_sees_text_and_hears_of_mentions_left_out() {
        let preview = preview("inbox");
        assert_eq!(preview.request, None);
        assert!(preview.reading().contains("Customers"));
        assert_eq!(preview.notes, [r#"the mention "here" is left out: inbox has no mentions"#]);
    }

    #[test]
    fn a_mail_shows_its_head_and_says_that_there_is_html() {
        let shown = preview("mail").reading().replace("-- \n", "--\n");
        insta::assert_snapshot!(shown, @r#"
        From: Alerts <alerts@example.com>
        To: data@example.com, Ops <ops@example.com>
        Cc: boss@example.com
        Reply-To: help@example.com
        Subject: Update data product failed: Customers
        Parts: plain text, as below, and the same in HTML

        Planning failed: Bad plan.

        What to do: check the data product's configuration and sources, then update it again.

        Job: job_1
        Ran for: 1h 30m
        Queued: 5m
        Reason: PLANNING_FAILED
        Tenant: acme.tamr.cloud

        --
        route "all"
        "#);
        let gateway = preview("gateway");
        assert!(gateway.reading().starts_with("From: alerts@example.com\nTo: data@example.com\nSubject: Update data"));
        assert!(gateway.request.is_some());
    }

    proptest! {
        #[test]
        fn a_body_tells_its_bytes(bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "[ {}\\[\\]\",:a0-9.eE-]{0,12}".prop_map(String::into_bytes),
        ]) {
            let shown = BodyView::of(&bytes, &Redactor::default());
            let told = match &shown {
                BodyView::Base64(text) => STANDARD.decode(text).unwrap(),
                other => other.text().into_bytes(),
            };
            prop_assert_eq!(told, bytes);
        }
    }
}
