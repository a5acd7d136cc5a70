//! Edges: a request's path, its query and its JSON body, read so that a refusal names each field that cannot be read or is missing.
//!
//! The web framework refuses such requests in plain text. Here they are problems like any other.

use std::{fmt::Display, str::FromStr};

use axum::{
    extract::{
        FromRequest, FromRequestParts, Path as RawPath, RawPathParams, Request,
        path::ErrorKind,
        rejection::{BytesRejection, PathRejection},
    },
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use bytes::Bytes;
use protocol::text::Shown;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::Value;
use serde_path_to_error::{Error, Path as Place};
use utoipa::{
    IntoParams, PartialSchema,
    openapi::{
        RefOr, Required, Schema,
        path::{Parameter, ParameterIn},
    },
};

use crate::problem::Problem;

/// What is wrong with a field that a request must have and has not.
const MISSING: &str = "is missing";
/// What is wrong with a parameter that a request has twice.
const REPEATED: &str = "is given more than once";

/// Reads a parameter that is one of a closed list of words. What is told to clients may be a word that they do not know yet; what they
/// ask for may not.
pub(super) fn one_of<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let word = Option::<String>::deserialize(deserializer)?;
    word.map(|word| word.parse().map_err(D::Error::custom)).transpose()
}

/// A body that is a text file.
pub struct TextBody(pub String);

impl<S: Send + Sync> FromRequest<S> for TextBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await.map_err(|refused| not_read(&refused))?;
        let text = str::from_utf8(&bytes).map_err(|error| {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            Problem::bad(format!(
                "line {line} of the file is not text in UTF-8; save the file in that encoding"
            ))
        })?;
        Ok(TextBody(text.to_owned()))
    }
}

fn not_read(refused: &BytesRejection) -> Problem {
    Problem::new(refused.status(), "body-not-read", refused.body_text())
}

/// The parameters of a request's path.
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match RawPath::<T>::from_request_parts(parts, state).await {
            Ok(RawPath(read)) => Ok(Path(read)),
            Err(refused) => {
                let params = RawPathParams::from_request_parts(parts, state).await;
                let names = params.iter().flatten().map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
                Err(path_problem(&refused, &names))
            }
        }
    }
}

/// What is wrong with a path whose parameters have these names, in their order.
fn path_problem(refused: &PathRejection, names: &[String]) -> Problem {
    let PathRejection::FailedToDeserializePathParams(failed) = refused else {
        // The route has no such parameters: ours to mend, and never the client's.
        return Problem::new(refused.status(), "path-not-read", refused.body_text());
    };
    let unread = |name: &str, value: &str, expected: &str| {
        Problem::bad_at(name, format!("\"{}\" cannot be read as {expected}", Shown(value)))
    };
    match failed.kind() {
        ErrorKind::InvalidUtf8InPathParam { key } => {
            Problem::bad_at(key, "must be UTF-8, percent-encoded in the path")
        }
        ErrorKind::ParseErrorAtKey { key, value, expected_type } => unread(key, value, expected_type),
        ErrorKind::ParseErrorAtIndex { index, value, expected_type } => {
            unread(names.get(*index).map_or("path", String::as_str), value, expected_type)
        }
        other => Problem::bad(other.to_string()),
    }
}

/// The parameters of a request's query.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + IntoParams> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        query(parts.uri.query().unwrap_or_default()).map(Query)
    }
}

/// A request's body in JSON.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + PartialSchema> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !says_json(request.headers()) {
            let why = "the body must be JSON; say so with application/json";
            let problem =
                Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", format!("Content-Type: {why}"));
            return Err(problem.at("Content-Type", why));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|refused| not_read(&refused))?;
        body(&bytes).map(JsonBody)
    }
}

/// `application/json`, or another type that is JSON (RFC 6839 section 3.1).
fn says_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn query<T: DeserializeOwned + IntoParams>(text: &str) -> Result<T, Problem> {
    let pairs = form_urlencoded::parse(text.as_bytes());
    serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs)).map_err(|error| {
        let given = |name: &str| form_urlencoded::parse(text.as_bytes()).filter(|(it, _)| it == name).count();
        let wrong = |one: Parameter| match (given(&one.name), one.required) {
            (0, Required::True) => Some((one.name, MISSING)),
            (0 | 1, _) => None,
            (_, _) => Some((one.name, REPEATED)),
        };
        let params = T::into_params(|| Some(ParameterIn::Query));
        refused(StatusCode::BAD_REQUEST, &error, params.into_iter().filter_map(wrong).collect())
    })
}

fn body<T: DeserializeOwned + PartialSchema>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let not_json = |error: &serde_json::Error| Problem::bad(format!("the body is not JSON: {error}"));
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        if !error.inner().is_data() {
            return not_json(error.inner());
        }
        refused(StatusCode::UNPROCESSABLE_ENTITY, &error, missing::<T>(bytes))
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(read)
}

/// The fields that a body must have and has not, by the document's own description of it.
fn missing<T: PartialSchema>(bytes: &[u8]) -> Vec<(String, &'static str)> {
    let (RefOr::T(Schema::Object(object)), Ok(Value::Object(given))) =
        (T::schema(), serde_json::from_slice(bytes))
    else {
        return Vec::new();
    };
    let missing = object.required.into_iter().filter(|name| !given.contains_key(name));
    missing.map(|name| (name, MISSING)).collect()
}

/// The reader stops at the first fault. One without a place is of the whole: something is missing or there twice, or the whole is
/// something else.
fn refused<E: Display>(status: StatusCode, error: &Error<E>, of_whole: Vec<(String, &str)>) -> Problem {
    let wrong = match place(error.path()) {
        Some(field) => vec![(field, error.inner().to_string())],
        None if of_whole.is_empty() => vec![(String::new(), error.inner().to_string())],
        None => of_whole.into_iter().map(|(field, why)| (field, why.to_owned())).collect(),
    };
    let said = |(field, why): &(String, String)| match field.as_str() {
        "" => why.clone(),
        field => format!("{field}: {why}"),
    };
    let detail: Vec<_> = wrong.iter().map(said).collect();
    let problem = Problem::new(status, "bad-request", detail.join("; "));
    wrong.into_iter().fold(problem, |problem, (field, why)| problem.at(field, why))
}

/// A dotted path; none: the whole.
fn place(path: &Place) -> Option<String> {
    path.iter().next().map(|_| path.to_string())
}

#[cfg(test)]
mod tests {
    use api_types::{NewPool, NewScan, NewServer};
    use tower::ServiceExt;

    use super::*;

    #[derive(Debug, Deserialize, utoipa::IntoParams)]
    struct Asked {
        /// A rack.
        #[allow(dead_code)]
        rack: String,
        /// A bound.
        #[allow(dead_code)]
        limit: Option<u32>,
        /// A wish.
        #[serde(default)]
        #[allow(dead_code)]
        dry_run: bool,
    }

    fn fields(problem: &Problem) -> Vec<&str> {
        problem.fields.iter().map(|one| one.field.as_str()).collect()
    }

    #[test]
    fn a_body_that_cannot_be_read_names_its_fields() {
        fn check<T: DeserializeOwned + PartialSchema>(text: &str, status: u16, expected: &[&str]) {
            let Err(problem) = body::<T>(text.as_bytes()) else { panic!("{text} is read") };
            assert_eq!((problem.status, fields(&problem).as_slice()), (status, expected), "{problem:?}");
            assert!(expected.iter().all(|field| problem.detail.contains(field)), "{problem:?}");
        }
        check::<NewPool>("{}", 422, &["name", "resource_class", "match"]);
        check::<NewPool>(r#"{"name":"a","match":[]}"#, 422, &["resource_class"]);
        check::<NewPool>(r#"{"name":7,"resource_class":"x","match":[]}"#, 422, &["name"]);
        check::<NewPool>(r#"{"name":"a","resource_class":"x","match":["a",7]}"#, 422, &["match[1]"]);
        check::<NewPool>(r#"{"name":"a","colour":"x"}"#, 422, &["colour"]);
        check::<NewServer>(
            r#"{"name":"a","flavor":"f","image":"i","networks":[{"network":"n"},{"network":"m","vlan":"x"}]}"#,
            422,
            &["networks[1].vlan"],
        );
        check::<NewScan>(
            r#"{"rack":"r","ranges":[],"credentials":[{"username":7}]}"#,
            422,
            &["credentials[0].username"],
        );
        check::<NewPool>("[]", 422, &[""]);
        check::<NewPool>("{", 400, &[]);
        check::<NewPool>("", 400, &[]);
        check::<NewPool>(r#"{"name":"a","resource_class":"x","match":[]} x"#, 400, &[]);
        assert!(body::<NewPool>(br#"{"name":"a","resource_class":"x","match":[]}"#).is_ok());
    }

    #[test]
    fn a_query_that_cannot_be_read_names_its_parameters() {
        let check = |text: &str, expected: &[&str]| {
            let Err(problem) = query::<Asked>(text) else { panic!("{text} is read") };
            assert_eq!((problem.status, fields(&problem).as_slice()), (400, expected), "{problem:?}");
        };
        check("", &["rack"]);
        check("rack=a&limit=many", &["limit"]);
        check("limit=-1", &["limit"]);
        check("rack=a&dry_run=yes", &["dry_run"]);
        check("rack=a&rack=b", &["rack"]);
        assert_eq!(query::<Asked>("rack=a%20b&other=x").unwrap().rack, "a b");
    }

    #[tokio::test]
    async fn a_path_that_cannot_be_read_names_its_parameter() {
        let router = axum::Router::new().route(
            "/disks/{node}/{number}",
            axum::routing::get(|Path((node, number)): Path<(String, u32)>| async move {
                format!("{node} {number}")
            }),
        );
        let check = async |path: &str, expected: Result<&str, &str>| {
            let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            let status = answer.status();
            let bytes = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
            match expected {
                Ok(said) => assert_eq!((status, &bytes[..]), (StatusCode::OK, said.as_bytes())),
                Err(field) => {
                    let problem: api_types::Problem = serde_json::from_slice(&bytes).unwrap();
                    assert_eq!(
                        (problem.status, problem.fields[0].field.as_str()),
                        (400, field),
                        "{problem:?}"
                    );
                }
            }
        };
        check("/disks/n%201/7", Ok("n 1 7")).await;
        check("/disks/n1/seven", Err("number")).await;
        check("/disks/n1/-1", Err("number")).await;
        check("/disks/%FF/7", Err("node")).await;
    }

    #[tokio::test]
    async fn a_file_that_is_no_text_is_told_with_its_line() {
        let read = async |bytes: &'static [u8]| {
            let request = Request::post("/").body(axum::body::Body::from(bytes)).unwrap();
            TextBody::from_request(request, &()).await.map(|TextBody(text)| text)
        };
        assert_eq!(read("name\ngrößer".as_bytes()).await.unwrap(), "name\ngrößer");
        let refused = read(b"name\nn1\nb\xfcro").await.unwrap_err();
        assert!(refused.status == 400 && refused.detail.contains("line 3"), "{refused:?}");
    }

    #[test]
    fn json_is_said_to_be_json() {
        let check = |kind: Option<&'static str>, expected: bool| {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(header::CONTENT_TYPE, kind.parse().unwrap());
            }
            assert_eq!(says_json(&headers), expected, "{kind:?}");
        };
        check(Some("application/json"), true);
        check(Some("Application/JSON; charset=utf-8"), true);
        check(Some("application/merge-patch+json"), true);
        check(Some("text/json"), false);
        check(Some("application/x-www-form-urlencoded"), false);
        check(None, false);
    }
}
