//! The App.net and pnut.io connector against the sandbox.

use std::collections::BTreeSet;
use std::io::Cursor as Bytes;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use super::sign_in::press;
use super::{Between, break_it, sandbox, until};
use crate::bridges::appnet::{App, AppNet, Config, Dialect};
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::http::LoopbackHttp;
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::{
    Access, Bridge, Credential, Error, Http, HttpFailure, HttpReply, HttpRequest, LikesQuery, LikesReply, LiveApi,
    PostsOf, Secret, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::sandbox::fault::Kind;
use crate::sandbox::model::{Token, World};
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};
use crate::sandbox::{Sandbox, control};

const APPNET: Platform = Platform::AppNet;
const CLAIM: &str = "https://node.example/claim/7f3a9c";

fn bridge_over(sandbox: &Sandbox, dialect: Dialect, http: Arc<dyn Http>) -> AppNet {
    let at = |path: &str| Url::parse(&format!("{}{path}", sandbox.base_url(APPNET))).unwrap();
    let (base, token_path) = match dialect {
        Dialect::AppNet => ("/stream/0", "/oauth/access_token"),
        Dialect::Pnut => ("/v1", "/v1/oauth/access_token"),
    };
    let app = App {
        auth_url: at("/oauth/authenticate"),
        token_url: at(token_path),
        client_id: CLIENT_ID.into(),
        client_secret: Secret::new(CLIENT_SECRET),
    };
    let config = Config {
        dialect,
        base_url: Some(at(base)),
        token: Some(Secret::new("t-instance")),
        user_agent: "fedflattr-test".into(),
        app: Some(app),
    };
    AppNet::new(config, http)
}

fn bridge(sandbox: &Sandbox) -> AppNet {
    bridge_over(sandbox, Dialect::AppNet, Arc::new(LoopbackHttp::new()))
}

/// A patron `nils`, a creator `mira`, and `count` posts of hers that he stars, the oldest last.
fn fill(world: &mut World, count: u32) -> ExternalId {
    world.add_user(APPNET, "mira");
    let nils = world.add_user(APPNET, "nils").id.clone();
    world.add_user(APPNET, "node");
    fresh_token(world);
    let posts: Vec<String> =
        (0..count).map(|number| world.add_post(APPNET, "mira", &format!("p{number}")).unwrap().id.clone()).collect();
    for post in posts.iter().rev() {
        world.advance(Duration::from_secs(60));
        world.like(APPNET, &nils, post, world.now).unwrap();
    }
    ExternalId::new(APPNET, &nils).unwrap()
}

/// The instance's own.
fn fresh_token(world: &mut World) {
    let instance = world.user(APPNET, "node").unwrap().id.clone();
    world.tokens.insert((APPNET, "t-instance".into()), Token::of(&instance));
}

fn truth(world: &World, who: &ExternalId) -> BTreeSet<ObjectRef> {
    let likes = world.likes_of(APPNET, who.account());
    likes.iter().map(|like| ObjectRef::new(APPNET, &like.post).unwrap()).collect()
}

fn seen(pass: &Pass) -> BTreeSet<ObjectRef> {
    pass.items.iter().map(|item| item.post.id.clone()).collect()
}

async fn read(bridge: &AppNet, who: &ExternalId) -> Pass {
    listing::read(bridge, &LikesQuery::first(Who::Id(who.clone()), Access::Instance), Depth::All).await
}

#[tokio::test]
async fn a_full_listing_equals_the_state() {
    for (count, pages) in [(0, 1), (1, 1), (200, 1), (201, 2), (250, 2), (2_500, 13)] {
        let sandbox = sandbox().await;
        let nils = fill(&mut sandbox.world(), count);
        let pass = read(&bridge(&sandbox), &nils).await;
        assert_eq!((&pass.end, pass.pages, pass.repeats), (&PassEnd::Complete, pages, 0), "{count} stars");
        assert_eq!(seen(&pass), truth(&sandbox.world(), &nils), "{count} stars");
        assert!(pass.items.iter().all(|item| item.liked_at.is_none() && item.post.owner.is_some()));
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn both_dialects_list_the_same_posts_under_ids_that_never_meet() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 250);
    let pnut = bridge_over(&sandbox, Dialect::Pnut, Arc::new(LoopbackHttp::new()));
    let marked = ExternalId::new(APPNET, &format!("pnut-{}", nils.account())).unwrap();
    let (old, new) = (read(&bridge(&sandbox), &nils).await, read(&pnut, &marked).await);
    assert!(old.is_complete() && new.is_complete());
    assert!(seen(&old).is_disjoint(&seen(&new)));
    let unmarked = seen(&new).iter().map(|id| ObjectRef::new(APPNET, &id.object()["pnut-".len()..]).unwrap()).collect();
    assert_eq!(seen(&old), unmarked);
    let pasted = format!("https://posts.pnut.io/{}", old.items[0].post.id.object());
    let found = pnut.resolve(&pnut.parse_reference(&pasted).unwrap(), &Access::Instance).await.unwrap();
    assert_eq!(found, new.items[0].post);
    assert_eq!(
        read(&pnut, &nils).await.end,
        PassEnd::Failed(Error::unsupported(format!("`{}` is no id of `pnut`", nils.account())))
    );
    sandbox.stop().await;
}

fn between(sandbox: &Arc<Sandbox>, change: impl Fn(&mut World, u32) + Send + Sync + 'static) -> AppNet {
    let shared = Arc::clone(sandbox);
    let change = move |reply| change(&mut shared.world(), reply);
    let http = Between::over(change);
    bridge_over(sandbox, Dialect::AppNet, http)
}

#[tokio::test]
async fn stars_on_new_and_old_posts_while_paging_lose_and_double_nothing() {
    let sandbox = Arc::new(sandbox().await);
    let nils = fill(&mut sandbox.world(), 450);
    // An old post, below all others, that is starred while the first page is read.
    sandbox.world().add_user(APPNET, "tove");
    sandbox.world().add_post(APPNET, "tove", "old").unwrap().id = "17".into();
    let before = truth(&sandbox.world(), &nils);
    let bridge = between(&sandbox, |world, reply| {
        let post = world.add_post(APPNET, "mira", &format!("new-{reply}")).unwrap().id.clone();
        world.like(APPNET, "nils", &post, world.now).unwrap();
        world.like(APPNET, "nils", "17", world.now).unwrap();
    });
    let pass = read(&bridge, &nils).await;
    assert_eq!((pass.is_complete(), pass.repeats), (true, 0));
    assert_eq!(pass.items.len(), seen(&pass).len());
    assert!(before.is_subset(&seen(&pass)));
    assert!(seen(&pass).iter().any(|id| id.object() == "17"), "found far below, where a reader of news would not look");
}

#[tokio::test]
async fn an_unlike_is_found_only_from_complete_listings() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 250);
    let known = truth(&sandbox.world(), &nils);
    let gone = known.first().unwrap().clone();
    sandbox.world().unlike(APPNET, "nils", gone.object()).unwrap();
    let bridge = bridge(&sandbox);
    for kind in [
        Kind::Http500,
        Kind::Http503,
        Kind::RateLimited { retry_after: 5 },
        Kind::TruncateBody,
        Kind::BadJson,
        Kind::HtmlErrorPage,
        Kind::CursorExpired,
        Kind::RedirectLoop,
        Kind::ExpiredToken,
    ] {
        break_it(&mut sandbox.world(), APPNET, "*/stars?*before_id=*", kind);
        let pass = read(&bridge, &nils).await;
        assert!(matches!(pass.end, PassEnd::Failed(_)), "{kind:?}");
        assert_eq!(pass.items.len(), 200, "{kind:?}: the first page still counts");
        assert_eq!(listing::unlikes(&known, &pass, Some(&pass)), Unlikes::Unknown, "{kind:?}");
    }
    fresh_token(&mut sandbox.world());
    let (first, second) = (read(&bridge, &nils).await, read(&bridge, &nils).await);
    assert_eq!(listing::unlikes(&known, &first, Some(&second)), Unlikes::Certain(vec![gone]));
    sandbox.stop().await;
}

#[tokio::test]
async fn pages_that_are_empty_or_overlap_are_read_on() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 450);
    let bridge = bridge(&sandbox);
    let second = "*/stars?*before_id=*";
    break_it(&mut sandbox.world(), APPNET, second, Kind::DuplicateAcrossPages);
    let pass = read(&bridge, &nils).await;
    assert_eq!((pass.items.len(), pass.repeats, pass.is_complete()), (450, 1, true));
    break_it(&mut sandbox.world(), APPNET, second, Kind::ItemInsertedBetweenPages);
    assert_eq!(read(&bridge, &nils).await.items.len(), 450, "what came in above is the work of the next pass");
    break_it(&mut sandbox.world(), APPNET, second, Kind::EmptyPageWithNext);
    let pass = read(&bridge, &nils).await;
    assert_eq!((pass.items.len(), pass.pages), (251, 3), "the last page is still reached");
    sandbox.stop().await;
}

#[tokio::test]
async fn faults_have_their_classes_and_a_wrong_content_type_does_no_harm() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 3);
    let bridge = bridge(&sandbox);
    for (kind, class) in [
        (Kind::Http500, Some("transient")),
        (Kind::Http502, Some("transient")),
        (Kind::Http503, Some("transient")),
        (Kind::TruncateBody, Some("malformed")),
        (Kind::BadJson, Some("malformed")),
        (Kind::HtmlErrorPage, Some("malformed")),
        (Kind::RateLimited { retry_after: 9 }, Some("rate_limited")),
        (Kind::SecondaryLimit { retry_after: 9 }, Some("rate_limited")),
        (Kind::MissingScope, Some("forbidden")),
        (Kind::PaymentRequired, Some("payment_required")),
        (Kind::DeadPlatform, Some("gone")),
        (Kind::RedirectLoop, Some("malformed")),
        (Kind::WrongContentType, None),
        (Kind::Slow { ms: 5 }, None),
        // The last: from then on the token is no good.
        (Kind::ExpiredToken, Some("unauthorized_expired")),
        (Kind::RevokedToken, Some("unauthorized")),
    ] {
        break_it(&mut sandbox.world(), APPNET, "*/stars", kind);
        let found = bridge.likes(&LikesQuery::first(Who::Id(nils.clone()), Access::Instance)).await;
        assert_eq!(found.err().map(|error| error.class()), class, "{kind:?}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn an_error_that_comes_with_status_200_is_that_error() {
    struct Flattened(LoopbackHttp);

    #[async_trait]
    impl Http for Flattened {
        async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
            Ok(HttpReply { status: 200, ..self.0.send(request).await? })
        }
    }

    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 0);
    let bridge = bridge_over(&sandbox, Dialect::AppNet, Arc::new(Flattened(LoopbackHttp::new())));
    let ask = async |access: Access| bridge.profile(&Who::Handle("nobody".into()), &access).await.unwrap_err().class();
    assert_eq!(ask(Access::Instance).await, "not_found");
    assert_eq!(ask(Access::User(Credential::bearer("wrong"))).await, "unauthorized");
    sandbox.stop().await;
}

#[tokio::test]
async fn limits_are_lifted_at_the_very_second_that_they_name() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 1);
    let at = Url::parse(&format!("{}/stream/0/", sandbox.base_url(APPNET))).unwrap();
    let config = Config {
        dialect: Dialect::AppNet,
        base_url: Some(at),
        token: None,
        user_agent: "fedflattr-test".into(),
        app: None,
    };
    let bridge = AppNet::new(config, Arc::new(LoopbackHttp::new()));
    let ask = || async { bridge.likes(&LikesQuery::first(Who::Id(nils.clone()), Access::Instance)).await };
    for _ in 0..50 {
        ask().await.expect("50 requests a minute need no token");
        // The window began with the first request, so the seconds to go become fewer.
        sandbox.world().advance(Duration::from_millis(500));
    }
    let lifted = until(ask().await);
    sandbox.world().now = lifted.minus(Duration::from_secs(1));
    assert_eq!(until(ask().await), lifted, "a second too early");
    sandbox.world().now = lifted;
    let LikesReply::Page(page) = ask().await.unwrap() else { panic!("there is no etag here") };
    assert_eq!(page.quota.remaining, Some(49));
    assert_eq!(page.quota.resets_at, Some(lifted.plus(Duration::from_secs(60))));
    sandbox.stop().await;
}

#[tokio::test]
async fn live_export_and_pasted_address_give_the_same_object() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 40);
    sandbox.world().post_mut(APPNET, "mira/p7").unwrap().title = Some("Tide table".into());
    sandbox.world().post_mut(APPNET, "mira/p7").unwrap().tags = vec!["tides".into()];
    let bridge = bridge(&sandbox);
    let live = read(&bridge, &nils).await;
    let file = control::export(&sandbox.world(), "appnet", "nils").unwrap();
    let mut archive = Archive::open(Bytes::new(file), "export.zip", Limits::default()).unwrap();
    let owner = archive.owner(bridge.export().unwrap()).unwrap();
    assert_eq!((owner.id.as_ref(), owner.handle.as_deref()), (Some(&nils), Some("nils")));
    let mut exported = Vec::new();
    archive
        .likes(bridge.export().unwrap(), &mut |item| {
            exported.push(item.unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(exported, live.items, "all shared fields");
    for item in live.items.iter().take(3) {
        let pasted = bridge.parse_reference(&item.post.url).unwrap();
        assert_eq!(pasted.post_id.as_deref(), Some(item.post.id.object()));
        assert_eq!(bridge.resolve(&pasted, &Access::Instance).await.unwrap(), item.post);
        assert_eq!(bridge.post(&item.post.id, None, &Access::Instance).await.unwrap(), item.post);
    }
    let pictured = live.items.iter().find(|item| !item.post.attachments.is_empty()).unwrap();
    assert_eq!(pictured.post.attachments[0].alt.as_deref(), Some("Tide table"));
    assert_eq!(pictured.post.tags, ["tides"]);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_claim_holds_for_the_stable_id_in_each_field_and_not_for_the_name() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 0);
    let mira = ExternalId::new(APPNET, &sandbox.world().user(APPNET, "mira").unwrap().id).unwrap();
    let bridge = bridge(&sandbox);
    let by_id = async || bridge.profile(&Who::Id(mira.clone()), &Access::Instance).await.unwrap();
    for dialect in [Dialect::AppNet, Dialect::Pnut] {
        let bridge = bridge_over(&sandbox, dialect, Arc::new(LoopbackHttp::new()));
        let of = async || bridge.profile(&Who::Handle("mira".into()), &Access::Instance).await.unwrap();
        sandbox.world().user_mut(APPNET, "mira").unwrap().bio = None;
        sandbox.world().user_mut(APPNET, "mira").unwrap().website = Some(CLAIM.into());
        assert!(proves(&of().await, CLAIM), "{dialect:?}: by the homepage");
        sandbox.world().user_mut(APPNET, "mira").unwrap().website = None;
        assert!(!proves(&of().await, CLAIM));
        sandbox.world().user_mut(APPNET, "mira").unwrap().bio = Some(format!("maps {CLAIM}"));
        assert!(proves(&of().await, CLAIM), "{dialect:?}: by the description");
    }
    {
        let world = &mut *sandbox.world();
        world.rename_user(APPNET, "mira", "mira_lund").unwrap();
        world.add_user(APPNET, "mira").bio = Some(CLAIM.into());
    }
    assert_eq!(by_id().await.handle, "mira_lund", "a rename keeps the id");
    assert!(proves(&by_id().await, CLAIM));
    let thief = bridge.profile(&Who::Handle("mira".into()), &Access::Instance).await.unwrap();
    assert_ne!(thief.id, mira, "the copy is a proof for its own id only");
    sandbox.world().user_mut(APPNET, mira.account()).unwrap().bio = None;
    assert!(!proves(&by_id().await, CLAIM));
    sandbox.stop().await;
}

#[tokio::test]
async fn likes_and_posts_follow_the_account_and_not_whoever_took_its_old_name() {
    let sandbox = Arc::new(sandbox().await);
    let nils = fill(&mut sandbox.world(), 250);
    // After the look-up of the name it changes hands.
    let bridge = between(&sandbox, |world, reply| {
        if reply == 1 {
            world.rename_user(APPNET, "nils", "nils_holm").unwrap();
            world.add_user(APPNET, "nils");
        }
    });
    let query = LikesQuery::first(Who::Handle("nils".into()), Access::Instance);
    let pass = listing::read(&bridge, &query, Depth::All).await;
    assert_eq!((pass.items.len(), pass.is_complete()), (250, true));
    assert_eq!(seen(&pass), truth(&sandbox.world(), &nils));
    let mira = ExternalId::new(APPNET, &sandbox.world().user(APPNET, "mira").unwrap().id).unwrap();
    let of = PostsOf::Account(mira);
    let first = bridge.posts(&of, None, &Access::Instance).await.unwrap();
    let second = bridge.posts(&of, first.next.as_ref(), &Access::Instance).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (200, 50, None));
}

#[tokio::test]
async fn a_person_signs_in_and_takes_it_back() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 5);
    for dialect in [Dialect::AppNet, Dialect::Pnut] {
        let bridge = bridge_over(&sandbox, dialect, Arc::new(LoopbackHttp::new()));
        let door = bridge.sign_in().unwrap();
        let callback = super::callback();
        let begun = door.begin(&callback, "s-1").await.unwrap();
        let answer = press(&begun.url, ("user", "nils")).await;
        let grant = door.finish(&callback, &begun.kept, &answer).await.unwrap();
        assert_eq!((&grant.refresh, grant.expires_in), (&None, None));
        let access = Access::User(grant.credential.clone());
        let profile = bridge.profile(&Who::TokenOwner, &access).await.unwrap();
        assert!(profile.id.account().ends_with(nils.account()));
        let own = LikesQuery::first(Who::TokenOwner, access.clone());
        assert_eq!(listing::read(&bridge, &own, Depth::All).await.items.len(), 5);
        sandbox.world().revoke_tokens(APPNET, "nils").unwrap();
        assert_eq!(bridge.profile(&Who::TokenOwner, &access).await.unwrap_err().class(), "unauthorized");
        let answer = press(&begun.url, ("deny", "1")).await;
        let refused = door.finish(&callback, &begun.kept, &answer).await;
        assert_eq!(refused.unwrap_err().class(), "forbidden");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn an_expired_token_is_told_from_a_wrong_one_and_a_new_sign_in_helps() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 1);
    {
        let world = &mut *sandbox.world();
        let ends = Token { expires_at: Some(world.now.plus(Duration::from_secs(60))), ..Token::of(nils.account()) };
        world.tokens.insert((APPNET, "t-nils".into()), ends);
    }
    let bridge = bridge(&sandbox);
    let ask = async |token: &str| bridge.profile(&Who::TokenOwner, &Access::User(Credential::bearer(token))).await;
    assert_eq!(ask("t-nils").await.unwrap().id, nils);
    sandbox.world().advance(Duration::from_secs(60));
    assert_eq!(ask("t-nils").await.unwrap_err().class(), "unauthorized_expired");
    assert_eq!(ask("t-other").await.unwrap_err().class(), "unauthorized");
    let callback = super::callback();
    let door = bridge.sign_in().unwrap();
    let begun = door.begin(&callback, "s").await.unwrap();
    let answer = press(&begun.url, ("user", "nils")).await;
    let grant = door.finish(&callback, &begun.kept, &answer).await.unwrap();
    assert_eq!(door.refresh(&grant).await.unwrap_err().class(), "unauthorized_expired", "there is no renewal here");
    let again = bridge.profile(&Who::TokenOwner, &Access::User(grant.credential)).await.unwrap();
    assert_eq!(again.id, nils);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_star_set_through_the_api_is_seen_and_taken_back() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 0);
    let post = sandbox.world().add_post(APPNET, "mira", "atlas").unwrap().id.clone();
    sandbox.world().tokens.insert((APPNET, "t-nils".into()), Token::of(nils.account()));
    let bridge = bridge(&sandbox);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let base = sandbox.base_url(APPNET);
    let (star, bookmark) = (format!("{base}/stream/0/posts/{post}/star"), format!("{base}/v1/posts/{post}/bookmark"));
    for (method, url, likers) in [
        (reqwest::Method::POST, &star, 1),
        (reqwest::Method::POST, &star, 1),
        (reqwest::Method::DELETE, &star, 0),
        (reqwest::Method::PUT, &bookmark, 1),
        (reqwest::Method::DELETE, &bookmark, 0),
    ] {
        let reply = client.request(method, url).header("authorization", "Bearer t-nils").send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        assert_eq!(read(&bridge, &nils).await.items.len(), likers);
    }
    let basic = Token { scopes: Some(vec!["basic".into()]), ..Token::of(nils.account()) };
    sandbox.world().tokens.insert((APPNET, "t-basic".into()), basic);
    let reply = client.post(&star).header("authorization", "Bearer t-basic").send().await.unwrap();
    assert_eq!((reply.status().as_u16(), reply.headers()["x-oauth-scopes"].to_str().unwrap()), (403, "basic"));
    assert_eq!(client.post(&star).send().await.unwrap().status().as_u16(), 401);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_pages_of_the_sandbox_follow_the_examples_of_the_documentation() {
    let sandbox = sandbox().await;
    {
        let world = &mut *sandbox.world();
        world.add_user(APPNET, "mira");
        for number in 1..=10 {
            world.add_post(APPNET, "mira", &format!("p{number}")).unwrap().id = number.to_string();
        }
    }
    let base = sandbox.base_url(APPNET);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let check = async |query: &str, expected: &[&str], more: bool| {
        let url = format!("{base}/stream/0/users/@mira/posts?{query}");
        let body: serde_json::Value =
            serde_json::from_slice(&client.get(url).send().await.unwrap().bytes().await.unwrap()).unwrap();
        let ids: Vec<&str> =
            body["data"].as_array().unwrap().iter().map(|post| post["pagination_id"].as_str().unwrap()).collect();
        assert_eq!((ids.as_slice(), &body["meta"]["more"]), (expected, &serde_json::json!(more)), "{query}");
    };
    check("before_id=9&since_id=2&count=2", &["8", "7"], true).await;
    check("before_id=9&since_id=2&count=-2", &["4", "3"], true).await;
    check("before_id=4&since_id=2&count=2", &["3"], false).await;
    check("before_id=1", &[], false).await;
    sandbox.stop().await;
}
