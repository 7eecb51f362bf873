//! The connector against files of SoundCloud's shape, and against replies that no honest server sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use url::Url;

use super::{Config, SoundCloud, wire};
use crate::bridges::decode::{decode, kinds};
use crate::bridges::value::PostKind;
use crate::bridges::{
    Access, Bridge, Credential, Cursor, Error, Http, HttpFailure, HttpReply, HttpRequest, LikePage, LikesQuery,
    LikesReply, LiveApi, PostsOf, Secret, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const USER: &[u8] = include_bytes!("../fixtures/soundcloud/user.json");
const WEB_PROFILES: &[u8] = include_bytes!("../fixtures/soundcloud/web_profiles.json");
const TRACK: &[u8] = include_bytes!("../fixtures/soundcloud/track.json");
const PLAYLIST: &[u8] = include_bytes!("../fixtures/soundcloud/playlist.json");
const LIKES: &[u8] = include_bytes!("../fixtures/soundcloud/likes.json");
const FAVORITES: &[u8] = include_bytes!("../fixtures/soundcloud/favorites_legacy.json");
const FAVORITERS: &[u8] = include_bytes!("../fixtures/soundcloud/favoriters.json");
const ACTIVITIES: &[u8] = include_bytes!("../fixtures/soundcloud/activities.json");
const COMMENT: &[u8] = include_bytes!("../fixtures/soundcloud/comment.json");
const STREAMS: &[u8] = include_bytes!("../fixtures/soundcloud/streams.json");
const TOKEN: &[u8] = include_bytes!("../fixtures/soundcloud/token.json");
const ERRORS: &[u8] = include_bytes!("../fixtures/soundcloud/errors.json");
const LIMIT: &[u8] = include_bytes!("../fixtures/soundcloud/limit.json");
const LIST: &[u8] = include_bytes!("../fixtures/soundcloud/likes.csv");

const MIRA: &str = "soundcloud:users:9007199254740993";
const TIDE: &str = "soundcloud:tracks:9007199254740995";

#[test]
fn a_profile_is_known_by_its_urn_and_proves_by_website_links_and_description() {
    let mut profile = wire::profile(USER).unwrap();
    assert_eq!(profile.id, ExternalId::new(Platform::SoundCloud, MIRA).unwrap());
    assert_eq!((profile.handle.as_str(), profile.display_name.as_deref()), ("mira-lund", Some("Mira Lund")));
    assert!(proves(&profile, "https://node.example/claim/7f3a9c"));
    assert!(proves(&profile, "https://miralund.example/") == proves(&profile, "nonsense"), "a front page is no claim");
    assert!(!proves(&profile, "https://node.example/claim/0c11"));
    profile.links = wire::web_profiles(WEB_PROFILES).unwrap();
    assert!(proves(&profile, "https://node.example/claim/0c11"), "in a further link");
}

#[test]
fn a_track_is_read_whole() {
    let track = wire::post(TRACK).unwrap();
    assert_eq!((track.id.object(), track.kind), (TIDE, PostKind::Audio));
    assert_eq!(track.owner, Some(ExternalId::new(Platform::SoundCloud, MIRA).unwrap()));
    assert_eq!((track.title.as_str(), track.owner_handle.as_deref()), ("Tide", Some("mira-lund")));
    assert_eq!(track.url, "https://soundcloud.com/mira-lund/tide", "without whose app asked");
    assert_eq!(track.published.unwrap().to_string(), "2013-05-02T10:00:00Z");
    assert_eq!((track.licence.as_deref(), track.duration), (Some("cc-by-nc"), Some(Duration::from_millis(40_500))));
    assert_eq!(track.tags, ["Field", "sea", "slow water"]);
    assert_eq!(track.description.as_deref(), Some("One tide.\nRecorded in May."));
    assert_eq!(track.thumbnail_url.as_deref(), Some("https://i1.sndcdn.com/artworks-0995-large.jpg"));
    let [player] = track.attachments.as_slice() else { panic!("one player") };
    assert!(
        player.url.starts_with("https://w.soundcloud.com/player/?url=https%3A%2F%2Fapi.soundcloud.com%2Ftracks%2F")
    );
    assert!(!player.url.contains("stream"), "the sound itself is not passed on");
    assert_eq!(player.poster, track.thumbnail_url);
}

#[test]
fn a_list_of_likes_keeps_blocked_tracks_hides_private_ones_and_counts_damaged_ones() {
    let found = wire::likes(wire::page(LIKES).unwrap().data).unwrap();
    let shown: Vec<&str> = found.items.iter().map(|item| item.post.id.object()).collect();
    assert_eq!(shown, [TIDE, "soundcloud:tracks:771", "soundcloud:tracks:772"]);
    assert_eq!(found.unreadable, 1);
    assert!(found.items.iter().all(|item| item.liked_at.is_none()), "SoundCloud does not date likes");
    let ferry = &found.items[1].post;
    assert_eq!(ferry.attachments[0].url, ferry.url, "its owner lets nobody embed it");
    let old = &found.items[2].post;
    assert_eq!(old.owner.as_ref().unwrap().account(), "soundcloud:users:5512077", "a number is the end of a URN");
    let legacy = wire::page(FAVORITES).unwrap();
    assert!(legacy.is_bare && legacy.next.is_none());
    assert_eq!(wire::likes(legacy.data).unwrap().items.len(), 2);
}

#[test]
fn every_file_decodes_under_its_kind() {
    let check = |kind: &str, bytes: &[u8], pointer: &str, expected: Value| {
        let shown = decode(Platform::SoundCloud, kind, bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(shown.pointer(pointer), Some(&expected), "{kind}: {shown}");
    };
    check("user", USER, "/id", format!("soundcloud:{MIRA}").into());
    check("web-profiles", WEB_PROFILES, "/links", json!(["https://node.example/claim/0c11"]));
    check("track", TRACK, "/duration_seconds", json!(40.5));
    check("playlist", PLAYLIST, "/kind", "collection".into());
    check("playlist", PLAYLIST, "/id", "soundcloud:soundcloud:playlists:88".into());
    check("tracks", LIKES, "/items/1/id", "soundcloud:soundcloud:tracks:771".into());
    check("likes", LIKES, "/items/0/post/owner", format!("soundcloud:{MIRA}").into());
    check("likes", FAVORITES, "/next", Value::Null);
    check("favoriters", FAVORITERS, "/items/1/handle", "tove_berg".into());
    check("activities", ACTIVITIES, "/items/1/post/kind", "collection".into());
    check("comment", COMMENT, "/track", "soundcloud:soundcloud:tracks:771".into());
    check("streams", STREAMS, "/streams/0", "hls_mp3_128_url".into());
    check("token", TOKEN, "/expires_in_seconds", json!(3_599));
    check("error", ERRORS, "/missing/class", "not_found".into());
    check("error", ERRORS, "/token/class", "unauthorized".into());
    check("error", ERRORS, "/grant/class", "unauthorized_expired".into());
    check("error", ERRORS, "/spam/class", "rate_limited".into());
    check("error", ERRORS, "/found/found", "soundcloud:soundcloud:tracks:771".into());
    check("error", LIMIT, "/until", "2013-07-01T00:31:00Z".into());
    check("resolve", br#"{"location":"https://api.soundcloud.com/users/7"}"#, "/among", "users".into());
    check("likes-list", LIST, "/items/0/liked_at", "2013-06-02T08:00:00Z".into());
    check("likes-list", LIST, "/items/1/post/id", "soundcloud:soundcloud:tracks:771".into());
    check("likes-list", LIST, "/refused/0/class", "malformed".into());
    let shown = decode(Platform::SoundCloud, "token", TOKEN).unwrap().to_string();
    assert!(!shown.contains("16c7"), "{shown}");
}

#[test]
fn a_file_of_another_kind_is_refused_with_its_class() {
    const NOT_FOUND: &[u8] = br#"{"code":404,"message":"Not found","link":"x"}"#;
    let check = |kind: &str, bytes: &[u8], class: &str| {
        assert_eq!(decode(Platform::SoundCloud, kind, bytes).unwrap_err().class(), class, "{kind}");
    };
    for kind in kinds(Platform::SoundCloud) {
        check(kind.name, b"x", "malformed");
        check(kind.name, b"<!DOCTYPE html><html></html>", "malformed");
        if !matches!(kind.name, "error" | "likes-list") {
            check(kind.name, NOT_FOUND, "not_found");
        }
    }
    check("track", PLAYLIST, "malformed");
    check("playlist", TRACK, "malformed");
    check("track", USER, "malformed");
    check("user", TRACK, "malformed");
    check("likes", FAVORITERS, "malformed");
    check("likes", USER, "malformed");
    check("likes", &LIKES[..LIKES.len() / 2], "malformed");
    check("error", USER, "malformed");
    check("error", b"{}", "malformed");
    check("streams", USER, "malformed");
    check("token", br#"["1","a","b",null,null]"#, "malformed");
}

#[test]
fn what_is_private_is_refused() {
    let mut track: Value = serde_json::from_slice(TRACK).unwrap();
    track["sharing"] = json!("private");
    assert_eq!(wire::post(track.to_string().as_bytes()).unwrap_err().class(), "forbidden");
}

/// Replies by address, and what was asked.
#[derive(Default)]
struct Script {
    replies: BTreeMap<String, HttpReply>,
    asked: Mutex<Vec<HttpRequest>>,
}

impl Script {
    /// - `path`: below the API, or a whole address.
    fn on(mut self, path: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Script {
        let url = if path.contains("://") { path.to_owned() } else { format!("https://api.example/sc/{path}") };
        let reply = HttpReply { status, headers: headers.iter().copied().collect(), body: body.to_vec() };
        self.replies.insert(url, reply);
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|request| request.url.to_string()).collect()
    }
}

#[async_trait]
impl Http for Script {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        self.asked.lock().unwrap().push(request.clone());
        let url = request.url.as_str();
        let is_meant = |known: &str| url == known || url.starts_with(&format!("{known}?"));
        let found = self.replies.iter().find(|(known, _)| is_meant(known));
        found.map(|(_, reply)| reply.clone()).ok_or_else(|| HttpFailure::Unreachable(url.to_owned()))
    }
}

fn soundcloud(script: &Arc<Script>, has_app: bool) -> SoundCloud {
    let url = |text: &str| Url::parse(text).unwrap();
    let config = Config {
        base_url: url("https://api.example/sc"),
        auth_url: url("https://secure.example/authorize"),
        token_url: url("https://secure.example/oauth/token"),
        short_url: url("https://on.example/"),
        client_id: has_app.then(|| "client".to_owned()),
        client_secret: has_app.then(|| Secret::new("hush")),
        user_agent: "fedflattr-test (+https://node.example)".into(),
    };
    SoundCloud::new(config, script.clone())
}

fn user() -> Access {
    Access::User(Credential::bearer("u"))
}

const FIRST: &str = "users/soundcloud:users:9007199254740993/likes/tracks";

fn mira(cursor: Option<&str>) -> LikesQuery {
    let who = Who::Id(ExternalId::new(Platform::SoundCloud, MIRA).unwrap());
    LikesQuery { cursor: cursor.map(Cursor::new), ..LikesQuery::first(who, user()) }
}

async fn likes(script: &Arc<Script>, cursor: Option<&str>) -> Result<LikePage, Error> {
    match soundcloud(script, false).likes(&mira(cursor)).await? {
        LikesReply::Page(page) => Ok(page),
        LikesReply::NotModified { .. } => panic!("no etag was sent"),
    }
}

fn envelope(next: Value) -> Vec<u8> {
    json!({ "collection": [], "next_href": next }).to_string().into_bytes()
}

#[tokio::test]
async fn a_next_page_elsewhere_is_refused() {
    for next in [
        "https://evil.example/sc/users/1/likes",
        "http://api.example/sc/users/1/likes",
        "https://api.example:8443/sc/users/1/likes",
        "https://api.example/sc-evil/users/1/likes",
        "https://api.example@evil.example/sc/",
        "https://u:p@api.example/sc/users/1/likes",
        "//evil.example/sc/",
        "/../admin",
    ] {
        let script = Arc::new(Script::default().on(FIRST, 200, &[], &envelope(json!(next))));
        assert_eq!(likes(&script, None).await.unwrap_err().class(), "malformed", "{next}");
        let script = Arc::new(Script::default());
        let stored = likes(&script, Some(&format!("tracks {next}"))).await;
        assert_eq!(stored.unwrap_err().class(), "malformed", "{next}");
        assert!(script.asked().is_empty(), "{next}");
    }
    assert_eq!(likes(&Arc::new(Script::default()), Some("wallets")).await.unwrap_err().class(), "malformed");
}

#[tokio::test]
async fn a_pass_reads_tracks_and_then_sets_each_with_every_kind_of_access() {
    let second = "https://api.example/sc/collection?cursor=7";
    let script = Script::default().on(FIRST, 200, &[], &envelope(json!(second)));
    let script = script.on("collection", 200, &[], &envelope(Value::Null));
    let sets = FIRST.replace("likes/tracks", "likes/playlists");
    let script = Arc::new(script.on(&sets, 200, &[], &envelope(json!(""))));
    let mut cursor = None;
    for _ in 0..3 {
        let page = likes(&script, cursor.as_deref()).await.unwrap();
        cursor = page.next.map(|next| next.as_str().to_owned());
    }
    assert_eq!(cursor, None, "sets are the end");
    let asked = script.asked();
    assert_eq!(asked.len(), 3);
    for url in &asked {
        let query: BTreeMap<String, String> = Url::parse(url).unwrap().query_pairs().into_owned().collect();
        assert_eq!(query["access"], "playable,preview,blocked", "{url}");
        assert_eq!(query["linked_partitioning"], "true", "{url}");
    }
    assert!(asked[0].contains("limit=200") && asked[1].contains("cursor=7") && asked[2].contains("/likes/playlists?"));
    let sent = &script.asked.lock().unwrap()[0].headers;
    assert!(sent.iter().any(|header| header.name == "authorization" && header.value == "OAuth u"));
}

#[tokio::test]
async fn a_full_list_without_an_envelope_is_no_whole_list() {
    let list =
        |count: usize| Value::Array(vec![serde_json::from_slice(TRACK).unwrap(); count]).to_string().into_bytes();
    let script = Arc::new(Script::default().on(FIRST, 200, &[], &list(200)));
    assert_eq!(likes(&script, None).await.unwrap_err().class(), "malformed");
    let script = Arc::new(Script::default().on(FIRST, 200, &[], &list(199)));
    assert_eq!(likes(&script, None).await.unwrap().items.len(), 199);
}

#[tokio::test]
async fn from_a_redirect_only_the_id_is_taken() {
    let tide = "tracks/soundcloud:tracks:9007199254740995";
    for location in [
        "https://api.soundcloud.com/tracks/9007199254740995",
        "https://evil.example/tracks/soundcloud:tracks:9007199254740995?client_id=x",
    ] {
        let script = Script::default().on("resolve", 302, &[("location", location)], b"{}");
        let script = Arc::new(script.on(tide, 200, &[], TRACK));
        let bridge = soundcloud(&script, false);
        let pasted = bridge.parse_reference("https://m.soundcloud.com/Mira-Lund/tide?x=1").unwrap();
        assert_eq!(bridge.resolve(&pasted, &user()).await.unwrap().id.object(), TIDE);
        assert!(script.asked()[0].ends_with("/resolve?url=https%3A%2F%2Fsoundcloud.com%2Fmira-lund%2Ftide"));
        assert!(script.asked().iter().all(|url| url.starts_with("https://api.example/sc/")));
    }
    let check = async |status: u16, headers: &[(&str, &str)], body: &[u8], class: &str| {
        let script = Arc::new(Script::default().on("resolve", status, headers, body));
        let bridge = soundcloud(&script, false);
        let pasted = bridge.parse_reference("https://soundcloud.com/mira-lund/tide").unwrap();
        assert_eq!(bridge.resolve(&pasted, &user()).await.unwrap_err().class(), class, "{headers:?}");
    };
    check(302, &[("location", "https://evil.example/")], b"", "malformed").await;
    check(302, &[("location", "https://api.soundcloud.com/users/7")], b"", "unsupported").await;
    check(302, &[], b"{}", "malformed").await;
    check(404, &[], b"", "not_found").await;
    check(200, &[], TRACK, "malformed").await;
}

#[tokio::test]
async fn a_short_address_is_looked_up_without_a_token() {
    let target = [("location", "https://soundcloud.com/mira-lund/tide?si=1")];
    let script = Script::default().on("https://on.example/AbC12", 302, &target, b"");
    let location = [("location", "https://api.soundcloud.com/tracks/9007199254740995")];
    let script = script.on("resolve", 302, &location, b"");
    let script = Arc::new(script.on("tracks/soundcloud:tracks:9007199254740995", 200, &[], TRACK));
    let bridge = soundcloud(&script, false);
    let pasted = bridge.parse_reference("https://on.soundcloud.com/AbC12").unwrap();
    assert_eq!(bridge.resolve(&pasted, &user()).await.unwrap().id.object(), TIDE);
    let first = script.asked.lock().unwrap()[0].clone();
    assert!(first.headers.iter().all(|header| header.name != "authorization"));
    for target in ["https://evil.example/", "https://on.soundcloud.com/AbC12", "http://169.254.169.254/"] {
        let script = Arc::new(Script::default().on("https://on.example/AbC12", 302, &[("location", target)], b""));
        assert_eq!(soundcloud(&script, false).resolve(&pasted, &user()).await.unwrap_err().class(), "malformed");
        assert_eq!(script.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_like_that_a_list_named_by_its_address_gets_its_id_from_the_platform() {
    let location = [("location", "https://api.soundcloud.com/tracks/9007199254740995")];
    let script = Script::default().on("resolve", 302, &location, b"");
    let script = Arc::new(script.on("tracks/soundcloud:tracks:9007199254740995", 200, &[], TRACK));
    let object = ObjectRef::new(Platform::SoundCloud, "https://soundcloud.com/mira-lund/tide").unwrap();
    assert_eq!(soundcloud(&script, false).post(&object, None, &user()).await.unwrap().id.object(), TIDE);
    let foreign = ObjectRef::new(Platform::SoundCloud, "https://evil.example/mira-lund/tide").unwrap();
    let script = Arc::new(Script::default());
    let asked = soundcloud(&script, false).post(&foreign, None, &user()).await;
    assert_eq!(asked.unwrap_err().class(), "unsupported");
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn another_account_or_track_than_the_one_asked_for_is_refused() {
    let script = Script::default().on("users/soundcloud:users:7", 200, &[], USER);
    let script = Arc::new(script.on("tracks/soundcloud:tracks:7", 200, &[], TRACK));
    let bridge = soundcloud(&script, false);
    let who = Who::Id(ExternalId::new(Platform::SoundCloud, "soundcloud:users:7").unwrap());
    assert_eq!(bridge.profile(&who, &user()).await.unwrap_err().class(), "malformed");
    let track = ObjectRef::new(Platform::SoundCloud, "soundcloud:tracks:7").unwrap();
    assert_eq!(bridge.post(&track, None, &user()).await.unwrap_err().class(), "malformed");
}

#[tokio::test]
async fn ids_and_handles_that_could_change_the_path_are_never_sent() {
    let script = Arc::new(Script::default());
    let bridge = soundcloud(&script, true);
    let id = |platform, text: &str| Who::Id(ExternalId::new(platform, text).unwrap());
    for who in [
        Who::Handle("../me".into()),
        Who::Handle("a/b".into()),
        Who::Handle(String::new()),
        Who::Handle("you".into()),
        Who::TokenOwner,
        id(Platform::SoundCloud, "7"),
        id(Platform::SoundCloud, "soundcloud:users:7/../8"),
        id(Platform::SoundCloud, "soundcloud:tracks:7"),
        id(Platform::Flickr, "soundcloud:users:7"),
    ] {
        let asked = bridge.profile(&who, &Access::Instance).await;
        // A name that nobody can have is nobody's; a number of another kind cannot be asked for.
        let expected = if matches!(who, Who::Handle(_)) { "not_found" } else { "unsupported" };
        assert_eq!(asked.unwrap_err().class(), expected, "{who:?}");
    }
    let object = |platform, text: &str| ObjectRef::new(platform, text).unwrap();
    for object in [
        object(Platform::SoundCloud, "7"),
        object(Platform::SoundCloud, "soundcloud:users:7"),
        object(Platform::Vimeo, "soundcloud:tracks:7"),
    ] {
        assert_eq!(bridge.post(&object, None, &Access::Instance).await.unwrap_err().class(), "unsupported");
    }
    let below = PostsOf::Post(object(Platform::SoundCloud, "soundcloud:tracks:7"));
    assert_eq!(bridge.posts(&below, None, &Access::Instance).await.unwrap_err().class(), "unsupported");
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn a_refused_token_of_a_person_is_to_be_renewed_and_that_of_the_app_is_fetched_again() {
    let script = Arc::new(Script::default().on("me", 401, &[], br#"{"code":401,"message":""}"#));
    let asked = soundcloud(&script, false).profile(&Who::TokenOwner, &user()).await;
    assert_eq!(asked.unwrap_err().class(), "unauthorized_expired");
    let asked = soundcloud(&script, false).profile(&Who::Handle("mira-lund".into()), &Access::Instance).await;
    assert_eq!(asked.unwrap_err().class(), "unauthorized", "no app is configured");
    assert_eq!(script.asked().len(), 1);
    let token = "https://secure.example/oauth/token";
    let script = Script::default().on(token, 200, &[], br#"{"access_token":"a","expires_in":3599}"#);
    let script = Arc::new(script.on("resolve", 401, &[], b""));
    let asked = soundcloud(&script, true).profile(&Who::Handle("mira-lund".into()), &Access::Instance).await;
    assert_eq!(asked.unwrap_err().class(), "unauthorized");
    assert_eq!(script.asked().len(), 2, "a token that never worked is not followed by another at once");
}

#[test]
fn the_capabilities_agree_with_the_sources() {
    let bridge = soundcloud(&Arc::new(Script::default()), true);
    let able = bridge.capabilities();
    assert_eq!(able.lists_likes_of_others || able.lists_own_likes, bridge.live().is_some());
    assert_eq!(able.page_size_max.is_some(), bridge.live().is_some());
    assert_eq!(able.reads_export, bridge.export().is_some());
    assert!(bridge.sign_in().is_some());
}
