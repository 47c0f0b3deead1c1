//! The `tests` section as written: every key with what it is for.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::event::{Outcome, duration};

/// An event, and what must come of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TestSettings {
    /// What the test shows, in a few words; no two tests share a name.
    pub name: String,
    /// The event, in the words of `when`; what is not said is made up to fit, the same each time.
    pub job: JobSettings,
    /// Who must get it, and what they must read.
    #[allow(dead_code, reason = "declares the keys: what they hold is read from the tree, with its places")]
    expect: ExpectSettings,
}

/// An event in words of the vocabulary. Without any, it is a failed update of a data product.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JobSettings {
    /// `load_source`, `update_data_product`, `update_workflow`, `publish_configuration`, `publish_destination` or any other
    #[serde(rename = "type")]
    pub job_type: Option<Said>,
    /// PENDING, RUNNING, STOPPING, DONE or any other; DONE unless said
    pub state: Option<Said>,
    /// How the DONE job ended; failed unless said
    pub outcome: Option<OutcomeWord>,
    /// Error reason
    pub reason: Option<Said>,
    /// Error message
    pub error: Option<Said>,
    /// Name of the source, or its `id` and `name`
    #[serde(default)]
    #[schemars(schema_with = "name_or_resource")]
    #[allow(dead_code, reason = "read from the tree, as written")]
    source: Option<IgnoredAny>,
    /// Name of the data product, or its `id` and `name`
    #[serde(default)]
    #[schemars(schema_with = "name_or_resource")]
    #[allow(dead_code, reason = "read from the tree, as written")]
    data_product: Option<IgnoredAny>,
    /// Name of the workflow, or its `id` and `name`
    #[serde(default)]
    #[schemars(schema_with = "name_or_resource")]
    #[allow(dead_code, reason = "read from the tree, as written")]
    workflow: Option<IgnoredAny>,
    /// Name of the destination, or its `id` and `name`; its ID for `publish_configuration`, whose events carry nothing else
    #[serde(default)]
    #[schemars(schema_with = "name_or_resource")]
    #[allow(dead_code, reason = "read from the tree, as written")]
    destination: Option<IgnoredAny>,
    /// Job ID
    pub job: Option<Said>,
    /// Host of the tenant, or its first label
    pub tenant: Option<Said>,
    /// How long it waited in PENDING: `45s`, `10m`
    pub queued_for: Option<Lasted>,
    /// How long it ran, of a DONE job: `20m`, `2h30m`
    pub ran_for: Option<Lasted>,
    /// Type of the envelope: `jobrelay.receiver_down` is one of the relay's own events; any other, without a word of a job, an event of no job
    pub event_type: Option<Said>,
    /// The receiver one of the relay's own events speaks of
    pub receiver: Option<Said>,
    /// When it came: `Sat 03:00`, `2026-01-31 09:00` (both in `timezone`) or `2026-01-31T09:00:00Z`; a Wednesday at 10:00 unless said
    pub time: Option<Said>,
    /// Any other field of the envelope by its path, as in `when`: `data.tags: [a, b]`
    pub raw: Option<BTreeMap<String, serde_json::Value>>,
}

/// What must come of an event: at least one of both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "declares the keys: what they hold is read from the tree, with its places")]
struct ExpectSettings {
    /// Exactly the receivers that get it: a name or a list of them; `[]` says "nobody"
    #[serde(default)]
    #[schemars(schema_with = "text_or_list")]
    to: Option<IgnoredAny>,
    /// What receivers read, by their names
    message: Option<BTreeMap<String, MessageSettings>>,
}

/// What a receiver reads. A pattern is the whole value, in upper or lower case; `*` stands for anything, `?` for one character, and "" for
/// nothing. A list means "any of these".
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "declares the keys: what they hold is read from the tree, with its places")]
struct MessageSettings {
    /// A pattern for the title
    #[serde(default)]
    #[schemars(schema_with = "text_or_list")]
    title: Option<IgnoredAny>,
    /// A pattern for the text, read without its markup
    #[serde(default)]
    #[schemars(schema_with = "text_or_list")]
    text: Option<IgnoredAny>,
    /// `info`, `success`, `warning`, `error` or `critical`
    #[serde(default)]
    #[schemars(schema_with = "text_or_list")]
    level: Option<IgnoredAny>,
    /// A pattern for the link
    #[serde(default)]
    #[schemars(schema_with = "text_or_list")]
    link: Option<IgnoredAny>,
    /// Patterns for fields, by their names
    #[serde(default)]
    #[schemars(schema_with = "fields")]
    fields: Option<BTreeMap<String, serde_json::Value>>,
    /// A pattern for one of the mentions; `[]`: nobody is mentioned
    #[serde(default)]
    #[schemars(schema_with = "text_or_list")]
    mention: Option<IgnoredAny>,
}

/// A resource by its parts: events of legacy data products have no name.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceSettings {
    /// The sender's ID
    pub id: Option<Said>,
    /// The display name
    pub name: Option<Said>,
}

/// A text that says something.
#[derive(Debug, JsonSchema)]
#[schemars(with = "String")]
pub(super) struct Said(pub String);

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Said, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Err(D::Error::custom("nothing is said here: give a value, or leave the key out"));
        }
        Ok(Said(text))
    }
}

/// A duration.
#[derive(Debug, JsonSchema)]
#[schemars(with = "String")]
pub(super) struct Lasted(pub Duration);

impl<'de> Deserialize<'de> for Lasted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Lasted, D::Error> {
        duration::parse(&String::deserialize(deserializer)?).map(Lasted).map_err(D::Error::custom)
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum OutcomeWord {
    Succeeded,
    Stopped,
    Failed,
}

impl From<OutcomeWord> for Outcome {
    fn from(word: OutcomeWord) -> Outcome {
        match word {
            OutcomeWord::Succeeded => Outcome::Succeeded,
            OutcomeWord::Stopped => Outcome::Stopped,
            OutcomeWord::Failed => Outcome::Failed,
        }
    }
}

fn text_or_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] })
}

fn fields(generator: &mut SchemaGenerator) -> Schema {
    let pattern = text_or_list(generator);
    json_schema!({ "type": "object", "additionalProperties": pattern })
}

fn name_or_resource(generator: &mut SchemaGenerator) -> Schema {
    let resource = generator.subschema_for::<ResourceSettings>();
    json_schema!({ "anyOf": [{ "type": "string" }, resource] })
}
