//! The `inbox` kind: keeps the message in the relay, to be read with `jobrelay deliveries --message`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::receiver::kind::Entry;
use crate::receiver::{Answer, Audience, Call, Judgement, Kind, Outgoing, Receiver, Sent, Unsendable, plain};
use crate::yaml::read;

pub(super) const ENTRY: Entry = Entry {
    name: "inbox",
    http: false,
    rate: None,
    recovered: false,
    obtain: "Nothing is needed",
    example: "{ kind: inbox }",
    schema: || schemars::schema_for!(Inbox),
    read: |node, problems| Some(Box::new(read::<Inbox>(node, problems)?)),
};

/// Keeps each message in the relay: read them with `jobrelay deliveries --message`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Inbox {}

impl Kind for Inbox {
    fn audience(&self) -> Audience {
        Audience::People
    }

    fn request(&self, call: &Call<'_>, _: &Receiver) -> Result<Sent, Unsendable> {
        let mut notes = Vec::new();
        let text = plain::text(call.message, &mut notes);
        Ok(Sent { outgoing: Outgoing::Inbox(text), notes })
    }

    fn judge(&self, answer: &Answer) -> Judgement {
        Judgement::of_status(answer)
    }
}
