//! The gate before a real socket: what is refused, what that costs us in fetches, and that nothing of it is stored.

mod homes;
mod observed;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use super::*;
use crate::clock::wall_time;
use crate::config::Config;
use crate::domain::proof::{Seed, SigningKey};
use crate::federation::keys::tests::{OTHER_PAIR, PAIR};
use crate::federation::signature::RequestSigner;
use crate::storage::inbox;

const KIND: &str = "application/activity+json";
const HOST: &str = "localhost:18800";

/// A server that answers with what a test put at a path, and counts who asked.
struct Server {
    base: String,
    documents: Arc<Mutex<Vec<(String, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
    is_slow: Arc<AtomicBool>,
}

impl Server {
    fn start(host: &str) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{host}.localhost:{}", listener.local_addr().unwrap().port());
        let server = Server { base, documents: Arc::default(), asked: Arc::default(), is_slow: Arc::default() };
        let (documents, asked, is_slow) =
            (Arc::clone(&server.documents), Arc::clone(&server.asked), Arc::clone(&server.is_slow));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut head) = (stream.unwrap(), Vec::new());
                let mut buffer = [0; 4_096];
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut buffer) {
                        Ok(count) if count > 0 => head.extend_from_slice(&buffer[..count]),
                        _ => break,
                    }
                }
                let head = String::from_utf8_lossy(&head).into_owned();
                let Some(path) = head.split(' ').nth(1).map(str::to_owned) else { continue };
                asked.lock().unwrap().push(path.clone());
                if is_slow.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(200));
                }
                let found = documents.lock().unwrap().iter().rev().find(|(at, _)| *at == path).cloned();
                let (status, body) = found.map_or(("404 Not Found", "{}".to_owned()), |(_, body)| ("200 OK", body));
                let length = body.len();
                let head = format!("Content-Type: {KIND}\r\nContent-Length: {length}\r\nConnection: close");
                // Whoever closes early has what it wanted.
                let _closed = stream.write_all(format!("HTTP/1.1 {status}\r\n{head}\r\n\r\n{body}").as_bytes());
            }
        });
        server
    }

    fn put(&self, path: &str, document: &Value) {
        self.documents.lock().unwrap().push((path.to_owned(), document.to_string()));
    }

    fn fetches(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn proof_key(uri: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(&Seed::from_bytes([seed; 32]), format!("{uri}#ed25519-key"))
}

/// The document of an actor whose request key is `PAIR`.
fn actor_document(uri: &str, key_id: &str, proof_key: &SigningKey) -> Value {
    json!({
        "id": uri, "type": "Application", "preferredUsername": "peer", "inbox": format!("{uri}/inbox"),
        "publicKey": { "id": key_id, "owner": uri, "publicKeyPem": PAIR.public_key().to_pem() },
        "assertionMethod": [{
            "id": format!("{uri}#ed25519-key"), "type": "Multikey", "controller": uri,
            "publicKeyMultibase": proof_key.public_key().to_string(),
        }],
    })
}

/// An instance, and a peer on a server of its own.
struct Scene {
    federation: Federation,
    server: Server,
    actor: String,
    key_id: String,
    _directory: TempDir,
}

impl Scene {
    /// With an actor that publishes its keys as Mastodon does.
    async fn set() -> Scene {
        let scene = Scene::without_actor().await;
        scene.server.put("/actor", &actor_document(&scene.actor, &scene.key_id, &proof_key(&scene.actor, 1)));
        scene
    }

    async fn without_actor() -> Scene {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().display().to_string();
        let settings = [
            ("server.domain", HOST),
            ("server.data_dir", &data),
            ("database.pool_size", "2"),
            ("federation.allow_private_addresses", "127.0.0.0/8"),
        ];
        let settings: Vec<(String, String)> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let config = Config::load(None, std::iter::empty(), &settings).unwrap().config;
        let federation = library::federation(&Node::start(config).await.unwrap()).await.unwrap();
        let server = Server::start("peer");
        let actor = format!("{}/actor", server.base);
        let key_id = format!("{actor}#main-key");
        Scene { federation, server, actor, key_id, _directory: directory }
    }

    fn like(&self, number: u32) -> Value {
        json!({
            "id": format!("{}/likes/{number}", self.server.base), "type": "Like", "actor": self.actor,
            "object": format!("http://{HOST}/bridge/github/objects/1"),
        })
    }

    /// What claims to be a message of a channel.
    fn message(&self, number: u32) -> Value {
        let channel = json!({ "type": "flattr:PeerTerms", "debtor": self.actor, "sum": "5.00", "sequence": number });
        json!({
            "id": format!("{}/channels/{number}", self.server.base), "type": "Offer", "actor": self.actor,
            "object": channel,
        })
    }

    fn proved(&self, document: Value, seed: u8) -> Value {
        proof::sign(document, &proof_key(&self.actor, seed), wall_time()).unwrap()
    }

    fn signer(&self) -> RequestSigner {
        RequestSigner::new(&self.key_id.parse().unwrap(), PAIR.clone())
    }

    /// A signature by a key that nobody publishes, under the name of any key.
    fn forger(&self, key_id: &str) -> RequestSigner {
        RequestSigner::new(&key_id.parse().unwrap(), OTHER_PAIR.clone())
    }

    async fn post(&self, activity: &Value) -> Result<Accepted, GateError> {
        self.post_by(&self.signer(), "/inbox", "/inbox", activity.to_string()).await
    }

    async fn post_forged(&self, activity: &Value) -> Result<Accepted, GateError> {
        self.post_by(&self.forger(&self.key_id), "/inbox", "/inbox", activity.to_string()).await
    }

    async fn post_by(
        &self,
        signer: &RequestSigner,
        signed_path: &str,
        path: &str,
        body: String,
    ) -> Result<Accepted, GateError> {
        let url: Url = format!("http://{HOST}{signed_path}").parse().unwrap();
        let headers = signer.sign_post(&url, KIND, body.as_bytes(), wall_time()).unwrap();
        let mut request = TestRequest::post().uri(path);
        for header in headers {
            request = request.insert_header(header);
        }
        receive(&self.federation, request.to_http_request(), body.into()).await
    }

    async fn stored(&self) -> usize {
        self.federation.db.read(|tx| inbox::newest(tx, 100)).await.unwrap().len()
    }
}

#[track_caller]
fn refused(result: Result<Accepted, GateError>, status: u16, text: &str) {
    match result {
        Err(error) => {
            assert_eq!(error.status(), status, "{error}");
            assert!(error.to_string().contains(text), "`{text}` is not in: {error}");
        }
        Ok(accepted) => panic!("let in: {accepted:?}"),
    }
}

#[actix_web::test]
async fn who_is_known_is_fetched_once() {
    let scene = Scene::set().await;
    assert_eq!(scene.post(&scene.like(1)).await.unwrap(), Accepted::Stored);
    assert_eq!(scene.post(&scene.like(2)).await.unwrap(), Accepted::Stored);
    assert_eq!(scene.post(&scene.like(2)).await.unwrap(), Accepted::Repeat);
    assert_eq!((scene.stored().await, scene.server.fetches()), (2, 1));
}

#[actix_web::test]
async fn a_key_on_another_host_is_refused_before_anything_is_fetched() {
    let (scene, evil) = (Scene::set().await, Server::start("evil"));
    for key in [format!("{}/actor#main-key", evil.base), format!("{}/main-key", evil.base)] {
        let forger = scene.forger(&key);
        let body = scene.like(1).to_string();
        refused(scene.post_by(&forger, "/inbox", "/inbox", body).await, 401, "is on another host than");
    }
    assert_eq!((scene.server.fetches(), evil.fetches(), scene.stored().await), (0, 0, 0));
}

#[actix_web::test]
async fn what_can_be_judged_without_a_key_costs_no_fetch() {
    let scene = Scene::set().await;
    let (signer, like) = (scene.signer(), scene.like(1).to_string());
    let twice = like.replacen('{', "{\"type\":\"Follow\",", 1);
    refused(scene.post_by(&signer, "/inbox", "/inbox", twice).await, 400, "the member \"type\" appears twice");
    let nul = like.replacen('{', "{\"content\":\"\\u0000\",", 1);
    refused(scene.post_by(&signer, "/inbox", "/inbox", nul).await, 400, "a text contains the character NUL");
    let mut own = scene.like(1);
    own["actor"] = json!(format!("http://{HOST}/instance"));
    own["id"] = json!(format!("http://{HOST}/likes/1"));
    refused(scene.post(&own).await, 403, "an actor of this instance");
    let url: Url = format!("http://{HOST}/inbox").parse().unwrap();
    let hours = Duration::from_secs(3 * 3_600);
    for (at, text) in [(wall_time().minus(hours), "too long ago"), (wall_time().plus(hours), "in the future")] {
        let mut request = TestRequest::post().uri("/inbox");
        for header in signer.sign_post(&url, KIND, like.as_bytes(), at).unwrap() {
            request = request.insert_header(header);
        }
        let result = receive(&scene.federation, request.to_http_request(), like.clone().into()).await;
        refused(result, 401, text);
    }
    let unsigned = TestRequest::post().uri("/inbox").insert_header(("content-type", KIND));
    refused(receive(&scene.federation, unsigned.to_http_request(), like.into()).await, 401, "no Signature header");
    assert_eq!((scene.server.fetches(), scene.stored().await), (0, 0));
}

#[actix_web::test]
async fn a_signature_is_for_the_path_as_it_was_sent() {
    let scene = Scene::set().await;
    let signer = scene.signer();
    for path in ["/inbox/", "//inbox", "/inbox?", "/instance/inbox"] {
        let body = scene.like(1).to_string();
        refused(scene.post_by(&signer, "/inbox", path, body).await, 401, "does not fit the request and the key");
    }
    let body = scene.like(1).to_string();
    assert_eq!(scene.post_by(&signer, "/inbox/", "/inbox/", body).await.unwrap(), Accepted::Stored);
}

#[actix_web::test]
async fn a_stranger_who_cannot_be_read_costs_no_second_fetch() {
    let scene = Scene::without_actor().await;
    refused(scene.post_forged(&scene.like(1)).await, 401, "the actor could not be read");
    let first = scene.server.fetches();
    for number in 2..20 {
        refused(scene.post_forged(&scene.like(number)).await, 401, "less than a minute ago");
    }
    assert_eq!((first, scene.server.fetches(), scene.stored().await), (1, 1, 0));
}

#[actix_web::test]
async fn a_forged_signature_costs_one_fetch_and_leaves_the_true_one_valid() {
    let scene = Scene::set().await;
    for number in 1..20 {
        refused(scene.post_forged(&scene.like(number)).await, 401, "does not fit the request and the key");
    }
    assert_eq!((scene.server.fetches(), scene.stored().await), (1, 0));
    assert_eq!(scene.post(&scene.like(1)).await.unwrap(), Accepted::Stored);
    assert_eq!(scene.server.fetches(), 1);
}

#[actix_web::test]
async fn requests_at_the_same_time_cost_one_fetch() {
    let scene = Scene::without_actor().await;
    scene.server.is_slow.store(true, Ordering::Relaxed);
    let likes: Vec<Value> = (0..10).map(|number| scene.like(number)).collect();
    let posts = likes.iter().map(|like| scene.post_forged(like));
    for result in futures_util::future::join_all(posts).await {
        refused(result, 401, "the actor could not be read");
    }
    assert_eq!(scene.server.fetches(), 1);
}

#[actix_web::test]
async fn a_server_that_leads_us_on_is_left_after_three_fetches() {
    let scene = Scene::without_actor().await;
    // Each document says that its id is the next address.
    for number in 0..10 {
        let path = if number == 0 { "/actor".to_owned() } else { format!("/{number}") };
        let next = format!("{}/{}", scene.server.base, number + 1);
        scene.server.put(&path, &json!({ "id": next, "type": "Person" }));
    }
    refused(scene.post_forged(&scene.like(1)).await, 401, "the actor could not be read");
    assert_eq!(scene.server.fetches(), 3);
    refused(scene.post_forged(&scene.like(1)).await, 401, "less than a minute ago");
    assert_eq!(scene.server.fetches(), 3);
}

#[actix_web::test]
async fn an_address_that_shows_somebody_else_is_no_actor() {
    let scene = Scene::without_actor().await;
    let other = format!("{}/other", scene.server.base);
    let document = actor_document(&other, &scene.key_id, &proof_key(&other, 1));
    scene.server.put("/actor", &document);
    scene.server.put("/other", &document);
    refused(scene.post(&scene.like(1)).await, 401, "the id is not the address that was asked");
    assert_eq!(scene.stored().await, 0);
}

#[actix_web::test]
async fn a_key_with_an_address_of_its_own_counts_when_the_actor_names_it() {
    let mut scene = Scene::without_actor().await;
    // As GoToSocial has it: the key's address has no fragment, and the actor's document holds the key.
    scene.key_id = format!("{}/main-key", scene.actor);
    scene.server.put("/actor", &actor_document(&scene.actor, &scene.key_id, &proof_key(&scene.actor, 1)));
    assert_eq!(scene.post(&scene.like(1)).await.unwrap(), Accepted::Stored);
    assert_eq!(scene.server.fetches(), 1);

    // The actor only names the key, and the key names the actor.
    let mut scene = Scene::without_actor().await;
    scene.key_id = format!("{}/keys/7", scene.server.base);
    let mut document = actor_document(&scene.actor, &scene.key_id, &proof_key(&scene.actor, 1));
    let mut key = document["publicKey"].take();
    document["publicKey"] = json!(scene.key_id);
    scene.server.put("/actor", &document);
    scene.server.put("/keys/7", &key);
    assert_eq!(scene.post(&scene.like(1)).await.unwrap(), Accepted::Stored);
    assert_eq!(scene.server.fetches(), 2);

    // A key that says it belongs to an actor who does not name it is nobody's.
    let mut scene = Scene::set().await;
    scene.key_id = format!("{}/keys/7", scene.server.base);
    key["id"] = json!(scene.key_id);
    key["owner"] = json!(scene.actor);
    scene.server.put("/keys/7", &key);
    refused(scene.post(&scene.like(1)).await, 401, "does not belong to");
    assert_eq!((scene.server.fetches(), scene.stored().await), (1, 0));
}

#[actix_web::test]
async fn a_settlement_message_without_a_valid_proof_is_not_stored_and_leaves_its_id_free() {
    let scene = Scene::set().await;
    let bare = scene.message(1);
    refused(
        scene.post(&bare).await,
        401,
        "a settlement message needs a valid proof by its sender: the document has no",
    );
    let mut tampered = scene.proved(bare.clone(), 1);
    tampered["object"]["sum"] = json!("50.00");
    refused(scene.post(&tampered).await, 401, "the proof does not fit the document and the key");
    refused(scene.post(&scene.proved(bare.clone(), 2)).await, 401, "the proof does not fit the document and the key");
    let foreign = SigningKey::from_seed(&Seed::from_bytes([1; 32]), "https://evil.example/actor#ed25519-key");
    let foreign = proof::sign(bare.clone(), &foreign, wall_time()).unwrap();
    refused(scene.post(&foreign).await, 401, "which is not the one that the sender publishes");
    assert_eq!(scene.stored().await, 0);
    assert_eq!(scene.post(&scene.proved(bare, 1)).await.unwrap(), Accepted::Stored);
    assert_eq!(scene.stored().await, 1);
}

#[actix_web::test]
async fn a_new_proof_key_is_found_by_one_fetch_and_false_ones_cost_no_more() {
    let scene = Scene::set().await;
    assert_eq!(scene.post(&scene.proved(scene.message(1), 1)).await.unwrap(), Accepted::Stored);
    assert_eq!(scene.server.fetches(), 1);
    scene.server.put("/actor", &actor_document(&scene.actor, &scene.key_id, &proof_key(&scene.actor, 2)));
    assert_eq!(scene.post(&scene.proved(scene.message(2), 2)).await.unwrap(), Accepted::Stored);
    assert_eq!(scene.server.fetches(), 2, "the actor was read anew");
    for number in 3..10 {
        refused(scene.post(&scene.proved(scene.message(number), 3)).await, 401, "does not fit");
    }
    assert_eq!((scene.server.fetches(), scene.stored().await), (2, 2));
    // Another message for the same channel by one and the same sender contradicts the first, with both proofs kept.
    let mut other = scene.message(2);
    other["object"]["sum"] = json!("6.00");
    refused(scene.post(&scene.proved(other, 2)).await, 409, "both are kept as evidence");
}
