//! Job types: the vendor names five in prose and leaves their spelling in JSON open.

use std::borrow::Cow;

/// One of the job types named by the vendor, or any other as sent, in `snake_case`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JobType {
    /// `load_source`
    LoadSource,
    /// `update_data_product`
    UpdateDataProduct,
    /// `update_workflow`
    UpdateWorkflow,
    /// `publish_configuration`
    PublishConfiguration,
    /// `publish_destination`
    PublishDestination,
    /// Not named by the vendor.
    Other(String),
}

impl JobType {
    /// The types the vendor names.
    pub const KNOWN: [JobType; 5] = [
        JobType::LoadSource,
        JobType::UpdateDataProduct,
        JobType::UpdateWorkflow,
        JobType::PublishConfiguration,
        JobType::PublishDestination,
    ];

    /// Reads a name in any spelling (`LOAD_SOURCE`, `Load source`, `loadSource`, `load`); unknown names become
    /// [`JobType::Other`] in `snake_case`.
    #[must_use]
    pub fn from_name(name: &str) -> JobType {
        if let Some(known) = Self::KNOWN.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_str())) {
            return known;
        }
        let letters: String = name.chars().filter(|c| !separates(*c)).flat_map(char::to_lowercase).collect();
        let core = letters.strip_prefix("jobtype").unwrap_or(&letters);
        match core.strip_suffix("job").unwrap_or(core) {
            "load" | "loadsource" => JobType::LoadSource,
            "updatedataproduct" => JobType::UpdateDataProduct,
            "updateworkflow" => JobType::UpdateWorkflow,
            // The vendor's page says "Publish configuration (batch)".
            "publishconfiguration" | "publishconfigurationbatch" => JobType::PublishConfiguration,
            "publishdestination" => JobType::PublishDestination,
            _ => JobType::Other(snake_case(name)),
        }
    }

    /// The word of the vocabulary: `load_source`, …
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            JobType::LoadSource => "load_source",
            JobType::UpdateDataProduct => "update_data_product",
            JobType::UpdateWorkflow => "update_workflow",
            JobType::PublishConfiguration => "publish_configuration",
            JobType::PublishDestination => "publish_destination",
            JobType::Other(name) => name,
        }
    }

    /// For people: `Load source`, …
    #[must_use]
    pub fn label(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            JobType::LoadSource => "Load source",
            JobType::UpdateDataProduct => "Update data product",
            JobType::UpdateWorkflow => "Update workflow",
            JobType::PublishConfiguration => "Publish configuration",
            JobType::PublishDestination => "Publish destination",
            JobType::Other(name) => {
                let words = name.replace('_', " ");
                let mut chars = words.chars();
                let first = chars.next().into_iter().flat_map(char::to_uppercase);
                return first.chain(chars).collect();
            }
        })
    }
}

fn separates(c: char) -> bool {
    c.is_whitespace() || c.is_ascii_punctuation()
}

/// Letters that look like capitals but have no small form do not count: they would not be the same when read again.
fn capital(c: char) -> bool {
    c.is_uppercase() && !c.to_lowercase().eq([c])
}

/// `exportToLake`, `Export to lake` and `EXPORT_TO_LAKE` are `export_to_lake`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut before: Option<char> = None;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        if !separates(c) {
            let begins_word = before.is_none_or(|b| {
                let in_a_capital_word = capital(b) && chars.peek().is_none_or(|a| capital(*a) || !a.is_alphabetic());
                separates(b) || capital(c) && !in_a_capital_word
            });
            if begins_word && !snake.is_empty() {
                snake.push('_');
            }
            snake.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    if snake.is_empty() { name.trim().to_owned() } else { snake }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_types_are_read_in_any_spelling() {
        for (word, label, names) in [
            (
                "load_source",
                "Load source",
                &["LOAD_SOURCE", "Load source", "loadSource", "load", "load-source", "JOB_TYPE_LOAD_SOURCE", "LoadJob"]
                    [..],
            ),
            ("update_data_product", "Update data product", &["UPDATE_DATA_PRODUCT", "updateDataProduct"]),
            ("update_workflow", "Update workflow", &["Update Workflow", " updateworkflow "]),
            (
                "publish_configuration",
                "Publish configuration",
                &["Publish configuration (batch)", "PUBLISH_CONFIGURATION"],
            ),
            ("publish_destination", "Publish destination", &["PublishDestination"]),
        ] {
            for name in names.iter().chain([&word, &label]) {
                let read = JobType::from_name(name);
                assert_eq!((read.as_str(), &*read.label()), (word, label), "{name}");
                assert!(JobType::KNOWN.contains(&read), "{name}");
            }
        }
    }

    #[test]
    fn unknown_types_are_kept_in_snake_case() {
        for (name, word, label) in [
            ("exportToLake", "export_to_lake", "Export to lake"),
            ("EXPORT_TO_LAKE", "export_to_lake", "Export to lake"),
            ("XMLExport2", "xml_export2", "Xml export2"),
            ("update", "update", "Update"),
            ("mêler données", "mêler_données", "Mêler données"),
            ("--", "--", "--"),
        ] {
            let read = JobType::from_name(name);
            assert_eq!((&read, &*read.label()), (&JobType::Other(word.to_owned()), label));
        }
    }

    proptest! {
        #[test]
        fn a_word_reads_as_itself(name in ".*") {
            let read = JobType::from_name(&name);
            prop_assert_eq!(&JobType::from_name(read.as_str()), &read);
            let _ = read.label();
        }
    }
}
