//! Opting out and in by signing in at the platform, without an account here.

use super::doors::{press, site};
use super::*;
use crate::storage::identities;

/// The whole way; the page that the owner sees at the end.
async fn go(browser: &Browser, app: &impl App, platform: &str, wish: &str) -> Reply {
    let url = begin_with(browser, app, platform, wish).await;
    let back = browser.get(app, &press(&url, ("user", "mira")).await).await;
    assert!(back.location().starts_with("/opt-out/"), "{} {}", back.status, back.body);
    browser.get(app, back.location()).await
}

async fn begin_with(browser: &Browser, app: &impl App, platform: &str, wish: &str) -> url::Url {
    browser.get(app, "/opt-out").await.shows("/opt-out-sign-in");
    let page = browser.post(app, "/opt-out-sign-in", &[("platform", platform), ("wish", wish)]).await;
    let (_, link) = page.body.split_once("class=\"button\" href=\"").expect("a link to the platform");
    url::Url::parse(&link.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&")).unwrap()
}

async fn is_refused(site: &Site, account: &ExternalId) -> bool {
    let id = account.clone();
    let found = site.node.db.read(move |tx| identities::identity_by_external_id(tx, &id)).await.unwrap();
    found.is_some_and(|identity| identity.is_refused)
}

#[actix_web::test]
async fn an_owner_opts_out_and_in_by_signing_in_where_no_profile_can_be_read() {
    let site = site().await;
    let app = app!(site);
    for platform in [Platform::Twitter, Platform::Instagram, Platform::GitHub] {
        let browser = Browser::default();
        let account = site.account(platform, "mira");
        let page = go(&browser, &app, platform.slug(), "opt_out").await;
        page.shows("Done: the account is opted out.");
        page.shows("This account is opted out");
        assert!(is_refused(&site, &account).await, "{platform}");
        assert_eq!(site.grant(&account).await, None, "nothing that was granted is kept");
        page.shows("Opt in again by signing in at");
        let page = go(&browser, &app, platform.slug(), "opt_in").await;
        page.shows("This account is not opted out here.");
        assert!(!is_refused(&site, &account).await, "{platform}");
    }
    // Whoever names a platform that shows no profile is told of the door.
    let browser = Browser::default();
    browser.get(&app, "/opt-out").await;
    let reply = browser.post(&app, "/opt-out", &[("platform", "twitter"), ("account", "mira")]).await;
    reply.shows("Sign in at Twitter instead");
    reply.shows("Opt out by signing in at Twitter");
}

#[actix_web::test]
async fn only_the_browser_that_began_it_ends_it_once_and_a_profile_that_refuses_goes_on_refusing() {
    let site = site().await;
    let app = app!(site);
    let (owner, other) = (Browser::default(), Browser::default());
    other.get(&app, "/opt-out").await;
    let account = site.account(Platform::GitHub, "mira");
    // Somebody who lures the owner to a link of their own gets nothing.
    let url = begin_with(&other, &app, "github", "opt_out").await;
    let back = press(&url, ("user", "mira")).await;
    let reply = owner.get(&app, &back).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    reply.shows("begun in another browser");
    other.get(&app, &back).await;
    assert!(!is_refused(&site, &account).await, "it was used up");
    let url = begin_with(&owner, &app, "github", "opt_out").await;
    owner.get(&app, &press(&url, ("deny", "1")).await).await.shows("you did not allow it");
    assert!(!is_refused(&site, &account).await);

    site.github.world().user_mut(Platform::GitHub, "mira").unwrap().bio = Some("#nobridge".to_owned());
    go(&owner, &app, "github", "opt_out").await;
    let page = go(&owner, &app, "github", "opt_in").await;
    page.shows("This account is opted out");
    page.shows("Its profile says so.");
    page.hides("The owner has proved it here.");
    assert!(is_refused(&site, &account).await);
    // A sign-in for this is none for anything else.
    let reply = owner.post(&app, "/opt-out-sign-in", &[("platform", "github"), ("wish", "claim")]).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
}
