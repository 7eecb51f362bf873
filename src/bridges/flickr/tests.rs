//! The connector against files of Flickr's shape, and against replies that no honest server sends.

use std::collections::{BTreeMap, VecDeque};
use std::io::Cursor as Bytes;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;

use super::export::Export;
use super::{Config, Flickr, people, wire};
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::decode::{decode, kinds};
use crate::bridges::value::{MediaKind, PostKind};
use crate::bridges::{
    Access, Bridge, Credential, Cursor, Error, Http, HttpFailure, HttpReply, HttpRequest, LikesQuery, LikesReply,
    LiveApi, PostsOf, Secret, SignIn, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const FAVORITES: &[u8] = include_bytes!("../fixtures/flickr/favorites.json");
const PHOTOS: &[u8] = include_bytes!("../fixtures/flickr/photos.json");
const PHOTO: &[u8] = include_bytes!("../fixtures/flickr/photo.json");
const FILM: &[u8] = include_bytes!("../fixtures/flickr/photo_film.json");
const PERSON: &[u8] = include_bytes!("../fixtures/flickr/person.json");
const PROFILE: &[u8] = include_bytes!("../fixtures/flickr/profile.json");
const USER: &[u8] = include_bytes!("../fixtures/flickr/user.json");
const SIZES: &[u8] = include_bytes!("../fixtures/flickr/sizes.json");
const FAVERS: &[u8] = include_bytes!("../fixtures/flickr/favers.json");
const LICENCES: &[u8] = include_bytes!("../fixtures/flickr/licences.json");
const METHOD: &[u8] = include_bytes!("../fixtures/flickr/method.json");
const ERRORS: &[u8] = include_bytes!("../fixtures/flickr/errors.json");
const FAVES: &[u8] = include_bytes!("../fixtures/flickr/faves_part001.json");
const ACCOUNT: &[u8] = include_bytes!("../fixtures/flickr/account_profile.json");
const NOBODY: &[u8] = br#"{"stat":"fail","code":1,"message":"User not found"}"#;

fn account(nsid: &str) -> ExternalId {
    ExternalId::new(Platform::Flickr, nsid).unwrap()
}

fn object(id: &str) -> ObjectRef {
    ObjectRef::new(Platform::Flickr, id).unwrap()
}

#[test]
fn a_list_of_likes_survives_its_damaged_items_and_hides_private_ones() {
    let page = wire::favorites(FAVORITES).unwrap();
    assert_eq!((page.page, page.pages, page.found.unreadable), (1, 3, 3));
    let shown: Vec<(String, String)> =
        page.found.items.iter().map(|item| (item.post.id.to_string(), item.liked_at.unwrap().to_string())).collect();
    let expected = [("flickr:9007199254740993", "2013-06-02T08:00:00Z"), ("flickr:2418735092", "2013-06-01T23:59:59Z")];
    assert_eq!(shown, expected.map(|(id, at)| (id.to_owned(), at.to_owned())));
}

#[test]
fn a_liked_photo_is_complete_without_a_request_of_its_own() {
    let page = wire::favorites(FAVORITES).unwrap();
    let post = &page.found.items[0].post;
    assert_eq!((post.kind, post.title.as_str()), (PostKind::Image, "Harbour at dawn"));
    assert_eq!(
        (post.owner.as_ref(), post.owner_handle.as_deref()),
        (Some(&account("26545877@N00")), Some("mira-lund"))
    );
    assert_eq!(post.url, "https://www.flickr.com/photos/mira-lund/9007199254740993/");
    assert_eq!(post.description.as_deref(), Some("Taken from the pier."));
    assert_eq!(post.licence.as_deref(), Some("https://creativecommons.org/licenses/by/2.0/"));
    assert_eq!(post.tags, ["harbour", "dawn"], "what programs write for programs is left out");
    assert_eq!(post.published.unwrap().to_string(), "2013-06-01T00:00:00Z");
    let picture = &post.attachments[0];
    assert_eq!(
        (picture.width, picture.height, picture.alt.as_deref()),
        (Some(1024), Some(683), Some("Harbour at dawn"))
    );
    assert!(picture.url.ends_with("_b.jpg") && post.thumbnail_url.as_ref().unwrap().ends_with("_n.jpg"));
}

#[test]
fn a_photo_that_tells_little_is_still_a_photo() {
    let page = wire::favorites(FAVORITES).unwrap();
    let post = &page.found.items[1].post;
    assert_eq!((post.title.as_str(), post.owner_handle.as_deref()), ("Photo 2418735092", Some("7@N04")));
    assert_eq!(post.attachments[0].url, "https://live.staticflickr.com/65/2418735092_77aa.jpg");
    assert_eq!(post.attachments[0].alt, None);
    let page = wire::photos(PHOTOS).unwrap();
    assert!(page.found.items[0].attachments.is_empty(), "no file is there yet");
}

#[test]
fn a_single_photo_and_the_same_in_a_list_agree_on_what_money_goes_by() {
    let single = wire::photo(PHOTO).unwrap();
    let listed = wire::favorites(FAVORITES).unwrap().found.items.remove(0).post;
    assert_eq!((&single.id, &single.owner, &single.url), (&listed.id, &listed.owner, &listed.url));
    assert_eq!((&single.licence, single.published), (&listed.licence, listed.published));
    assert_eq!(single.tags, ["Early Morning"]);
    assert_eq!(single.attachments[0].url, "https://live.staticflickr.com/3128/9007199254740993_0a1b2c3d4e.jpg");
}

#[test]
fn a_film_is_linked_to_and_never_its_file() {
    let film = wire::photo(FILM).unwrap();
    assert_eq!((film.kind, film.is_sensitive, film.licence.as_deref()), (PostKind::Video, true, None));
    assert_eq!(film.duration.unwrap().as_secs(), 73);
    assert_eq!((film.attachments[0].kind, film.attachments[0].url.as_str()), (MediaKind::Link, film.url.as_str()));
    assert!(film.attachments[0].poster.as_ref().unwrap().ends_with("712/5550100201_c0ffee.jpg"));
    assert_eq!(wire::photos(PHOTOS).unwrap().found.items[1].kind, PostKind::Video);
}

#[test]
fn a_private_photo_and_a_deleted_person_are_refused() {
    let private = String::from_utf8_lossy(PHOTO).replace("\"ispublic\": 1", "\"ispublic\": 0");
    assert_eq!(wire::photo(private.as_bytes()).unwrap_err().class(), "forbidden");
    let deleted = String::from_utf8_lossy(PERSON).replace("\"is_deleted\": 0", "\"is_deleted\": \"1\"");
    assert_eq!(people::person(deleted.as_bytes()).unwrap_err().class(), "gone");
}

#[test]
fn a_reply_inside_a_call_is_read_and_a_refusal_inside_one_too() {
    let called = |body: &[u8]| [b"jsonFlickrApi(", body, b");\n"].concat();
    assert_eq!(wire::favorites(&called(FAVORITES)).unwrap(), wire::favorites(FAVORITES).unwrap());
    assert_eq!(people::user(&called(NOBODY)).unwrap_err().class(), "not_found");
}

#[test]
fn every_file_decodes_under_its_kind() {
    let check = |kind: &str, bytes: &[u8], pointer: &str, expected: Value| {
        let shown = decode(Platform::Flickr, kind, bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(shown.pointer(pointer), Some(&expected), "{kind}: {shown}");
    };
    check("favorites", FAVORITES, "/items/0/post/owner", "flickr:26545877@N00".into());
    check("photos", PHOTOS, "/items/1/is_sensitive", true.into());
    check("photo", PHOTO, "/id", "flickr:9007199254740993".into());
    check("photo", FILM, "/duration_seconds", json!(73.0));
    check("sizes", SIZES, "/items/1/width", 1024.into());
    check("favers", FAVERS, "/items/1/handle", "tove berg".into());
    check("favers", FAVERS, "/unreadable", 1.into());
    check("person", PERSON, "/handle", "mira-lund".into());
    check("profile", PROFILE, "/website", "https://node.example/claim/7f3a9c".into());
    check("user", USER, "/id", "flickr:26545877@N00".into());
    check("licences", LICENCES, "/items/1/is_known", true.into());
    check("licences", LICENCES, "/items/2/is_known", false.into());
    check("method", METHOD, "/errors/2/error/class", "transient".into());
    check("error", ERRORS, "/taken_back/class", "unauthorized".into());
    check("error", NOBODY, "/class", "not_found".into());
    check("export-faves", FAVES, "/items/1/post/id", "flickr:2418735092".into());
    check("export-faves", FAVES, "/unreadable", 1.into());
    check("export-account", ACCOUNT, "/handle", "nils".into());
}

#[test]
fn a_file_of_another_kind_is_refused_with_its_class() {
    let check = |kind: &str, bytes: &[u8], class: &str| {
        assert_eq!(decode(Platform::Flickr, kind, bytes).unwrap_err().class(), class, "{kind}");
    };
    for kind in kinds(Platform::Flickr).iter().filter(|kind| kind.name != "error" && !kind.name.starts_with("export")) {
        check(kind.name, NOBODY, "not_found");
        check(kind.name, b"<!DOCTYPE html><html></html>", "malformed");
        check(kind.name, b"", "malformed");
        check(kind.name, b"{}", "malformed");
    }
    check("photo", FAVERS, "malformed");
    check("photo", FAVORITES, "malformed");
    check("favorites", &FAVORITES[..FAVORITES.len() / 2], "malformed");
    check("favorites", FAVES, "malformed");
    check("favorites", PHOTOS, "malformed");
    check("person", PROFILE, "malformed");
    check("error", PHOTO, "malformed");
    check("export-faves", FAVORITES, "malformed");
    check("export-account", PERSON, "malformed");
}

#[test]
fn every_kind_that_is_announced_is_read() {
    for kind in kinds(Platform::Flickr) {
        assert_eq!(decode(Platform::Flickr, kind.name, b"x").unwrap_err().class(), "malformed", "{}", kind.name);
    }
}

#[test]
fn the_export_file_gives_the_ids_of_the_live_list_and_its_owner() {
    let open = |bytes: &[u8], name: &str| Archive::open(Bytes::new(bytes.to_vec()), name, Limits::default()).unwrap();
    let owner = open(ACCOUNT, "account_profile.json").owner(&Export).unwrap();
    assert_eq!((owner.id, owner.handle.as_deref()), (Some(account("7@N04")), Some("nils")));
    let mut found = Vec::new();
    let mut take = |item: Result<crate::bridges::LikeItem, Error>| {
        found.extend(item.ok().map(|item| item.post.id));
        ControlFlow::Continue(())
    };
    open(FAVES, "faves_part001.json").likes(&Export, &mut take).unwrap();
    let live: Vec<ObjectRef> =
        wire::favorites(FAVORITES).unwrap().found.items.into_iter().map(|it| it.post.id).collect();
    assert_eq!(found, live);
    let pasted = super::url::parse("https://flic.kr/p/2dknRmrjUH").unwrap();
    assert_eq!(pasted.post_id.as_deref(), Some(live[0].object()));
}

#[test]
fn the_capabilities_agree_with_the_sources() {
    for (key, secret) in [(None, None), (Some("k"), None), (Some("k"), Some("s")), (None, Some("s"))] {
        let bridge = flickr_with(&Arc::new(Script::default()), key, secret);
        let able = bridge.capabilities();
        assert_eq!(able.lists_likes_of_others || able.lists_own_likes, bridge.live().is_some());
        assert_eq!(able.page_size_max.is_some(), bridge.live().is_some());
        assert_eq!(able.reads_export, bridge.export().is_some());
        assert_eq!(bridge.sign_in().is_some(), key.is_some() && secret.is_some());
        assert!(able.sign_in != SignIn::None || bridge.sign_in().is_none());
    }
}

/// Replies by method, in their order, and what was asked.
#[derive(Default)]
struct Script {
    replies: Mutex<BTreeMap<String, VecDeque<HttpReply>>>,
    asked: Mutex<Vec<HttpRequest>>,
}

impl Script {
    fn on(self, method: &str, status: u16, body: &[u8]) -> Script {
        let reply = HttpReply { status, body: body.to_vec(), ..HttpReply::default() };
        self.replies.lock().unwrap().entry(method.to_owned()).or_default().push_back(reply);
        self
    }

    fn queries(&self) -> Vec<BTreeMap<String, String>> {
        self.asked.lock().unwrap().iter().map(|request| request.url.query_pairs().into_owned().collect()).collect()
    }
}

#[async_trait]
impl Http for Script {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        self.asked.lock().unwrap().push(request.clone());
        let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
        let mut replies = self.replies.lock().unwrap();
        let reply = query.get("method").and_then(|method| replies.get_mut(method)).and_then(VecDeque::pop_front);
        reply.ok_or_else(|| HttpFailure::Unreachable("no reply in the script".to_owned()))
    }
}

fn flickr_with(script: &Arc<Script>, key: Option<&str>, secret: Option<&str>) -> Flickr {
    let config = Config {
        base_url: Url::parse("https://api.example/flickr").unwrap(),
        auth_url: Url::parse("https://www.example/oauth/").unwrap(),
        api_key: key.map(str::to_owned),
        api_secret: secret.map(Secret::new),
        user_agent: "fedflattr-test (+https://node.example)".into(),
    };
    Flickr::new(config, script.clone())
}

fn flickr(script: &Arc<Script>) -> Flickr {
    flickr_with(script, Some("instance-key"), Some("hush"))
}

fn signed() -> Access {
    Access::User(Credential::Signed { token: Secret::new("t-nils"), secret: Secret::new("s-nils") })
}

const LIST: &str = "flickr.favorites.getPublicList";

async fn likes(script: &Arc<Script>, who: Who, cursor: Option<&str>) -> Result<LikesReply, Error> {
    let cursor = cursor.map(Cursor::new);
    flickr(script).likes(&LikesQuery { cursor, ..LikesQuery::first(who, Access::Instance) }).await
}

#[tokio::test]
async fn a_page_leads_to_the_next_one_of_the_same_account() {
    let script = Arc::new(Script::default().on("flickr.urls.lookupUser", 200, USER).on(LIST, 200, FAVORITES));
    let LikesReply::Page(page) = likes(&script, Who::Handle("mira-lund".into()), None).await.unwrap() else { panic!() };
    assert_eq!(page.next.unwrap().as_str(), "2:26545877@N00");
    let queries = script.queries();
    assert_eq!(queries[0]["url"], "https://www.flickr.com/photos/mira-lund/");
    let expected = [
        ("api_key", "instance-key"),
        ("extras", wire::EXTRAS),
        ("format", "json"),
        ("method", LIST),
        ("nojsoncallback", "1"),
        ("page", "1"),
        ("per_page", "500"),
        ("user_id", "26545877@N00"),
    ];
    assert_eq!(queries[1], expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect());
    assert_eq!(script.asked.lock().unwrap()[1].url.path(), "/flickr/services/rest/");
}

#[tokio::test]
async fn another_page_than_the_one_asked_for_is_refused() {
    let who = || Who::Id(account("26545877@N00"));
    let script = Arc::new(Script::default().on(LIST, 200, FAVORITES));
    assert_eq!(likes(&script, who(), Some("2:26545877@N00")).await.unwrap_err().class(), "malformed");
    // A list that became shorter ends.
    let script = Arc::new(Script::default().on(LIST, 200, FAVORITES));
    let LikesReply::Page(page) = likes(&script, who(), Some("4:26545877@N00")).await.unwrap() else { panic!() };
    assert_eq!(page.next, None);
}

#[tokio::test]
async fn a_foreign_cursor_is_refused_before_anything_is_asked() {
    let script = Arc::new(Script::default());
    for cursor in ["", "2", "0:", "1:", "x:", "2:../x", "2:7@N04", "https://evil.example/?page=2"] {
        let refused = likes(&script, Who::Id(account("26545877@N00")), Some(cursor)).await;
        assert_eq!(refused.unwrap_err().class(), "malformed", "{cursor}");
    }
    assert!(script.queries().is_empty());
}

#[tokio::test]
async fn a_profile_is_put_together_from_both_halves_and_proves_by_either() {
    let script =
        Script::default().on("flickr.people.getInfo", 200, PERSON).on("flickr.profile.getProfile", 200, PROFILE);
    let who = Who::Id(account("26545877@N00"));
    let profile = flickr(&Arc::new(script)).profile(&who, &Access::Instance).await.unwrap();
    assert_eq!((profile.handle.as_str(), profile.display_name.as_deref()), ("mira-lund", Some("Mira L.")));
    assert!(proves(&profile, "https://node.example/claim/7f3a9c"), "in the website");
    assert!(proves(&profile, "https://node.example/claim/0c11"), "in the description");
    assert!(!proves(&profile, "https://node.example/claim/0c1"));
}

#[tokio::test]
async fn another_account_or_photo_than_the_one_asked_for_is_refused() {
    let other = Who::Id(account("7@N04"));
    let script = Arc::new(Script::default().on("flickr.people.getInfo", 200, PERSON));
    assert_eq!(flickr(&script).profile(&other, &Access::Instance).await.unwrap_err().class(), "malformed");
    let half = String::from_utf8_lossy(PROFILE).replace("26545877@N00", "7@N04");
    let script = Script::default().on("flickr.people.getInfo", 200, PERSON);
    let script = Arc::new(script.on("flickr.profile.getProfile", 200, half.as_bytes()));
    let who = Who::Id(account("26545877@N00"));
    assert_eq!(flickr(&script).profile(&who, &Access::Instance).await.unwrap_err().class(), "malformed");
    let script = Arc::new(Script::default().on("flickr.photos.getInfo", 200, PHOTO));
    assert_eq!(flickr(&script).post(&object("7"), None, &Access::Instance).await.unwrap_err().class(), "malformed");
    let of = PostsOf::Account(account("7@N04"));
    let script = Arc::new(Script::default().on("flickr.people.getPublicPhotos", 200, PHOTOS));
    assert_eq!(flickr(&script).posts(&of, None, &Access::Instance).await.unwrap_err().class(), "malformed");
}

#[tokio::test]
async fn a_signed_question_carries_the_signature_and_neither_key_nor_secret() {
    let script = Script::default().on("flickr.test.login", 200, USER).on("flickr.favorites.getList", 200, FAVORITES);
    let script = Arc::new(script);
    flickr(&script).likes(&LikesQuery::first(Who::TokenOwner, signed())).await.unwrap();
    for request in script.asked.lock().unwrap().iter() {
        let header = &request.headers.iter().find(|header| header.name == "authorization").unwrap().value;
        assert!(header.contains("oauth_token=\"t-nils\"") && header.contains("oauth_consumer_key=\"instance-key\""));
        assert!(!header.contains("s-nils") && !header.contains("hush"));
        assert!(!request.url.as_str().contains("api_key"), "{}", request.url);
        assert!(!format!("{request:?}").contains("t-nils"));
    }
}

#[tokio::test]
async fn a_redirect_is_refused_and_nobody_else_hears_of_the_key() {
    let script = Arc::new(Script::default().on(LIST, 302, b""));
    let who = Who::Id(account("7@N04"));
    assert_eq!(likes(&script, who, None).await.unwrap_err().class(), "malformed");
    let hosts: Vec<String> =
        script.asked.lock().unwrap().iter().map(|request| request.url.host_str().unwrap().to_owned()).collect();
    assert_eq!(hosts, ["api.example"]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before_anything_is_sent() {
    let script = Arc::new(Script::default());
    let bridge = flickr(&script);
    for who in [
        Who::Handle("../user".into()),
        Who::Handle(" ".into()),
        Who::Id(account("7")),
        Who::Id(account("7@N04&method=x")),
        Who::Id(ExternalId::new(Platform::GitHub, "7@N04").unwrap()),
    ] {
        let asked = bridge.profile(&who, &Access::Instance).await;
        // A name that nobody can have is nobody's; a number of another kind cannot be asked for.
        let expected = if matches!(who, Who::Handle(_)) { "not_found" } else { "unsupported" };
        assert_eq!(asked.unwrap_err().class(), expected, "{who:?}");
    }
    for object in [object("7a"), object("7&x"), ObjectRef::new(Platform::FiveHundredPx, "7").unwrap()] {
        let asked = bridge.post(&object, None, &Access::Instance).await;
        assert_eq!(asked.unwrap_err().class(), "unsupported", "{object}");
    }
    let bearer = Access::User(Credential::bearer("t"));
    assert_eq!(bridge.profile(&Who::TokenOwner, &bearer).await.unwrap_err().class(), "unsupported");
    assert_eq!(bridge.profile(&Who::TokenOwner, &Access::Instance).await.unwrap_err().class(), "unauthorized");
    let below = PostsOf::Post(object("7"));
    assert_eq!(bridge.posts(&below, None, &Access::Instance).await.unwrap_err().class(), "unsupported");
    let album = bridge.parse_reference("https://flickr.com/photos/mira/sets/7").unwrap();
    assert_eq!(bridge.resolve(&album, &Access::Instance).await.unwrap_err().class(), "unsupported");
    let keyless = flickr_with(&script, None, None).post(&object("7"), None, &Access::Instance).await;
    assert_eq!(keyless.unwrap_err().class(), "unsupported");
    let secretless = flickr_with(&script, Some("k"), None).profile(&Who::TokenOwner, &signed()).await;
    assert_eq!(secretless.unwrap_err().class(), "unsupported");
    assert!(script.queries().is_empty());
}
