//! Why an event goes where it goes, and what is said there: of a recorded one by `GET /api/v1/events/{id}/explain`, of any other by the
//! command itself.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::delivery::Preview;
use crate::event::{DeliveryId, EventId};
use crate::routing::{Decision, Explanation};
use crate::store::Delivery;

/// Every route read for one event, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Explained {
    /// The relay's own ID of the event; absent if the relay has not recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<EventId>,
    /// When it came in, or is taken to come in.
    pub received_at: Timestamp,
    /// Sent by `jobrelay send`.
    pub test: bool,
    /// The flat event of the vocabulary.
    pub event: serde_json::Value,
    /// The routes.yaml that is explained.
    pub file: File,
    /// Of a recorded event what was decided when it came in, else what the file decides.
    pub decision: Decision,
    /// How the file reads the event; absent where `unexplained` says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
    /// Why the file cannot be read any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexplained: Option<String>,
    /// How the running routes.yaml reads the event, where it is another and decides otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Explanation>,
    /// Of a recorded event, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deliveries: Vec<Delivery>,
    /// Of a success that is not recorded: who hears of it if they were told of a failure of the same key before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovers: Vec<Arc<str>>,
    /// Where asked for: what each receiver is told, by the running routes.yaml or the file named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Told>,
}

/// Which routes.yaml is explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Names its content.
    pub version: Arc<str>,
    /// Where it stands.
    pub standing: Ruling,
    /// Of one that decided: since when it applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Of one that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Where a routes.yaml stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It decided, and runs still.
    Running,
    /// It decided; another one runs since.
    Past,
    /// A file that was named: it decided nothing.
    Named,
}

/// What one receiver is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    /// Its name.
    pub receiver: Arc<str>,
    /// The kind of service it is.
    pub kind: String,
    /// The route whose words these are; empty for a recovery, and where no route says so.
    pub route: Arc<str>,
    /// Its delivery, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// When it is, or was last, said.
    pub at: Timestamp,
    /// The message; absent where `unsendable` says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Preview>,
    /// Why nothing can be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsendable: Option<String>,
}

impl Told {
    /// With the message, or why there is none.
    #[must_use]
    pub fn with(mut self, message: Result<Preview, String>) -> Told {
        match message {
            Ok(message) => self.message = Some(message),
            Err(why) => self.unsendable = Some(why),
        }
        self
    }
}
