//! The connector against files of Mastodon's shape, and against replies that no honest server sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ::url::Url;
use async_trait::async_trait;
use serde_json::Value;

use super::door::{App, Apps, access};
use super::{Config, Fediverse, wire};
use crate::bridges::decode::{decode, kinds};
use crate::bridges::http::Header;
use crate::bridges::value::{MediaKind, PostKind};
use crate::bridges::{
    Access, Bridge, Cursor, Error, Http, HttpFailure, HttpReply, HttpRequest, LikesQuery, LikesReply, LiveApi, Secret,
    Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const ACCOUNT: &[u8] = include_bytes!("../fixtures/fediverse/account.json");
const ACTOR: &[u8] = include_bytes!("../fixtures/fediverse/actor.json");
const OBJECT: &[u8] = include_bytes!("../fixtures/fediverse/object.json");
const FAVOURITES: &[u8] = include_bytes!("../fixtures/fediverse/favourites.json");
const WEBFINGER: &[u8] = include_bytes!("../fixtures/fediverse/webfinger.json");
const ERROR_SCOPE: &[u8] = include_bytes!("../fixtures/fediverse/error_scope.json");

const MIRA: &str = "https://social.example/users/mira";
const STATUS: &str = "https://social.example/users/mira/statuses/112554";

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

#[test]
fn an_account_is_its_uri_and_proves_by_a_link_in_its_bio() {
    let account = wire::account(ACCOUNT).unwrap();
    assert_eq!((account.api_id.as_str(), account.uri.as_deref()), ("110341", Some(MIRA)));
    let profile = account.into_profile(&url(MIRA)).unwrap();
    assert_eq!(profile.id.to_string(), format!("fediverse:{MIRA}"));
    assert_eq!(profile.handle, "mira@social.example");
    assert!(proves(&profile, "https://node.example/claim/7f3a9c"));
    assert!(!proves(&profile, "https://node.example/claim/7f3a9"));
    let bio = profile.bio.unwrap();
    assert!(bio.starts_with("Tide pools & maps.\nThank me: https://node.example/claim/7f3a9c"), "{bio}");
    let remote = br#"{"id":"7","username":"nils","acct":"nils@art.example"}"#;
    assert_eq!(wire::account(remote).unwrap_err().class(), "malformed", "an account that is only known there");
}

#[test]
fn a_payment_link_proves_and_another_link_does_not() {
    let profile = wire::actor(ACTOR, &url(MIRA)).unwrap();
    assert_eq!(
        (profile.handle.as_str(), profile.profile_url.as_str()),
        ("mira@social.example", "https://social.example/@mira")
    );
    assert!(proves(&profile, "https://node.example/claim/7f3a9c"), "FEP-0ea0");
    assert!(
        proves(&profile, "https://mira.example/") == proves(&profile, "https://elsewhere.example/"),
        "a front page is no claim"
    );
    assert!(!proves(&profile, "https://node.example/claim/0c11"), "not for payment");
    let other = url("https://social.example/users/nils");
    assert_eq!(wire::actor(ACTOR, &other).unwrap_err().class(), "malformed", "the document of somebody else");
    assert_eq!(wire::actor(OBJECT, &url(STATUS)).unwrap_err().class(), "malformed", "no account");
}

fn with(document: &[u8], name: &str, value: Value) -> Vec<u8> {
    let mut document: Value = serde_json::from_slice(document).unwrap();
    document[name] = value;
    document.to_string().into_bytes()
}

#[test]
fn a_post_is_whose_its_own_server_says() {
    let post = wire::object(OBJECT, &url(STATUS)).unwrap();
    assert_eq!(post.owner.unwrap().account(), MIRA);
    assert_eq!(post.owner_handle.as_deref(), Some("mira@social.example"));
    assert_eq!((post.kind, post.title.as_str()), (PostKind::Image, "Low tide at dawn"));
    assert_eq!((post.url.as_str(), post.tags), ("https://social.example/@mira/112554", vec!["reef".to_owned()]));
    let media = &post.attachments[0];
    assert_eq!(
        (media.kind, media.alt.as_deref(), media.width),
        (MediaKind::Image, Some("A green anemone between stones"), Some(1600))
    );
    let class = |name: &str, value: Value| {
        wire::object(&with(OBJECT, name, value), &url(STATUS)).err().map(|error| error.class())
    };
    assert_eq!(class("attributedTo", "https://evil.example/users/me".into()), Some("malformed"));
    assert_eq!(class("attributedTo", Value::Null), Some("malformed"));
    assert_eq!(class("id", "https://social.example/users/mira/statuses/1".into()), Some("malformed"));
    assert_eq!(class("to", serde_json::json!([format!("{MIRA}/followers")])), Some("forbidden"));
    assert_eq!(class("type", "Tombstone".into()), Some("gone"));
    assert_eq!(class("type", "Follow".into()), Some("malformed"));
    let mut proxy: Value = serde_json::from_slice(OBJECT).unwrap();
    (proxy["flattr:platform"], proxy["flattr:objectId"]) = ("github".into(), "7".into());
    let proxy = wire::object(proxy.to_string().as_bytes(), &url(STATUS));
    assert_eq!(proxy.unwrap_err().class(), "unsupported", "the proxy of another instance is nobody's own post");
    let video =
        serde_json::json!([{ "type": "Group", "id": "https://social.example/c" }, { "type": "Person", "id": MIRA }]);
    let post = wire::object(&with(OBJECT, "attributedTo", video), &url(STATUS)).unwrap();
    assert_eq!(post.owner.unwrap().account(), MIRA, "the person, not the channel");
}

#[test]
fn a_server_is_believed_about_its_own_posts_and_about_no_others() {
    let found = wire::favourites(FAVOURITES, &url("https://social.example/"), false).unwrap();
    assert_eq!((found.items.len(), found.unreadable), (2, 0), "what is for followers only is left out");
    let own = &found.items[0].post;
    assert_eq!((own.owner.as_ref().unwrap().account(), own.title.as_str()), (MIRA, "Low tide at dawn"));
    let foreign = &found.items[1].post;
    assert_eq!(foreign.id.object(), "https://art.example/notes/9kq2");
    assert_eq!(
        (&foreign.owner, foreign.title.as_str(), foreign.url.as_str()),
        (&None, foreign.id.object(), foreign.id.object())
    );
    // A server that names an account of another server as the author of its own post.
    let lie = with(
        &serde_json::to_vec(&serde_json::from_slice::<Value>(FAVOURITES).unwrap()[0]).unwrap(),
        "account",
        serde_json::json!({"id":"1","username":"x","acct":"x","uri":"https://evil.example/users/me"}),
    );
    let lie = [b"[".as_slice(), &lie, b"]"].concat();
    assert_eq!(wire::favourites(&lie, &url("https://social.example/"), false).unwrap().items[0].post.owner, None);
}

#[test]
fn what_is_no_list_of_favourites_is_refused() {
    let server = url("https://social.example/");
    let class = |bytes: &[u8]| wire::favourites(bytes, &server, false).unwrap_err().class();
    assert_eq!(class(b"<!DOCTYPE html>"), "malformed");
    assert_eq!(class(&FAVOURITES[..FAVOURITES.len() / 2]), "malformed");
    assert_eq!(class(ERROR_SCOPE), "forbidden");
    assert_eq!(class(br#"{"error":"The access token was revoked"}"#), "unauthorized");
    let odd =
        br#"[{"visibility":"public","uri":"tag:old.example,2013:1","account":{"id":1,"username":"a","acct":"a"}}]"#;
    assert!(wire::favourites(odd, &server, false).unwrap().items.is_empty(), "nobody could be asked whose it is");
}

#[test]
fn every_kind_of_file_decodes() {
    let check = |kind: &str, bytes: &[u8], pointer: &str, expected: &str| {
        let value = decode(Platform::Fediverse, kind, bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(value.pointer(pointer).and_then(Value::as_str), Some(expected), "{kind}: {value}");
    };
    check("actor", ACTOR, "/id", "fediverse:https://social.example/users/mira");
    check("object", OBJECT, "/owner", "fediverse:https://social.example/users/mira");
    check("account", ACCOUNT, "/handle", "mira@social.example");
    let first = serde_json::from_slice::<Value>(FAVOURITES).unwrap()[0].to_string();
    check("status", first.as_bytes(), "/title", "Low tide at dawn");
    check("favourites", FAVOURITES, "/items/1/post/id", "fediverse:https://art.example/notes/9kq2");
    check("webfinger", WEBFINGER, "/account", "fediverse:https://social.example/users/mira");
    check("error", ERROR_SCOPE, "/class", "forbidden");
    assert_eq!(kinds(Platform::Fediverse).len(), 7);
}

/// Replies by address; whatever else is asked is not there.
#[derive(Default)]
struct Script {
    replies: BTreeMap<String, HttpReply>,
    asked: Mutex<Vec<(String, Vec<Header>)>>,
}

impl Script {
    fn on(mut self, url: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Script {
        let reply = HttpReply { status, headers: headers.iter().copied().collect(), body: body.to_vec() };
        self.replies.insert(url.to_owned(), reply);
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|(url, _)| url.clone()).collect()
    }
}

#[async_trait]
impl Http for Script {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        let url = &request.url;
        self.asked.lock().unwrap().push((url.to_string(), request.headers.clone()));
        self.replies.get(url.as_str()).cloned().ok_or_else(|| HttpFailure::Unreachable(url.to_string()))
    }
}

struct NoApps;

#[async_trait]
impl Apps for NoApps {
    async fn find(&self, _: &str) -> Result<Option<App>, Error> {
        Ok(None)
    }

    async fn keep(&self, _: &str, _: &App) -> Result<(), Error> {
        Ok(())
    }
}

fn fediverse(script: &Arc<Script>) -> Fediverse {
    let config = Config {
        user_agent: "fedflattr-test".into(),
        client_name: "Test".into(),
        website: "https://node.example".into(),
        allows_local: false,
    };
    Fediverse::new(config, script.clone(), script.clone(), Arc::new(NoApps))
}

const FIRST: &str = "https://social.example/api/v1/favourites?limit=40";

fn own() -> LikesQuery {
    LikesQuery::first(Who::TokenOwner, access(&url("https://social.example/"), "t-nils"))
}

#[tokio::test]
async fn a_token_goes_to_its_own_server_and_only_by_the_link_to_the_same_list() {
    let link = "<https://social.example/api/v1/favourites?limit=40&max_id=7>; rel=\"next\"";
    let script = Arc::new(Script::default().on(FIRST, 200, &[("link", link)], b"[]"));
    let LikesReply::Page(page) = fediverse(&script).likes(&own()).await.unwrap() else { panic!("a page") };
    assert_eq!(page.next.unwrap().as_str(), "https://social.example/api/v1/favourites?limit=40&max_id=7");
    let sent = script.asked.lock().unwrap()[0].1.clone();
    assert!(sent.contains(&Header::new("authorization", "Bearer t-nils")));
    for next in [
        "https://evil.example/api/v1/favourites?max_id=7",
        "http://social.example/api/v1/favourites?max_id=7",
        "https://social.example:8443/api/v1/favourites?max_id=7",
        "https://social.example/api/v1/accounts/1/block",
        "//evil.example/api/v1/favourites",
        "https://social.example@evil.example/api/v1/favourites",
    ] {
        let link = format!("<{next}>; rel=\"next\"");
        let script = Arc::new(Script::default().on(FIRST, 200, &[("link", &link)], b"[]"));
        assert_eq!(fediverse(&script).likes(&own()).await.unwrap_err().class(), "malformed", "{next}");
        let stored = LikesQuery { cursor: Some(Cursor::new(next)), ..own() };
        let script = Arc::new(Script::default());
        assert_eq!(fediverse(&script).likes(&stored).await.unwrap_err().class(), "malformed", "{next}");
        assert!(script.asked().is_empty());
    }
}

#[tokio::test]
async fn a_redirect_never_carries_the_token_away_and_never_runs_in_circles() {
    let away = Arc::new(Script::default().on(FIRST, 302, &[("location", "https://evil.example/")], b""));
    assert_eq!(fediverse(&away).likes(&own()).await.unwrap_err().class(), "malformed");
    assert_eq!(away.asked().len(), 1);
    let circle = Arc::new(Script::default().on(FIRST, 301, &[("location", FIRST)], b""));
    assert!(fediverse(&circle).likes(&own()).await.is_err());
    assert!(circle.asked().len() <= 4);
}

#[tokio::test]
async fn a_server_cannot_pass_off_another_servers_account_as_its_own() {
    const ME: &str = "https://evil.example/api/v1/accounts/verify_credentials";
    let script = Arc::new(Script::default().on(ME, 200, &[], ACCOUNT));
    let owner = fediverse(&script).profile(&Who::TokenOwner, &access(&url("https://evil.example/"), "t")).await;
    assert_eq!(owner.unwrap_err().class(), "malformed");
    // Nor by a WebFinger reply of its own.
    let old = with(ACCOUNT, "uri", Value::Null);
    let finger = "https://evil.example/.well-known/webfinger?resource=acct%3Amira%40evil.example";
    let script = Arc::new(Script::default().on(ME, 200, &[], &old).on(finger, 200, &[], WEBFINGER));
    let owner = fediverse(&script).profile(&Who::TokenOwner, &access(&url("https://evil.example/"), "t")).await;
    assert_eq!(owner.unwrap_err().class(), "malformed");
    assert_eq!(script.asked().len(), 2);
}

#[tokio::test]
async fn a_handle_leads_to_the_account_wherever_its_name_is_given_out() {
    // The name is on a domain that only points to the server.
    let finger = "https://mira.example/.well-known/webfinger?resource=acct%3Amira%40mira.example";
    let there = "https://social.example/.well-known/webfinger?resource=acct%3Amira%40mira.example";
    let script = Script::default().on(finger, 301, &[("location", there)], b"").on(there, 200, &[], WEBFINGER);
    let script = Arc::new(script.on(MIRA, 200, &[], ACTOR));
    let found = fediverse(&script).profile(&Who::Handle("@mira@mira.example".into()), &Access::Instance).await.unwrap();
    assert_eq!(found.id, ExternalId::new(Platform::Fediverse, MIRA).unwrap());
    assert_eq!(script.asked(), [finger, there, MIRA]);
}

#[tokio::test]
async fn names_and_uris_that_lead_into_our_own_network_are_never_asked() {
    let script = Arc::new(Script::default());
    for who in ["mira", "mira@localhost", "mira@127.0.0.1", "mira@10.0.0.1", "mira@social.example:22", "mira@a/b", "@"]
    {
        let asked = fediverse(&script).profile(&Who::Handle(who.into()), &Access::Instance).await;
        assert_eq!(asked.unwrap_err().class(), "unsupported", "{who}");
    }
    for uri in ["http://social.example/users/mira", "https://127.0.0.1/users/mira", "file:///etc/passwd"] {
        let id = ExternalId::new(Platform::Fediverse, uri).unwrap();
        assert!(fediverse(&script).profile(&Who::Id(id), &Access::Instance).await.is_err(), "{uri}");
        let object = ObjectRef::new(Platform::Fediverse, uri).unwrap();
        assert!(fediverse(&script).post(&object, None, &Access::Instance).await.is_err(), "{uri}");
    }
    assert!(script.asked().is_empty());
    let inside = [("location", "https://127.0.0.1/users/mira")];
    let finger = "https://social.example/.well-known/webfinger?resource=acct%3Amira%40social.example";
    let script = Arc::new(Script::default().on(finger, 302, &inside, b""));
    assert!(fediverse(&script).profile(&Who::Handle("mira@social.example".into()), &Access::Instance).await.is_err());
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn likes_of_others_are_not_asked_for() {
    let script = Arc::new(Script::default());
    let mira = Who::Id(ExternalId::new(Platform::Fediverse, MIRA).unwrap());
    let query = LikesQuery::first(mira, access(&url("https://social.example/"), "t"));
    assert_eq!(fediverse(&script).likes(&query).await.unwrap_err().class(), "unsupported");
    let instance = LikesQuery::first(Who::TokenOwner, Access::Instance);
    assert_eq!(fediverse(&script).likes(&instance).await.unwrap_err().class(), "unauthorized");
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn an_answer_of_another_server_ends_no_sign_in() {
    const APPS: &str = "https://social.example/api/v1/apps";
    let script = Arc::new(Script::default().on(APPS, 200, &[], br#"{"client_id":"c","client_secret":"s"}"#));
    let bridge = fediverse(&script);
    let door = bridge.sign_in().unwrap();
    assert!(door.needs_handle());
    let callback = url("https://node.example/sign-in-at/fediverse");
    assert_eq!(door.begin(&callback, "state").await.unwrap_err().class(), "unsupported");
    let begun = door.begin_for("social.example", &callback, "state-7").await.unwrap();
    assert_eq!((begun.url.host_str(), begun.key.as_str()), (Some("social.example"), "state-7"));
    let asked: BTreeMap<String, String> = begun.url.query_pairs().into_owned().collect();
    assert_eq!((asked["client_id"].as_str(), asked["scope"].as_str()), ("c", "read:accounts read:favourites"));
    assert_eq!((asked["code_challenge_method"].as_str(), asked["redirect_uri"].as_str()), ("S256", callback.as_str()));
    let answer = |issuer: &str| [("code", "x"), ("iss", issuer)].map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    let mixed = door.finish(&callback, &begun.kept, &answer("https://evil.example")).await;
    assert_eq!(mixed.unwrap_err().class(), "malformed");
    assert_eq!(script.asked(), [APPS], "the code was shown to nobody");
    let gone = door.finish(&callback, &Secret::new(""), &answer("https://social.example")).await;
    assert_eq!(gone.unwrap_err().class(), "malformed");
    assert!(door.begin_for("localhost", &callback, "s").await.is_err());
    assert!(!format!("{begun:?}").contains("client_secret"));
}
