//! Refusals as RFC 9457 problem details, each with its cure.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};

use super::types::ProblemDetails;
use crate::store::StoreError;

/// The sorts of problems there are; each has one status, one title and one stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    Method,
    Timeout,
    Conflict,
    TooLarge,
    Encoding,
    Unreadable,
    RoutesRefused,
    Internal,
    Unavailable,
}

impl Sort {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Sort::BadRequest => {
                (StatusCode::BAD_REQUEST, "/problems/bad-request", "The request makes no sense as it is")
            }
            Sort::Unauthorized => {
                (StatusCode::UNAUTHORIZED, "/problems/unauthorized", "The credentials are not the expected ones")
            }
            Sort::Forbidden => {
                (StatusCode::FORBIDDEN, "/problems/forbidden", "Only requests from this machine are answered")
            }
            Sort::NotFound => (StatusCode::NOT_FOUND, "/problems/not-found", "There is no such thing here"),
            Sort::Method => (StatusCode::METHOD_NOT_ALLOWED, "/problems/method", "This address takes another method"),
            Sort::Timeout => (StatusCode::REQUEST_TIMEOUT, "/problems/timeout", "The body did not arrive in time"),
            Sort::Conflict => (StatusCode::CONFLICT, "/problems/conflict", "That cannot be done in the present state"),
            Sort::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "/problems/too-large", "The body is too large"),
            Sort::Encoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "/problems/content-encoding", "Compressed bodies are not read")
            }
            Sort::Unreadable => {
                (StatusCode::UNPROCESSABLE_ENTITY, "/problems/unreadable", "This cannot be read as an event")
            }
            Sort::RoutesRefused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "/problems/routes-refused",
                "The routes.yaml on disk cannot be used; the one before goes on",
            ),
            Sort::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "/problems/internal", "The relay could not do it"),
            Sort::Unavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "/problems/unavailable", "The relay cannot take this now")
            }
        }
    }
}

/// A refusal, ready to be answered.
#[derive(Debug)]
pub struct Problem {
    sort: Sort,
    detail: String,
    header: Option<(HeaderName, String)>,
}

impl Problem {
    /// A problem of this sort; `detail` says what was wrong and how to mend it.
    pub fn new(sort: Sort, detail: impl Into<String>) -> Problem {
        Problem { sort, detail: detail.into(), header: None }
    }

    /// With a header that tells a program what a person reads in the detail.
    pub fn with(mut self, name: HeaderName, value: impl Into<String>) -> Problem {
        self.header = Some((name, value.into()));
        self
    }

    /// 400.
    pub fn bad(detail: impl Into<String>) -> Problem {
        Problem::new(Sort::BadRequest, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(Sort::NotFound, detail)
    }

    /// 503: try again in `seconds`.
    pub fn later(seconds: u32, detail: impl Into<String>) -> Problem {
        Problem::new(Sort::Unavailable, detail).with(header::RETRY_AFTER, seconds.to_string())
    }

    /// What was wrong and how to mend it.
    #[cfg(test)]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status_code().as_u16(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.sort.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, kind, title) = self.sort.parts();
        let mut response = HttpResponse::build(status);
        if let Some((name, value)) = &self.header
            && let Ok(value) = HeaderValue::from_str(value)
        {
            response.insert_header((name.clone(), value));
        }
        let details = ProblemDetails {
            kind: kind.to_owned(),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
        };
        let body = serde_json::to_vec(&details).expect("strings and a number always serialise");
        response.content_type("application/problem+json").body(body)
    }
}

impl Responder for Problem {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}

/// How long a sender should wait, in seconds: a queue drains at once, a full disk does not.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::Busy => {
                Problem::later(1, "More arrives than can be written. Nothing of this request was kept: send it again.")
            }
            StoreError::Closed => {
                Problem::later(2, "The relay is stopping. Nothing of this request was kept: send it again.")
            }
            StoreError::Unwritable(_) => {
                Problem::later(10, format!("Nothing of this request was kept: {error}. Send it again."))
            }
            StoreError::Unreadable(_)
            | StoreError::EventUnreadable { .. }
            | StoreError::InUse { .. }
            | StoreError::Newer { .. } => Problem::new(Sort::Internal, error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;

    #[actix_web::test]
    async fn a_problem_is_json_that_programs_and_people_can_read() {
        let response = Problem::later(10, "the disk is full").error_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers().get("retry-after").unwrap(), "10");
        assert_eq!(response.headers().get("content-type").unwrap(), "application/problem+json");
        let body = to_bytes(response.into_body()).await.unwrap();
        assert_eq!(
            body,
            r#"{"type":"/problems/unavailable","title":"The relay cannot take this now","status":503,"detail":"the disk is full"}"#
        );
    }

    #[test]
    fn what_the_store_cannot_do_is_for_the_sender_to_repeat() {
        let cases = [
            (StoreError::Busy, 503, Some("1")),
            (StoreError::Closed, 503, Some("2")),
            (StoreError::Unwritable("disk full".into()), 503, Some("10")),
            (StoreError::Unreadable("broken page".into()), 500, None),
        ];
        for (error, status, retry_after) in cases {
            let text = error.to_string();
            let response = Problem::from(error).error_response();
            assert_eq!(response.status(), status, "{text}");
            assert_eq!(response.headers().get("retry-after").map(|v| v.to_str().unwrap()), retry_after, "{text}");
        }
    }
}
