//! The connector to the fediverse against servers in the sandbox: each sandbox is one server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use url::Url;

use super::sign_in::press;
use super::{break_it, callback, sandbox, until};
use crate::bridges::fediverse::door::access;
use crate::bridges::fediverse::{App, Apps, Config, Fediverse};
use crate::bridges::http::LoopbackHttp;
use crate::bridges::listing::{self, Depth, Pass, PassEnd, Unlikes};
use crate::bridges::{
    Access, Bridge, Error, Grant, LikesQuery, LikesReply, LiveApi, PostsOf, RefKind, Secret, Who, proves,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::sandbox::Sandbox;
use crate::sandbox::fault::Kind;
use crate::sandbox::model::{Token, World};

const FEDIVERSE: Platform = Platform::Fediverse;
const CLAIM: &str = "https://node.example/claim/7f3a9c";

#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, App>>);

#[async_trait]
impl Apps for Kept {
    async fn find(&self, server: &str) -> Result<Option<App>, Error> {
        Ok(self.0.lock().unwrap().get(server).cloned())
    }

    async fn keep(&self, server: &str, app: &App) -> Result<(), Error> {
        self.0.lock().unwrap().insert(server.to_owned(), app.clone());
        Ok(())
    }
}

fn bridge_with(apps: &Arc<Kept>) -> Fediverse {
    let config = Config {
        user_agent: "fedflattr-test".into(),
        client_name: "Test".into(),
        website: "https://node.example".into(),
        allows_local: true,
    };
    Fediverse::new(config, Arc::new(LoopbackHttp::new()), Arc::new(LoopbackHttp::new()), apps.clone())
}

fn bridge() -> Fediverse {
    bridge_with(&Arc::default())
}

fn server(sandbox: &Sandbox) -> Url {
    Url::parse(&sandbox.base_url(FEDIVERSE)).unwrap()
}

fn uri(sandbox: &Sandbox, name: &str) -> ExternalId {
    ExternalId::new(FEDIVERSE, &format!("{}users/{name}", server(sandbox))).unwrap()
}

fn handle(sandbox: &Sandbox, name: &str) -> Who {
    Who::Handle(format!("@{name}@{}", sandbox.addr))
}

/// `nils` with the token `t-nils`, and `count` posts of `mira` that he likes, one a minute.
fn fill(world: &mut World, count: u32) {
    world.add_user(FEDIVERSE, "mira");
    let nils = world.add_user(FEDIVERSE, "nils").id.clone();
    world.tokens.insert((FEDIVERSE, "t-nils".into()), Token::of(&nils));
    for number in 0..count {
        let post = world.add_post(FEDIVERSE, "mira", &format!("tide-{number}")).unwrap().id.clone();
        world.advance(Duration::from_secs(60));
        world.like(FEDIVERSE, &nils, &post, world.now).unwrap();
    }
}

fn own(sandbox: &Sandbox) -> LikesQuery {
    LikesQuery::first(Who::TokenOwner, access(&server(sandbox), "t-nils"))
}

async fn read(sandbox: &Sandbox) -> Pass {
    listing::read(&bridge(), &own(sandbox), Depth::All).await
}

/// The URIs that the server itself would swear to, newest like first.
fn truth(sandbox: &Sandbox) -> Vec<String> {
    let (world, base) = (sandbox.world(), server(sandbox));
    let nils = world.user(FEDIVERSE, "nils").unwrap().id.clone();
    world.likes_of(FEDIVERSE, &nils).iter().map(|like| format!("{base}users/mira/statuses/{}", like.post)).collect()
}

fn seen(pass: &Pass) -> Vec<String> {
    pass.items.iter().map(|item| item.post.id.object().to_owned()).collect()
}

#[tokio::test]
async fn a_full_listing_equals_the_state() {
    // A full page leads on; only the empty one behind it says that the list is over.
    for (count, pages) in [(0, 1), (1, 1), (39, 1), (40, 2), (41, 2), (203, 6)] {
        let sandbox = sandbox().await;
        fill(&mut sandbox.world(), count);
        let pass = read(&sandbox).await;
        assert_eq!((pass.end.clone(), pass.pages), (PassEnd::Complete, pages), "{count} likes");
        assert_eq!(seen(&pass), truth(&sandbox), "{count} likes");
        assert!(pass.items.iter().all(|item| item.post.owner == Some(uri(&sandbox, "mira"))));
        assert!(pass.items.iter().all(|item| item.liked_at.is_none()), "nothing says when");
        sandbox.stop().await;
    }
}

#[tokio::test]
async fn an_unlike_is_found_only_from_complete_listings() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 60);
    break_it(&mut sandbox.world(), FEDIVERSE, "/api/v1/favourites", Kind::DamagedItem);
    let damaged = read(&sandbox).await;
    assert_eq!((damaged.items.len(), damaged.end), (59, PassEnd::CompleteButFor { unreadable: 1 }));
    let known: BTreeSet<ObjectRef> =
        truth(&sandbox).iter().map(|uri| ObjectRef::new(FEDIVERSE, uri).unwrap()).collect();
    let gone = known.first().unwrap().clone();
    let id = gone.object().rsplit('/').next().unwrap().to_owned();
    sandbox.world().unlike(FEDIVERSE, "nils", &id).unwrap();
    for kind in [Kind::Http503, Kind::RateLimited { retry_after: 5 }, Kind::TruncateBody, Kind::HtmlErrorPage] {
        break_it(&mut sandbox.world(), FEDIVERSE, "/api/v1/favourites?*max_id=*", kind);
        let pass = read(&sandbox).await;
        assert!(matches!(pass.end, PassEnd::Failed(_)), "{kind:?}");
        assert_eq!(pass.items.len(), 40, "{kind:?}: the first page still counts");
        assert_eq!(listing::unlikes(&known, &pass, Some(&pass)), Unlikes::Unknown, "{kind:?}");
    }
    let (first, second) = (read(&sandbox).await, read(&sandbox).await);
    assert_eq!(listing::unlikes(&known, &first, Some(&second)), Unlikes::Certain(vec![gone]));
    sandbox.stop().await;
}

#[tokio::test]
async fn likes_that_come_while_paging_push_nothing_onto_the_next_page() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 90);
    let before = truth(&sandbox);
    break_it(&mut sandbox.world(), FEDIVERSE, "/api/v1/favourites?*max_id=*", Kind::ItemInsertedBetweenPages);
    let pass = read(&sandbox).await;
    assert!(pass.is_complete());
    assert_eq!((seen(&pass), pass.repeats), (before, 0), "pages are cut by id and not by number");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_token_that_was_taken_back_or_opens_too_little_has_its_class() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 3);
    let bridge = bridge();
    let class = async || bridge.likes(&own(&sandbox)).await.err().map(|error| error.class());
    assert_eq!(class().await, None);
    for (kind, expected) in [
        (Kind::MissingScope, "forbidden"),
        (Kind::DeadPlatform, "gone"),
        (Kind::BadJson, "malformed"),
        (Kind::Http502, "transient"),
        (Kind::ExpiredToken, "unauthorized_expired"),
    ] {
        break_it(&mut sandbox.world(), FEDIVERSE, "/api/v1/favourites", kind);
        assert_eq!(class().await, Some(expected), "{kind:?}");
    }
    // He signs in anew, since one token has ended. In the middle of a listing, too: what was read until then stays.
    let nils = sandbox.world().user(FEDIVERSE, "nils").unwrap().id.clone();
    sandbox.world().tokens.insert((FEDIVERSE, "t-nils".into()), Token::of(&nils));
    fill_more(&mut sandbox.world(), 60);
    break_it(&mut sandbox.world(), FEDIVERSE, "/api/v1/favourites?*max_id=*", Kind::RevokedToken);
    let pass = read(&sandbox).await;
    assert_eq!(pass.items.len(), 40);
    assert!(matches!(pass.end, PassEnd::Failed(Error::Unauthorized { expired: false, .. })), "{:?}", pass.end);
    sandbox.world().revoke_tokens(FEDIVERSE, "nils").unwrap();
    assert_eq!(class().await, Some("unauthorized"));
    sandbox.stop().await;
}

fn fill_more(world: &mut World, count: u32) {
    for number in 0..count {
        let post = world.add_post(FEDIVERSE, "mira", &format!("more-{number}")).unwrap().id.clone();
        world.advance(Duration::from_secs(1));
        world.like(FEDIVERSE, "nils", &post, world.now).unwrap();
    }
}

#[tokio::test]
async fn a_limit_is_lifted_at_the_very_second_that_it_names() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 1);
    let bridge = bridge();
    let ask = || async { bridge.likes(&own(&sandbox)).await };
    for _ in 0..300 {
        ask().await.expect("300 requests in five minutes are free");
    }
    let lifted = until(ask().await);
    sandbox.world().now = lifted.minus(Duration::from_secs(1));
    assert_eq!(until(ask().await), lifted, "a second too early");
    sandbox.world().now = lifted;
    let LikesReply::Page(page) = ask().await.unwrap() else { panic!("no etag was sent") };
    assert_eq!(page.quota.remaining, Some(299));
    sandbox.stop().await;
}

#[tokio::test]
async fn whose_a_post_of_another_server_is_only_that_server_says() {
    let (home, there) = (sandbox().await, sandbox().await);
    fill(&mut home.world(), 0);
    fill(&mut there.world(), 0);
    // The same people and posts on both, so that the ids agree; on `home` mira is known from elsewhere.
    {
        let world = &mut *home.world();
        let mira = world.user(FEDIVERSE, "mira").unwrap().id.clone();
        world.kept.insert((FEDIVERSE, format!("server:{mira}")), json!(there.base_url(FEDIVERSE)));
        world.add_post(FEDIVERSE, "mira", "crab").unwrap().title = Some("What `home` says".into());
        world.like(FEDIVERSE, "nils", "mira/crab", world.now).unwrap();
        there.world().add_post(FEDIVERSE, "mira", "crab").unwrap().title = Some("One crab".into());
    }
    let pass = read(&home).await;
    let liked = &pass.items[0].post;
    assert!(liked.id.object().starts_with(&there.base_url(FEDIVERSE)), "{}", liked.id);
    assert_eq!((&liked.owner, liked.title.as_str()), (&None, liked.id.object()));
    let asked = bridge().post(&liked.id, None, &Access::Instance).await.unwrap();
    assert_eq!((asked.owner.unwrap(), asked.title.as_str()), (uri(&there, "mira"), "One crab"));
    assert!(home.world().requests.iter().all(|request| !request.path.contains("/statuses/")), "home was not asked");
    there.world().delete_post(FEDIVERSE, "mira/crab").unwrap();
    assert_eq!(bridge().post(&liked.id, None, &Access::Instance).await.unwrap_err().class(), "not_found");
    home.stop().await;
    there.stop().await;
}

async fn sign_in(bridge: &Fediverse, handle: &str, button: (&str, &str)) -> Result<Grant, Error> {
    let door = bridge.sign_in().unwrap();
    let callback = callback();
    let begun = door.begin_for(handle, &callback, "state-7").await?;
    let answer = press(&begun.url, button).await;
    assert_eq!(answer["state"], begun.key);
    door.finish(&callback, &begun.kept, &answer).await
}

#[tokio::test]
async fn a_person_signs_in_at_a_server_that_we_never_heard_of() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 5);
    let apps: Arc<Kept> = Arc::default();
    let bridge = bridge_with(&apps);
    let name = format!("@nils@{}", sandbox.addr);
    let grant = sign_in(&bridge, &name, ("user", "nils")).await.unwrap();
    let me = Access::User(grant.credential.clone());
    let profile = bridge.profile(&Who::TokenOwner, &me).await.unwrap();
    assert_eq!(profile.id, uri(&sandbox, "nils"));
    assert_eq!(profile.handle, format!("nils@{}", sandbox.addr));
    let pass = listing::read(&bridge, &LikesQuery::first(Who::TokenOwner, me.clone()), Depth::All).await;
    assert_eq!(pass.items.len(), 5);
    assert_eq!(bridge.sign_in().unwrap().refresh(&grant).await.unwrap_err().class(), "unauthorized_expired");
    // A second person: the same app.
    assert!(sign_in(&bridge, &name, ("user", "mira")).await.is_ok());
    let registrations = || sandbox.world().requests.iter().filter(|request| request.path == "/api/v1/apps").count();
    assert_eq!((registrations(), apps.0.lock().unwrap().len()), (1, 1));
    // The server has forgotten it: another is made before the person is sent there.
    sandbox.world().doors.apps.clear();
    assert!(sign_in(&bridge, &name, ("user", "mira")).await.is_ok());
    assert_eq!(registrations(), 2);
    assert_eq!(sign_in(&bridge, &name, ("deny", "1")).await.unwrap_err().class(), "forbidden");
    assert_eq!(
        sign_in(&bridge, &format!("nobody@{}", sandbox.addr), ("user", "nils")).await.unwrap_err().class(),
        "not_found"
    );
    sandbox.stop().await;
}

#[tokio::test]
async fn a_server_that_tells_no_uris_of_accounts_is_understood_too() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 2);
    sandbox.world().kept.insert((FEDIVERSE, "version".into()), json!("4.1"));
    let owner = bridge().profile(&Who::TokenOwner, &access(&server(&sandbox), "t-nils")).await.unwrap();
    assert_eq!(owner.id, uri(&sandbox, "nils"));
    let pass = read(&sandbox).await;
    assert_eq!((pass.items.len(), pass.items[0].post.owner.clone()), (2, None), "its posts are asked for one by one");
    let asked = bridge().post(&pass.items[0].post.id, None, &Access::Instance).await.unwrap();
    assert_eq!(asked.owner, Some(uri(&sandbox, "mira")));
    let posts = bridge().posts(&PostsOf::Account(uri(&sandbox, "mira")), None, &Access::Instance).await.unwrap();
    assert!(posts.items.len() == 2 && posts.items.iter().all(|post| post.owner == Some(uri(&sandbox, "mira"))));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_native_creator_claims_by_a_payment_link_a_field_or_the_bio() {
    let sandbox = sandbox().await;
    let mira = sandbox.world().add_user(FEDIVERSE, "mira").id.clone();
    let look = async || {
        let by_id = bridge().profile(&Who::Id(uri(&sandbox, "mira")), &Access::Instance).await.unwrap();
        let by_name = bridge().profile(&handle(&sandbox, "mira"), &Access::Instance).await.unwrap();
        assert_eq!(by_id, by_name);
        proves(&by_id, CLAIM)
    };
    assert!(!look().await);
    let payment = (FEDIVERSE, format!("payment:{mira}"));
    sandbox.world().kept.insert(payment.clone(), json!(CLAIM));
    assert!(look().await, "FEP-0ea0");
    sandbox.world().kept.insert(payment.clone(), json!(format!("{CLAIM}0")));
    assert!(!look().await, "another address");
    sandbox.world().kept.remove(&payment);
    sandbox.world().user_mut(FEDIVERSE, "mira").unwrap().website = Some(CLAIM.into());
    assert!(look().await, "a field, which is cut for the eye");
    {
        let world = &mut *sandbox.world();
        let mira = world.user_mut(FEDIVERSE, "mira").unwrap();
        (mira.website, mira.bio) = (None, Some(format!("I look at tide pools. {CLAIM} is where to thank me.")));
    }
    assert!(look().await, "the bio");
    sandbox.world().delete_user(FEDIVERSE, "mira").unwrap();
    let gone = bridge().profile(&Who::Id(uri(&sandbox, "mira")), &Access::Instance).await;
    assert_eq!(gone.unwrap_err().class(), "not_found");
    sandbox.stop().await;
}

#[tokio::test]
async fn posts_of_a_creator_are_those_for_everybody() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 45);
    sandbox.world().post_mut(FEDIVERSE, "mira/tide-44").unwrap().is_private = true;
    let (bridge, of) = (bridge(), PostsOf::Account(uri(&sandbox, "mira")));
    let first = bridge.posts(&of, None, &Access::Instance).await.unwrap();
    let second = bridge.posts(&of, first.next.as_ref(), &Access::Instance).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next.is_none()), (40, 4, true));
    assert_eq!(first.items[0].title, "tide-43");
    let nils = PostsOf::Account(uri(&sandbox, "nils"));
    assert!(bridge.posts(&nils, None, &Access::Instance).await.unwrap().items.is_empty());
    sandbox.stop().await;
}

#[tokio::test]
async fn a_pasted_address_and_a_like_give_the_same_object() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 1);
    let liked = read(&sandbox).await.items.remove(0).post;
    let mut pasted = bridge().parse_reference("https://social.example/@mira/1").unwrap();
    assert_eq!(pasted.kind, RefKind::Post);
    // The form is read strictly, and loopback is no public name: the address of the test's own server is put in here.
    for page in [liked.url.clone(), liked.id.object().to_owned()] {
        pasted.canonical_url = page;
        let found = bridge().resolve(&pasted, &Access::Instance).await.unwrap();
        assert_eq!((&found.id, &found.owner), (&liked.id, &liked.owner));
    }
    assert!(bridge().parse_reference(&liked.url).is_err());
    sandbox.stop().await;
}

#[tokio::test]
async fn an_app_gets_no_more_than_it_was_registered_for() {
    let sandbox = sandbox().await;
    fill(&mut sandbox.world(), 1);
    let apps: Arc<Kept> = Arc::default();
    sign_in(&bridge_with(&apps), &sandbox.addr.to_string(), ("user", "nils")).await.unwrap();
    let app = apps.0.lock().unwrap().values().next().cloned().unwrap();
    let mut wanted = server(&sandbox).join("/oauth/authorize").unwrap();
    wanted.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", &app.client_id),
        ("redirect_uri", &app.redirect_uri),
        ("scope", "read:accounts write"),
    ]);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(wanted).send().await.unwrap().status().as_u16(), 400);
    assert!(!format!("{app:?} {:?}", Secret::new(app.client_secret.as_str())).contains(&app.client_secret));
    sandbox.stop().await;
}
