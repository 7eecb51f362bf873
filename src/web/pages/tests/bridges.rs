//! What pages tell of bridges.

use super::*;
use crate::storage::bridge_health;

#[actix_web::test]
async fn the_front_door_and_the_operator_see_how_each_bridge_is() {
    let site = Site::on(20_900, &[("bridge.vimeo.enabled", "false")]).await;
    let now = site.node.now();
    site.patron("olga", true, now).await;
    site.patron("ana", false, now).await;
    let app = app!(site);
    let visitor = Browser::default();
    let home = visitor.get(&app, "/").await;
    for badge in ["GitHub <span>ok</span>", "Vimeo <span>off</span>", "500px <span>file only</span>"] {
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
            bridge_health::save(tx, &health)
        })
        .await
        .unwrap();
    let olga = Browser::signed_in(&app, "olga").await;
    let page = olga.get(&app, "/admin/bridges").await;
    page.shows("<td>failing</td>");
    page.shows("transient: 503 &#60;b&#62;busy");
    page.shows("1,234 left");
    page.shows("paused since");
    page.shows("Flickr gives new API keys to paying Pro members only");
    page.shows("you answer for it");
    page.hides("Vimeo limits requests");
    olga.get(&app, "/admin/bridges?lang=fr").await.shows("vous en répondez");
    let ana = Browser::signed_in(&app, "ana").await;
    assert_eq!(ana.get(&app, "/admin/bridges").await.status, StatusCode::FORBIDDEN);
}
