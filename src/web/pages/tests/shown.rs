//! What pages show, to whom, and in which form.

use actix_web::http::Method;
use actix_web::{App, HttpServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::federation::library;
use crate::tests::postgres::TestDatabase;

/// A site with something on every page, and hostile texts in it.
async fn filled() -> (Site, Month) {
    let site = Site::new().await;
    let month = Month::containing(site.node.now()).previous().previous();
    let start = month.start();
    let ana = site.patron("ana", false, start).await;
    site.patron("olga", true, start).await;
    site.deposit(ana, 50, start).await;
    let hostile = site.post("1", "<b>mira</b>", "77", "<script>alert('x')</script>").await;
    let plain = site.post("2", "nils", "78", "plain & simple").await;
    for object in [&hostile, &plain] {
        site.flattr(ana, object, start).await;
    }
    site.close(month).await;
    for object in [&hostile, &plain] {
        site.flattr(ana, object, site.node.now()).await;
    }
    let (login, instance, now) = (site.login_of("olga").await, site.node.instance.clone(), site.node.now());
    let begun = site.node.write(move |tx| {
        let identity: ExternalId = "github:1".parse().unwrap();
        claim::begin(tx, &instance, login, &identity, "0123456789abcdef", now)
    });
    begun.await.unwrap();
    (site, month)
}

const PUBLIC: [&str; 12] = [
    "/",
    "/creators",
    "/about",
    "/@ana",
    "/users/ana",
    "/creators/olga",
    "/bridge/github/1",
    "/bridge/github/objects/77",
    "/claim/0123456789abcdef",
    "/sign-in",
    "/on/github/unknown",
    "/opt-out",
];
const MINE: [&str; 7] =
    ["/me", "/me/history", "/me/confirm", "/me/connections", "/me/claim", "/me/revenue", "/bridge/github/objects/78"];
const ADMIN: [&str; 9] = [
    "/admin",
    "/admin/months",
    "/admin/peers",
    "/admin/settlements",
    "/admin/deliveries",
    "/admin/journal",
    "/admin/connections",
    "/admin/bridges",
    "/admin/claims",
];

/// What every page must be, whatever it says.
#[track_caller]
fn check_page(path: &str, lang: &str, reply: &Reply) {
    assert!(reply.status == StatusCode::OK || path.starts_with("/on/"), "{path}: {}\n{}", reply.status, reply.body);
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8", "{path}");
    assert!(reply.header("content-security-policy").starts_with("default-src 'none'; style-src 'self';"), "{path}");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("referrer-policy"), "same-origin");
    assert!(reply.header("vary").contains("Accept"));
    reply.shows(&format!("<html lang=\"{lang}\">"));
    reply.hides("<script");
    reply.hides("<b>mira");
    reply.hides("<Tests>");
    reply.hides(" style=");
    // Every table says what it is, every field what it wants, every form that it is ours.
    let count = |needle: &str| reply.body.matches(needle).count();
    assert_eq!(count("<table>"), count("<caption"), "{path}");
    assert_eq!(count("method=\"post\""), count("name=\"csrf\""), "{path}");
    assert_eq!(count("<h1"), 1, "{path}");
    let labelled = count("<label for=");
    assert_eq!(count("<input id=") + count("<select id="), labelled, "{path}");
    for part in reply.body.split("<label for=\"").skip(1) {
        let id = part.split('"').next().unwrap();
        reply.shows(&format!(" id=\"{id}\""));
    }
}

#[actix_web::test]
async fn every_page_is_whole_in_both_languages() {
    let (site, month) = filled().await;
    let app = app!(site);
    let (visitor, ana, olga) =
        (Browser::default(), Browser::signed_in(&app, "ana").await, Browser::signed_in(&app, "olga").await);
    let (closed, committed) = (format!("/me/history/{month}"), format!("/commitments/{month}"));
    let mine: Vec<&str> = MINE.into_iter().chain([closed.as_str()]).collect();
    for lang in ["fr", "en"] {
        let ask = |path: &str| format!("{path}?lang={lang}");
        for path in PUBLIC.into_iter().chain([committed.as_str()]) {
            check_page(path, lang, &visitor.get(&app, &ask(path)).await);
        }
        for path in &mine {
            check_page(path, lang, &ana.get(&app, &ask(path)).await);
        }
        for path in ADMIN {
            check_page(path, lang, &olga.get(&app, &ask(path)).await);
        }
        // The choice is kept without being said again.
        visitor.get(&app, "/").await.shows(&format!("<html lang=\"{lang}\">"));
    }
    ana.get(&app, "/me").await.shows("&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;");
    let page = ana.get(&app, &closed).await;
    page.shows("<td class=\"n\">€5.00</td>");
    page.shows("<td class=\"n\">€10.00</td>");
    let page = olga.post(&app, "/admin/journal/verify", &[]).await;
    check_page("/admin/journal/verify", "en", &page);
    page.shows("The books hold");
}

#[actix_web::test]
async fn one_address_answers_servers_and_browsers() {
    let (site, _) = filled().await;
    let app = app!(site);
    let visitor = Browser::default();
    let document = |path: &str, accept: &str| TestRequest::get().uri(path).insert_header(("accept", accept));
    for path in ["/users/ana", "/bridge/github/1", "/bridge/github/objects/77", "/instance"] {
        for accept in ["application/activity+json", "*/*", "application/ld+json; profile=\"x\""] {
            let reply = visitor.send(&app, document(path, accept)).await;
            assert_eq!(reply.status, StatusCode::OK, "{path}");
            assert!(reply.header("content-type").starts_with("application/activity+json"), "{path} {accept}");
            assert_eq!(reply.header("vary"), "Accept");
            serde_json::from_str::<serde_json::Value>(&reply.body).unwrap();
        }
    }
    let firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let reply = visitor.send(&app, document("/users/ana", firefox)).await;
    reply.shows("<!doctype html>");
    assert_eq!(visitor.send(&app, document("/instance", firefox)).await.location(), "/");
    let reply = visitor.send(&app, document("/@ana", "application/activity+json")).await;
    reply.shows("\"preferredUsername\":\"ana\"");
    assert_eq!(visitor.get(&app, "/on/github/NILS").await.location(), "/bridge/github/2");
}

#[actix_web::test]
async fn a_post_of_who_never_asked_for_it_is_not_for_search_engines_and_one_that_is_gone_says_so() {
    let site = Site::new().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let post = site.post("1", "mira", "77", "reef").await;
    site.flattr(ana, &post, site.node.now()).await;
    let app = app!(site);
    let visitor = Browser::default();
    let (path, noindex) = ("/bridge/github/objects/77", "<meta name=\"robots\" content=\"noindex\">");
    visitor.get(&app, path).await.shows(noindex);
    site.patron("mira", false, site.node.now()).await;
    site.claimed("mira", "1").await;
    let page = visitor.get(&app, path).await;
    assert_eq!(page.status, StatusCode::OK);
    page.hides(noindex);
    let (id, now) = (post.id, site.node.now());
    site.node.write(move |tx| crate::flows::withdraw::withdraw(tx, id, now)).await.unwrap();
    let page = visitor.get(&app, path).await;
    assert_eq!(page.status, StatusCode::GONE);
    page.shows("This post is gone from its platform.");
}

#[actix_web::test]
async fn errors_are_pages_for_people_and_json_for_programs() {
    let (site, _) = filled().await;
    let app = app!(site);
    let visitor = Browser::default();
    for path in ["/nothing", "/users/nobody", "/@nobody", "/bridge/github/9", "/claim/x", "/on/myspace/tom"] {
        let reply = visitor.get(&app, path).await;
        assert_eq!(reply.status, StatusCode::NOT_FOUND, "{path}");
        reply.shows("There is nothing here");
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"));
    }
    let reply =
        visitor.send(&app, TestRequest::get().uri("/nothing").insert_header(("accept", "application/json"))).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND);
    assert_eq!(reply.body, r#"{"error":"there is nothing at this address"}"#);
    visitor.get(&app, "/nothing?lang=fr").await.shows("Il n’y a rien ici");
}

#[actix_web::test]
async fn only_operators_see_the_operators_pages() {
    let (site, _) = filled().await;
    let app = app!(site);
    let ana = Browser::signed_in(&app, "ana").await;
    for path in ADMIN {
        let reply = ana.get(&app, path).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{path}");
        reply.hides("olga");
        reply.shows("Only operators may see this.");
        let reply = ana.get(&app, &format!("{path}?lang=fr")).await;
        reply.shows("Réservé aux opérateurs.");
        reply.hides("operators");
        ana.get(&app, "/?lang=en").await;
        assert_eq!(Browser::default().get(&app, path).await.status, StatusCode::SEE_OTHER, "{path}");
    }
    assert_eq!(ana.post(&app, "/admin/journal/verify", &[]).await.status, StatusCode::FORBIDDEN);
    ana.get(&app, "/").await.hides("href=\"/admin\"");
}

#[actix_web::test]
async fn the_stylesheet_is_cached_and_not_sent_twice() {
    let site = Site::new().await;
    let app = app!(site);
    let visitor = Browser::default();
    let first = visitor.send(&app, TestRequest::get().uri("/style.css")).await;
    assert_eq!(first.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(first.header("cache-control"), "public, max-age=3600");
    let again = TestRequest::get().uri("/style.css").insert_header(("if-none-match", first.header("etag")));
    assert_eq!(visitor.send(&app, again).await.status, StatusCode::NOT_MODIFIED);
}

#[actix_web::test]
async fn a_commitment_is_a_page_for_people_and_a_document_for_servers() {
    let (site, month) = filled().await;
    let app = app!(site);
    let visitor = Browser::default();
    let path = format!("/commitments/{month}");
    let document = visitor.send(&app, TestRequest::get().uri(&path)).await;
    assert!(document.header("content-type").starts_with("application/activity+json"));
    assert_eq!(document.header("vary"), "Accept");
    let document: serde_json::Value = serde_json::from_str(&document.body).unwrap();
    let page = visitor.get(&app, &path).await;
    page.shows(document["totals"][0]["root"].as_str().unwrap());
    page.shows("€10.00");
    page.shows(document["id"].as_str().unwrap());
    for never in ["/commitments/2001-01", "/commitments/never"] {
        assert_eq!(visitor.get(&app, never).await.status, StatusCode::NOT_FOUND);
    }
}

#[actix_web::test]
async fn the_front_door_names_claimed_creators_and_what_is_given_publicly() {
    front_door(Site::new().await).await;
    if let Some(database) = TestDatabase::create() {
        front_door(Site::on(19_997, &[("database.url", &database.url)]).await).await;
    }
}

async fn front_door(site: Site) {
    let now = site.node.now();
    let (ana, ben) = (site.patron("ana", false, now).await, site.register("ben", false, false, now).await);
    for name in ["mira", "noor", "oskar"] {
        site.patron(name, false, now).await;
    }
    site.register("quiet", false, false, now).await;
    let maps = site.post("1", "mira-maps", "77", "maps").await;
    let secret = site.post("2", "noor-nets", "78", "given in secret").await;
    let unclaimed = site.post("3", "oskar", "79", "nobody's yet").await;
    let quiet = site.post("4", "quiet", "80", "of an unnamed creator").await;
    for (name, account) in [("mira", "1"), ("noor", "2"), ("quiet", "4")] {
        site.claimed(name, account).await;
    }
    for object in [&maps, &unclaimed] {
        site.flattr(ana, object, now).await;
    }
    for object in [&maps, &secret, &quiet] {
        site.flattr(ben, object, now).await;
    }
    let app = app!(site);
    let visitor = Browser::default();
    let page = visitor.get(&app, "/").await;
    page.shows("href=\"/creators/mira\"");
    page.shows("mira-maps on GitHub");
    page.shows("href=\"/bridge/github/objects/77\">maps</a> <span class=\"meta\">GitHub · 2 flattrs");
    for hidden in ["given in secret", "nobody", "unnamed", "/creators/quiet", "/creators/oskar", "/creators/ana"] {
        page.hides(hidden);
    }
    let page = visitor.get(&app, "/creators").await;
    page.shows("href=\"/creators/mira\"");
    page.shows("href=\"/creators/noor\"");
    page.hides("/creators/quiet");
    let page = visitor.get(&app, "/creators?after=mira").await;
    page.hides("href=\"/creators/mira\"");
    page.shows("href=\"/creators/noor\"");
    page.shows("First creators");
}

#[actix_web::test]
async fn a_head_is_answered_like_a_get() {
    let (site, _) = filled().await;
    let app = app!(site);
    let visitor = Browser::default();
    for path in PUBLIC.into_iter().chain(["/.well-known/nodeinfo", "/style.css", "/users/ana/outbox", "/nothing"]) {
        for accept in ["text/html", "application/activity+json"] {
            let ask = |method| TestRequest::default().method(method).uri(path).insert_header(("accept", accept));
            let get = visitor.send(&app, ask(Method::GET)).await;
            let head = visitor.send(&app, ask(Method::HEAD)).await;
            assert_eq!((head.status, head.header("content-type")), (get.status, get.header("content-type")), "{path}");
        }
    }
}

#[actix_web::test]
async fn a_head_has_no_body_on_the_wire() {
    let site = Site::new().await;
    let state = actix_web::web::Data::new(library::federation(&site.node).await.unwrap());
    let server = HttpServer::new(move || App::new().app_data(state.clone()).configure(crate::web::routes));
    let server = server.workers(1).bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = b"HEAD /about HTTP/1.1\r\nhost: here\r\naccept: text/html\r\nconnection: close\r\n\r\n";
    socket.write_all(request).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    let length = answer.lines().find_map(|line| line.strip_prefix("content-length: "));
    assert!(length.is_some_and(|length| length.parse::<usize>().unwrap() > 1_000), "{answer}");
    handle.stop(false).await;
}
