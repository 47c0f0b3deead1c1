//! The `console` kind: writes the message to the relay's log.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::receiver::kind::Entry;
use crate::receiver::{Answer, Audience, Call, Judgement, Kind, Outgoing, Receiver, Sent, Unsendable, plain};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "console",
    http: false,
    rate: None,
    recovered: false,
    obtain: "Nothing is needed",
    example: "{ kind: console }",
    schema: || schemars::schema_for!(Console),
    read: |node, problems| Some(Box::new(read::<Console>(node, problems)?)),
};

/// Writes each message to the relay's log.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Console {}

impl Kind for Console {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, _: &Receiver) -> Result<Sent, Unsendable> {
        let mut notes = Vec::new();
        let text = plain::text(call.message, &mut notes);
        Ok(Sent { outgoing: Outgoing::Console(text), notes })
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        Judgement::of_status(answer)
    }
}
