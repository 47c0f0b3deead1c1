//! `--last-good`: at a start where routes.yaml cannot be used, the version that ruled last.

use std::sync::Arc;

use super::source::{Refused, Source, with_certificates};
use crate::config::{self, Config, holds_masked};
use crate::store::{Store, Version};
use crate::yaml;

/// The version that ruled last, as the store has it; its variables are looked up as ever.
///
/// # Errors
/// Why it cannot be used either, with the report of the file on disk before it.
pub(super) async fn load(store: &dyn Store, source: &Source, refused: &Refused) -> Result<Arc<Config>, String> {
    let file = source.name();
    let neither = |why: String| format!("{}\nerror: --last-good: {why}", refused.for_owner().trim_end());
    let last = store.last_version().await.map_err(|error| neither(error.to_string()))?;
    let Some(Version { version, text, at }) = last else {
        return Err(neither(format!("no version of {file} has run on this store yet\nhelp: mend the file")));
    };
    if holds_masked(&text) {
        return Err(neither(format!(
            "the version that ran last ({version}) had secrets written in plain, which the store does not keep\n\
             help: mend {file}, and put its secrets into --secrets or the environment: write `${{NAME}}`"
        )));
    }
    let (config, problems) = config::load(&text, &source.secrets);
    let config = config.ok_or_else(|| {
        let report = yaml::report_without_source(&format!("{file} ({version})"), &text, &config::discreet(problems));
        neither(format!("nor can the version that ran last ({version}) be used:\n{report}"))
    })?;
    tracing::error!(
        problems = refused.problems, %version,
        "{file} cannot be used; by --last-good the version that ran last, since {at}, runs instead:\n{}", refused.report
    );
    Ok(Arc::new(with_certificates(config)))
}
