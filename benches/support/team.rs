//! The routes.yaml of a team of some size: twenty routes to five receivers.

use std::fmt::Write as _;

/// With the settings of each receiver, by its name. `otherwise` decides otherwise here and there.
pub fn routes(settings: impl Fn(&str) -> String, otherwise: bool) -> String {
    let mut text =
        "messages:\n  short: { title: \"{{ type_label }} {{ outcome }}: {{ resource }}\" }\nreceivers:\n".to_owned();
    for name in ["ops", "data", "audit", "boss", "tickets"] {
        let recovered = name == "tickets" || name == "ops";
        writeln!(text, "  {name}: {{ {}, recovered: {recovered} }}", settings(name)).expect("a String takes any text");
    }
    text.push_str("routes:\n  - { name: failed jobs, when: { outcome: failed }, to: [ops, tickets] }\n");
    text.push_str("  - { name: out of memory, when: { reason: OUT_OF_MEMORY }, to: boss }\n");
    for n in 0..18 {
        let to = ["data", "audit", "boss"][n % 3];
        let product = if otherwise { n * 2 } else { n };
        writeln!(
            text,
            "  - {{ name: product {n}, when: {{ data_product: [\"Customers {product}\", \"Customers {n}*\"], state: [RUNNING, DONE] }}, to: {to} }}"
        )
        .expect("a String takes any text");
    }
    text
}
