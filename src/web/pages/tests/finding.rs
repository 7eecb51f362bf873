//! Finding by what people paste.

use actix_web::http::StatusCode;

use super::{Browser, Site, app};
use crate::domain::identity::Platform;

#[actix_web::test]
async fn what_is_known_is_found_by_every_way_to_write_it() {
    let site = Site::new().await;
    let object = site.post("583231", "octocat", "77", "octocat/hello").await;
    let app = app!(site);
    let visitor = Browser::default();
    let account = format!("{}/bridge/github/583231", site.base());
    let post = format!("{}/bridge/github/objects/{}", site.base(), object.object);
    for (typed, expected) in [
        ("@octocat@github", &account),
        ("octocat@github", &account),
        ("https://www.github.com/Octocat?tab=stars", &account),
        ("github:77", &post),
        (post.as_str(), &post),
    ] {
        let query = url::form_urlencoded::byte_serialize(typed.as_bytes()).collect::<String>();
        let reply = visitor.get(&app, &format!("/find?q={query}")).await;
        assert!(expected.ends_with(reply.location()) && !reply.location().is_empty(), "{typed}: {}", reply.location());
    }
}

#[actix_web::test]
async fn a_platform_is_asked_for_somebody_who_signed_in_and_pressed_the_button() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    {
        let world = &mut *site.github.world();
        world.add_user(Platform::GitHub, "mira");
        world.add_post(Platform::GitHub, "mira", "tiles").unwrap();
    }
    let app = app!(site);
    let path = "/find?q=https://github.com/mira/tiles";
    let visitor = Browser::default();
    let page = visitor.get(&app, path).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    page.shows("does not know it");
    page.hides("Ask GitHub");
    assert_eq!(
        visitor.post(&app, "/find", &[("q", "https://github.com/mira/tiles")]).await.status,
        StatusCode::FORBIDDEN
    );
    let ana = Browser::signed_in(&app, "ana").await;
    ana.get(&app, path).await.shows("Ask GitHub");
    let reply = ana.post(&app, "/find", &[("q", "https://github.com/mira/tiles")]).await;
    assert!(reply.location().contains("/bridge/github/objects/"), "{}", reply.body);
    ana.get(&app, reply.location()).await.shows("action=\"/flattr\"");
    assert_eq!(visitor.get(&app, path).await.status, StatusCode::NOT_FOUND, "an address of a repository holds no id");
    let reply = ana.post(&app, "/find", &[("q", "@nobody@github")]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    reply.shows("GitHub does not know");
}

#[actix_web::test]
async fn what_cannot_be_meant_is_refused_with_its_reason() {
    let site = Site::new().await;
    let app = app!(site);
    let visitor = Browser::default();
    for (typed, reason) in [
        ("two%20words", "neither a web address nor a name"),
        ("https://github.com.evil.example/mira", "not on a platform that is bridged here"),
        ("https://github.com%40evil.example/mira", "it may lead elsewhere than it looks"),
        ("https://github.com/features", "neither a person nor a post"),
    ] {
        let page = visitor.get(&app, &format!("/find?q={typed}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{typed}");
        page.shows(reason);
    }
    visitor.get(&app, "/find").await.shows("Paste the address");
}

#[actix_web::test]
async fn the_address_of_a_profile_connects_it_like_its_name() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    site.github.world().add_user(Platform::GitHub, "nils");
    let app = app!(site);
    let ana = Browser::signed_in(&app, "ana").await;
    let fields = [("platform", "github"), ("handle", "https://github.com/nils")];
    assert_eq!(ana.post(&app, "/me/connections", &fields).await.location(), "/me/connections?done=connect");
    let foreign = [("platform", "github"), ("handle", "https://vimeo.com/nils")];
    assert_eq!(ana.post(&app, "/me/connections", &foreign).await.status, StatusCode::BAD_REQUEST);
}
