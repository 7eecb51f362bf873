//! The 500px connector against the sandbox, in both ages of the interface.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::sign_in::press;
use super::{Between, break_it, sandbox};
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::five_hundred_px::{Config, FiveHundredPx};
use crate::bridges::http::{Header, LoopbackHttp, Method};
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::oauth1::{Consumer, Token, authorization};
use crate::bridges::{
    Access, Bridge, Credential, Error, Grant, Http, HttpRequest, LikeItem, LikesQuery, LiveApi, PostsOf, Secret, Who,
    proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::sandbox::Sandbox;
use crate::sandbox::control::export;
use crate::sandbox::fault::Kind;
use crate::sandbox::five_hundred_px::ERA;
use crate::sandbox::model::{self, World};
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};

const PX: Platform = Platform::FiveHundredPx;
const CLAIM: &str = "https://node.example/claim/7f3a9c";

fn bridge_with(sandbox: &Sandbox, http: Arc<dyn Http>, key: &str, secret: &str) -> FiveHundredPx {
    let config = Config {
        base_url: Some(Url::parse(&sandbox.base_url(PX)).unwrap()),
        auth_url: None,
        consumer_key: Some(key.to_owned()),
        consumer_secret: Some(Secret::new(secret)),
        user_agent: "fedflattr-test".into(),
    };
    FiveHundredPx::new(config, http)
}

fn bridge_over(sandbox: &Sandbox, http: Arc<dyn Http>) -> FiveHundredPx {
    bridge_with(sandbox, http, CLIENT_ID, CLIENT_SECRET)
}

fn bridge(sandbox: &Sandbox) -> FiveHundredPx {
    bridge_over(sandbox, Arc::new(LoopbackHttp::new()))
}

/// A patron `nils` with a token, a creator `mira`, and `count` photos of hers that he likes, one a minute.
fn fill(world: &mut World, count: u32) -> ExternalId {
    world.add_user(PX, "mira");
    let nils = world.add_user(PX, "nils").id.clone();
    world.tokens.insert((PX, "t-nils".into()), model::Token::signed(&nils, "s-nils"));
    for number in 0..count {
        like_new(world, &format!("ice-{number}"));
    }
    ExternalId::new(PX, &nils).unwrap()
}

fn like_new(world: &mut World, name: &str) {
    let post = world.add_post(PX, "mira", name).unwrap().id.clone();
    world.advance(Duration::from_secs(60));
    world.like(PX, "nils", &post, world.now).unwrap();
}

/// Before December 2015, when favourites were a list.
fn turn_back(world: &mut World) {
    world.kept.insert((PX, ERA.into()), "2013".into());
}

fn nils_signs() -> Access {
    Access::User(Credential::Signed { token: Secret::new("t-nils"), secret: Secret::new("s-nils") })
}

/// What the platform itself would swear to, newest first.
fn truth(world: &World, who: &ExternalId) -> Vec<ObjectRef> {
    world.likes_of(PX, who.account()).iter().map(|like| ObjectRef::new(PX, &like.post).unwrap()).collect()
}

fn seen(pass: &Pass) -> Vec<ObjectRef> {
    assert!(pass.items.iter().all(|item| item.liked_at.is_none()), "500px dates no favourite");
    pass.items.iter().map(|item| item.post.id.clone()).collect()
}

fn set(objects: &[ObjectRef]) -> BTreeSet<ObjectRef> {
    objects.iter().cloned().collect()
}

async fn read(bridge: &FiveHundredPx, who: &ExternalId) -> Pass {
    listing::read(bridge, &LikesQuery::first(Who::Id(who.clone()), Access::Instance), Depth::All).await
}

#[tokio::test]
async fn a_full_listing_equals_the_state_in_both_ages() {
    for is_old in [false, true] {
        for (count, pages) in [(0, 1), (1, 1), (100, 1), (101, 2), (250, 3)] {
            let sandbox = sandbox().await;
            let nils = fill(&mut sandbox.world(), count);
            if is_old {
                turn_back(&mut sandbox.world());
            }
            let pass = read(&bridge(&sandbox), &nils).await;
            assert_eq!((pass.end.clone(), pass.pages), (PassEnd::Complete, pages), "{count} likes");
            let mut expected = truth(&sandbox.world(), &nils);
            if !is_old {
                expected.reverse();
            }
            assert_eq!(seen(&pass), expected, "{count} likes");
            sandbox.stop().await;
        }
    }
}

#[tokio::test]
async fn likes_inserted_while_paging_are_neither_lost_nor_doubled() {
    for is_old in [false, true] {
        let sandbox = Arc::new(sandbox().await);
        let nils = fill(&mut sandbox.world(), 350);
        if is_old {
            turn_back(&mut sandbox.world());
        }
        let before = set(&truth(&sandbox.world(), &nils));
        let shared = Arc::clone(&sandbox);
        let change = move |reply| {
            for copy in 0..7 {
                like_new(&mut shared.world(), &format!("new-{reply}-{copy}"));
            }
        };
        let http = Between::over(change);
        let pass = read(&bridge_over(&sandbox, http), &nils).await;
        let found = seen(&pass);
        assert!(pass.is_complete());
        assert_eq!(found.len(), set(&found).len(), "none is doubled");
        assert!(before.is_subset(&set(&found)), "none is lost");
    }
}

#[tokio::test]
async fn an_unlike_is_found_only_from_complete_listings() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 150);
    let known = set(&truth(&sandbox.world(), &nils));
    let gone = known.first().unwrap().clone();
    sandbox.world().unlike(PX, "nils", gone.object()).unwrap();
    let bridge = bridge(&sandbox);
    for kind in [
        Kind::Http500,
        Kind::Http502,
        Kind::RateLimited { retry_after: 5 },
        Kind::TruncateBody,
        Kind::BadJson,
        Kind::HtmlErrorPage,
        Kind::DeadPlatform,
    ] {
        break_it(&mut sandbox.world(), PX, "/v1/users/*/items?*page=2*", kind);
        let pass = read(&bridge, &nils).await;
        assert!(matches!(pass.end, PassEnd::Failed(_)), "{kind:?}");
        assert_eq!(pass.items.len(), 100, "{kind:?}: the first page still counts");
        assert_eq!(listing::unlikes(&known, &pass, Some(&pass)), Unlikes::Unknown, "{kind:?}");
    }
    let (first, second) = (read(&bridge, &nils).await, read(&bridge, &nils).await);
    assert_eq!(listing::unlikes(&known, &first, Some(&second)), Unlikes::Certain(vec![gone]));
    sandbox.stop().await;
}

#[tokio::test]
async fn somebody_who_left_took_nothing_back() {
    for is_old in [false, true] {
        let sandbox = sandbox().await;
        let nils = fill(&mut sandbox.world(), 2);
        if is_old {
            turn_back(&mut sandbox.world());
        }
        let known = set(&truth(&sandbox.world(), &nils));
        sandbox.world().delete_user(PX, "nils").unwrap();
        let pass = read(&bridge(&sandbox), &nils).await;
        assert!(matches!(pass.end, PassEnd::Failed(Error::NotFound { .. })), "{:?}", pass.end);
        assert_eq!(listing::unlikes(&known, &pass, None), Unlikes::Unknown);
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn faults_have_their_classes_and_a_wrong_content_type_does_no_harm() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 3);
    let bridge = bridge(&sandbox);
    let check = async |kind: Kind, class: Option<&str>| {
        break_it(&mut sandbox.world(), PX, "/v1/users/show", kind);
        let found = bridge.profile(&Who::Id(nils.clone()), &Access::Instance).await;
        assert_eq!(found.err().map(|error| error.class()), class, "{kind:?}");
    };
    check(Kind::Http500, Some("transient")).await;
    check(Kind::Http503, Some("transient")).await;
    check(Kind::TruncateBody, Some("malformed")).await;
    check(Kind::BadJson, Some("malformed")).await;
    check(Kind::HtmlErrorPage, Some("malformed")).await;
    check(Kind::RateLimited { retry_after: 9 }, Some("rate_limited")).await;
    check(Kind::ExpiredToken, Some("unauthorized_expired")).await;
    check(Kind::RevokedToken, Some("unauthorized")).await;
    check(Kind::MissingScope, Some("forbidden")).await;
    check(Kind::PaymentRequired, Some("payment_required")).await;
    check(Kind::ClockSkew, Some("unauthorized")).await;
    check(Kind::DeadPlatform, Some("forbidden")).await;
    check(Kind::RedirectLoop, Some("malformed")).await;
    check(Kind::WrongContentType, None).await;
    check(Kind::Slow { ms: 5 }, None).await;
    let stranger = bridge_with(&sandbox, Arc::new(LoopbackHttp::new()), "guess", "guess");
    assert_eq!(stranger.profile(&Who::Id(nils.clone()), &Access::Instance).await.unwrap_err().class(), "unauthorized");
    let now = sandbox.world().now;
    break_it(&mut sandbox.world(), PX, "*", Kind::SecondaryLimit { retry_after: 61 });
    let limited = bridge.profile(&Who::Id(nils), &Access::Instance).await;
    let Err(Error::RateLimited { until, .. }) = limited else { panic!("a limit") };
    assert_eq!(until, Some(now.plus(Duration::from_secs(61))), "to the second");
    sandbox.stop().await;
}

async fn sign_in(bridge: &FiveHundredPx, button: (&str, &str)) -> Result<Grant, Error> {
    let callback = super::callback();
    let door = bridge.sign_in().unwrap();
    let begun = door.begin(&callback, "unused").await?;
    let answer = press(&begun.url, button).await;
    door.finish(&callback, &begun.kept, &answer).await
}

#[tokio::test]
async fn a_person_signs_in_reads_their_own_list_and_takes_the_token_back() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 3);
    let bridge = bridge(&sandbox);
    assert_eq!(sign_in(&bridge, ("deny", "1")).await.unwrap_err().class(), "forbidden");
    let grant = sign_in(&bridge, ("user", "nils")).await.unwrap();
    let access = Access::User(grant.credential.clone());
    assert_eq!(bridge.profile(&Who::TokenOwner, &access).await.unwrap().id, nils);
    let pass = listing::read(&bridge, &LikesQuery::first(Who::TokenOwner, access.clone()), Depth::All).await;
    assert_eq!(set(&seen(&pass)), set(&truth(&sandbox.world(), &nils)));
    assert_eq!(bridge.sign_in().unwrap().refresh(&grant).await.unwrap_err().class(), "unsupported");
    sandbox.world().revoke_tokens(PX, "nils").unwrap();
    assert_eq!(bridge.profile(&Who::TokenOwner, &access).await.unwrap_err().class(), "unauthorized");
    let imposter = bridge_with(&sandbox, Arc::new(LoopbackHttp::new()), CLIENT_ID, "guess");
    assert_eq!(imposter.profile(&Who::TokenOwner, &nils_signs()).await.unwrap_err().class(), "unauthorized");
    sandbox.stop().await;
}

#[tokio::test]
async fn live_list_saved_pages_and_pasted_addresses_give_the_same_objects() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 101);
    turn_back(&mut sandbox.world());
    let bridge = bridge(&sandbox);
    let live = read(&bridge, &nils).await;
    let file = export(&sandbox.world(), "500px", "nils").unwrap();
    let mut archive = Archive::open(Cursor::new(file), "saved.zip", Limits::default()).unwrap();
    let reader = bridge.export().unwrap();
    assert_eq!(archive.owner(reader).unwrap().id, Some(nils));
    let collect = |archive: &mut Archive<Cursor<Vec<u8>>>| {
        let mut found = Vec::new();
        let mut take = |item: Result<LikeItem, Error>| {
            found.push(item.unwrap().post);
            ControlFlow::Continue(())
        };
        archive.likes(reader, &mut take).unwrap();
        found
    };
    let saved = collect(&mut archive);
    let same = |item: &LikeItem| (item.post.id.clone(), item.post.owner.clone(), item.post.title.clone());
    let expected: Vec<_> = live.items.iter().map(same).collect();
    let found: Vec<_> = saved.iter().map(|post| (post.id.clone(), post.owner.clone(), post.title.clone())).collect();
    assert_eq!(found, expected);
    let pasted: String = live.items.iter().map(|item| format!("{}/some-words\n", item.post.url)).collect();
    let mut list = Archive::open(Cursor::new(pasted.into_bytes()), "list.txt", Limits::default()).unwrap();
    let listed: Vec<ObjectRef> = collect(&mut list).into_iter().map(|post| post.id).collect();
    assert_eq!(listed, seen(&live));
    for pasted in [&live.items[0].post.url, live.items[0].post.thumbnail_url.as_ref().unwrap()] {
        let reference = bridge.parse_reference(pasted).unwrap();
        let found = bridge.resolve(&reference, &Access::Instance).await.unwrap();
        assert_eq!(found, live.items[0].post, "{pasted}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn hidden_photos_are_not_listed_and_not_given_out() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 2);
    sandbox.world().post_mut(PX, "mira/ice-0").unwrap().is_private = true;
    let bridge = bridge(&sandbox);
    assert_eq!(read(&bridge, &nils).await.items.len(), 1);
    let hidden = ObjectRef::new(PX, &sandbox.world().post(PX, "mira/ice-0").unwrap().id).unwrap();
    assert_eq!(bridge.post(&hidden, None, &Access::Instance).await.unwrap_err().class(), "forbidden");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_rename_keeps_the_ids_and_gives_nothing_to_whoever_takes_the_name() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 2);
    let bridge = bridge(&sandbox);
    let liked = read(&bridge, &nils).await.items.remove(0).post;
    let mira = liked.owner.clone().unwrap();
    {
        let world = &mut *sandbox.world();
        world.rename_user(PX, "mira", "mira_lund").unwrap();
        world.rename_user(PX, "nils", "nils_holm").unwrap();
        world.add_user(PX, "mira");
        world.add_user(PX, "nils");
    }
    assert_eq!(read(&bridge, &nils).await.items.len(), 2);
    let moved = bridge.post(&liked.id, None, &Access::Instance).await.unwrap();
    assert_eq!((&moved.id, &moved.owner), (&liked.id, &liked.owner));
    let by_name = async |name: &str| bridge.profile(&Who::Handle(name.into()), &Access::Instance).await.unwrap().id;
    assert_eq!(by_name("Mira_Lund").await, mira);
    assert_ne!(by_name("mira").await, mira);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_claim_holds_in_each_field_and_only_for_the_stable_id() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 0);
    let mira = ExternalId::new(PX, &sandbox.world().user(PX, "mira").unwrap().id).unwrap();
    let bridge = bridge(&sandbox);
    let by_id = async || bridge.profile(&Who::Id(mira.clone()), &Access::Instance).await;
    assert!(!proves(&by_id().await.unwrap(), CLAIM));
    let set = |website: Option<&str>, bio: Option<&str>| {
        let world = &mut *sandbox.world();
        let user = world.user_mut(PX, mira.account()).unwrap();
        (user.website, user.bio) = (website.map(str::to_owned), bio.map(str::to_owned));
    };
    set(Some(CLAIM), None);
    let profile = by_id().await.unwrap();
    assert_eq!(profile.website.as_deref(), Some("node.example/claim/7f3a9c"), "500px keeps no scheme");
    assert!(proves(&profile, CLAIM), "contacts.website");
    set(None, Some(&format!("ice. {CLAIM}")));
    assert!(proves(&by_id().await.unwrap(), CLAIM), "about");
    {
        let world = &mut *sandbox.world();
        world.rename_user(PX, "mira", "mira_lund").unwrap();
        world.add_user(PX, "mira").website = Some(CLAIM.into());
    }
    set(None, None);
    assert!(!proves(&by_id().await.unwrap(), CLAIM), "the copy under the old name does not help");
    sandbox.world().delete_user(PX, mira.account()).unwrap();
    assert_eq!(by_id().await.unwrap_err().class(), "not_found");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_posts_of_a_creator_are_listed() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 101);
    let mira = ExternalId::new(PX, &sandbox.world().user(PX, "mira").unwrap().id).unwrap();
    let bridge = bridge(&sandbox);
    let of = PostsOf::Account(mira);
    let first = bridge.posts(&of, None, &Access::Instance).await.unwrap();
    let second = bridge.posts(&of, first.next.as_ref(), &Access::Instance).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (100, 1, None));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_vote_is_no_favourite_and_a_favourite_is_seen_by_both_sides() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 0);
    let post = sandbox.world().add_post(PX, "mira", "ice").unwrap().id.clone();
    let object = ObjectRef::new(PX, &post).unwrap();
    let bridge = bridge(&sandbox);
    let consumer = Consumer { key: CLIENT_ID.into(), secret: Secret::new(CLIENT_SECRET) };
    let token = Token { token: "t-nils", secret: "s-nils" };
    for (method, action, status, likes, votes) in [
        (Method::Post, "vote?vote=1", 200, 0, 1),
        (Method::Post, "vote?vote=1", 403, 0, 1),
        (Method::Post, "favorite", 200, 1, 1),
        (Method::Post, "favorite", 403, 1, 1),
        (Method::Delete, "favorite", 200, 0, 1),
        (Method::Post, "vote?vote=0", 200, 0, 0),
    ] {
        let url = Url::parse(&format!("{}/v1/photos/{post}/{action}", sandbox.base_url(PX))).unwrap();
        let signed = authorization(&consumer, Some(token), method, &url, &[]);
        let headers = vec![Header::new("authorization", signed)];
        let reply = LoopbackHttp::new().send(&HttpRequest { method, url, headers, body: None }).await.unwrap();
        assert_eq!(reply.status, status, "{action}");
        assert_eq!(read(&bridge, &nils).await.items.len(), likes, "{action}");
        assert_eq!(bridge.voters(&object, &Access::Instance).await.unwrap().len(), votes, "{action}");
    }
    sandbox.stop().await;
}
