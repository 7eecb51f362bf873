//! What pages tell of bridges.

use super::*;
use crate::storage::{bridge_health, connections};

#[actix_web::test]
async fn the_front_door_and_the_operator_see_how_each_bridge_is() {
    let site = Site::on(20_900, &[("bridge.vimeo.enabled", "false")]).await;
    let now = site.node.now();
    site.patron("olga", true, now).await;
    site.patron("ana", false, now).await;
    let app = app!(site);
    let visitor = Browser::default();
    let home = visitor.get(&app, "/").await;
    for badge in [
        "GitHub <span>not tried yet</span>",
        "Twitter <span>no keys</span>",
        "Vimeo <span>off</span>",
        "500px <span>file only</span>",
    ] {
        home.shows(badge);
    }
    site.node.write(move |tx| bridge_health::set_paused(tx, Platform::GitHub, Some(now))).await.unwrap();
    visitor.get(&app, "/").await.shows("GitHub <span>paused</span>");
    visitor.get(&app, "/?lang=fr").await.shows("GitHub <span>en pause</span>");
    site.node
        .write(move |tx| {
            let mut health = bridge_health::of(tx, Platform::Flickr)?;
            health.failures = 3;
            health.last_error_at = Some(now.micros());
            health.last_error_class = Some("transient".to_owned());
            health.last_error = Some("503 <b>busy</b>".to_owned());
            health.quota_remaining = Some(1_234);
            health.quota_seen_at = Some(now.micros());
            bridge_health::save(tx, &health)
        })
        .await
        .unwrap();
    let olga = Browser::signed_in(&app, "olga").await;
    let page = olga.get(&app, "/admin/bridges").await;
    page.shows("<td>failing</td>");
    page.shows("the platform failed for the moment (transient): 503 &#60;b&#62;busy");
    page.shows("1,234 left");
    page.shows("paused since");
    page.shows("Flickr gives new API keys to paying Pro members only");
    page.shows("you answer for it");
    page.hides("Vimeo limits requests");
    let french = olga.get(&app, "/admin/bridges?lang=fr").await;
    french.shows("vous en répondez");
    french.shows("la plateforme est en panne pour le moment (transient) : 503");
    let ana = Browser::signed_in(&app, "ana").await;
    assert_eq!(ana.get(&app, "/admin/bridges").await.status, StatusCode::FORBIDDEN);
}

#[actix_web::test]
async fn an_operator_pauses_resumes_reads_and_tries_a_bridge_out() {
    let site = Site::on(20_901, &[("bridge.vimeo.enabled", "false")]).await;
    let now = site.node.now();
    site.patron("olga", true, now).await;
    let ana = site.patron("ana", false, now).await;
    let account = site.github.world().add_user(Platform::GitHub, "nils").id.clone();
    let account = ExternalId::new(Platform::GitHub, &account).unwrap();
    let later = now.plus(std::time::Duration::from_secs(900));
    let connected = site.node.write(move |tx| {
        let row = connections::connect(tx, ana, &account, "nils", now)?.expect("nobody else has it");
        connections::set_next_poll(tx, row.id, later)
    });
    connected.await.unwrap();
    let app = app!(site);
    let olga = Browser::signed_in(&app, "olga").await;
    let press = async |action: &str, handle: &str| {
        let fields = [("platform", "github"), ("action", action), ("handle", handle)];
        olga.post(&app, "/admin/bridges", &fields).await
    };
    let is_paused = async || site.node.db.read(|tx| bridge_health::of(tx, Platform::GitHub)).await.unwrap().is_paused();
    press("pause", "").await.shows("Nothing is read from GitHub until you resume it.");
    assert!(is_paused().await && site.node.bridges.meter(Platform::GitHub).unwrap().is_paused());
    press("read", "").await.shows("The bridge to GitHub is paused.");
    press("try", "nils").await.shows("The bridge to GitHub is paused.");
    press("resume", "").await.shows("GitHub is read again.");
    assert!(!is_paused().await);
    press("read", "").await.shows("Connections of GitHub that are read now: 1.");
    let due = site.node.db.read(move |tx| connections::due_by_platform(tx, later)).await.unwrap();
    assert_eq!(due, [("github".to_owned(), 1)]);
    assert!(site.node.db.read(connections::connections).await.unwrap()[0].next_poll_at < later.micros());
    press("try", "@nils").await.shows("GitHub answers: nils is github:");
    let unknown = press("try", "nobody-of-this-name").await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    unknown.shows("GitHub: the platform does not know it: ");
    unknown.shows("value=\"nobody-of-this-name\"");
    let fields = [("platform", "github"), ("action", "pause")];
    olga.post(&app, "/admin/bridges?lang=fr", &fields).await.shows("Rien n’est lu de GitHub jusqu’à la reprise.");
    olga.post(&app, "/admin/bridges", &[("platform", "vimeo"), ("action", "try")]).await.shows("Vimeo");
    let ana = Browser::signed_in(&app, "ana").await;
    let refused = ana.post(&app, "/admin/bridges", &[("platform", "github"), ("action", "resume")]).await;
    assert_eq!((refused.status, is_paused().await), (StatusCode::FORBIDDEN, true));
    let fields = [("platform", "github"), ("action", "resume")];
    let forged = olga.post_with(&app, "/admin/bridges", "wrong", &fields, &[]).await;
    assert_eq!((forged.status, is_paused().await), (StatusCode::FORBIDDEN, true));
}

#[actix_web::test]
async fn a_patron_reads_in_french_why_an_account_was_not_read() {
    let site = Site::on(20_902, &[]).await;
    let now = site.node.now();
    let ana = site.patron("ana", false, now).await;
    let account: ExternalId = "github:7".parse().unwrap();
    let failed = site.node.write(move |tx| {
        let row = connections::connect(tx, ana, &account, "nils", now)?.expect("nobody else has it");
        let reason = crate::bridges::Error::transient("no answer in time").to_string();
        connections::postpone(tx, row.id, now, &reason)
    });
    failed.await.unwrap();
    let app = app!(site);
    let ana = Browser::signed_in(&app, "ana").await;
    let french = ana.get(&app, "/me/connections?lang=fr").await;
    french.shows("la plateforme est en panne pour le moment\u{a0}: <span lang=\"en\">no answer in time</span>");
    french.hides("failed for the moment");
    let english = ana.get(&app, "/me/connections?lang=en").await;
    english.shows("the platform failed for the moment: <span lang=\"en\">no answer in time</span>");
}
