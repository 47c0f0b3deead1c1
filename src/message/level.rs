//! How serious a message is.

/// How serious a message is; kinds map it to colour, priority or severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    #[default]
    /// Good to know.
    Info,
    /// Something went well.
    Success,
    /// Someone may want to look.
    Warning,
    /// Someone has to look.
    Error,
    /// Someone has to look now.
    Critical,
}

impl Level {
    /// The words for it, mildest first.
    pub const NAMES: [&'static str; 5] = ["info", "success", "warning", "error", "critical"];

    /// Reads its word, whatever the case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Level> {
        let all = [Level::Info, Level::Success, Level::Warning, Level::Error, Level::Critical];
        all.into_iter().find(|level| level.name().eq_ignore_ascii_case(name.trim()))
    }

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Info => "info",
            Level::Success => "success",
            Level::Warning => "warning",
            Level::Error => "error",
            Level::Critical => "critical",
        }
    }
}
