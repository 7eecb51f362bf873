//! The connector on files in the form of the two networks, and on replies that mean harm.

use std::collections::BTreeMap;
use std::io::Cursor as Bytes;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use ::url::Url;
use async_trait::async_trait;
use serde_json::{Value, json};

use super::export::Export;
use super::*;
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::decode::{decode, kinds};
use crate::bridges::http::{Header, Http, HttpFailure, HttpReply, HttpRequest};
use crate::bridges::value::{Access, Cursor, LikesQuery, LikesReply, MediaKind, PostKind, PostsOf, Secret, Who};
use crate::bridges::{Member, proves};

const USER: &[u8] = include_bytes!("../fixtures/appnet/user.json");
const POST: &[u8] = include_bytes!("../fixtures/appnet/post.json");
const STARS: &[u8] = include_bytes!("../fixtures/appnet/stars.json");
const POSTS: &[u8] = include_bytes!("../fixtures/appnet/posts.json");
const TOKEN: &[u8] = include_bytes!("../fixtures/appnet/token.json");
const FILE: &[u8] = include_bytes!("../fixtures/appnet/file.json");
const ERRORS: &[u8] = include_bytes!("../fixtures/appnet/errors.json");
const PNUT_USER: &[u8] = include_bytes!("../fixtures/appnet/pnut_user.json");
const PNUT_POST: &[u8] = include_bytes!("../fixtures/appnet/pnut_post.json");
const PNUT_BOOKMARKS: &[u8] = include_bytes!("../fixtures/appnet/pnut_bookmarks.json");
const EXPORT_STARS: &[u8] = include_bytes!("../fixtures/appnet/export_stars.json");
const CLAIM: &str = "https://node.example/claim/7f3a9c";

#[test]
fn a_profile_is_read_whole() {
    let profile = wire::profile(USER, Dialect::AppNet).unwrap();
    assert_eq!(profile.id.to_string(), "appnet:9007199254740993", "above 2^53 to the digit");
    assert_eq!((profile.handle.as_str(), profile.display_name.as_deref()), ("mira", Some("Mira Lund")));
    assert_eq!(profile.links, ["https://blog.mira.example/", "https://fjord.example/maps"]);
    assert_eq!(profile.profile_url, "https://alpha.app.net/mira");
    assert!(proves(&profile, CLAIM), "by the homepage");
    let bare =
        br#"{"data":{"id":"7","username":"bot","type":"feed","avatar_image":{"url":null,"link":"https://a.example/"}},
                   "meta":{"code":200}}"#;
    let bare = wire::profile(bare, Dialect::AppNet).unwrap();
    assert_eq!(bare.avatar_url.as_deref(), Some("https://a.example/"), "both names at once do no harm");
    assert_eq!((bare.kind.as_str(), bare.website, bare.bio), ("bot", None, None));
}

#[test]
fn a_verified_domain_is_shown_and_proves_no_claim_of_its_own() {
    let mut document: Value = serde_json::from_slice(USER).unwrap();
    document["data"]["annotations"] = json!([]);
    let profile = wire::profile(document.to_string().as_bytes(), Dialect::AppNet).unwrap();
    assert_eq!(profile.website.as_deref(), Some("mira.example"));
    assert!(!proves(&profile, "https://mira.example/"), "a front page is no claim");
    for (pointer, value) in [
        ("/data/annotations", json!([{"type": "net.app.core.directory.blog", "value": {"url": CLAIM}}])),
        ("/data/description/text", json!(format!("Thank me: {CLAIM}"))),
        ("/data/description/entities/links", json!([{"url": CLAIM, "text": "here", "pos": 0, "len": 4}])),
    ] {
        let mut document = document.clone();
        *document.pointer_mut(pointer).unwrap() = value;
        let profile = wire::profile(document.to_string().as_bytes(), Dialect::AppNet).unwrap();
        assert!(proves(&profile, CLAIM), "{pointer}");
    }
}

#[test]
fn a_post_is_read_whole() {
    let post = wire::post(POST, Dialect::AppNet).unwrap();
    assert_eq!(post.id.to_string(), "appnet:9007199254740995");
    assert_eq!((post.kind, post.title.as_str()), (PostKind::Text, "Chart the #tides"));
    assert_eq!(post.owner.unwrap().account(), "9007199254740993");
    assert_eq!((post.tags, post.published.unwrap().to_string()), (vec!["tides".into()], "2013-05-30T10:00:00Z".into()));
    assert_eq!(post.alias_url.as_deref(), Some("https://blog.mira.example/tides"), "the original of a crosspost");
    assert_eq!(post.thumbnail_url.as_deref(), Some("https://files.example/tide_s.jpg"));
    let picture = &post.attachments[0];
    assert_eq!((picture.kind, picture.width, picture.height), (MediaKind::Image, Some(1200), Some(800)));
    assert_eq!(picture.alt.as_deref(), Some("Tide table of the inner fjord"));
    let sensitive = wire::post(PNUT_POST, Dialect::Pnut).unwrap();
    assert!(sensitive.is_sensitive && sensitive.attachments.len() == 1);
    assert_eq!(sensitive.url, "https://posts.pnut.io/914440");
}

#[test]
fn one_damaged_star_is_counted_a_deleted_one_left_out_and_a_repost_is_its_original() {
    let page = wire::likes(STARS, Dialect::AppNet).unwrap();
    let ids: Vec<&str> = page.found.items.iter().map(|item| item.post.id.object()).collect();
    assert_eq!(ids, ["9007199254740995", "912", "880"]);
    assert_eq!(page.found.items[2].post.owner.as_ref().unwrap().account(), "4021", "not who reposted it");
    assert_eq!((page.found.unreadable, page.next.as_deref()), (1, Some("900")));
    assert!(page.found.items.iter().all(|item| item.liked_at.is_none()));
    let posts = wire::posts(POSTS, Dialect::AppNet).unwrap();
    let titles: Vec<&str> = posts.found.items.iter().map(|post| post.title.as_str()).collect();
    assert_eq!(titles, ["Mine #tides", "Post 928"], "a repost is not their work");
    assert_eq!(posts.next, None);
}

#[test]
fn a_list_that_does_not_say_whether_there_is_more_is_refused() {
    for meta in [r#"{"code":200}"#, r#"{"code":200,"more":true}"#, r#"{"code":200,"more":true,"min_id":"a b"}"#] {
        let body = format!(r#"{{"data":[],"meta":{meta}}}"#);
        assert_eq!(wire::likes(body.as_bytes(), Dialect::AppNet).unwrap_err().class(), "malformed", "{meta}");
    }
}

#[test]
fn the_two_networks_never_mix() {
    assert_eq!(wire::profile(PNUT_USER, Dialect::Pnut).unwrap().id.account(), "pnut-9007199254740993");
    assert_eq!(wire::post(PNUT_POST, Dialect::Pnut).unwrap().id.object(), "pnut-914440");
    assert_eq!(wire::post(PNUT_POST, Dialect::Pnut).unwrap().owner.unwrap().account(), "pnut-9007199254740993");
    assert_eq!(wire::profile(PNUT_USER, Dialect::AppNet).unwrap_err().class(), "malformed");
    assert_eq!(wire::profile(USER, Dialect::Pnut).unwrap_err().class(), "malformed");
    assert_eq!(wire::post(PNUT_POST, Dialect::AppNet).unwrap_err().class(), "malformed");
    let mixed = wire::likes(STARS, Dialect::Pnut).unwrap().found;
    assert_eq!((mixed.items.len(), mixed.unreadable), (0, 4), "all but the one that is deleted in either");
    assert_eq!(Dialect::AppNet.number("pnut-7"), None);
    assert_eq!((Dialect::Pnut.number("7"), Dialect::Pnut.number("pnut-7")), (None, Some("7")));
    assert_eq!("pnut".parse(), Ok(Dialect::Pnut));
    assert!("adn".parse::<Dialect>().is_err());
}

#[test]
fn every_file_decodes_under_its_kind() {
    let check = |kind: &str, bytes: &[u8], pointer: &str, expected: Value| {
        let shown = decode(PLATFORM, kind, bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(shown.pointer(pointer), Some(&expected), "{kind}: {shown}");
    };
    check("user", USER, "/website", CLAIM.into());
    check("post", POST, "/owner", "appnet:9007199254740993".into());
    check("posts", POSTS, "/items/0/id", "appnet:930".into());
    check("stars", STARS, "/items/1/post/id", "appnet:912".into());
    check("token", TOKEN, "/user/handle", "mira".into());
    check("token", TOKEN, "/scopes/1", "stream".into());
    check("file", FILE, "/media_type", "image/png".into());
    check("error", ERRORS, "/expired/class", "unauthorized_expired".into());
    check("error", ERRORS, "/fast/class", "rate_limited".into());
    check("error", br#"{"meta":{"code":404}}"#, "/class", "not_found".into());
    check("pnut-user", PNUT_USER, "/links/1", "https://blog.mira.example/".into());
    check("pnut-post", PNUT_POST, "/is_sensitive", true.into());
    check("pnut-posts", PNUT_BOOKMARKS, "/items/0/tags/0", "tides".into());
    check("pnut-bookmarks", PNUT_BOOKMARKS, "/items/1/post/id", "appnet:pnut-912".into());
    check("export-user", USER, "/id", "appnet:9007199254740993".into());
    check("export-stars", EXPORT_STARS, "/items/1/post/id", "appnet:880".into());
    check("export-stars", STARS, "/items/1/post/id", "appnet:912".into());
}

#[test]
fn a_file_of_another_kind_is_refused_with_its_class() {
    let check = |kind: &str, bytes: &[u8], class: &str| {
        assert_eq!(decode(PLATFORM, kind, bytes).unwrap_err().class(), class, "{kind}");
    };
    let report = br#"{"meta":{"code":401,"error_slug":"token-expired"}}"#;
    check("stars", report, "unauthorized_expired");
    check("user", br#"{"data":{},"meta":{"code":404}}"#, "not_found");
    check("user", POST, "malformed");
    check("post", STARS, "malformed");
    check("post", USER, "malformed");
    check("post", FILE, "malformed");
    check("pnut-post", PNUT_USER, "malformed");
    check("stars", POST, "malformed");
    check("stars", &STARS[..STARS.len() / 2], "malformed");
    check("stars", b"<!DOCTYPE html><html></html>", "malformed");
    check("post", br#"{"data":{"id":"7","is_deleted":true},"meta":{"code":200}}"#, "gone");
    check("token", USER, "malformed");
    check("error", USER, "malformed");
    check("error", b"{}", "malformed");
    check("export-stars", USER, "malformed");
    check("export-stars", b"[{\"no\":1}]", "malformed");
    for kind in kinds(PLATFORM) {
        check(kind.name, b"x", "malformed");
        check(kind.name, b"", "malformed");
    }
}

fn exported(name: &str, bytes: &[u8]) -> (Result<(), Error>, Vec<String>) {
    let mut ids = Vec::new();
    let mut archive = Archive::open(Bytes::new(bytes.to_vec()), name, Limits::default()).unwrap();
    let outcome = archive.likes(&Export, &mut |item| {
        ids.push(item.map_or_else(|error| error.class().to_owned(), |item| item.post.id.object().to_owned()));
        ControlFlow::Continue(())
    });
    (outcome, ids)
}

#[test]
fn an_export_is_a_list_an_envelope_or_a_list_of_envelopes() {
    let (outcome, ids) = exported("stars.json", EXPORT_STARS);
    assert_eq!((outcome, ids.as_slice()), (Ok(()), &["9007199254740995", "880", "malformed"].map(String::from)[..]));
    let pages = format!("\n [{}, {}]", String::from_utf8_lossy(STARS), String::from_utf8_lossy(STARS));
    assert_eq!(exported("stars.json", pages.as_bytes()).1.len(), 8);
    assert_eq!(exported("starred-1.json", STARS).1, ["9007199254740995", "912", "880", "malformed"]);
    assert_eq!(exported("stars.json", b"{\"meta\":{}}").0.unwrap_err().class(), "malformed");
    assert_eq!(exported("stars.json", &EXPORT_STARS[..600]).0.unwrap_err().class(), "malformed");
    assert_eq!(exported("stars.html", b"<html>").0.unwrap_err().class(), "unsupported");
}

#[test]
fn only_what_calls_itself_stars_is_read_as_likes() {
    let check = |path: &str, expected: Option<Member>| assert_eq!(Export.member(path), expected, "{path}");
    for path in ["stars.json", "adn/Stars.json", "stars/000.json", "data/stars/page-2.json", "starred_posts.json"] {
        check(path, Some(Member::Likes));
    }
    for path in ["user.json", "export/user.json", "account.json"] {
        check(path, Some(Member::Owner));
    }
    for path in ["posts.json", "messages/1.json", "starships.json", "stars", "stars.json.bak", "followers.json"] {
        check(path, None);
    }
}

#[test]
fn the_capabilities_agree_with_the_sources() {
    let script = Arc::new(Script::default());
    for base in [None, Some("https://api.example/v1")] {
        let bridge = connector(&script, Dialect::Pnut, base);
        let able = bridge.capabilities();
        assert_eq!(able.lists_likes_of_others || able.lists_own_likes, bridge.live().is_some());
        assert_eq!(able.page_size_max.is_some(), bridge.live().is_some());
        assert_eq!(able.reads_export, bridge.export().is_some());
        assert_eq!(able.sign_in != SignIn::None, base.is_some());
    }
}

/// Replies by address, and what was asked.
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

    fn addresses(&self) -> Vec<String> {
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

fn connector(script: &Arc<Script>, dialect: Dialect, base: Option<&str>) -> AppNet {
    let config = Config {
        dialect,
        base_url: base.map(|base| Url::parse(base).unwrap()),
        token: Some(Secret::new("instance-token")),
        user_agent: "fedflattr-test".into(),
        app: None,
    };
    AppNet::new(config, script.clone())
}

const BASE: &str = "https://api.example/stream/0";
const FIRST: &str = "https://api.example/stream/0/users/7/stars?count=200&include_post_annotations=1";

fn seven() -> Who {
    Who::Id(ExternalId::new(PLATFORM, "7").unwrap())
}

#[tokio::test]
async fn a_listing_goes_on_from_the_lowest_id_and_stays_with_its_account() {
    let second = format!("{FIRST}&before_id=900");
    let script = Arc::new(Script::default().on(FIRST, 200, &[], STARS).on(&second, 200, &[], STARS));
    let bridge = connector(&script, Dialect::AppNet, Some(BASE));
    let mut query = LikesQuery::first(seven(), Access::Instance);
    let LikesReply::Page(page) = bridge.likes(&query).await.unwrap() else { panic!("there is no etag here") };
    query.cursor = page.next;
    bridge.likes(&query).await.unwrap();
    let headers = script.asked.lock().unwrap()[0].1.iter().map(|it| (it.name, it.value.clone())).collect::<Vec<_>>();
    assert!(headers.contains(&("authorization", "Bearer instance-token".to_owned())));
    let asked = script.addresses().len();
    for (who, cursor) in [
        (Who::Id(ExternalId::new(PLATFORM, "8").unwrap()), "7/900"),
        (Who::TokenOwner, "7/900"),
        (seven(), "me/900"),
        (seven(), "7/"),
        (seven(), "7/9 0"),
        (seven(), "900"),
        (seven(), "https://evil.example/900"),
        (Who::Handle("mira".into()), "../900"),
    ] {
        let query = LikesQuery { cursor: Some(Cursor::new(cursor)), ..LikesQuery::first(who, Access::Instance) };
        assert_eq!(bridge.likes(&query).await.unwrap_err().class(), "malformed", "{cursor}");
    }
    assert_eq!(script.addresses().len(), asked, "nobody was asked");
}

#[tokio::test]
async fn a_redirect_is_refused_and_never_sees_the_token() {
    let script = Arc::new(Script::default().on(FIRST, 302, &[("location", "https://evil.example/")], b""));
    let bridge = connector(&script, Dialect::AppNet, Some(BASE));
    let asked = bridge.likes(&LikesQuery::first(seven(), Access::Instance)).await;
    assert_eq!(asked.unwrap_err().class(), "malformed");
    assert_eq!(script.addresses(), [FIRST]);
}

#[tokio::test]
async fn another_account_or_post_than_the_one_asked_for_is_refused() {
    let user = format!("{BASE}/users/7?include_user_annotations=1");
    let named = format!("{BASE}/users/@tove?include_user_annotations=1");
    let post = format!("{BASE}/posts/7?include_post_annotations=1");
    let script = Script::default().on(&user, 200, &[], USER).on(&named, 200, &[], USER).on(&post, 200, &[], POST);
    let script = Arc::new(script);
    let bridge = connector(&script, Dialect::AppNet, Some(BASE));
    let check = |class: Option<&'static str>| assert_eq!(class, Some("malformed"));
    check(bridge.profile(&seven(), &Access::Instance).await.err().map(|it| it.class()));
    check(bridge.profile(&Who::Handle("tove".into()), &Access::Instance).await.err().map(|it| it.class()));
    let object = ObjectRef::new(PLATFORM, "7").unwrap();
    check(bridge.post(&object, None, &Access::Instance).await.err().map(|it| it.class()));
}

#[tokio::test]
async fn what_belongs_elsewhere_is_never_asked_for() {
    let script = Arc::new(Script::default());
    let bridge = connector(&script, Dialect::AppNet, Some(BASE));
    for who in [
        Who::Handle("../me".into()),
        Who::Handle(String::new()),
        Who::Id(ExternalId::new(PLATFORM, "pnut-7").unwrap()),
        Who::Id(ExternalId::new(PLATFORM, "7/stars").unwrap()),
        Who::Id(ExternalId::new(Platform::Flickr, "7").unwrap()),
    ] {
        let asked = bridge.profile(&who, &Access::Instance).await;
        // A name that nobody can have is nobody's; a number of another kind cannot be asked for.
        let expected = if matches!(who, Who::Handle(_)) { "not_found" } else { "unsupported" };
        assert_eq!(asked.unwrap_err().class(), expected, "{who:?}");
    }
    for text in ["https://posts.pnut.io/7", "https://alpha.app.net/mira"] {
        let asked = bridge.resolve(&bridge.parse_reference(text).unwrap(), &Access::Instance).await;
        assert_eq!(asked.unwrap_err().class(), "unsupported", "{text}");
    }
    let below = PostsOf::Post(ObjectRef::new(PLATFORM, "7").unwrap());
    assert_eq!(bridge.posts(&below, None, &Access::Instance).await.unwrap_err().class(), "unsupported");
    let closed = connector(&script, Dialect::AppNet, None);
    assert_eq!(closed.profile(&seven(), &Access::Instance).await.unwrap_err().class(), "unsupported");
    assert!(script.addresses().is_empty());
}
