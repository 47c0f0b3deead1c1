//! The requests a generator posts: made before the clock runs, so that sending one costs no more than writing down its number.

use std::fmt::Write as _;

use crate::events::{ID, NUMBER, job};

const DIGITS: usize = NUMBER.len();

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
        Requests::new((0..products).map(|product| job(&format!("Customers {product}"), product, true)))
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
