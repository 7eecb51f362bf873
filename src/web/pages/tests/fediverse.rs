//! Connecting an account of the fediverse in a browser: at a server that this instance never heard of.

use super::*;
use crate::flows::prove_account;
use crate::storage::{claims, connections, fediverse, like_sources, settlement};

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

#[actix_web::test]
async fn an_account_that_another_instance_names_is_connected_once_its_profile_shows_our_address() {
    let site = Site::new().await;
    let patron = site.patron("ana", false, site.node.now()).await;
    site.github.world().add_user(Platform::Fediverse, "nils");
    let server = site.github.base_url(Platform::Fediverse);
    let (now, account) = (site.node.now(), format!("{server}/users/nils"));
    let named = site.node.write(move |tx| {
        let uri = "https://beta.example/instance";
        settlement::save_peer(tx, uri, "beta.example", "https://beta.example/inbox", "added", now)?;
        like_sources::announce(tx, &account, uri, "https://beta.example/connect/0f3a", now)
    });
    named.await.unwrap();
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    let name = format!("@nils@{}", site.github.addr);
    let id = ExternalId::new(Platform::Fediverse, &format!("{server}/users/nils")).unwrap();
    for (expected, count) in [("elsewhere", 0), ("connected", 1)] {
        let page = browser.post(&app, "/me/connections/sign-in", &[("platform", "fediverse"), ("handle", &name)]).await;
        let start = page.body.find(&format!("{server}/oauth/authorize")).expect("a link to the account's own server");
        let link = page.body[start..].split('"').next().unwrap().replace("&#38;", "&").replace("&amp;", "&");
        let policy = reqwest::redirect::Policy::none();
        let there = reqwest::Client::builder().no_proxy().redirect(policy).build().unwrap();
        let reply = there.get(format!("{link}&user=nils")).send().await.unwrap();
        let back = reply.headers()["location"].to_str().unwrap().to_owned();
        let path = back.strip_prefix(site.base()).expect("back to us");
        let location = browser.get(&app, path).await.location().to_owned();
        assert_eq!(location, format!("/me/connections?done={expected}"));
        let rows = site.node.db.read(move |tx| connections::connections_of(tx, patron)).await.unwrap();
        assert_eq!(rows.len(), count, "{expected}");
        assert_eq!(site.grant(&id).await.is_some(), count == 1, "what reads nothing is not kept");
        if count == 0 {
            let proofs = site.node.db.read(move |tx| claims::proofs_of(tx, patron)).await.unwrap();
            let address = prove_account::proof_url(&site.node.instance, &proofs[0].token);
            let page = browser.get(&app, &location).await;
            page.shows("Another instance says that the likes of this account count there.");
            page.shows(&address);
            site.github.world().user_mut(Platform::Fediverse, "nils").unwrap().website = Some(address);
        }
    }
}
