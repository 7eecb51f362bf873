//! Signing in and signing requests by OAuth 1.0a (RFC 5849), which the older platforms speak.
//!
//! Owns the signature: HMAC-SHA1 over the method, the address and all parameters, each encoded exactly as section 3.6
//! says. SHA-1 is what the platforms demand; as a keyed hash it is not broken. The secret of a token never travels.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::error::{Error, readable};
use super::http::{Header, Http, HttpReply, HttpRequest, Method};
use super::sign_in::{self, Begun, Grant, SignInApi};
use super::value::{Access, Credential, Secret};

/// As which client the instance is known at a platform.
#[derive(Clone, Debug)]
pub struct Consumer {
    pub key: String,
    pub secret: Secret,
}

/// A token and its secret: of a person, or of a sign-in that is under way.
#[derive(Clone, Copy)]
pub struct Token<'a> {
    pub token: &'a str,
    pub secret: &'a str,
}

impl<'a> Token<'a> {
    /// The token of a person.
    ///
    /// - errors: a bearer token cannot sign.
    pub fn of(credential: &'a Credential) -> Result<Token<'a>, Error> {
        match credential {
            Credential::Signed { token, secret } => Ok(Token { token: token.reveal(), secret: secret.reveal() }),
            Credential::Bearer(_) => Err(Error::unsupported("this platform wants signed requests")),
        }
    }
}

/// A GET in somebody's name: signed in a person's, with nothing but the application's key in the instance's own.
///
/// - `key`: the parameter of the address that carries the key, and the key.
/// - `consumer`: the key with its secret, where the instance has it.
/// - errors: without the secret nothing can be signed.
pub fn get_as(
    access: &Access,
    key: (&str, &str),
    consumer: Option<&Consumer>,
    mut url: Url,
    user_agent: &str,
) -> Result<HttpRequest, Error> {
    let mut headers = vec![Header::new("user-agent", user_agent)];
    match access {
        Access::Instance => {
            url.query_pairs_mut().append_pair(key.0, key.1);
        }
        Access::User(credential) => {
            let token = Token::of(credential)?;
            let consumer =
                consumer.ok_or_else(|| Error::unsupported("the key of this instance is without its secret"))?;
            headers.push(Header::new("authorization", authorization(consumer, Some(token), Method::Get, &url, &[])));
        }
    }
    Ok(HttpRequest::get(url, headers))
}

/// The value of the `Authorization` header that signs a request.
///
/// - `token`: `None` signs as the instance alone.
/// - `url`: its query is part of what is signed.
/// - `fields`: of a form in the body, and parameters such as `oauth_callback`, which go into the header.
pub fn authorization(
    consumer: &Consumer,
    token: Option<Token>,
    method: Method,
    url: &Url,
    fields: &[(&str, &str)],
) -> String {
    let mut nonce = [0; 16];
    rand::fill(&mut nonce).expect("the system's randomness does not run dry");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970").as_secs();
    signed(consumer, token, method, url, fields, &hex::encode(nonce), now)
}

fn signed(
    consumer: &Consumer,
    token: Option<Token>,
    method: Method,
    url: &Url,
    fields: &[(&str, &str)],
    nonce: &str,
    timestamp: u64,
) -> String {
    let timestamp = timestamp.to_string();
    let mut header = vec![
        ("oauth_consumer_key", consumer.key.as_str()),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", timestamp.as_str()),
        ("oauth_version", "1.0"),
    ];
    if let Some(token) = token {
        header.push(("oauth_token", token.token));
    }
    header.extend(fields.iter().copied().filter(|(name, _)| name.starts_with("oauth_")));
    let rest = fields.iter().copied().filter(|(name, _)| !name.starts_with("oauth_"));
    let parameters: Vec<(&str, &str)> = header.iter().copied().chain(rest).collect();
    let token_secret = token.map_or("", |token| token.secret);
    let signature = signature(consumer.secret.reveal(), token_secret, method.as_str(), url, &parameters);
    header.push(("oauth_signature", &signature));
    let shown: Vec<String> =
        header.iter().map(|(name, value)| format!("{}=\"{}\"", encoded(name), encoded(value))).collect();
    format!("OAuth {}", shown.join(", "))
}

/// RFC 5849, section 3.4.
///
/// - `parameters`: of the body and the header; those of the query are taken from `url`.
pub(crate) fn signature(
    consumer_secret: &str,
    token_secret: &str,
    method: &str,
    url: &Url,
    parameters: &[(&str, &str)],
) -> String {
    let mut pairs: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (encoded(&name), encoded(&value))).collect();
    pairs.extend(parameters.iter().map(|(name, value)| (encoded(name), encoded(value))));
    // By the encoded names, then by the encoded values.
    pairs.sort();
    let normal: Vec<String> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let base = format!("{}&{}&{}", method.to_ascii_uppercase(), encoded(&base_uri(url)), encoded(&normal.join("&")));
    let key = format!("{}&{}", encoded(consumer_secret), encoded(token_secret));
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    STANDARD.encode(hmac::sign(&key, base.as_bytes()))
}

/// Scheme, host and path; a port only where it is not the usual one. The parser has put all in lower case that is.
fn base_uri(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// Section 3.6: everything but unreserved characters.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// How one platform's door works.
#[derive(Clone, Debug)]
pub struct OAuth1Config {
    pub request_token_url: Url,
    pub authorize_url: Url,
    pub access_token_url: Url,
    pub consumer: Consumer,
    /// More parameters for `authorize_url`, such as `perms=read`.
    pub extra: Vec<(String, String)>,
    pub user_agent: String,
}

/// A door that works by OAuth 1.0a.
pub struct OAuth1Door {
    config: OAuth1Config,
    http: Arc<dyn Http>,
}

impl OAuth1Door {
    pub fn new(config: OAuth1Config, http: Arc<dyn Http>) -> OAuth1Door {
        OAuth1Door { config, http }
    }

    async fn ask(
        &self,
        url: &Url,
        token: Option<Token<'_>>,
        fields: &[(&str, &str)],
    ) -> Result<BTreeMap<String, String>, Error> {
        let authorization = authorization(&self.config.consumer, token, Method::Post, url, fields);
        let headers = vec![
            Header::new("authorization", authorization),
            Header::new("user-agent", self.config.user_agent.as_str()),
        ];
        let reply = self.http.send(&HttpRequest::form(url.clone(), headers, &[])).await?;
        if reply.status != 200 {
            return Err(refusal(&reply));
        }
        let fields: BTreeMap<String, String> = url::form_urlencoded::parse(&reply.body).into_owned().collect();
        if fields.contains_key("oauth_problem") {
            return Err(refusal(&reply));
        }
        Ok(fields)
    }
}

/// Some platforms answer in a form, some in JSON or in plain text; the status tells enough.
fn refusal(reply: &HttpReply) -> Error {
    let problem = url::form_urlencoded::parse(&reply.body).find(|(name, _)| name == "oauth_problem");
    let problem = problem.map(|(_, value)| value.into_owned());
    let message = match &problem {
        Some(problem) => readable(&format!("HTTP {}: {problem}", reply.status)),
        None => format!("HTTP {} at the door", reply.status),
    };
    match reply.status {
        429 => Error::RateLimited { until: None, message },
        408 | 500..=599 => Error::Transient { message },
        404 | 410 => Error::Gone { message },
        200..=399 if problem.is_none() => Error::Malformed { message },
        _ => Error::Unauthorized { expired: problem.is_some_and(|it| it.contains("expired")), message },
    }
}

fn token_in(fields: &mut BTreeMap<String, String>) -> Result<(String, String), Error> {
    match (fields.remove("oauth_token"), fields.remove("oauth_token_secret")) {
        (Some(token), Some(secret)) if !token.is_empty() => Ok((token, secret)),
        // Never the body itself: half of a token is still a secret.
        _ => Err(Error::malformed("the reply holds no token")),
    }
}

#[async_trait]
impl SignInApi for OAuth1Door {
    /// The request token is what the return is recognised by; OAuth 1.0a knows no `state`.
    async fn begin(&self, callback: &Url, _state: &str) -> Result<Begun, Error> {
        let mut fields =
            self.ask(&self.config.request_token_url, None, &[("oauth_callback", callback.as_str())]).await?;
        // Section 2.1: without this word the server speaks OAuth 1.0, where a stranger can finish our sign-in.
        if fields.get("oauth_callback_confirmed").map(String::as_str) != Some("true") {
            return Err(Error::malformed("the platform did not confirm the callback"));
        }
        let (token, secret) = token_in(&mut fields)?;
        let mut url = self.config.authorize_url.clone();
        url.query_pairs_mut().append_pair("oauth_token", &token).extend_pairs(&self.config.extra);
        Ok(Begun { url, key: token, kept: Secret::new(secret) })
    }

    async fn finish(&self, _callback: &Url, kept: &Secret, answer: &BTreeMap<String, String>) -> Result<Grant, Error> {
        if let Some(refused) = sign_in::refused(answer) {
            return Err(refused);
        }
        let (Some(token), Some(verifier)) = (answer.get("oauth_token"), answer.get("oauth_verifier")) else {
            return Err(Error::malformed("the platform sent no verifier back"));
        };
        let token = Token { token, secret: kept.reveal() };
        let mut fields = self.ask(&self.config.access_token_url, Some(token), &[("oauth_verifier", verifier)]).await?;
        let (token, secret) = token_in(&mut fields)?;
        let credential = Credential::Signed { token: Secret::new(token), secret: Secret::new(secret) };
        Ok(Grant { credential, refresh: None, expires_in: None, scopes: Vec::new() })
    }

    async fn refresh(&self, _grant: &Grant) -> Result<Grant, Error> {
        Err(Error::unsupported("a signed credential does not end and is not renewed"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::bridges::http::HttpFailure;

    fn consumer(key: &str, secret: &str) -> Consumer {
        Consumer { key: key.into(), secret: Secret::new(secret) }
    }

    #[test]
    fn the_example_of_the_rfc_has_its_signature() {
        // RFC 5849, section 1.2: the request for a photo of jane.
        let url = Url::parse("http://photos.example.net/photos?file=vacation.jpg&size=original").unwrap();
        let parameters = [
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_token", "nnch734d00sl2jdk"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131202"),
            ("oauth_nonce", "chapoH"),
        ];
        let found = signature("kd94hf93k423kf44", "pfkkdhi9sl3r4s00", "GET", &url, &parameters);
        assert_eq!(found, "MdpQcU8iPSUjWoN/UDMsK2sui9I=");
    }

    #[test]
    fn the_example_of_twitter_has_its_signature_in_the_header() {
        // Twitter's documentation, "Creating a signature".
        let url = Url::parse("https://api.twitter.com/1.1/statuses/update.json?include_entities=true").unwrap();
        let consumer = consumer("xvz1evFS4wEEPTGEFPHBog", "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw");
        let token = Token {
            token: "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
            secret: "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
        };
        let status = [("status", "Hello Ladies + Gentlemen, a signed OAuth request!")];
        let nonce = "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg";
        let header = signed(&consumer, Some(token), Method::Post, &url, &status, nonce, 1_318_622_958);
        assert!(header.starts_with("OAuth oauth_consumer_key=\"xvz1evFS4wEEPTGEFPHBog\", "), "{header}");
        assert!(header.contains("oauth_signature=\"hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D\""), "{header}");
        assert!(!header.contains("status"), "{header}");
        assert!(!header.contains(token.secret), "{header}");
    }

    #[test]
    fn parameters_are_sorted_as_they_are_encoded() {
        // RFC 5849, section 3.4.1.3.2: repeated names, empty values, names that have to be encoded themselves.
        let url = Url::parse("http://EXAMPLE.com:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b").unwrap();
        assert_eq!(base_uri(&url), "http://example.com/request");
        let one = signature("s", "t", "post", &url, &[("a3", "2 q"), ("c2", "")]);
        let other = signature("s", "t", "POST", &url, &[("c2", ""), ("a3", "2 q")]);
        assert_eq!(one, other);
        assert_ne!(one, signature("s", "t", "POST", &url, &[("c2", ""), ("a3", "2+q")]));
        assert_eq!(encoded("~-._ *+\u{e4}"), "~-._%20%2A%2B%C3%A4");
    }

    struct Script {
        reply: HttpReply,
        asked: Mutex<Vec<HttpRequest>>,
    }

    #[async_trait]
    impl Http for Script {
        async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
            self.asked.lock().unwrap().push(request.clone());
            Ok(self.reply.clone())
        }
    }

    fn door(status: u16, body: &str) -> (OAuth1Door, Arc<Script>) {
        let reply = HttpReply { status, body: body.as_bytes().to_vec(), ..HttpReply::default() };
        let script = Arc::new(Script { reply, asked: Mutex::default() });
        let at = |path: &str| Url::parse(&format!("https://api.example/oauth/{path}")).unwrap();
        let config = OAuth1Config {
            request_token_url: at("request_token"),
            authorize_url: at("authorize"),
            access_token_url: at("access_token"),
            consumer: consumer("key", "hush"),
            extra: vec![("perms".into(), "read".into())],
            user_agent: "fedflattr-test".into(),
        };
        (OAuth1Door::new(config, script.clone()), script)
    }

    fn callback() -> Url {
        Url::parse("https://node.example/return").unwrap()
    }

    fn sent(script: &Script) -> String {
        let asked = script.asked.lock().unwrap();
        asked[0].headers.iter().find(|header| header.name == "authorization").unwrap().value.clone()
    }

    #[tokio::test]
    async fn the_return_is_recognised_by_the_request_token() {
        let (door, script) = door(200, "oauth_token=rt&oauth_token_secret=rs&oauth_callback_confirmed=true");
        let begun = door.begin(&callback(), "unused").await.unwrap();
        assert_eq!(begun.url.as_str(), "https://api.example/oauth/authorize?oauth_token=rt&perms=read");
        assert_eq!((begun.key.as_str(), begun.kept.reveal()), ("rt", "rs"));
        assert!(sent(&script).contains("oauth_callback=\"https%3A%2F%2Fnode.example%2Freturn\""));
    }

    #[tokio::test]
    async fn a_verifier_becomes_a_grant() {
        let (door, script) = door(200, "oauth_token=t&oauth_token_secret=s&user_nsid=7%40N00");
        let answer = [("oauth_token", "rt"), ("oauth_verifier", "v")];
        let answer = answer.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let grant = door.finish(&callback(), &Secret::new("rs"), &answer).await.unwrap();
        assert_eq!(grant.credential, Credential::Signed { token: Secret::new("t"), secret: Secret::new("s") });
        assert!(sent(&script).contains("oauth_token=\"rt\""));
        assert!(sent(&script).contains("oauth_verifier=\"v\""));
        assert_eq!(door.refresh(&grant).await.unwrap_err().class(), "unsupported");
    }

    #[tokio::test]
    async fn a_door_that_does_not_confirm_the_callback_is_not_used() {
        let unconfirmed = door(200, "oauth_token=rt&oauth_token_secret=rs").0.begin(&callback(), "").await;
        assert_eq!(unconfirmed.unwrap_err().class(), "malformed");
    }

    #[tokio::test]
    async fn refusals_have_their_class() {
        for (status, body, class) in [
            (401, "oauth_problem=signature_invalid", "unauthorized"),
            (200, "oauth_problem=token_expired", "unauthorized_expired"),
            (401, "Invalid signature", "unauthorized"),
            (429, "", "rate_limited"),
            (503, "<html>", "transient"),
            (410, "", "gone"),
            (302, "", "malformed"),
            (200, "oauth_token=t", "malformed"),
        ] {
            let refused = door(status, body).0.begin(&callback(), "").await.unwrap_err();
            let expected = if body == "oauth_token=t" { "malformed" } else { class };
            assert_eq!(refused.class(), expected, "{status} {body}");
        }
        let (door, script) = door(200, "");
        let no = [("denied".to_owned(), "rt".to_owned())].into_iter().collect();
        assert_eq!(door.finish(&callback(), &Secret::new(""), &no).await.unwrap_err().class(), "forbidden");
        assert!(script.asked.lock().unwrap().is_empty());
    }
}
