//! The signature by the examples of the standard, and the door from the outside.

use super::*;
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};

const PLATFORM: Platform = Platform::Flickr;
const RULES: Rules = Rules {
    extra: |world, user| {
        let handle = world.user(PLATFORM, user).map(|user| user.handle.clone()).unwrap_or_default();
        vec![("user_nsid".to_owned(), user.to_owned()), ("username".to_owned(), handle)]
    },
    ..Rules::standard(PLATFORM)
};

fn world() -> World {
    let mut world = World::new();
    world.doors.clock = Clock::Virtual;
    world.add_user(PLATFORM, "mira").id = "7@N00".into();
    world
}

/// A request below `/flickr`; the query as it is sent.
fn request(method: &str, path: &str, query: &str) -> Request {
    let mut request = Request {
        method: method.into(),
        path: path.into(),
        query_text: query.into(),
        base: "http://127.0.0.1:8080/flickr".into(),
        ..Request::default()
    };
    request.query = query_pairs(&request).into_iter().collect();
    request
}

struct Signer<'a> {
    key: &'a str,
    key_secret: &'a str,
    token: Option<(&'a str, &'a str)>,
    timestamp: i64,
    nonce: &'a str,
    more: &'a [(&'a str, &'a str)],
}

impl Signer<'_> {
    /// The request with the header that signs it.
    fn sign(&self, mut request: Request) -> Request {
        let timestamp = self.timestamp.to_string();
        let mut header = vec![
            ("oauth_consumer_key", self.key),
            ("oauth_nonce", self.nonce),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", timestamp.as_str()),
        ];
        header.extend(self.token.map(|(token, _)| ("oauth_token", token)));
        header.extend(self.more);
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut pairs: Vec<(String, String)> = header.iter().map(owned).collect();
        pairs.extend(query_pairs(&request));
        pairs.extend(body_pairs(&request));
        let secret = self.token.map_or("", |(_, secret)| secret);
        let key = format!("{}&{}", encoded(self.key_secret), encoded(secret));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
        let signature = STANDARD.encode(hmac::sign(&key, base_string(&request, &pairs).as_bytes()));
        header.push(("oauth_signature", &signature));
        let shown: Vec<String> = header.iter().map(|(name, value)| format!("{name}=\"{}\"", encoded(value))).collect();
        request.headers.insert("authorization".into(), format!("OAuth realm=\"Photos\", {}", shown.join(", ")));
        request
    }
}

fn signer<'a>(world: &World, nonce: &'a str) -> Signer<'a> {
    Signer { key: CLIENT_ID, key_secret: CLIENT_SECRET, token: None, timestamp: world.now.seconds(), nonce, more: &[] }
}

fn form(reply: &Reply) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(&reply.body).into_owned().collect()
}

#[test]
fn the_base_string_of_the_standard_comes_out() {
    // RFC 5849, section 3.4.1.1.
    let mut request = request("post", "/request", "b5=%3D%253D&a3=a&c%40=&a2=r%20b");
    request.base = "http://EXAMPLE.COM:80".into();
    request.body = b"c2&a3=2+q".to_vec();
    request.headers.insert("content-type".into(), "application/x-www-form-urlencoded".into());
    let header = "OAuth realm=\"Example\", oauth_consumer_key=\"9djdj82h48djs9d2\", \
                  oauth_token=\"kkk9d7dh3k39sjv7\", oauth_signature_method=\"HMAC-SHA1\", \
                  oauth_timestamp=\"137131201\", oauth_nonce=\"7d8f3e4a\", \
                  oauth_signature=\"bYT5CMsGcbgUdFHObYMEfcx6bsw%3D\"";
    let mut pairs = header_pairs(header).unwrap();
    pairs.extend(query_pairs(&request));
    pairs.extend(body_pairs(&request));
    let expected = "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D\
                    %26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_\
                    signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7";
    assert_eq!(base_string(&request, &pairs), expected);
}

#[test]
fn the_address_keeps_its_path_as_sent_and_only_an_unusual_port() {
    let check = |base: &str, path: &str, expected: &str| {
        let request = Request { base: base.into(), path: path.into(), ..Request::default() };
        assert_eq!(base_address(&request), expected);
    };
    check("HTTP://Example.COM:80", "/r%20v/X", "http://example.com/r%20v/X");
    check("https://www.example.net:8080", "/", "https://www.example.net:8080/");
    check("https://a:443/flickr", "/services", "https://a/flickr/services");
    check("http://a:443/Flickr", "/", "http://a:443/Flickr/");
}

/// Signs in to the end and hands out token and secret.
fn signed_in(world: &mut World) -> (String, String) {
    let callback = [("oauth_callback", "https://node.example/return?x=1")];
    let asking = Signer { more: &callback, ..signer(world, "n1") }.sign(request("POST", "/oauth/request_token", ""));
    let first = form(&request_token(world, &asking, &RULES));
    assert_eq!(first["oauth_callback_confirmed"], "true");
    let query = format!("oauth_token={}&user=mira&perms=read", first["oauth_token"]);
    let sent = authorize(world, &request("GET", "/oauth/authorize", &query), &RULES);
    let back: BTreeMap<String, String> =
        Url::parse(&sent.headers["location"]).unwrap().query_pairs().into_owned().collect();
    assert_eq!((&back["oauth_token"], back["x"].as_str()), (&first["oauth_token"], "1"));
    let verifier = [("oauth_verifier", back["oauth_verifier"].as_str())];
    let token = Some((first["oauth_token"].as_str(), first["oauth_token_secret"].as_str()));
    let fetch = |nonce: &'static str| {
        Signer { more: &verifier, token, nonce, ..signer(world, nonce) }.sign(request(
            "POST",
            "/oauth/access_token",
            "",
        ))
    };
    let (fetching, again) = (fetch("n2"), fetch("n3"));
    let second = form(&access_token(world, &fetching, &RULES));
    assert_eq!((second["user_nsid"].as_str(), second["username"].as_str()), ("7@N00", "mira"));
    assert_eq!(form(&access_token(world, &again, &RULES))["oauth_problem"], "token_rejected", "good once");
    (second["oauth_token"].clone(), second["oauth_token_secret"].clone())
}

#[test]
fn a_signed_in_person_is_known_by_signatures() {
    let mut world = world();
    let (token, secret) = signed_in(&mut world);
    let ask = |nonce: &'static str| Signer { token: Some((&token, &secret)), ..signer(&world, nonce) };
    let query = "method=flickr.test.login&tags=a%20b&tags=%C3%A4&text=1+2&empty";
    let good = ask("n4").sign(request("GET", "/services/rest/", query));
    let (later, replayed) = (ask("n5").sign(request("GET", "/services/rest/", query)), good.clone());
    let mut posted = request("POST", "/services/rest/", "");
    posted.headers.insert("content-type".into(), "application/x-www-form-urlencoded".into());
    posted.body = b"photo_id=1&photo_id=2".to_vec();
    let posted = ask("n6").sign(posted);
    let changed = Request { body: b"photo_id=1&photo_id=3".to_vec(), ..posted.clone() };
    let elsewhere = Request { path: "/services/rest".into(), ..later.clone() };
    let alone = signer(&world, "n7").sign(request("GET", "/services/rest/", ""));
    assert_eq!(verify(&mut world, &good, &RULES).unwrap().user.as_deref(), Some("7@N00"));
    assert_eq!(verify(&mut world, &replayed, &RULES), Err(Problem::NonceUsed));
    assert_eq!(verify(&mut world, &elsewhere, &RULES), Err(Problem::SignatureInvalid));
    assert_eq!(verify(&mut world, &changed, &RULES), Err(Problem::SignatureInvalid));
    assert!(verify(&mut world, &posted, &RULES).is_ok());
    assert_eq!(verify(&mut world, &alone, &RULES).unwrap().user, None);
    world.revoke_tokens(PLATFORM, "mira").unwrap();
    assert_eq!(verify(&mut world, &later, &RULES), Err(Problem::TokenRevoked));
    assert!(is_signed(&later) && !is_signed(&request("GET", "/", "a=b")));
}

#[test]
fn a_request_that_does_not_follow_the_standard_does_not_count() {
    let mut world = world();
    world.tokens.insert((PLATFORM, "t".into()), Token::signed("7@N00", "s"));
    world.tokens.insert((PLATFORM, "bearer".into()), Token::of("7@N00"));
    let now = world.now.seconds();
    let mut check = |change: &dyn Fn(&mut Signer), problem: Problem| {
        let mut signer = signer(&world, "n");
        signer.token = Some(("t", "s"));
        change(&mut signer);
        let signed = signer.sign(request("GET", "/rest", "a=1"));
        assert_eq!(verify(&mut world, &signed, &RULES), Err(problem));
    };
    check(&|it| it.key = "nobody", Problem::ConsumerKeyUnknown);
    check(&|it| it.key_secret = "x", Problem::SignatureInvalid);
    check(&|it| it.token = Some(("u", "s")), Problem::TokenUnknown);
    check(&|it| it.token = Some(("bearer", "")), Problem::TokenUnknown);
    check(&|it| it.token = Some(("t", "x")), Problem::SignatureInvalid);
    check(&|it| it.timestamp = now - 301, Problem::TimestampRefused);
    check(&|it| it.timestamp = now + 301, Problem::TimestampRefused);
    check(&|it| it.timestamp = 0, Problem::ParameterRejected);
    check(&|it| it.more = &[("oauth_nonce", "n")], Problem::ParameterRejected);
    check(&|it| it.more = &[("oauth_version", "2.0")], Problem::ParameterRejected);
    let unsigned = request("GET", "/rest", "");
    assert_eq!(verify(&mut world, &unsigned, &RULES), Err(Problem::ParameterAbsent("oauth_consumer_key")));
    // A forged request must not use up the nonce of a true one.
    let good = Signer { token: Some(("t", "s")), ..signer(&world, "n") }.sign(request("GET", "/rest", "a=1"));
    assert!(verify(&mut world, &good, &RULES).is_ok());
    world.doors.clock = Clock::Wall;
    assert_eq!(verify(&mut world, &good, &RULES), Err(Problem::TimestampRefused), "2013 is long ago");
}

#[test]
fn parameters_may_stand_in_the_query_instead_of_the_header() {
    let mut world = world();
    let signed = signer(&world, "n").sign(request("GET", "/rest", ""));
    let pairs = header_pairs(&signed.headers["authorization"]).unwrap();
    let pairs = pairs.iter().filter(|(name, _)| name != "realm");
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    assert!(verify(&mut world, &request("GET", "/rest", &query), &RULES).is_ok());
}

#[test]
fn a_sign_in_ends_by_refusal_by_time_or_by_a_wrong_verifier() {
    let mut world = world();
    let begin = |world: &mut World, nonce: &'static str, callback: &str| {
        let more = [("oauth_callback", callback)];
        let asking = Signer { more: &more, ..signer(world, nonce) }.sign(request("POST", "/oauth/request_token", ""));
        form(&request_token(world, &asking, &RULES))
    };
    assert_eq!(begin(&mut world, "n0", "nowhere")["oauth_problem"], "parameter_rejected");
    let asking = signer(&world, "n1").sign(request("POST", "/oauth/request_token", ""));
    assert_eq!(form(&request_token(&mut world, &asking, &RULES))["oauth_parameters_absent"], "oauth_callback");

    let refused = begin(&mut world, "n2", "https://node.example/");
    let query = format!("oauth_token={}&deny=1", refused["oauth_token"]);
    let sent = authorize(&mut world, &request("GET", "/oauth/authorize", &query), &RULES);
    assert!(sent.headers["location"].ends_with(&format!("?denied={}", refused["oauth_token"])));
    assert_eq!(authorize(&mut world, &request("GET", "/oauth/authorize", &query), &RULES).status, 400);

    let begun = begin(&mut world, "n3", "https://node.example/");
    let token = (begun["oauth_token"].as_str(), begun["oauth_token_secret"].as_str());
    let wrong = [("oauth_verifier", "guess")];
    let fetch = |world: &mut World, nonce: &'static str| {
        let fetching = Signer { more: &wrong, token: Some(token), ..signer(world, nonce) }.sign(request(
            "POST",
            "/oauth/access_token",
            "",
        ));
        form(&access_token(world, &fetching, &RULES))["oauth_problem"].clone()
    };
    assert_eq!(fetch(&mut world, "n4"), "verifier_invalid");
    world.advance(CODE_LIFE);
    assert_eq!(fetch(&mut world, "n5"), "token_expired");
    assert_eq!(begin(&mut world, "n6", OUT_OF_BAND)["oauth_callback_confirmed"], "true");
}
