//! Edges: what revoking an agent's certificate does by REST.

use super::{world::World, *};
use domain::{
    certificate::Fingerprint,
    records::{AgentCertificate, Origin},
};

fn certificate(digit: &str) -> AgentCertificate {
    AgentCertificate {
        fingerprint: digit.repeat(64).parse().unwrap(),
        rack: "rack1".parse().unwrap(),
        origin: Origin::Issued,
        renewed_from: None,
        given_us: 1,
        begins_us: 1,
        ends_us: 4_000_000_000_000_000,
        used_us: None,
        replaced_us: None,
        revoked_us: None,
    }
}

#[tokio::test]
async fn an_administrator_revokes_by_rack_or_by_fingerprint_and_is_named() {
    let world = World::start().await;
    for digit in ["a", "b", "c"] {
        world.inventory.put_certificate(&certificate(digit)).await.unwrap();
    }
    let revoke = async |rack: &str, body: &str| {
        let request = Request::post(format!("/v1/agents/{rack}/revoke"))
            .header("content-type", "application/json")
            .header("x-auth-token", "token-administrator");
        let (status, _, said) = world.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        (status, said)
    };
    let revoked = async || {
        let known = world.inventory.certificates(None).await.unwrap();
        known.iter().filter(|one| one.revoked_us.is_some()).map(|one| one.fingerprint).collect::<Vec<_>>()
    };
    let told = async || {
        let events = world.inventory.events_from(&Default::default()).await.unwrap();
        events.into_iter().map(|event| event.text).filter(|text| text.contains("revoked")).collect::<Vec<_>>()
    };
    for (rack, body, status, word) in [
        ("rack2", "{}", StatusCode::NOT_FOUND, "rack2"),
        ("rack1", r#"{"fingerprint":"xyz"}"#, StatusCode::BAD_REQUEST, "fingerprint"),
        (
            "rack1",
            &format!(r#"{{"fingerprint":"{}"}}"#, "d".repeat(64)),
            StatusCode::NOT_FOUND,
            "GET /v1/agents/rack1",
        ),
        ("rack1", r#"{"fingerprints":["a"]}"#, StatusCode::UNPROCESSABLE_ENTITY, "fingerprints"),
    ] {
        let (is, said) = revoke(rack, body).await;
        assert_eq!(is, status, "{body}: {said}");
        assert!(said.contains(word), "{said}");
    }
    assert_eq!((revoked().await, told().await), (vec![], vec![]), "nothing was changed");
    let (status, said) = revoke("rack1", &format!(r#"{{"fingerprint":"{}"}}"#, "B".repeat(64))).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_eq!(revoked().await, ["b".repeat(64).parse::<Fingerprint>().unwrap()]);
    for _ in 0..2 {
        let (status, said) = revoke("rack1", "{}").await;
        assert_eq!(status, StatusCode::OK, "{said}");
        assert!(said.contains(r#""certificate_ends":null"#), "{said}");
    }
    assert_eq!(revoked().await.len(), 3);
    let told = told().await;
    assert_eq!(told.len(), 2, "what is revoked already is no news: {told:?}");
    assert!(told.iter().all(|text| text.contains("administrator revoked certificate")), "{told:?}");
}
