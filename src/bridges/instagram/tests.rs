//! The connector against files of Instagram's shapes, and against replies that no honest server sends.

use std::collections::BTreeMap;
use std::io::Cursor as File;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use url::Url;

use super::{Api, ApiConfig, Config, Instagram, export, graph, wire};
use crate::bridges::ExportFile;
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::decode::{decode, kinds};
use crate::bridges::{
    Access, Bridge, Credential, Cursor, Error, Http, HttpFailure, HttpReply, HttpRequest, LikeItem, LikesQuery,
    LikesReply, LiveApi, MediaKind, PostKind, PostsOf, Secret, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const USER: &[u8] = include_bytes!("../fixtures/instagram/user.json");
const USER_2011: &[u8] = include_bytes!("../fixtures/instagram/user_2011.json");
const LIKED: &[u8] = include_bytes!("../fixtures/instagram/liked.json");
const MEDIA_2011: &[u8] = include_bytes!("../fixtures/instagram/media_2011.json");
const TOKEN: &[u8] = include_bytes!("../fixtures/instagram/token.json");
const OEMBED: &[u8] = include_bytes!("../fixtures/instagram/oembed.json");
const NOTICES: &[u8] = include_bytes!("../fixtures/instagram/notices.json");
const SUBSCRIPTIONS: &[u8] = include_bytes!("../fixtures/instagram/subscriptions.json");
const ERROR_TOKEN: &[u8] = include_bytes!("../fixtures/instagram/error_token.json");
const ERROR_GRAPH: &[u8] = include_bytes!("../fixtures/instagram/error_graph.json");
const GRAPH_USER: &[u8] = include_bytes!("../fixtures/instagram/graph_user.json");
const GRAPH_MEDIA: &[u8] = include_bytes!("../fixtures/instagram/graph_media.json");
const TITLED: &[u8] = include_bytes!("../fixtures/instagram/liked_posts_titled.json");
const LABELLED: &[u8] = include_bytes!("../fixtures/instagram/liked_posts_labelled.json");
const PERSONAL: &[u8] = include_bytes!("../fixtures/instagram/personal_information.json");

const CLAIM: &str = "https://node.example/claim/7f3a9c";

fn account(number: &str) -> ExternalId {
    ExternalId::new(Platform::Instagram, number).unwrap()
}

#[test]
fn a_claim_is_found_in_bio_and_website() {
    let profile = wire::profile(USER).unwrap();
    assert_eq!((profile.id.account(), profile.handle.as_str()), ("9007199254740993", "mira.lund"));
    assert!(proves(&profile, CLAIM), "in the bio");
    let site = String::from_utf8_lossy(USER).replace("https://mira.example", CLAIM).replace("Tides. https://node", "x");
    assert!(proves(&wire::profile(site.as_bytes()).unwrap(), CLAIM), "as website");
    assert_eq!(wire::profile(USER_2011).unwrap().id, account("77"), "a number is an id too");
}

#[test]
fn a_page_of_likes_names_posts_by_shortcode_and_survives_its_damaged_items() {
    let wire::Page { found, next } = wire::liked(LIKED).unwrap();
    assert_eq!((found.items.len(), found.unreadable, next.as_deref()), (2, 2, Some("318604182")));
    let film = &found.items[0].post;
    assert_eq!((film.id.to_string().as_str(), film.kind), ("instagram:BC_", PostKind::Video));
    assert_eq!(film.owner, Some(account("9007199254740993")));
    assert_eq!((film.title.as_str(), film.tags.as_slice()), ("Low tide", &["tides".to_owned()][..]));
    assert_eq!(film.published.unwrap().to_string(), "2013-06-01T00:00:00Z");
    assert_eq!(film.thumbnail_url.as_deref(), Some("https://images.example/t.jpg"));
    let [media] = film.attachments.as_slice() else { panic!("{:?}", film.attachments) };
    assert_eq!((media.kind, media.url.as_str()), (MediaKind::Video, "https://images.example/s.mp4"));
    assert_eq!((media.poster.as_deref(), media.width), (Some("https://images.example/s.jpg"), Some(640)));
    let several = &found.items[1].post;
    assert_eq!((several.title.as_str(), several.attachments.len()), ("A post by nils", 2));
    assert_eq!(several.attachments[1].kind, MediaKind::Video);
}

#[test]
fn the_form_of_2011_is_the_same_post() {
    let (old, new) = (wire::media(MEDIA_2011).unwrap(), &wire::liked(LIKED).unwrap().found.items[0].post.clone());
    assert_eq!(
        (&old.id, &old.title, &old.description, old.published),
        (&new.id, &new.title, &new.description, new.published)
    );
    assert_eq!(old.attachments[0].url, "http://images.example/7.jpg");
    assert_eq!(wire::oembed(OEMBED).unwrap().id, old.id, "by the number alone");
}

#[test]
fn the_next_page_is_taken_out_of_its_address_where_it_has_no_field() {
    let body = r#"{"pagination":{"next_url":"https://api.example/x?access_token=t&max_like_id=7"},"data":[]}"#;
    assert_eq!(wire::liked(body.as_bytes()).unwrap().next.as_deref(), Some("7"));
    for end in [r#"{"data":[]}"#, r#"{"pagination":{},"data":[]}"#, r#"{"pagination":{"next_url":"x"},"data":[]}"#] {
        assert_eq!(wire::liked(end.as_bytes()).unwrap().next, None, "{end}");
    }
}

#[test]
fn the_api_of_today_gives_the_same_ids() {
    let profile = graph::profile(GRAPH_USER).unwrap();
    assert_eq!(profile.id, account("17841400000000001"), "`id` differs for each app");
    let bare = String::from_utf8_lossy(GRAPH_USER).trim().replacen(r#"{"data":["#, "", 1);
    let bare = bare.strip_suffix("]}").unwrap();
    assert_eq!(graph::profile(bare.as_bytes()).unwrap(), profile);
    let wire::Page { found, next } = graph::posts(GRAPH_MEDIA, Some(&profile.id)).unwrap();
    assert_eq!((found.items.len(), found.unreadable, next.as_deref()), (2, 1, Some("a-7")));
    assert_eq!(found.items[0].id, wire::media(MEDIA_2011).unwrap().id);
    assert_eq!((found.items[0].attachments.len(), &found.items[0].owner), (2, &Some(profile.id)));
    assert_eq!((found.items[1].attachments.len(), found.items[1].kind), (0, PostKind::Video), "its music is not free");
}

#[test]
fn every_file_decodes_under_its_kind() {
    let check = |kind: &str, bytes: &[u8], pointer: &str, expected: Value| {
        let shown = decode(Platform::Instagram, kind, bytes).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!(shown.pointer(pointer), Some(&expected), "{kind}: {shown}");
        assert!(!shown.to_string().contains("never-shown"), "{kind}: {shown}");
    };
    check("user", USER, "/id", "instagram:9007199254740993".into());
    check("user", USER_2011, "/handle", "nils".into());
    check("media", MEDIA_2011, "/owner", "instagram:77".into());
    check("liked", LIKED, "/next", "318604182".into());
    check("media-list", LIKED, "/unreadable", 2.into());
    check("token", TOKEN, "/id", "instagram:77".into());
    check("oembed", OEMBED, "/id", "instagram:BC_".into());
    check("notices", NOTICES, "/items/0/at", "2013-06-01T00:00:00Z".into());
    check("subscriptions", SUBSCRIPTIONS, "/items/0/subject", "user".into());
    check("graph-user", GRAPH_USER, "/handle", "mira.lund".into());
    check("graph-media", GRAPH_MEDIA, "/next", "a-7".into());
    check("export-likes", TITLED, "/items/0/liked_at", "2013-06-01T00:01:00Z".into());
    check("export-likes", LABELLED, "/items/0/post/owner_handle", "mira.lund".into());
    check("export-owner", PERSONAL, "/handle", "nils".into());
    check("error", ERROR_TOKEN, "/class", "unauthorized_expired".into());
    check("error", ERROR_GRAPH, "/class", "unauthorized_expired".into());
}

#[test]
fn a_file_of_another_kind_is_refused_with_its_class() {
    let check = |kind: &str, bytes: &[u8], class: &str| {
        assert_eq!(decode(Platform::Instagram, kind, bytes).unwrap_err().class(), class, "{kind}");
    };
    for kind in ["user", "media", "liked", "media-list", "token", "graph-user", "graph-media"] {
        check(kind, ERROR_TOKEN, "unauthorized_expired");
        check(kind, ERROR_GRAPH, "unauthorized_expired");
        check(kind, b"<!DOCTYPE html><html></html>", "malformed");
    }
    check("liked", &LIKED[..LIKED.len() / 2], "malformed");
    check("liked", USER, "malformed");
    check("user", LIKED, "malformed");
    check("media", USER, "malformed");
    check("error", USER, "malformed");
    check("export-likes", PERSONAL, "unsupported");
    check("export-likes", NOTICES, "malformed");
    let refused = br#"{"meta":{"code":400,"error_type":"APINotFoundError","error_message":"x"},"data":[]}"#;
    check("liked", refused, "not_found");
}

#[test]
fn a_place_is_told_by_its_name() {
    let media = |place: &str| {
        let bytes = format!(
            r#"{{"meta":{{"code":200}},"data":{{"id":"9007199254740993_5","link":"http://instagr.am/p/BG9_t-x/","location":{place}}}}}"#
        );
        wire::media(bytes.as_bytes()).unwrap().place
    };
    assert_eq!(media(r#"{"id":1,"name":"Tide harbour","latitude":54.1}"#).as_deref(), Some("Tide harbour"));
    assert_eq!((media(r#"{"latitude":54.1,"longitude":9.2}"#), media("null")), (None, None));
}

#[test]
fn the_owner_of_a_file_is_found_in_every_language_or_is_unknown() {
    let check = |fields: &str, expected: Option<&str>| {
        let file = format!(r#"{{"profile_user":[{{"string_map_data":{{{fields}}}}}]}}"#);
        let owner = export::Export.owner("personal_information.json", &mut file.as_bytes()).unwrap();
        assert_eq!(owner.handle.as_deref(), expected, "{fields}");
    };
    check(r#""Benutzername":{"value":"nils"},"Geschlecht":{"value":"divers"},"Name":{"value":"Nils"}"#, Some("nils"));
    check(r#""Nom d\u00e2\u0080\u0099utilisateur":{"value":"nils"},"Genre":{"value":"homme"}"#, Some("nils"));
    check(
        r#""K\u00c3\u00a4ytt\u00c3\u00a4j\u00c3\u00a4":{"value":"nils.lund"},"Nimi":{"value":"Nils"}"#,
        Some("nils.lund"),
    );
    check(r#""x":{"value":"nils"},"y":{"value":"mies"}"#, None);
    check(r#""x":{"value":"n@n.example"},"y":{"value":"+491234"},"z":{"value":"False"}"#, None);
}

#[test]
fn every_kind_that_is_announced_is_read() {
    for kind in kinds(Platform::Instagram) {
        let error = decode(Platform::Instagram, kind.name, b"x").unwrap_err();
        assert_eq!(error.class(), "malformed", "{}", kind.name);
    }
}

fn rows(name: &str, bytes: &[u8]) -> Result<(Vec<LikeItem>, u32), Error> {
    let (mut found, mut unreadable) = (Vec::new(), 0);
    let mut archive = Archive::open(File::new(bytes.to_vec()), name, Limits::default())?;
    archive.likes(&export::Export, &mut |item| {
        match item {
            Ok(item) => found.push(item),
            Err(_) => unreadable += 1,
        }
        ControlFlow::Continue(())
    })?;
    Ok((found, unreadable))
}

#[test]
fn both_shapes_of_the_export_give_the_same_likes() {
    let (older, unreadable) = rows("liked_posts.json", TITLED).unwrap();
    assert_eq!((older.len(), unreadable), (2, 3));
    let (newer, unreadable) = rows("liked_posts.json", LABELLED).unwrap();
    assert_eq!((newer.len(), unreadable), (2, 2));
    for (old, new) in older.iter().zip(&newer) {
        assert_eq!(
            (&old.post.id, &old.post.owner_handle, old.liked_at),
            (&new.post.id, &new.post.owner_handle, new.liked_at)
        );
        assert_eq!((&old.post.owner, &new.post.owner), (&None, &None), "a handle is nobody to pay");
        assert_eq!((old.post.kind, &old.post.url), (new.post.kind, &new.post.url));
    }
    assert_eq!(newer[0].post.title, "Ebbe in Z\u{fc}rich", "read by structure, in any language, and repaired");
    assert_eq!(newer[0].post.tags, ["tides", "Z\u{fc}rich"]);
}

#[test]
fn what_cannot_be_read_is_refused_with_advice() {
    let class = |name: &str, bytes: &[u8]| rows(name, bytes).unwrap_err().class();
    assert_eq!(class("liked_posts.html", b"<html></html>"), "unsupported");
    assert_eq!(class("likes.json", br#"{"media_likes":[["2013-06-01T00:00:00","mira.lund"]]}"#), "unsupported");
    assert_eq!(class("liked_posts.json", &TITLED[..TITLED.len() / 2]), "malformed");
    assert_eq!(class("liked_posts.json", b""), "malformed");
    assert_eq!(class("photo.jpg", b"x"), "malformed");
    let paths = ["your_instagram_activity/likes/liked_posts.json", "likes/liked_posts_2.json", "likes.json"];
    for path in paths {
        use crate::bridges::{ExportFile, Member};
        assert_eq!(export::Export.member(path), Some(Member::Likes), "{path}");
        assert_eq!(export::Export.member("your_instagram_activity/likes/liked_comments.json"), None);
    }
}

/// Replies by path, and what was asked.
#[derive(Default)]
struct Script {
    replies: BTreeMap<String, HttpReply>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn on(mut self, path: &str, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Script {
        let reply = HttpReply { status, headers: headers.iter().copied().collect(), body: body.to_vec() };
        self.replies.insert(format!("https://api.example{path}"), reply);
        self
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Http for Script {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        self.asked.lock().unwrap().push(request.url.to_string());
        let mut path = request.url.clone();
        path.set_query(None);
        self.replies.get(path.as_str()).cloned().ok_or_else(|| HttpFailure::Unreachable("no reply".into()))
    }
}

fn instagram(script: &Arc<Script>, api: Option<Api>) -> Instagram {
    let at = |path: &str| Url::parse(&format!("https://api.example/{path}")).unwrap();
    let api = api.map(|api| ApiConfig {
        api,
        base_url: at(""),
        authorize_url: at("oauth/authorize"),
        token_url: at("oauth/access_token"),
        client_id: Some("client".into()),
        client_secret: Some(Secret::new("hush")),
        token: None,
        signs_requests: true,
    });
    Instagram::new(Config { api, user_agent: "fedflattr-test".into() }, script.clone())
}

fn user() -> Access {
    Access::User(Credential::bearer("user-token"))
}

#[tokio::test]
async fn the_capabilities_agree_with_the_sources() {
    for api in [None, Some(Api::Graph), Some(Api::Legacy)] {
        let bridge = instagram(&Arc::default(), api);
        let able = bridge.capabilities();
        assert_eq!(able.page_size_max.is_some(), bridge.live().is_some());
        assert_eq!(able.reads_export, bridge.export().is_some());
        assert_eq!(able.sign_in != crate::bridges::SignIn::None, bridge.sign_in().is_some());
        if !able.lists_own_likes {
            let asked = bridge.likes(&LikesQuery::first(Who::TokenOwner, user())).await;
            assert_eq!(asked.unwrap_err().class(), "unsupported");
        }
    }
}

#[tokio::test]
async fn likes_count_only_for_the_account_behind_the_token() {
    let script = Script::default().on("/v1/users/self", 200, &[], USER_2011);
    let script = Arc::new(script.on("/v1/users/self/media/liked", 200, &[("X-Ratelimit-Remaining", "7")], LIKED));
    let bridge = instagram(&script, Some(Api::Legacy));
    let foreign = bridge.likes(&LikesQuery::first(Who::Id(account("78")), user())).await;
    assert_eq!(foreign.unwrap_err().class(), "forbidden");
    assert_eq!(script.asked().len(), 1, "the list is not even asked for");
    let query = LikesQuery::first(Who::Id(account("77")), user());
    let LikesReply::Page(page) = bridge.likes(&query).await.unwrap() else { panic!("a page") };
    assert_eq!((page.items.len(), page.quota.remaining), (2, Some(7)));
    assert!(!page.next.as_ref().unwrap().as_str().contains("never-shown"), "the cursor holds no token");
    let query = LikesQuery { cursor: page.next.clone(), ..query };
    bridge.likes(&query).await.unwrap();
    let last = script.asked().pop().unwrap();
    assert!(
        last.starts_with("https://api.example/v1/users/self/media/liked?") && last.contains("max_like_id=318604182")
    );
    assert!(last.contains("&sig="), "{last}");
    for (who, cursor) in [(Who::Id(account("78")), page.next), (Who::TokenOwner, Some(Cursor::new("https://evil/x?y")))]
    {
        let query = LikesQuery { cursor, ..LikesQuery::first(who, user()) };
        assert_eq!(bridge.likes(&query).await.unwrap_err().class(), "malformed");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_token_stays() {
    let away = Arc::new(Script::default().on("/v1/users/self", 302, &[("location", "https://evil.example/")], b""));
    let asked = instagram(&away, Some(Api::Legacy)).profile(&Who::TokenOwner, &user()).await;
    assert_eq!((asked.unwrap_err().class(), away.asked().len()), ("malformed", 1));
}

#[tokio::test]
async fn another_account_or_post_than_the_one_asked_for_is_refused() {
    let script =
        Script::default().on("/v1/users/7", 200, &[], USER).on("/v1/media/shortcode/other", 200, &[], MEDIA_2011);
    let bridge = instagram(&Arc::new(script), Some(Api::Legacy));
    let profile = bridge.profile(&Who::Id(account("7")), &user()).await;
    assert_eq!(profile.unwrap_err().class(), "malformed");
    let post = bridge.post(&ObjectRef::new(Platform::Instagram, "other").unwrap(), None, &user()).await;
    assert_eq!(post.unwrap_err().class(), "malformed");
}

#[tokio::test]
async fn names_that_only_begin_alike_are_nobody() {
    let search = br#"{"data":[{"id":"8","username":"mira.lund2"},{"id":"9007199254740993","username":"Mira.Lund"}]}"#;
    let script = Script::default().on("/v1/users/search", 200, &[], search);
    let bridge = instagram(&Arc::new(script.on("/v1/users/9007199254740993", 200, &[], USER)), Some(Api::Legacy));
    let found = bridge.profile(&Who::Handle("mira.lund".into()), &user()).await.unwrap();
    assert_eq!(found.id, account("9007199254740993"));
    let nobody = bridge.profile(&Who::Handle("mira".into()), &user()).await;
    assert_eq!(nobody.unwrap_err().class(), "not_found");
}

#[tokio::test]
async fn ids_and_handles_that_could_change_the_path_are_never_sent() {
    let script = Arc::new(Script::default());
    let bridge = instagram(&script, Some(Api::Legacy));
    for who in [Who::Handle("../self".into()), Who::Id(account("7/media")), Who::Id(account("self"))] {
        let expected = if matches!(who, Who::Handle(_)) { "not_found" } else { "unsupported" };
        assert_eq!(bridge.profile(&who, &user()).await.unwrap_err().class(), expected, "{who:?}");
    }
    let post = ObjectRef::new(Platform::Instagram, "../users/self").unwrap();
    assert_eq!(bridge.post(&post, None, &user()).await.unwrap_err().class(), "unsupported");
    assert!(script.asked().is_empty());
}

#[tokio::test]
async fn a_post_list_of_today_belongs_to_the_account_behind_the_token() {
    let script = Script::default().on("/me", 200, &[], GRAPH_USER).on("/me/media", 200, &[], GRAPH_MEDIA);
    let bridge = instagram(&Arc::new(script), Some(Api::Graph));
    let own = PostsOf::Account(account("17841400000000001"));
    let page = bridge.posts(&own, None, &user()).await.unwrap();
    assert_eq!((page.items.len(), page.unreadable, page.next.is_some()), (2, 1, true));
    let foreign = bridge.posts(&PostsOf::Account(account("7")), None, &user()).await;
    assert_eq!(foreign.unwrap_err().class(), "forbidden");
}
