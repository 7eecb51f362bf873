//! Connecting an account by signing in at its platform, from the form to what is stored.

use super::doors::{begin, press, sign_in, site};
use super::*;
use crate::flows::prove_account;

const FORM: &str = "/me/connections/sign-in";
const OVER: &str = "This sign-in has ended, or was begun in another browser.";

/// What is connected for a patron, as `platform:account`.
async fn connected(site: &Site, patron: PatronId) -> Vec<String> {
    let connections = site.connections(patron).await;
    connections.iter().map(|row| format!("{}:{}", row.platform, row.account)).collect()
}

#[actix_web::test]
async fn a_person_signs_in_with_a_proof_key_and_the_account_is_connected_by_its_stable_id() {
    let site = site().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    let url = begin(&browser, &app, FORM, "twitter").await;
    let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    assert_eq!((query["code_challenge_method"].as_str(), query["code_challenge"].len()), ("S256", 43));
    assert_eq!(query["redirect_uri"], format!("{}/sign-in-at/twitter", site.base()));
    let reply = browser.get(&app, &press(&url, ("user", "nils")).await).await;
    assert_eq!((reply.status.as_u16(), reply.location()), (303, "/me/connections?done=connected"));
    let account = site.account(Platform::Twitter, "nils");
    assert_eq!(connected(&site, ana).await, [account.to_string()]);
    // What was granted is kept for the likes, and opens with the key of the data directory only.
    let grant = site.grant(&account).await.expect("kept");
    assert_eq!((grant.state.as_str(), grant.is_for_likes, grant.is_for_claim), ("good", true, false));
    let tokens: Vec<String> = site.github.world().tokens.keys().map(|(_, text)| text.clone()).collect();
    assert_eq!(tokens.len(), 2, "an access token, and one to renew it with");
    assert!(tokens.iter().all(|token| !grant.sealed.contains(token.as_str())));
    assert!(grant.expires_at.is_some_and(|at| at > site.node.now().micros()));
    browser.get(&app, "/me/connections?done=connected").await.shows("waiting for the first complete look");
    // It is forgotten with the connection.
    let id = site.connections(ana).await[0].id.to_string();
    browser.post(&app, "/me/connections/end", &[("connection", &id)]).await;
    assert_eq!(site.grant(&account).await, None);
}

#[actix_web::test]
async fn a_person_signs_in_where_requests_are_signed() {
    let site = site().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    let url = begin(&browser, &app, FORM, "flickr").await;
    assert!(url.query_pairs().any(|(name, _)| name == "oauth_token"), "{url}");
    let reply = browser.get(&app, &press(&url, ("user", "nils")).await).await;
    assert_eq!(reply.location(), "/me/connections?done=connected", "{}", reply.body);
    let account = site.account(Platform::Flickr, "nils");
    assert_eq!(connected(&site, ana).await, [account.to_string()]);
    let grant = site.grant(&account).await.expect("kept");
    assert_eq!((grant.state.as_str(), grant.expires_at), ("good", None));
}

#[actix_web::test]
async fn a_return_counts_once() {
    let site = site().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    for platform in ["twitter", "flickr"] {
        let back = press(&begin(&browser, &app, FORM, platform).await, ("user", "nils")).await;
        assert_eq!(browser.get(&app, &back).await.status, StatusCode::SEE_OTHER);
        site.github.world().requests.clear();
        let again = browser.get(&app, &back).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST);
        again.shows(OVER);
        assert!(site.github.world().requests.is_empty(), "the platform is not even asked");
    }
    assert_eq!(connected(&site, ana).await.len(), 2);
    let invented = browser.get(&app, "/sign-in-at/twitter?state=x&code=y").await;
    assert_eq!(invented.status, StatusCode::BAD_REQUEST);
}

#[actix_web::test]
async fn a_return_in_another_login_or_at_another_platform_connects_nobody() {
    let site = site().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let ben = site.patron("ben", false, site.node.now()).await;
    let app = app!(site);
    let (hers, his) = (Browser::signed_in(&app, "ana").await, Browser::signed_in(&app, "ben").await);
    // Ben is led to a sign-in that ana has begun, so that his account would become hers; or the other way round.
    let back = press(&begin(&hers, &app, FORM, "twitter").await, ("user", "nils")).await;
    let reply = his.get(&app, &back).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    reply.shows(OVER);
    hers.get(&app, &back).await.shows(OVER);
    let back = press(&begin(&hers, &app, FORM, "twitter").await, ("user", "nils")).await;
    hers.get(&app, &back.replace("/twitter?", "/github?")).await.shows(OVER);
    let nobody = Browser::default().get(&app, &back).await;
    assert!(nobody.location().starts_with("/sign-in?next="), "{}", nobody.location());
    assert!(connected(&site, ana).await.is_empty() && connected(&site, ben).await.is_empty());
    assert_eq!(site.grant(&site.account(Platform::Twitter, "nils")).await, None);
}

#[actix_web::test]
async fn who_says_no_at_the_platform_is_told_so_and_nothing_is_connected() {
    let site = site().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    for (platform, label) in [("twitter", "Twitter"), ("flickr", "Flickr")] {
        let back = press(&begin(&browser, &app, FORM, platform).await, ("deny", "1")).await;
        let reply = browser.get(&app, &back).await;
        assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{platform}");
        reply.shows(&format!("{label} says that you did not allow it."));
        // Flickr does not say which sign-in it was: that one ends by itself.
        let again = browser.get(&app, &back).await;
        again.shows(if platform == "twitter" { OVER } else { "did not allow it" });
    }
    assert!(connected(&site, ana).await.is_empty());
}

#[actix_web::test]
async fn a_sign_in_that_took_too_long_is_over() {
    let site = site().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    let back = press(&begin(&browser, &app, FORM, "twitter").await, ("user", "nils")).await;
    assert_eq!(site.sql("UPDATE sign_ins SET begun_at = begun_at - 601000000").await, 1);
    browser.get(&app, &back).await.shows(OVER);
    assert!(connected(&site, ana).await.is_empty());
    // Those that never came back are forgotten with the next beginning.
    begin(&browser, &app, FORM, "twitter").await;
    assert_eq!(site.sql("UPDATE sign_ins SET begun_at = begun_at - 601000000").await, 1);
    begin(&browser, &app, FORM, "twitter").await;
    assert_eq!(site.sql("DELETE FROM sign_ins").await, 1);
}

#[actix_web::test]
async fn who_signs_in_takes_the_account_over_from_another_patron() {
    let site = site().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let ben = site.patron("ben", false, site.node.now()).await;
    let account = site.account(Platform::Twitter, "nils");
    let (id, now) = (account.clone(), site.node.now());
    let trusted = site.node.write(move |tx| prove_account::trust(tx, ana, &id, "nils", "word", now).map(|_| ()));
    trusted.await.unwrap();
    assert_eq!(connected(&site, ana).await.len(), 1);
    let app = app!(site);
    let his = Browser::signed_in(&app, "ben").await;
    let reply = sign_in(&his, &app, FORM, "twitter", "nils").await;
    assert_eq!(reply.location(), "/me/connections?done=connected");
    assert_eq!((connected(&site, ana).await, connected(&site, ben).await), (vec![], vec![account.to_string()]));
    let first = site.grant(&account).await.expect("what ben granted");
    // And back: the account says who has it, and what ben has granted is not what is read with.
    let hers = Browser::signed_in(&app, "ana").await;
    sign_in(&hers, &app, FORM, "twitter", "nils").await;
    assert_eq!((connected(&site, ana).await, connected(&site, ben).await), (vec![account.to_string()], vec![]));
    let second = site.grant(&account).await.expect("what ana granted");
    assert!(second.state == "good" && second.sealed != first.sealed);
}
