//! Keystone tells who somebody is.

use anyhow::{Result, ensure};
use coordinator::openstack::{Error, keystone, session::http_client};
use protocol::secret::Secret;
use tests::openstack::Who;

use super::{Cloud, refused};

pub async fn identities(cloud: &Cloud) -> Result<()> {
    let demo = cloud.keystone.validate_token(&cloud.demo).await?;
    ensure!(!demo.is_admin && demo.roles.contains(&"member".to_owned()), "{demo:?}");
    ensure!(demo.user_name == "demo" && demo.project_name.as_deref() == Some("demo"), "{demo:?}");
    let project = cloud.keystone.find_project("demo").await?;
    ensure!(demo.project_id.as_deref() == Some(&project.id), "{demo:?} {project:?}");
    let other = cloud.keystone.validate_token(&cloud.other).await?;
    ensure!(other.project_id != demo.project_id, "{other:?}");
    for (who, has_project) in [(Who::System, false), (Who::Admin, true)] {
        let token = cloud.openstack.session(who)?.issued().await?.token.clone();
        let admin = cloud.keystone.validate_token(&token).await?;
        ensure!(admin.is_admin && admin.project_id.is_some() == has_project, "{admin:?}");
        ensure!(cloud.keystone.validate_token(&token).await? == admin, "the remembered answer differs");
    }
    let error = refused(cloud.keystone.find_project("nobody's").await)?;
    ensure!(error.is_not_found(), "{error:?}");
    Ok(())
}

pub async fn bad_credentials(cloud: &Cloud) -> Result<()> {
    for token in ["no such token", "gAAAAAB", "line\nfeed", ""] {
        let error = refused(cloud.keystone.validate_token(&Secret::new(token)).await)?;
        ensure!(
            matches!(error, Error::Unauthorized { .. } | Error::Refused { code: 400, .. }),
            "{token:?}: {error:?}"
        );
    }
    let mut credentials = cloud.openstack.credentials(Who::Demo);
    credentials.password = Secret::new("wrong");
    let error = refused(keystone::login(&http_client(None)?, &credentials).await)?;
    ensure!(
        matches!(&error, Error::Unauthorized { message, .. } if message.contains("authentication")),
        "{error:?}"
    );
    credentials.auth_url = "http://127.0.0.1:1/v3".into();
    let error = refused(keystone::login(&http_client(None)?, &credentials).await)?;
    ensure!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    Ok(())
}
