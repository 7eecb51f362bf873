//! Opting out by the page and by the profile, likes that wait for a yes, and words for a creator.

use super::*;
use crate::bridges::Who;
use crate::domain::id::ObjectId;
use crate::jobs;
use crate::storage::{identities, likes};

const GITHUB: Platform = Platform::GitHub;

/// Mira's account on GitHub, with a post that ana has flattred. Returns mira's stable id and the post.
async fn flattred(site: &Site) -> (PatronId, String, Object) {
    let ana = site.patron("ana", false, site.node.now()).await;
    let account = site.github.world().add_user(GITHUB, "mira").id.clone();
    let object = site.post(&account, "mira", "77", "Something good").await;
    site.flattr(ana, &object, site.node.now()).await;
    (ana, account, object)
}

fn write_bio(site: &Site, bio: &str) {
    site.github.world().user_mut(GITHUB, "mira").unwrap().bio = Some(bio.to_owned());
}

async fn standing(site: &Site, patron: PatronId, object: ObjectId) -> String {
    site.node.db.read(move |tx| likes::latest_flattr(tx, patron, object)).await.unwrap().unwrap().standing
}

async fn is_refused(site: &Site, account: &str) -> bool {
    let id = ExternalId::new(GITHUB, account).unwrap();
    let found = site.node.db.read(move |tx| identities::identity_by_external_id(tx, &id)).await.unwrap();
    found.is_some_and(|identity| identity.is_refused)
}

/// The address that a page asks to be put into the profile.
fn address_on(page: &Reply) -> String {
    let rest = page.body.split("id=\"address\" value=\"").nth(1).expect("an address");
    rest.split('"').next().unwrap().to_owned()
}

#[actix_web::test]
async fn an_owner_opts_out_by_a_proof_and_in_again_without_an_account_here() {
    let site = Site::new().await;
    let (ana, account, object) = flattred(&site).await;
    let app = app!(site);
    let browser = Browser::default();
    let stub = browser.get(&app, "/on/github/mira").await;
    let path = stub.location().to_owned();
    browser.get(&app, &path).await.shows("/opt-out?platform=github&#38;account=mira");
    browser.get(&app, "/").await.shows("<a href=\"/opt-out\">");
    browser.get(&app, "/about").await.shows("<a href=\"/opt-out\">");
    browser.get(&app, "/opt-out?platform=github&account=mira").await.shows("value=\"mira\"");
    for (typed, said) in
        [("", "No bridge"), ("nobody-there", "GitHub does not know"), ("https://github.com/", "does not name a person")]
    {
        let reply = browser.post(&app, "/opt-out", &[("platform", "github"), ("account", typed)]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{typed}");
        reply.shows(said);
    }
    // A platform that cannot be asked: the operator can.
    let reply = browser.post(&app, "/opt-out", &[("platform", "appnet"), ("account", "mira")]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    reply.shows("cannot be asked by this instance");

    // By the address of the profile, whatever platform is chosen.
    let fields = [("platform", "flickr"), ("account", "https://github.com/mira")];
    let page_path = browser.post(&app, "/opt-out", &fields).await.location().to_owned();
    let page = browser.get(&app, &page_path).await;
    page.shows("not opted out here");
    let address = address_on(&page);
    assert_eq!(address, format!("{}{page_path}", site.base()));
    browser.post(&app, &page_path, &[]).await.shows("neither #nobridge nor the address yet");
    assert!(!is_refused(&site, &account).await);

    write_bio(&site, &format!("I draw. {address}"));
    browser.post(&app, &page_path, &[]).await.shows("Done: the account is opted out.");
    assert!(is_refused(&site, &account).await);
    assert_eq!(standing(&site, ana, object.id).await, "refused");
    // It holds when the address goes, and says by what it ends.
    write_bio(&site, "I draw.");
    let page = browser.post(&app, &page_path, &[]).await;
    page.shows("The owner has proved it here.");
    let back = address_on(&page);
    assert_eq!(back, address.replace("/opt-out/", "/opt-in/"));
    assert_eq!(browser.get(&app, &page_path.replace("/opt-out/", "/opt-in/")).await.location(), page_path);
    write_bio(&site, &back);
    browser.post(&app, &page_path, &[]).await.shows("Done: the account is not opted out any more.");
    assert!(!is_refused(&site, &account).await);
    assert_eq!(standing(&site, ana, object.id).await, "refused", "nothing comes back by itself");
    assert_eq!(browser.get(&app, &path).await.status, StatusCode::OK);
}

#[actix_web::test]
async fn the_tag_is_obeyed_by_every_reading_and_its_end_too() {
    let site = Site::new().await;
    let (ana, account, object) = flattred(&site).await;
    site.github.world().requests.clear();
    let look = async |now| {
        jobs::read_consents(&site.node, now).await.unwrap();
        std::mem::take(&mut site.github.world().requests).len()
    };
    let now = site.node.now();
    write_bio(&site, "I draw. #NoBridge");
    assert_eq!(look(now).await, 1, "somebody gives, and nobody has looked yet");
    assert!(is_refused(&site, &account).await);
    assert_eq!(standing(&site, ana, object.id).await, "refused");
    assert_eq!(look(now).await, 0, "once a week is enough");
    write_bio(&site, "I draw. #nobridges are ugly");
    assert_eq!(look(now.plus(std::time::Duration::from_secs(8 * 24 * 3_600))).await, 1);
    assert!(!is_refused(&site, &account).await);
    // Any other reading will do: here the one of somebody who looks the account up.
    write_bio(&site, "#nobridge");
    jobs::look_up(&site.node, GITHUB, &Who::Handle("mira".into())).await.unwrap();
    assert!(is_refused(&site, &account).await);
    // The operator's refusal does not end with the tag.
    let federation = crate::federation::library::federation(&site.node).await.unwrap();
    let command = |is_refusal: bool| {
        let (platform, handle) = ("github".to_owned(), "mira".to_owned());
        match is_refusal {
            true => crate::console::Command::BridgeRefuse { platform, handle },
            false => crate::console::Command::BridgeAllow { platform, handle },
        }
    };
    crate::console::execute(&federation, command(true)).await.unwrap();
    write_bio(&site, "I draw.");
    jobs::look_up(&site.node, GITHUB, &Who::Handle("mira".into())).await.unwrap();
    assert!(is_refused(&site, &account).await);
    crate::console::execute(&federation, command(false)).await.unwrap();
    assert!(!is_refused(&site, &account).await);
    // Of a closed platform the operator names the id.
    let closed = crate::console::Command::BridgeRefuse { platform: "appnet".into(), handle: "id:42".into() };
    crate::console::execute(&federation, closed).await.unwrap();
    let id: ExternalId = "appnet:42".parse().unwrap();
    let refused = site.node.db.read(move |tx| identities::identity_by_external_id(tx, &id)).await.unwrap();
    assert!(refused.is_some_and(|identity| identity.is_refused && identity.actor_id.is_none()));
}

#[actix_web::test]
async fn a_platform_that_limits_us_is_left_alone() {
    let site = Site::new().await;
    let (ana, _, _) = flattred(&site).await;
    let other = site.github.world().add_user(GITHUB, "nils").id.clone();
    let object = site.post(&other, "nils", "78", "Another").await;
    site.flattr(ana, &object, site.node.now()).await;
    site.github.world().faults.add(sandbox::fault::Fault {
        platform: "github".into(),
        path_glob: "*".into(),
        kind: sandbox::fault::Kind::SecondaryLimit { retry_after: 600 },
        count: Some(1),
        probability: None,
        seed: 0,
    });
    site.github.world().requests.clear();
    while jobs::read_consents(&site.node, site.node.now()).await.unwrap() {}
    assert_eq!(site.github.world().requests.len(), 1, "the second account is not asked about");
}

#[actix_web::test]
async fn whoever_refuses_is_found_nowhere() {
    let site = Site::new().await;
    let (_, account, _) = flattred(&site).await;
    site.patron("olga", false, site.node.now()).await;
    site.claimed("olga", &account).await;
    let app = app!(site);
    let browser = Browser::default();
    let actor = format!("/bridge/github/{account}");
    let object = "/bridge/github/objects/77";
    let finger = format!("/.well-known/webfinger?resource=acct:mira.github@{}", site.node.instance.host);
    let json = async |path: &str| {
        let accept = ("accept", "application/activity+json");
        browser.send(&app, TestRequest::get().uri(path).insert_header(accept)).await
    };
    let addresses = [
        actor.clone(),
        object.to_owned(),
        format!("{actor}/outbox"),
        format!("{actor}/followers"),
        format!("{object}/likes"),
    ];
    for path in &addresses {
        assert_eq!(json(path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(json(&finger).await.status, StatusCode::OK);
    browser.get(&app, "/creators").await.shows("mira");
    write_bio(&site, "#nobridge");
    jobs::look_up(&site.node, GITHUB, &Who::Handle("mira".into())).await.unwrap();
    for path in &addresses {
        assert_eq!(json(path).await.status, StatusCode::GONE, "{path}");
    }
    json(&actor).await.shows("Tombstone");
    json(object).await.shows("Tombstone");
    assert_eq!(json(&finger).await.status, StatusCode::NOT_FOUND);
    for path in [actor.as_str(), object] {
        let page = browser.get(&app, path).await;
        assert_eq!(page.status, StatusCode::GONE);
        page.shows("does not wish");
        page.hides("mira");
        page.hides("Something good");
    }
    for path in ["/", "/creators", "/creators/olga"] {
        let page = browser.get(&app, path).await;
        page.hides("mira");
        page.hides("Something good");
    }
    let ana = Browser::signed_in(&app, "ana").await;
    let flattred = ana.post(&app, "/flattr", &[("object", "github:77")]).await;
    assert_eq!(flattred.status, StatusCode::SEE_OTHER);
    ana.get(&app, "/me").await.shows("not wanted or gone");
}

#[actix_web::test]
async fn strangers_cannot_make_us_ask_without_end() {
    let site = Site::new().await;
    flattred(&site).await;
    let app = app!(site);
    let browser = Browser::default();
    browser.get(&app, "/opt-out").await;
    let fields = [("platform", "github"), ("account", "nobody-there")];
    for _ in 0..20 {
        assert_eq!(browser.post(&app, "/opt-out", &fields).await.status, StatusCode::BAD_REQUEST);
    }
    assert_eq!(browser.post(&app, "/opt-out", &fields).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(browser.get(&app, "/opt-out/00112233445566778899aabbccddeeff").await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn a_source_can_ask_first_and_the_patron_answers_on_a_page() {
    let site = Site::new().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    site.patron("ben", false, site.node.now()).await;
    let nils = {
        let world = &mut *site.github.world();
        world.add_user(GITHUB, "mira");
        world.add_user(GITHUB, "nils").id.clone()
    };
    let account = ExternalId::new(GITHUB, &nils).unwrap();
    // The likes of the sandbox bear its own time.
    let connected = site.github.world().now;
    let connection = site
        .node
        .write(move |tx| storage::connections::connect(tx, ana, &account, "nils", connected))
        .await
        .unwrap()
        .unwrap();
    let app = app!(site);
    let (browser, other) = (Browser::signed_in(&app, "ana").await, Browser::signed_in(&app, "ben").await);
    let id = connection.id.to_string();
    let set = |setting| [("connection", id.clone()), ("setting", setting)];
    let fields = |setting: &'static str| set(setting.to_owned());
    let post = async |browser: &Browser, setting: &'static str| {
        let fields = fields(setting);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post(&app, "/me/connections/state", &fields).await
    };
    assert_eq!(post(&other, "confirm").await.status, StatusCode::NOT_FOUND);
    assert_eq!(post(&browser, "sometimes").await.status, StatusCode::NOT_FOUND);
    assert_eq!(post(&browser, "confirm").await.location(), "/me/connections?done=connection");
    browser.get(&app, "/me/connections").await.shows("<option value=\"confirm\" selected>");
    for name in ["one", "two", "three"] {
        let world = &mut *site.github.world();
        let post = world.add_post(GITHUB, "mira", name).unwrap().id.clone();
        world.advance(std::time::Duration::from_secs(1));
        let now = world.now;
        world.like(GITHUB, "nils", &post, now).unwrap();
    }
    let read = async || {
        let rows = site.node.db.read(move |tx| storage::connections::connections_of(tx, ana)).await.unwrap();
        jobs::read_likes(&site.node, &rows[0], site.node.now()).await.unwrap();
    };
    read().await;
    browser.get(&app, "/me").await.shows("3 likes wait for your yes.");
    let page = browser.get(&app, "/me/confirm").await;
    for title in ["one", "two", "three"] {
        page.shows(title);
    }
    let waiting = site.node.db.read(move |tx| likes::suggested(tx, ana, 10)).await.unwrap();
    let flattrs: Vec<String> = waiting.iter().map(|(flattr, _)| flattr.id.to_string()).collect();
    // Nobody answers for another.
    other.post(&app, "/me/confirm", &[("flattr", &flattrs[0]), ("answer", "yes")]).await;
    assert_eq!(standing(&site, ana, waiting[0].1.id).await, "suggested");
    let reply = browser.post(&app, "/me/confirm", &[("flattr", &flattrs[0]), ("answer", "no")]).await;
    assert_eq!(reply.location(), "/me/confirm?done=dismissed");
    // What waits is not answered by another setting, nor by another reading.
    post(&browser, "all").await;
    read().await;
    browser.get(&app, "/me").await.shows("2 likes wait for your yes.");
    let all = [("flattr", flattrs[1].as_str()), ("flattr", flattrs[2].as_str()), ("answer", "yes")];
    let reply = browser.post(&app, "/me/confirm", &all).await;
    assert_eq!(reply.location(), "/me/confirm?done=confirmed");
    browser.get(&app, "/me/confirm").await.shows("Nothing waits.");
    let standings = [&waiting[0], &waiting[1], &waiting[2]].map(|(_, object)| object.id);
    let mut found = Vec::new();
    for object in standings {
        found.push(standing(&site, ana, object).await);
    }
    assert_eq!(found, ["struck", "counting", "counting"]);
    // A source that is off is not read.
    post(&browser, "off").await;
    let due =
        site.node.db.read(|tx| storage::connections::due_connections(tx, GITHUB, Timestamp::from_micros(i64::MAX), 9));
    assert!(due.await.unwrap().is_empty());
}

#[actix_web::test]
async fn a_patron_finds_words_for_a_creator_and_nobody_else_is_asked_to_send_them() {
    let site = Site::new().await;
    let month = Month::containing(site.node.now()).previous().previous();
    let ana = site.patron("ana", false, month.start()).await;
    site.deposit(ana, 50, month.start()).await;
    let object = site.post("5", "mira", "77", "Something good").await;
    site.flattr(ana, &object, month.start()).await;
    site.close(month).await;
    let app = app!(site);
    let link = format!("{}/on/github/mira", site.base());
    Browser::default().get(&app, "/bridge/github/5").await.hides("<textarea");
    let browser = Browser::signed_in(&app, "ana").await;
    let page = browser.get(&app, "/bridge/github/5").await;
    assert_eq!(page.body.matches(&link).count(), 2, "in English and in French");
    page.hides("€");
    page.shows("I like what you make");
    page.shows("J’aime ce que vous faites");
    browser.get(&app, "/me").await.shows("href=\"/bridge/github/5#tell\"");
    assert_eq!(browser.get(&app, "/on/github/mira").await.location(), "/bridge/github/5");
}
