//! The Twitter connector against the sandbox, by both APIs and by the archive.

use std::collections::BTreeSet;
use std::io::Cursor as File;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::sign_in::press;
use super::{Between, break_it, callback, sandbox, until};
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::http::LoopbackHttp;
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::twitter::{Api, Config, Twitter};
use crate::bridges::{
    Access, Bridge, Credential, Error, Grant, Http, LikeItem, LikesQuery, LikesReply, LiveApi, MediaKind, PostsOf,
    Secret, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::sandbox::fault::Kind;
use crate::sandbox::model::{PostKind, Token, World};
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};
use crate::sandbox::{Sandbox, control};

const TWITTER: Platform = Platform::Twitter;
const CLAIM: &str = "https://node.example/claim/7f3a9c";

fn bridge_over(sandbox: &Sandbox, api: Api, http: Arc<dyn Http>) -> Twitter {
    let at = |path: &str| Url::parse(&format!("{}{path}", sandbox.base_url(TWITTER))).unwrap();
    let config = Config {
        api,
        base_url: at("/"),
        authorize_url: at(if api == Api::V2 { "/i/oauth2/authorize" } else { "/oauth/authorize" }),
        client_id: Some(CLIENT_ID.into()),
        client_secret: Some(Secret::new(CLIENT_SECRET)),
        token: None,
        user_agent: "fedflattr-test".into(),
    };
    Twitter::new(config, http)
}

fn bridge(sandbox: &Sandbox, api: Api) -> Twitter {
    bridge_over(sandbox, api, Arc::new(LoopbackHttp::new()))
}

/// In the name of nils.
fn access(api: Api) -> Access {
    Access::User(match api {
        Api::V2 => Credential::bearer("t-nils"),
        Api::V1 => Credential::Signed { token: Secret::new("s-nils"), secret: Secret::new("hush") },
    })
}

/// A patron `nils` with tokens for both APIs, a creator `mira`, and `count` tweets of hers that he likes, one a minute.
fn fill(world: &mut World, count: u32) -> ExternalId {
    world.add_user(TWITTER, "mira");
    let nils = world.add_user(TWITTER, "nils").id.clone();
    world.tokens.insert((TWITTER, "t-nils".into()), Token::of(&nils));
    world.tokens.insert((TWITTER, "s-nils".into()), Token::signed(&nils, "hush"));
    for number in 0..count {
        world.advance(Duration::from_secs(60));
        like_new(world, number);
    }
    ExternalId::new(TWITTER, &nils).unwrap()
}

fn like_new(world: &mut World, number: u32) {
    let (now, name) = (world.now, format!("tide {number} & ebb <3"));
    let id = world.add_post(TWITTER, "mira", &name).unwrap().id.clone();
    world.like(TWITTER, "nils", &id, now).unwrap();
}

fn truth(world: &World, who: &ExternalId) -> Vec<ObjectRef> {
    world.likes_of(TWITTER, who.account()).iter().map(|like| ObjectRef::new(TWITTER, &like.post).unwrap()).collect()
}

fn seen(pass: &Pass) -> Vec<ObjectRef> {
    pass.items.iter().map(|item| item.post.id.clone()).collect()
}

async fn read(bridge: &Twitter, api: Api, who: &ExternalId) -> Pass {
    listing::read(bridge, &LikesQuery::first(Who::Id(who.clone()), access(api)), Depth::All).await
}

#[tokio::test]
async fn a_full_listing_equals_the_state_by_both_apis() {
    for (api, size) in [(Api::V2, 100), (Api::V1, 200)] {
        for count in [0, 1, size, size + 1, 250] {
            let sandbox = sandbox().await;
            let nils = fill(&mut sandbox.world(), count);
            let pass = read(&bridge(&sandbox, api), api, &nils).await;
            assert_eq!(pass.end, PassEnd::Complete, "{api:?} {count}");
            assert_eq!((seen(&pass), pass.repeats), (truth(&sandbox.world(), &nils), 0), "{api:?} {count}");
            let mira = sandbox.world().user(TWITTER, "mira").unwrap().id.clone();
            assert!(pass.items.iter().all(|item| item.post.owner.as_ref().unwrap().account() == mira));
            assert!(pass.items.iter().all(|item| item.liked_at.is_none()), "Twitter dates no like");
            sandbox.stop().await;
        }
    }
}

#[tokio::test]
async fn likes_inserted_while_paging_lose_and_double_nothing() {
    for api in [Api::V2, Api::V1] {
        let sandbox = Arc::new(sandbox().await);
        let nils = fill(&mut sandbox.world(), 450);
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
        let pass = read(&bridge_over(&sandbox, api, http), api, &nils).await;
        let found: BTreeSet<ObjectRef> = seen(&pass).into_iter().collect();
        assert!(pass.is_complete());
        assert_eq!(found.len(), pass.items.len(), "{api:?}: none is doubled");
        assert!(before.is_subset(&found), "{api:?}: none is lost");
    }
}

#[tokio::test]
async fn a_page_that_was_filtered_empty_and_a_repeated_item_do_no_harm() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 250);
    let bridge = bridge(&sandbox, Api::V2);
    for (kind, expected) in [(Kind::DuplicateAcrossPages, 250), (Kind::ItemInsertedBetweenPages, 250)] {
        break_it(&mut sandbox.world(), TWITTER, "*liked_tweets?*pagination_token*", kind);
        let pass = read(&bridge, Api::V2, &nils).await;
        assert_eq!((pass.is_complete(), pass.items.len()), (true, expected), "{kind:?}");
    }
    break_it(&mut sandbox.world(), TWITTER, "*liked_tweets?*pagination_token*", Kind::EmptyPageWithNext);
    let pass = read(&bridge, Api::V2, &nils).await;
    assert_eq!((pass.is_complete(), pass.items.len()), (true, 151), "read on to the end");
    sandbox.stop().await;
}

#[tokio::test]
async fn an_unlike_is_found_only_from_complete_listings() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 150);
    let bridge = bridge(&sandbox, Api::V2);
    let known: BTreeSet<ObjectRef> = truth(&sandbox.world(), &nils).into_iter().collect();
    let gone = known.first().unwrap().clone();
    let url = format!("{}/2/users/{}/likes/{}", sandbox.base_url(TWITTER), nils.account(), gone.object());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = client.delete(url).header("authorization", "Bearer t-nils").send().await.unwrap();
    assert_eq!(reply.text().await.unwrap(), r#"{"data":{"liked":false}}"#);
    break_it(&mut sandbox.world(), TWITTER, "*liked_tweets?*pagination_token*", Kind::Http503);
    let pass = read(&bridge, Api::V2, &nils).await;
    assert!(matches!(pass.end, PassEnd::Failed(_)));
    assert_eq!(listing::unlikes(&known, &pass, Some(&pass)), Unlikes::Unknown);
    let (first, second) = (read(&bridge, Api::V2, &nils).await, read(&bridge, Api::V2, &nils).await);
    assert_eq!(listing::unlikes(&known, &first, Some(&second)), Unlikes::Certain(vec![gone]));
    sandbox.stop().await;
}

#[tokio::test]
async fn faults_have_their_classes() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 3);
    for api in [Api::V2, Api::V1] {
        let bridge = bridge(&sandbox, api);
        let check = async |kind: Kind, class: Option<&str>| {
            break_it(&mut sandbox.world(), TWITTER, "*", kind);
            let found = bridge.likes(&LikesQuery::first(Who::Id(nils.clone()), access(api))).await;
            assert_eq!(found.err().map(|error| error.class()), class, "{api:?} {kind:?}");
        };
        check(Kind::Http500, Some("transient")).await;
        check(Kind::Http503, Some("transient")).await;
        check(Kind::TruncateBody, Some("malformed")).await;
        check(Kind::BadJson, Some("malformed")).await;
        check(Kind::HtmlErrorPage, Some("malformed")).await;
        check(Kind::RateLimited { retry_after: 9 }, Some("rate_limited")).await;
        check(Kind::MissingScope, Some("forbidden")).await;
        check(Kind::PaymentRequired, Some("payment_required")).await;
        check(Kind::ClockSkew, Some("malformed")).await;
        check(Kind::CursorExpired, Some("malformed")).await;
        check(Kind::RedirectLoop, Some("malformed")).await;
        check(Kind::DeadPlatform, Some("gone")).await;
        check(Kind::WrongContentType, None).await;
        // The last: from then on the token is no good.
        check(Kind::ExpiredToken, Some("unauthorized_expired")).await;
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn limits_are_lifted_at_the_very_second_that_they_name() {
    for api in [Api::V2, Api::V1] {
        let sandbox = sandbox().await;
        let nils = fill(&mut sandbox.world(), 1);
        let bridge = bridge(&sandbox, api);
        let ask = || async { bridge.likes(&LikesQuery::first(Who::Id(nils.clone()), access(api))).await };
        for _ in 0..75 {
            ask().await.expect("75 questions in a quarter of an hour are free");
        }
        let lifted = until(ask().await);
        sandbox.world().now = lifted.minus(Duration::from_secs(1));
        assert_eq!(until(ask().await), lifted, "a second too early");
        sandbox.world().now = lifted;
        let LikesReply::Page(page) = ask().await.unwrap() else { panic!("a page") };
        assert_eq!(page.quota.remaining, Some(74));
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn likes_of_others_and_things_that_are_not_there_are_refused() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 1);
    let mira = ExternalId::new(TWITTER, &sandbox.world().user(TWITTER, "mira").unwrap().id).unwrap();
    let nobody = ExternalId::new(TWITTER, "4021").unwrap();
    let tweet = ObjectRef::new(TWITTER, "4021").unwrap();
    for api in [Api::V2, Api::V1] {
        let bridge = bridge(&sandbox, api);
        let others = bridge.likes(&LikesQuery::first(Who::Id(mira.clone()), access(api))).await;
        assert_eq!(others.unwrap_err().class(), "forbidden", "{api:?}");
        let profile = bridge.profile(&Who::Id(nobody.clone()), &access(api)).await;
        assert_eq!(profile.unwrap_err().class(), "not_found", "{api:?}");
        let post = bridge.post(&tweet, None, &access(api)).await;
        assert_eq!(post.unwrap_err().class(), "not_found", "{api:?}");
    }
    sandbox.stop().await;
}

async fn sign_in(bridge: &Twitter, button: (&str, &str)) -> Result<Grant, Error> {
    let door = bridge.sign_in().unwrap();
    let begun = door.begin(&callback(), "state-7").await?;
    let answer = press(&begun.url, button).await;
    door.finish(&callback(), &begun.kept, &answer).await
}

#[tokio::test]
async fn a_token_that_ended_is_renewed_and_one_that_was_taken_back_is_not() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 2);
    let bridge = bridge(&sandbox, Api::V2);
    assert_eq!(sign_in(&bridge, ("deny", "1")).await.unwrap_err().class(), "forbidden");
    let grant = sign_in(&bridge, ("user", "nils")).await.unwrap();
    assert_eq!(grant.expires_in, Some(Duration::from_secs(7_200)));
    assert!(grant.scopes.iter().any(|scope| scope == "like.read"), "{:?}", grant.scopes);
    let likes = async |grant: &Grant| {
        let query = LikesQuery::first(Who::TokenOwner, Access::User(grant.credential.clone()));
        listing::read(&bridge, &query, Depth::All).await
    };
    assert_eq!(likes(&grant).await.items.len(), 2);
    sandbox.world().advance(Duration::from_secs(7_200));
    let PassEnd::Failed(ended) = likes(&grant).await.end else { panic!("the token ended") };
    assert_eq!(ended.class(), "unauthorized_expired");
    let renewed = bridge.sign_in().unwrap().refresh(&grant).await.unwrap();
    assert!(likes(&renewed).await.is_complete());
    let who = bridge.profile(&Who::TokenOwner, &Access::User(renewed.credential.clone())).await.unwrap();
    assert_eq!(who.id, nils);
    sandbox.world().revoke_tokens(TWITTER, "nils").unwrap();
    assert!(matches!(likes(&renewed).await.end, PassEnd::Failed(Error::Unauthorized { .. })));
    let refused = bridge.sign_in().unwrap().refresh(&renewed).await;
    assert!(matches!(refused, Err(Error::Unauthorized { .. })), "{refused:?}");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_person_signs_in_by_the_older_way() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 2);
    let bridge = bridge(&sandbox, Api::V1);
    assert_eq!(sign_in(&bridge, ("deny", "1")).await.unwrap_err().class(), "forbidden");
    let grant = sign_in(&bridge, ("user", "nils")).await.unwrap();
    let access = Access::User(grant.credential.clone());
    assert_eq!(bridge.profile(&Who::TokenOwner, &access).await.unwrap().id, nils);
    let pass = listing::read(&bridge, &LikesQuery::first(Who::TokenOwner, access.clone()), Depth::All).await;
    assert_eq!((pass.is_complete(), pass.items.len()), (true, 2));
    sandbox.world().revoke_tokens(TWITTER, "nils").unwrap();
    let refused = bridge.profile(&Who::TokenOwner, &access).await;
    assert_eq!(refused.unwrap_err().class(), "unauthorized_expired");
    sandbox.stop().await;
}

fn archived(sandbox: &Sandbox, user: &str) -> (Vec<LikeItem>, ExternalId) {
    let bytes = control::export(&sandbox.world(), "twitter", user).unwrap();
    let export = crate::bridges::twitter::export::Archive;
    let mut archive = Archive::open(File::new(bytes), "twitter.zip", Limits::default()).unwrap();
    let owner = archive.owner(&export).unwrap().id.unwrap();
    let mut items = Vec::new();
    archive
        .likes(&export, &mut |item| {
            items.push(item.unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    (items, owner)
}

#[tokio::test]
async fn both_apis_the_archive_and_a_pasted_address_agree() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 250);
    let (items, owner) = archived(&sandbox, "nils");
    assert_eq!(owner, nils);
    let newer = read(&bridge(&sandbox, Api::V2), Api::V2, &nils).await;
    let older = read(&bridge(&sandbox, Api::V1), Api::V1, &nils).await;
    assert_eq!((items.len(), newer.items.len()), (250, 250));
    assert_eq!(newer.items, older.items, "the same in every field");
    for (archived, live) in items.iter().zip(&newer.items) {
        let (a, b) = (&archived.post, &live.post);
        assert_eq!((&a.id, &a.title, &a.description, &a.url), (&b.id, &b.title, &b.description, &b.url));
        assert_eq!((a.published, a.kind, archived.liked_at), (b.published, b.kind, live.liked_at));
        assert_eq!(a.owner, None, "the archive does not name the author");
    }
    assert_eq!(items[0].post.title, "tide 249 & ebb <3");
    let live = &newer.items[0].post;
    let bridge = bridge(&sandbox, Api::V2);
    for host in ["twitter.com", "mobile.x.com"] {
        let pasted = format!("https://{host}/anybody/status/{}?s=20", live.id.object());
        let pasted = bridge.parse_reference(&pasted).unwrap();
        assert_eq!(pasted.post_id.as_deref(), Some(live.id.object()));
        assert_eq!(pasted.canonical_url, live.url);
        assert_eq!(bridge.resolve(&pasted, &access(Api::V2)).await.unwrap(), *live);
    }
    assert_eq!(bridge.post(&live.id, None, &access(Api::V2)).await.unwrap(), *live);
    sandbox.stop().await;
}

#[tokio::test]
async fn pictures_films_and_protected_tweets_are_what_they_are() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 3);
    let likes = truth(&sandbox.world(), &nils);
    {
        let world = &mut *sandbox.world();
        let post = world.post_mut(TWITTER, likes[0].object()).unwrap();
        (post.kind, post.title, post.is_sensitive) = (PostKind::Video, Some("A harbour".into()), true);
        post.description = Some("Fog https://mira.example/fog?a=1&b=2".into());
        post.tags = vec!["tides".into()];
        let shy = world.add_user(TWITTER, "shy").id.clone();
        let post = world.post_mut(TWITTER, likes[1].object()).unwrap();
        (post.owner, post.is_private) = (shy, true);
    }
    for api in [Api::V2, Api::V1] {
        let bridge = bridge(&sandbox, api);
        let pass = read(&bridge, api, &nils).await;
        assert_eq!((pass.items.len(), pass.is_complete()), (2, true), "{api:?}: the protected one is left out");
        let post = &pass.items[0].post;
        assert_eq!(post.description.as_deref(), Some("Fog https://mira.example/fog?a=1&b=2"), "{api:?}");
        assert_eq!((post.attachments[0].kind, post.is_sensitive), (MediaKind::Video, true));
        assert_eq!(post.attachments[0].alt.as_deref(), Some("A harbour"));
        assert!(post.attachments[0].url.ends_with("2176.mp4") && post.attachments[0].poster.is_some());
        assert_eq!(
            (post.duration, post.tags.as_slice()),
            (Some(Duration::from_millis(12_500)), &["tides".to_owned()][..])
        );
        assert_eq!(bridge.post(&likes[1], None, &access(api)).await.unwrap_err().class(), "forbidden");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_claim_holds_for_the_stable_id_in_each_field_and_not_for_the_name() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 0);
    let mira = ExternalId::new(TWITTER, &sandbox.world().user(TWITTER, "mira").unwrap().id).unwrap();
    for api in [Api::V2, Api::V1] {
        let bridge = bridge(&sandbox, api);
        let by_id = async || bridge.profile(&Who::Id(mira.clone()), &access(api)).await.unwrap();
        sandbox.world().user_mut(TWITTER, mira.account()).unwrap().bio = Some(format!("Tides. {CLAIM}"));
        assert!(proves(&by_id().await, CLAIM), "{api:?}: in the bio");
        {
            let world = &mut *sandbox.world();
            let user = world.user_mut(TWITTER, mira.account()).unwrap();
            (user.bio, user.website) = (None, Some(CLAIM.into()));
        }
        assert!(proves(&by_id().await, CLAIM), "{api:?}: as website");
        // Another account takes the name and copies the text.
        let copy = {
            let world = &mut *sandbox.world();
            let taken = world.user(TWITTER, mira.account()).unwrap().handle.clone();
            world.rename_user(TWITTER, mira.account(), &format!("{taken}2")).unwrap();
            world.user_mut(TWITTER, mira.account()).unwrap().website = None;
            world.add_user(TWITTER, &taken).website = Some(CLAIM.into());
            taken
        };
        assert!(!proves(&by_id().await, CLAIM), "{api:?}: the copy does not help");
        let other = bridge.profile(&Who::Handle(copy), &access(api)).await.unwrap();
        assert!(proves(&other, CLAIM) && other.id != mira);
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_rename_keeps_the_likes_and_the_posts_of_an_account() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 120);
    let mira = ExternalId::new(TWITTER, &sandbox.world().user(TWITTER, "mira").unwrap().id).unwrap();
    sandbox.world().rename_user(TWITTER, "nils", "nils_holm").unwrap();
    sandbox.world().add_user(TWITTER, "nils");
    for api in [Api::V2, Api::V1] {
        let bridge = bridge(&sandbox, api);
        assert_eq!(read(&bridge, api, &nils).await.items.len(), 120);
        let (mut found, mut cursor) = (BTreeSet::new(), None);
        loop {
            let page = bridge.posts(&PostsOf::Account(mira.clone()), cursor.as_ref(), &access(api)).await.unwrap();
            assert_eq!(page.unreadable, 0);
            found.extend(page.items.into_iter().map(|post| post.id));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(found.len(), 120, "{api:?}");
    }
    sandbox.stop().await;
}
