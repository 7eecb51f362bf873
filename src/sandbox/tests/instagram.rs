//! The Instagram connector against the sandbox: the closed API, the one of today, and the export file.

use std::collections::BTreeSet;
use std::io::Cursor as File;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::sign_in::press;
use super::{Between, break_it, callback, sandbox};
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::http::LoopbackHttp;
use crate::bridges::instagram::{Api, ApiConfig, Config, Instagram, export::Export};
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::{
    Access, Bridge, Credential, Error, Grant, Http, LikeItem, LikesQuery, LikesReply, LiveApi, PostsOf, Secret, Who,
    proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::sandbox::fault::Kind;
use crate::sandbox::instagram::payload::shortcode;
use crate::sandbox::model::{PostKind, Token, World};
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};
use crate::sandbox::{Sandbox, control};

const INSTAGRAM: Platform = Platform::Instagram;
const CLAIM: &str = "https://node.example/claim/7f3a9c";

fn bridge_over(sandbox: &Sandbox, api: Api, http: Arc<dyn Http>) -> Instagram {
    let at = |path: &str| Url::parse(&format!("{}{path}", sandbox.base_url(INSTAGRAM))).unwrap();
    let api = ApiConfig {
        api,
        base_url: at("/"),
        authorize_url: at("/oauth/authorize"),
        token_url: at("/oauth/access_token"),
        client_id: Some(CLIENT_ID.into()),
        client_secret: Some(Secret::new(CLIENT_SECRET)),
        token: None,
        signs_requests: true,
    };
    Instagram::new(Config { api: Some(api), user_agent: "fedflattr-test".into() }, http)
}

fn bridge(sandbox: &Sandbox, api: Api) -> Instagram {
    bridge_over(sandbox, api, Arc::new(LoopbackHttp::new()))
}

fn access() -> Access {
    Access::User(Credential::bearer("t-nils"))
}

/// A patron `nils` with a token, a creator `mira`, and `count` posts of hers that he likes, one a minute.
fn fill(world: &mut World, count: u32) -> ExternalId {
    world.add_user(INSTAGRAM, "mira");
    let nils = world.add_user(INSTAGRAM, "nils").id.clone();
    world.tokens.insert((INSTAGRAM, "t-nils".into()), Token::of(&nils));
    for number in 0..count {
        world.advance(Duration::from_secs(60));
        like_new(world, number);
    }
    ExternalId::new(INSTAGRAM, &nils).unwrap()
}

fn like_new(world: &mut World, number: u32) {
    let post = world.add_post(INSTAGRAM, "mira", &format!("tide-{number}")).unwrap();
    post.kind = if number.is_multiple_of(2) { PostKind::Image } else { PostKind::Video };
    post.description = Some(format!("Z\u{fc}rich {number}"));
    let id = post.id.clone();
    world.like(INSTAGRAM, "nils", &id, world.now).unwrap();
}

fn object(id: &str) -> ObjectRef {
    ObjectRef::new(INSTAGRAM, &shortcode(id)).unwrap()
}

fn truth(world: &World, who: &ExternalId) -> Vec<ObjectRef> {
    world.likes_of(INSTAGRAM, who.account()).iter().map(|like| object(&like.post)).collect()
}

fn seen(pass: &Pass) -> Vec<ObjectRef> {
    pass.items.iter().map(|item| item.post.id.clone()).collect()
}

async fn read(bridge: &Instagram, who: &ExternalId) -> Pass {
    listing::read(bridge, &LikesQuery::first(Who::Id(who.clone()), access()), Depth::All).await
}

#[tokio::test]
async fn a_full_listing_equals_the_state() {
    for count in [0, 1, 33, 34, 250] {
        let sandbox = sandbox().await;
        let nils = fill(&mut sandbox.world(), count);
        let pass = read(&bridge(&sandbox, Api::Legacy), &nils).await;
        assert_eq!(pass.end, PassEnd::Complete, "{count}");
        assert_eq!((seen(&pass), pass.repeats), (truth(&sandbox.world(), &nils), 0), "{count}");
        assert!(
            sandbox.world().requests.iter().all(|request| !request.query.contains("t-nils")),
            "the log keeps no token"
        );
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn likes_inserted_while_paging_lose_and_double_nothing() {
    let sandbox = Arc::new(sandbox().await);
    let nils = fill(&mut sandbox.world(), 150);
    let before: BTreeSet<ObjectRef> = truth(&sandbox.world(), &nils).into_iter().collect();
    let shared = Arc::clone(&sandbox);
    let change = move |reply: u32| {
        let world = &mut *shared.world();
        for copy in 0..7 {
            world.advance(Duration::from_secs(1));
            like_new(world, 1_000 * reply + copy);
        }
    };
    let http = Between::over(change);
    let pass = read(&bridge_over(&sandbox, Api::Legacy, http), &nils).await;
    let found: BTreeSet<ObjectRef> = seen(&pass).into_iter().collect();
    assert!(pass.is_complete());
    assert_eq!(found.len(), pass.items.len(), "none is doubled");
    assert!(before.is_subset(&found), "none is lost");
}

#[tokio::test]
async fn an_unlike_is_found_only_from_complete_listings() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 50);
    let bridge = bridge(&sandbox, Api::Legacy);
    let known: BTreeSet<ObjectRef> = truth(&sandbox.world(), &nils).into_iter().collect();
    let gone = sandbox.world().likes_of(INSTAGRAM, nils.account())[7].post.clone();
    let url = format!("{}/v1/media/{gone}_7/likes?access_token=t-nils", sandbox.base_url(INSTAGRAM));
    let reply = reqwest::Client::builder().no_proxy().build().unwrap().delete(url).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 200);
    break_it(&mut sandbox.world(), INSTAGRAM, "*liked?*max_like_id*", Kind::Http502);
    let pass = read(&bridge, &nils).await;
    assert!(matches!(pass.end, PassEnd::Failed(_)));
    assert_eq!(listing::unlikes(&known, &pass, Some(&pass)), Unlikes::Unknown);
    let (first, second) = (read(&bridge, &nils).await, read(&bridge, &nils).await);
    assert_eq!(listing::unlikes(&known, &first, Some(&second)), Unlikes::Certain(vec![object(&gone)]));
    sandbox.stop().await;
}

#[tokio::test]
async fn faults_have_their_classes() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 3);
    let bridge = bridge(&sandbox, Api::Legacy);
    let check = async |kind: Kind, class: Option<&str>| {
        break_it(&mut sandbox.world(), INSTAGRAM, "*", kind);
        let found = bridge.likes(&LikesQuery::first(Who::TokenOwner, access())).await;
        assert_eq!(found.err().map(|error| error.class()), class, "{kind:?}");
    };
    check(Kind::Http500, Some("transient")).await;
    check(Kind::Http503, Some("transient")).await;
    check(Kind::TruncateBody, Some("malformed")).await;
    check(Kind::BadJson, Some("malformed")).await;
    check(Kind::HtmlErrorPage, Some("malformed")).await;
    check(Kind::RateLimited { retry_after: 9 }, Some("rate_limited")).await;
    check(Kind::SecondaryLimit { retry_after: 9 }, Some("rate_limited")).await;
    check(Kind::MissingScope, Some("forbidden")).await;
    check(Kind::CursorExpired, Some("malformed")).await;
    check(Kind::RedirectLoop, Some("malformed")).await;
    check(Kind::WrongContentType, None).await;
    // The last: from then on the token is no good.
    check(Kind::ExpiredToken, Some("unauthorized_expired")).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn a_limit_names_no_time_and_ends_with_the_hour() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 1);
    let bridge = bridge(&sandbox, Api::Legacy);
    let ask = || async { bridge.likes(&LikesQuery::first(Who::TokenOwner, access())).await };
    ask().await.unwrap();
    let end = {
        let world = &mut *sandbox.world();
        let usage = world.usage.get_mut(&(INSTAGRAM, "t-nils".to_owned())).unwrap();
        usage.used = 4_999;
        usage.resets_at
    };
    let LikesReply::Page(page) = ask().await.unwrap() else { panic!("a page") };
    assert_eq!(page.quota.remaining, Some(0));
    let limited = ask().await.unwrap_err();
    assert!(matches!(limited, Error::RateLimited { until: None, .. }), "{limited:?}");
    sandbox.world().now = end.minus(Duration::from_secs(1));
    assert_eq!(ask().await.unwrap_err().class(), "rate_limited");
    sandbox.world().now = end;
    assert!(ask().await.is_ok());
    sandbox.stop().await;
}

async fn sign_in(bridge: &Instagram, button: (&str, &str)) -> Result<Grant, Error> {
    let door = bridge.sign_in().unwrap();
    let begun = door.begin(&callback(), "state-7").await?;
    let answer = press(&begun.url, button).await;
    door.finish(&callback(), &begun.kept, &answer).await
}

#[tokio::test]
async fn a_person_signs_in_by_either_api_and_a_token_that_was_taken_back_is_refused() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 2);
    for api in [Api::Legacy, Api::Graph] {
        let bridge = bridge(&sandbox, api);
        assert_eq!(sign_in(&bridge, ("deny", "1")).await.unwrap_err().class(), "forbidden");
        let grant = sign_in(&bridge, ("user", "nils")).await.unwrap();
        let access = Access::User(grant.credential.clone());
        assert_eq!(bridge.profile(&Who::TokenOwner, &access).await.unwrap().id, nils, "{api:?}");
        let renewed = bridge.sign_in().unwrap().refresh(&grant).await;
        let (expected, life) = match api {
            Api::Legacy => ("unauthorized_expired", None),
            // Younger than a day, it is not renewed.
            Api::Graph => ("malformed", Some(Duration::from_secs(30 * 24 * 3_600))),
        };
        assert_eq!((renewed.unwrap_err().class(), grant.expires_in), (expected, life));
        sandbox.world().revoke_tokens(INSTAGRAM, "nils").unwrap();
        let refused = bridge.profile(&Who::TokenOwner, &access).await;
        assert!(matches!(refused, Err(Error::Unauthorized { .. })), "{api:?}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn what_is_granted_today_lasts_for_as_long_as_somebody_looks_now_and_then() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 1);
    let bridge = bridge(&sandbox, Api::Graph);
    let mut grant = sign_in(&bridge, ("user", "nils")).await.unwrap();
    for _ in 0..4 {
        let life = grant.expires_in.expect("it ends");
        sandbox.world().advance(life);
        let access = Access::User(grant.credential.clone());
        assert_eq!(bridge.profile(&Who::TokenOwner, &access).await.unwrap().id, nils, "it is renewed before it ends");
        grant = bridge.sign_in().unwrap().refresh(&grant).await.unwrap();
    }
    sandbox.world().advance(Duration::from_secs(61 * 24 * 3_600));
    let late = bridge.sign_in().unwrap().refresh(&grant).await;
    assert_eq!(late.unwrap_err().class(), "unauthorized_expired", "sign in again");
    // Without the exchange the sign-in proves all the same whose account it is, for an hour.
    break_it(&mut sandbox.world(), INSTAGRAM, "/access_token", Kind::Http503);
    let grant = sign_in(&bridge, ("user", "nils")).await.unwrap();
    assert_eq!(grant.expires_in, Some(Duration::from_secs(3_600)));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_token_that_ended_is_told_from_one_that_nobody_has_where_the_api_tells() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 1);
    let ended = Token { expires_at: Some(sandbox.world().now), ..Token::of(nils.account()) };
    sandbox.world().tokens.insert((INSTAGRAM, "ended".into()), ended);
    let ask = async |api: Api, token: &str| {
        let access = Access::User(Credential::bearer(token));
        bridge(&sandbox, api).profile(&Who::TokenOwner, &access).await.unwrap_err().class()
    };
    assert_eq!(ask(Api::Graph, "ended").await, "unauthorized_expired");
    assert_eq!(ask(Api::Graph, "nobody's").await, "unauthorized");
    assert_eq!(ask(Api::Legacy, "ended").await, "unauthorized_expired");
    sandbox.stop().await;
}

/// - `form`: the one since 2026 has a name.
fn exported(sandbox: &Sandbox, user: &str, form: Option<&str>) -> (Vec<LikeItem>, Option<String>) {
    let bytes = control::export_as(&sandbox.world(), "instagram", user, form).unwrap();
    let mut archive = Archive::open(File::new(bytes), "instagram.zip", Limits::default()).unwrap();
    let owner = archive.owner(&Export).unwrap().handle;
    let mut items = Vec::new();
    archive
        .likes(&Export, &mut |item| {
            items.push(item.unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    (items, owner)
}

#[tokio::test]
async fn the_closed_api_the_export_and_a_pasted_address_agree() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 70);
    let (items, owner) = exported(&sandbox, "nils", None);
    assert_eq!((items.len(), owner.as_deref()), (70, Some("nils")));
    let (labelled, owner) = exported(&sandbox, "nils", Some("labelled"));
    assert_eq!((labelled.len(), owner.as_deref()), (70, Some("nils")));
    assert!(control::export_as(&sandbox.world(), "instagram", "nils", Some("xml")).is_err());
    let bridge = bridge(&sandbox, Api::Legacy);
    let live = read(&bridge, &nils).await;
    let times: Vec<_> = sandbox.world().likes_of(INSTAGRAM, nils.account()).iter().map(|like| like.at).collect();
    for ((titled, labelled), live) in items.iter().zip(&labelled).zip(&live.items) {
        let (a, b) = (&titled.post, &labelled.post);
        assert_eq!((&a.id, a.kind, &a.url, &a.owner_handle), (&b.id, b.kind, &b.url, &b.owner_handle));
        assert_eq!(titled.liked_at, labelled.liked_at);
        assert_eq!(b.description, live.post.description, "this form has the words, too");
    }
    for ((exported, live), at) in items.iter().zip(&live.items).zip(times) {
        let (a, b) = (&exported.post, &live.post);
        assert_eq!((&a.id, a.kind, &a.url, &a.owner_handle), (&b.id, b.kind, &b.url, &b.owner_handle));
        assert_eq!((&a.owner, exported.liked_at), (&None, Some(at)), "the export dates likes and names no number");
    }
    let live = &live.items[0].post;
    assert_eq!(live.description.as_deref(), Some("Z\u{fc}rich 69"));
    let pasted = bridge.parse_reference(&format!("instagr.am/reel/{}?igshid=x", live.id.object())).unwrap();
    assert_eq!(pasted.post_id.as_deref(), Some(live.id.object()));
    assert_eq!(bridge.resolve(&pasted, &access()).await.unwrap(), *live);
    assert_eq!(bridge.post(&live.id, None, &access()).await.unwrap(), *live);
    sandbox.stop().await;
}

#[tokio::test]
async fn both_apis_list_the_same_posts_of_an_account() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 120);
    let mira = ExternalId::new(INSTAGRAM, &sandbox.world().user(INSTAGRAM, "mira").unwrap().id).unwrap();
    sandbox.world().tokens.insert((INSTAGRAM, "t-mira".into()), Token::of(mira.account()));
    let own = Access::User(Credential::bearer("t-mira"));
    let mut lists = Vec::new();
    for api in [Api::Legacy, Api::Graph] {
        let (bridge, mut found, mut cursor) = (bridge(&sandbox, api), Vec::new(), None);
        loop {
            let page = bridge.posts(&PostsOf::Account(mira.clone()), cursor.as_ref(), &own).await.unwrap();
            assert_eq!(page.unreadable, 0);
            found.extend(
                page.items.into_iter().map(|post| (post.id, post.title, post.owner, post.published, post.kind)),
            );
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        lists.push(found);
    }
    assert_eq!((lists[0].len(), &lists[0]), (120, &lists[1]));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_claim_holds_for_the_stable_id_in_each_field_and_not_for_the_name() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 5);
    let mira = ExternalId::new(INSTAGRAM, &sandbox.world().user(INSTAGRAM, "mira").unwrap().id).unwrap();
    let bridge = bridge(&sandbox, Api::Legacy);
    let by_id = async || bridge.profile(&Who::Id(mira.clone()), &access()).await.unwrap();
    sandbox.world().user_mut(INSTAGRAM, mira.account()).unwrap().bio = Some(format!("Tides. {CLAIM}"));
    assert!(proves(&by_id().await, CLAIM), "in the bio");
    {
        let world = &mut *sandbox.world();
        let user = world.user_mut(INSTAGRAM, mira.account()).unwrap();
        (user.bio, user.website) = (None, Some(CLAIM.into()));
    }
    assert!(proves(&by_id().await, CLAIM), "as website");
    {
        let world = &mut *sandbox.world();
        world.rename_user(INSTAGRAM, "mira", "mira.lund").unwrap();
        world.user_mut(INSTAGRAM, mira.account()).unwrap().website = None;
        world.add_user(INSTAGRAM, "mira").website = Some(CLAIM.into());
        world.rename_user(INSTAGRAM, "nils", "nils.holm").unwrap();
    }
    assert!(!proves(&by_id().await, CLAIM), "the copy under the old name does not help");
    let other = bridge.profile(&Who::Handle("mira".into()), &access()).await.unwrap();
    assert!(proves(&other, CLAIM) && other.id != mira);
    assert_eq!(read(&bridge, &nils).await.items.len(), 5, "a rename keeps the likes");
    sandbox.stop().await;
}
