//! The webhook: job events come in here. The hot path; 200 is said only when everything is durable.

use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use tracing::warn;

use super::counters::Cause;
use super::problems::{Problem, Sort};
use super::types::IngestAnswer;
use super::{Admitted, Intake, auth, body};
use crate::event::{self, Form, Received, Unreadable};

/// Where the vendor's reference page says events go.
pub const WEBHOOK: &str = "/webhooks/v1alpha1/jobEvents";

/// What an unreadable batch says in its answer: so many of its items, then how many more.
const NAMED_ITEMS: usize = 5;

/// So many unreadable items of a batch are kept each by itself; of more, the batch is kept whole, once. 1 MiB has room for half a
/// million of them, and each would cost the store a write.
const ITEMS_KEPT: usize = 100;

/// The media type of a batch.
const BATCH: &str = "application/cloudevents-batch+json";

/// The paths events may be posted to: admins type the URL by hand.
pub fn routes(config: &mut web::ServiceConfig) {
    for path in [WEBHOOK, "/webhooks", "/webhooks/{tail:.*}"] {
        config.service(web::resource(path).route(web::post().to(ingest)).default_service(web::to(wrong_method)));
    }
    config.service(
        web::resource("/")
            .route(web::post().to(ingest))
            .route(web::get().to(welcome))
            .route(web::head().to(welcome))
            .default_service(web::to(wrong_method)),
    );
}

async fn ingest(
    request: HttpRequest,
    mut payload: web::Payload,
    intake: web::Data<Intake>,
) -> Result<HttpResponse, Problem> {
    if let Err((cause, problem)) = auth::check_webhook(&intake.door, &request) {
        return Err(refused(&intake, &request, cause, problem));
    }
    // Only after the credentials: nobody else fills the memory.
    let (bytes, _until_answered) = match body::read(&request, &mut payload, &intake.room).await {
        Ok(body) => body,
        Err((cause, problem)) => return Err(refused(&intake, &request, cause, problem)),
    };
    let headers = request.headers();
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let now = Timestamp::now();
    let items = event::split(content_type, attributes(headers), bytes.clone(), now);
    let whole = || {
        let form = Form { content_type: content_type.to_owned(), attributes: Vec::new() };
        Received { form, body: bytes, received_at: now }
    };
    match items {
        Ok(items) => answer(&intake, items, whole).await,
        Err(why) => {
            let problem = unreadable(std::slice::from_ref(&why.message), 1);
            intake.corridor.quarantine(whole(), why).await?;
            Err(problem)
        }
    }
}

/// Admits the items, quarantines what cannot be read, and says how it went. If anything could not be kept, the whole request
/// is answered 503: what was kept is a duplicate when it comes again.
async fn answer(
    intake: &Intake,
    items: Vec<Received>,
    whole: impl FnOnce() -> Received,
) -> Result<HttpResponse, Problem> {
    let count = items.len();
    let mut answer = IngestAnswer { accepted: 0, duplicates: 0, quarantined: 0, ids: Vec::with_capacity(count) };
    let (mut reasons, mut kept) = (Vec::new(), Vec::new());
    for (place, admitted) in intake.corridor.admit(items).await?.into_iter().enumerate() {
        match admitted {
            Admitted::Accepted(accepted) => {
                if accepted.duplicate {
                    answer.duplicates += 1;
                } else {
                    answer.accepted += 1;
                }
                answer.ids.push(accepted.id);
            }
            Admitted::Unreadable(received, why) => {
                answer.quarantined += 1;
                if reasons.len() < NAMED_ITEMS {
                    reasons.push(if count == 1 { why.message.clone() } else { format!("item {}: {why}", place + 1) });
                }
                if kept.len() <= ITEMS_KEPT {
                    kept.push((received, why));
                }
            }
        }
    }
    if kept.len() > ITEMS_KEPT {
        let message =
            format!("{} of the {count} items of a batch cannot be read: {}", answer.quarantined, reasons.join("; "));
        let mut batch = whole();
        // Whatever it was called: read again, it is cut again.
        BATCH.clone_into(&mut batch.form.content_type);
        kept = vec![(batch, Unreadable { message })];
    }
    for (received, why) in kept {
        intake.corridor.quarantine(received, why).await?;
    }
    if answer.quarantined > 0 && answer.quarantined == count {
        return Err(unreadable(&reasons, count));
    }
    Ok(HttpResponse::Ok().json(answer))
}

fn unreadable(reasons: &[String], count: usize) -> Problem {
    let more = match count - reasons.len() {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let detail = format!(
        "{}{more}. It is kept in the quarantine. Expected: a CloudEvent (structured, batched or binary) or a job event, as JSON.",
        reasons.join("; ").trim_end_matches('.')
    );
    Problem::new(Sort::Unreadable, detail)
}

/// The `ce-*` headers of the binary form, without the prefix; their values as they came: the event reader decodes them, and
/// `format: raw` forwards them. No allocation if there are none.
fn attributes(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("ce-")?;
            Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        })
        .collect()
}

/// Counts and logs a refusal, cure included.
fn refused(intake: &Intake, request: &HttpRequest, cause: Cause, problem: Problem) -> Problem {
    intake.corridor.counters.refuse(cause);
    let peer = request.peer_addr().map(|address| address.ip());
    warn!(path = request.path(), peer = peer.map(tracing::field::display), "refused an event: {problem}");
    problem
}

async fn wrong_method(request: HttpRequest, intake: web::Data<Intake>) -> Problem {
    let allow = if request.path() == "/" { "GET, HEAD, POST" } else { "POST" };
    let detail =
        format!("This address takes job events by POST, not by {}. Set the sender's method to POST.", request.method());
    refused(&intake, &request, Cause::Method, Problem::new(Sort::Method, detail).with(header::ALLOW, allow))
}

/// Any other address. A POST that ends here is an event lost, so it is logged and counted with its cure.
pub async fn nowhere(request: HttpRequest, intake: web::Data<Intake>) -> Problem {
    let problem = Problem::not_found(format!(
        "Nothing is here. Job events go to {WEBHOOK} (or any path under /webhooks/, or /) by POST."
    ));
    if request.method() == actix_web::http::Method::POST {
        return refused(&intake, &request, Cause::Address, problem);
    }
    problem
}

async fn welcome() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(format!(
        "This is jobrelay {}: it takes job events and sends messages about them, as its routes.yaml says.\n\n\
         Events go here:     POST {WEBHOOK}\n\
         Is it alive, ready? GET /healthz, GET /readyz\n\
         For programs:       /api/v1 (with the admin token), or the command `jobrelay`\n\
         A message's link:   `jobrelay deliveries ID`, with the ID at its end, shows that delivery\n",
        env!("CARGO_PKG_VERSION")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::{HeaderName, HeaderValue};

    #[test]
    fn only_ce_headers_are_attributes() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("CE-Id", "%2541"), ("ce-type", "t"), ("content-type", "application/json"), ("cee", "x")]
        {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static(value));
        }
        let mut found = attributes(&headers);
        found.sort();
        assert_eq!(found, [("id".to_owned(), "%2541".to_owned()), ("type".to_owned(), "t".to_owned())]);
    }

    #[test]
    fn an_unreadable_batch_names_its_first_items() {
        let reasons: Vec<String> = (1..=5).map(|n| format!("item {n}: no job")).collect();
        let problem = unreadable(&reasons, 7);
        assert!(problem.detail().starts_with("item 1: no job; item 2: no job;"), "{problem}");
        assert!(problem.detail().contains("item 5: no job; and 2 more. It is kept"), "{problem}");
        assert!(
            unreadable(&["line 1, column 3: not JSON.".into()], 1)
                .detail()
                .starts_with("line 1, column 3: not JSON. It is kept")
        );
    }
}
