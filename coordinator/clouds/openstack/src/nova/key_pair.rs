//! Edges: Nova's key pairs.

use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Nova, done};
use crate::{Caller, error::Error};
use domain::url_text::segment;

/// A public key that Nova keeps for a user.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct KeyPair {
    /// Its name.
    pub name: String,
    /// The key as in `authorized_keys`.
    pub public_key: String,
    /// Its fingerprint.
    #[serde(default)]
    pub fingerprint: String,
}

impl Nova {
    /// Keeps a public key under a name for the caller. A name that is taken is a conflict.
    pub async fn create_key_pair(
        &self,
        caller: Caller<'_>,
        name: &str,
        public_key: &str,
    ) -> Result<KeyPair, Error> {
        #[derive(Deserialize)]
        struct Made {
            keypair: KeyPair,
        }
        let body = json!({"keypair": {"name": name, "public_key": public_key, "type": "ssh"}});
        let operation = format!("create key pair {name}");
        let call = self.call(caller, Method::POST, "/os-keypairs".to_owned(), operation).body(body);
        Ok(self.session.json::<Made>(call).await?.keypair)
    }

    /// Lists the caller's key pairs.
    pub async fn list_key_pairs(&self, caller: Caller<'_>) -> Result<Vec<KeyPair>, Error> {
        #[derive(Deserialize)]
        struct KeyPairs {
            keypairs: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            keypair: KeyPair,
        }
        let call = self.call(caller, Method::GET, "/os-keypairs".to_owned(), "list the key pairs".to_owned());
        let answer: KeyPairs = self.session.json(call).await?;
        Ok(answer.keypairs.into_iter().map(|item| item.keypair).collect())
    }

    /// Deletes a key pair of the caller. Done already is done.
    pub async fn delete_key_pair(&self, caller: Caller<'_>, name: &str) -> Result<(), Error> {
        let path = format!("/os-keypairs/{}", segment(name));
        done(
            self.session
                .send(self.call(caller, Method::DELETE, path, format!("delete key pair {name}")))
                .await,
        )
    }
}
