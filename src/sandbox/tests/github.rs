//! The GitHub connector against the sandbox.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::{Between, break_it, sandbox, until};
use crate::bridges::github::{Config, GitHub};
use crate::bridges::http::LoopbackHttp;
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::{Access, Bridge, Credential, Http, LikesQuery, LikesReply, LiveApi, PostsOf, Who, proves};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;
use crate::sandbox::Sandbox;
use crate::sandbox::fault::Kind;
use crate::sandbox::model::{Token, World};

const GITHUB: Platform = Platform::GitHub;
const CLAIM: &str = "https://node.example/claim/7f3a9c";

fn bridge_over(sandbox: &Sandbox, http: Arc<dyn Http>) -> GitHub {
    let base_url = Url::parse(&sandbox.base_url(GITHUB)).unwrap();
    GitHub::new(Config { base_url, token: None, user_agent: "fedflattr-test".into(), app: None }, http)
}

fn bridge(sandbox: &Sandbox) -> GitHub {
    bridge_over(sandbox, Arc::new(LoopbackHttp::new()))
}

/// A patron `nils` with a token, a creator `mira`, and `count` repositories of hers that he likes, one a minute.
fn fill(world: &mut World, count: u32) -> ExternalId {
    world.add_user(GITHUB, "mira");
    let nils = world.add_user(GITHUB, "nils").id.clone();
    world.tokens.insert((GITHUB, "t-nils".into()), Token::of(&nils));
    for number in 0..count {
        let post = world.add_post(GITHUB, "mira", &format!("maps-{number}")).unwrap().id.clone();
        world.advance(Duration::from_secs(60));
        world.like(GITHUB, &nils, &post, world.now).unwrap();
    }
    ExternalId::new(GITHUB, &nils).unwrap()
}

/// What the platform itself would swear to.
fn truth(world: &World, who: &ExternalId) -> Vec<(String, Timestamp)> {
    world.likes_of(GITHUB, who.account()).iter().map(|like| (like.post.clone(), like.at)).collect()
}

fn seen(pass: &Pass) -> Vec<(String, Timestamp)> {
    pass.items
        .iter()
        .map(|item| (item.post.id.object().to_owned(), item.liked_at.expect("GitHub dates stars")))
        .collect()
}

fn objects(likes: &[(String, Timestamp)]) -> BTreeSet<ObjectRef> {
    likes.iter().map(|(id, _)| ObjectRef::new(GITHUB, id).unwrap()).collect()
}

async fn read(bridge: &GitHub, who: &ExternalId) -> Pass {
    listing::read(bridge, &LikesQuery::first(Who::Id(who.clone()), Access::Instance), Depth::All).await
}

#[tokio::test]
async fn a_full_listing_equals_the_state() {
    for (count, pages) in [(0, 1), (1, 1), (100, 1), (101, 2), (2_500, 25)] {
        let sandbox = sandbox().await;
        let nils = fill(&mut sandbox.world(), count);
        let pass = read(&bridge(&sandbox), &nils).await;
        assert_eq!(pass.end, PassEnd::Complete, "{count} likes");
        assert_eq!(pass.pages, pages, "{count} likes");
        assert_eq!(seen(&pass), truth(&sandbox.world(), &nils), "{count} likes");
        sandbox.stop().await;
    }
}

fn between(sandbox: &Arc<Sandbox>, change: impl Fn(&mut World, u32) + Send + Sync + 'static) -> GitHub {
    let shared = Arc::clone(sandbox);
    let change = move |reply| change(&mut shared.world(), reply);
    bridge_over(sandbox, Between::over(change))
}

#[tokio::test]
async fn likes_inserted_while_paging_are_neither_lost_nor_doubled() {
    let sandbox = Arc::new(sandbox().await);
    let nils = fill(&mut sandbox.world(), 350);
    let before = truth(&sandbox.world(), &nils);
    let bridge = between(&sandbox, |world, reply| {
        for copy in 0..7 {
            let post = world.add_post(GITHUB, "mira", &format!("new-{reply}-{copy}")).unwrap().id.clone();
            world.advance(Duration::from_secs(1));
            world.like(GITHUB, "nils", &post, world.now).unwrap();
        }
    });
    let pass = read(&bridge, &nils).await;
    let found = seen(&pass);
    assert!(pass.is_complete());
    assert_eq!(found.len(), objects(&found).len(), "none is doubled");
    assert!(objects(&before).is_subset(&objects(&found)), "none is lost");
    // What came in above the first page is the work of the next pass, from where this one began.
    let start = found.iter().map(|(_, at)| *at).max().unwrap();
    let now = truth(&sandbox.world(), &nils);
    let query = LikesQuery::first(Who::Id(nils.clone()), Access::Instance);
    let next = listing::read(&self::bridge(&sandbox), &query, Depth::Since(start)).await;
    assert_eq!(next.end, PassEnd::ReachedKnown);
    assert!(next.pages < pass.pages);
    let both: BTreeSet<ObjectRef> = objects(&found).union(&objects(&seen(&next))).cloned().collect();
    assert_eq!(both, objects(&now));
}

#[tokio::test]
async fn an_unlike_while_paging_makes_nobody_else_lose_a_like() {
    let sandbox = Arc::new(sandbox().await);
    let nils = fill(&mut sandbox.world(), 250);
    let known = objects(&truth(&sandbox.world(), &nils));
    // The second reply is the first page (the first is the look-up of the login): then its newest item goes.
    let bridge = between(&sandbox, |world, reply| {
        if reply == 2 {
            let newest = world.likes_of(GITHUB, &world.user(GITHUB, "nils").unwrap().id)[0].post.clone();
            world.unlike(GITHUB, "nils", &newest).unwrap();
        }
    });
    let first = read(&bridge, &nils).await;
    assert!(first.is_complete());
    assert_eq!(first.items.len(), 249, "one that still stands slipped through between two pages");
    assert_eq!(listing::unlikes(&known, &first, None), Unlikes::ReadAgain);
    let second = read(&self::bridge(&sandbox), &nils).await;
    assert_eq!(listing::unlikes(&known, &first, Some(&second)), Unlikes::Unknown);
    let third = read(&self::bridge(&sandbox), &nils).await;
    let Unlikes::Certain(gone) = listing::unlikes(&known, &second, Some(&third)) else { panic!("all is quiet now") };
    let truly_gone: Vec<ObjectRef> = known.difference(&objects(&truth(&sandbox.world(), &nils))).cloned().collect();
    assert_eq!((gone.len(), gone), (1, truly_gone));
}

#[tokio::test]
async fn an_unlike_is_found_only_from_complete_listings() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 150);
    let known = objects(&truth(&sandbox.world(), &nils));
    let gone = known.first().unwrap().clone();
    sandbox.world().unlike(GITHUB, "nils", gone.object()).unwrap();
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
    ] {
        // Pages after the first go by number: only the second one breaks.
        break_it(&mut sandbox.world(), GITHUB, "/user/*/starred", kind);
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
    let nils = fill(&mut sandbox.world(), 3);
    let bridge = bridge(&sandbox);
    let check = async |kind: Kind, class: Option<&str>| {
        break_it(&mut sandbox.world(), GITHUB, "/users/*/starred", kind);
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
    check(Kind::ExpiredToken, Some("unauthorized_expired")).await;
    check(Kind::WrongContentType, None).await;
    check(Kind::Slow { ms: 5 }, None).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn limits_are_lifted_at_the_very_second_that_they_name() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 1);
    let bridge = bridge(&sandbox);
    let ask = || async { bridge.likes(&LikesQuery::first(Who::Handle("nils".into()), Access::Instance)).await };
    for _ in 0..60 {
        ask().await.expect("60 requests an hour are free");
    }
    let lifted = until(ask().await);
    sandbox.world().now = lifted.minus(Duration::from_secs(1));
    assert_eq!(until(ask().await), lifted, "a second too early");
    sandbox.world().now = lifted;
    let LikesReply::Page(page) = ask().await.unwrap() else { panic!("no etag was sent") };
    assert_eq!(page.quota.remaining, Some(59));

    let now = sandbox.world().now;
    break_it(&mut sandbox.world(), GITHUB, "*", Kind::SecondaryLimit { retry_after: 61 });
    assert_eq!(until(ask().await), now.plus(Duration::from_secs(61)));
    sandbox.stop().await;
}

#[tokio::test]
async fn an_unchanged_first_page_costs_nothing_with_a_token() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 120);
    let bridge = bridge(&sandbox);
    let mut query = LikesQuery::first(Who::TokenOwner, Access::User(Credential::bearer("t-nils")));
    let LikesReply::Page(page) = bridge.likes(&query).await.unwrap() else { panic!("no etag was sent") };
    query.etag = page.etag;
    let LikesReply::NotModified { quota } = bridge.likes(&query).await.unwrap() else { panic!("nothing changed") };
    assert_eq!(quota.remaining, page.quota.remaining);
    let pass = listing::read(&bridge, &query, Depth::All).await;
    assert_eq!(pass.end, PassEnd::NotModified);
    assert_eq!(listing::unlikes(&BTreeSet::new(), &pass, None), Unlikes::Unknown, "it says nothing of page two");
    {
        let world = &mut *sandbox.world();
        world.add_post(GITHUB, "mira", "fresh").unwrap();
        world.like(GITHUB, "nils", "mira/fresh", world.now).unwrap();
    }
    assert!(matches!(bridge.likes(&query).await.unwrap(), LikesReply::Page(_)));
    sandbox.stop().await;
}

#[tokio::test]
async fn likes_follow_the_account_and_not_whoever_took_its_old_name() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 2);
    {
        let world = &mut *sandbox.world();
        world.rename_user(GITHUB, "nils", "nils-holm").unwrap();
        world.add_user(GITHUB, "nils");
    }
    let pass = read(&bridge(&sandbox), &nils).await;
    assert_eq!(pass.items.len(), 2);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_claim_holds_for_the_stable_id_and_not_for_the_name() {
    let sandbox = sandbox().await;
    let mira = {
        let world = &mut *sandbox.world();
        let mira = world.add_user(GITHUB, "mira");
        mira.bio = Some(format!("maps. {CLAIM}"));
        ExternalId::new(GITHUB, &mira.id).unwrap()
    };
    let bridge = bridge(&sandbox);
    let by_id = async || bridge.profile(&Who::Id(mira.clone()), &Access::Instance).await;
    let by_name = async || bridge.profile(&Who::Handle("mira".into()), &Access::Instance).await.unwrap();
    assert!(proves(&by_id().await.unwrap(), CLAIM));
    // Another account takes the name and copies the text: the proof is for its own id, not for the claimed one.
    {
        let world = &mut *sandbox.world();
        world.rename_user(GITHUB, "mira", "mira-lund").unwrap();
        world.add_user(GITHUB, "mira").bio = Some(CLAIM.into());
    }
    assert_ne!(by_name().await.id, mira);
    assert_eq!(by_id().await.unwrap().handle, "mira-lund");
    // The rightful owner takes the text away: the copy under the old name does not help.
    sandbox.world().user_mut(GITHUB, mira.account()).unwrap().bio = None;
    assert!(!proves(&by_id().await.unwrap(), CLAIM));
    sandbox.world().delete_user(GITHUB, mira.account()).unwrap();
    assert_eq!(by_id().await.unwrap_err().class(), "not_found");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_pasted_address_and_a_like_give_the_same_object_even_after_a_rename() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 1);
    let bridge = bridge(&sandbox);
    let liked = read(&bridge, &nils).await.items.remove(0).post;
    let pasted = bridge.parse_reference("https://github.com/Mira/Maps-0/issues?q=1").unwrap();
    assert_eq!(bridge.resolve(&pasted, &Access::Instance).await.unwrap(), liked);
    {
        let world = &mut *sandbox.world();
        world.rename_post(GITHUB, "mira/maps-0", "atlas").unwrap();
        world.rename_user(GITHUB, "mira", "mira-lund").unwrap();
    }
    let moved = bridge.resolve(&pasted, &Access::Instance).await.unwrap();
    assert_eq!((&moved.id, &moved.owner), (&liked.id, &liked.owner));
    assert_eq!(moved.title, "mira-lund/atlas");
    assert_eq!(bridge.post(&liked.id, None, &Access::Instance).await.unwrap(), moved);
    sandbox.world().delete_post(GITHUB, liked.id.object()).unwrap();
    assert_eq!(bridge.post(&liked.id, None, &Access::Instance).await.unwrap_err().class(), "not_found");
    sandbox.stop().await;
}

#[tokio::test]
async fn releases_are_found_below_their_repository_and_by_address() {
    let sandbox = sandbox().await;
    let (repository, owner) = {
        let world = &mut *sandbox.world();
        let owner = world.add_user(GITHUB, "fjord-lab").id.clone();
        world.add_user(GITHUB, "robot");
        let repository = world.add_post(GITHUB, "fjord-lab", "tides").unwrap().id.clone();
        for number in 0..101 {
            world.add_post(GITHUB, "robot", &format!("v/{number}")).unwrap().parent = Some(repository.clone());
        }
        (ObjectRef::new(GITHUB, &repository).unwrap(), ExternalId::new(GITHUB, &owner).unwrap())
    };
    let bridge = bridge(&sandbox);
    let of = PostsOf::Post(repository);
    let first = bridge.posts(&of, None, &Access::Instance).await.unwrap();
    let second = bridge.posts(&of, first.next.as_ref(), &Access::Instance).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (100, 1, None));
    assert!(first.items.iter().chain(&second.items).all(|release| release.owner.as_ref() == Some(&owner)));
    let pasted = bridge.parse_reference("https://github.com/fjord-lab/tides/releases/tag/v/0").unwrap();
    assert_eq!(bridge.resolve(&pasted, &Access::Instance).await.unwrap(), second.items[0]);
    let posts = bridge.posts(&PostsOf::Account(owner), None, &Access::Instance).await.unwrap();
    assert_eq!(posts.items.len(), 1, "a release is not listed as a repository");
    sandbox.stop().await;
}

#[tokio::test]
async fn private_repositories_stay_private_even_for_their_own_token() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 2);
    sandbox.world().post_mut(GITHUB, "mira/maps-0").unwrap().is_private = true;
    let query = LikesQuery::first(Who::TokenOwner, Access::User(Credential::bearer("t-nils")));
    let pass = listing::read(&bridge(&sandbox), &query, Depth::All).await;
    assert_eq!((pass.items.len(), pass.is_complete()), (1, true));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_token_names_its_owner_and_a_false_one_is_refused() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 0);
    let bridge = bridge(&sandbox);
    let ask = async |token: &str| bridge.profile(&Who::TokenOwner, &Access::User(Credential::bearer(token))).await;
    assert_eq!(ask("t-nils").await.unwrap().id, nils);
    assert_eq!(ask("t-other").await.unwrap_err().class(), "unauthorized");
    let anonymous = bridge.profile(&Who::TokenOwner, &Access::Instance).await;
    assert_eq!(anonymous.unwrap_err().class(), "unauthorized");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_star_set_through_the_api_is_seen_by_both_sides() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 0);
    let repository = sandbox.world().add_post(GITHUB, "mira", "atlas").unwrap().id.clone();
    let repository = ObjectRef::new(GITHUB, &repository).unwrap();
    let bridge = bridge(&sandbox);
    let client = reqwest::Client::builder().no_proxy().user_agent("test").build().unwrap();
    let url = format!("{}/user/starred/mira/atlas", sandbox.base_url(GITHUB));
    for (method, likers) in [(reqwest::Method::PUT, 1), (reqwest::Method::PUT, 1), (reqwest::Method::DELETE, 0)] {
        let reply = client.request(method, &url).header("authorization", "token t-nils").send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 204);
        assert_eq!(read(&bridge, &nils).await.items.len(), likers);
        let (found, next) = bridge.likers(&repository, None, &Access::Instance).await.unwrap();
        assert_eq!((found.len(), next), (likers, None));
        assert!(found.iter().all(|liker| liker.account == nils && liker.liked_at == Some(sandbox.world().now)));
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_release_is_found_by_its_address_and_believed_by_its_id() {
    let sandbox = sandbox().await;
    let (release, other) = {
        let world = &mut *sandbox.world();
        world.add_user(GITHUB, "mira");
        let repository = world.add_post(GITHUB, "mira", "maps").unwrap().id.clone();
        let mut release = |name: &str| {
            let post = world.add_post(GITHUB, "mira", name).unwrap();
            post.parent = Some(repository.clone());
            ObjectRef::new(GITHUB, &format!("release-{}", post.id)).unwrap()
        };
        (release("v1"), release("v2"))
    };
    let bridge = bridge(&sandbox);
    let hint = Some("https://github.com/mira/maps/releases/tag/v1");
    assert_eq!(bridge.post(&release, hint, &Access::Instance).await.unwrap().id, release);
    assert_eq!(bridge.post(&other, hint, &Access::Instance).await.unwrap_err().class(), "malformed");
    assert_eq!(bridge.post(&release, None, &Access::Instance).await.unwrap_err().class(), "unsupported");
    let repository = Some("https://github.com/mira/maps");
    assert_eq!(bridge.post(&release, repository, &Access::Instance).await.unwrap_err().class(), "malformed");
    sandbox.stop().await;
}
