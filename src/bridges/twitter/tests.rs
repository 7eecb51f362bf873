//! The connector against files of Twitter's shape, and against replies that no honest server sends.

use std::collections::BTreeMap;
use std::io::{Cursor as File, Write};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use url::Url;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Api, Config, Twitter, export, v1, v2, wire};
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::decode::{decode, kinds};
use crate::bridges::http::Header;
use crate::bridges::{
    Access, Bridge, Credential, Cursor, Error, Http, HttpFailure, HttpReply, HttpRequest, LikesQuery, LikesReply,
    LiveApi, MediaKind, Post, PostsOf, Secret, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const V2_USER: &[u8] = include_bytes!("../fixtures/twitter/v2_user.json");
const V2_LIKED: &[u8] = include_bytes!("../fixtures/twitter/v2_liked_tweets.json");
const V2_LIKING: &[u8] = include_bytes!("../fixtures/twitter/v2_liking_users.json");
const V2_TOGGLE: &[u8] = include_bytes!("../fixtures/twitter/v2_like_and_unlike.json");
const V2_PAGING: &[u8] = include_bytes!("../fixtures/twitter/v2_paging.json");
const V1_USER: &[u8] = include_bytes!("../fixtures/twitter/v1_user.json");
const V1_FAVORITES: &[u8] = include_bytes!("../fixtures/twitter/v1_favorites.json");
const V1_EMPTY: &[u8] = include_bytes!("../fixtures/twitter/v1_exchange_empty.json");
const V1_LIMITS: &[u8] = include_bytes!("../fixtures/twitter/v1_rate_limit_status.json");
const ERRORS: &[u8] = include_bytes!("../fixtures/twitter/errors_named.json");
const LIMITED: &[u8] = include_bytes!("../fixtures/twitter/exchange_limited.json");
const APP_TOKEN: &[u8] = include_bytes!("../fixtures/twitter/app_token.json");
const LIKE_JS: &[u8] = include_bytes!("../fixtures/twitter/like.js");
const ACCOUNT_JS: &[u8] = include_bytes!("../fixtures/twitter/account.js");
const MANIFEST_JS: &[u8] = include_bytes!("../fixtures/twitter/manifest.js");

const CLAIM: &str = "https://node.example/claim/7f3a9c";

fn account(number: &str) -> ExternalId {
    ExternalId::new(Platform::Twitter, number).unwrap()
}

#[test]
fn a_claim_is_found_in_the_spelt_out_links_of_bio_and_website() {
    let newer = v2::profile(V2_USER).unwrap();
    assert_eq!((newer.id.account(), newer.handle.as_str()), ("9007199254740993", "Mira_Lund"));
    assert_eq!(newer.display_name.as_deref(), Some("Mira & Lund"));
    assert_eq!(newer.website.as_deref(), Some("https://mira.example/"));
    assert!(proves(&newer, CLAIM), "in the bio");
    let older = v1::profile(V1_USER).unwrap();
    assert_eq!(older.id, newer.id, "the text form of the id, not the rounded number");
    assert_eq!(older.website.as_deref(), Some(CLAIM));
    assert!(proves(&older, CLAIM), "as website");
    let bare = br#"{"id_str":"7","screen_name":"x","url":"https://t.co/site000001","description":null}"#;
    assert_eq!(v1::profile(bare).unwrap().website, None, "a short link alone proves nothing");
}

/// What both APIs must say of the same tweet.
fn is_low_tide(post: &Post) {
    assert_eq!(post.id.to_string(), "twitter:1212092628029698048");
    assert_eq!(post.owner, Some(account("9007199254740993")));
    assert_eq!(post.owner_handle.as_deref(), Some("Mira_Lund"));
    assert_eq!(post.title, "Low tide & fog #tides");
    assert_eq!(post.description.as_deref(), Some("Low tide & fog #tides\nhttps://mira.example/fog?a=1&b=2"));
    assert_eq!(post.published.unwrap().to_string(), "2019-12-31T19:26:16Z");
    assert_eq!(post.url, "https://x.com/i/web/status/1212092628029698048");
    assert_eq!(post.tags, ["tides"]);
    assert!(post.is_sensitive);
    assert_eq!(post.thumbnail_url.as_deref(), Some("https://pbs.example/fog.jpg"));
    assert_eq!(post.duration, Some(Duration::from_millis(12_500)));
    let [picture, film] = post.attachments.as_slice() else { panic!("{:?}", post.attachments) };
    assert_eq!((picture.kind, picture.alt.as_deref()), (MediaKind::Image, Some("Fog over a harbour")));
    assert_eq!((picture.width, picture.height), (Some(1_200), Some(800)));
    assert_eq!((film.kind, film.url.as_str()), (MediaKind::Video, "https://video.example/large.mp4"));
    assert_eq!(film.poster.as_deref(), Some("https://pbs.example/still.jpg"));
    assert_eq!((film.width, film.media_type.as_deref()), (Some(1_280), Some("video/mp4")));
}

#[test]
fn both_apis_say_the_same_of_the_same_tweet() {
    is_low_tide(&v2::tweets(V2_LIKED).unwrap().found.items[0].post);
    is_low_tide(&v1::statuses(V1_FAVORITES).unwrap().items[0].post);
}

#[test]
fn a_page_survives_its_damaged_items_and_hides_protected_ones() {
    let v2::Page { found, next_token } = v2::tweets(V2_LIKED).unwrap();
    let found = wire::likes(found);
    let ids: Vec<&str> = found.items.iter().map(|item| item.post.id.object()).collect();
    assert_eq!(ids, ["1212092628029698048", "1212092628029698050", "1212092628029698054"]);
    assert_eq!(found.unreadable, 2, "an id that is too large for a number, and none at all");
    assert_eq!(next_token.as_deref(), Some("7140dibdnow9c7btw"));
    assert_eq!(found.items[1].post.owner, None, "an author that was not told is not guessed");
    assert_eq!(found.items[1].post.published.unwrap().to_string(), "2019-12-31T19:26:16Z", "the id tells it");
    let older = wire::likes(v1::statuses(V1_FAVORITES).unwrap());
    assert_eq!((older.items.len(), older.unreadable), (3, 1));
}

#[test]
fn a_tweet_that_is_withheld_from_a_list_stands_in_it() {
    let page = br#"{"data":[{"id":"1212092628029698048","text":"Low tide","author_id":"7"}],
        "errors":[
            {"resource_type":"tweet","resource_id":"1212092628029698050","parameter":"id","title":"Authorization Error"},
            {"resource_type":"tweet","value":"1212092628029698048","title":"Not Found Error"},
            {"resource_type":"tweet","value":"1212092628029698060","parameter":"referenced_tweets.id"},
            {"resource_type":"user","resource_id":"7","parameter":"author_id","title":"Forbidden"},
            {"resource_type":"tweet","title":"Authorization Error"}],
        "meta":{"result_count":1}}"#;
    let found = wire::likes(v2::tweets(page).unwrap().found);
    let named: Vec<&str> = found.hidden.iter().map(|object| object.object()).collect();
    assert_eq!((found.items.len(), named.as_slice()), (1, ["1212092628029698050"].as_slice()));
    assert_eq!(found.unreadable, 1, "one is named by nothing");
}

#[test]
fn a_retweet_is_owed_to_the_author_of_the_original_or_to_nobody() {
    let older = v1::statuses(V1_FAVORITES).unwrap().items.pop().unwrap().post;
    assert_eq!((older.id.object(), &older.owner), ("145344011", &Some(account("9007199254740993"))));
    assert_eq!(older.alias_url.as_deref(), Some("https://x.com/i/web/status/145344009"));
    let newer = v2::tweets(V2_LIKED).unwrap().found.items.pop().unwrap().post;
    assert_eq!((newer.id.object(), &newer.owner), ("1212092628029698054", &None));
}

#[test]
fn the_next_page_starts_below_the_smallest_number_and_an_empty_page_is_the_end() {
    let next = |bytes: &[u8]| v1::next_max_id(&v1::statuses(bytes).unwrap()).unwrap();
    assert_eq!(next(V1_FAVORITES), Some(145_344_009));
    assert_eq!(next(b"[]"), None);
    assert_eq!(next(br#"[{"id_str":"1","text":"x"}]"#), None);
}

#[test]
fn an_empty_list_has_a_count_of_nothing() {
    let page = v2::tweets(br#"{"meta":{"result_count":0}}"#).unwrap();
    assert_eq!((page.found.items.len(), page.next_token), (0, None));
    let gap = v2::tweets(br#"{"meta":{"result_count":0,"next_token":"n"}}"#).unwrap();
    assert_eq!(gap.next_token.as_deref(), Some("n"), "an empty page in the middle");
    for body in [&b"{}"[..], br#"{"meta":{"result_count":3}}"#, br#"{"data":{"id":"1"}}"#, br#"{"meta":{}}"#] {
        assert_eq!(v2::tweets(body).unwrap_err().class(), "malformed", "{}", String::from_utf8_lossy(body));
    }
}

#[test]
fn every_file_decodes_under_its_kind() {
    let check = |kind: &str, bytes: &[u8], pointer: &str, expected: Value| {
        let shown = decode(Platform::Twitter, kind, bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(shown.pointer(pointer), Some(&expected), "{kind}: {shown}");
    };
    check("user", V2_USER, "/id", "twitter:9007199254740993".into());
    check("liked-tweets", V2_LIKED, "/items/0/post/attachments/0/alt", "Fog over a harbour".into());
    check("tweets", V2_LIKED, "/next", "7140dibdnow9c7btw".into());
    check("liked-tweets", V2_PAGING, "/first/next", "n-1".into());
    check("liked-tweets", V2_PAGING, "/last/items", Value::Array(vec![]));
    check("liking-users", V2_LIKING, "/items/1/handle", "nils".into());
    check("liked", V2_TOGGLE, "/1/liked", false.into());
    check("user-v1", V1_USER, "/id", "twitter:9007199254740993".into());
    check("favorites", V1_FAVORITES, "/next", "145344009".into());
    check("favorites", V1_EMPTY, "/items", Value::Array(vec![]));
    check("timeline", V1_FAVORITES, "/unreadable", 1.into());
    check("rate-limit-status", V1_LIMITS, "/favorites/remaining", 72.into());
    check("app-token", APP_TOKEN, "/has_token", true.into());
    check("export-likes", LIKE_JS, "/items/0/post/title", "Low tide & fog #tides".into());
    check("export-account", ACCOUNT_JS, "/id", "twitter:9007199254740993".into());
    check("export-manifest", MANIFEST_JS, "/handle", "Mira_Lund".into());
    check("error", ERRORS, "/not_found/class", "not_found".into());
    check("error", ERRORS, "/limited/class", "rate_limited".into());
    check("error", LIMITED, "/until", "2013-07-01T00:30:00Z".into());
}

#[test]
fn a_file_of_another_kind_is_refused_with_its_class() {
    let check = |kind: &str, bytes: &[u8], class: &str| {
        assert_eq!(decode(Platform::Twitter, kind, bytes).unwrap_err().class(), class, "{kind}");
    };
    check("user", V2_LIKED, "malformed");
    check("tweet", V2_USER, "malformed");
    check("liked-tweets", LIMITED, "rate_limited");
    check("status", br#"{"errors":[{"code":144,"message":"No status found with that ID."}]}"#, "not_found");
    check("favorites", V2_LIKED, "malformed");
    check("rate-limit-status", V1_FAVORITES, "malformed");
    check("liked-tweets", V1_FAVORITES, "malformed");
    check("liked-tweets", &V2_LIKED[..V2_LIKED.len() / 2], "malformed");
    check("liked-tweets", b"<!DOCTYPE html><html></html>", "malformed");
    check("error", V2_USER, "malformed");
    check("export-likes", ACCOUNT_JS, "malformed");
    check("export-account", LIKE_JS, "malformed");
    let shown = decode(Platform::Twitter, "app-token", APP_TOKEN).unwrap().to_string();
    assert!(!shown.contains("never"), "{shown}");
}

#[test]
fn who_is_named_in_a_tweet_is_told_by_either_api() {
    let status = br#"{"id_str":"7","full_text":"@nils tide","user":{"id_str":"5","screen_name":"mira"},
        "entities":{"user_mentions":[{"screen_name":"nils","id_str":"9007199254740993"},{"no":1}]}}"#;
    let tweet = br#"{"data":{"id":"7","text":"@nils tide","author_id":"5",
        "entities":{"mentions":[{"username":"nils","id":"9007199254740993"}]}}}"#;
    for (kind, bytes) in [("status", &status[..]), ("tweet", &tweet[..])] {
        let shown = decode(Platform::Twitter, kind, bytes).unwrap();
        let named = serde_json::json!([{ "handle": "nils", "id": "twitter:9007199254740993" }]);
        assert_eq!(shown["mentions"], named, "{kind}");
    }
}

#[test]
fn every_kind_that_is_announced_is_read() {
    for kind in kinds(Platform::Twitter) {
        let error = decode(Platform::Twitter, kind.name, b"x").unwrap_err();
        assert_eq!(error.class(), "malformed", "{}", kind.name);
    }
}

fn zipped(members: &[(&str, &[u8])]) -> File<Vec<u8>> {
    let mut writer = ZipWriter::new(File::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap()
}

fn rows(file: File<Vec<u8>>, name: &str) -> Result<(Vec<String>, u32), Error> {
    let (mut found, mut unreadable) = (Vec::new(), 0);
    Archive::open(file, name, Limits::default())?.likes(&export::Archive, &mut |item| {
        match item {
            Ok(item) => found.push(item.post.id.object().to_owned()),
            Err(_) => unreadable += 1,
        }
        ControlFlow::Continue(())
    })?;
    Ok((found, unreadable))
}

#[test]
fn the_parts_of_an_archive_are_read_in_order_and_name_no_author() {
    let second = b"window.YTD.like.part1 = [ {\"like\":{\"tweetId\":\"7\"}} ];";
    let members: [(&str, &[u8]); 6] = [
        ("Your archive.html", b"<html>"),
        ("data/like-part1.js", second),
        ("data/like.js", LIKE_JS),
        ("data/account.js", ACCOUNT_JS),
        ("data/manifest.js", MANIFEST_JS),
        ("assets/js/like.js", b"function () {}"),
    ];
    let expected = ["1212092628029698048", "1212092628029698050", "145344012", "7"].map(str::to_owned).to_vec();
    assert_eq!(rows(zipped(&members), "twitter.zip").unwrap(), (expected, 2));
    let mut archive = Archive::open(zipped(&members), "twitter.zip", Limits::default()).unwrap();
    let owner = archive.owner(&export::Archive).unwrap();
    assert_eq!((owner.id, owner.handle.as_deref()), (Some(account("9007199254740993")), Some("Mira_Lund")));
    archive
        .likes(&export::Archive, &mut |item| {
            if let Ok(item) = item {
                assert_eq!((item.post.owner, item.liked_at), (None, None));
                assert!(
                    item.post.url.starts_with("https://x.com/i/web/status/"),
                    "the address of the row is not believed"
                );
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(rows(File::new(LIKE_JS.to_vec()), "like.js").unwrap().0.len(), 3, "one bare file");
}

#[test]
fn what_is_no_archive_is_refused_with_advice() {
    let page: [(&str, &[u8]); 1] = [("Your archive.html", b"<html>")];
    assert_eq!(rows(zipped(&page), "x.zip").unwrap_err().class(), "unsupported");
    for broken in [&LIKE_JS[..LIKE_JS.len() - 10], b"window.YTD.like.part0 = {}", b"<html></html>", b""] {
        assert_eq!(rows(File::new(broken.to_vec()), "like.js").unwrap_err().class(), "malformed");
    }
    let other = br#"window.__THAR_CONFIG = {"userInfo":{"accountId":"8","userName":"x"}}"#;
    let two: [(&str, &[u8]); 2] = [("data/account.js", ACCOUNT_JS), ("data/manifest.js", other)];
    let mut archive = Archive::open(zipped(&two), "x.zip", Limits::default()).unwrap();
    assert_eq!(archive.owner(&export::Archive).unwrap_err().class(), "malformed", "two owners");
}

/// Replies by address, and what was asked.
#[derive(Default)]
struct Script {
    replies: BTreeMap<String, HttpReply>,
    asked: Mutex<Vec<(String, Vec<Header>)>>,
}

impl Script {
    /// - `path`: without the query, which is long.
    fn on(mut self, path: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Script {
        let reply = HttpReply { status, headers: headers.iter().copied().collect(), body: body.to_vec() };
        self.replies.insert(path.to_owned(), reply);
        self
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl Http for Script {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        self.asked.lock().unwrap().push((request.url.to_string(), request.headers.clone()));
        let mut path = request.url.clone();
        path.set_query(None);
        self.replies.get(path.as_str()).cloned().ok_or_else(|| HttpFailure::Unreachable("no reply".into()))
    }
}

fn twitter(script: &Arc<Script>, api: Api) -> Twitter {
    let config = Config {
        api,
        base_url: Url::parse("https://api.example/base").unwrap(),
        authorize_url: Url::parse("https://site.example/authorize").unwrap(),
        client_id: Some("client".into()),
        client_secret: Some(Secret::new("hush")),
        token: Some(Secret::new("instance-token")),
        user_agent: "fedflattr-test".into(),
    };
    Twitter::new(config, script.clone())
}

fn user() -> Access {
    Access::User(Credential::bearer("user-token"))
}

const LIKES: &str = "https://api.example/base/2/users/77/liked_tweets";
const ME: &str = "https://api.example/base/2/users/me";

#[test]
fn the_capabilities_agree_with_the_sources() {
    for api in [Api::V2, Api::V1] {
        let bridge = twitter(&Arc::default(), api);
        let able = bridge.capabilities();
        assert_eq!(able.lists_likes_of_others || able.lists_own_likes, bridge.live().is_some());
        assert_eq!(able.page_size_max.is_some(), bridge.live().is_some());
        assert_eq!(able.reads_export, bridge.export().is_some());
        assert!(bridge.sign_in().is_some());
    }
}

#[tokio::test]
async fn a_page_of_likes_is_asked_for_with_everything_that_a_post_needs() {
    let script = Arc::new(Script::default().on(LIKES, 200, &[("x-rate-limit-remaining", "0")], V2_LIKED));
    let bridge = twitter(&script, Api::V2);
    let mut query = LikesQuery::first(Who::Id(account("77")), user());
    let LikesReply::Page(page) = bridge.likes(&query).await.unwrap() else { panic!("a page") };
    assert_eq!((page.items.len(), page.unreadable, page.quota.remaining), (3, 2, Some(0)));
    query.cursor = page.next;
    bridge.likes(&query).await.unwrap();
    let asked = script.asked.lock().unwrap();
    let pairs = |place: usize| -> BTreeMap<String, String> {
        Url::parse(&asked[place].0).unwrap().query_pairs().into_owned().collect()
    };
    assert_eq!(pairs(0)["max_results"], "100");
    assert_eq!(pairs(0)["expansions"], "author_id,attachments.media_keys");
    assert!(pairs(0)["user.fields"].contains("protected"));
    assert_eq!((pairs(0).get("pagination_token"), pairs(1)["pagination_token"].as_str()), (None, "7140dibdnow9c7btw"));
    let sent = asked[0].1.iter().find(|header| header.name == "authorization").unwrap();
    assert!(sent.value == "Bearer user-token");
}

#[tokio::test]
async fn likes_are_asked_for_only_in_the_name_of_a_person_and_only_with_their_own_cursor() {
    let script = Arc::new(Script::default());
    let bridge = twitter(&script, Api::V2);
    let nobody = bridge.likes(&LikesQuery::first(Who::Id(account("77")), Access::Instance)).await;
    assert_eq!(nobody.unwrap_err().class(), "unsupported");
    for cursor in ["2:78:token", "1:500", "2:../me:token", "https://evil.example/", ""] {
        let cursor = Some(Cursor::new(cursor));
        let query = LikesQuery { cursor, ..LikesQuery::first(Who::Id(account("77")), user()) };
        assert_eq!(bridge.likes(&query).await.unwrap_err().class(), "malformed");
    }
    assert_eq!(script.count(), 0);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_token_stays() {
    let away = Arc::new(Script::default().on(ME, 302, &[("location", "https://evil.example/")], b""));
    assert_eq!(twitter(&away, Api::V2).profile(&Who::TokenOwner, &user()).await.unwrap_err().class(), "malformed");
    assert_eq!(away.count(), 1);
}

#[tokio::test]
async fn another_account_or_tweet_than_the_one_asked_for_is_refused() {
    let script = Script::default().on("https://api.example/base/2/users/7", 200, &[], V2_USER);
    let script = script.on("https://api.example/base/2/users/by/username/nils", 200, &[], V2_USER);
    let body = br#"{"data":{"id":"8","text":"x","author_id":"1"}}"#;
    let bridge = twitter(&Arc::new(script.on("https://api.example/base/2/tweets/7", 200, &[], body)), Api::V2);
    let by_id = bridge.profile(&Who::Id(account("7")), &Access::Instance).await;
    assert_eq!(by_id.unwrap_err().class(), "malformed");
    let by_name = bridge.profile(&Who::Handle("nils".into()), &Access::Instance).await;
    assert_eq!(by_name.unwrap_err().class(), "malformed");
    let tweet = ObjectRef::new(Platform::Twitter, "7").unwrap();
    assert_eq!(bridge.post(&tweet, None, &Access::Instance).await.unwrap_err().class(), "malformed");
}

#[tokio::test]
async fn ids_and_handles_that_could_change_the_path_are_never_sent() {
    let script = Arc::new(Script::default());
    for api in [Api::V2, Api::V1] {
        let bridge = twitter(&script, api);
        for who in [
            Who::Handle("../me".into()),
            Who::Handle(String::new()),
            Who::Id(account("7/likes")),
            Who::Id(ExternalId::new(Platform::GitHub, "7").unwrap()),
        ] {
            let asked = bridge.profile(&who, &Access::Instance).await;
            // A name that nobody can have is nobody's; a number of another kind cannot be asked for.
            let expected = if matches!(who, Who::Handle(_)) { "not_found" } else { "unsupported" };
            assert_eq!(asked.unwrap_err().class(), expected, "{who:?}");
        }
        let tweet = ObjectRef::new(Platform::Twitter, "../users/me").unwrap();
        assert_eq!(bridge.post(&tweet, None, &user()).await.unwrap_err().class(), "unsupported");
    }
    assert_eq!(script.count(), 0);
}

#[tokio::test]
async fn a_post_list_keeps_only_what_the_account_wrote_itself() {
    let body = br#"{"data":[{"id":"1","text":"mine","author_id":"77"},{"id":"2","text":"foreign","author_id":"78"},
        {"id":"3","text":"RT","author_id":"77","referenced_tweets":[{"type":"retweeted","id":"9"}]}],
        "meta":{"result_count":3}}"#;
    let script = Arc::new(Script::default().on("https://api.example/base/2/users/77/tweets", 200, &[], body));
    let page =
        twitter(&script, Api::V2).posts(&PostsOf::Account(account("77")), None, &Access::Instance).await.unwrap();
    assert_eq!((page.items.len(), page.unreadable, page.next), (1, 1, None));
}

#[tokio::test]
async fn a_short_address_is_followed_without_a_token_and_only_to_a_tweet() {
    let body = br#"{"data":{"id":"7","text":"x","author_id":"1"}}"#;
    let tweet = "https://api.example/base/2/tweets/7";
    let to = |target: &str| {
        let script = Script::default().on("https://t.co/abc", 301, &[("location", target)], b"");
        Arc::new(script.on(tweet, 200, &[], body))
    };
    let script = to("https://twitter.com/mira/status/7?s=20");
    let bridge = twitter(&script, Api::V2);
    let pasted = bridge.parse_reference("https://t.co/abc").unwrap();
    assert_eq!(bridge.resolve(&pasted, &Access::Instance).await.unwrap().id.object(), "7");
    assert!(script.asked.lock().unwrap()[0].1.iter().all(|header| header.name != "authorization"));
    for target in ["https://evil.example/", "https://x.com/home", "http://10.0.0.1/", "https://t.co/abc"] {
        let script = to(target);
        assert!(twitter(&script, Api::V2).resolve(&pasted, &Access::Instance).await.is_err(), "{target}");
        assert!(script.count() <= 3, "{target}");
    }
}

#[tokio::test]
async fn the_older_api_signs_in_the_name_of_a_person() {
    let path = "https://api.example/base/1.1/favorites/list.json";
    let script = Arc::new(Script::default().on(path, 200, &[], V1_FAVORITES));
    let bridge = twitter(&script, Api::V1);
    let signed = Access::User(Credential::Signed { token: Secret::new("t"), secret: Secret::new("s-16C7") });
    let query = LikesQuery::first(Who::Id(account("77")), signed.clone());
    let LikesReply::Page(page) = bridge.likes(&query).await.unwrap() else { panic!("a page") };
    let query = LikesQuery { cursor: page.next, ..query };
    bridge.likes(&query).await.unwrap();
    let asked = script.asked.lock().unwrap().clone();
    let sent = &asked[0].1.iter().find(|header| header.name == "authorization").unwrap().value;
    assert!(
        sent.starts_with("OAuth oauth_consumer_key=\"client\"") && !sent.contains("16C7") && !sent.contains("hush")
    );
    assert!(asked[1].0.contains("max_id=145344009") && asked[1].0.contains("user_id=77"), "{}", asked[1].0);
    assert!(asked[1].0.contains("tweet_mode=extended"));
    let newer = twitter(&Arc::default(), Api::V2).profile(&Who::TokenOwner, &signed).await;
    assert_eq!(newer.unwrap_err().class(), "unsupported");
}
