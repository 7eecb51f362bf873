//! What platforms send by themselves, as a receiver that checks signatures gets it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::sandbox;
use crate::domain::identity::Platform;
use crate::sandbox::Sandbox;
use crate::sandbox::model::Token;
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};

/// What came, headers and body.
type Received = Arc<Mutex<Vec<(BTreeMap<String, String>, Vec<u8>)>>>;

/// Takes what it is sent, and answers the question of a handshake when it knows the word.
struct Receiver {
    addr: SocketAddr,
    received: Received,
    handle: ServerHandle,
}

async fn receive(http: HttpRequest, body: web::Bytes, received: web::Data<Received>) -> HttpResponse {
    if http.method() == "GET" {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(http.query_string().as_bytes()).into_owned().collect();
        return match query["hub.verify_token"].as_str() {
            "open sesame" => HttpResponse::Ok().body(query["hub.challenge"].clone()),
            _ => HttpResponse::Forbidden().finish(),
        };
    }
    let header = |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    received.lock().unwrap().push((http.headers().iter().map(header).collect(), body.to_vec()));
    HttpResponse::NoContent().finish()
}

impl Receiver {
    fn new() -> Receiver {
        let received = Received::default();
        let shared = Arc::clone(&received);
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(Arc::clone(&shared))).default_service(web::to(receive))
        });
        let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
        let addr = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        tokio::spawn(server);
        Receiver { addr, received, handle }
    }

    /// Waits until so many have come.
    async fn all(&self, count: usize) -> Vec<(BTreeMap<String, String>, Vec<u8>)> {
        for _ in 0..500 {
            let received = self.received.lock().unwrap().clone();
            if received.len() >= count {
                return received;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {count} came", self.received.lock().unwrap().len());
    }
}

async fn ask(method: reqwest::Method, url: String, token: Option<&str>, body: String) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().user_agent("test").build().unwrap();
    let mut request = client.request(method, url).body(body);
    match token {
        Some(token) => request = request.header("authorization", format!("Bearer {token}")),
        None => request = request.header("content-type", "application/x-www-form-urlencoded"),
    }
    let reply = request.send().await.unwrap();
    (reply.status().as_u16(), serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap_or_default())
}

fn is_signed(algorithm: hmac::Algorithm, secret: &str, body: &[u8], shown: &str) -> bool {
    hmac::verify(&hmac::Key::new(algorithm, secret.as_bytes()), body, &hex::decode(shown).unwrap()).is_ok()
}

#[tokio::test]
async fn github_tells_the_owner_of_a_repository_of_stars_and_of_those_taken_back() {
    let (sandbox, receiver): (Sandbox, Receiver) = (sandbox().await, Receiver::new());
    {
        let world = &mut *sandbox.world();
        for name in ["mira", "nils"] {
            let id = world.add_user(Platform::GitHub, name).id.clone();
            world.tokens.insert((Platform::GitHub, format!("t-{name}")), Token::of(&id));
        }
        world.add_post(Platform::GitHub, "mira", "tides").unwrap();
    }
    let base = sandbox.base_url(Platform::GitHub);
    let hooks = format!("{base}/repos/mira/tides/hooks");
    let wanted = |url: &str| {
        let config = json!({"url": url, "content_type": "json", "secret": "hush"});
        json!({"name": "web", "events": ["star"], "config": config}).to_string()
    };
    let here = wanted(&format!("http://{}/hook", receiver.addr));
    let post = |token, body| ask(reqwest::Method::POST, hooks.clone(), Some(token), body);
    assert_eq!(post("t-nils", here.clone()).await.0, 404, "it is not theirs");
    assert_eq!(post("t-mira", wanted("https://node.example/hook")).await.0, 422, "beyond this machine");
    let (status, hook) = post("t-mira", here).await;
    assert_eq!((status, &hook["events"], &hook["config"]["secret"]), (201, &json!(["star"]), &json!("********")));

    let star = format!("{base}/user/starred/mira/tides");
    for method in [reqwest::Method::PUT, reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::PUT] {
        assert_eq!(ask(method, star.clone(), Some("t-nils"), String::new()).await.0, 204);
    }
    let received = receiver.all(4).await;
    let told: Vec<(String, Value)> = received
        .iter()
        .map(|(headers, body)| {
            let signature = headers["x-hub-signature-256"].strip_prefix("sha256=").unwrap();
            assert!(is_signed(hmac::HMAC_SHA256, "hush", body, signature));
            (headers["x-github-event"].clone(), serde_json::from_slice(body).unwrap())
        })
        .collect();
    let brief: Vec<(&str, &Value)> = told.iter().map(|(event, body)| (event.as_str(), &body["action"])).collect();
    let (created, deleted) = (json!("created"), json!("deleted"));
    let expected = [("ping", &Value::Null), ("star", &created), ("star", &deleted), ("star", &created)];
    assert_eq!(brief, expected, "in order, and a star that is there already is no news");
    assert_eq!(
        (&told[1].1["sender"]["login"], &told[1].1["repository"]["full_name"]),
        (&json!("nils"), &json!("mira/tides"))
    );
    assert_eq!((&told[1].1["starred_at"], &told[2].1["starred_at"]), (&json!("2013-06-01T00:00:00Z"), &Value::Null));
    let deliveries: std::collections::BTreeSet<&str> =
        received.iter().map(|(headers, _)| headers["x-github-delivery"].as_str()).collect();
    assert_eq!(deliveries.len(), 4, "each can be told from the others");

    let one = format!("{hooks}/{}", hook["id"]);
    assert_eq!(ask(reqwest::Method::DELETE, one, Some("t-mira"), String::new()).await.0, 204);
    ask(reqwest::Method::DELETE, star, Some("t-nils"), String::new()).await;
    let told = format!("http://{}/_sim/pushes", sandbox.addr);
    let (_, told) = ask(reqwest::Method::GET, told, None, String::new()).await;
    assert_eq!(told["pushes"].as_array().unwrap().len(), 4, "{told}");
    receiver.handle.stop(false).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn instagram_tells_an_app_that_somebody_who_signed_in_has_posted() {
    let (sandbox, receiver): (Sandbox, Receiver) = (sandbox().await, Receiver::new());
    let mira = {
        let world = &mut *sandbox.world();
        world.add_user(Platform::Instagram, "stranger");
        let mira = world.add_user(Platform::Instagram, "mira").id.clone();
        world.tokens.insert((Platform::Instagram, "t-mira".into()), Token::of(&mira));
        mira
    };
    let subscriptions = format!("{}/v1/subscriptions", sandbox.base_url(Platform::Instagram));
    let form = |secret: &str, word: &str| {
        let address = format!("http://{}/instagram?of=mine", receiver.addr);
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([
            ("client_id", CLIENT_ID),
            ("client_secret", secret),
            ("object", "user"),
            ("aspect", "media"),
        ]);
        form.extend_pairs([("verify_token", word), ("callback_url", address.as_str())]).finish()
    };
    let subscribe = |form: String| ask(reqwest::Method::POST, subscriptions.clone(), None, form);
    let (status, refused) = subscribe(form("guess", "open sesame")).await;
    assert_eq!((status, &refused["meta"]["error_type"]), (400, &json!("OAuthClientException")));
    let (status, refused) = subscribe(form(CLIENT_SECRET, "guess")).await;
    assert_eq!((status, &refused["meta"]["error_type"]), (400, &json!("APISubscriptionError")), "the challenge failed");
    let known = format!("{subscriptions}?client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}");
    let (_, list) = ask(reqwest::Method::GET, known.clone(), None, String::new()).await;
    assert_eq!(list["data"], json!([]), "who failed is told nothing");
    let (status, made) = subscribe(form(CLIENT_SECRET, "open sesame")).await;
    assert_eq!((status, &made["data"][0]["aspect"]), (200, &json!("media")));

    for who in ["stranger", "mira"] {
        let scenario = json!({"posts": [{"platform": "instagram", "owner": who, "name": "tide", "id": format!("77{}", who.len())}]});
        let at = format!("http://{}/_sim/scenario", sandbox.addr);
        assert_eq!(ask(reqwest::Method::POST, at, None, scenario.to_string()).await.0, 200);
    }
    let received = receiver.all(1).await;
    let (headers, body) = &received[0];
    assert!(is_signed(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, CLIENT_SECRET, body, &headers["x-hub-signature"]));
    let expected = json!([{
        "subscription_id": made["data"][0]["id"],
        "object": "user",
        "object_id": mira,
        "changed_aspect": "media",
        "time": 1_370_044_800,
    }]);
    assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), expected);
    assert_eq!(received.len(), 1, "of a stranger nothing is told");
    ask(reqwest::Method::DELETE, format!("{known}&object=all"), None, String::new()).await;
    let (_, list) = ask(reqwest::Method::GET, known, None, String::new()).await;
    assert_eq!(list["data"], json!([]));
    receiver.handle.stop(false).await;
    sandbox.stop().await;
}
