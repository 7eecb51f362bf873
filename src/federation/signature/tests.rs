//! The vectors of the draft, what other software sends, and a matrix of requests that must be refused.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use aws_lc_rs::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use http_signature_normalization::Config;
use proptest::prelude::*;
use serde_json::Value;
use url::Url;

use super::*;
use crate::federation::keys::tests::{OTHER_PAIR, PAIR};

const BODY: &[u8] = br#"{"type":"Like"}"#;
const KEY_ID: &str = "https://alpha.example/instance#main-key";
const INBOX: &str = "/inbox?shared=true";

/// A received request that owns its parts, so that a test can change one.
#[derive(Debug, Clone)]
struct Received {
    method: &'static str,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Received {
    fn check<T>(&self, judge: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        judge(&Request { method: self.method, target: &self.target, headers: &headers, body: &self.body })
    }

    fn verdict_at(&self, now: Timestamp) -> Result<(), SignatureError> {
        self.check(|request| verify(request, &rules(), &PAIR.public_key(), now)).map(drop)
    }

    fn verdict(&self) -> Result<(), SignatureError> {
        self.verdict_at(now())
    }

    fn get(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(header, _)| header == name);
        String::from_utf8(found.unwrap_or_else(|| panic!("no {name}")).1.clone()).unwrap()
    }

    fn text_headers(&self) -> BTreeMap<String, String> {
        self.headers.iter().map(|(name, value)| (name.clone(), String::from_utf8(value.clone()).unwrap())).collect()
    }

    fn add(mut self, name: &str, value: &str) -> Received {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    fn without(mut self, name: &str) -> Received {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    fn set(self, name: &str, value: &str) -> Received {
        self.without(name).add(name, value)
    }

    /// Signs with any list of headers and any parameters, valid or not.
    fn signed(self, names: &str, parameters: &str) -> Received {
        let unsigned = self.without("signature");
        let value = |name: &str| {
            let start = format!("{}=", name.trim_matches(['(', ')']));
            match name {
                "(request-target)" => format!("{} {}", unsigned.method.to_lowercase(), unsigned.target),
                "(created)" | "(expires)" => {
                    let parameter = parameters.split(',').find_map(|part| part.strip_prefix(&start));
                    parameter.expect("a time that is signed is a parameter").to_owned()
                }
                _ => unsigned.get(name),
            }
        };
        let text: Vec<String> = names.split(' ').map(|name| format!("{name}: {}", value(name))).collect();
        let signature = BASE64.encode(PAIR.sign(text.join("\n").as_bytes()).unwrap());
        let header = format!(r#"keyId="{KEY_ID}",{parameters},headers="{names}",signature="{signature}""#);
        unsigned.add("signature", &header)
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    time("2013-07-04T00:11:09Z")
}

fn rules() -> Rules {
    Rules { hosts: vec!["node.example".into(), "beta.example".into()], window: Window::default() }
}

fn url(path: &str) -> Url {
    format!("https://beta.example{path}").parse().unwrap()
}

fn received(method: &'static str, headers: Headers, body: &[u8]) -> Received {
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes())).collect();
    Received { method, target: INBOX.into(), headers, body: body.to_vec() }
}

fn signer() -> RequestSigner {
    RequestSigner::new(&KEY_ID.parse().unwrap(), PAIR.clone())
}

fn post() -> Received {
    static POST: LazyLock<Received> = LazyLock::new(|| {
        let headers = signer().sign_post(&url(INBOX), "application/activity+json", BODY, now()).unwrap();
        received("POST", headers, BODY)
    });
    POST.clone()
}

fn get() -> Received {
    received("GET", signer().sign_get(&url(INBOX), now()).unwrap(), b"")
}

#[test]
fn what_we_send_we_accept() {
    let verified = post().check(|request| verify(request, &rules(), &PAIR.public_key(), now())).unwrap();
    assert_eq!(verified.key_id(), KEY_ID);
    assert_eq!(verified.signed_at(), now());
    assert_eq!(get().verdict(), Ok(()));
}

#[test]
fn what_the_signer_of_the_federation_library_sends_is_accepted() {
    // Its two configurations; without compatibility the crate asks the system for the time, so all times are of today.
    let today = SystemTime::now();
    let since = today.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = Timestamp::from_seconds(i64::try_from(since.as_secs()).unwrap());
    let config = Config::new().set_expiration(Duration::from_secs(60 * 60));
    for config in [config.clone(), config.mastodon_compat()] {
        let request = post().without("signature").set("date", &httpdate::fmt_http_date(today));
        let headers = request.text_headers();
        let unsigned = config.begin_sign("POST", INBOX, headers).unwrap();
        let signed = unsigned.sign(KEY_ID.into(), |text| PAIR.sign(text.as_bytes()).map(|bytes| BASE64.encode(bytes)));
        let request = request.add("signature", &signed.unwrap().signature_header());
        assert_eq!(request.verdict_at(now), Ok(()));
        assert!(matches!(request.verdict_at(now.plus(Duration::from_secs(3_700))), Err(SignatureError::Stale(_))));
    }
}

#[test]
fn the_federation_library_accepts_what_we_send() {
    // What `activity_sending` configures for the receiving side, but for its clock.
    let headers = post().text_headers();
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let config = Config::new().set_expiration(century).require_digest();
    let unverified = config.begin_verify("POST", INBOX, headers).unwrap();
    assert_eq!(unverified.key_id(), KEY_ID);
    let key = PAIR.public_key();
    assert!(unverified.verify(|signature, text| key.verifies(text.as_bytes(), &BASE64.decode(signature).unwrap())));
}

#[test]
fn what_other_software_sends_is_accepted() {
    let check = |names: &str, parameters: &str| {
        let request = post().signed(names, parameters);
        assert_eq!(request.verdict(), Ok(()), "{names}");
    };
    // The federation library with `http_signature_compat`, as Lemmy uses it.
    check("(request-target) content-type date digest host", r#"algorithm="hs2019""#);
    // The same library without: `(created)` and `(expires)` as the crate writes them.
    let created = now().seconds();
    let times = format!("algorithm=\"hs2019\",created={created},expires={}", created + 3_600);
    check("(request-target) (created) (expires) content-type date digest host", &times);
    check("(request-target) (created) (expires) digest host", &times);
    // Mastodon, then GoToSocial.
    check("(request-target) host date digest content-type", r#"algorithm="rsa-sha256""#);
    check("(request-target) host date digest", r#"algorithm="hs2019""#);
}

#[test]
fn each_required_header_must_be_signed() {
    let parameters = r#"algorithm="hs2019""#;
    let check = |request: Received, names: &str, expected| {
        assert_eq!(request.signed(names, parameters).verdict(), expected, "{names}");
    };
    check(post(), "(request-target) host date digest", Ok(()));
    check(post(), "host date digest", Err(SignatureError::TargetNotSigned));
    check(post(), "(request-target) date digest", Err(SignatureError::HostNotSigned));
    check(post(), "(request-target) host digest", Err(SignatureError::TimeNotSigned));
    check(post(), "(request-target) host date", Err(SignatureError::DigestNotSigned));
    check(post(), "digest", Err(SignatureError::TargetNotSigned));
    check(get(), "(request-target) host date", Ok(()));
    check(get(), "(request-target) host", Err(SignatureError::TimeNotSigned));
    check(get(), "(request-target) date", Err(SignatureError::HostNotSigned));
    check(get(), "host date", Err(SignatureError::TargetNotSigned));
}

#[test]
fn a_get_with_a_body_must_sign_its_digest() {
    let mut request = get();
    request.body = BODY.to_vec();
    assert_eq!(request.verdict(), Err(SignatureError::DigestNotSigned));
}

#[test]
fn each_signed_header_must_be_there() {
    for name in ["host", "date", "digest", "content-type"] {
        assert_eq!(post().without(name).verdict(), Err(SignatureError::HeaderAbsent(name.into())), "{name}");
    }
    assert_eq!(post().without("signature").verdict(), Err(SignatureError::Missing));
}

#[test]
fn a_request_cannot_be_changed() {
    let check = |request: Received, expected| assert_eq!(request.verdict(), Err(expected));
    check(Received { target: "/inbox".into(), ..post() }, SignatureError::BadSignature);
    check(Received { method: "PUT", ..post() }, SignatureError::BadSignature);
    check(Received { body: br#"{"type":"Undo"}"#.to_vec(), ..post() }, SignatureError::OtherBody);
    check(Received { body: Vec::new(), ..post() }, SignatureError::OtherBody);
    check(post().set("content-type", "text/html"), SignatureError::BadSignature);
    check(post().set("date", "Thu, 04 Jul 2013 00:11:10 GMT"), SignatureError::BadSignature);
    check(post().set("host", "node.example"), SignatureError::BadSignature);
    let other_digest = format!("SHA-256={}", BASE64.encode(body_digest(b"other")));
    let other_body = Received { body: b"other".to_vec(), ..post() };
    check(other_body.set("digest", &other_digest), SignatureError::BadSignature);
    // One header more that is not signed changes nothing.
    assert_eq!(post().add("x-forwarded-for", "192.0.2.1").verdict(), Ok(()));
}

#[test]
fn a_request_for_another_host_is_refused() {
    let check = |host: &str, expected| {
        let request = post().set("host", host).signed("(request-target) host date digest", r#"algorithm="hs2019""#);
        assert_eq!(request.verdict(), expected, "{host}");
    };
    check("node.example", Ok(()));
    check("NODE.example", Ok(()));
    for host in ["gamma.example", "beta.example.gamma.example", "beta.example:8443", "beta.example, gamma.example", ""]
    {
        check(host, Err(SignatureError::OtherHost(host.into())));
    }
}

#[test]
fn the_window_reaches_one_hour_back_and_five_minutes_ahead() {
    let signed_at = now();
    let check = |at: &str, expected| assert_eq!(post().verdict_at(time(at)), expected, "{at}");
    check("2013-07-04T01:11:09Z", Ok(()));
    check("2013-07-04T01:11:09.000001Z", Err(SignatureError::Stale(signed_at)));
    check("2026-07-04T00:11:09Z", Err(SignatureError::Stale(signed_at)));
    check("2013-07-04T00:06:09Z", Ok(()));
    check("2013-07-04T00:06:08Z", Err(SignatureError::Future(signed_at)));
    check("2003-07-04T00:11:09Z", Err(SignatureError::Future(signed_at)));
}

#[test]
fn the_window_is_configurable() {
    let window = Window { past: Duration::from_secs(10), future: Duration::ZERO };
    let rules = Rules { window, ..rules() };
    let at = |seconds| Timestamp::from_seconds(now().seconds() + seconds);
    let verdict = |now| post().check(|request| check(request, &rules, now)).map(drop);
    assert_eq!(verdict(at(10)), Ok(()));
    assert_eq!(verdict(at(11)), Err(SignatureError::Stale(now())));
    assert_eq!(verdict(at(-1)), Err(SignatureError::Future(now())));
}

#[test]
fn created_and_expires_are_held_to_the_window_too() {
    let check = |created: i64, expires: i64, expected| {
        let (created, expires) = (now().seconds() + created, now().seconds() + expires);
        let parameters = format!("algorithm=\"hs2019\",created={created},expires={expires}");
        let request = post().without("date").signed("(request-target) (created) (expires) host digest", &parameters);
        assert_eq!(request.verdict(), expected, "{parameters}");
    };
    let at = |seconds| Timestamp::from_seconds(now().seconds() + seconds);
    check(0, 10, Ok(()));
    check(-3_600, 0, Ok(()));
    check(-3_601, 10, Err(SignatureError::Stale(at(-3_601))));
    check(301, 400, Err(SignatureError::Future(at(301))));
    check(-10, -1, Err(SignatureError::Expired(at(-1))));
}

#[test]
fn a_time_that_is_not_signed_is_no_time() {
    // The Date is there and right, but nobody vouches for it; likewise `created`.
    let unsigned_date = post().signed("(request-target) host digest", r#"algorithm="hs2019""#);
    assert_eq!(unsigned_date.verdict(), Err(SignatureError::TimeNotSigned));
    let parameters = format!("algorithm=\"hs2019\",created={}", now().seconds());
    let unsigned_created = post().without("date").signed("(request-target) host digest", &parameters);
    assert_eq!(unsigned_created.verdict(), Err(SignatureError::TimeNotSigned));
    // An unsigned `created` cannot refresh an old signed Date.
    let later = Timestamp::from_seconds(now().seconds() + 7_200);
    let parameters = format!("algorithm=\"hs2019\",created={}", later.seconds());
    let stale = post().signed("(request-target) host date digest", &parameters);
    assert_eq!(stale.verdict_at(later), Err(SignatureError::Stale(now())));
}

#[test]
fn created_that_is_signed_must_be_given() {
    let header = post().get("signature").replace("content-type", "(created)");
    let expected = SignatureError::HeaderAbsent("(created)".into());
    assert_eq!(post().set("signature", &header).verdict(), Err(expected));
}

#[test]
fn a_date_that_is_none_is_refused() {
    for date in ["yesterday", "2013-07-04T00:11:09Z", "Thu, 04 Jul 1913 00:11:09 GMT", ""] {
        let request = post().set("date", date).signed("(request-target) host date digest", r#"algorithm="hs2019""#);
        assert_eq!(request.verdict(), Err(SignatureError::BadDate), "{date}");
    }
}

#[test]
fn the_list_of_headers_is_not_empty_and_not_absent() {
    let header = post().get("signature");
    let names = r#"headers="(request-target) content-type date digest host","#;
    assert!(header.contains(names));
    let empty = post().set("signature", &header.replace(names, r#"headers="","#));
    assert_eq!(empty.verdict(), Err(SignatureError::NothingSigned));
    let absent = post().set("signature", &header.replace(names, ""));
    assert_eq!(absent.verdict(), Err(SignatureError::TargetNotSigned));
}

#[test]
fn two_signatures_are_refused() {
    let header = post().get("signature");
    assert_eq!(post().add("Signature", &header).verdict(), Err(SignatureError::SeveralSignatures));
    let authorization = format!("Signature {header}");
    assert_eq!(post().add("authorization", &authorization).verdict(), Err(SignatureError::SeveralSignatures));
    assert_eq!(post().add("authorization", "Bearer token").verdict(), Ok(()));
}

#[test]
fn a_header_of_which_there_is_one_may_not_be_repeated() {
    for name in SINGLE_HEADERS {
        let request = post().set(name, "x").add(&name.to_uppercase(), "x");
        assert_eq!(request.verdict(), Err(SignatureError::DuplicateHeader(name)), "{name}");
    }
    // Also where nothing signs it.
    let request = get().add("digest", "SHA-256=").add("digest", "SHA-256=");
    assert_eq!(request.verdict(), Err(SignatureError::DuplicateHeader("digest")));
}

#[test]
fn other_repeated_headers_are_joined() {
    let names = "(request-target) host date digest accept";
    let joined = post().add("accept", "a, b").signed(names, r#"algorithm="hs2019""#);
    let split = joined.clone().without("accept").add("accept", " a ").add("Accept", "b");
    assert_eq!(split.verdict(), Ok(()));
    assert_eq!(split.add("accept", "c").verdict(), Err(SignatureError::BadSignature));
}

#[test]
fn the_algorithm_cannot_be_swapped() {
    let names = "(request-target) host date digest";
    for algorithm in ["rsa-sha1", "rsa-sha512", "hmac-sha256", "ed25519", "none", "RSA-SHA256", ""] {
        let request = post().signed(names, &format!("algorithm=\"{algorithm}\""));
        assert_eq!(request.verdict(), Err(SignatureError::WrongAlgorithm(algorithm.into())));
    }
    let without = post().signed(names, "note=1");
    assert_eq!(without.verdict(), Ok(()));
    let times = format!("algorithm=\"rsa-sha256\",created={0},expires={0}", now().seconds());
    for name in [CREATED, EXPIRES] {
        let request = post().signed(&format!("{names} {name}"), &times);
        assert_eq!(request.verdict(), Err(SignatureError::TimeNotOfAlgorithm(name)));
    }
}

#[test]
fn the_digest_is_sha_256_of_the_body() {
    let good = BASE64.encode(body_digest(BODY));
    let check = |digest: &str, expected| {
        let request = post().set("digest", digest).signed("(request-target) host date digest", r#"algorithm="hs2019""#);
        assert_eq!(request.verdict(), expected, "{digest}");
    };
    check(&format!("sha-256={good}"), Ok(()));
    check(&format!("SHA-512=AAAA, SHA-256={good}"), Ok(()));
    check("SHA-512=AAAA", Err(SignatureError::NoSha256));
    check("MD5=AAAA", Err(SignatureError::NoSha256));
    check(&good, Err(SignatureError::NoSha256));
    check("", Err(SignatureError::BadDigest));
    check("SHA-256", Err(SignatureError::BadDigest));
    check("SHA-256=%", Err(SignatureError::BadDigest));
    check(&format!("SHA-256={good},SHA-256={good}"), Err(SignatureError::BadDigest));
    check("SHA-256=AAAA", Err(SignatureError::OtherBody));
    check(&format!("SHA-256={}", hex::encode(body_digest(BODY))), Err(SignatureError::OtherBody));
    check(&format!("SHA-256={}", BASE64.encode(body_digest(b""))), Err(SignatureError::OtherBody));
}

#[test]
fn another_key_does_not_verify() {
    let checked = post().check(|request| check(request, &rules(), now())).unwrap();
    assert_eq!(checked.verify(&OTHER_PAIR.public_key()), Err(SignatureError::BadSignature));
    // The key may have been rotated: the same request is tried again with the fetched one.
    assert!(checked.verify(&PAIR.public_key()).is_ok());
}

#[test]
fn a_header_cannot_forge_a_line_of_the_signed_text() {
    for value in ["a\nhost: gamma.example", "a\r\nb", "caf\u{e9}", "\0"] {
        let request = post().set("content-type", value);
        assert_eq!(request.verdict(), Err(SignatureError::BadHeader("content-type".into())), "{value:?}");
    }
    let mut request = post();
    request.headers.retain(|(name, _)| name != "content-type");
    request.headers.push(("content-type".into(), vec![0xff]));
    assert_eq!(request.verdict(), Err(SignatureError::BadHeader("content-type".into())));
}

// --- draft-cavage-http-signatures, appendix C ---

fn appendix_c() -> Value {
    serde_json::from_str(include_str!("../vectors/draft-cavage-appendix-c.json")).unwrap()
}

fn published_request(vector: &Value, published: &Value) -> Received {
    let request = &published["request"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let headers = request["headers"].as_object().unwrap();
    let headers = headers.iter().map(|(name, value)| (name.clone(), text(value).into_bytes())).collect();
    let signature = format!(
        r#"keyId="Test",algorithm="rsa-sha256",headers="{}",signature="{}""#,
        text(&vector["headers_signed"]),
        text(&vector["signature"])
    );
    let received = Received {
        method: "POST",
        target: text(&request["target"]),
        headers,
        body: text(&request["body"]).into_bytes(),
    };
    received.add("Signature", &signature)
}

#[test]
fn the_signatures_of_appendix_c_verify() {
    let published = appendix_c();
    let pem = published["public_pem"].as_str().unwrap();
    let der = BASE64.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    // The draft's key has 1,024 bits, which we accept nowhere but here.
    let key = UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, der);
    let vectors = published["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let request = published_request(vector, &published);
        let (text, signature) = request.check(|request| {
            let parameters = parse(request).unwrap();
            (signing_string(request, &parameters).unwrap(), parameters.signature)
        });
        assert_eq!(text, vector["signing_string"].as_str().unwrap());
        assert!(key.verify(text.as_bytes(), &signature).is_ok(), "{}", vector["section"]);
        assert!(key.verify(text.to_uppercase().as_bytes(), &signature).is_err());
    }
    // The digest that the draft prints is that of its body.
    assert_eq!(
        check_digest(published["request"]["headers"]["digest"].as_str().unwrap(), br#"{"hello": "world"}"#),
        Ok(())
    );
}

#[test]
fn the_strict_rules_refuse_what_appendix_c_leaves_unsigned() {
    let published = appendix_c();
    let rules = Rules { hosts: vec!["example.com".into()], window: Window::default() };
    let judge = |index: usize, at: &str| {
        let request = published_request(&published["vectors"][index], &published);
        request.check(|request| check(request, &rules, time(at))).map(drop)
    };
    let then = "2014-01-05T21:32:00Z";
    assert_eq!(judge(0, then), Err(SignatureError::TargetNotSigned));
    assert_eq!(judge(1, then), Err(SignatureError::DigestNotSigned));
    assert_eq!(judge(2, then), Ok(()));
    let signed_at = time("2014-01-05T21:31:40Z");
    assert_eq!(judge(2, "2026-01-01T00:00:00Z"), Err(SignatureError::Stale(signed_at)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_byte_of_a_request_can_change(part in 0_usize..5, at in any::<prop::sample::Index>(), bit in 0_u8..7) {
        let mut request = post();
        let bytes: &mut Vec<u8> = match part {
            0 => &mut request.body,
            part => {
                let name = ["host", "date", "digest", "content-type"][part - 1];
                &mut request.headers.iter_mut().find(|(found, _)| found == name).unwrap().1
            }
        };
        let index = at.index(bytes.len());
        bytes[index] ^= 1 << bit;
        prop_assert!(request.verdict().is_err());
    }

    #[test]
    fn nothing_that_a_stranger_sends_makes_the_parser_panic(text in "[ -~]{0,80}") {
        let request = post().set("signature", &text);
        prop_assert!(request.verdict().is_err());
    }

    #[test]
    fn almost_a_signature_is_not_one(cut in any::<prop::sample::Index>(), insert in "[\", =()\\\\a]{0,3}") {
        let header = post().get("signature");
        let index = cut.index(header.len());
        let text = format!("{}{insert}", &header[..index]);
        prop_assume!(text.trim_end() != header);
        prop_assert!(post().set("signature", &text).verdict().is_err());
    }
}
