//! Bringing a file or a list by a page.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;
use crate::flows::prove_account;
use crate::jobs::imports::step;

const BOUNDARY: &str = "----a-boundary-of-the-test";

fn archive(account: &str, handle: &str, ids: &[u64]) -> Vec<u8> {
    let account =
        format!(r#"window.YTD.account.part0 = [{{"account":{{"accountId":"{account}","username":"{handle}"}}}}]"#);
    let rows: Vec<String> = ids.iter().map(|id| format!(r#"{{"like":{{"tweetId":"{id}"}}}}"#)).collect();
    let likes = format!("window.YTD.like.part0 = [{}]", rows.join(","));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [("data/account.js", account), ("data/like.js", likes)] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A form with a file, as a browser sends it.
fn form(csrf: Option<&str>, source: &str, name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut field = |head: String, bytes: &[u8]| {
        body.extend_from_slice(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    };
    if let Some(csrf) = csrf {
        field("name=\"csrf\"".to_owned(), csrf.as_bytes());
    }
    field("name=\"source\"".to_owned(), source.as_bytes());
    field(format!("name=\"file\"; filename=\"{name}\"\r\nContent-Type: application/zip"), bytes);
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

async fn send(browser: &Browser, app: &impl App, body: Vec<u8>, headers: &[(&str, &str)]) -> Reply {
    let mut request = TestRequest::post()
        .uri("/me/import")
        .insert_header(("accept", "text/html"))
        .insert_header(("content-type", format!("multipart/form-data; boundary={BOUNDARY}")))
        .set_payload(body);
    for header in headers {
        request = request.insert_header(*header);
    }
    browser.send(app, request).await
}

async fn upload(browser: &Browser, app: &impl App, source: &str, name: &str, bytes: &[u8]) -> Reply {
    browser.get(app, "/me/import").await;
    let csrf = browser.csrf();
    send(browser, app, form(Some(&csrf), source, name, bytes), &[]).await
}

async fn connect(site: &Site, patron: PatronId, platform: Platform, account: &str, handle: &str) {
    let (now, handle, token) = (site.node.now(), handle.to_owned(), format!("token-{account}"));
    let account = ExternalId::new(platform, account).unwrap();
    let connected = site.node.write(move |tx| prove_account::trust(tx, patron, &account, &handle, &token, now));
    connected.await.unwrap();
}

fn kept(site: &Site) -> usize {
    std::fs::read_dir(site.node.config.server.data_dir.join("imports")).map_or(0, Iterator::count)
}

/// A site that takes files of up to a mebibyte.
async fn small() -> Site {
    static PORT: AtomicU16 = AtomicU16::new(24_000);
    let port = PORT.fetch_add(1, Ordering::Relaxed);
    Site::on(port, &[("server.upload_limit_bytes", "1048576")]).await
}

#[actix_web::test]
async fn a_file_is_uploaded_read_and_shown_while_it_is() {
    let site = small().await;
    site.patron("ana", false, site.node.now()).await;
    site.patron("ben", false, site.node.now()).await;
    let app = app!(site);
    let ana = Browser::signed_in(&app, "ana").await;
    ana.get(&app, "/me/connections").await.shows("href=\"/me/import\"");
    let name = "C:\\Users\\Ana\\..\\<b>my.zip";
    let reply = upload(&ana, &app, "twitter", &name.replace('\\', "\\\\"), &archive("77", "ana", &[3, 2, 1])).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
    let path = reply.location().to_owned();
    assert!(path.starts_with("/me/import/"), "{path}");
    let page = ana.get(&app, &path).await;
    page.shows("Waiting to be read");
    page.shows("my.zip");
    page.hides("<b>my");
    assert_eq!(page.header("refresh"), "2", "without a script the page comes again by itself");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(kept(&site), 1);
    // What is another patron's is not there.
    let ben = Browser::signed_in(&app, "ben").await;
    assert_eq!(ben.get(&app, &path).await.status, StatusCode::NOT_FOUND);
    ben.get(&app, "/me/import").await.hides("my.zip");
    assert_eq!(Browser::default().get(&app, &path).await.status, StatusCode::SEE_OTHER);
    // One at a time.
    let second = upload(&ana, &app, "twitter", "t.zip", &archive("77", "ana", &[4])).await;
    assert_eq!(second.status, StatusCode::CONFLICT);
    second.shows("Something else of yours is being read.");
    assert!(step(&site.node).await.unwrap());
    let page = ana.get(&app, &path).await;
    page.shows("Read to the end. 3 likes read: 3 from before, 0 new.");
    assert_eq!((page.header("refresh"), kept(&site)), ("", 0));
    let reply = upload(&ana, &app, "twitter", "t.zip", &archive("77", "ana", &[5, 4, 3, 2, 1])).await;
    let path = reply.location().to_owned();
    assert!(step(&site.node).await.unwrap());
    ana.get(&app, &path).await.shows("5 likes read: 0 from before, 2 new.");
    ana.get(&app, &format!("{path}?lang=fr")).await.shows("Lu jusqu’au bout. 5 « j’aime » lus : 0 d’avant, 2 en plus.");
    ana.get(&app, "/me/import?lang=en").await.shows("5 likes read: 0 from before, 2 new.");
}

#[actix_web::test]
async fn a_file_that_is_not_taken_is_refused_with_its_reason_and_leaves_nothing() {
    let site = small().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    let check = async |source: &str, name: &str, bytes: &[u8], status: StatusCode, text: &str| {
        let reply = upload(&browser, &app, source, name, bytes).await;
        assert_eq!(reply.status, status, "{name}: {}", reply.body);
        reply.shows(text);
        assert_eq!(kept(&site), 0, "{name}");
    };
    let bad = StatusCode::BAD_REQUEST;
    check(
        "twitter",
        "photo.jpg",
        b"\xff\xd8\xff\xe0",
        bad,
        "This file cannot be read: the file holds no list of likes.",
    )
    .await;
    check("twitter", "t.zip", b"PK\x03\x04 and nothing", bad, "the archive is damaged").await;
    check("twitter", "", b"", bad, "Choose a file that is not empty.").await;
    check("twitter", "like.js", b"window.YTD.like.part0 = []", bad, "The file does not say whose it is.").await;
    check("myspace", "t.zip", &archive("77", "ana", &[1]), bad, "There is no such platform.").await;
    check("github", "t.zip", &archive("77", "ana", &[1]), bad, "paste addresses instead").await;
    let large = vec![b' '; (1 << 20) + 1];
    check("twitter", "like.js", &large, StatusCode::PAYLOAD_TOO_LARGE, "The file is larger than 1\u{a0}MB.").await;
    connect(&site, ana, Platform::Twitter, "77", "ana").await;
    let other = archive("78", "mira", &[1]);
    check("twitter", "t.zip", &other, bad, "This is the file of mira, and you have connected ana.").await;
    connect(&site, ana, Platform::Twitter, "79", "ana2").await;
    check("twitter", "like.js", b"window.YTD.like.part0 = []", bad, "several accounts (ana, ana2)").await;
}

#[actix_web::test]
async fn what_announces_too_much_is_refused_before_it_is_read() {
    let site = small().await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let ana = Browser::signed_in(&app, "ana").await;
    ana.get(&app, "/me/import").await;
    let csrf = ana.csrf();
    // What follows would be taken, so only the announcement can be what is refused.
    let body = form(Some(&csrf), "twitter", "t.zip", &archive("77", "ana", &[1]));
    let reply = send(&ana, &app, body, &[("content-length", "3000000")]).await;
    assert_eq!(reply.status, StatusCode::PAYLOAD_TOO_LARGE);
    reply.shows("The file is larger than 1\u{a0}MB.");
    assert_eq!(kept(&site), 0);
}

#[actix_web::test]
async fn a_file_without_the_proof_of_its_form_is_not_kept() {
    let site = small().await;
    site.patron("ana", false, site.node.now()).await;
    let app = app!(site);
    let ana = Browser::signed_in(&app, "ana").await;
    ana.get(&app, "/me/import").await;
    let (csrf, zip) = (ana.csrf(), archive("77", "ana", &[1]));
    let with = |csrf| form(csrf, "twitter", "t.zip", &zip);
    let foreign = [("origin", "https://evil.example")];
    let late =
        [with(None), format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}").into()];
    let check = async |body: Vec<u8>, headers: &[(&str, &str)]| {
        let reply = send(&ana, &app, body, headers).await;
        assert_eq!((reply.status, kept(&site)), (StatusCode::FORBIDDEN, 0), "{}", reply.body);
    };
    check(with(None), &[]).await;
    check(with(Some("AAAA")), &[]).await;
    check(with(Some(&csrf)), &foreign).await;
    check(late.concat(), &[]).await;
    let stranger = send(&Browser::default(), &app, with(Some(&csrf)), &[]).await;
    assert_eq!((stranger.status, kept(&site)), (StatusCode::SEE_OTHER, 0));
    assert_eq!(send(&ana, &app, with(Some(&csrf)), &[]).await.status, StatusCode::SEE_OTHER);
}

#[actix_web::test]
async fn a_list_is_pasted_and_lines_that_name_nothing_are_shown_with_their_reasons() {
    let site = small().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let ben = site.patron("ben", false, site.node.now()).await;
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    browser.get(&app, "/me/import").await.shows("Flickr: the account named below");
    connect(&site, ana, Platform::Flickr, "26545877@N00", "ana").await;
    connect(&site, ben, Platform::Flickr, "7@N00", "ben").await;
    let page = browser.get(&app, "/me/import").await;
    let own = page.body.split("<select id=\"account\"").nth(1).unwrap().split("value=\"").nth(1).unwrap();
    let own = own.split('"').next().unwrap().to_owned();
    let hopeless = "<i>nothing</i>\nhttps://www.flickr.com/photos/mira/\nhttps://vimeo.com/7";
    let reply = browser.post(&app, "/me/import/list", &[("account", &own), ("list", hopeless)]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    reply.shows("No line names a post.");
    reply.shows("<code>https://www.flickr.com/photos/mira/</code>: this address names no post");
    reply.shows("<code>https://vimeo.com/7</code>: this is not an address of Flickr");
    reply.hides("<i>nothing");
    reply.shows("https://vimeo.com/7</textarea>");
    let mixed = "https://www.flickr.com/photos/mira/2418735092/\nhttps://vimeo.com/7\n";
    let reply = browser.post(&app, "/me/import/list", &[("account", &own), ("list", mixed)]).await;
    assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
    let path = reply.location().to_owned();
    assert!(step(&site.node).await.unwrap());
    let page = browser.get(&app, &path).await;
    page.shows("1 like read: 1 from before, 0 new.");
    page.shows("1 line names nothing that can be liked");
    page.shows("<code>https://vimeo.com/7</code>: this is not an address of Flickr");
    let other: i64 = own.parse::<i64>().unwrap() + 1;
    let reply = browser.post(&app, "/me/import/list", &[("account", &other.to_string()), ("list", mixed)]).await;
    assert_eq!(reply.status, StatusCode::NOT_FOUND, "the account of another patron");
}

#[actix_web::test]
async fn an_address_without_an_id_is_asked_of_the_platform_and_left_out_when_it_is_not_known_there() {
    let site = small().await;
    let ana = site.patron("ana", false, site.node.now()).await;
    let repository = {
        let world = &mut *site.github.world();
        world.add_user(Platform::GitHub, "mira");
        world.add_post(Platform::GitHub, "mira", "maps").unwrap().id.clone()
    };
    connect(&site, ana, Platform::GitHub, "7", "ana").await;
    let app = app!(site);
    let browser = Browser::signed_in(&app, "ana").await;
    let page = browser.get(&app, "/me/import").await;
    let own = page.body.split("<select id=\"account\"").nth(1).unwrap().split("value=\"").nth(1).unwrap();
    let own = own.split('"').next().unwrap().to_owned();
    let list = "https://github.com/mira/maps\nhttps://github.com/mira/nothing-of-this-name\n";
    let reply = browser.post(&app, "/me/import/list", &[("account", &own), ("list", list)]).await;
    assert!(step(&site.node).await.unwrap());
    let page = browser.get(&app, reply.location()).await;
    page.shows("2 likes read: 1 from before, 0 new.");
    page.shows("<dt>Addresses that could not be looked up</dt><dd>1</dd>");
    let object = ObjectRef::new(Platform::GitHub, &repository).unwrap();
    let stored = site.node.db.read(move |tx| storage::identities::object_by_ref(tx, &object)).await.unwrap();
    assert!(stored.unwrap().owner_id.is_some(), "the platform says whose it is");
    let connection =
        site.node.db.read(move |tx| storage::connections::connections_of(tx, ana)).await.unwrap().remove(0);
    assert_eq!(connection.baseline_at, None, "what the platform lists is the baseline, not what a person remembers");
}
