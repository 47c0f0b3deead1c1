//! Events as the sender posts them.

use serde_json::{Value, json};

/// An envelope around `job`, with an ID of its own.
pub fn event(job: &Value) -> Value {
    json!({
        "specversion": "1.0",
        "id": format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)),
        "source": "//acme.tamr.cloud/webhooks/v1alpha1",
        "type": "com.tamr.job.v1alpha1",
        "time": "2025-12-02T14:46:05.000Z",
        "datacontenttype": "application/json",
        "data": job,
    })
}

pub const STOPPED: &str = r#"{"reason": "STOPPED_BY_USER", "message": "The job was stopped by a user."}"#;
pub const PLANNING_FAILED: &str = r#"{"reason": "PLANNING_FAILED", "message": "Something went wrong while planning the job. Please verify the configuration is correct and try again."}"#;

/// A finished update of a data product; `error` is JSON, empty for a success.
pub fn update(job: &str, data_product: &str, error: &str) -> Value {
    finished(
        json!({
            "jobId": job, "jobType": "UPDATE_DATA_PRODUCT",
            "dataProductId": format!("dp_{data_product}"), "dataProductDisplayName": data_product,
            "workflowId": "", "workflowDisplayName": "",
        }),
        error,
    )
}

/// Adds the statuses of a run that took 26 minutes 4.5 seconds.
pub fn finished(mut job: Value, error: &str) -> Value {
    let mut status = json!({"state": "DONE", "stateStartTime": "2025-12-02T14:46:04.518Z"});
    if !error.is_empty() {
        status["error"] = serde_json::from_str(error).expect("a test's own JSON");
    }
    job["status"] = status;
    job["pastStatuses"] = json!([
        {"state": "PENDING", "stateStartTime": "2025-12-02T14:19:00.000Z"},
        {"state": "RUNNING", "stateStartTime": "2025-12-02T14:20:00.000Z"},
    ]);
    event(&job)
}
