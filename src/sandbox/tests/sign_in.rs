//! Signing in through the sandbox: our doors against its own reading of the standards.

use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use super::{break_it, callback, sandbox};
use crate::bridges::github::{App, Config, GitHub};
use crate::bridges::http::LoopbackHttp;
use crate::bridges::{Access, Bridge, Error, Grant, LiveApi, Secret, Who};
use crate::domain::identity::{ExternalId, Platform};
use crate::sandbox::fault::{Fault, Kind};
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};
use crate::sandbox::{Sandbox, oauth};

const GITHUB: Platform = Platform::GitHub;

/// What a person's browser does on the page: presses the button, and is sent back with a query.
pub(super) async fn press(url: &Url, button: (&str, &str)) -> BTreeMap<String, String> {
    let policy = reqwest::redirect::Policy::none();
    let browser = reqwest::Client::builder().no_proxy().redirect(policy).user_agent("browser").build().unwrap();
    let page = browser.get(url.clone()).send().await.unwrap();
    assert_eq!(page.status().as_u16(), 200, "the page comes first");
    assert!(page.text().await.unwrap().contains("<button"));
    let mut pressed = url.clone();
    pressed.query_pairs_mut().append_pair(button.0, button.1);
    let reply = browser.get(pressed).send().await.unwrap();
    assert_eq!(reply.status().as_u16(), 302);
    let back = Url::parse(reply.headers()["location"].to_str().unwrap()).unwrap();
    assert_eq!(back.path(), callback().path());
    back.query_pairs().into_owned().collect()
}

fn bridge(sandbox: &Sandbox, client_id: &str, client_secret: &str) -> GitHub {
    let base_url = Url::parse(&sandbox.base_url(GITHUB)).unwrap();
    let app = App {
        auth_url: Url::parse(&format!("{base_url}/login/oauth/")).unwrap(),
        client_id: client_id.into(),
        client_secret: Secret::new(client_secret),
    };
    let config = Config { base_url, token: None, user_agent: "fedflattr-test".into(), app: Some(app) };
    GitHub::new(config, Arc::new(LoopbackHttp::new()))
}

async fn sign_in(bridge: &GitHub, button: (&str, &str)) -> Result<Grant, Error> {
    let door = bridge.sign_in().unwrap();
    let begun = door.begin(&callback(), "state-7").await?;
    let answer = press(&begun.url, button).await;
    assert_eq!(answer["state"], begun.key);
    door.finish(&callback(), &begun.kept, &answer).await
}

async fn owner(bridge: &GitHub, grant: &Grant) -> Result<ExternalId, Error> {
    Ok(bridge.profile(&Who::TokenOwner, &Access::User(grant.credential.clone())).await?.id)
}

#[tokio::test]
async fn a_person_signs_in_at_github_and_is_who_they_say() {
    let sandbox = sandbox().await;
    let mira = sandbox.world().add_user(GITHUB, "mira").id.clone();
    sandbox.world().add_user(GITHUB, "nils");
    let bridge = bridge(&sandbox, CLIENT_ID, CLIENT_SECRET);
    let grant = sign_in(&bridge, ("user", "mira")).await.unwrap();
    assert_eq!((grant.refresh.clone(), grant.expires_in), (None, None), "it does not end");
    assert_eq!(owner(&bridge, &grant).await.unwrap().account(), mira);
    let renewed = bridge.sign_in().unwrap().refresh(&grant).await;
    assert_eq!(renewed.unwrap_err().class(), "unauthorized_expired", "there is nothing to renew it with");
    sandbox.world().revoke_tokens(GITHUB, "mira").unwrap();
    assert_eq!(owner(&bridge, &grant).await.unwrap_err().class(), "unauthorized");
    sandbox.stop().await;
}

#[tokio::test]
async fn who_says_no_or_is_no_app_of_ours_gets_nothing() {
    let sandbox = sandbox().await;
    sandbox.world().add_user(GITHUB, "mira");
    let good = bridge(&sandbox, CLIENT_ID, CLIENT_SECRET);
    assert_eq!(sign_in(&good, ("deny", "1")).await.unwrap_err().class(), "forbidden");
    let imposter = bridge(&sandbox, CLIENT_ID, "guess");
    assert_eq!(sign_in(&imposter, ("user", "mira")).await.unwrap_err().class(), "unauthorized");
    let app = oauth::App { id: "own".into(), secret: Some("hush".into()), redirect_uris: vec![callback().into()] };
    sandbox.world().doors.add_app(GITHUB, app);
    assert!(sign_in(&bridge(&sandbox, "own", "hush"), ("user", "mira")).await.is_ok());
    assert!(sandbox.world().tokens.values().all(|token| token.client == "own"));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_code_is_good_once_and_only_with_its_proof_key() {
    let sandbox = sandbox().await;
    sandbox.world().add_user(GITHUB, "mira");
    let bridge = bridge(&sandbox, CLIENT_ID, CLIENT_SECRET);
    let door = bridge.sign_in().unwrap();
    let begun = door.begin(&callback(), "s").await.unwrap();
    let answer = press(&begun.url, ("user", "mira")).await;
    let grant = door.finish(&callback(), &begun.kept, &answer).await.unwrap();
    let again = door.finish(&callback(), &begun.kept, &answer).await;
    assert_eq!(again.unwrap_err().class(), "unauthorized_expired");
    assert_eq!(owner(&bridge, &grant).await.unwrap_err().class(), "unauthorized", "both uses are over");
    let answer = press(&begun.url, ("user", "mira")).await;
    let stolen = door.finish(&callback(), &Secret::new("v".repeat(43)), &answer).await;
    assert_eq!(stolen.unwrap_err().class(), "unauthorized_expired");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_log_of_requests_keeps_no_code() {
    let sandbox = sandbox().await;
    sandbox.world().add_user(GITHUB, "mira");
    let url = format!("{}/user?access_token=sesame&code=abc&page=2", sandbox.base_url(GITHUB));
    reqwest::Client::builder().no_proxy().user_agent("t").build().unwrap().get(url).send().await.unwrap();
    let world = sandbox.world();
    let logged = world.requests.last().unwrap();
    assert_eq!((logged.query.as_str(), logged.is_authorized), ("access_token=-&code=-&page=2", true));
}

#[tokio::test]
async fn refusals_and_loops_have_their_classes() {
    let sandbox = sandbox().await;
    sandbox.world().add_user(GITHUB, "mira");
    let bridge = bridge(&sandbox, CLIENT_ID, CLIENT_SECRET);
    for (kind, class) in [
        (Kind::ExpiredToken, "unauthorized_expired"),
        (Kind::RevokedToken, "unauthorized"),
        (Kind::MissingScope, "forbidden"),
        (Kind::PaymentRequired, "payment_required"),
        (Kind::DeadPlatform, "gone"),
        (Kind::CursorExpired, "malformed"),
    ] {
        break_it(&mut sandbox.world(), Platform::GitHub, "/users/mira", kind);
        let asked = bridge.profile(&Who::Handle("mira".into()), &Access::Instance).await;
        assert_eq!(asked.unwrap_err().class(), class, "{kind:?}");
    }
    let endless = Fault {
        platform: "github".into(),
        path_glob: "*".into(),
        kind: Kind::RedirectLoop,
        count: Some(9),
        probability: None,
        seed: 0,
    };
    sandbox.world().faults.add(endless);
    let looped = bridge.profile(&Who::Handle("mira".into()), &Access::Instance).await;
    assert_eq!(looped.unwrap_err().class(), "malformed");
    assert!(sandbox.world().requests.len() < 16, "the reader gives up soon");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_listing_survives_what_may_happen_between_pages() {
    use crate::bridges::LikesQuery;
    use crate::bridges::listing::{self, Depth, Pass};
    let sandbox = sandbox().await;
    {
        let world = &mut *sandbox.world();
        world.add_user(GITHUB, "mira");
        world.add_user(GITHUB, "nils");
        for number in 0..250 {
            world.add_post(GITHUB, "mira", &format!("maps-{number}")).unwrap();
            world.like(GITHUB, "nils", &format!("mira/maps-{number}"), world.now).unwrap();
        }
    }
    let bridge = bridge(&sandbox, CLIENT_ID, CLIENT_SECRET);
    let query = LikesQuery::first(Who::Handle("nils".into()), Access::Instance);
    let count = |pass: &Pass| {
        assert!(pass.is_complete());
        pass.items.iter().map(|item| item.post.id.clone()).collect::<std::collections::BTreeSet<_>>().len()
    };
    let second = "/user/*?*page=2*";
    for (kind, expected) in
        [(Kind::DuplicateAcrossPages, 250), (Kind::ItemInsertedBetweenPages, 250), (Kind::EmptyPageWithNext, 151)]
    {
        break_it(&mut sandbox.world(), Platform::GitHub, second, kind);
        let pass = listing::read(&bridge, &query, Depth::All).await;
        // The insertion moves one item from the first page to the second, and comes up at the next reading.
        assert_eq!((count(&pass), pass.items.len()), (expected, expected), "{kind:?}");
    }
    assert_eq!(count(&listing::read(&bridge, &query, Depth::All).await), 251);
    sandbox.stop().await;
}
