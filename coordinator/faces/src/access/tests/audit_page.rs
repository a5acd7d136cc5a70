//! Edges: the record of changes as it is read: by name or id, page by page, by REST and on its page.

use api_types::{AuditEntry, Page};
use axum::{body::Body, http::Request};
use domain::audit::NewEntry;

use super::{ADMIN_PROJECT, PEOPLE, page, signed_in, world::World};

async fn put(world: &World, user: &str, project: (&str, &str), object: &str) {
    let text = |text: &str| Some(text.to_owned());
    let entry = NewEntry {
        request_id: "req-6ae0a1b2-c3d4-45e6-8f70-0123456789ab".to_owned(),
        source: Some("203.0.113.9".parse().unwrap()),
        user_id: text(&format!("id-of-{user}")),
        user_name: text(user),
        project_id: text(project.0),
        project_name: Some(project.1.to_owned()).filter(|name| !name.is_empty()),
        standing: text("member"),
        method: "POST".to_owned(),
        route: "/v1/servers/{server}/actions".to_owned(),
        action: text("stop"),
        object: text(object),
        status: Some(202),
        ..NewEntry::default()
    };
    world.inventory.put_audit(&entry).await.unwrap();
}

async fn read(world: &World, query: &str) -> Page<AuditEntry> {
    let request = Request::get(format!("/v1/audit?{query}")).header("x-auth-token", "token-system-reader");
    let (status, _, said) = world.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, 200, "{query}: {said}");
    serde_json::from_str(&said).unwrap()
}

fn objects(page: &Page<AuditEntry>) -> Vec<&str> {
    page.items.iter().filter_map(|entry| entry.object.as_deref()).collect()
}

#[tokio::test]
async fn changes_are_found_by_name_or_id() {
    let world = World::start().await;
    put(&world, "ann", ("p1", "demo"), "s1").await;
    put(&world, "bob", ("p2", "other"), "s2").await;
    put(&world, "bob", ("p1", ""), "s3").await;
    let check = async |query: &str, expected: &[&str]| {
        assert_eq!(objects(&read(&world, query).await), expected, "{query}");
    };
    check("", &["s1", "s2", "s3"]).await;
    check("project=demo", &["s1"]).await;
    check("project=p1", &["s1", "s3"]).await;
    check("user=bob", &["s2", "s3"]).await;
    check("user=id-of-bob&project=other", &["s2"]).await;
    check("object=s3", &["s3"]).await;
    check("project=none", &[]).await;
    let names: Vec<_> = read(&world, "").await.items.into_iter().map(|entry| entry.project).collect();
    assert_eq!(names, [Some("demo".to_owned()), Some("other".to_owned()), None]);
}

#[tokio::test]
async fn pages_lead_into_the_past_and_each_change_is_on_one() {
    let world = World::start().await;
    let all: Vec<_> = (0..7).map(|number| format!("s{number}")).collect();
    for object in &all {
        put(&world, "ann", ("p1", "demo"), object).await;
        put(&world, "bob", ("p2", "other"), "not-asked-for").await;
    }
    for limit in 1..=8 {
        let (mut seen, mut marker) = (Vec::new(), String::new());
        loop {
            let page = read(&world, &format!("project=demo&limit={limit}{marker}")).await;
            assert!(page.items.len() <= limit && !page.items.is_empty());
            assert!(seen.len() < all.len(), "the pages go round in circles");
            seen.splice(0..0, objects(&page).into_iter().map(str::to_owned));
            let Some(next) = page.next else { break };
            marker = format!("&marker={next}");
        }
        assert_eq!(seen, all, "{limit} at a time");
    }
    let request = Request::get("/v1/audit?marker=yesterday").header("x-auth-token", "token-system-reader");
    let (status, _, said) = world.send(request.body(Body::empty()).unwrap()).await;
    assert!(status == 400 && said.contains("marker: "), "{status} {said}");
}

#[tokio::test]
async fn the_page_names_projects_and_leads_to_older_changes() {
    let world = World::start().await;
    for number in 0..101 {
        put(&world, "ann", ("p1", "demo"), &format!("s{number}.")).await;
    }
    put(&world, "bob", (ADMIN_PROJECT, ""), "s-old").await;
    let (cookie, _) = signed_in(&world, PEOPLE[7]).await.unwrap();
    let (status, shown) = page(&world, "/ui/audit?project=demo", &cookie).await;
    assert_eq!(status, 200, "{shown}");
    for words in [
        ">demo</a>",
        "<code>p1</code>",
        "203.0.113.9",
        "<b>stop</b>",
        "202 accepted",
        "s100.",
        "href=\"/ui/audit?user=ann\"",
    ] {
        assert!(shown.contains(words), "{words} is not in {shown}");
    }
    assert!(!shown.contains("s0.<") && !shown.contains("s-old"), "{shown}");
    assert!(shown.find("s100.") < shown.find("s99."), "the newest comes first");
    let (_, older) =
        shown.split_once("href=\"/ui/audit?project=demo&#38;marker=").expect("there are older ones");
    let marker = older.split('"').next().unwrap();
    let older = page(&world, &format!("/ui/audit?project=demo&marker={marker}"), &cookie).await.1;
    assert!(older.contains("s0.<") && !older.contains("s1.<"), "{older}");
    assert!(
        older.contains("href=\"/ui/audit?project=demo\">Newest") && !older.contains(">Older<"),
        "{older}"
    );
    let unnamed = page(&world, "/ui/audit?user=bob", &cookie).await.1;
    assert!(unnamed.contains("no name recorded") && unnamed.contains(ADMIN_PROJECT), "{unnamed}");
    let none = page(&world, "/ui/audit?user=%3Cb%3E", &cookie).await.1;
    assert!(none.contains("No recorded change matches") && !none.contains("<b>\""), "{none}");
    let (tenant, _) = signed_in(&world, PEOPLE[1]).await.unwrap();
    assert!(!page(&world, "/ui/servers", &tenant).await.1.contains("/ui/audit"), "tenants are not led there");
}
