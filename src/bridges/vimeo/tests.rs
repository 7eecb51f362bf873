//! The connector against files of Vimeo's shape, and against replies that no honest server sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;

use super::wire::{self, Times};
use super::{Config, Vimeo};
use crate::bridges::decode::{decode, kinds};
use crate::bridges::value::{MediaKind, PostKind};
use crate::bridges::{
    Access, Bridge, Credential, Cursor, Error, Http, HttpFailure, HttpReply, HttpRequest, LikesQuery, LikesReply,
    LiveApi, PostsOf, Secret, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const USER: &[u8] = include_bytes!("../fixtures/vimeo/user.json");
const USER_PLAIN: &[u8] = include_bytes!("../fixtures/vimeo/user_plain.json");
const VIDEO: &[u8] = include_bytes!("../fixtures/vimeo/video.json");
const LIKES: &[u8] = include_bytes!("../fixtures/vimeo/likes.json");
const LIKERS: &[u8] = include_bytes!("../fixtures/vimeo/likers.json");
const PROGRAMMED: &[u8] = include_bytes!("../fixtures/vimeo/programmed.json");
const ALBUM: &[u8] = include_bytes!("../fixtures/vimeo/album.json");
const CATEGORY: &[u8] = include_bytes!("../fixtures/vimeo/category.json");
const LICENCE: &[u8] = include_bytes!("../fixtures/vimeo/licence.json");
const TOKEN: &[u8] = include_bytes!("../fixtures/vimeo/token.json");
const ERRORS: &[u8] = include_bytes!("../fixtures/vimeo/errors.json");
const CLIP: &[u8] = include_bytes!("../fixtures/vimeo/clip_placeholder.json");
const MEMBERSHIP: &[u8] = include_bytes!("../fixtures/vimeo/membership_placeholder.json");

#[test]
fn a_profile_keeps_its_number_and_proves_by_every_website_and_the_bio() {
    let profile = wire::profile(USER).unwrap();
    assert_eq!(profile.id.to_string(), "vimeo:9007199254740993");
    assert_eq!((profile.handle.as_str(), profile.profile_url.as_str()), ("miralund", "https://vimeo.com/miralund"));
    assert_eq!(profile.website.as_deref(), Some("www.miralund.example"), "Vimeo stores it without its scheme");
    assert!(proves(&profile, "https://node.example/claim/7f3a9c"), "in the bio");
    assert!(proves(&profile, "https://node.example/claim/0c11"), "in the second website");
    assert!(!proves(&profile, "https://node.example/claim/7f3a9"));
    assert_eq!(profile.avatar_url.as_deref(), Some("https://i.vimeocdn.com/video/p0993_300x300.jpg"));
    let plain = wire::profile(USER_PLAIN).unwrap();
    assert_eq!((plain.handle.as_str(), plain.website, plain.avatar_url), ("user5512077", None, None));
}

#[test]
fn a_video_is_read_whole() {
    let video = wire::video(VIDEO).unwrap();
    assert_eq!((video.id.to_string().as_str(), video.kind), ("vimeo:9007199254740995", PostKind::Video));
    assert_eq!(video.owner, Some(ExternalId::new(Platform::Vimeo, "9007199254740993").unwrap()));
    assert_eq!(video.owner_handle.as_deref(), Some("miralund"));
    assert_eq!((video.title.as_str(), video.url.as_str()), ("Harbour at dawn", "https://vimeo.com/9007199254740995"));
    assert_eq!(video.description.as_deref(), Some("One tide.\nFilmed in May."));
    assert_eq!(video.published.unwrap().to_string(), "2013-05-02T10:00:00Z", "the release, not the upload");
    assert_eq!((video.licence.as_deref(), video.is_sensitive), (Some("cc-by-nc-sa"), false));
    assert_eq!((video.duration, video.tags.join("|").as_str()), (Some(Duration::from_secs(81)), "The Sea|slow"));
    assert_eq!(video.thumbnail_url.as_deref(), Some("https://i.vimeocdn.com/video/40995_640x360.jpg"));
    let [player] = video.attachments.as_slice() else { panic!("one player") };
    assert_eq!((player.kind, player.width, player.height), (MediaKind::Link, Some(1920), Some(1080)));
    assert_eq!(player.url, "https://player.vimeo.com/video/9007199254740995");
    assert_eq!((player.media_type.as_deref(), &player.poster), (Some("text/html"), &video.thumbnail_url));
}

fn likes(times: Times) -> crate::bridges::wire::Listed<crate::bridges::LikeItem> {
    wire::likes(wire::page(LIKES).unwrap().data, times).unwrap()
}

#[test]
fn a_list_of_likes_hides_what_is_not_public_and_counts_what_is_damaged_or_in_work() {
    let found = likes(Times::Own);
    let shown: Vec<&str> = found.items.iter().map(|item| item.post.id.object()).collect();
    assert_eq!(shown, ["9007199254740995", "771"], "neither the one with a password nor the unlisted one");
    assert_eq!(found.unreadable, 3, "one is being processed, one does not say who may view it, one has no whole id");
    let ferry = &found.items[1].post;
    assert!(ferry.is_sensitive);
    assert_eq!(ferry.attachments[0].url, "https://vimeo.com/771", "its owner lets nobody embed it");
    assert_eq!((ferry.licence.as_deref(), &ferry.thumbnail_url), (Some("CC0-1.0"), &None));
    assert_eq!(ferry.published.unwrap().to_string(), "2013-05-01T10:00:00Z", "without a release the upload counts");
}

#[test]
fn the_time_of_a_like_is_that_of_the_asker_and_so_counts_only_for_the_own_list() {
    assert_eq!(likes(Times::Own).items[0].liked_at.unwrap().to_string(), "2013-06-02T08:00:00Z");
    assert_eq!(likes(Times::Own).items[1].liked_at, None, "Vimeo may leave it out");
    assert!(likes(Times::Foreign).items.iter().all(|item| item.liked_at.is_none()));
}

#[test]
fn a_video_that_not_everybody_may_view_is_refused() {
    let check = |field: &str, value: Value, class: &str| {
        let mut video: Value = serde_json::from_slice(VIDEO).unwrap();
        video[field] = value;
        let found = wire::video(video.to_string().as_bytes());
        assert_eq!(found.map(|_| ()).map_err(|error| error.class()), Err(class), "{field}");
    };
    for view in ["nobody", "contacts", "password", "users", "unlisted", "disable", "ptv", "new-word"] {
        check("privacy", json!({ "view": view }), "forbidden");
    }
    check("uri", json!("/videos/9007199254740995:0a1b"), "forbidden");
    check("privacy", Value::Null, "malformed");
    check("status", json!("unavailable"), "forbidden");
    check("status", json!("transcoding"), "transient");
    check("uri", json!("/users/7"), "malformed");
    check("uri", json!("/videos/07"), "malformed");
    check("uri", json!("/videos/7/../8"), "malformed");
}

#[test]
fn every_file_decodes_under_its_kind() {
    let check = |kind: &str, bytes: &[u8], pointer: &str, expected: Value| {
        let shown = decode(Platform::Vimeo, kind, bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(shown.pointer(pointer), Some(&expected), "{kind}: {shown}");
    };
    check("user", USER, "/id", "vimeo:9007199254740993".into());
    check("user-fields", MEMBERSHIP, "/membership", "plus".into());
    check("video", VIDEO, "/duration_seconds", json!(81.0));
    check("video-fields", CLIP, "/uri", "mock_uri".into());
    check("video-fields", CLIP, "/url", Value::Null);
    check("videos", LIKES, "/items/0/id", "vimeo:9007199254740995".into());
    check("likes", LIKES, "/items/0/liked_at", Value::Null);
    check("likes", LIKES, "/next", "/users/152184/likes?page=2&per_page=100".into());
    check("own-likes", LIKES, "/items/0/liked_at", "2013-06-02T08:00:00Z".into());
    check("likers", LIKERS, "/items/1/account", "vimeo:5512077".into());
    check("programmed", PROGRAMMED, "/lists/0/items/0/id", "vimeo:771".into());
    check("album", ALBUM, "/owner", "vimeo:5512077".into());
    check("category", CATEGORY, "/name", "Documentary".into());
    check("licence", LICENCE, "/code", "by-nd".into());
    check("token", TOKEN, "/account", "vimeo:9007199254740993".into());
    check("token", TOKEN, "/expires", "2013-06-01T00:00:00Z".into());
    check("error", ERRORS, "/unknown/class", "not_found".into());
    check("error", ERRORS, "/door/class", "unauthorized".into());
    check("error", ERRORS, "/limit/class", "rate_limited".into());
    let shown = decode(Platform::Vimeo, "token", TOKEN).unwrap().to_string();
    assert!(!shown.contains("16c7"), "{shown}");
}

#[test]
fn a_file_of_another_kind_is_refused_with_its_class() {
    const NOT_FOUND: &[u8] = br#"{"error":"The requested video couldn't be found.","error_code":5000,"link":null}"#;
    let check = |kind: &str, bytes: &[u8], class: &str| {
        assert_eq!(decode(Platform::Vimeo, kind, bytes).unwrap_err().class(), class, "{kind}");
    };
    check("video", NOT_FOUND, "not_found");
    check("likes", NOT_FOUND, "not_found");
    check("video", USER, "malformed");
    check("video", CLIP, "malformed");
    check("user", VIDEO, "malformed");
    check("user", MEMBERSHIP, "malformed");
    check("likes", LIKERS, "malformed");
    check("likers", LIKES, "malformed");
    check("likes", &LIKES[..LIKES.len() / 2], "malformed");
    check("likes", b"<!DOCTYPE html><html></html>", "malformed");
    check("likes", b"[]", "malformed");
    check("album", CATEGORY, "malformed");
    check("error", USER, "malformed");
    check("error", b"{}", "malformed");
    for kind in kinds(Platform::Vimeo) {
        check(kind.name, b"x", "malformed");
    }
}

/// Replies by address, and what was asked.
#[derive(Default)]
struct Script {
    replies: BTreeMap<String, HttpReply>,
    asked: Mutex<Vec<HttpRequest>>,
}

impl Script {
    fn on(mut self, url: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Script {
        let reply = HttpReply { status, headers: headers.iter().copied().collect(), body: body.to_vec() };
        self.replies.insert(url.to_owned(), reply);
        self
    }

    fn paths(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|request| request.url.path().to_owned()).collect()
    }
}

#[async_trait]
impl Http for Script {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        self.asked.lock().unwrap().push(request.clone());
        let url = request.url.as_str();
        let found = self.replies.iter().find(|(known, _)| url == *known || url.starts_with(&format!("{known}?")));
        found.map(|(_, reply)| reply.clone()).ok_or_else(|| HttpFailure::Unreachable(url.to_owned()))
    }
}

fn vimeo(script: &Arc<Script>, token: Option<&str>, has_app: bool) -> Vimeo {
    let config = Config {
        base_url: Url::parse("https://api.example/vimeo").unwrap(),
        auth_url: Url::parse("https://api.example/vimeo/oauth/authorize").unwrap(),
        token: token.map(Secret::new),
        client_id: has_app.then(|| "client".to_owned()),
        client_secret: has_app.then(|| Secret::new("hush")),
        user_agent: "fedflattr-test (+https://node.example)".into(),
    };
    Vimeo::new(config, script.clone())
}

const FIRST: &str = "https://api.example/vimeo/users/mira/likes";

async fn first_page(script: &Arc<Script>) -> Result<LikesReply, Error> {
    let query = LikesQuery::first(Who::Handle("mira".into()), Access::Instance);
    vimeo(script, Some("t"), false).likes(&query).await
}

fn envelope(next: Value) -> Vec<u8> {
    json!({ "total": 0, "page": 1, "per_page": 100, "paging": { "next": next }, "data": [] }).to_string().into_bytes()
}

#[tokio::test]
async fn a_next_page_elsewhere_is_refused_and_a_path_is_below_the_configured_api() {
    for next in [
        "https://evil.example/vimeo/users/1/likes?page=2",
        "http://api.example/vimeo/users/1/likes?page=2",
        "https://api.example:8443/vimeo/users/1/likes?page=2",
        "https://api.example/vimeo-evil/users/1/likes?page=2",
        "https://api.example@evil.example/vimeo/",
        "https://u:p@api.example/vimeo/users/1/likes",
        "//evil.example/vimeo/",
        "/../admin",
        "/%2e%2e/admin",
        "/\\evil.example/",
        "users/1/likes",
    ] {
        let script = Arc::new(Script::default().on(FIRST, 200, &[], &envelope(json!(next))));
        assert_eq!(first_page(&script).await.unwrap_err().class(), "malformed", "{next}");
        let cursor = Some(Cursor::new(next));
        let query = LikesQuery { cursor, ..LikesQuery::first(Who::TokenOwner, Access::Instance) };
        let script = Arc::new(Script::default());
        assert_eq!(vimeo(&script, Some("t"), false).likes(&query).await.unwrap_err().class(), "malformed", "{next}");
        assert!(script.paths().is_empty(), "{next}");
    }
    let next = "/users/7/likes?page=2&per_page=100";
    let second = "https://api.example/vimeo/users/7/likes";
    let script = Script::default().on(FIRST, 200, &[], &envelope(json!(next)));
    let script = Arc::new(script.on(second, 200, &[], &envelope(Value::Null)));
    let LikesReply::Page(page) = first_page(&script).await.unwrap() else { panic!("no etag was sent") };
    let query = LikesQuery { cursor: page.next, ..LikesQuery::first(Who::Handle("mira".into()), Access::Instance) };
    vimeo(&script, Some("t"), false).likes(&query).await.unwrap();
    assert_eq!(
        script.asked.lock().unwrap()[1].url.as_str(),
        "https://api.example/vimeo/users/7/likes?page=2&per_page=100"
    );
}

#[tokio::test]
async fn a_list_that_does_not_say_how_it_goes_on_is_no_whole_list() {
    let script = Arc::new(Script::default().on(FIRST, 200, &[], br#"{"total":9,"data":[]}"#));
    assert_eq!(first_page(&script).await.unwrap_err().class(), "malformed");
    let script = Arc::new(Script::default().on(FIRST, 200, &[], br#"{"total":0,"data":[]}"#));
    assert!(first_page(&script).await.is_ok());
}

#[tokio::test]
async fn requests_carry_what_vimeo_demands_and_a_redirect_is_not_followed() {
    let moved = [("location", "https://evil.example/")];
    let script = Arc::new(Script::default().on(FIRST, 302, &moved, b""));
    assert_eq!(first_page(&script).await.unwrap_err().class(), "malformed");
    let asked = script.asked.lock().unwrap();
    let sent: BTreeMap<&str, &str> =
        asked[0].headers.iter().map(|header| (header.name, header.value.as_str())).collect();
    assert_eq!(sent["authorization"], "bearer t");
    assert_eq!(sent["accept"], "application/vnd.vimeo.*+json;version=3.4");
    assert_eq!(sent["user-agent"], "fedflattr-test (+https://node.example)");
    let query: BTreeMap<String, String> = asked[0].url.query_pairs().into_owned().collect();
    assert_eq!(
        (query["per_page"].as_str(), query["sort"].as_str(), query["direction"].as_str()),
        ("100", "date", "desc")
    );
    assert!(query["fields"].split(',').all(|field| !field.is_empty() && !field.contains(' ')), "{}", query["fields"]);
    assert_eq!(asked.len(), 1);
}

#[tokio::test]
async fn only_a_list_of_one_page_can_be_called_unchanged() {
    let etag = async |next: Value| {
        let script = Arc::new(Script::default().on(FIRST, 200, &[("etag", "\"1\"")], &envelope(next)));
        let LikesReply::Page(page) = first_page(&script).await.unwrap() else { panic!("no etag was sent") };
        page.etag
    };
    assert_eq!(etag(Value::Null).await.as_deref(), Some("\"1\""));
    assert_eq!(etag(json!("/users/7/likes?page=2")).await, None);
    let script = Arc::new(Script::default().on(FIRST, 304, &[], b""));
    assert_eq!(first_page(&script).await.unwrap_err().class(), "malformed", "a 304 that nobody asked for");
}

#[tokio::test]
async fn times_are_believed_only_when_the_owner_of_the_token_asks_for_the_own_list() {
    let script = Script::default().on("https://api.example/vimeo/me/likes", 200, &[], LIKES);
    let script = Arc::new(script.on("https://api.example/vimeo/users/7/likes", 200, &[], LIKES));
    let user = Access::User(Credential::bearer("u"));
    let first = async |who: Who, access: &Access| {
        let query = LikesQuery::first(who, access.clone());
        let LikesReply::Page(page) = vimeo(&script, Some("t"), false).likes(&query).await.unwrap() else { panic!() };
        page.items[0].liked_at
    };
    assert!(first(Who::TokenOwner, &user).await.is_some());
    assert!(first(Who::TokenOwner, &Access::Instance).await.is_none());
    let seven = Who::Id(ExternalId::new(Platform::Vimeo, "7").unwrap());
    assert!(first(seven, &user).await.is_none());
}

#[tokio::test]
async fn another_account_or_video_than_the_one_asked_for_is_refused() {
    let script = Script::default().on("https://api.example/vimeo/users/7", 200, &[], USER);
    let script = Arc::new(script.on("https://api.example/vimeo/videos/7", 200, &[], VIDEO));
    let bridge = vimeo(&script, Some("t"), false);
    let who = Who::Id(ExternalId::new(Platform::Vimeo, "7").unwrap());
    assert_eq!(bridge.profile(&who, &Access::Instance).await.unwrap_err().class(), "malformed");
    let video = ObjectRef::new(Platform::Vimeo, "7").unwrap();
    assert_eq!(bridge.post(&video, None, &Access::Instance).await.unwrap_err().class(), "malformed");
}

#[tokio::test]
async fn ids_and_handles_that_could_change_the_path_are_never_sent() {
    let script = Arc::new(Script::default());
    let bridge = vimeo(&script, Some("t"), false);
    for who in [
        Who::Handle("../me".into()),
        Who::Handle("a/b".into()),
        Who::Handle(String::new()),
        Who::Handle("me".into()),
        // Digits would be read as the number of another account.
        Who::Handle("152184".into()),
        Who::Id(ExternalId::new(Platform::Vimeo, "7/likes").unwrap()),
        Who::Id(ExternalId::new(Platform::Flickr, "7").unwrap()),
    ] {
        let asked = bridge.profile(&who, &Access::Instance).await;
        // A name that nobody can have is nobody's; a number of another kind cannot be asked for.
        let expected = if matches!(who, Who::Handle(_)) { "not_found" } else { "unsupported" };
        assert_eq!(asked.unwrap_err().class(), expected, "{who:?}");
    }
    let track = ObjectRef::new(Platform::SoundCloud, "7").unwrap();
    assert_eq!(bridge.post(&track, None, &Access::Instance).await.unwrap_err().class(), "unsupported");
    let below = PostsOf::Post(ObjectRef::new(Platform::Vimeo, "7").unwrap());
    assert_eq!(bridge.posts(&below, None, &Access::Instance).await.unwrap_err().class(), "unsupported");
    let user = bridge.parse_reference("https://vimeo.com/mira").unwrap();
    assert_eq!(bridge.resolve(&user, &Access::Instance).await.unwrap_err().class(), "unsupported");
    assert!(script.paths().is_empty());
}

#[tokio::test]
async fn without_a_token_nobody_is_asked_and_an_app_fetches_one() {
    let script = Arc::new(Script::default());
    let who = Who::Handle("user9007199254740993".into());
    let asked = vimeo(&script, None, false).profile(&who, &Access::Instance).await;
    assert_eq!(asked.unwrap_err().class(), "unauthorized");
    assert!(script.paths().is_empty());
    let token = "https://api.example/vimeo/oauth/authorize/client";
    let script = Script::default().on(token, 200, &[], br#"{"access_token":"app"}"#);
    let script = Arc::new(script.on("https://api.example/vimeo/users/9007199254740993", 200, &[], USER));
    let bridge = vimeo(&script, None, true);
    bridge.profile(&who, &Access::Instance).await.unwrap();
    bridge.profile(&who, &Access::Instance).await.unwrap();
    let user = "/vimeo/users/9007199254740993";
    assert_eq!(script.paths(), ["/vimeo/oauth/authorize/client", user, user], "one token for both");
    let asked = script.asked.lock().unwrap();
    assert!(asked[2].headers.iter().any(|header| header.name == "authorization" && header.value == "bearer app"));
}

#[tokio::test]
async fn the_door_is_open_only_to_a_known_app() {
    let script = Arc::new(Script::default());
    assert!(vimeo(&script, Some("t"), false).sign_in().is_none());
    let bridge = vimeo(&script, None, true);
    let callback = Url::parse("https://node.example/back").unwrap();
    let begun = bridge.sign_in().unwrap().begin(&callback, "s").await.unwrap();
    assert!(begun.url.as_str().starts_with("https://api.example/vimeo/oauth/authorize?"));
    assert!(begun.url.query().unwrap().contains("scope=public"));
}

#[test]
fn the_capabilities_agree_with_the_sources() {
    let bridge = vimeo(&Arc::new(Script::default()), None, false);
    let able = bridge.capabilities();
    assert_eq!(able.lists_likes_of_others || able.lists_own_likes, bridge.live().is_some());
    assert_eq!(able.page_size_max.is_some(), bridge.live().is_some());
    assert_eq!(able.reads_export, bridge.export().is_some());
}
