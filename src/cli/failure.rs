//! Why a command did not do what was asked, and what to do about it.

use std::fmt;
use std::process::ExitCode;

use crate::delivery::api_client::ApiError;

/// An `error:` line, a `help:` line where there is something to try, and the exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    help: Option<String>,
    code: u8,
}

impl Failure {
    /// Something went wrong: exit code 1.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), help: None, code: 1 }
    }

    /// The words make no sense: exit code 2.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), help: None, code: 2 }
    }

    /// With what to do.
    pub fn help(self, help: impl Into<String>) -> Failure {
        Failure { help: Some(help.into()), ..self }
    }

    /// Tells the person at the terminal.
    pub fn report(&self) -> ExitCode {
        eprintln!("{self}");
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        self.help.iter().try_for_each(|help| write!(f, "\nhelp: {help}"))
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        let code = if matches!(error, ApiError::BadUrl { .. }) { 2 } else { 1 };
        // Where the API advises one of its lists, there is a command of that name.
        let message = error.to_string().replace("`GET /api/v1/", "`jobrelay ");
        Failure { message, help: error.help(), code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_reads_as_error_and_help() {
        let error = ApiError::NoAnswer { base: "http://127.0.0.1:8080".into(), why: "Connection refused".into() };
        assert_eq!(
            Failure::from(error).to_string(),
            "error: no relay answers at http://127.0.0.1:8080 (Connection refused)\n\
             help: is `jobrelay serve` running? --url or JOBRELAY_URL names another relay"
        );
        assert_eq!(Failure::new("no").to_string(), "error: no");
        let detail = "No event has this ID; `GET /api/v1/events` lists what is kept.".to_owned();
        assert_eq!(
            Failure::from(ApiError::Refused { status: 404, detail }).to_string(),
            "error: No event has this ID; `jobrelay events` lists what is kept."
        );
    }
}
