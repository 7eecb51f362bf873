//! Connecting an account of the fediverse in a browser: at a server that this instance never heard of.

use super::*;
use crate::storage::{connections, fediverse};

#[actix_web::test]
async fn an_account_of_any_server_is_connected_by_its_whole_name() {
    let site = Site::new().await;
    let patron = site.patron("ana", false, site.node.now()).await;
    site.github.world().add_user(Platform::Fediverse, "nils");
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    browser.get(&app, "/me/connections").await.shows("Your whole name there");
    let server = site.github.base_url(Platform::Fediverse);
    for wrong in ["nils", "nils@10.0.0.1", ""] {
        let refused =
            browser.post(&app, "/me/connections/sign-in", &[("platform", "fediverse"), ("handle", wrong)]).await;
        assert_eq!(refused.status, StatusCode::BAD_GATEWAY, "{wrong}");
    }
    let name = format!("@nils@{}", site.github.addr);
    let page = browser.post(&app, "/me/connections/sign-in", &[("platform", "fediverse"), ("handle", &name)]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.body);
    let start = page.body.find(&format!("{server}/oauth/authorize")).expect("a link to the account's own server");
    let link = page.body[start..].split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let policy = reqwest::redirect::Policy::none();
    let there = reqwest::Client::builder().no_proxy().redirect(policy).build().unwrap();
    let reply = there.get(format!("{link}&user=nils")).send().await.unwrap();
    let back = reply.headers()["location"].to_str().unwrap().to_owned();
    let path = back.strip_prefix(site.base()).expect("back to us");
    assert_eq!(browser.get(&app, path).await.location(), "/me/connections?done=connected");
    let rows = site.node.db.read(move |tx| connections::connections_of(tx, patron)).await.unwrap();
    assert_eq!((rows.len(), rows[0].account.as_str()), (1, format!("{server}/users/nils").as_str()));
    let kept = site.node.db.read(move |tx| fediverse::app(tx, &format!("{server}/"))).await.unwrap();
    let kept = kept.expect("the app is kept");
    assert!(!kept.contains("fediverse-secret") && !kept.contains("client"), "sealed");
    // The same way back leads nowhere a second time.
    browser.get(&app, path).await.shows("Not signed in");
}
