//! Edges: signing in by Keystone, and out.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, MutexGuard, PoisonError},
};

use askama::Template;
use axum::{
    extract::{ConnectInfo, Extension, Form, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use domain::rim::{ServiceError, SignIn, SignedIn};
use protocol::secret::Secret;
use tracing::{info, warn};

use super::{
    Ui,
    brake::Brake,
    form::{Field, Typed},
    page::{self, Frame, Posted},
    session::{self, Visitor},
    view::sentence,
};
use crate::{access::Holder, audit::Asked, problem::Problem};

/// Longest name of a user, a project or a domain: Keystone's own bound.
const NAME_CHARS_MAX: usize = 255;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    fields: Vec<Field>,
    to: String,
    ended: Option<&'static str>,
    refused: Option<String>,
}

/// Why somebody is here who was signed in before.
fn why_ended(word: &str) -> Option<&'static str> {
    match word {
        "ended" => Some("Your session has ended. Sign in, and you come back to where you were."),
        "lost" => Some(
            "Your session had ended before the form was sent: nothing was done. Sign in, and you come back to the form.",
        ),
        _ => None,
    }
}

impl SignInPage {
    fn new(typed: &Typed, to: &str, refused: Option<String>) -> Self {
        let user = Field { autocomplete: "username", ..Field::text("user", "User", typed) };
        let project = Field::text("project", "Project", typed)
            .optional()
            .hint("The project you work in. Leave empty for the whole system, if you have a role there.");
        let domain = Field::text("domain", "Domain", typed).default_value(typed, "Default");
        SignInPage {
            frame: Frame::new(None, "", ""),
            fields: vec![
                user,
                Field::password("password", "Password", "current-password"),
                project,
                domain.hint("Keystone domain of the user and the project."),
            ],
            to: to.to_owned(),
            ended: None,
            refused,
        }
    }
}

/// Where to go afterwards: a page of ours and nothing else.
fn safe(to: &str) -> &str {
    let is_ours = to.starts_with("/ui/") && !to.contains(['\\', '\n', '\r']) && !to.contains("//");
    if is_ours && !to.starts_with("/ui/sign-") && !to.starts_with("/ui/live") { to } else { "/ui/" }
}

/// The form.
pub async fn form(visitor: Option<Visitor>, Query(query): Query<BTreeMap<String, String>>) -> Response {
    let to = safe(query.get("to").map_or("/ui/", String::as_str));
    if visitor.is_some() {
        return Redirect::to(to).into_response();
    }
    let mut shown = SignInPage::new(&Typed::default(), to, None);
    shown.ended = query.get("why").and_then(|word| why_ended(word));
    shown.frame = shown.frame.done(&query);
    page::answer(StatusCode::OK, &shown)
}

/// Signs in.
pub async fn sign_in(
    State(ui): State<Arc<Ui>>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    asked: Asked,
    form: Result<Form<BTreeMap<String, String>>, axum::extract::rejection::FormRejection>,
) -> Response {
    if let Err(problem) = session::check_origin(&headers) {
        return page::failure(None, &problem);
    }
    let typed = Typed(form.map(|Form(typed)| typed).unwrap_or_default());
    let to = safe(typed.or("to", "/ui/")).to_owned();
    let refuse = |status: StatusCode, why: String| {
        let mut kept = typed.clone();
        kept.0.remove("password");
        page::answer(status, &SignInPage::new(&kept, &to, Some(why)))
    };
    let wanted = SignIn {
        user: typed.get("user").to_owned(),
        // A password may begin or end with a blank.
        password: Secret::new(typed.0.get("password").cloned().unwrap_or_default()),
        project: typed.filled("project").map(str::to_owned),
        domain: typed.or("domain", "Default").to_owned(),
    };
    if wanted.user.is_empty() || wanted.password.reveal().is_empty() {
        return refuse(StatusCode::BAD_REQUEST, "Enter user and password.".to_owned());
    }
    let names = [Some(&wanted.user), wanted.project.as_ref(), Some(&wanted.domain)];
    if names.into_iter().flatten().any(|name| name.chars().count() > NAME_CHARS_MAX) {
        let why = format!("No user, project or domain has a name of more than {NAME_CHARS_MAX} characters.");
        return refuse(StatusCode::BAD_REQUEST, why);
    }
    // Without an address everybody is one.
    let from = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Extension(ConnectInfo(peer))| peer.ip());
    asked.is_claimed_by(&wanted.user);
    let asked_keystone = match ask(&ui, from, &wanted).await {
        Ok(answer) => answer,
        Err(problem) => {
            let mut page = refuse(page::status_of(&problem), sentence(&problem.detail));
            if let Some(again) = problem.retry_after_s {
                page.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(again));
            }
            return page;
        }
    };
    let signed_in = match asked_keystone {
        Ok(signed_in) => signed_in,
        Err(ServiceError::Unauthorized { .. } | ServiceError::NotFound { .. }) => {
            info!(user = ?wanted.user, project = ?wanted.project, "sign-in refused by keystone");
            let why = match &wanted.project {
                Some(_) => {
                    "Keystone does not accept this user and password for this project. Check all four fields; the user \
                     needs a role in the project."
                }
                None => {
                    "Keystone does not accept this user and password for the whole system. Most people sign in to a \
                     project: enter its name."
                }
            };
            return refuse(StatusCode::UNAUTHORIZED, why.to_owned());
        }
        Err(error) => {
            warn!(user = ?wanted.user, %error, "sign-in failed");
            let problem = Problem::from(error).for_tenants(asked.request_id());
            let why = format!("Nobody can sign in now: {}", sentence(&problem.detail));
            return refuse(StatusCode::SERVICE_UNAVAILABLE, why);
        }
    };
    match ui.authenticator.know_signed_in(&signed_in).await {
        Ok(known) => asked.is_by(&known),
        Err(problem) => {
            let problem = problem.for_tenants(asked.request_id());
            return refuse(page::status_of(&problem), sentence(&problem.detail));
        }
    }
    let Some(cookie) = session::begin(&ui, &signed_in) else {
        let why = "Keystone's token is too large for a browser's cookie. An administrator must configure Keystone's \
                   Fernet tokens.";
        return refuse(StatusCode::INTERNAL_SERVER_ERROR, why.to_owned());
    };
    info!(user = ?wanted.user, project = ?wanted.project, "signed in");
    ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response()
}

/// Asks Keystone, unless too much is asked from there. A refusal of ours says when to come again.
async fn ask(ui: &Ui, from: IpAddr, wanted: &SignIn) -> Result<Result<SignedIn, ServiceError>, Problem> {
    let _place = ui.authenticator.shares.sign_ins.take(Holder::Address(from))?;
    let begun = brake(ui).begin(from, &wanted.user, ui.clock.now_us());
    begun.map_err(|slow| {
        warn!(user = ?wanted.user, address = %from, "sign-in not tried, too many wrong passwords");
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", slow.to_string());
        problem.again_in(slow.wait_s())
    })?;
    let asked = ui.authenticator.identity.sign_in(wanted).await;
    match &asked {
        Ok(_) => brake(ui).was_right(from, &wanted.user, ui.clock.now_us()),
        Err(
            ServiceError::Unauthorized { .. } | ServiceError::NotFound { .. } | ServiceError::Refused { .. },
        ) => {}
        Err(
            ServiceError::Unavailable { .. }
            | ServiceError::Unintelligible { .. }
            | ServiceError::Locked { .. }
            | ServiceError::Conflict { .. },
        ) => brake(ui).was_undecided(from, &wanted.user),
    }
    Ok(asked)
}

fn brake(ui: &Ui) -> MutexGuard<'_, Brake> {
    ui.brake.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Signs out: the cookie goes, and the token is good for nothing any more.
pub async fn sign_out(State(ui): State<Arc<Ui>>, posted: Posted) -> Response {
    if let Err(error) = ui.authenticator.sign_out(&posted.visitor.token).await {
        warn!(%error, "token of a sign-out not revoked; it ends by itself");
    }
    let to = Redirect::to("/ui/sign-in?done=signed-out");
    ([(header::SET_COOKIE, session::end())], to).into_response()
}

#[cfg(test)]
mod tests {
    use super::safe;

    #[test]
    fn a_sign_in_leads_to_our_pages_only() {
        let check = |to: &str, expected: &str| assert_eq!(safe(to), expected, "{to}");
        check("/ui/nodes?find=a", "/ui/nodes?find=a");
        for bad in
            ["", "//evil.example", "/ui/../..//evil", "https://evil.example", "/v1", "/ui/\\evil", "/ui/live"]
        {
            check(bad, "/ui/");
        }
        check("/ui/sign-in?to=/ui/", "/ui/");
    }
}
