//! A routes.yaml with many routes: each for a data product of its own, and the last for all, so that every event is sent once.

use std::fmt::Write as _;

/// To a webhook with this URL.
pub fn routes(url: &str, count: usize) -> String {
    let mut text = format!("receivers:\n  sink: {{ kind: webhook, url: \"{url}\", concurrency: 128 }}\nroutes:\n");
    for n in 1..count {
        writeln!(text, "  - {{ name: product {n}, when: {{ data_product: \"Customers {n}\" }}, to: sink }}")
            .expect("a String takes any text");
    }
    text.push_str("  - { name: all, when: { type: \"*\" }, to: sink }\n");
    text
}
