//! Values: the head of the OpenAPI document. The paths come from the routes themselves.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Text,
        security::{ApiKey, ApiKeyValue, SecurityScheme},
    },
};

/// What stands in the document beside the paths.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "BMS Manager",
        description = "Bare-metal servers for OpenStack clouds with Contrail networking. Every request carries a Keystone \
                       token: a project's token gives access to its own servers, an administrator's token to everything. \
                       Errors are application/problem+json (RFC 9457).",
        license(name = "Apache-2.0")
    ),
    // A parameter's own type is found by nobody else.
    components(schemas(domain::import::Format)),
    security(("keystone" = [])),
    modifiers(&Token)
)]
pub struct Document;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Text) {
        let description = "a token of Keystone, scoped to a project or to the system";
        let key = ApiKeyValue::with_description("X-Auth-Token", description);
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("keystone", SecurityScheme::ApiKey(ApiKey::Header(key)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|one| references(one, found));
            }
            Value::Array(all) => all.iter().for_each(|one| references(one, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn whatever_the_document_refers_to_is_in_it() {
        let document = serde_json::to_value(crate::api::described().1).unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} is nowhere");
        }
    }

    /// `docs/openapi.json`, from which clients are written: run with `BMS_WRITE_DOCS=1` to write it anew.
    #[test]
    fn the_document_that_is_checked_in_is_the_one_that_is_served() {
        let (_, document) = crate::api::described();
        let served = document.to_pretty_json().unwrap() + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        if std::env::var_os("BMS_WRITE_DOCS").is_some() {
            std::fs::write(path, &served).unwrap();
        }
        let checked_in = std::fs::read_to_string(path).unwrap_or_default();
        let line = served.lines().zip(checked_in.lines()).position(|(new, old)| new != old);
        assert!(
            served == checked_in,
            "docs/openapi.json is old, first at line {:?}: see whether clients can live with what changed, then write it \
             with BMS_WRITE_DOCS=1",
            line.map(|line| line + 1)
        );
    }
}
