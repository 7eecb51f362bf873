//! What forms do, and what they refuse.

use super::*;
use crate::storage::connections;

async fn object_path(site: &Site) -> (Object, String) {
    let object = site.post("1", "mira", "77", "maps").await;
    (object, "/bridge/github/objects/77".to_owned())
}

#[actix_web::test]
async fn a_wrong_budget_is_shown_again_with_its_reason() {
    let site = Site::new().await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let ana = Browser::signed_in(&app, "ana").await;
    let nines = "9".repeat(30);
    for (typed, reason) in [
        ("-5", "An amount must be above zero."),
        ("0", "An amount must be above zero."),
        (nines.as_str(), "too large"),
        ("abc\"><script>", "This is not an amount. Write it as 12.50."),
        ("12,5", "without separators of thousands"),
        ("5,001", "cents behind a point: 1234.50."),
        ("1,234.56", "without separators of thousands"),
        ("", "This is not an amount."),
        ("2.0000001", "at most six decimal places"),
        ("1.99", "€1.99 is below the minimum of €2.00."),
    ] {
        let reply = ana.post(&app, "/me/budget", &[("budget", typed)]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{typed}");
        reply.shows(reason);
        reply.shows("aria-invalid=\"true\"");
        reply.hides("<script>");
        if typed.chars().all(|c| c.is_ascii_alphanumeric()) {
            reply.shows(&format!("value=\"{typed}\""));
        }
    }
    ana.get(&app, "/me").await.shows("€10.00");
    assert_eq!(ana.post(&app, "/me/budget", &[("budget", "1234.56")]).await.location(), "/me?done=budget");
    ana.get(&app, "/me?done=budget").await.shows("€1,234.56");
    // The field holds what can be sent back as it is.
    ana.get(&app, "/me").await.shows("value=\"1234.56\"");
    let page = ana.get(&app, "/me?lang=fr").await;
    page.shows("1\u{202f}234,56\u{a0}€");
    page.shows("value=\"1234,56\"");
    let reply = ana.post(&app, "/me/budget", &[("budget", "1 234,56")]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    reply.shows("sans séparateurs de milliers");
    assert_eq!(ana.post(&app, "/me/budget", &[("budget", "7,50")]).await.location(), "/me?done=budget");
    ana.get(&app, "/me").await.shows("7,50\u{a0}€");
}

#[actix_web::test]
async fn the_button_flattrs_once_and_can_be_taken_back() {
    let site = Site::new().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    site.deposit(ana, 50, site.node.now()).await;
    let (_, path) = object_path(&site).await;
    let app = app!(site);
    let visitor = Browser::default();
    let page = visitor.get(&app, &path).await;
    page.shows("/sign-in?next=%2Fbridge%2Fgithub%2Fobjects%2F77%3Fflattr%3D1");
    page.hides("action=\"/flattr\"");

    let browser = Browser::signed_in(&app, "ana").await;
    // Following the link gives nothing: it asks.
    let page = browser.get(&app, &format!("{path}?flattr=1")).await;
    page.shows("Press the button");
    page.shows("0 flattrs");
    for _ in 0..2 {
        let reply = browser.post(&app, "/flattr", &[("object", "github:77")]).await;
        assert_eq!(reply.location(), format!("{path}?done=flattr"));
        browser.get(&app, &path).await.shows("<strong>1 flattr</strong>");
    }
    let page = browser.get(&app, "/me").await;
    page.shows("about €10.00 each if the month closed now");
    page.shows("button here");
    browser.post(&app, "/flattr/take-back", &[("object", "github:77")]).await;
    browser.get(&app, &path).await.shows("0 flattrs");
    assert_eq!(browser.post(&app, "/flattr", &[("object", "github:78")]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.post(&app, "/flattr", &[("object", "nonsense")]).await.status, StatusCode::NOT_FOUND);
}

#[actix_web::test]
async fn nobody_strikes_anothers_flattr() {
    let site = Site::new().await;
    let now = site.node.now();
    let ana = site.patron("ana", false, now).await;
    site.patron("ben", false, now).await;
    let (object, _) = object_path(&site).await;
    site.flattr(ana, &object, now).await;
    let app = app!(site);
    let (ana, ben) = (Browser::signed_in(&app, "ana").await, Browser::signed_in(&app, "ben").await);
    let id = object.id.to_string();
    assert_eq!(ben.post(&app, "/me/strike", &[("object", &id)]).await.status, StatusCode::NOT_FOUND);
    ana.get(&app, "/me").await.shows("<td>counts");
    assert_eq!(ana.post(&app, "/me/strike", &[("object", &id)]).await.location(), "/me?done=strike");
    ana.get(&app, "/me").await.shows("<td>struck out");
}

/// The address that a page asks to be put into a profile, and the token at its end.
fn address_on(page: &Reply, kind: &str) -> (String, String) {
    let address = page.body.split("value=\"").find(|part| part.contains(kind)).unwrap();
    let address = address.split('"').next().unwrap().to_owned();
    let token = address.rsplit('/').next().unwrap().to_owned();
    (address, token)
}

#[actix_web::test]
async fn an_account_is_connected_by_a_proof_and_to_one_patron_only() {
    let site = Site::new().await;
    let ana_id = site.patron("ana", false, site.node.now()).await;
    site.patron("ben", false, site.node.now()).await;
    site.github.world().add_user(Platform::GitHub, "nils");
    let app = app!(site);
    let (ana, ben) = (Browser::signed_in(&app, "ana").await, Browser::signed_in(&app, "ben").await);
    let fields = |handle| [("platform", "github"), ("handle", handle)];
    let reply = ana.post(&app, "/me/connections", &fields("nobody-there")).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    reply.shows("GitHub does not know nobody-there.");
    reply.shows("value=\"nobody-there\"");
    ana.post(&app, "/me/connections", &fields("../x y")).await.shows("without spaces");

    // Both say that the account is theirs; nothing is read, and neither is locked out.
    for browser in [&ana, &ben] {
        let reply = browser.post(&app, "/me/connections", &fields("@nils")).await;
        assert_eq!(reply.location(), "/me/connections?done=connect");
    }
    let (hers, token) = address_on(&ana.get(&app, "/me/connections").await, "/connect/");
    let (his, his_token) = address_on(&ben.get(&app, "/me/connections").await, "/connect/");
    let public = Browser::default().get(&app, &format!("/connect/{token}")).await;
    public.shows("An account is being connected");
    public.hides("@ana");
    public.hides("users/ana");
    assert_eq!(ben.post(&app, "/me/connections/check", &[("proof", &token)]).await.status, StatusCode::NOT_FOUND);
    ana.post(&app, "/me/connections/check", &[("proof", &token)]).await.shows("does not show the address yet");
    assert!(site.node.db.read(connections::connections).await.unwrap().is_empty());
    site.github.world().user_mut(Platform::GitHub, "nils").unwrap().bio = Some(format!("{hers} {his}"));
    ana.post(&app, "/me/connections/check", &[("proof", &token)]).await.shows("and that of another patron");
    site.github.world().user_mut(Platform::GitHub, "nils").unwrap().bio = Some(hers);
    let reply = ana.post(&app, "/me/connections/check", &[("proof", &token)]).await;
    assert_eq!(reply.location(), "/me/connections?done=connected");
    ana.get(&app, "/me/connections").await.shows("waiting for the first complete look");
    ben.post(&app, "/me/connections/check", &[("proof", &his_token)]).await.shows("does not show the address yet");

    let connection = site.node.db.read(move |tx| connections::connections_of(tx, ana_id)).await.unwrap()[0].id;
    let connection = connection.to_string();
    let fields = [("connection", connection.as_str()), ("setting", "off")];
    assert_eq!(ben.post(&app, "/me/connections/state", &fields).await.status, StatusCode::NOT_FOUND);
    ana.post(&app, "/me/connections/state", &fields).await;
    ana.get(&app, "/me/connections").await.shows("<td>paused");
    let fields = [("connection", connection.as_str())];
    assert_eq!(ben.post(&app, "/me/connections/end", &fields).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ana.post(&app, "/me/connections/end", &fields).await.location(), "/me/connections?done=disconnected");
    ana.get(&app, "/me/connections?done=disconnected").await.shows("No account is connected.");
}

#[actix_web::test]
async fn a_dispute_is_shown_to_both_sides_and_to_the_operator_until_it_ends() {
    let site = Site::new().await;
    for (name, is_operator) in [("ana", false), ("mira", false), ("olga", true)] {
        site.patron(name, is_operator, site.node.now()).await;
    }
    site.github.world().add_user(Platform::GitHub, "mira");
    let app = app!(site);
    let mut sides = Vec::new();
    for name in ["mira", "ana"] {
        let browser = Browser::signed_in(&app, name).await;
        browser.post(&app, "/me/claim", &[("platform", "github"), ("handle", "mira")]).await;
        let (address, token) = address_on(&browser.get(&app, "/me/claim").await, "/claim/");
        sides.push((browser, address, token));
    }
    let [(mira, hers, her_token), (ana, other, other_token)] = &sides[..] else { unreachable!("two sides") };
    let olga = Browser::signed_in(&app, "olga").await;
    site.github.world().user_mut(Platform::GitHub, "mira").unwrap().website = Some(hers.clone());
    mira.post(&app, "/me/claim/check", &[("claim", her_token)]).await.shows("It is proved.");
    olga.get(&app, "/admin/claims").await.shows("No claim is disputed");
    site.github.world().user_mut(Platform::GitHub, "mira").unwrap().bio = Some(other.clone());
    ana.post(&app, "/me/claim/check", &[("claim", other_token)]).await.shows("Remove one of the two");
    ana.get(&app, "/me/claim").await.shows(&format!("<code>{hers}</code>"));
    let page = mira.get(&app, "/me/claim").await;
    page.shows("Disputed: the profile shows the addresses of two claims.");
    page.shows(&format!("<code>{other}</code>"));
    let page = olga.get(&app, "/admin/claims").await;
    page.shows("disputed");
    page.shows(&format!("<code>{hers}</code>"));
    page.shows(&format!("<code>{other}</code>"));
    assert_eq!(mira.get(&app, "/admin/claims").await.status, StatusCode::FORBIDDEN);

    site.github.world().user_mut(Platform::GitHub, "mira").unwrap().bio = None;
    mira.post(&app, "/me/claim/check", &[("claim", her_token)]).await.shows("It is proved.");
    ana.get(&app, "/me/claim").await.shows("Somebody proved the account later.");
    olga.get(&app, "/admin/claims").await.shows("No claim is disputed");
    site.github.world().user_mut(Platform::GitHub, "mira").unwrap().website = None;
    mira.post(&app, "/me/claim/check", &[("claim", her_token)]).await.shows("The address has left the profile.");
    olga.get(&app, "/admin/claims").await.shows("proof gone");
}

#[actix_web::test]
async fn a_claim_is_proved_by_the_profile_and_releases_what_waits() {
    let site = Site::new().await;
    let month = Month::containing(site.node.now()).previous().previous();
    let start = month.start();
    let ana = site.patron("ana", false, start).await;
    site.patron("mira", false, site.node.now()).await;
    site.deposit(ana, 50, start).await;
    let account = site.github.world().add_user(Platform::GitHub, "mira").id.clone();
    let object = site.post(&account, "mira", "77", "maps").await;
    site.flattr(ana, &object, start).await;
    site.close(month).await;
    let app = app!(site);
    let stub = format!("/bridge/github/{account}");
    let page = Browser::default().get(&app, &stub).await;
    page.shows("1 person waits with 1 flattr.");
    page.hides("€");
    let (ana, mira) = (Browser::signed_in(&app, "ana").await, Browser::signed_in(&app, "mira").await);
    ana.get(&app, "/me").await.shows("The creator has not claimed the account yet.");

    let reply = mira.post(&app, "/me/claim", &[("platform", "github"), ("handle", "mira")]).await;
    assert_eq!(reply.location(), "/me/claim?done=claim");
    let page = mira.get(&app, "/me/claim").await;
    page.shows("€10.00 is set aside at the moment");
    let address = page.body.split("value=\"").find(|part| part.contains("/claim/")).unwrap();
    let address = address.split('"').next().unwrap().to_owned();
    let token = address.rsplit('/').next().unwrap().to_owned();
    Browser::default().get(&app, &format!("/claim/{token}")).await.shows("mira says that the account mira on GitHub");

    assert_eq!(ana.post(&app, "/me/claim/check", &[("claim", &token)]).await.status, StatusCode::NOT_FOUND);
    mira.post(&app, "/me/claim/check", &[("claim", &token)]).await.shows("does not show the address yet");
    site.github.world().user_mut(Platform::GitHub, "mira").unwrap().website = Some(address);
    let page = mira.post(&app, "/me/claim/check", &[("claim", &token)]).await;
    page.shows("It is proved. 1 share that waited went to you: €10.00.");
    mira.get(&app, "/me/revenue").await.shows("<strong>€10.00</strong>");
    ana.get(&app, "/me").await.shows("No share waits.");
    Browser::default().get(&app, &stub).await.shows("/creators/mira");
    Browser::default().get(&app, "/creators/mira").await.shows("proved on");
    ana.get(&app, &format!("/me/history/{month}")).await.shows("Waited, then went to the creator.");

    // Without a rail nothing leaves, and the page says so.
    let reply = mira.post(&app, "/me/revenue/payout", &[("account", "DE02 1203 0000")]).await;
    assert_eq!(reply.status, StatusCode::CONFLICT);
    reply.shows("no bank connected");
}

#[actix_web::test]
async fn a_payout_names_its_account_and_the_minimum() {
    let site =
        Site::on(19_998, &[("rail.sandbox.base_url", "http://127.0.0.1:9/bank"), ("rail.sandbox.account", "OURS")])
            .await;
    site.patron("mira", false, site.node.now()).await;
    let login = site.login_of("mira").await;
    let now = site.node.now();
    let made = site.node.write(move |tx| storage::people::creator_of_login(tx, login, "mira", now)).await;
    made.unwrap();
    let app = app!(site);
    let mira = Browser::signed_in(&app, "mira").await;
    for account in ["", "x", "DE02<script>", &"9".repeat(65)] {
        let reply = mira.post(&app, "/me/revenue/payout", &[("account", account)]).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{account}");
        reply.hides("<script>");
    }
    let reply = mira.post(&app, "/me/revenue/payout", &[("account", "DE02 1203")]).await;
    assert_eq!(reply.status, StatusCode::CONFLICT);
    reply.shows("€0.00 is available; payouts start at €10.00.");
    reply.shows("value=\"DE02 1203\"");
    mira.get(&app, "/me").await.shows("<code>OURS</code>");
}
