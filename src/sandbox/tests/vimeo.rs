//! The Vimeo connector against the sandbox.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::sign_in::press;
use super::{Between, break_it, sandbox, until};
use crate::bridges::http::LoopbackHttp;
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::vimeo::{Config, Vimeo};
use crate::bridges::{Access, Bridge, Credential, Http, LikesQuery, LikesReply, LiveApi, PostsOf, Secret, Who, proves};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;
use crate::sandbox::Sandbox;
use crate::sandbox::fault::Kind;
use crate::sandbox::model::{Token, World};
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};

const VIMEO: Platform = Platform::Vimeo;
const CLAIM: &str = "https://node.example/claim/7f3a9c";

fn bridge_over(sandbox: &Sandbox, http: Arc<dyn Http>) -> Vimeo {
    let base_url = Url::parse(&sandbox.base_url(VIMEO)).unwrap();
    let config = Config {
        auth_url: Url::parse(&format!("{base_url}/oauth/authorize")).unwrap(),
        base_url,
        token: None,
        client_id: Some(CLIENT_ID.into()),
        client_secret: Some(Secret::new(CLIENT_SECRET)),
        user_agent: "fedflattr-test".into(),
    };
    Vimeo::new(config, http)
}

fn bridge(sandbox: &Sandbox) -> Vimeo {
    bridge_over(sandbox, Arc::new(LoopbackHttp::new()))
}

/// A patron `nils` with a token, a creator `mira`, and `count` videos of hers that he likes, one a minute.
fn fill(world: &mut World, count: u32) -> ExternalId {
    world.add_user(VIMEO, "mira");
    let nils = world.add_user(VIMEO, "nils").id.clone();
    world.tokens.insert((VIMEO, "t-nils".into()), Token::of(&nils));
    for number in 0..count {
        let post = world.add_post(VIMEO, "mira", &format!("film-{number}")).unwrap().id.clone();
        world.advance(Duration::from_secs(60));
        world.like(VIMEO, &nils, &post, world.now).unwrap();
    }
    ExternalId::new(VIMEO, &nils).unwrap()
}

/// What the platform itself would swear to.
fn truth(world: &World, who: &ExternalId) -> Vec<(ObjectRef, Option<Timestamp>)> {
    let likes = world.likes_of(VIMEO, who.account()).into_iter();
    likes.map(|like| (ObjectRef::new(VIMEO, &like.post).unwrap(), Some(like.at))).collect()
}

fn seen(pass: &Pass) -> Vec<(ObjectRef, Option<Timestamp>)> {
    pass.items.iter().map(|item| (item.post.id.clone(), item.liked_at)).collect()
}

fn objects(likes: &[(ObjectRef, Option<Timestamp>)]) -> BTreeSet<ObjectRef> {
    likes.iter().map(|(id, _)| id.clone()).collect()
}

fn nils_himself() -> Access {
    Access::User(Credential::bearer("t-nils"))
}

async fn read(bridge: &Vimeo, who: &ExternalId) -> Pass {
    listing::read(bridge, &LikesQuery::first(Who::Id(who.clone()), Access::Instance), Depth::All).await
}

#[tokio::test]
async fn a_full_listing_equals_the_state() {
    for (count, pages) in [(0, 1), (1, 1), (100, 1), (101, 2), (250, 3)] {
        let sandbox = sandbox().await;
        let nils = fill(&mut sandbox.world(), count);
        let bridge = bridge(&sandbox);
        let pass = read(&bridge, &nils).await;
        assert_eq!((&pass.end, pass.pages), (&PassEnd::Complete, pages), "{count} likes");
        let truth = truth(&sandbox.world(), &nils);
        assert_eq!(objects(&seen(&pass)), objects(&truth), "{count} likes");
        assert!(seen(&pass).iter().all(|(_, at)| at.is_none()), "others do not learn when");
        let own = listing::read(&bridge, &LikesQuery::first(Who::TokenOwner, nils_himself()), Depth::All).await;
        assert_eq!((seen(&own), own.pages), (truth, pages), "{count} likes, with the times that their owner may see");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn likes_inserted_while_paging_are_neither_lost_nor_doubled() {
    let sandbox = Arc::new(sandbox().await);
    let nils = fill(&mut sandbox.world(), 250);
    let before = objects(&truth(&sandbox.world(), &nils));
    let shared = Arc::clone(&sandbox);
    let change = move |reply| {
        let world = &mut *shared.world();
        for copy in 0..7 {
            let post = world.add_post(VIMEO, "mira", &format!("new-{reply}-{copy}")).unwrap().id.clone();
            world.advance(Duration::from_secs(1));
            world.like(VIMEO, "nils", &post, world.now).unwrap();
        }
    };
    let http = Between::over(change);
    let pass = read(&bridge_over(&sandbox, http), &nils).await;
    let found = seen(&pass);
    assert!(pass.is_complete());
    assert_eq!(found.len(), objects(&found).len(), "none is doubled");
    assert!(before.is_subset(&objects(&found)), "none is lost");
}

#[tokio::test]
async fn an_unlike_is_found_only_from_complete_listings() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 150);
    let known = objects(&truth(&sandbox.world(), &nils));
    let gone = known.first().unwrap().clone();
    sandbox.world().unlike(VIMEO, "nils", gone.object()).unwrap();
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
    ] {
        break_it(&mut sandbox.world(), VIMEO, "/users/*?*page=2*", kind);
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
async fn faults_have_their_classes_and_a_wrong_content_type_does_no_harm() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 3);
    let bridge = bridge(&sandbox);
    let check = async |kind: Kind, class: Option<&str>| {
        break_it(&mut sandbox.world(), VIMEO, "/me/likes", kind);
        let found = bridge.likes(&LikesQuery::first(Who::TokenOwner, nils_himself())).await;
        assert_eq!(found.err().map(|error| error.class()), class, "{kind:?}");
    };
    check(Kind::Http500, Some("transient")).await;
    check(Kind::Http502, Some("transient")).await;
    check(Kind::TruncateBody, Some("malformed")).await;
    check(Kind::BadJson, Some("malformed")).await;
    check(Kind::HtmlErrorPage, Some("malformed")).await;
    check(Kind::RateLimited { retry_after: 9 }, Some("rate_limited")).await;
    check(Kind::MissingScope, Some("forbidden")).await;
    check(Kind::PaymentRequired, Some("payment_required")).await;
    check(Kind::DeadPlatform, Some("gone")).await;
    check(Kind::WrongContentType, None).await;
    // The last: from then on the token is no good.
    check(Kind::ExpiredToken, Some("unauthorized_expired")).await;
    check(Kind::RevokedToken, Some("unauthorized")).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn limits_are_lifted_at_the_very_second_that_they_name() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 1);
    let bridge = bridge(&sandbox);
    let ask = || async { bridge.likes(&LikesQuery::first(Who::TokenOwner, nils_himself())).await };
    for _ in 0..100 {
        ask().await.expect("a hundred requests a minute are free");
    }
    let lifted = until(ask().await);
    sandbox.world().now = lifted.minus(Duration::from_secs(1));
    assert_eq!(until(ask().await), lifted, "a second too early");
    sandbox.world().now = lifted;
    let LikesReply::Page(page) = ask().await.unwrap() else { panic!("no etag was sent") };
    assert_eq!(page.quota.remaining, Some(99));
    let query = LikesQuery { etag: page.etag, ..LikesQuery::first(Who::TokenOwner, nils_himself()) };
    assert!(matches!(bridge.likes(&query).await.unwrap(), LikesReply::NotModified { .. }));
    sandbox.stop().await;
}

#[tokio::test]
async fn the_apps_own_token_is_fetched_again_when_it_is_refused() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 1);
    let bridge = bridge(&sandbox);
    assert!(read(&bridge, &nils).await.is_complete());
    sandbox.world().tokens.retain(|(_, text), _| text == "t-nils");
    assert!(read(&bridge, &nils).await.is_complete());
    let fetched = sandbox.world().requests.iter().filter(|it| it.path == "/oauth/authorize/client").count();
    assert_eq!(fetched, 2);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_person_signs_in_and_a_revoked_token_is_refused() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 2);
    let bridge = bridge(&sandbox);
    let door = bridge.sign_in().unwrap();
    let callback = super::callback();
    let begun = door.begin(&callback, "state-7").await.unwrap();
    let answer = press(&begun.url, ("user", "nils")).await;
    let grant = door.finish(&callback, &begun.kept, &answer).await.unwrap();
    assert_eq!((grant.scopes.join(" ").as_str(), grant.expires_in, &grant.refresh), ("public", None, &None));
    let access = Access::User(grant.credential.clone());
    assert_eq!(bridge.profile(&Who::TokenOwner, &access).await.unwrap().id, nils);
    let own = listing::read(&bridge, &LikesQuery::first(Who::TokenOwner, access.clone()), Depth::All).await;
    assert_eq!(seen(&own), truth(&sandbox.world(), &nils));
    assert_eq!(door.refresh(&grant).await.unwrap_err().class(), "unauthorized_expired", "nothing renews it");
    sandbox.world().revoke_tokens(VIMEO, "nils").unwrap();
    assert_eq!(bridge.profile(&Who::TokenOwner, &access).await.unwrap_err().class(), "unauthorized");
    let app_only = bridge.profile(&Who::TokenOwner, &Access::Instance).await;
    assert_eq!(app_only.unwrap_err().class(), "unauthorized", "an app is nobody");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_claim_holds_for_the_stable_id_in_each_field_and_not_for_the_name() {
    let sandbox = sandbox().await;
    let mira = {
        let world = &mut *sandbox.world();
        let mira = world.add_user(VIMEO, "mira");
        // Vimeo stores a website as it was typed.
        mira.website = Some("node.example/claim/7f3a9c".into());
        ExternalId::new(VIMEO, &mira.id).unwrap()
    };
    let bridge = bridge(&sandbox);
    let by_id = async || bridge.profile(&Who::Id(mira.clone()), &Access::Instance).await;
    assert!(proves(&by_id().await.unwrap(), CLAIM));
    {
        let world = &mut *sandbox.world();
        world.rename_user(VIMEO, "mira", "miralund").unwrap();
        world.add_user(VIMEO, "mira").bio = Some(CLAIM.into());
    }
    let by_name = bridge.profile(&Who::Handle("mira".into()), &Access::Instance).await.unwrap();
    assert!(by_name.id != mira && proves(&by_name, CLAIM));
    assert_eq!(by_id().await.unwrap().handle, "miralund");
    sandbox.world().user_mut(VIMEO, mira.account()).unwrap().website = None;
    assert!(!proves(&by_id().await.unwrap(), CLAIM), "the copy under the old name does not help");
    sandbox.world().user_mut(VIMEO, mira.account()).unwrap().bio = Some(format!("films. {CLAIM}"));
    assert!(proves(&by_id().await.unwrap(), CLAIM));
    sandbox.world().delete_user(VIMEO, mira.account()).unwrap();
    assert_eq!(by_id().await.unwrap_err().class(), "not_found");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_pasted_address_a_like_and_a_list_of_posts_give_the_same_video() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 1);
    let bridge = bridge(&sandbox);
    let liked = read(&bridge, &nils).await.items.remove(0).post;
    let pasted = format!("https://player.vimeo.com/video/{}?h=0a1b", liked.id.object());
    let pasted = bridge.parse_reference(&pasted).unwrap();
    assert_eq!(bridge.resolve(&pasted, &Access::Instance).await.unwrap(), liked);
    assert_eq!(bridge.post(&liked.id, None, &Access::Instance).await.unwrap(), liked);
    let owner = liked.owner.clone().unwrap();
    let posts = bridge.posts(&PostsOf::Account(owner), None, &Access::Instance).await.unwrap();
    assert_eq!(posts.items, std::slice::from_ref(&liked));
    sandbox.world().rename_user(VIMEO, "mira", "miralund").unwrap();
    let moved = bridge.resolve(&pasted, &Access::Instance).await.unwrap();
    assert_eq!((&moved.id, &moved.owner), (&liked.id, &liked.owner));
    sandbox.world().post_mut(VIMEO, liked.id.object()).unwrap().is_private = true;
    assert_eq!(bridge.post(&liked.id, None, &Access::Instance).await.unwrap_err().class(), "not_found");
    sandbox.world().delete_post(VIMEO, liked.id.object()).unwrap();
    assert_eq!(bridge.resolve(&pasted, &Access::Instance).await.unwrap_err().class(), "not_found");
    sandbox.stop().await;
}

#[tokio::test]
async fn private_videos_stay_private_even_for_their_owners_token() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 1);
    {
        let world = &mut *sandbox.world();
        let post = world.add_post(VIMEO, "nils", "draft").unwrap();
        post.is_private = true;
        let post = post.id.clone();
        world.like(VIMEO, "nils", &post, world.now).unwrap();
    }
    let bridge = bridge(&sandbox);
    let own = listing::read(&bridge, &LikesQuery::first(Who::TokenOwner, nils_himself()), Depth::All).await;
    assert_eq!((own.items.len(), own.is_complete()), (1, true));
    let posts = bridge.posts(&PostsOf::Account(nils), None, &nils_himself()).await.unwrap();
    assert_eq!((posts.items.len(), posts.unreadable), (0, 0));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_like_set_through_the_api_is_seen_by_both_sides() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 0);
    let video = sandbox.world().add_post(VIMEO, "mira", "film").unwrap().id.clone();
    let bridge = bridge(&sandbox);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/me/likes/{video}", sandbox.base_url(VIMEO));
    let video = ObjectRef::new(VIMEO, &video).unwrap();
    for (method, likers) in [(reqwest::Method::PUT, 1), (reqwest::Method::PUT, 1), (reqwest::Method::DELETE, 0)] {
        let reply = client.request(method, &url).header("authorization", "bearer t-nils").send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 204);
        assert_eq!(read(&bridge, &nils).await.items.len(), likers);
        let (found, next) = bridge.likers(&video, None, &Access::Instance).await.unwrap();
        assert_eq!((found.len(), next), (likers, None));
        assert!(found.iter().all(|liker| liker.account == nils));
    }
    sandbox.stop().await;
}
