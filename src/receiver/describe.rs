//! What a kind says of itself, for the API and the README: from its entry and the types that read its settings.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kind::Entry;
use super::kinds::KINDS;
use super::schema::{description, of_kind};

/// One kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KindDescription {
    /// As written in `kind`.
    pub kind: String,
    /// What it is.
    pub doc: String,
    /// The settings of its own: first those it needs, in each group in the order of the alphabet.
    pub own: Vec<OwnSetting>,
    /// Where in the service its address or key is found.
    pub obtain: String,
    /// A receiver of this kind as it stands in routes.yaml.
    pub example: String,
    /// Whether the success after a failure is sent there if routes.yaml does not say.
    pub recovered: bool,
    /// The most that is sent if routes.yaml does not say: `1/s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// The JSON Schema of all its settings but `message`.
    pub settings: Value,
}

/// A setting that only some kinds have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnSetting {
    /// As written.
    pub name: String,
    /// Whether it must be there.
    pub needed: bool,
}

/// Every kind there is.
#[must_use]
pub fn describe() -> Vec<KindDescription> {
    KINDS.iter().map(of).collect()
}

fn of(entry: &Entry) -> KindDescription {
    let schema = (entry.schema)().to_value();
    let needed: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let names = schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    let mut own: Vec<OwnSetting> =
        names.map(|name| OwnSetting { needed: needed.contains(&name.as_str()), name }).collect();
    own.sort_by(|a, b| (!a.needed, &a.name).cmp(&(!b.needed, &b.name)));
    KindDescription {
        kind: entry.name.to_owned(),
        doc: description(&schema).unwrap_or_default(),
        own,
        obtain: entry.obtain.to_owned(),
        example: entry.example.to_owned(),
        recovered: entry.recovered,
        rate: entry.rate.map(|rate| rate.to_string()),
        settings: of_kind(entry),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const BEGIN: &str = "<!-- kinds: made by `UPDATE_README=1 cargo test --lib readme` -->\n";
    const END: &str = "<!-- end of kinds -->\n";

    fn table() -> String {
        let mut out =
            "\n| kind | settings of its own (**needed**) | for example | where to get it |\n|---|---|---|---|\n"
                .to_owned();
        for kind in describe() {
            let own = kind.own.iter().map(
                |OwnSetting { name, needed }| {
                    if *needed { format!("**`{name}`**") } else { format!("`{name}`") }
                },
            );
            let own = own.collect::<Vec<_>>().join(" ");
            let obtain = kind.obtain.replace('|', "\\|");
            let _ = writeln!(out, "| `{}` | {own} | `{}` | {obtain} |", kind.kind, kind.example);
        }
        out + "\n"
    }

    #[test]
    fn the_readmes_table_of_kinds_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = std::fs::read_to_string(path).expect("the README is there");
        let (before, rest) = readme.split_once(BEGIN).expect("the table's beginning");
        let (found, after) = rest.split_once(END).expect("the table's end");
        if std::env::var_os("UPDATE_README").is_some() {
            std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).expect("the README can be written");
        } else {
            assert!(
                found == table(),
                "the README's table of kinds is not current: UPDATE_README=1 cargo test --lib readme"
            );
        }
    }

    #[test]
    fn every_kind_describes_itself() {
        for kind in describe() {
            assert!(!kind.doc.is_empty() && !kind.obtain.is_empty(), "{}", kind.kind);
            for OwnSetting { name, needed } in &kind.own {
                assert!(kind.settings["properties"][name]["description"].is_string(), "{}: {name}", kind.kind);
                assert!(!needed || kind.example.contains(&format!("{name}: ")), "{}: {name}", kind.kind);
            }
        }
    }
}
