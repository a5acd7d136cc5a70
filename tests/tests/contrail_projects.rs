//! Tenants' projects and networks in a Contrail that others use too, on the stand-in of the VNC API.

use contrail::{Config as Site, Contrail};
use domain::rim::TenantNetworks;
use serde_json::{Value, json};
use tests::contrail::{Config, Standin, kind::Kind, request::Request};
use uuid::Uuid;

const PROJECT: &str = "0123456789abcdef0123456789abcdef";

struct World {
    standin: Standin,
    contrail: Contrail,
}

impl World {
    async fn start() -> Self {
        let standin = Standin::start(Config::api_only(&[])).await.unwrap();
        let contrail = Contrail::new(Site::with_default_names(standin.url()), None).unwrap();
        Self { standin, contrail }
    }

    fn make(&self, kind: &str, body: Value) {
        let kind = Kind::of(kind).unwrap();
        self.standin.shared.perform(&Request::Create(kind, json!({ kind.name: body }))).map(|_| ()).unwrap();
    }

    /// Name of the project of our tenant.
    fn project(&self) -> Vec<String> {
        let store = self.standin.shared.store();
        store.get(Uuid::parse_str(PROJECT).unwrap()).unwrap().fq_name.clone()
    }
}

/// As after a project that was made by hand, or that Keystone had before under the same name.
#[tokio::test]
async fn a_project_whose_name_is_taken_gets_one_of_its_own() {
    let world = World::start().await;
    world.make("project", json!({ "fq_name": ["default-domain", "acme"], "parent_type": "domain" }));
    for _ in 0..2 {
        let made = world.contrail.ensure_network(PROJECT, "acme", "web", "192.0.2.0/24").await.unwrap();
        assert_eq!(made.project_id, PROJECT);
    }
    let id = Uuid::parse_str(PROJECT).unwrap();
    assert_eq!(world.project(), ["default-domain".to_owned(), format!("acme-{id}")]);
    assert_eq!(world.contrail.list_networks(Some(PROJECT)).await.unwrap().len(), 1);

    // That name is taken too: somebody has to say which is which.
    let world = World::start().await;
    for name in ["acme".to_owned(), format!("acme-{id}")] {
        world.make("project", json!({ "fq_name": ["default-domain", name], "parent_type": "domain" }));
    }
    let error = world.contrail.ensure_network(PROJECT, "acme", "web", "192.0.2.0/24").await.unwrap_err();
    for words in ["acme", "delete or rename them in Contrail", &id.to_string()] {
        assert!(error.to_string().contains(words), "{error}");
    }
    world.standin.stop().await;
}

#[tokio::test]
async fn a_projects_name_from_keystone_may_have_a_colon() {
    let world = World::start().await;
    world.contrail.ensure_network(PROJECT, "acme:test", "web", "192.0.2.0/24").await.unwrap();
    assert_eq!(world.project(), ["default-domain", "acme_test"]);
    world.standin.stop().await;
}

/// The server has networks of its own from its first start.
#[tokio::test]
async fn contrails_own_networks_are_nobodys() {
    let world = World::start().await;
    assert!(world.standin.shared.store().of_kind("virtual-network").any(|network| network.is_built_in()));
    world.contrail.ensure_site().await.unwrap();
    assert!(world.contrail.list_networks(None).await.unwrap().is_empty());
    let made = world.contrail.ensure_network(PROJECT, "acme", "web", "192.0.2.0/24").await.unwrap();
    assert_eq!(world.contrail.list_networks(None).await.unwrap(), [made]);
    world.standin.stop().await;
}
