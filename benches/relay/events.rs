//! The requests a generator posts: made before the clock runs, so that sending one costs no more than writing down its number.

use std::fmt::Write as _;

/// Stands where an event's number goes.
const NUMBER: &str = "############";
const DIGITS: usize = NUMBER.len();

/// What stands before an event's number in its ID. The receiver finds an event by it.
pub const ID: &str = "5f0c2b1e-0000-4000-8000-";

/// Requests that differ in more than their number, taken in turn.
#[derive(Clone)]
pub struct Requests {
    variants: Vec<Variant>,
}

#[derive(Clone)]
struct Variant {
    bytes: Vec<u8>,
    numbers: Vec<usize>,
}

impl Requests {
    /// One request for each of these bodies.
    pub fn new(bodies: impl IntoIterator<Item = String>) -> Requests {
        let variants = bodies.into_iter().map(|body| Variant::new(&body)).collect();
        Requests { variants }
    }

    /// Events of about 700 bytes: jobs that are done, of so many data products.
    pub fn of_products(products: usize) -> Requests {
        Requests::new((0..products).map(|product| done(product, "UPDATE_DATA_PRODUCT")))
    }

    /// The request of the event with this number.
    pub fn get(&mut self, number: usize) -> &[u8] {
        let variant = number % self.variants.len();
        let Variant { bytes, numbers } = &mut self.variants[variant];
        for &at in &*numbers {
            let mut rest = number;
            for digit in bytes[at..at + DIGITS].iter_mut().rev() {
                *digit = b"0123456789"[rest % 10];
                rest /= 10;
            }
        }
        bytes
    }
}

impl Variant {
    fn new(body: &str) -> Variant {
        let mut request = String::new();
        write!(
            request,
            "POST /webhooks/v1alpha1/jobEvents HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/cloudevents+json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .expect("a String takes any text");
        let numbers = request.match_indices(NUMBER).map(|(at, _)| at).collect();
        Variant { bytes: request.into_bytes(), numbers }
    }
}

/// The number of the event a body tells of.
pub fn number_in(body: &[u8]) -> Option<usize> {
    let at = body.windows(ID.len()).position(|window| window == ID.as_bytes())? + ID.len();
    std::str::from_utf8(body.get(at..at + DIGITS)?).ok()?.parse().ok()
}

/// A job of this data product that failed.
pub fn done(product: usize, job_type: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{ID}{NUMBER}","source":"//acme.tamr.cloud/webhooks/v1alpha1","type":"com.tamr.job.v1alpha1","time":"2025-12-02T14:46:05.000Z","datacontenttype":"application/json","data":{{"jobId":"job_{NUMBER}","jobType":"{job_type}","dataProductId":"dp_{product}","dataProductDisplayName":"Customers {product}","workflowId":"","workflowDisplayName":"","status":{{"state":"DONE","stateStartTime":"2025-12-02T14:46:04.518Z","error":{{"reason":"PLANNING_FAILED","message":"Something went wrong while planning the job."}}}},"pastStatuses":[{{"state":"PENDING","stateStartTime":"2025-12-02T14:19:00.000Z"}},{{"state":"RUNNING","stateStartTime":"2025-12-02T14:20:00.000Z"}}]}}}}"#
    )
}
