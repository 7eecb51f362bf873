//! The door from the outside, as a browser and an app meet it.

use serde_json::Value;

use super::*;
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};

const PLATFORM: Platform = Platform::SoundCloud;
const BACK: &str = "https://node.example/return?a=1";
// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

const STRICT: Rules = Rules {
    pkce: Pkce::Required,
    refresh: Refresh::SingleUse,
    client_auth: ClientAuth::Basic,
    scopes: &["read", "write"],
    default_scopes: &["read"],
    has_app_tokens: true,
    ..Rules::standard(PLATFORM)
};
const LOOSE: Rules = Rules { pkce: Pkce::Ignored, ..Rules::standard(PLATFORM) };

fn world() -> World {
    let mut world = World::new();
    world.add_user(PLATFORM, "mira").id = "7".into();
    world
}

fn get(world: &mut World, rules: &Rules, change: &[(&str, &str)]) -> Reply {
    let mut form: BTreeMap<&str, &str> = [
        ("client_id", CLIENT_ID),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("state", "s 1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
    .into();
    form.extend(change.iter().copied());
    let query_text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    authorize(world, &Request { method: "GET".into(), query_text, ..Request::default() }, rules)
}

/// The query with which the person comes back.
fn back(reply: &Reply) -> BTreeMap<String, String> {
    assert_eq!(reply.status, 302, "{}", String::from_utf8_lossy(&reply.body));
    Url::parse(&reply.headers["location"]).unwrap().query_pairs().into_owned().collect()
}

fn code(world: &mut World, rules: &Rules) -> String {
    back(&get(world, rules, &[("user", "Mira")]))["code"].clone()
}

fn post(world: &mut World, rules: &Rules, authorization: Option<&str>, form: &[(&str, &str)]) -> (u16, Value) {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request = Request { method: "POST".into(), body: body.into_bytes(), ..Request::default() };
    request.headers.insert("content-type".into(), "application/x-www-form-urlencoded".into());
    if let Some(authorization) = authorization {
        request.headers.insert("authorization".into(), authorization.into());
    }
    let reply = token(world, &request, rules);
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")))
}

fn exchange_code(world: &mut World, code: &str, change: &[(&str, &str)]) -> (u16, Value) {
    let mut form: BTreeMap<&str, &str> =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK), ("code_verifier", VERIFIER)]
            .into();
    form.extend(change.iter().copied());
    post(world, &STRICT, Some(&basic()), &form.into_iter().collect::<Vec<_>>())
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}"))
}

#[test]
fn a_person_comes_back_with_a_code_that_becomes_a_token() {
    let mut world = world();
    assert_eq!(get(&mut world, &STRICT, &[]).status, 200, "asked on a page");
    let answer = back(&get(&mut world, &STRICT, &[("user", "mira"), ("scope", "read write")]));
    assert_eq!((answer["state"].as_str(), answer["a"].as_str()), ("s 1", "1"));
    let (status, body) = exchange_code(&mut world, &answer["code"], &[]);
    assert_eq!((status, text(&body, "scope"), &body["expires_in"]), (200, "read write", &json!(3_600)));
    let found = bearer(&world, PLATFORM, text(&body, "access_token")).unwrap();
    assert_eq!(found.user.as_deref(), Some("7"));
    assert!(found.has("write") && !found.has("delete"));
    assert_eq!(bearer(&world, Platform::Vimeo, text(&body, "access_token")), Err(TokenFault::Unknown));
    assert_eq!(bearer(&world, PLATFORM, text(&body, "refresh_token")), Err(TokenFault::Unknown), "opens nothing");
}

#[test]
fn nobody_is_sent_to_a_stranger() {
    let mut world = world();
    world.doors.add_app(
        PLATFORM,
        App { id: "own".into(), secret: None, redirect_uris: vec!["https://node.example/own".into()] },
    );
    let check = |world: &mut World, change: &[(&str, &str)]| {
        assert_eq!(get(world, &STRICT, change).status, 400, "{change:?}");
    };
    check(&mut world, &[("client_id", "nobody"), ("user", "mira")]);
    check(&mut world, &[("redirect_uri", "/return"), ("user", "mira")]);
    check(&mut world, &[("redirect_uri", "https://node.example/#f"), ("user", "mira")]);
    check(&mut world, &[("client_id", "own"), ("user", "mira")]);
    check(&mut world, &[("user", "nobody")]);
}

#[test]
fn what_is_wrong_with_the_wish_comes_back_with_the_state() {
    let mut world = world();
    let check = |world: &mut World, change: &[(&str, &str)], error: &str| {
        let answer = back(&get(world, &STRICT, change));
        assert_eq!((answer["error"].as_str(), answer["state"].as_str()), (error, "s 1"), "{change:?}");
        assert!(!answer.contains_key("code"));
    };
    check(&mut world, &[("deny", "1"), ("user", "mira")], "access_denied");
    check(&mut world, &[("response_type", "token")], "unsupported_response_type");
    check(&mut world, &[("scope", "read fly")], "invalid_scope");
    check(&mut world, &[("code_challenge_method", "S512")], "invalid_request");
    check(&mut world, &[("code_challenge", "short")], "invalid_request");
}

#[test]
fn a_code_is_good_once_for_ten_minutes_with_its_proof() {
    let mut world = world();
    let refused = |world: &mut World, code: &str, change: &[(&str, &str)]| {
        let (status, body) = exchange_code(world, code, change);
        assert_eq!((status, text(&body, "error")), (400, "invalid_grant"), "{change:?}");
    };
    for change in [[("code_verifier", CHALLENGE)], [("redirect_uri", "https://node.example/")], [("code", "x")]] {
        let code = code(&mut world, &STRICT);
        refused(&mut world, &code, &change);
    }
    let late = code(&mut world, &STRICT);
    world.advance(CODE_LIFE);
    refused(&mut world, &late, &[]);
    let twice = code(&mut world, &STRICT);
    let (_, body) = exchange_code(&mut world, &twice, &[]);
    let token = text(&body, "access_token");
    assert!(bearer(&world, PLATFORM, token).is_ok());
    refused(&mut world, &twice, &[]);
    assert_eq!(bearer(&world, PLATFORM, token), Err(TokenFault::Revoked), "the second use ends the first");
}

#[test]
fn a_proof_key_is_wanted_taken_or_overlooked() {
    let mut world = world();
    let plain = [("code_challenge", VERIFIER), ("code_challenge_method", "plain"), ("user", "mira")];
    let text_code = back(&get(&mut world, &STRICT, &plain))["code"].clone();
    assert_eq!(exchange_code(&mut world, &text_code, &[]).0, 200);
    let form = |code: &'static str| [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", BACK)];
    let code: &'static str = code(&mut world, &LOOSE).leak();
    assert_eq!(post(&mut world, &LOOSE, Some(&basic()), &form(code)).0, 200, "older than proof keys");
    let optional = Rules::standard(PLATFORM);
    let code: &'static str = self::code(&mut world, &optional).leak();
    assert_eq!(post(&mut world, &optional, Some(&basic()), &form(code)).0, 400, "what was promised is proved");
}

#[test]
fn a_client_shows_its_secret_where_the_platform_wants_it() {
    let mut world = world();
    let app = App { id: "public".into(), secret: None, redirect_uris: vec![] };
    world.doors.add_app(PLATFORM, app);
    let mut check = |rules: &Rules, authorization: Option<&str>, form: &[(&str, &str)], expected: &str| {
        let mut form = form.to_vec();
        form.extend([("grant_type", "authorization_code"), ("code", "x")]);
        let (status, body) = post(&mut world, rules, authorization, &form);
        assert_eq!((text(&body, "error"), status == 401), (expected, expected == "invalid_client"), "{form:?}");
    };
    let in_body = [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)];
    let body_only = Rules { client_auth: ClientAuth::Body, ..Rules::standard(PLATFORM) };
    let either = Rules::standard(PLATFORM);
    // Whoever is let in finds that there is no such code.
    check(&STRICT, Some(&basic()), &[], "invalid_grant");
    check(&STRICT, None, &in_body, "invalid_client");
    check(&body_only, None, &in_body, "invalid_grant");
    check(&body_only, Some(&basic()), &[], "invalid_client");
    check(&either, None, &in_body, "invalid_grant");
    check(&either, Some(&basic()), &in_body, "invalid_request");
    check(&either, Some("Bearer x"), &[], "invalid_client");
    check(&either, None, &[("client_id", CLIENT_ID)], "invalid_client");
    check(&either, None, &[("client_id", CLIENT_ID), ("client_secret", "x")], "invalid_client");
    check(&either, None, &[("client_id", "public")], "invalid_grant");
    check(&either, None, &[("client_id", CLIENT_ID), ("client_id", CLIENT_ID)], "invalid_request");
    assert_eq!(basic_credentials("Basic YSUyMGI6Yys="), Some(("a b".into(), "c ".into())));
}

#[test]
fn a_refresh_token_is_good_as_often_as_the_platform_says() {
    let mut world = world();
    let code = code(&mut world, &STRICT);
    let (_, first) = exchange_code(&mut world, &code, &[]);
    let renew = |world: &mut World, rules: &Rules, refresh: &str, more: &[(&str, &str)]| {
        let form: Vec<(&str, &str)> = [("grant_type", "refresh_token"), ("refresh_token", refresh)]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        post(world, rules, Some(&basic()), &form)
    };
    world.advance(Duration::from_secs(3_600));
    assert_eq!(bearer(&world, PLATFORM, text(&first, "access_token")), Err(TokenFault::Expired));
    let (_, second) = renew(&mut world, &STRICT, text(&first, "refresh_token"), &[]);
    assert_eq!(text(&second, "scope"), "read");
    assert!(bearer(&world, PLATFORM, text(&second, "access_token")).is_ok());
    let (status, again) = renew(&mut world, &STRICT, text(&first, "refresh_token"), &[]);
    assert_eq!((status, text(&again, "error")), (400, "invalid_grant"), "single use");
    let reusable = Rules { refresh: Refresh::Reusable, ..STRICT };
    for _ in 0..2 {
        let (status, body) = renew(&mut world, &reusable, text(&second, "refresh_token"), &[]);
        assert_eq!((status, &body["refresh_token"]), (200, &Value::Null), "the old one goes on");
    }
    let more = renew(&mut world, &reusable, text(&second, "refresh_token"), &[("scope", "read write")]);
    assert_eq!(text(&more.1, "error"), "invalid_scope");
    let none = Rules { refresh: Refresh::None, ..STRICT };
    assert_eq!(
        text(&renew(&mut world, &none, text(&second, "refresh_token"), &[]).1, "error"),
        "unsupported_grant_type"
    );
    world.revoke_tokens(PLATFORM, "mira").unwrap();
    assert_eq!(renew(&mut world, &STRICT, text(&second, "refresh_token"), &[]).0, 400);
    assert_eq!(bearer(&world, PLATFORM, text(&second, "access_token")), Err(TokenFault::Revoked));
}

#[test]
fn a_refresh_token_may_hang_on_a_scope() {
    let rules = Rules { refresh_scope: Some("offline"), ..LOOSE };
    let mut world = world();
    for (scope, has_refresh) in [("read", false), ("read offline", true)] {
        let code = back(&get(&mut world, &rules, &[("user", "mira"), ("scope", scope)]))["code"].clone();
        let form = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", BACK)];
        let (_, body) = post(&mut world, &rules, Some(&basic()), &form);
        assert_eq!(body.get("refresh_token").is_some(), has_refresh, "{scope}");
    }
}

#[test]
fn an_app_may_speak_for_itself_where_the_platform_lets_it() {
    let mut world = world();
    let form = [("grant_type", "client_credentials")];
    let (_, body) = post(&mut world, &STRICT, Some(&basic()), &form);
    let found = bearer(&world, PLATFORM, text(&body, "access_token")).unwrap();
    assert_eq!((found.user, body.get("refresh_token")), (None, None));
    assert_eq!(text(&post(&mut world, &LOOSE, Some(&basic()), &form).1, "error"), "unsupported_grant_type");
}
