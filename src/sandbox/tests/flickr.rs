//! The Flickr connector against the sandbox.

use std::collections::BTreeSet;
use std::io::Cursor;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::sign_in::press;
use super::{Between, break_it, sandbox};
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::flickr::{Config, Flickr};
use crate::bridges::http::{Header, LoopbackHttp, Method};
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::oauth1::{Consumer, Token, authorization};
use crate::bridges::{
    Access, Bridge, Credential, Error, Grant, Http, HttpRequest, LikeItem, LikesQuery, LikesReply, LiveApi, PostsOf,
    Secret, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;
use crate::sandbox::control::export;
use crate::sandbox::fault::Kind;
use crate::sandbox::model::World;
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};
use crate::sandbox::{Sandbox, model};

const FLICKR: Platform = Platform::Flickr;
const CLAIM: &str = "https://node.example/claim/7f3a9c";
/// The page that has the second page's likes.
const SECOND_PAGE: &str = "/services/rest/?*getPublicList*page=2*";

fn bridge_with(sandbox: &Sandbox, http: Arc<dyn Http>, key: &str, secret: &str) -> Flickr {
    let base_url = Url::parse(&sandbox.base_url(FLICKR)).unwrap();
    let auth_url = Url::parse(&format!("{base_url}/services/oauth/")).unwrap();
    let (api_key, api_secret) = (Some(key.to_owned()), Some(Secret::new(secret)));
    Flickr::new(Config { base_url, auth_url, api_key, api_secret, user_agent: "fedflattr-test".into() }, http)
}

fn bridge_over(sandbox: &Sandbox, http: Arc<dyn Http>) -> Flickr {
    bridge_with(sandbox, http, CLIENT_ID, CLIENT_SECRET)
}

fn bridge(sandbox: &Sandbox) -> Flickr {
    bridge_over(sandbox, Arc::new(LoopbackHttp::new()))
}

/// A patron `nils` with a token, a creator `mira`, and `count` photos of hers that he likes, one a minute.
fn fill(world: &mut World, count: u32) -> ExternalId {
    world.add_user(FLICKR, "mira");
    let nils = world.add_user(FLICKR, "nils").id.clone();
    world.tokens.insert((FLICKR, "t-nils".into()), model::Token::signed(&nils, "s-nils"));
    for number in 0..count {
        like_new(world, &format!("ice-{number}"), 60);
    }
    ExternalId::new(FLICKR, &nils).unwrap()
}

fn like_new(world: &mut World, name: &str, seconds: u64) -> String {
    let post = world.add_post(FLICKR, "mira", name).unwrap().id.clone();
    world.advance(Duration::from_secs(seconds));
    world.like(FLICKR, "nils", &post, world.now).unwrap();
    post
}

fn nils_signs() -> Access {
    Access::User(Credential::Signed { token: Secret::new("t-nils"), secret: Secret::new("s-nils") })
}

/// What the platform itself would swear to.
fn truth(world: &World, who: &ExternalId) -> Vec<(String, Timestamp)> {
    world.likes_of(FLICKR, who.account()).iter().map(|like| (like.post.clone(), like.at)).collect()
}

fn seen(pass: &Pass) -> Vec<(String, Timestamp)> {
    let dated = |item: &LikeItem| (item.post.id.object().to_owned(), item.liked_at.expect("Flickr dates favourites"));
    pass.items.iter().map(dated).collect()
}

fn objects(likes: &[(String, Timestamp)]) -> BTreeSet<ObjectRef> {
    likes.iter().map(|(id, _)| ObjectRef::new(FLICKR, id).unwrap()).collect()
}

async fn read(bridge: &Flickr, who: &ExternalId) -> Pass {
    listing::read(bridge, &LikesQuery::first(Who::Id(who.clone()), Access::Instance), Depth::All).await
}

#[tokio::test]
async fn a_full_listing_equals_the_state() {
    for (count, pages) in [(0, 1), (1, 1), (250, 1), (500, 1), (501, 2)] {
        let sandbox = sandbox().await;
        let nils = fill(&mut sandbox.world(), count);
        let pass = read(&bridge(&sandbox), &nils).await;
        assert_eq!((pass.end.clone(), pass.pages), (PassEnd::Complete, pages), "{count} likes");
        assert_eq!(seen(&pass), truth(&sandbox.world(), &nils), "{count} likes");
        let mira = sandbox.world().user(FLICKR, "mira").unwrap().id.clone();
        assert!(pass.items.iter().all(|item| item.post.owner.as_ref().unwrap().account() == mira));
        sandbox.stop().await;
    }
}

fn between(sandbox: &Arc<Sandbox>, change: impl Fn(&mut World, u32) + Send + Sync + 'static) -> Flickr {
    let shared = Arc::clone(sandbox);
    let change = move |reply| change(&mut shared.world(), reply);
    bridge_over(sandbox, Between::over(change))
}

#[tokio::test]
async fn likes_inserted_while_paging_are_neither_lost_nor_doubled() {
    let sandbox = Arc::new(sandbox().await);
    let nils = fill(&mut sandbox.world(), 1_100);
    let before = truth(&sandbox.world(), &nils);
    let bridge = between(&sandbox, |world, reply| {
        for copy in 0..7 {
            like_new(world, &format!("new-{reply}-{copy}"), 1);
        }
    });
    let pass = read(&bridge, &nils).await;
    let found = seen(&pass);
    assert!(pass.is_complete() && pass.repeats > 0);
    assert_eq!(found.len(), objects(&found).len(), "none is doubled");
    assert!(objects(&before).is_subset(&objects(&found)), "none is lost");
    let start = found.iter().map(|(_, at)| *at).max().unwrap();
    let now = truth(&sandbox.world(), &nils);
    let query = LikesQuery::first(Who::Id(nils.clone()), Access::Instance);
    let next = listing::read(&self::bridge(&sandbox), &query, Depth::Since(start)).await;
    assert_eq!((next.end.clone(), next.pages), (PassEnd::ReachedKnown, 1));
    let both: BTreeSet<ObjectRef> = objects(&found).union(&objects(&seen(&next))).cloned().collect();
    assert_eq!(both, objects(&now));
}

#[tokio::test]
async fn an_unlike_is_found_only_from_complete_listings() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 600);
    let known = objects(&truth(&sandbox.world(), &nils));
    let gone = known.first().unwrap().clone();
    sandbox.world().unlike(FLICKR, "nils", gone.object()).unwrap();
    let bridge = bridge(&sandbox);
    for kind in [
        Kind::Http500,
        Kind::Http502,
        Kind::Http503,
        Kind::RateLimited { retry_after: 5 },
        Kind::SecondaryLimit { retry_after: 5 },
        Kind::TruncateBody,
        Kind::BadJson,
        Kind::HtmlErrorPage,
        Kind::RevokedToken,
    ] {
        break_it(&mut sandbox.world(), FLICKR, SECOND_PAGE, kind);
        let pass = read(&bridge, &nils).await;
        assert!(matches!(pass.end, PassEnd::Failed(_)), "{kind:?}");
        assert_eq!(pass.items.len(), 500, "{kind:?}: the first page still counts");
        assert_eq!(listing::unlikes(&known, &pass, Some(&pass)), Unlikes::Unknown, "{kind:?}");
    }
    let (first, second) = (read(&bridge, &nils).await, read(&bridge, &nils).await);
    assert_eq!(listing::unlikes(&known, &first, None), Unlikes::ReadAgain);
    assert_eq!(listing::unlikes(&known, &first, Some(&second)), Unlikes::Certain(vec![gone]));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_listing_survives_what_may_happen_between_pages() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 600);
    let bridge = bridge(&sandbox);
    // An inserted like moves one item to the second page, and comes up at the next reading.
    let cases =
        [(Kind::DuplicateAcrossPages, 600), (Kind::ItemInsertedBetweenPages, 600), (Kind::EmptyPageWithNext, 500)];
    for (kind, expected) in cases {
        break_it(&mut sandbox.world(), FLICKR, SECOND_PAGE, kind);
        let pass = read(&bridge, &nils).await;
        assert!(pass.is_complete(), "{kind:?}");
        assert_eq!((pass.items.len(), objects(&seen(&pass)).len()), (expected, expected), "{kind:?}");
    }
    assert_eq!(seen(&read(&bridge, &nils).await), truth(&sandbox.world(), &nils));
    sandbox.stop().await;
}

#[tokio::test]
async fn faults_have_their_classes_and_a_wrong_content_type_does_no_harm() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 3);
    let bridge = bridge(&sandbox);
    let check = async |kind: Kind, class: Option<&str>| {
        break_it(&mut sandbox.world(), FLICKR, "*", kind);
        let found = bridge.likes(&LikesQuery::first(Who::Id(nils.clone()), Access::Instance)).await;
        assert_eq!(found.err().map(|error| error.class()), class, "{kind:?}");
    };
    check(Kind::Http500, Some("transient")).await;
    check(Kind::Http502, Some("transient")).await;
    check(Kind::Http503, Some("transient")).await;
    check(Kind::TruncateBody, Some("malformed")).await;
    check(Kind::BadJson, Some("malformed")).await;
    check(Kind::HtmlErrorPage, Some("malformed")).await;
    check(Kind::RateLimited { retry_after: 9 }, Some("rate_limited")).await;
    check(Kind::SecondaryLimit { retry_after: 9 }, Some("rate_limited")).await;
    check(Kind::ExpiredToken, Some("unauthorized")).await;
    check(Kind::RevokedToken, Some("unauthorized")).await;
    check(Kind::MissingScope, Some("forbidden")).await;
    check(Kind::PaymentRequired, Some("payment_required")).await;
    check(Kind::ClockSkew, Some("malformed")).await;
    check(Kind::DeadPlatform, Some("gone")).await;
    check(Kind::RedirectLoop, Some("malformed")).await;
    check(Kind::WrongContentType, None).await;
    check(Kind::Slow { ms: 5 }, None).await;
    let stranger = bridge_with(&sandbox, Arc::new(LoopbackHttp::new()), "guess", "guess");
    assert_eq!(stranger.profile(&Who::Id(nils), &Access::Instance).await.unwrap_err().class(), "unauthorized");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_limit_is_obeyed_to_the_second_where_one_is_named() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 1);
    let bridge = bridge(&sandbox);
    let ask = async || bridge.likes(&LikesQuery::first(Who::Id(nils.clone()), Access::Instance)).await;
    let now = sandbox.world().now;
    break_it(&mut sandbox.world(), FLICKR, "*", Kind::SecondaryLimit { retry_after: 61 });
    let Err(Error::RateLimited { until, .. }) = ask().await else { panic!("a limit") };
    assert_eq!(until, Some(now.plus(Duration::from_secs(61))));
    // The allowance of an hour, of which no header tells: no time is made up.
    let used = model::Usage { used: 3_599, resets_at: now.plus(Duration::from_secs(10)) };
    sandbox.world().usage.insert((FLICKR, CLIENT_ID.into()), used);
    assert!(ask().await.is_ok(), "the last one of the hour");
    assert!(matches!(ask().await, Err(Error::RateLimited { until: None, .. })));
    sandbox.world().now = now.plus(Duration::from_secs(10));
    assert!(ask().await.is_ok());
    sandbox.stop().await;
}

async fn sign_in(bridge: &Flickr, button: (&str, &str)) -> Result<Grant, Error> {
    let callback = super::callback();
    let door = bridge.sign_in().unwrap();
    let begun = door.begin(&callback, "unused").await?;
    let answer = press(&begun.url, button).await;
    if let Some(token) = answer.get("oauth_token") {
        assert_eq!(*token, begun.key);
    }
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
    assert_eq!(seen(&pass), truth(&sandbox.world(), &nils));
    assert_eq!(bridge.sign_in().unwrap().refresh(&grant).await.unwrap_err().class(), "unsupported");
    sandbox.world().revoke_tokens(FLICKR, "nils").unwrap();
    assert_eq!(bridge.profile(&Who::TokenOwner, &access).await.unwrap_err().class(), "unauthorized");
    let again = sign_in(&bridge, ("user", "nils")).await.unwrap();
    assert!(bridge.profile(&Who::TokenOwner, &Access::User(again.credential)).await.is_ok());
    let imposter = bridge_with(&sandbox, Arc::new(LoopbackHttp::new()), CLIENT_ID, "guess");
    assert_eq!(imposter.profile(&Who::TokenOwner, &nils_signs()).await.unwrap_err().class(), "unauthorized");
    sandbox.stop().await;
}

#[tokio::test]
async fn private_photos_stay_private_even_for_a_token_that_sees_them() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 2);
    sandbox.world().post_mut(FLICKR, "mira/ice-0").unwrap().is_private = true;
    let bridge = bridge(&sandbox);
    let pass = listing::read(&bridge, &LikesQuery::first(Who::TokenOwner, nils_signs()), Depth::All).await;
    assert_eq!((pass.items.len(), pass.is_complete()), (1, true));
    let hidden = ObjectRef::new(FLICKR, &sandbox.world().post(FLICKR, "mira/ice-0").unwrap().id).unwrap();
    assert_eq!(bridge.post(&hidden, None, &Access::Instance).await.unwrap_err().class(), "forbidden");
    sandbox.stop().await;
}

#[tokio::test]
async fn live_list_export_and_pasted_address_give_the_same_object() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 101);
    let bridge = bridge(&sandbox);
    let live = read(&bridge, &nils).await.items;
    let file = export(&sandbox.world(), "flickr", "nils").unwrap();
    let mut archive = Archive::open(Cursor::new(file), "flickr.zip", Limits::default()).unwrap();
    let reader = bridge.export().unwrap();
    assert_eq!(archive.owner(reader).unwrap().id, Some(nils));
    let mut saved = Vec::new();
    let mut take = |item: Result<LikeItem, Error>| {
        saved.push(item.unwrap().post);
        ControlFlow::Continue(())
    };
    archive.likes(reader, &mut take).unwrap();
    let ids = |posts: Vec<&crate::bridges::Post>| posts.iter().map(|post| post.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(saved.iter().collect()), ids(live.iter().map(|item| &item.post).collect()));
    for pasted in [&live[0].post.url, &saved[0].url, live[0].post.thumbnail_url.as_ref().unwrap()] {
        let reference = bridge.parse_reference(pasted).unwrap();
        assert_eq!(reference.post_id.as_deref(), Some(live[0].post.id.object()), "{pasted}");
        let found = bridge.resolve(&reference, &Access::Instance).await.unwrap();
        assert_eq!((&found.id, &found.owner, &found.url), (&live[0].post.id, &live[0].post.owner, &live[0].post.url));
    }
    assert_eq!(saved[0].owner, None, "the export tells no owner, and one request does");
    let files = bridge.files(&live[0].post.id, &Access::Instance).await.unwrap();
    assert_eq!(files.last().and_then(|file| file.width), Some(1024));
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
        world.rename_user(FLICKR, "mira", "mira-lund").unwrap();
        world.rename_user(FLICKR, "nils", "nils-holm").unwrap();
        world.add_user(FLICKR, "mira");
        world.add_user(FLICKR, "nils");
    }
    assert_eq!(read(&bridge, &nils).await.items.len(), 2);
    let moved = bridge.post(&liked.id, None, &Access::Instance).await.unwrap();
    assert_eq!((moved.owner.as_ref(), moved.owner_handle.as_deref()), (Some(&mira), Some("mira-lund")));
    let by_name = async |name: &str| bridge.profile(&Who::Handle(name.into()), &Access::Instance).await.unwrap().id;
    assert_eq!(by_name("mira-lund").await, mira);
    assert_ne!(by_name("mira").await, mira);
    assert_eq!(by_name(mira.account()).await, mira);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_claim_holds_in_each_field_and_only_for_the_stable_id() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 0);
    let mira = ExternalId::new(FLICKR, &sandbox.world().user(FLICKR, "mira").unwrap().id).unwrap();
    let bridge = bridge(&sandbox);
    let by_id = async || bridge.profile(&Who::Id(mira.clone()), &Access::Instance).await;
    assert!(!proves(&by_id().await.unwrap(), CLAIM));
    let set = |website: Option<String>, bio: Option<String>| {
        let world = &mut *sandbox.world();
        let user = world.user_mut(FLICKR, mira.account()).unwrap();
        (user.website, user.bio) = (website, bio);
    };
    set(Some(CLAIM.into()), None);
    assert!(proves(&by_id().await.unwrap(), CLAIM), "website");
    set(None, Some(format!("ice. <a href=\"{CLAIM}\">thank me</a>")));
    assert!(proves(&by_id().await.unwrap(), CLAIM), "description");
    {
        let world = &mut *sandbox.world();
        world.rename_user(FLICKR, "mira", "mira-lund").unwrap();
        world.add_user(FLICKR, "mira").website = Some(CLAIM.into());
    }
    set(None, None);
    assert!(!proves(&by_id().await.unwrap(), CLAIM), "the copy under the old name does not help");
    sandbox.world().delete_user(FLICKR, mira.account()).unwrap();
    assert_eq!(by_id().await.unwrap_err().class(), "not_found");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_posts_of_a_creator_are_listed_and_their_likers_too() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 501);
    let mira = ExternalId::new(FLICKR, &sandbox.world().user(FLICKR, "mira").unwrap().id).unwrap();
    let bridge = bridge(&sandbox);
    let of = PostsOf::Account(mira);
    let first = bridge.posts(&of, None, &Access::Instance).await.unwrap();
    let second = bridge.posts(&of, first.next.as_ref(), &Access::Instance).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (500, 1, None));
    let (likers, next) = bridge.likers(&first.items[0].id, None, &Access::Instance).await.unwrap();
    assert_eq!((likers.len(), &likers[0].account, next), (1, &nils, None));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_favourite_set_through_the_interface_is_seen_by_both_sides() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 0);
    let post = sandbox.world().add_post(FLICKR, "mira", "ice").unwrap().id.clone();
    let bridge = bridge(&sandbox);
    let url = Url::parse(&format!("{}/services/rest/", sandbox.base_url(FLICKR))).unwrap();
    let consumer = Consumer { key: CLIENT_ID.into(), secret: Secret::new(CLIENT_SECRET) };
    let token = Token { token: "t-nils", secret: "s-nils" };
    for (method, stat, count) in [
        ("flickr.favorites.add", "\"ok\"", 1),
        ("flickr.favorites.add", "\"code\":3", 1),
        ("flickr.favorites.remove", "\"ok\"", 0),
        ("flickr.favorites.remove", "\"code\":1", 0),
    ] {
        let fields = [("method", method), ("photo_id", post.as_str()), ("format", "json"), ("nojsoncallback", "1")];
        let signed = authorization(&consumer, Some(token), Method::Post, &url, &fields);
        let request = HttpRequest::form(url.clone(), vec![Header::new("authorization", signed)], &fields);
        let reply = LoopbackHttp::new().send(&request).await.unwrap();
        assert!(String::from_utf8_lossy(&reply.body).contains(stat), "{method}");
        let LikesReply::Page(page) =
            bridge.likes(&LikesQuery::first(Who::Id(nils.clone()), Access::Instance)).await.unwrap()
        else {
            panic!("no etag was sent")
        };
        assert_eq!(page.items.len(), count, "{method}");
    }
    sandbox.stop().await;
}
