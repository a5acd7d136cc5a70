//! Decisions: JSON in its one canonical form (RFC 8785): the same facts are the same bytes.

use serde_json::Value;

/// The canonical text of a value. Its numbers are whole and below 2^53, and its keys ASCII, as those of certificates are: their order
/// by bytes is then the one by UTF-16 units that the RFC asks for.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    write(value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (place, (key, value)) in fields.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_same_facts_are_the_same_bytes() {
        let value =
            json!({"b": [1, {"z": null, "a": true}], "a": "tab\t, bell\u{7}, quote\", ü, \u{2028}", "B": {}});
        // The escapes are those of RFC 8785, section 3.2.2.2.
        let expected = "{\"B\":{},\"a\":\"tab\\t, bell\\u0007, quote\\\", ü, \u{2028}\",\"b\":[1,{\"a\":true,\"z\":null}]}";
        assert_eq!(canonical(&value), expected);
        assert_eq!(canonical(&serde_json::from_str(expected).unwrap()), expected);
    }
}
