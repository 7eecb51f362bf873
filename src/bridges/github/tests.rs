//! The connector against files of GitHub's shape, and against replies that no honest server sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::{Config, GitHub, wire};
use crate::bridges::decode::{decode, kinds};
use crate::bridges::http::Header;
use crate::bridges::value::{ActorKind, PostKind};
use crate::bridges::{
    Access, Bridge, Cursor, Error, Http, HttpFailure, HttpReply, HttpRequest, LikesQuery, LikesReply, LiveApi, Secret,
    Who, proves,
};
use crate::domain::identity::{ExternalId, Platform};

const USER: &[u8] = include_bytes!("../fixtures/github/user.json");
const ORGANIZATION: &[u8] = include_bytes!("../fixtures/github/organization.json");
const USER_GRAPHQL: &[u8] = include_bytes!("../fixtures/github/user_graphql.json");
const REPO: &[u8] = include_bytes!("../fixtures/github/repo.json");
const STARRED: &[u8] = include_bytes!("../fixtures/github/starred.json");
const STARGAZERS: &[u8] = include_bytes!("../fixtures/github/stargazers.json");
const RELEASES: &[u8] = include_bytes!("../fixtures/github/releases.json");
const EXCHANGE_PAGES: &[u8] = include_bytes!("../fixtures/github/exchange_pages.json");
const EXCHANGE_422: &[u8] = include_bytes!("../fixtures/github/exchange_422.json");
const EXCHANGE_LIMITED: &[u8] = include_bytes!("../fixtures/github/exchange_limited.json");
const NOT_FOUND: &[u8] = include_bytes!("../fixtures/github/error_not_found.json");

#[test]
fn a_profile_keeps_an_id_above_two_to_the_53_exactly() {
    let profile = wire::profile(USER).unwrap();
    assert_eq!(profile.id.to_string(), "github:9007199254740993");
    assert_eq!(profile.handle, "mira-lund");
    assert_eq!(profile.kind, ActorKind::Person);
    assert_eq!(profile.website.as_deref(), Some("https://node.example/claim/7f3a9c"));
    assert!(proves(&profile, "https://node.example/claim/7f3a9c"));
    assert!(!proves(&profile, "https://node.example/claim/7f3a9"));
}

#[test]
fn an_organisation_proves_by_its_description() {
    let profile = wire::profile(ORGANIZATION).unwrap();
    assert_eq!(profile.kind, ActorKind::Organization);
    assert_eq!(profile.website, None, "an empty blog is no website");
    assert!(proves(&profile, "https://node.example/claim/0c11"));
}

#[test]
fn a_node_id_that_hides_the_number_is_not_guessed() {
    assert_eq!(wire::graphql_user(USER_GRAPHQL).unwrap().id.to_string(), "github:5512077");
    let newer = br#"{"id":"U_kgDOAFQVzQ","login":"tove-berg"}"#;
    assert_eq!(wire::graphql_user(newer).unwrap_err().class(), "malformed");
    let asked = br#"{"id":"U_kgDOAFQVzQ","databaseId":5512077,"login":"tove-berg"}"#;
    assert_eq!(wire::graphql_user(asked).unwrap().id.account(), "5512077");
}

#[test]
fn a_list_of_likes_survives_its_damaged_items_and_hides_private_ones() {
    let found = wire::starred(STARRED).unwrap();
    let shown: Vec<(String, String)> =
        found.items.iter().map(|item| (item.post.id.to_string(), item.liked_at.unwrap().to_string())).collect();
    let expected = [("github:9007199254740995", "2013-06-02T08:00:00Z"), ("github:771", "2013-06-01T23:59:59Z")];
    assert_eq!(shown, expected.map(|(id, at)| (id.to_owned(), at.to_owned())));
    assert_eq!(found.unreadable, 2, "an item without a repository and one with a fraction as id");
    assert_eq!(found.items[0].post.owner, Some(ExternalId::new(Platform::GitHub, "4021").unwrap()));
    assert_eq!(found.items[0].post.licence.as_deref(), Some("MIT"));
    assert_eq!(found.items[1].post.licence, None, "NOASSERTION is no licence");
}

#[test]
fn a_list_without_times_is_still_a_list_of_likes() {
    let plain = format!("[{}]", String::from_utf8_lossy(REPO));
    let found = wire::starred(plain.as_bytes()).unwrap();
    assert_eq!((found.items.len(), found.items[0].liked_at, found.unreadable), (1, None, 0));
}

#[test]
fn a_release_belongs_to_the_owner_of_its_repository_and_not_to_its_author() {
    let repository = wire::repository(REPO).unwrap();
    let found = wire::releases(RELEASES, Some(&repository)).unwrap();
    assert_eq!(found.items.len(), 2, "a draft is not published");
    let release = &found.items[0];
    assert_eq!((release.id.object(), release.kind), ("release-9007199254740997", PostKind::Release));
    assert_eq!(release.owner, repository.owner);
    assert_eq!(found.items[1].title, "v1.9", "an unnamed release is called by its tag");
    let alone = wire::releases(RELEASES, None).unwrap();
    assert_eq!((&alone.items[0].owner, alone.items[0].owner_handle.as_deref()), (&None, Some("fjord-lab")));
}

#[test]
fn every_file_decodes_under_its_kind() {
    let check = |kind: &str, bytes: &[u8], pointer: &str, expected: Value| {
        let shown = decode(Platform::GitHub, kind, bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(shown.pointer(pointer), Some(&expected), "{kind}: {shown}");
    };
    check("user", USER, "/id", "github:9007199254740993".into());
    check("organization", ORGANIZATION, "/kind", "organization".into());
    check("user-graphql", USER_GRAPHQL, "/website", "https://tove.example/".into());
    check("repo", REPO, "/id", "github:9007199254740995".into());
    check("starred", STARRED, "/items/0/post/owner", "github:4021".into());
    check("stargazers", STARGAZERS, "/items/1/account", "github:9007199254740993".into());
    check("releases", RELEASES, "/items/0/published", "2013-05-30T10:00:00Z".into());
    check("error", EXCHANGE_422, "/0/class", "malformed".into());
    check("error", EXCHANGE_LIMITED, "/0/until", "2013-06-01T13:00:00Z".into());
    check("error", NOT_FOUND, "/class", "not_found".into());
    let next = "https://api.github.com/repositories/771/stargazers?per_page=2&page=2";
    check("link-header", EXCHANGE_PAGES, "/0/next", next.into());
    check("link-header", EXCHANGE_PAGES, "/1/next", Value::Null);
}

#[test]
fn a_file_of_another_kind_is_refused_with_its_class() {
    let check = |kind: &str, bytes: &[u8], class: &str| {
        assert_eq!(decode(Platform::GitHub, kind, bytes).unwrap_err().class(), class, "{kind}");
    };
    check("user", NOT_FOUND, "not_found");
    check("starred", NOT_FOUND, "not_found");
    check("user", REPO, "malformed");
    check("repo", USER, "malformed");
    check("organization", USER, "malformed");
    check("repos", RELEASES, "malformed");
    check("stargazers", STARRED, "malformed");
    check("starred", EXCHANGE_PAGES, "malformed");
    check("starred", USER, "malformed");
    check("starred", &STARRED[..STARRED.len() / 2], "malformed");
    check("starred", b"<!DOCTYPE html><html></html>", "malformed");
    check("starred", b"", "malformed");
    check("error", EXCHANGE_PAGES, "malformed");
    check("error", USER, "malformed");
}

#[test]
fn every_kind_that_is_announced_is_read() {
    for kind in kinds(Platform::GitHub) {
        let error = decode(Platform::GitHub, kind.name, b"x").unwrap_err();
        assert_eq!(error.class(), "malformed", "{}", kind.name);
    }
}

#[test]
fn the_capabilities_agree_with_the_sources() {
    let bridge = github(&Arc::new(Script::default()));
    let able = bridge.capabilities();
    assert_eq!(able.lists_likes_of_others || able.lists_own_likes, bridge.live().is_some());
    assert_eq!(able.page_size_max.is_some(), bridge.live().is_some());
    assert_eq!(able.reads_export, bridge.export().is_some());
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

    fn hosts(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(url, _)| Url::parse(url).unwrap().host_str().unwrap().to_owned()).collect()
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

fn github(script: &Arc<Script>) -> GitHub {
    let config = Config {
        base_url: Url::parse("https://api.example/v3").unwrap(),
        token: Some(Secret::new("instance-token")),
        user_agent: "fedflattr-test (+https://node.example)".into(),
        app: None,
    };
    GitHub::new(config, script.clone())
}

const ME: &str = "https://api.example/v3/user";
const FIRST: &str = "https://api.example/v3/users/mira/starred?sort=created&direction=desc&per_page=100";

async fn first_page(script: &Arc<Script>) -> Result<LikesReply, Error> {
    github(script).likes(&LikesQuery::first(Who::Handle("mira".into()), Access::Instance)).await
}

#[tokio::test]
async fn a_next_page_on_another_host_is_refused() {
    for next in [
        "https://evil.example/v3/user/1/starred?page=2",
        "http://api.example/v3/user/1/starred?page=2",
        "https://api.example:8443/v3/user/1/starred?page=2",
        "https://api.example/v3-evil/user/1/starred?page=2",
        "https://api.example/v3/../admin",
        "//evil.example/v3/",
        "https://api.example@evil.example/v3/",
        "https://u:p@api.example/v3/user/1/starred",
    ] {
        let link = format!("<{next}>; rel=\"next\"");
        let script = Arc::new(Script::default().on(FIRST, 200, &[("link", &link)], b"[]"));
        assert_eq!(first_page(&script).await.unwrap_err().class(), "malformed", "{next}");
    }
}

#[tokio::test]
async fn a_stored_cursor_of_another_host_never_sees_the_token() {
    let script = Arc::new(Script::default());
    let cursor = Some(Cursor::new("https://evil.example/v3/user/1/starred?page=2"));
    let query = LikesQuery { cursor, ..LikesQuery::first(Who::TokenOwner, Access::Instance) };
    assert_eq!(github(&script).likes(&query).await.unwrap_err().class(), "malformed");
    assert!(script.hosts().is_empty());
}

#[tokio::test]
async fn a_redirect_never_carries_the_token_away_and_never_runs_in_circles() {
    let away = Arc::new(Script::default().on(ME, 302, &[("location", "https://evil.example/")], b""));
    let asked = github(&away).profile(&Who::TokenOwner, &Access::Instance).await;
    assert_eq!(asked.unwrap_err().class(), "malformed");
    assert_eq!(away.hosts(), ["api.example"]);
    let circle = Arc::new(Script::default().on(ME, 301, &[("location", ME)], b""));
    assert!(github(&circle).profile(&Who::TokenOwner, &Access::Instance).await.is_err());
    assert!(circle.hosts().len() <= 4);
}

#[tokio::test]
async fn requests_carry_the_headers_that_github_demands() {
    let script = Arc::new(Script::default().on(FIRST, 200, &[], b"[]"));
    let query =
        LikesQuery { etag: Some("W/\"1\"".into()), ..LikesQuery::first(Who::Handle("mira".into()), Access::Instance) };
    github(&script).likes(&query).await.unwrap();
    let asked = script.asked.lock().unwrap();
    let sent: BTreeMap<&str, &str> = asked[0].1.iter().map(|header| (header.name, header.value.as_str())).collect();
    let expected = [
        ("accept", "application/vnd.github.star+json"),
        ("authorization", "Bearer instance-token"),
        ("if-none-match", "W/\"1\""),
        ("user-agent", "fedflattr-test (+https://node.example)"),
        ("x-github-api-version", "2022-11-28"),
    ];
    assert_eq!(sent, BTreeMap::from(expected));
}

#[tokio::test]
async fn another_account_than_the_one_asked_for_is_refused() {
    let other = "https://api.example/v3/user/7";
    let script = Arc::new(Script::default().on(other, 200, &[], USER));
    let who = Who::Id(ExternalId::new(Platform::GitHub, "7").unwrap());
    assert_eq!(github(&script).profile(&who, &Access::Instance).await.unwrap_err().class(), "malformed");
}

#[tokio::test]
async fn ids_and_handles_that_could_change_the_path_are_never_sent() {
    let script = Arc::new(Script::default());
    let flickr = ExternalId::new(Platform::Flickr, "7").unwrap();
    for who in [
        Who::Handle("../user".into()),
        Who::Handle("a/b".into()),
        Who::Handle(String::new()),
        Who::Id(ExternalId::new(Platform::GitHub, "7/starred").unwrap()),
        Who::Id(flickr),
    ] {
        let asked = github(&script).profile(&who, &Access::Instance).await;
        // A name that nobody can have is nobody's; a number of another kind cannot be asked for.
        let expected = if matches!(who, Who::Handle(_)) { "not_found" } else { "unsupported" };
        assert_eq!(asked.unwrap_err().class(), expected, "{who:?}");
    }
    assert!(script.hosts().is_empty());
}

#[tokio::test]
async fn a_304_without_an_etag_is_not_believed() {
    let script = Arc::new(Script::default().on(FIRST, 304, &[], b""));
    assert_eq!(first_page(&script).await.unwrap_err().class(), "malformed");
}

#[test]
fn a_repository_tells_its_language_and_a_release_its_files() {
    let repository = br#"{"id":7,"full_name":"mira/tide","html_url":"https://github.com/mira/tide","language":"Rust","topics":["maps"]}"#;
    let shown = decode(Platform::GitHub, "repo", repository).unwrap();
    assert_eq!(shown["tags"], serde_json::json!(["Rust", "maps"]));
    let releases = br#"[{"id":7,"html_url":"https://github.com/mira/tide/releases/tag/v1","tag_name":"v1","assets":[
        {"name":"tide.tar.gz","label":null,"content_type":"application/gzip","state":"uploaded",
         "browser_download_url":"https://github.com/mira/tide/releases/download/v1/tide.tar.gz"},
        {"name":"half","browser_download_url":"https://github.com/half","state":"starter"},{"no":1}]}]"#;
    let shown = decode(Platform::GitHub, "releases", releases).unwrap();
    let file = serde_json::json!([{
        "kind": "link", "url": "https://github.com/mira/tide/releases/download/v1/tide.tar.gz",
        "media_type": "application/gzip", "alt": "tide.tar.gz",
    }]);
    assert_eq!(shown["items"][0]["attachments"], file);
}
