//! Edges: one call to the VNC API over HTTP: a token, a bounded number of tries, and the next of several servers.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use protocol::{backoff::Backoff, error_chain::chain, secret::Secret};
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tracing::debug;

use super::{
    answer::{HttpAnswer, Known, Trouble, judge},
    trust::{self, ClientError},
};
use counters::Asked;

use domain::rim::FabricError;

/// Tries of one call before it is reported as unavailable, or as refused if the server fails at it.
pub const TRIES: u32 = 4;
/// Pauses between tries.
const RETRIES: Backoff = Backoff::new(Duration::from_millis(150), Duration::from_secs(1));
/// Largest answer that is read.
pub const ANSWER_MAX: usize = 16 << 20;
/// Largest part of a refusal's words that is read.
const WORDS_MAX: usize = 64 << 10;
/// Longest wait for a refusal's words. The real server announces words for a 403 that it never sends.
const WORDS_WAIT: Duration = Duration::from_secs(1);

/// Where tokens for the API come from (Keystone); a site without authentication has none.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// A token to send. `rejected` is the one that the API has just refused, so that it is not given again.
    async fn token(&self, rejected: Option<&Secret>) -> Result<Secret, FabricError>;
}

/// One call.
pub struct Call<'a> {
    /// How.
    pub method: Method,
    /// What of, beginning with a slash.
    pub path: &'a str,
    /// Parameters.
    pub query: &'a [(&'a str, String)],
    /// What to say.
    pub body: Option<&'a Value>,
    /// Where a thing can be read that an earlier try may have made; the call is not repeated if it is there.
    pub read_back: Option<String>,
}

impl<'a> Call<'a> {
    /// A call without parameters and body.
    pub fn new(method: Method, path: &'a str) -> Self {
        Self { method, path, query: &[], body: None, read_back: None }
    }
}

/// The way to one API, which may be behind several servers.
pub struct Wire {
    http: Client,
    urls: Vec<String>,
    /// Which server is asked now: one is kept for as long as it answers.
    at: AtomicUsize,
    tokens: Option<Arc<dyn Tokens>>,
}

impl Wire {
    /// The way to the servers at these URLs.
    pub fn new(
        urls: &[String],
        ca_file: Option<&Path>,
        tokens: Option<Arc<dyn Tokens>>,
    ) -> Result<Self, ClientError> {
        let urls = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Ok(Self { http: trust::client(ca_file)?, urls, at: AtomicUsize::new(0), tokens })
    }

    /// Where the API is, for people.
    pub fn place(&self) -> String {
        self.urls.join(" and ")
    }

    /// How we are known there.
    pub fn known(&self) -> Known {
        if self.tokens.is_some() { Known::ByToken } else { Known::Nameless }
    }

    /// Does a call. What comes back is an answer, whatever its status; troubles have been waited out or are the error.
    pub async fn call(&self, call: &Call<'_>) -> Result<HttpAnswer, FabricError> {
        let answer = self.until_answered(call).await;
        let how = match &answer {
            // What is not there, or there already, is an answer as any other.
            Ok(answer) if matches!(answer.status, 200 | 404 | 409) => Asked::Ok,
            Ok(_) => Asked::Refused,
            Err(_) => Asked::Unavailable,
        };
        counters::asked("contrail", how);
        answer
    }

    async fn until_answered(&self, call: &Call<'_>) -> Result<HttpAnswer, FabricError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let last = attempt >= TRIES;
            match self.authorised(call).await {
                Ok(answer) => {
                    debug!(method = %call.method, path = call.path, status = answer.status, "called the vnc api");
                    return Ok(answer);
                }
                Err(Trouble::Failed(error)) => return Err(error),
                Err(Trouble::Failing(answer)) if last => return Ok(answer),
                Err(Trouble::Later(reason)) => return Err(self.unavailable(reason)),
                Err(Trouble::Soon(reason)) if last => return Err(self.unavailable(reason)),
                Err(Trouble::Soon(_) | Trouble::Failing(_)) => {
                    debug!(method = %call.method, path = call.path, attempt, "vnc api is asked again");
                }
            }
            tokio::time::sleep(RETRIES.after(attempt)).await;
            if let Some(path) = &call.read_back
                && let Ok(found) = self.authorised(&Call::new(Method::GET, path)).await
                && found.status == 200
            {
                return Ok(found);
            }
        }
    }

    /// One try with a token; a refused token is renewed once.
    async fn authorised(&self, call: &Call<'_>) -> Result<HttpAnswer, Trouble> {
        let Some(tokens) = &self.tokens else {
            return self.once(call, None).await;
        };
        let token = tokens.token(None).await.map_err(Trouble::Failed)?;
        let answer = self.once(call, Some(&token)).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let fresh = tokens.token(Some(&token)).await.map_err(Trouble::Failed)?;
        self.once(call, Some(&fresh)).await
    }

    async fn once(&self, call: &Call<'_>, token: Option<&Secret>) -> Result<HttpAnswer, Trouble> {
        let at = self.at.load(Ordering::Relaxed);
        let answer = self.ask(&self.urls[at % self.urls.len()], call, token).await;
        if let Err(Trouble::Soon(_) | Trouble::Later(_)) = &answer {
            // Of several calls that meet the same trouble, one moves on.
            let _ = self.at.compare_exchange(at, at + 1, Ordering::Relaxed, Ordering::Relaxed);
        }
        answer
    }

    async fn ask(&self, url: &str, call: &Call<'_>, token: Option<&Secret>) -> Result<HttpAnswer, Trouble> {
        let url = format!("{url}{}", call.path);
        let mut request = self.http.request(call.method.clone(), url).query(call.query);
        if let Some(body) = call.body {
            request = request.json(body);
        }
        if let Some(token) = token {
            request = request.header("X-Auth-Token", token.reveal());
        }
        let response = request.send().await.map_err(|error| no_answer(&error))?;
        let status = response.status().as_u16();
        let text = match status {
            200 => whole(response, call.path).await?,
            // The status says it; the words may be missing.
            _ => tokio::time::timeout(WORDS_WAIT, words(response)).await.unwrap_or_default(),
        };
        judge(HttpAnswer { status, text })
    }

    fn unavailable(&self, reason: String) -> FabricError {
        FabricError::Unavailable { url: self.place(), reason }
    }
}

fn no_answer(error: &reqwest::Error) -> Trouble {
    if let Some(remedy) = trust::distrust(error) {
        return Trouble::Later(format!("{}: {remedy}", chain(error)));
    }
    // A call that timed out may be waiting behind others: repeating it at once would make that worse.
    if error.is_timeout() { Trouble::Later(chain(error)) } else { Trouble::Soon(chain(error)) }
}

async fn whole(mut response: Response, path: &str) -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| no_answer(&error))? {
        if bytes.len() + chunk.len() > ANSWER_MAX {
            return Err(Trouble::Later(format!("its answer to {path} is longer than {ANSWER_MAX} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// As much of a refusal's words as comes.
async fn words(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > WORDS_MAX {
            break;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
