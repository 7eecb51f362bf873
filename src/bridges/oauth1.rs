//! Signing in and signing requests by OAuth 1.0a (RFC 5849), which the older platforms speak.
//!
//! Owns what is signed: the method, the address and all parameters of a request. How it is signed, by HMAC-SHA1 with a
//! nonce and a time, is the work of the library `oauth1_request`. SHA-1 is what the platforms demand; as a keyed hash it
//! is not broken. The secret of a token never travels.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use oauth1_request::serializer::{Serializer, SerializerExt};
use oauth1_request::{Builder, Credentials, HMAC_SHA1, HmacSha1, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
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
/// - `fields`: of a form in the body.
pub fn authorization(
    consumer: &Consumer,
    token: Option<Token>,
    method: Method,
    url: &Url,
    fields: &[(&str, &str)],
) -> String {
    signed(&signer(consumer, token), method, url, fields)
}

type Signer<'a> = Builder<'a, HmacSha1, &'a str>;

fn signer<'a>(consumer: &'a Consumer, token: Option<Token<'a>>) -> Signer<'a> {
    let mut signer = Builder::new(Credentials::new(consumer.key.as_str(), consumer.secret.reveal()), HMAC_SHA1);
    signer.token(token.map(|token| Credentials::new(token.token, token.secret))).version(true);
    signer
}

fn signed(signer: &Signer, method: Method, url: &Url, fields: &[(&str, &str)]) -> String {
    let mut base = url.clone();
    base.set_query(None);
    base.set_fragment(None);
    let of_query = url.query_pairs().map(|(name, value)| (encoded(&name), encoded(&value)));
    let of_body = fields.iter().map(|(name, value)| (encoded(name), encoded(value)));
    let mut parameters = Parameters(of_query.chain(of_body).collect());
    parameters.0.sort();
    signer.authorize(method.as_str(), base, &parameters)
}

/// What is signed beside the parameters of OAuth, encoded, sorted by name and then by value: RFC 5849, section 3.4.1.3.2.
///
/// Not the library's own list, which takes a name as it is (500px asks by `image_size[]`) and sorts the values of a
/// repeated one before they are encoded.
struct Parameters(Vec<(String, String)>);

impl Request for Parameters {
    fn serialize<S: Serializer>(&self, mut serializer: S) -> S::Output {
        let (before, after) = self.0.split_at(self.0.partition_point(|(name, _)| name.as_str() < "oauth_"));
        // A name goes into the text to be signed as it is given, so it is encoded for that, too; a value is by the library.
        let all = |serializer: &mut S, parameters: &[(String, String)]| {
            for (name, value) in parameters {
                serializer.serialize_parameter_encoded(&encoded(name), value);
            }
        };
        all(&mut serializer, before);
        serializer.serialize_oauth_parameters();
        all(&mut serializer, after);
        serializer.end()
    }
}

/// Section 3.6: everything but unreserved characters.
fn encoded(text: &str) -> String {
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, RESERVED).to_string()
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

    /// What the door answers to a request without parameters but those of OAuth.
    async fn ask(&self, url: &Url, signer: &Signer<'_>) -> Result<BTreeMap<String, String>, Error> {
        let headers = vec![
            Header::new("authorization", signed(signer, Method::Post, url, &[])),
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
        let mut signer = signer(&self.config.consumer, None);
        signer.callback(callback.as_str());
        let mut fields = self.ask(&self.config.request_token_url, &signer).await?;
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
        let mut signer = signer(&self.config.consumer, Some(Token { token, secret: kept.reveal() }));
        signer.verifier(verifier.as_str());
        let mut fields = self.ask(&self.config.access_token_url, &signer).await?;
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
    use std::collections::BTreeSet;
    use std::num::NonZeroU64;
    use std::sync::Mutex;

    use super::*;
    use crate::bridges::http::HttpFailure;

    fn consumer(key: &str, secret: &str) -> Consumer {
        Consumer { key: key.into(), secret: Secret::new(secret) }
    }

    /// The header of a request whose nonce and time are known.
    fn header(
        signer: &mut Signer,
        nonce: &'static str,
        seconds: u64,
        method: Method,
        url: &str,
        body: &[(&str, &str)],
    ) -> String {
        signed(signer.nonce(nonce).timestamp(NonZeroU64::new(seconds)), method, &Url::parse(url).unwrap(), body)
    }

    #[test]
    fn the_example_of_the_rfc_has_its_signature() {
        // RFC 5849, section 1.2: the request for a photo of jane.
        let consumer = consumer("dpf43f3p2l4k3l03", "kd94hf93k423kf44");
        let mut signer = signer(&consumer, Some(Token { token: "nnch734d00sl2jdk", secret: "pfkkdhi9sl3r4s00" }));
        signer.version(false);
        let url = "http://photos.example.net/photos?file=vacation.jpg&size=original";
        let header = header(&mut signer, "chapoH", 137_131_202, Method::Get, url, &[]);
        assert!(header.contains("oauth_signature=\"MdpQcU8iPSUjWoN%2FUDMsK2sui9I%3D\""), "{header}");
        assert!(!header.contains("realm") && !header.contains("vacation"), "{header}");
    }

    #[test]
    fn the_example_of_twitter_has_its_signature_in_the_header() {
        // Twitter's documentation, "Creating a signature".
        let url = "https://api.twitter.com/1.1/statuses/update.json?include_entities=true";
        let consumer = consumer("xvz1evFS4wEEPTGEFPHBog", "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw");
        let token = Token {
            token: "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
            secret: "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
        };
        let status = [("status", "Hello Ladies + Gentlemen, a signed OAuth request!")];
        let nonce = "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg";
        let header = header(&mut signer(&consumer, Some(token)), nonce, 1_318_622_958, Method::Post, url, &status);
        assert!(header.starts_with("OAuth oauth_consumer_key=\"xvz1evFS4wEEPTGEFPHBog\","), "{header}");
        assert!(header.contains("oauth_signature=\"hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D\""), "{header}");
        assert!(!header.contains("status"), "{header}");
        assert!(!header.contains(token.secret), "{header}");
    }

    #[test]
    fn names_and_values_are_signed_as_they_are_encoded() {
        // RFC 5849, section 3.4.1.1, with the secrets and the signature of its erratum: repeated names, empty values,
        // names that have to be encoded themselves, an address in capitals and with the usual port.
        let consumer = consumer("9djdj82h48djs9d2", "j49sk3j29djd");
        let mut signer = signer(&consumer, Some(Token { token: "kkk9d7dh3k39sjv7", secret: "dh893hdasih9" }));
        signer.version(false);
        let mut of_rfc = |body: &[(&str, &str)]| {
            let url = "http://EXAMPLE.com:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b";
            header(&mut signer, "7d8f3e4a", 137_131_201, Method::Post, url, body)
        };
        let header = of_rfc(&[("c2", ""), ("a3", "2 q")]);
        assert!(header.contains("oauth_signature=\"r6%2FTJjbCOr97%2F%2BUU0NsvSne7s5g%3D\""), "{header}");
        assert_eq!(of_rfc(&[("a3", "2 q"), ("c2", "")]), header, "their order does not matter");
        assert_ne!(of_rfc(&[("a3", "2+q"), ("c2", "")]), header);
        assert_eq!(encoded("~-._ *+\u{e4}"), "~-._%20%2A%2B%C3%A4");
    }

    #[test]
    fn no_two_requests_have_the_same_nonce() {
        let (consumer, url) = (consumer("k", "s"), Url::parse("https://api.example/").unwrap());
        let nonce = || {
            let header = authorization(&consumer, None, Method::Get, &url, &[]);
            let (_, from) = header.split_once("oauth_nonce=\"").unwrap();
            from.split_once('"').unwrap().0.to_owned()
        };
        let nonces: BTreeSet<String> = (0..100).map(|_| nonce()).collect();
        assert_eq!(nonces.len(), 100);
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
