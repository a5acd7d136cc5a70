//! Decisions: what an answer of an OpenStack service means, and the sentence in it that is for people.

use serde_json::Value;

use domain::rim::Service;
pub use domain::rim::ServiceError as Error;

/// Longest sentence kept of a service's error answer, in characters.
pub const MESSAGE_CHARS_MAX: usize = 1000;

/// The error that an unsuccessful answer stands for.
pub fn from_answer(service: Service, operation: &str, code: u16, body: &[u8]) -> Error {
    let operation = operation.to_owned();
    let mut message = human_text(body);
    if message.is_empty() {
        message = format!("HTTP status {code} without a reason");
    }
    match code {
        401 => Error::Unauthorized { service, operation, message },
        404 | 410 => Error::NotFound { service, operation, message },
        // "Node <uuid> is locked by host <name>, please retry after the current operation is completed."
        409 if message.contains("is locked by host") => Error::Locked { service, operation, message },
        409 => Error::Conflict { service, operation, message },
        // A service on SQLite gives up on its database when others write, and the same request works a moment later.
        500 if message.contains("database is locked") => Error::Unavailable { service, operation, message },
        408 | 429 | 502 | 503 | 504 => Error::Unavailable { service, operation, message },
        _ => Error::Refused { service, operation, code, message },
    }
}

/// Finds the sentence for people in an error answer. Each service wraps it in another way:
/// Ironic puts a JSON text into a JSON object, Keystone uses `error.message`, Nova one key with a `message`,
/// Glance and the middleware before each service a title and HTML.
pub fn human_text(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Value>(body) {
        Ok(value) => from_json(&value, 0).unwrap_or_default(),
        Err(_) => String::from_utf8_lossy(body).into_owned(),
    };
    tidy(&text)
}

/// How deep an error may be wrapped; more is somebody's joke.
const WRAPPING_MAX: usize = 6;

fn from_json(value: &Value, depth: usize) -> Option<String> {
    if depth > WRAPPING_MAX {
        return None;
    }
    let object = match value {
        Value::String(text) => {
            // Ironic: the text may itself be a JSON object.
            return match serde_json::from_str::<Value>(text) {
                Ok(inner @ Value::Object(_)) => from_json(&inner, depth + 1),
                Ok(_) | Err(_) => Some(text.clone()),
            };
        }
        Value::Object(object) => object,
        Value::Array(items) => return items.first().and_then(|item| from_json(item, depth + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) => return None,
    };
    for key in
        ["error_message", "faultstring", "error", "errors", "message", "description", "detail", "title"]
    {
        if let Some(text) = object.get(key).and_then(|inner| from_json(inner, depth + 1))
            && !text.trim().is_empty()
        {
            return Some(text);
        }
    }
    // Nova: {"badRequest": {"code": 400, "message": "..."}}
    match object.values().next() {
        Some(inner @ Value::Object(_)) if object.len() == 1 => from_json(inner, depth + 1),
        Some(_) | None => None,
    }
}

/// Drops HTML marks, folds white space and cuts what is too long.
fn tidy(text: &str) -> String {
    let mut plain = String::with_capacity(text.len().min(MESSAGE_CHARS_MAX * 2));
    let mut skipping: Option<&str> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(end) = skipping {
            match rest.find(end) {
                Some(at) => rest = &rest[at + end.len()..],
                None => rest = "",
            }
            skipping = None;
        } else if rest.starts_with("<title") || rest.starts_with("<style") || rest.starts_with("<head") {
            skipping = Some(if rest.starts_with("<head") { "</head>" } else { ">" });
        } else if c == '<' && rest[1..].starts_with(|n: char| n.is_ascii_alphabetic() || n == '/' || n == '!')
        {
            skipping = Some(">");
            plain.push(' ');
        } else {
            plain.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    let folded = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if folded.chars().count() <= MESSAGE_CHARS_MAX {
        return folded;
    }
    folded.chars().take(MESSAGE_CHARS_MAX).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_sentence_for_people() {
        let check = |body: &str, expected: &str| assert_eq!(human_text(body.as_bytes()), expected, "{body}");
        check(
            r#"{"error_message": "{\"faultcode\": \"Client\", \"faultstring\": \"Node x could not be found.\", \"debuginfo\": null}"}"#,
            "Node x could not be found.",
        );
        check(r#"{"error_message": {"faultcode": "Client", "faultstring": "No."}}"#, "No.");
        check(r#"{"error_message": "plain"}"#, "plain");
        check(
            r#"{"error":{"code":401,"message":"The request you have made requires authentication."}}"#,
            "The request you have made requires authentication.",
        );
        check(r#"{"badRequest": {"code": 400, "message": "Invalid image."}}"#, "Invalid image.");
        check(
            r#"{"message": "No image found with ID 1<br /><br />\n\n\n", "code": "404 Not Found", "title": "Not Found"}"#,
            "No image found with ID 1",
        );
        check(
            "<html>\n <head>\n  <title>409 Conflict</title>\n </head>\n <body>\n  <h1>409 Conflict</h1>\n  Image data exists.<br /><br />\n </body>\n</html>",
            "409 Conflict Image data exists.",
        );
        check(
            r#"{"errors": [{"status": 404, "title": "Not Found", "detail": "nothing here"}]}"#,
            "nothing here",
        );
        check("upstream < 3 and gone", "upstream < 3 and gone");
        check("<", "<");
        check("", "");
        check("{}", "");
        check("[[[[[[[[[[[[\"deep\"]]]]]]]]]]]]", "");
    }

    #[test]
    fn tells_kinds_apart() {
        let check = |code, body: &str, expected: fn(&Error) -> bool| {
            let error = from_answer(Service::Ironic, "set the power of node 1", code, body.as_bytes());
            assert!(expected(&error), "{code} {error:?}");
        };
        let locked = r#"{"error_message":"Node 1 is locked by host lab, please retry after the current operation is completed."}"#;
        check(409, locked, |e| matches!(e, Error::Locked { .. }) && e.is_worth_repeating());
        check(409, "{}", |e| matches!(e, Error::Conflict { .. }) && !e.is_worth_repeating());
        check(503, "", |e| e.message() == "HTTP status 503 without a reason" && e.is_worth_repeating());
        let sqlite = r#"{"error_message":"(sqlite3.OperationalError) database is locked"}"#;
        check(500, sqlite, Error::is_worth_repeating);
        check(500, "", |e| matches!(e, Error::Refused { code: 500, .. }));
        check(404, "", Error::is_not_found);
        check(401, "", |e| matches!(e, Error::Unauthorized { .. }));
        check(403, "", |e| matches!(e, Error::Refused { code: 403, .. }));
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_survived(body: Vec<u8>, text in "[<>/a-z\"{}\\[\\]:, é]{0,60}") {
            human_text(&body);
            assert!(human_text(text.as_bytes()).chars().count() <= MESSAGE_CHARS_MAX + 3);
        }
    }
}
