//! The two doors, webhook and API, and who may pass which.

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::http::uri::Authority;
use tracing::warn;

use super::credential::Credential;
use super::guard;
use crate::server::counters::Cause;
use crate::server::problems::{Problem, Sort};

/// Whom one door lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// Nothing was said: this machine only.
    Local,
    /// `none` was said: anyone.
    Anyone,
    /// Whoever shows one of these.
    Holders(Vec<Credential>),
}

/// Who may send events, and who may read and operate the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Door {
    pub(super) webhook: Access,
    pub(super) admin: Access,
}

impl Door {
    /// Reads the values of `--ingest-auth` (several: any one suffices) and `--admin-token`.
    ///
    /// # Errors
    /// A sentence that names the flag and never repeats a secret.
    pub fn parse(ingest_auth: &[String], admin_token: Option<&str>) -> Result<Door, String> {
        let webhook = match ingest_auth {
            [] => Access::Local,
            [only] if only == "none" => Access::Anyone,
            several => {
                let mut holders = Vec::with_capacity(several.len());
                for (index, text) in several.iter().enumerate() {
                    let which = if several.len() == 1 {
                        String::new()
                    } else {
                        format!(" (value {} of {})", index + 1, several.len())
                    };
                    if text == "none" {
                        return Err(format!(
                            "--ingest-auth{which}: `none` lets anyone in, so it cannot stand beside credentials"
                        ));
                    }
                    holders.push(Credential::parse(text).map_err(|why| format!("--ingest-auth{which}: {why}"))?);
                }
                Access::Holders(holders)
            }
        };
        let admin = match admin_token {
            None => Access::Local,
            Some("none") => Access::Anyone,
            Some(token) => {
                Access::Holders(vec![Credential::bearer(token).map_err(|why| format!("--admin-token: {why}"))?])
            }
        };
        Ok(Door { webhook, admin })
    }
}

/// Whether this request may bring events.
///
/// # Errors
/// The refusal, with the cause to count.
pub fn check_webhook(door: &Door, request: &HttpRequest) -> Result<(), (Cause, Problem)> {
    check(&door.webhook, request, "--ingest-auth", "Set it at the sender as the relay printed it at its start.")
}

/// Whether this request may read and operate the relay. Logs refusals.
///
/// # Errors
/// The refusal.
pub fn check_admin(door: &Door, request: &HttpRequest) -> Result<(), Problem> {
    let cure = "Send the admin token as `Authorization: Bearer …` (commands take it from JOBRELAY_ADMIN_TOKEN).";
    check(&door.admin, request, "--admin-token", cure).map_err(|(_, problem)| {
        warn!(path = request.path(), "refused a request to the API: {problem}");
        problem
    })
}

fn check(access: &Access, request: &HttpRequest, flag: &str, cure: &str) -> Result<(), (Cause, Problem)> {
    let headers = request.headers();
    match access {
        Access::Anyone => Ok(()),
        Access::Local => guard::local(headers, request.uri().authority().map(Authority::as_str)).map_err(|why| {
            let detail = format!("No credentials are set, so only programs on this machine are answered, and {why}. Start the relay with {flag}.");
            (Cause::Forbidden, Problem::new(Sort::Forbidden, detail))
        }),
        Access::Holders(holders) => {
            // All are looked at, whichever fits: the time tells nothing.
            let known = holders.iter().fold(false, |known, holder| holder.is_in(headers) | known);
            if known { Ok(()) } else { Err((Cause::Unauthorized, unauthorized(holders, request, cure))) }
        }
    }
}

fn unauthorized(holders: &[Credential], request: &HttpRequest, cure: &str) -> Problem {
    let mut labels: Vec<&str> = holders.iter().map(Credential::label).collect();
    labels.dedup();
    let detail =
        format!("got {}, expected {}. {cure}", Credential::given(holders, request.headers()), labels.join(" or "));
    let problem = Problem::new(Sort::Unauthorized, detail);
    // There is no challenge for a header of one's own choice.
    let challenge = holders.iter().find_map(|holder| match holder {
        Credential::Basic { .. } => Some("Basic realm=\"jobrelay\", charset=\"UTF-8\""),
        Credential::Bearer { .. } => Some("Bearer realm=\"jobrelay\""),
        Credential::Header { .. } => None,
    });
    match challenge {
        Some(challenge) => problem.with(header::WWW_AUTHENTICATE, challenge),
        None => problem,
    }
}

#[cfg(test)]
mod tests {
    use super::super::credential::basic_value;
    use super::*;
    use actix_web::ResponseError;
    use actix_web::test::TestRequest;

    fn door(ingest: &[&str], admin: Option<&str>) -> Door {
        let ingest: Vec<String> = ingest.iter().map(|&text| text.to_owned()).collect();
        Door::parse(&ingest, admin).unwrap()
    }

    fn request(headers: &[(&str, &str)]) -> HttpRequest {
        let mut request = TestRequest::post().uri("/webhooks/v1alpha1/jobEvents");
        for &(name, value) in headers {
            request = request.insert_header((name, value));
        }
        request.to_http_request()
    }

    #[test]
    fn any_of_several_credentials_suffices() {
        let door = door(&["basic:tamr:new", "header:X-API-KEY:old"], None);
        let basic = basic_value("tamr", "new");
        assert!(check_webhook(&door, &request(&[("authorization", &basic)])).is_ok());
        assert!(check_webhook(&door, &request(&[("x-api-key", "old")])).is_ok());
        assert!(check_webhook(&door, &request(&[("x-api-key", "new")])).is_err());
    }

    #[test]
    fn neither_key_opens_the_other_door() {
        let door = door(&["header:X-API-KEY:k"], Some("t"));
        let (key, token) = (request(&[("x-api-key", "k")]), request(&[("authorization", "Bearer t")]));
        assert!(check_webhook(&door, &key).is_ok() && check_admin(&door, &token).is_ok());
        assert!(check_webhook(&door, &token).is_err() && check_admin(&door, &key).is_err());
    }

    #[test]
    fn a_refusal_says_what_came_and_what_was_expected() {
        let given = request(&[("authorization", "Basic c2VjcmV0OnNlY3JldA==")]);
        let (cause, problem) = check_webhook(&door(&["header:X-API-KEY:k"], None), &given).unwrap_err();
        assert_eq!(cause, Cause::Unauthorized);
        assert!(problem.to_string().starts_with("401: got Basic, expected X-API-KEY."), "{problem}");
        assert!(problem.error_response().headers().get("www-authenticate").is_none());

        let (_, problem) = check_webhook(&door(&["header:X-API-KEY:k", "basic:u:p"], None), &request(&[])).unwrap_err();
        assert!(problem.detail().starts_with("got no credentials, expected X-API-KEY or Basic."), "{problem}");
        let challenge = problem.error_response().headers().get("www-authenticate").unwrap().clone();
        assert_eq!(challenge, "Basic realm=\"jobrelay\", charset=\"UTF-8\"");
    }

    #[test]
    fn without_credentials_only_this_machine_is_answered() {
        let (near, far) = (request(&[("host", "localhost:8080")]), request(&[("host", "relay.example")]));
        let unset = door(&[], None);
        assert!(check_webhook(&unset, &near).is_ok() && check_admin(&unset, &near).is_ok());
        let (cause, problem) = check_webhook(&unset, &far).unwrap_err();
        assert_eq!((cause, problem.status_code().as_u16()), (Cause::Forbidden, 403));
        assert!(problem.detail().contains("relay.example") && problem.detail().contains("--ingest-auth"), "{problem}");
        assert!(check_admin(&unset, &far).unwrap_err().detail().contains("--admin-token"));

        let none = door(&["none"], Some("none"));
        assert!(check_webhook(&none, &far).is_ok() && check_admin(&none, &far).is_ok());
    }

    #[test]
    fn wrong_flags_name_the_flag() {
        let cases: [(&[&str], Option<&str>, &str); 4] = [
            (&["none", "basic:a:b"], None, "--ingest-auth (value 1 of 2): `none` lets anyone in"),
            (&["basic:a:b", "oops"], None, "--ingest-auth (value 2 of 2): it begins neither"),
            (&["oops"], None, "--ingest-auth: it begins neither"),
            (&[], Some("a b"), "--admin-token: a token is"),
        ];
        for (ingest, admin, expected) in cases {
            let ingest: Vec<String> = ingest.iter().map(|&text| text.to_owned()).collect();
            let message = Door::parse(&ingest, admin).unwrap_err();
            assert!(message.starts_with(expected), "{message}");
        }
    }
}
