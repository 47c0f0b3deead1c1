//! Events of about 700 bytes, as a sender posts them.

/// Stands where an event's number goes.
pub const NUMBER: &str = "############";
const DIGITS: usize = NUMBER.len();

/// What stands before an event's number in its ID. The receiver finds an event by it.
pub const ID: &str = "5f0c2b1e-0000-4000-8000-";

/// A job of the data product with this name and ID: one that failed, or one that runs.
pub fn job(name: &str, product: usize, failed: bool) -> String {
    const PENDING: &str = r#"{"state":"PENDING","stateStartTime":"2025-12-02T14:19:00.000Z"}"#;
    const RUNNING: &str = r#"{"state":"RUNNING","stateStartTime":"2025-12-02T14:20:00.000Z"}"#;
    const FAILED: &str = r#"{"state":"DONE","stateStartTime":"2025-12-02T14:46:04.518Z","error":{"reason":"PLANNING_FAILED","message":"Something went wrong while planning the job."}}"#;
    let (status, past) = if failed { (FAILED, format!("{PENDING},{RUNNING}")) } else { (RUNNING, PENDING.to_owned()) };
    format!(
        r#"{{"specversion":"1.0","id":"{ID}{NUMBER}","source":"//acme.tamr.cloud/webhooks/v1alpha1","type":"com.tamr.job.v1alpha1","time":"2025-12-02T14:46:05.000Z","datacontenttype":"application/json","data":{{"jobId":"job_{NUMBER}","jobType":"UPDATE_DATA_PRODUCT","dataProductId":"dp_{product}","dataProductDisplayName":"{name}","workflowId":"","workflowDisplayName":"","status":{status},"pastStatuses":[{past}]}}}}"#
    )
}

/// The same with its number in place.
pub fn numbered(body: &str, number: usize) -> String {
    body.replace(NUMBER, &format!("{number:0DIGITS$}"))
}
