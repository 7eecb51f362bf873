//! The connector against files of 500px's shape, and against replies that no honest server sends.

use std::collections::BTreeMap;
use std::io::Cursor as Bytes;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::export::Saved;
use super::{Config, FiveHundredPx, wire};
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::decode::{decode, kinds};
use crate::bridges::listing::{self, Depth, PassEnd};
use crate::bridges::value::PostKind;
use crate::bridges::{
    Access, Bridge, Credential, Cursor, Error, Http, HttpFailure, HttpReply, HttpRequest, LikesQuery, LikesReply,
    LiveApi, PostsOf, Secret, SignIn, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const FAVORITES: &[u8] = include_bytes!("../fixtures/500px/favorites.json");
const GALLERY_ITEMS: &[u8] = include_bytes!("../fixtures/500px/gallery_items.json");
const GALLERIES: &[u8] = include_bytes!("../fixtures/500px/galleries.json");
const POPULAR: &[u8] = include_bytes!("../fixtures/500px/photos_popular.json");
const PHOTO: &[u8] = include_bytes!("../fixtures/500px/photo.json");
const VOTES: &[u8] = include_bytes!("../fixtures/500px/votes.json");
const USER: &[u8] = include_bytes!("../fixtures/500px/user.json");
const DEACTIVATED: &[u8] = include_bytes!("../fixtures/500px/error_403.json");
const LIST: &[u8] = include_bytes!("../fixtures/500px/list.txt");
const MISSING: &[u8] = br#"{"status":404,"error":"Not found"}"#;

fn account(id: &str) -> ExternalId {
    ExternalId::new(Platform::FiveHundredPx, id).unwrap()
}

fn object(id: &str) -> ObjectRef {
    ObjectRef::new(Platform::FiveHundredPx, id).unwrap()
}

#[test]
fn a_list_of_likes_survives_its_damaged_items_and_hides_private_ones() {
    let page = wire::favorites(FAVORITES).unwrap();
    assert_eq!((page.page, page.pages, page.of), (1, 2, Some(account("3"))));
    let ids: Vec<&str> = page.found.items.iter().map(|item| item.post.id.object()).collect();
    assert_eq!((ids, page.found.unreadable), (vec!["9007199254740993", "771"], 2), "two owners, and a fraction as id");
    assert!(page.found.items.iter().all(|item| item.liked_at.is_none()), "500px dates no favourite");
}

#[test]
fn a_liked_photo_is_complete_and_its_addresses_are_as_they_came() {
    let page = wire::favorites(FAVORITES).unwrap();
    let post = &page.found.items[0].post;
    assert_eq!((post.kind, post.title.as_str()), (PostKind::Image, "Harbour at dawn"));
    assert_eq!(post.owner, Some(account("9007199254740995")));
    assert_eq!(post.owner_handle.as_deref(), Some("mira_lund"));
    assert_eq!(post.url, "https://500px.com/photo/9007199254740993");
    assert_eq!((post.description.as_deref(), post.licence.as_deref()), (Some("From the pier."), Some("CC BY")));
    assert_eq!((post.tags.as_slice(), post.is_sensitive), (&["harbour".to_owned(), "dawn".to_owned()][..], false));
    assert_eq!(post.published.unwrap().to_string(), "2013-06-01T00:00:00Z");
    assert_eq!(post.attachments[0].url, "https://pcdn.500px.net/9007199254740993/aa/4.jpg?v=1&sig=x");
    assert_eq!(post.attachments[0].alt.as_deref(), Some("Harbour at dawn"));
    assert_eq!(post.thumbnail_url.as_deref(), Some("http://pcdn.500px.net/9007199254740993/aa/3.jpg"));
    let bare = &page.found.items[1].post;
    assert_eq!((bare.title.as_str(), bare.is_sensitive, bare.licence.as_deref()), ("Photo 771", true, None));
    assert_eq!(bare.attachments[0].url, "http://pcdn.500px.net/771/aa/2.jpg", "the older field");
}

#[test]
fn a_hidden_or_inactive_photo_is_refused() {
    let with = |from: &str, to: &str| String::from_utf8_lossy(PHOTO).replace(from, to);
    let hidden = with("\"privacy\": false", "\"privacy\": true");
    assert_eq!(wire::photo(hidden.as_bytes()).unwrap_err().class(), "forbidden");
    let inactive = with("\"status\": 1", "\"status\": 8");
    assert_eq!(wire::photo(inactive.as_bytes()).unwrap_err().class(), "not_found");
}

#[test]
fn a_profile_proves_by_website_without_a_scheme_and_by_its_text() {
    let profile = wire::profile(USER).unwrap();
    assert_eq!((profile.id.to_string().as_str(), profile.handle.as_str()), ("500px:9007199254740995", "mira_lund"));
    assert!(proves(&profile, "https://node.example/claim/7f3a9c"), "in contacts.website");
    assert!(proves(&profile, "https://node.example/claim/0c11"), "in about");
    assert!(!proves(&profile, "https://node.example/claim/7f3a9"));
    let without = br#"{"user":{"id":7,"username":"mira","contacts":[],"userpic_url":"/graphics/userpic.png"}}"#;
    let profile = wire::profile(without).unwrap();
    assert_eq!((profile.website, profile.avatar_url), (None, None));
}

#[test]
fn every_file_decodes_under_its_kind() {
    let check = |kind: &str, bytes: &[u8], pointer: &str, expected: Value| {
        let shown = decode(Platform::FiveHundredPx, kind, bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(shown.pointer(pointer), Some(&expected), "{kind}: {shown}");
    };
    check("favorites", FAVORITES, "/items/0/post/owner", "500px:9007199254740995".into());
    check("favorites", GALLERY_ITEMS, "/items/0/post/id", "500px:771".into());
    check("photos", POPULAR, "/feature", "popular".into());
    check("photo", PHOTO, "/licence", "https://creativecommons.org/publicdomain/zero/1.0/".into());
    check("votes", VOTES, "/items/1/account", "500px:8".into());
    check("user", USER, "/website", "node.example/claim/7f3a9c".into());
    check("galleries", GALLERIES, "/items", serde_json::json!(["41"]));
    check("error", DEACTIVATED, "/class", "forbidden".into());
    check("saved-pages", FAVORITES, "/unreadable", 2.into());
    check("saved-list", LIST, "/items/1/post/url", "https://500px.com/photo/771".into());
}

#[test]
fn a_file_of_another_kind_is_refused_with_its_class() {
    let check = |kind: &str, bytes: &[u8], class: &str| {
        assert_eq!(decode(Platform::FiveHundredPx, kind, bytes).unwrap_err().class(), class, "{kind}");
    };
    for kind in kinds(Platform::FiveHundredPx).iter().filter(|kind| !matches!(kind.name, "error" | "saved-list")) {
        check(kind.name, DEACTIVATED, "forbidden");
        check(kind.name, b"<!DOCTYPE html><html></html>", "malformed");
        check(kind.name, b"", "malformed");
        check(kind.name, b"{}", "malformed");
    }
    check("favorites", POPULAR, "malformed");
    check("saved-pages", POPULAR, "malformed");
    check("favorites", &FAVORITES[..FAVORITES.len() / 2], "malformed");
    check("photo", FAVORITES, "malformed");
    check("user", PHOTO, "malformed");
    check("votes", b"[[]]", "malformed");
    check("error", USER, "malformed");
    check("saved-list", USER, "malformed");
}

#[test]
fn every_kind_that_is_announced_is_read() {
    for kind in kinds(Platform::FiveHundredPx) {
        assert_eq!(decode(Platform::FiveHundredPx, kind.name, b"x").unwrap_err().class(), "malformed", "{}", kind.name);
    }
}

#[test]
fn a_saved_page_a_list_and_the_live_list_give_the_same_ids() {
    let read = |bytes: &[u8], name: &str| {
        let mut found = Vec::new();
        let mut archive = Archive::open(Bytes::new(bytes.to_vec()), name, Limits::default()).unwrap();
        let mut take = |item: Result<crate::bridges::LikeItem, Error>| {
            found.extend(item.ok().map(|item| item.post.id));
            ControlFlow::Continue(())
        };
        archive.likes(&Saved, &mut take).unwrap();
        found
    };
    let live: Vec<ObjectRef> =
        wire::favorites(FAVORITES).unwrap().found.items.into_iter().map(|it| it.post.id).collect();
    assert_eq!(read(FAVORITES, "favorites-1.json"), live);
    assert_eq!(read(LIST, "list.txt"), live);
    let mut archive = Archive::open(Bytes::new(USER.to_vec()), "users_show.json", Limits::default()).unwrap();
    assert_eq!(archive.owner(&Saved).unwrap().id, Some(account("9007199254740995")));
}

#[test]
fn the_capabilities_agree_with_the_sources() {
    let base = Url::parse("https://api.example/").unwrap();
    for base_url in [None, Some(base)] {
        for (key, secret) in [(None, None), (Some("k"), None), (Some("k"), Some("s")), (None, Some("s"))] {
            let bridge = five_hundred_px_with(&Arc::new(Script::default()), base_url.clone(), key, secret);
            let able = bridge.capabilities();
            assert_eq!(able.lists_likes_of_others || able.lists_own_likes, bridge.live().is_some());
            assert_eq!(able.page_size_max.is_some(), bridge.live().is_some());
            assert_eq!(able.reads_export, bridge.export().is_some());
            let is_known = base_url.is_some() && key.is_some() && secret.is_some();
            assert_eq!(bridge.sign_in().is_some(), is_known);
            assert!(able.sign_in != SignIn::None || bridge.sign_in().is_none());
        }
    }
}

/// Replies by path and by the page asked for, and what was asked.
#[derive(Default)]
struct Script {
    replies: BTreeMap<String, HttpReply>,
    asked: Mutex<Vec<HttpRequest>>,
}

impl Script {
    fn on(mut self, path: &str, status: u16, body: &[u8]) -> Script {
        let reply = HttpReply { status, body: body.to_vec(), ..HttpReply::default() };
        self.replies.insert(path.to_owned(), reply);
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|request| request.url.path().to_owned()).collect()
    }
}

#[async_trait]
impl Http for Script {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        self.asked.lock().unwrap().push(request.clone());
        let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
        let path = request.url.path().strip_prefix("/500px/v1").unwrap_or("elsewhere");
        let paged = query.get("page").and_then(|page| self.replies.get(&format!("{path} {page}")));
        let reply = paged.or_else(|| self.replies.get(path)).cloned();
        reply.ok_or_else(|| HttpFailure::Unreachable("no reply in the script".to_owned()))
    }
}

fn five_hundred_px_with(
    script: &Arc<Script>,
    base_url: Option<Url>,
    key: Option<&str>,
    secret: Option<&str>,
) -> FiveHundredPx {
    let config = Config {
        base_url,
        auth_url: None,
        consumer_key: key.map(str::to_owned),
        consumer_secret: secret.map(Secret::new),
        user_agent: "fedflattr-test (+https://node.example)".into(),
    };
    FiveHundredPx::new(config, script.clone())
}

fn five_hundred_px(script: &Arc<Script>) -> FiveHundredPx {
    let base = Url::parse("https://api.example/500px").unwrap();
    five_hundred_px_with(script, Some(base), Some("instance-key"), Some("hush"))
}

fn signed() -> Access {
    Access::User(Credential::Signed { token: Secret::new("t-nils"), secret: Secret::new("s-nils") })
}

fn of(id: &str) -> LikesQuery {
    LikesQuery::first(Who::Id(account(id)), Access::Instance)
}

fn items(ids: &[u32], page: u32, pages: u32) -> Vec<u8> {
    let photos: Vec<Value> = ids.iter().map(|id| serde_json::json!({ "id": id, "user": { "id": 8 } })).collect();
    serde_json::json!({ "current_page": page, "total_pages": pages, "photos": photos }).to_string().into_bytes()
}

#[tokio::test]
async fn galleries_of_favourites_are_read_one_after_another() {
    let two = String::from_utf8_lossy(GALLERIES).replace("\"kind\": 4", "\"kind\": \"5\"");
    let script = Script::default()
        .on("/users/3/galleries", 200, two.as_bytes())
        .on("/users/3/galleries/41/items 1", 200, &items(&[1, 2], 1, 2))
        .on("/users/3/galleries/41/items 2", 200, &items(&[3], 2, 2))
        .on("/users/3/galleries/42/items 1", 200, &items(&[4], 1, 1));
    let pass = listing::read(&five_hundred_px(&Arc::new(script)), &of("3"), Depth::All).await;
    let ids: Vec<&str> = pass.items.iter().map(|item| item.post.id.object()).collect();
    assert_eq!((ids, pass.pages, pass.end), (vec!["1", "2", "3", "4"], 3, PassEnd::Complete));
}

#[tokio::test]
async fn a_server_of_before_galleries_is_asked_for_the_list() {
    let me = br#"{"user":{"id":3,"username":"nils"}}"#;
    let script = Script::default()
        .on("/users/3/galleries", 404, MISSING)
        .on("/users/show", 200, me)
        .on("/photos 1", 200, FAVORITES)
        .on("/photos 2", 200, &items(&[3], 2, 2));
    let script = Arc::new(script);
    let pass = listing::read(&five_hundred_px(&script), &of("3"), Depth::All).await;
    assert_eq!((pass.items.len(), pass.pages, pass.end), (3, 2, PassEnd::CompleteButFor { unreadable: 2 }));
    let last = script.asked.lock().unwrap().last().unwrap().url.query_pairs().into_owned().collect::<Vec<_>>();
    for (name, value) in
        [("feature", "user_favorites"), ("user_id", "3"), ("page", "2"), ("consumer_key", "instance-key")]
    {
        assert!(last.contains(&(name.to_owned(), value.to_owned())), "{name}");
    }
}

#[tokio::test]
async fn somebody_who_left_or_hides_their_favourites_took_nothing_back() {
    let script = Script::default().on("/users/3/galleries", 404, MISSING).on("/users/show", 404, MISSING);
    let pass = listing::read(&five_hundred_px(&Arc::new(script)), &of("3"), Depth::All).await;
    assert!(matches!(pass.end, PassEnd::Failed(Error::NotFound { .. })));
    let none = br#"{"current_page":1,"total_pages":0,"total_items":0,"galleries":[]}"#;
    let script = Script::default().on("/users/3/galleries", 200, none);
    let pass = listing::read(&five_hundred_px(&Arc::new(script)), &of("3"), Depth::All).await;
    assert_eq!(pass.end, PassEnd::CompleteButFor { unreadable: 1 });
}

#[tokio::test]
async fn another_page_account_or_photo_than_the_one_asked_for_is_refused() {
    let script = Arc::new(
        Script::default().on("/photos", 200, FAVORITES).on("/photos/7", 200, PHOTO).on("/users/show", 200, USER).on(
            "/users/3/galleries/41/items",
            200,
            &items(&[1], 1, 3),
        ),
    );
    let bridge = five_hundred_px(&script);
    let likes = async |who: &str, cursor: &str| {
        let cursor = Some(Cursor::new(cursor));
        bridge.likes(&LikesQuery { cursor, ..of(who) }).await.map(|_| ()).map_err(|error| error.class())
    };
    assert_eq!(likes("3", "f:1:3").await, Ok(()));
    assert_eq!(likes("3", "f:2:3").await, Err("malformed"), "page 1 came");
    assert_eq!(likes("4", "f:1:4").await, Err("malformed"), "the list of 3 came");
    assert_eq!(likes("4", "f:1:3").await, Err("malformed"), "a cursor of 3");
    assert_eq!(likes("3", "g:2:3:41").await, Err("malformed"), "page 1 came");
    let who = Who::Id(account("7"));
    assert_eq!(bridge.profile(&who, &Access::Instance).await.unwrap_err().class(), "malformed");
    assert_eq!(bridge.post(&object("7"), None, &Access::Instance).await.unwrap_err().class(), "malformed");
    let posts = PostsOf::Account(account("3"));
    assert_eq!(bridge.posts(&posts, None, &Access::Instance).await.unwrap_err().class(), "malformed");
}

#[tokio::test]
async fn a_foreign_cursor_is_refused_before_anything_is_asked() {
    let script = Arc::new(Script::default());
    for cursor in ["", "2", "f:0:3", "f:1:x", "f:1:3:4", "g:1:3:", "g:1:3:4,../x", "g:1:3", "https://evil.example/"] {
        let query = LikesQuery { cursor: Some(Cursor::new(cursor)), ..of("3") };
        assert_eq!(five_hundred_px(&script).likes(&query).await.unwrap_err().class(), "malformed", "{cursor}");
    }
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn a_signed_question_carries_the_signature_and_neither_key_nor_secret() {
    let script = Arc::new(
        Script::default()
            .on("/users", 200, br#"{"user":{"id":3,"username":"nils"}}"#)
            .on("/users/3/galleries", 200, GALLERIES)
            .on("/users/3/galleries/41/items", 200, GALLERY_ITEMS),
    );
    let reply = five_hundred_px(&script).likes(&LikesQuery::first(Who::TokenOwner, signed())).await.unwrap();
    let LikesReply::Page(page) = reply else { panic!() };
    assert_eq!((page.items.len(), page.next), (1, None));
    for request in script.asked.lock().unwrap().iter() {
        let header = &request.headers.iter().find(|header| header.name == "authorization").unwrap().value;
        assert!(header.contains("oauth_token=\"t-nils\"") && header.contains("oauth_consumer_key=\"instance-key\""));
        assert!(!header.contains("s-nils") && !header.contains("hush"));
        assert!(!request.url.as_str().contains("consumer_key"), "{}", request.url);
        assert!(!format!("{request:?}").contains("t-nils"));
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_a_dead_key_is_a_refusal() {
    let script = Arc::new(Script::default().on("/users/3/galleries", 302, b""));
    assert_eq!(five_hundred_px(&script).likes(&of("3")).await.unwrap_err().class(), "malformed");
    for status in [200, 403] {
        let script = Arc::new(Script::default().on("/users/3/galleries", status, DEACTIVATED));
        assert_eq!(five_hundred_px(&script).likes(&of("3")).await.unwrap_err().class(), "forbidden", "{status}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before_anything_is_sent() {
    let script = Arc::new(Script::default());
    let bridge = five_hundred_px(&script);
    for who in [
        Who::Handle("../user".into()),
        Who::Handle(String::new()),
        Who::Id(account("7/galleries")),
        Who::Id(ExternalId::new(Platform::GitHub, "7").unwrap()),
    ] {
        let asked = bridge.profile(&who, &Access::Instance).await;
        // A name that nobody can have is nobody's; a number of another kind cannot be asked for.
        let expected = if matches!(who, Who::Handle(_)) { "not_found" } else { "unsupported" };
        assert_eq!(asked.unwrap_err().class(), expected, "{who:?}");
    }
    for object in [object("7a"), object("7/votes"), ObjectRef::new(Platform::Flickr, "7").unwrap()] {
        let asked = bridge.post(&object, None, &Access::Instance).await;
        assert_eq!(asked.unwrap_err().class(), "unsupported", "{object}");
    }
    let bearer = Access::User(Credential::bearer("t"));
    assert_eq!(bridge.profile(&Who::TokenOwner, &bearer).await.unwrap_err().class(), "unsupported");
    assert_eq!(bridge.profile(&Who::TokenOwner, &Access::Instance).await.unwrap_err().class(), "unauthorized");
    let below = PostsOf::Post(object("7"));
    assert_eq!(bridge.posts(&below, None, &Access::Instance).await.unwrap_err().class(), "unsupported");
    let person = bridge.parse_reference("https://500px.com/mira").unwrap();
    assert_eq!(bridge.resolve(&person, &Access::Instance).await.unwrap_err().class(), "unsupported");
    let closed = five_hundred_px_with(&script, None, Some("k"), Some("s"));
    assert_eq!(closed.post(&object("7"), None, &Access::Instance).await.unwrap_err().class(), "unsupported");
    assert!(script.asked().is_empty());
}
