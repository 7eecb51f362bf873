//! Who gets in, and which forms are believed.

use super::*;
use crate::console::{Command, execute};

fn session(browser: &Browser) -> Option<String> {
    browser.cookie("fedflattr_session")
}

#[actix_web::test]
async fn a_password_opens_a_session_and_signing_out_ends_it() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::default();
    assert_eq!(browser.get(&app, "/me").await.location(), "/sign-in?next=%2Fme");
    browser.get(&app, "/sign-in").await;
    let reply = browser.post(&app, "/sign-in", &[("name", " Ana "), ("password", PASSWORD)]).await;
    assert_eq!((reply.status.as_u16(), reply.location()), (303, "/me"));
    let cookie = reply.headers.get_all("set-cookie").map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
    assert!(cookie.iter().any(|cookie| cookie.contains("HttpOnly; SameSite=Lax")), "{cookie:?}");
    let token = session(&browser).unwrap();
    browser.get(&app, "/me").await.shows("Signed in as ana");
    assert_eq!(browser.post(&app, "/sign-out", &[]).await.location(), "/?done=signed-out");
    assert_eq!(session(&browser), None);
    // The token is dead, not only forgotten by this browser.
    let thief = Browser::default();
    thief.cookies.borrow_mut().insert("fedflattr_session".into(), token);
    assert_eq!(thief.get(&app, "/me").await.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn with_https_the_cookies_are_bound_to_the_host() {
    let site = Site::on(19_999, &[("server.base_url", "https://localhost:19999")]).await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::default();
    browser.get(&app, "/sign-in").await;
    let reply = browser.post(&app, "/sign-in", &[("name", "ana"), ("password", PASSWORD)]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
    let cookie = reply.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-fedflattr_session=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_name_look_the_same() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::default();
    browser.get(&app, "/sign-in").await;
    let mut seen = Vec::new();
    for name in ["ana", "nobody"] {
        let reply = browser.post(&app, "/sign-in", &[("name", name), ("password", "wrong")]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        reply.shows("The name or the password is wrong.");
        seen.push(reply.body.replace(&format!("value=\"{name}\""), ""));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(session(&browser), None);
}

#[actix_web::test]
async fn guessing_is_slowed_down() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::default();
    browser.get(&app, "/sign-in").await;
    for _ in 0..8 {
        let reply = browser.post(&app, "/sign-in", &[("name", "ana"), ("password", "guess")]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
    }
    let reply = browser.post(&app, "/sign-in", &[("name", "ana"), ("password", PASSWORD)]).await;
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(reply.header("retry-after"), "900");
}

#[actix_web::test]
async fn a_set_up_link_works_once_and_ends_old_sessions() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let old = Browser::signed_in(&app, "ana").await;
    let replaced = site.setup_link("ana").await;
    let link = site.setup_link("ana").await;
    let browser = Browser::default();
    assert_eq!(browser.get(&app, &replaced).await.status, StatusCode::GONE);
    browser.get(&app, &link).await.shows("For the account ana.");
    let reply = browser.post(&app, &link, &[("password", "short")]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    reply.shows("at least 10 characters");
    let reply = browser.post(&app, &link, &[("password", "another long sentence")]).await;
    assert_eq!(reply.location(), "/me?done=password");
    browser.get(&app, "/me?done=password").await.shows("The password is saved");
    assert_eq!(old.get(&app, "/me").await.status, StatusCode::SEE_OTHER);

    let late = Browser::default();
    late.get(&app, "/sign-in").await;
    let again = late.post(&app, &link, &[("password", "a thief's long sentence")]).await;
    assert_eq!(again.status, StatusCode::GONE);
    let reply = late.post(&app, "/sign-in", &[("name", "ana"), ("password", PASSWORD)]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    let reply = late.post(&app, "/sign-in", &[("name", "ana"), ("password", "another long sentence")]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn a_set_up_link_expires() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let login = site.login_of("ana").await;
    let long_ago = site.node.now().minus(auth::SETUP_LIFETIME);
    let token = site.node.write(move |tx| auth::make_setup_token(tx, login, long_ago)).await.unwrap();
    assert_eq!(Browser::default().get(&app, &auth::setup_url("", &token)).await.status, StatusCode::GONE);
}

#[actix_web::test]
async fn a_form_without_its_proof_changes_nothing() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    site.patron("ben", false, site.node.now()).await;
    let app = app!(site);
    let (ana, ben) = (Browser::signed_in(&app, "ana").await, Browser::signed_in(&app, "ben").await);
    let fields = [("budget", "77.00")];
    let right = ana.csrf();
    for wrong in [String::new(), "x".repeat(43), ben.csrf()] {
        let reply = ana.post_with(&app, "/me/budget", &wrong, &fields, &[]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN);
        reply.shows("This is not allowed");
    }
    let foreign = [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    for header in foreign {
        let reply = ana.post_with(&app, "/me/budget", &right, &fields, &[header]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{header:?}");
    }
    ana.get(&app, "/me").await.shows("€10.00");
    let own = [("origin", site.base()), ("sec-fetch-site", "same-origin")];
    let reply = ana.post_with(&app, "/me/budget", &right, &fields, &own).await;
    assert_eq!(reply.location(), "/me?done=budget");
    ana.get(&app, "/me").await.shows("€77.00");
}

#[actix_web::test]
async fn signing_in_leads_back_to_our_own_pages_only() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    for (next, target) in
        [("/me/claim?handle=x", "/me/claim?handle=x"), ("//evil.example", "/me"), ("https://evil.example", "/me")]
    {
        let browser = Browser::default();
        browser.get(&app, "/sign-in").await;
        let fields = [("name", "ana"), ("password", PASSWORD), ("next", next)];
        assert_eq!(browser.post(&app, "/sign-in", &fields).await.location(), target);
    }
}

#[actix_web::test]
async fn the_operator_makes_a_new_link_that_ends_sessions_and_older_links() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    let federation = crate::federation::library::federation(&site.node).await.unwrap();
    let app = app!(site);
    let old = Browser::signed_in(&app, "ana").await;
    let replaced = site.setup_link("ana").await;
    let made = execute(&federation, Command::UserPassword { name: "ana".to_owned() }).await.unwrap();
    let link = made.data["setup_link"].as_str().unwrap().strip_prefix(site.base()).unwrap().to_owned();
    assert_eq!(old.get(&app, "/me").await.location(), "/sign-in?next=%2Fme");
    let browser = Browser::default();
    let gone = browser.get(&app, &replaced).await;
    assert_eq!(gone.status, StatusCode::GONE);
    gone.shows("fedflattr user password NAME");
    let page = browser.get(&app, &link).await;
    // For password managers: a field, not a hidden value.
    page.shows("<input type=\"text\" class=\"hidden\" name=\"username\" value=\"ana\" autocomplete=\"username\"");
    let reply = browser.post(&app, &link, &[("username", "ben"), ("password", "another long sentence")]).await;
    assert_eq!(reply.location(), "/me?done=password");
    browser.get(&app, "/me").await.shows("Signed in as ana");
    let refused = execute(&federation, Command::UserPassword { name: "nobody".to_owned() }).await;
    assert_eq!(refused.unwrap_err().0, "there is no `nobody` who may sign in");
}
