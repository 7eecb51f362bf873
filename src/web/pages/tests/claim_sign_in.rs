//! Claiming an account by signing in at its platform: what is shown, what it moves, and what is forgotten afterwards.

use super::doors::{self, begin, press, site};
use super::*;
use crate::jobs;

const FORM: &str = "/me/claim/sign-in";

/// The whole way to the question that is asked after the return.
async fn sign_in(browser: &Browser, app: &impl App, platform: &str) -> Reply {
    let back = doors::sign_in(browser, app, FORM, platform, "mira").await;
    assert!(back.location().starts_with("/me/claim/confirm?key="), "{} {}", back.status, back.body);
    browser.get(app, back.location()).await
}

/// Ten euros wait for the account `mira` of GitHub.
async fn waiting(site: &Site) {
    let month = Month::containing(site.node.now()).previous().previous();
    let start = month.start();
    let ana = site.patron("ana", false, start).await;
    site.deposit(ana, 50, start).await;
    let account = site.account(Platform::GitHub, "mira");
    let object = site.post(account.account(), "mira", "77", "maps").await;
    site.flattr(ana, &object, start).await;
    site.close(month).await;
}

/// The value of the hidden field of a form.
fn hidden(page: &Reply, name: &str) -> String {
    let start = format!("name=\"{name}\" value=\"");
    page.body.split(&start).nth(1).expect(name).split('"').next().unwrap().to_owned()
}

async fn claims(site: &Site, account: &ExternalId) -> Vec<storage::identities::Claim> {
    let account = account.clone();
    let found = site.node.db.read(move |tx| {
        let identity = storage::identities::identity_by_external_id(tx, &account)?.expect("known");
        storage::claims::of_identity(tx, identity.id)
    });
    found.await.unwrap()
}

#[actix_web::test]
async fn who_signs_in_sees_what_waits_and_has_it_after_a_word() {
    let site = site().await;
    waiting(&site).await;
    site.patron("mira", false, site.node.now()).await;
    let app = app!(site);
    let mira = Browser::signed_in(&app, "mira").await;
    let account = site.account(Platform::GitHub, "mira");
    let page = sign_in(&mira, &app, "github").await;
    page.shows("You have signed in as mira at GitHub.");
    page.shows("1 person waits with 1 flattr.");
    page.shows("€10.00 is set aside at the moment");
    assert_eq!(claims(&site, &account).await.len(), 0, "nothing is claimed yet");
    // Reading the question is no answer; the address holds nothing that the platform gave.
    let key = hidden(&page, "key");
    let again = mira.get(&app, &format!("/me/claim/confirm?key={key}")).await;
    again.shows("You have signed in as mira at GitHub.");
    let page = mira.post(&app, "/me/claim/confirm", &[("key", &key)]).await;
    page.shows("It is proved. 1 share that waited went to you: €10.00.");
    page.shows("Proved by signing in on");
    // The profile shows no address, and need not: a look does not change it.
    let seen = jobs::check_identity(&site.node, &account).await.unwrap();
    assert_eq!((seen.claims[0].state.as_str(), seen.claims[0].method.as_str()), ("verified", "sign_in"));
    assert_eq!(site.grant(&account).await, None, "GitHub shows the profile to everybody: nothing is kept");
    // The word counts once, as everything here.
    mira.post(&app, "/me/claim/confirm", &[("key", &key)]).await.shows("This sign-in has ended");
    mira.get(&app, "/me/revenue").await.shows("<strong>€10.00</strong>");
}

#[actix_web::test]
async fn who_proves_an_account_is_told_of_flattrs_that_are_not_divided_yet_and_of_posts_without_an_author() {
    let site = site().await;
    waiting(&site).await;
    site.patron("mira", false, site.node.now()).await;
    let (account, now) = (site.account(Platform::GitHub, "mira"), site.node.now());
    let ben = site.patron("ben", false, now).await;
    let open = site.post(account.account(), "mira", "78", "charts").await;
    site.flattr(ben, &open, now).await;
    let orphan = SeenPost {
        object: ObjectRef::new(Platform::GitHub, "79").unwrap(),
        owner: None,
        title: "whose".into(),
        url: "https://github.com/who/79".into(),
        published_at: None,
    };
    let instance = site.node.instance.clone();
    let orphan = site.node.write(move |tx| notice::post(tx, &instance, &orphan, now)).await.unwrap();
    site.flattr(ben, &orphan, now).await;
    let app = app!(site);
    let mira = Browser::signed_in(&app, "mira").await;
    mira.post(&app, "/me/claim", &[("platform", "github"), ("handle", "mira")]).await;
    let page = mira.get(&app, "/me/claim").await;
    page.shows("2 people wait with 2 flattrs.");
    page.shows("Posts on GitHub whose authors are not known here yet have 1 flattr.");
    let key = hidden(&sign_in(&mira, &app, "github").await, "key");
    let page = mira.post(&app, "/me/claim/confirm", &[("key", &key)]).await;
    page.shows("It is proved. 1 share that waited went to you: €10.00.");
    page.shows("1 flattr not divided yet will be yours too when the month is divided, from ");
    page.hides("Posts on GitHub whose authors");
}

#[actix_web::test]
async fn who_proves_an_account_before_anything_was_divided_is_not_told_that_nothing_waited() {
    let site = site().await;
    let (account, now) = (site.account(Platform::GitHub, "mira"), site.node.now());
    let ana = site.patron("ana", false, now).await;
    site.patron("mira", false, now).await;
    let open = site.post(account.account(), "mira", "78", "charts").await;
    site.flattr(ana, &open, now).await;
    let app = app!(site);
    let mira = Browser::signed_in(&app, "mira").await;
    let page = sign_in(&mira, &app, "github").await;
    page.shows("1 person waits with 1 flattr.");
    let page = mira.post(&app, "/me/claim/confirm", &[("key", &hidden(&page, "key"))]).await;
    page.shows("No share was set aside yet; 1 flattr not divided yet will be yours");
    page.hides("Nothing waited");
}

#[actix_web::test]
async fn a_claim_counts_for_the_login_that_signed_in_and_for_the_account_that_the_platform_named() {
    let site = site().await;
    for name in ["mira", "ben"] {
        site.patron(name, false, site.node.now()).await;
    }
    let app = app!(site);
    let (mira, ben) = (Browser::signed_in(&app, "mira").await, Browser::signed_in(&app, "ben").await);
    let key = hidden(&sign_in(&mira, &app, "github").await, "key");
    let reply = ben.post(&app, "/me/claim/confirm", &[("key", &key)]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    // A sign-in that was begun to connect an account claims none, and its key is no word.
    let url = begin(&mira, &app, "/me/connections/sign-in", "github").await;
    let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let reply = mira.post(&app, "/me/claim/confirm", &[("key", &state)]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    // It takes the account behind the token, whatever it is called by now.
    let account = site.account(Platform::GitHub, "mira");
    let back = press(&begin(&mira, &app, FORM, "github").await, ("user", "mira")).await;
    site.github.world().user_mut(Platform::GitHub, "mira").unwrap().handle = "mira-the-second".into();
    site.github.world().user_mut(Platform::GitHub, "nils").unwrap().handle = "mira".into();
    let back = mira.get(&app, &back).await;
    let page = mira.get(&app, back.location()).await;
    page.shows("You have signed in as mira-the-second at GitHub.");
    mira.post(&app, "/me/claim/confirm", &[("key", &hidden(&page, "key"))]).await.shows("It is proved.");
    let found = claims(&site, &account).await;
    assert_eq!((found.len(), found[0].state.as_str()), (1, "verified"));
    // Ten minutes for the word.
    let key = hidden(&sign_in(&mira, &app, "github").await, "key");
    site.sql("UPDATE sign_ins SET begun_at = begun_at - 601000000").await;
    mira.post(&app, "/me/claim/confirm", &[("key", &key)]).await.shows("This sign-in has ended");
}

#[actix_web::test]
async fn an_owner_who_refuses_is_not_claimed_by_signing_in() {
    let site = site().await;
    site.patron("mira", false, site.node.now()).await;
    let app = app!(site);
    let mira = Browser::signed_in(&app, "mira").await;
    let page = sign_in(&mira, &app, "github").await;
    let (account, now) = (site.account(Platform::GitHub, "mira"), site.node.now());
    let refused = site.node.write(move |tx| {
        let identity = storage::identities::identity_by_external_id(tx, &account)?.expect("known");
        crate::flows::consent::refuse(tx, identity.id, crate::domain::consent::Source::Operator, now)
    });
    refused.await.unwrap();
    let reply = mira.post(&app, "/me/claim/confirm", &[("key", &hidden(&page, "key"))]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    reply.shows("has asked not to be bridged");
    sign_in(&mira, &app, "github").await.shows("has asked not to be bridged");
}

#[actix_web::test]
async fn an_address_and_a_foreign_sign_in_are_a_dispute_that_all_see_until_one_goes() {
    let site = site().await;
    waiting(&site).await;
    for (name, is_operator) in [("mira", false), ("ben", false), ("olga", true)] {
        site.patron(name, is_operator, site.node.now()).await;
    }
    let app = app!(site);
    let ben = Browser::signed_in(&app, "ben").await;
    ben.post(&app, "/me/claim", &[("platform", "github"), ("handle", "mira")]).await;
    let page = ben.get(&app, "/me/claim").await;
    let address = page.body.split("value=\"").find(|part| part.starts_with("http")).unwrap();
    let address = address.split('"').next().unwrap().to_owned();
    site.github.world().user_mut(Platform::GitHub, "mira").unwrap().website = Some(address.clone());
    let mira = Browser::signed_in(&app, "mira").await;
    let key = hidden(&sign_in(&mira, &app, "github").await, "key");
    // Ben has not checked his claim, and is judged with hers all the same.
    let page = mira.post(&app, "/me/claim/confirm", &[("key", &key)]).await;
    page.shows("Disputed: somebody else has a proof for this account too.");
    page.shows(&format!("<code>{address}</code>"));
    ben.get(&app, "/me/claim").await.shows("somebody signed in at the platform on");
    let page = Browser::signed_in(&app, "olga").await.get(&app, "/admin/claims").await;
    page.shows(&address);
    page.shows("signed in on");
    page.hides("No claim is disputed");
    mira.get(&app, "/me/revenue").await.hides("€10.00");
    // Whoever controls the profile ends it.
    site.github.world().user_mut(Platform::GitHub, "mira").unwrap().website = None;
    let token = hidden(&mira.get(&app, "/me/claim").await, "claim");
    let page = mira.post(&app, "/me/claim/check", &[("claim", &token)]).await;
    page.shows("It is proved. 1 share that waited went to you: €10.00.");
}

#[actix_web::test]
async fn a_grant_for_a_claim_is_kept_only_where_the_platform_needs_it_and_reads_no_likes() {
    let site = site().await;
    let patron = site.patron("mira", false, site.node.now()).await;
    let app = app!(site);
    let mira = Browser::signed_in(&app, "mira").await;
    let account = site.account(Platform::Instagram, "mira");
    let page = sign_in(&mira, &app, "instagram").await;
    assert_eq!(site.grant(&account).await, None, "not before the word");
    let page = mira.post(&app, "/me/claim/confirm", &[("key", &hidden(&page, "key"))]).await;
    page.shows("It is proved.");
    let grant = site.grant(&account).await.expect("Instagram shows the profile to the account alone");
    assert_eq!((grant.state.as_str(), grant.is_for_likes, grant.is_for_claim), ("good", false, true));
    assert!(site.connections(patron).await.is_empty());
    let seen = jobs::check_identity(&site.node, &account).await.unwrap();
    assert_eq!(seen.claims[0].state, "verified");
    // Taken back at the platform: nothing is said of the claim, and payouts will wait.
    site.github.world().revoke_tokens(Platform::Instagram, "mira").unwrap();
    jobs::check_identity(&site.node, &account).await.unwrap_err();
    assert_eq!(claims(&site, &account).await[0].state, "verified");
    assert_eq!(site.grant(&account).await.unwrap().state, "ended");
    // Taken back here: it is lost and forgotten.
    let token = hidden(&mira.get(&app, "/me/claim").await, "claim");
    site.patron("ben", false, site.node.now()).await;
    let ben = Browser::signed_in(&app, "ben").await;
    assert_eq!(ben.post(&app, "/me/claim/withdraw", &[("claim", &token)]).await.status, StatusCode::NOT_FOUND);
    let reply = mira.post(&app, "/me/claim/withdraw", &[("claim", &token)]).await;
    assert_eq!(reply.location(), "/me/claim?done=withdrawn");
    assert_eq!(claims(&site, &account).await[0].state, "lost");
    assert_eq!(site.grant(&account).await, None);
}

#[actix_web::test]
async fn peers_that_do_not_take_our_word_are_named_with_what_helps() {
    let site = site().await;
    site.patron("mira", false, site.node.now()).await;
    let now = site.node.now();
    let peers = site.node.write(move |tx| {
        for (host, trusts) in [("beta.example", "github,vimeo"), ("gamma.example", "vimeo")] {
            let uri = format!("https://{host}/instance");
            let peer = storage::settlement::save_peer(tx, &uri, host, &format!("{uri}/inbox"), "added", now)?;
            storage::settlement::set_trusts_claims(tx, peer.id, trusts)?;
        }
        Ok::<_, storage::Error>(())
    });
    peers.await.unwrap();
    let app = app!(site);
    let mira = Browser::signed_in(&app, "mira").await;
    let page = sign_in(&mira, &app, "github").await;
    let page = mira.post(&app, "/me/claim/confirm", &[("key", &hidden(&page, "key"))]).await;
    page.shows("do not take our word for a sign-in: gamma.example.");
    page.hides("beta.example");
}
