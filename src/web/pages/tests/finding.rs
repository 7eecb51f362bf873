//! Finding by what people paste.

use actix_web::http::StatusCode;

use super::{Browser, ObjectRef, Site, app, doors};
use crate::console::{Command, execute};
use crate::domain::identity::Platform;
use crate::storage;

#[actix_web::test]
async fn what_is_known_is_found_by_every_way_to_write_it() {
    let site = Site::new().await;
    let object = site.post("583231", "octocat", "77", "octocat/hello").await;
    let app = app!(site);
    let visitor = Browser::default();
    let account = format!("{}/bridge/github/583231", site.base());
    let post = format!("{}/bridge/github/objects/{}", site.base(), object.object);
    let handle = format!("@octocat.github@{}", site.node.instance.host);
    for (typed, expected) in [
        ("@octocat@github", &account),
        ("octocat@github", &account),
        (handle.as_str(), &account),
        ("https://www.github.com/Octocat?tab=stars", &account),
        ("github:77", &post),
        (post.as_str(), &post),
        // Another instance's proxy of it, wherever that is.
        (&format!("http://beta.localhost:8080/bridge/github/objects/{}", object.object), &post),
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
    page.shows("Only GitHub can tell");
    visitor.get(&app, "/find?q=@mira@github").await.shows("does not know it");
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
    // It holds no id, and is known by its address from now on, however that is written.
    let found = visitor.get(&app, path).await.location().to_owned();
    assert_eq!(found, reply.location());
    assert_eq!(visitor.get(&app, "/find?q=github.com/Mira/Tiles/").await.location(), found);
    let page = visitor.get(&app, "/find?q=https://github.com/mira/other").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    page.shows("Only GitHub can tell");
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
    let own = format!("/find?q=@nobody@{}", site.node.instance.host);
    visitor.get(&app, &own).await.shows("neither a web address nor a name");
    visitor.get(&app, "/find?q=@mira@social.example").await.shows("Nobody here has flattred this on Fediverse");
}

#[actix_web::test]
async fn a_post_whose_address_holds_its_id_is_found_whether_or_not_its_platform_can_be_asked() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let ana = Browser::signed_in(&app, "ana").await;
    let federation = crate::federation::library::federation(&site.node).await.unwrap();
    // Closed, without a key, and without a token. What Twitter answers without one is in the test after this.
    for (typed, path) in [
        ("https://500px.com/photo/4928401", "/bridge/500px/objects/4928401"),
        ("https://www.instagram.com/p/BG9_t-x/", "/bridge/instagram/objects/BG9_t-x"),
        ("https://www.flickr.com/photos/mira/2418735092/", "/bridge/flickr/objects/2418735092"),
        ("https://vimeo.com/258684937", "/bridge/vimeo/objects/258684937"),
    ] {
        let reply = ana.post(&app, "/find", &[("q", typed)]).await;
        assert!(reply.location().ends_with(path), "{typed}: {} {}", reply.status, reply.body);
        let like = Command::Like { name: "ana".into(), target: typed.into() };
        let answer = execute(&federation, like).await.unwrap_or_else(|refused| panic!("{typed}: {refused:?}"));
        assert!(answer.text.starts_with("a flattr of"), "{typed}: {}", answer.text);
    }
    // What holds no id has to be asked for, and a paused platform is not.
    crate::jobs::health::set_paused(&site.node, Platform::GitHub, true).await.unwrap();
    let reply = ana.post(&app, "/find", &[("q", "https://github.com/mira/tiles")]).await;
    reply.shows("The operator has paused the bridge to GitHub.");
}

#[actix_web::test]
async fn a_tweet_is_noted_by_its_number_where_twitter_refuses_us_and_its_author_is_not_known() {
    let site = doors::site().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    let typed = "https://x.com/mira/status/9007199254740993";
    let reply = browser.post(&app, "/find", &[("q", typed)]).await;
    assert!(reply.location().ends_with("/bridge/twitter/objects/9007199254740993"), "{} {}", reply.status, reply.body);
    let object = ObjectRef::new(Platform::Twitter, "9007199254740993").unwrap();
    let object = site.node.db.read(move |tx| storage::identities::object_by_ref(tx, &object)).await.unwrap().unwrap();
    site.flattr(ana, &object, site.node.now()).await;
    let page = browser.get(&app, "/me").await;
    page.shows("The author of the post is not known yet.");
    page.hides("has not claimed the account yet");
}

#[actix_web::test]
async fn an_account_of_a_platform_that_nobody_can_ask_is_connected_by_its_name() {
    let site = Site::new().await;
    for name in ["ana", "ben"] {
        site.patron(name, false, site.node.now()).await;
    }
    let app = app!(site);
    let (ana, ben) = (Browser::signed_in(&app, "ana").await, Browser::signed_in(&app, "ben").await);
    let fields = [("platform", "500px"), ("handle", "https://500px.com/mira")];
    assert_eq!(ana.post(&app, "/me/connections", &fields).await.location(), "/me/connections?done=named");
    ana.get(&app, "/me/connections?done=named").await.shows("Bring a file of the account");
    ana.get(&app, "/me/import").await.shows(">mira (500px)</option>");
    let reply = ben.post(&app, "/me/connections", &[("platform", "500px"), ("handle", "Mira")]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    reply.shows("Another patron has connected an account of this name.");
    // A list says itself whose it is.
    let list = [("account", "instagram"), ("named", "ben.k"), ("list", "https://www.instagram.com/p/BG9_t-x/")];
    let reply = ben.post(&app, "/me/import/list", &list).await;
    assert!(reply.location().starts_with("/me/import/"), "{}", reply.body);
    let reply = ben.post(&app, "/me/import/list", &[("account", "instagram"), ("named", " "), ("list", "x")]).await;
    reply.shows("Write the name of the account");
    // A claim of it cannot be proved, for the reason that is true.
    ben.post(&app, "/me/claim", &[("platform", "500px"), ("handle", "mira")]).await.shows("no API that this instance");
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
