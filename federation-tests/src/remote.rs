//! A remote server of our own making: an actor with keys, its document on loopback, and an inbox that keeps what comes.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use fedflattr::clock::wall_time;
use fedflattr::domain::proof::{Seed, SigningKey};
use fedflattr::federation::keys::{RsaKeyPair, generate_seed};
use fedflattr::federation::signature::RequestSigner;
use serde_json::{Value, json};
use url::Url;

/// One actor on a host of its own.
pub struct Remote {
    pub uri: String,
    pub signer: RequestSigner,
    pub proof_key: SigningKey,
    received: Arc<Mutex<Vec<Value>>>,
}

impl Remote {
    /// Serves an actor at `http://<host>.localhost:<port>/users/<name>`.
    pub async fn start(host: &str, name: &str, actor_type: &str) -> anyhow::Result<Remote> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let uri = format!("http://{host}.localhost:{port}/users/{name}");
        let pair = RsaKeyPair::generate()?;
        let seed: Seed = generate_seed()?;
        let proof_key = SigningKey::from_seed(&seed, format!("{uri}#ed25519-key"));
        let document = json!({
            "@context": ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/v1"],
            "id": uri,
            "type": actor_type,
            "preferredUsername": name,
            "inbox": format!("{uri}/inbox"),
            "publicKey": {
                "id": format!("{uri}#main-key"), "owner": uri, "publicKeyPem": pair.public_key().to_pem(),
            },
            "assertionMethod": [{
                "id": format!("{uri}#ed25519-key"), "type": "Multikey", "controller": uri,
                "publicKeyMultibase": proof_key.public_key().to_string(),
            }],
        });
        let signer = RequestSigner::new(&Url::parse(&format!("{uri}#main-key"))?, pair);
        let received: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (shared, document) = (Arc::clone(&received), Arc::new(document));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new((Arc::clone(&document), Arc::clone(&shared))))
                .default_service(web::to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?
        .run();
        tokio::spawn(server);
        Ok(Remote { uri, signer, proof_key, received })
    }

    /// What came to the inbox so far.
    pub fn received(&self) -> Vec<Value> {
        self.received.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Posts a body with a right signature; returns status and text.
    pub async fn post(&self, inbox: &str, body: &Value) -> anyhow::Result<(u16, String)> {
        self.post_bytes(inbox, body.to_string().into_bytes()).await
    }

    pub async fn post_bytes(&self, inbox: &str, body: Vec<u8>) -> anyhow::Result<(u16, String)> {
        let url = Url::parse(inbox)?;
        let headers = self.signer.sign_post(&url, "application/activity+json", &body, wall_time())?;
        send(&url, &headers, body).await
    }
}

type Shared = (Arc<Value>, Arc<Mutex<Vec<Value>>>);

async fn answer(request: HttpRequest, body: web::Bytes, shared: web::Data<Shared>) -> HttpResponse {
    if request.method() == actix_web::http::Method::POST {
        if let Ok(activity) = serde_json::from_slice(&body) {
            shared.1.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(activity);
        }
        return HttpResponse::Accepted().finish();
    }
    HttpResponse::Ok().content_type("application/activity+json").body(shared.0.to_string())
}

/// Posts with exactly these headers. Names below `.localhost` are this machine.
pub async fn send(url: &Url, headers: &[(&'static str, String)], body: Vec<u8>) -> anyhow::Result<(u16, String)> {
    let host = url.host_str().unwrap_or_default().to_owned();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, url.port().unwrap_or(80)));
    let client = reqwest::Client::builder().no_proxy().resolve(&host, address).build()?;
    let mut request = client.post(url.clone()).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let reply = request.send().await?;
    let status = reply.status().as_u16();
    Ok((status, reply.text().await?))
}

/// Gets with an Accept header; returns status, content type and text.
pub async fn get(url: &str, accept: &str) -> anyhow::Result<(u16, String, String)> {
    let url = Url::parse(url)?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, url.port().unwrap_or(80)));
    let client = reqwest::Client::builder().no_proxy().resolve(&host, address).build()?;
    let reply = client.get(url).header("accept", accept).send().await?;
    let status = reply.status().as_u16();
    let kind = reply.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Ok((status, kind, reply.text().await?))
}
