//! The SoundCloud connector against the sandbox.

use std::collections::BTreeSet;
use std::io::Cursor as Memory;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use url::Url;

use super::sign_in::press;
use super::{Between, break_it, sandbox};
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::http::LoopbackHttp;
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::soundcloud::{Config, SoundCloud, is_unresolved};
use crate::bridges::{
    Access, Bridge, Credential, Error, Http, LikesQuery, LikesReply, LiveApi, PostKind, PostsOf, Secret, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;
use crate::sandbox::fault::Kind;
use crate::sandbox::model::{PostKind as SoundKind, Token, World};
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};
use crate::sandbox::{Sandbox, control};

const SOUNDCLOUD: Platform = Platform::SoundCloud;
const CLAIM: &str = "https://node.example/claim/7f3a9c";

fn bridge_over(sandbox: &Sandbox, http: Arc<dyn Http>) -> SoundCloud {
    let base = sandbox.base_url(SOUNDCLOUD);
    let url = |path: &str| Url::parse(&format!("{base}{path}")).unwrap();
    let config = Config {
        base_url: url(""),
        auth_url: url("/authorize"),
        token_url: url("/oauth/token"),
        short_url: url("/on/"),
        client_id: Some(CLIENT_ID.into()),
        client_secret: Some(Secret::new(CLIENT_SECRET)),
        user_agent: "fedflattr-test".into(),
    };
    SoundCloud::new(config, http)
}

fn bridge(sandbox: &Sandbox) -> SoundCloud {
    bridge_over(sandbox, Arc::new(LoopbackHttp::new()))
}

/// A patron `nils` with a token, a creator `mira`, and `count` tracks of hers that he likes, one a minute.
fn fill(world: &mut World, count: u32) -> ExternalId {
    world.add_user(SOUNDCLOUD, "mira");
    let nils = world.add_user(SOUNDCLOUD, "nils").id.clone();
    world.tokens.insert((SOUNDCLOUD, "t-nils".into()), Token::of(&nils));
    for number in 0..count {
        let post = world.add_post(SOUNDCLOUD, "mira", &format!("tide-{number}")).unwrap().id.clone();
        world.advance(Duration::from_secs(60));
        world.like(SOUNDCLOUD, &nils, &post, world.now).unwrap();
    }
    ExternalId::new(SOUNDCLOUD, &nils).unwrap()
}

/// A set of mira's that nils likes.
fn add_set(world: &mut World) -> ObjectRef {
    let set = world.add_post(SOUNDCLOUD, "mira", "coast").unwrap();
    set.id = set.id.replace("tracks", "playlists");
    set.kind = SoundKind::Collection;
    let id = set.id.clone();
    world.like(SOUNDCLOUD, "nils", &id, world.now).unwrap();
    ObjectRef::new(SOUNDCLOUD, &id).unwrap()
}

/// What the platform itself would swear to.
fn truth(world: &World, who: &ExternalId) -> BTreeSet<ObjectRef> {
    let likes = world.likes_of(SOUNDCLOUD, who.account()).into_iter();
    likes.map(|like| ObjectRef::new(SOUNDCLOUD, &like.post).unwrap()).collect()
}

fn seen(pass: &Pass) -> BTreeSet<ObjectRef> {
    assert!(pass.items.iter().all(|item| item.liked_at.is_none()), "SoundCloud does not date likes");
    pass.items.iter().map(|item| item.post.id.clone()).collect()
}

fn nils_himself() -> Access {
    Access::User(Credential::bearer("t-nils"))
}

async fn read(bridge: &SoundCloud, who: &ExternalId) -> Pass {
    listing::read(bridge, &LikesQuery::first(Who::Id(who.clone()), Access::Instance), Depth::All).await
}

#[tokio::test]
async fn a_full_listing_equals_the_state() {
    for (count, pages) in [(0, 2), (1, 2), (200, 2), (201, 3), (250, 3)] {
        let sandbox = sandbox().await;
        let nils = fill(&mut sandbox.world(), count);
        add_set(&mut sandbox.world());
        let bridge = bridge(&sandbox);
        let pass = read(&bridge, &nils).await;
        assert_eq!(
            (&pass.end, pass.pages),
            (&PassEnd::Complete, pages),
            "{count} likes, and the sets on a page of their own"
        );
        assert_eq!((seen(&pass), pass.repeats), (truth(&sandbox.world(), &nils), 0), "{count} likes");
        let own = listing::read(&bridge, &LikesQuery::first(Who::TokenOwner, nils_himself()), Depth::All).await;
        assert_eq!((seen(&own), own.pages), (seen(&pass), pages), "{count} likes");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_track_that_is_blocked_here_is_no_like_taken_back() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 250);
    let known = truth(&sandbox.world(), &nils);
    // One on each page: the address of the next page does not repeat what was asked.
    for (place, track) in known.iter().enumerate().filter(|(place, _)| place % 100 == 3) {
        let state = if place == 103 { "preview" } else { "blocked" };
        sandbox.world().kept.insert((SOUNDCLOUD, format!("access:{}", track.object())), json!(state));
    }
    let pass = read(&bridge(&sandbox), &nils).await;
    assert_eq!(seen(&pass), known);
    sandbox.stop().await;
}

#[tokio::test]
async fn likes_inserted_while_paging_are_neither_lost_nor_doubled() {
    let sandbox = Arc::new(sandbox().await);
    let nils = fill(&mut sandbox.world(), 450);
    let before = truth(&sandbox.world(), &nils);
    let shared = Arc::clone(&sandbox);
    let change = move |reply| {
        let world = &mut *shared.world();
        for copy in 0..7 {
            let post = world.add_post(SOUNDCLOUD, "mira", &format!("new-{reply}-{copy}")).unwrap().id.clone();
            world.advance(Duration::from_secs(1));
            world.like(SOUNDCLOUD, "nils", &post, world.now).unwrap();
        }
    };
    let http = Between::over(change);
    let pass = read(&bridge_over(&sandbox, http), &nils).await;
    assert!(pass.is_complete());
    assert_eq!(pass.items.len(), seen(&pass).len(), "none is doubled");
    assert!(before.is_subset(&seen(&pass)), "none is lost");
}

#[tokio::test]
async fn an_unlike_is_found_only_from_complete_listings() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 250);
    let known = truth(&sandbox.world(), &nils);
    let gone = known.first().unwrap().clone();
    sandbox.world().unlike(SOUNDCLOUD, "nils", gone.object()).unwrap();
    let bridge = bridge(&sandbox);
    for kind in [
        Kind::Http500,
        Kind::RateLimited { retry_after: 5 },
        Kind::SecondaryLimit { retry_after: 5 },
        Kind::TruncateBody,
        Kind::BadJson,
        Kind::HtmlErrorPage,
        Kind::CursorExpired,
        Kind::RedirectLoop,
    ] {
        break_it(&mut sandbox.world(), SOUNDCLOUD, "/users/*?*cursor=*", kind);
        let pass = read(&bridge, &nils).await;
        assert!(matches!(pass.end, PassEnd::Failed(_)), "{kind:?}");
        assert_eq!(pass.items.len(), 200, "{kind:?}: the first page still counts");
        assert_eq!(listing::unlikes(&known, &pass, Some(&pass)), Unlikes::Unknown, "{kind:?}");
        // The sets are part of the listing: without them nothing is complete.
        break_it(&mut sandbox.world(), SOUNDCLOUD, "/users/*/likes/playlists*", kind);
        assert!(matches!(read(&bridge, &nils).await.end, PassEnd::Failed(_)), "{kind:?}");
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
        break_it(&mut sandbox.world(), SOUNDCLOUD, "/me/likes/tracks", kind);
        let found = bridge.likes(&LikesQuery::first(Who::TokenOwner, nils_himself())).await;
        assert_eq!(found.err().map(|error| error.class()), class, "{kind:?}");
    };
    check(Kind::Http500, Some("transient")).await;
    check(Kind::Http502, Some("transient")).await;
    check(Kind::TruncateBody, Some("malformed")).await;
    check(Kind::BadJson, Some("malformed")).await;
    check(Kind::HtmlErrorPage, Some("malformed")).await;
    check(Kind::RateLimited { retry_after: 9 }, Some("rate_limited")).await;
    check(Kind::SecondaryLimit { retry_after: 9 }, Some("rate_limited")).await;
    check(Kind::MissingScope, Some("forbidden")).await;
    check(Kind::DeadPlatform, Some("gone")).await;
    check(Kind::WrongContentType, None).await;
    // The last: from then on the token is no good.
    check(Kind::ExpiredToken, Some("unauthorized_expired")).await;
    sandbox.stop().await;
}

fn until(asked: Result<LikesReply, Error>) -> Option<Timestamp> {
    match asked {
        Err(Error::RateLimited { until, .. }) => until,
        other => panic!("not a limit: {other:?}"),
    }
}

#[tokio::test]
async fn a_limit_ends_at_the_second_that_its_body_names() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 1);
    let bridge = bridge(&sandbox);
    let ask = || async { bridge.likes(&LikesQuery::first(Who::TokenOwner, nils_himself())).await };
    let now = sandbox.world().now;
    break_it(&mut sandbox.world(), SOUNDCLOUD, "*", Kind::RateLimited { retry_after: 86_000 });
    assert_eq!(until(ask().await), Some(now.plus(Duration::from_secs(86_000))));
    break_it(&mut sandbox.world(), SOUNDCLOUD, "*", Kind::SecondaryLimit { retry_after: 61 });
    assert_eq!(until(ask().await), None, "a warning names no time");
    assert!(ask().await.is_ok());
    sandbox.stop().await;
}

#[tokio::test]
async fn an_expired_token_is_renewed_with_a_refresh_token_that_is_good_once() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 2);
    let bridge = bridge(&sandbox);
    let door = bridge.sign_in().unwrap();
    let callback = super::callback();
    let begun = door.begin(&callback, "state-7").await.unwrap();
    let answer = press(&begun.url, ("user", "nils")).await;
    let grant = door.finish(&callback, &begun.kept, &answer).await.unwrap();
    assert_eq!(grant.expires_in, Some(Duration::from_secs(3_599)));
    let owner = async |credential: &Credential| {
        let found = bridge.profile(&Who::TokenOwner, &Access::User(credential.clone())).await;
        found.map(|profile| profile.id).map_err(|error| error.class())
    };
    assert_eq!(owner(&grant.credential).await, Ok(nils.clone()));
    sandbox.world().advance(Duration::from_secs(3_599));
    assert_eq!(owner(&grant.credential).await, Err("unauthorized_expired"));
    let renewed = door.refresh(&grant).await.unwrap();
    assert_ne!(renewed.refresh, grant.refresh, "the old one is used up");
    assert_eq!(owner(&renewed.credential).await, Ok(nils));
    assert_eq!(door.refresh(&grant).await.unwrap_err().class(), "unauthorized", "nobody renews twice with one");
    sandbox.world().revoke_tokens(SOUNDCLOUD, "nils").unwrap();
    assert_eq!(owner(&renewed.credential).await, Err("unauthorized_expired"), "SoundCloud says the same of both");
    assert_eq!(door.refresh(&renewed).await.unwrap_err().class(), "unauthorized", "and only the renewal tells");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_apps_token_is_fetched_again_after_its_hour_and_no_other_scheme_is_taken() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 1);
    let bridge = bridge(&sandbox);
    assert!(read(&bridge, &nils).await.is_complete());
    sandbox.world().advance(Duration::from_secs(3_600));
    assert!(read(&bridge, &nils).await.is_complete());
    let fetched = sandbox.world().requests.iter().filter(|it| it.path == "/oauth/token").count();
    assert_eq!(fetched, 2, "one for each hour");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/me", sandbox.base_url(SOUNDCLOUD));
    for (scheme, status) in [("OAuth", 200), ("Bearer", 401)] {
        let reply = client.get(&url).header("authorization", format!("{scheme} t-nils")).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), status, "{scheme}");
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_claim_holds_for_the_stable_id_in_each_field_and_not_for_the_name() {
    let sandbox = sandbox().await;
    let mira = sandbox.world().add_user(SOUNDCLOUD, "mira").id.clone();
    let mira = ExternalId::new(SOUNDCLOUD, &mira).unwrap();
    let bridge = bridge(&sandbox);
    let by_id = async || bridge.profile(&Who::Id(mira.clone()), &Access::Instance).await;
    assert!(!proves(&by_id().await.unwrap(), CLAIM));
    sandbox.world().user_mut(SOUNDCLOUD, "mira").unwrap().website = Some(CLAIM.into());
    assert!(proves(&by_id().await.unwrap(), CLAIM));
    {
        let world = &mut *sandbox.world();
        world.rename_user(SOUNDCLOUD, "mira", "mira-lund").unwrap();
        world.add_user(SOUNDCLOUD, "mira").bio = Some(CLAIM.into());
    }
    let by_name = bridge.profile(&Who::Handle("mira".into()), &Access::Instance).await.unwrap();
    assert!(by_name.id != mira && proves(&by_name, CLAIM));
    assert_eq!(by_id().await.unwrap().handle, "mira-lund");
    sandbox.world().user_mut(SOUNDCLOUD, mira.account()).unwrap().website = None;
    assert!(!proves(&by_id().await.unwrap(), CLAIM), "the copy under the old name does not help");
    let links = json!(["https://other.example/", CLAIM]);
    sandbox.world().kept.insert((SOUNDCLOUD, format!("web-profiles:{}", mira.account())), links);
    assert!(proves(&by_id().await.unwrap(), CLAIM));
    sandbox.world().kept.clear();
    sandbox.world().user_mut(SOUNDCLOUD, mira.account()).unwrap().bio = Some(format!("sounds. {CLAIM}"));
    assert!(proves(&by_id().await.unwrap(), CLAIM));
    sandbox.world().delete_user(SOUNDCLOUD, mira.account()).unwrap();
    assert_eq!(by_id().await.unwrap_err().class(), "not_found");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_pasted_address_a_like_a_list_of_posts_and_an_export_give_the_same_objects() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 2);
    let set = add_set(&mut sandbox.world());
    let bridge = bridge(&sandbox);
    let pass = read(&bridge, &nils).await;
    let liked = pass.items.iter().map(|item| &item.post).find(|post| post.title == "tide-0").unwrap();
    let target = json!("https://soundcloud.com/mira/tide-0?si=1");
    sandbox.world().kept.insert((SOUNDCLOUD, "short:AbC12".into()), target);
    let urn = liked.id.object();
    let number = urn.rsplit(':').next().unwrap();
    for text in [
        "https://m.soundcloud.com/Mira/tide-0?x=1".to_owned(),
        "https://on.soundcloud.com/AbC12".to_owned(),
        format!("https://api.soundcloud.com/tracks/{number}"),
        format!("https://w.soundcloud.com/player/?url=https%3A//api.soundcloud.com/tracks/{urn}"),
    ] {
        let pasted = bridge.parse_reference(&text).unwrap();
        assert_eq!(&bridge.resolve(&pasted, &Access::Instance).await.unwrap(), liked, "{text}");
    }
    let pasted = bridge.parse_reference("https://soundcloud.com/mira/sets/coast").unwrap();
    let found = bridge.resolve(&pasted, &Access::Instance).await.unwrap();
    assert_eq!((&found.id, found.kind), (&set, PostKind::Collection));
    // The export holds addresses alone; each leads to the object of the listing.
    let bytes = control::export(&sandbox.world(), "soundcloud", "nils").unwrap();
    let mut archive = Archive::open(Memory::new(bytes), "export.zip", Limits::default()).unwrap();
    let mut exported = Vec::new();
    let mut take = |item: Result<_, Error>| {
        exported.push(item.unwrap());
        ControlFlow::Continue(())
    };
    archive.likes(bridge.export().unwrap(), &mut take).unwrap();
    let mut resolved = BTreeSet::new();
    for like in &exported {
        assert!(is_unresolved(&like.post.id) && like.liked_at.is_some());
        resolved.insert(bridge.post(&like.post.id, Some(&like.post.url), &Access::Instance).await.unwrap().id);
    }
    assert_eq!((exported.len(), resolved), (3, seen(&pass)));
    // The posts of the owner: tracks, then sets.
    let of = PostsOf::Account(liked.owner.clone().unwrap());
    let first = bridge.posts(&of, None, &Access::Instance).await.unwrap();
    let second = bridge.posts(&of, first.next.as_ref(), &Access::Instance).await.unwrap();
    let posts: BTreeSet<ObjectRef> = first.items.iter().chain(&second.items).map(|post| post.id.clone()).collect();
    assert_eq!((posts, second.next), (seen(&pass), None));
    // A rename changes addresses, not ids.
    sandbox.world().rename_user(SOUNDCLOUD, "mira", "mira-lund").unwrap();
    let moved = bridge.post(&liked.id, None, &Access::Instance).await.unwrap();
    assert_eq!((&moved.id, &moved.owner), (&liked.id, &liked.owner));
    assert_eq!(seen(&read(&bridge, &nils).await), seen(&pass));
    sandbox.world().delete_post(SOUNDCLOUD, liked.id.object()).unwrap();
    assert_eq!(bridge.post(&liked.id, None, &Access::Instance).await.unwrap_err().class(), "not_found");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_tracks_of_a_set_are_listed_below_it() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 0);
    let set = add_set(&mut sandbox.world());
    for number in 0..201 {
        sandbox.world().add_post(SOUNDCLOUD, "mira", &format!("in-{number}")).unwrap().parent =
            Some(set.object().into());
    }
    let bridge = bridge(&sandbox);
    let of = PostsOf::Post(set);
    let first = bridge.posts(&of, None, &Access::Instance).await.unwrap();
    let second = bridge.posts(&of, first.next.as_ref(), &Access::Instance).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (200, 1, None));
    sandbox.stop().await;
}

#[tokio::test]
async fn private_tracks_stay_private_even_for_their_owners_token() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 1);
    {
        let world = &mut *sandbox.world();
        let post = world.add_post(SOUNDCLOUD, "nils", "draft").unwrap();
        post.is_private = true;
        let post = post.id.clone();
        world.like(SOUNDCLOUD, "nils", &post, world.now).unwrap();
    }
    let query = LikesQuery::first(Who::TokenOwner, nils_himself());
    let pass = listing::read(&bridge(&sandbox), &query, Depth::All).await;
    assert_eq!((pass.items.len(), pass.is_complete()), (1, true));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_like_set_through_the_api_is_seen_by_both_sides() {
    let sandbox = sandbox().await;
    let nils = fill(&mut sandbox.world(), 0);
    let track = sandbox.world().add_post(SOUNDCLOUD, "mira", "tide").unwrap().id.clone();
    let bridge = bridge(&sandbox);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/likes/tracks/{track}", sandbox.base_url(SOUNDCLOUD));
    let track = ObjectRef::new(SOUNDCLOUD, &track).unwrap();
    for (method, likers) in [(reqwest::Method::POST, 1), (reqwest::Method::POST, 1), (reqwest::Method::DELETE, 0)] {
        let reply = client.request(method, &url).header("authorization", "OAuth t-nils").send().await.unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        assert_eq!(read(&bridge, &nils).await.items.len(), likers);
        let (found, next) = bridge.likers(&track, None, &Access::Instance).await.unwrap();
        assert_eq!((found.len(), next), (likers, None));
        assert!(found.iter().all(|liker| liker.account == nils));
    }
    sandbox.stop().await;
}
