//! How the running routes.yaml stands to the file on disk, and asking for it to be read now.

use actix_web::web::{Data, Json};
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::State;
use super::problems::{Problem, Sort};
use super::types::{Refusal, ReloadAnswer};

/// Answered when the file was read, and applies or was refused.
pub type Reload = oneshot::Sender<Result<ReloadAnswer, Refusal>>;

/// Where the running routes.yaml stands. Replaced as a whole.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Since when the running version decides.
    pub since: Timestamp,
    /// When the file on disk was last read and found to be what runs. `None`: never in this run.
    pub read_at: Option<Timestamp>,
    /// Why the file on disk is not what runs, if so.
    pub refused: Option<Refusal>,
}

/// `POST /api/v1/reload`.
pub async fn reload(state: Data<State>) -> Result<Json<ReloadAnswer>, Problem> {
    let stopping = || Problem::later(2, "The relay is stopping: it reads routes.yaml at its next start.");
    let (reload, answer) = oneshot::channel();
    state.reload.send(reload).map_err(|_| stopping())?;
    match answer.await.map_err(|_| stopping())? {
        Ok(answer) => Ok(Json(answer)),
        Err(refusal) => Err(Problem::new(Sort::RoutesRefused, refusal.report)),
    }
}

impl Standing {
    /// One line that anyone may read: it quotes nothing of the file.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        let refused = self.refused.as_ref()?;
        Some(format!(
            "the routes.yaml on disk is not the one that runs: refused since {} ({}); `jobrelay check`, the log and GET /api/v1/config say more",
            refused.since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            refused.summary
        ))
    }
}
