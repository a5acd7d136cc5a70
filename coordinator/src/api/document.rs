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
