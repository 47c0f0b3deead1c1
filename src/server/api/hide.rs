//! Secrets stay out of what the API shows of events: their senders may quote one.

use serde_json::Value;

use crate::config::Redactor;

/// A text that may be absent.
pub fn text(redactor: &Redactor, text: &mut Option<String>) {
    if let Some(text) = text {
        *text = redactor.redact(text).into_owned();
    }
}

/// All texts of a JSON value; names of members are left, as programs go by them.
pub fn json(redactor: &Redactor, value: &mut Value) {
    match value {
        Value::String(text) => {
            if let std::borrow::Cow::Owned(hidden) = redactor.redact(text) {
                *text = hidden;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| json(redactor, item)),
        Value::Object(members) => members.values_mut().for_each(|member| json(redactor, member)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_hidden_wherever_a_text_stands() {
        let redactor = Redactor::new(["hunter22"]);
        let mut value = json!({"error": "bad key hunter22", "list": [1, {"deep": "hunter22"}], "ok": null});
        json(&redactor, &mut value);
        assert_eq!(value, json!({"error": "bad key ***", "list": [1, {"deep": "***"}], "ok": null}));
    }
}
