//! The client against real sockets on the loopback, and against every URL that it must not fetch.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use super::*;
use crate::federation::keys::tests::PAIR;
use crate::federation::signature::{self, Request, Rules, Window};

const LIMIT: usize = 1_000;

/// The servers here hear one request on each connection, and say so.
const CLOSE: &str = "Content-Length: 0\r\nConnection: close\r\n";

/// A server in a thread: hands each request to `respond` and remembers it.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(respond: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Server {
        Server::at("127.0.0.1", respond)
    }

    fn at(
        address: &'static str,
        respond: impl Fn(&str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, respond) = (Arc::clone(&requests), Arc::new(respond));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (seen, respond) = (Arc::clone(&seen), Arc::clone(&respond));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(request) = read_request(&mut stream) else { return };
                    seen.lock().unwrap().push(request.clone());
                    // A client that refuses to read on closes the connection; that is what some tests are about.
                    let _closed = respond(&request, &mut stream);
                });
            }
        });
        Server { port, requests }
    }

    fn answering(answer: &'static str) -> Server {
        Server::new(move |_, stream| stream.write_all(answer.as_bytes()))
    }

    /// Redirects each path to what `target` says; answers 200 where it says nothing.
    fn redirecting(target: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Server {
        Server::new(move |request, stream| {
            let path = request.split(' ').nth(1).unwrap();
            let answer = match target(path) {
                Some(location) => format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n{CLOSE}\r\n"),
                None => format!("HTTP/1.1 200 OK\r\n{CLOSE}\r\n"),
            };
            stream.write_all(answer.as_bytes())
        })
    }

    fn url(&self, path: &str) -> Url {
        format!("http://127.0.0.1:{}{path}", self.port).parse().unwrap()
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Head and body of a request; `None` when the connection was closed without one.
fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = header(head, "content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        text.push_str(std::str::from_utf8(&buffer[..count]).ok()?);
    }
}

fn header(request: &str, name: &str) -> Option<String> {
    let mut lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

fn guard(allowed: &[&str]) -> Guard {
    Guard {
        allowed: allowed.iter().map(|range| range.parse().unwrap()).collect(),
        allow_http: true,
        timeout: Duration::from_secs(10),
        body_limit_bytes: LIMIT,
        user_agent: "fedflattr/test".into(),
    }
}

fn client(guard: Guard) -> GuardedClient {
    GuardedClient::new(guard).unwrap()
}

/// What a test server on the loopback needs.
fn local() -> GuardedClient {
    client(guard(&["127.0.0.0/8"]))
}

fn url(text: &str) -> Url {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    "2013-07-04T00:11:09Z".parse().unwrap()
}

fn signer() -> RequestSigner {
    RequestSigner::new(&url("https://alpha.example/instance#main-key"), PAIR.clone())
}

async fn refusal(client: &GuardedClient, url: &Url) -> ClientError {
    client.get(url, &[]).await.map(|reply| reply.status).unwrap_err()
}

#[tokio::test]
async fn an_allowed_range_is_reached() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nX-Test: yes\r\nContent-Length: 2\r\n\r\nok");
    let headers = [("accept", "application/activity+json".to_owned())];
    let reply = local().get(&server.url("/a?b=c"), &headers).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.body.as_slice()), (200, b"ok".as_slice()));
    assert_eq!(reply.headers["x-test"], "yes");
    assert_eq!(reply.final_url, server.url("/a?b=c"));
    let request = &server.requests()[0];
    assert!(request.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{request}");
    assert_eq!(header(request, "user-agent").as_deref(), Some("fedflattr/test"));
    assert_eq!(header(request, "accept").as_deref(), Some("application/activity+json"));
}

#[tokio::test]
async fn a_post_carries_its_body_and_its_signed_headers() {
    let server = Server::answering("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    let inbox = server.url("/inbox");
    let headers = signer().sign_post(&inbox, "application/activity+json", b"{}", now()).unwrap();
    let reply = local().post(&inbox, &headers, b"{}".to_vec()).await.unwrap();
    assert_eq!(reply.status.as_u16(), 202);
    let request = &server.requests()[0];
    assert!(request.ends_with("\r\n\r\n{}"), "{request}");
    assert_signed(request, &format!("127.0.0.1:{}", server.port));
}

/// What the server received is signed for exactly this server and this target.
fn assert_signed(request: &str, host: &str) {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let headers: Vec<(&str, &[u8])> =
        head.lines().filter_map(|line| line.split_once(": ")).map(|(name, value)| (name, value.as_bytes())).collect();
    let mut start = head.split(' ');
    let (method, target) = (start.next().unwrap(), start.next().unwrap());
    let request = Request { method, target, headers: &headers, body: body.as_bytes() };
    let rules = Rules { hosts: vec![host.into()], window: Window::default() };
    let verified = signature::verify(&request, &rules, &PAIR.public_key(), now());
    assert_eq!(verified.unwrap().key_id(), "https://alpha.example/instance#main-key");
}

#[tokio::test]
async fn our_own_machine_is_not_reached_by_any_name() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let closed = client(guard(&[]));
    let hosts = ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]"];
    let names = ["localhost", "LocalHost.", "alpha.localhost"];
    for host in hosts.into_iter().chain(names) {
        let error = refusal(&closed, &url(&format!("http://{host}:{}/", server.port))).await;
        assert!(matches!(error, ClientError::ForbiddenAddress { .. }), "{host}: {error:?}");
    }
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn names_of_the_loopback_are_reached_where_it_is_allowed() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for host in ["localhost", "alpha.localhost"] {
        let reply = local().get(&url(&format!("http://{host}:{}/", server.port)), &[]).await.unwrap();
        assert_eq!(reply.status.as_u16(), 200, "{host}");
    }
}

#[tokio::test]
async fn the_client_for_the_library_checks_names_and_follows_nothing() {
    let server = Server::redirecting(|_| Some("/next".into()));
    let at = url(&format!("http://localhost:{}/", server.port));
    let error = client(guard(&[])).inner().get(at.clone()).send().await.unwrap_err();
    assert!(causes(&error).any(|cause| cause.is::<LookupFailed>()), "{error:?}");
    let response = local().inner().get(at).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 302);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_url_is_judged_before_the_network_is_used() {
    let check = |text: &str, allow_http: bool, expected: &str| {
        let verdict = client(Guard { allow_http, ..guard(&["10.0.0.0/8"]) }).check(&url(text));
        assert_eq!(verdict.err().map_or("permitted", |error| error.reason()), expected, "{text}");
    };
    check("https://beta.example/inbox", false, "permitted");
    check("https://beta.example:8443/inbox", false, "permitted");
    check("http://beta.example/inbox", false, "scheme");
    check("http://beta.example/inbox", true, "permitted");
    check("ftp://beta.example/", true, "scheme");
    check("file:///etc/passwd", true, "scheme");
    check("data:text/plain,x", true, "scheme");
    check("https://user@beta.example/", true, "user-info");
    check("https://:secret@beta.example/", true, "user-info");
    check("https://8.8.8.8/", false, "permitted");
    check("https://10.1.2.3/", false, "permitted");
    check("https://192.168.1.1/", false, "forbidden-address");
    check("https://[fd00::1]/", false, "forbidden-address");
    check("https://[64:ff9b::a00:1]/", false, "forbidden-address");
    check("https://169.254.169.254/latest/meta-data/", true, "forbidden-address");
}

#[tokio::test]
async fn http_is_refused_by_default_also_through_the_library() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let client = client(Guard { allow_http: false, ..guard(&["127.0.0.0/8"]) });
    assert!(matches!(refusal(&client, &server.url("/")).await, ClientError::Scheme(scheme) if scheme == "http"));
    assert!(client.inner().get(server.url("/")).send().await.is_err());
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn two_redirects_are_followed_and_not_a_third() {
    let server = Server::redirecting(|path| match path {
        "/3" => Some("/2".into()),
        "/2" => Some("./1".into()),
        "/1" => Some("/0?done".into()),
        _ => None,
    });
    let reply = local().get(&server.url("/2"), &[]).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.final_url), (200, server.url("/0?done")));
    assert!(matches!(refusal(&local(), &server.url("/3")).await, ClientError::TooManyRedirects));
}

#[tokio::test]
async fn a_redirect_is_checked_like_a_first_url() {
    let check = async |location: &'static str, expected: &str| {
        let server = Server::redirecting(move |_| Some(location.into()));
        assert_eq!(refusal(&local(), &server.url("/")).await.reason(), expected, "{location}");
        assert_eq!(server.requests().len(), 1, "{location}");
    };
    check("http://10.0.0.1/", "forbidden-address").await;
    check("http://169.254.169.254/latest/meta-data/", "forbidden-address").await;
    check("//[::1]/", "forbidden-address").await;
    check("ftp://127.0.0.1/", "scheme").await;
    check("http://user@127.0.0.1/", "user-info").await;
    check("http://", "bad-redirect").await;
}

/// Only on Linux is every address of 127.0.0.0/8 there without further ado.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_redirect_to_a_name_inside_is_refused_when_connecting() {
    let server = Server::at("127.0.0.2", |_, stream| {
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://alpha.localhost:9/\r\nContent-Length: 0\r\n\r\n")
    });
    let only_server = client(guard(&["127.0.0.2/32"]));
    let error = refusal(&only_server, &url(&format!("http://127.0.0.2:{}/", server.port))).await;
    assert!(matches!(error, ClientError::ForbiddenAddress { host, .. } if host == "alpha.localhost"));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_does_not_carry_what_was_made_for_the_first_url() {
    let server = Server::redirecting(|path| (path == "/").then(|| "/next".into()));
    let headers = [
        ("accept", "application/activity+json".to_owned()),
        ("signature", "made for /".to_owned()),
        ("Authorization", "Bearer secret".to_owned()),
        ("cookie", "session=secret".to_owned()),
    ];
    local().get(&server.url("/"), &headers).await.unwrap();
    let requests = server.requests();
    for name in ["accept", "signature", "authorization", "cookie"] {
        assert!(header(&requests[0], name).is_some(), "{name}");
        assert_eq!(header(&requests[1], name).is_some(), name == "accept", "{name}");
    }
}

#[tokio::test]
async fn a_signed_get_is_signed_anew_for_each_redirect() {
    let second = Server::redirecting(|_| None);
    let target = second.url("/second").to_string();
    let first = Server::redirecting(move |_| Some(target.clone()));
    let headers = [("accept", "application/activity+json".to_owned())];
    local().get_signed(&first.url("/first"), &headers, &signer(), now()).await.unwrap();
    assert_signed(&first.requests()[0], &format!("127.0.0.1:{}", first.port));
    assert_signed(&second.requests()[0], &format!("127.0.0.1:{}", second.port));
    assert_eq!(header(&second.requests()[0], "accept").as_deref(), Some("application/activity+json"));
}

#[tokio::test]
async fn a_post_follows_no_redirect() {
    let server = Server::redirecting(|path| (path == "/inbox").then(|| "/other".into()));
    let reply = local().post(&server.url("/inbox"), &[], b"{}".to_vec()).await.unwrap();
    assert_eq!(reply.status.as_u16(), 302);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn statuses_are_answers_and_not_errors() {
    for (answer, status) in [
        ("HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\ngone", 410),
        ("HTTP/1.1 503 Busy\r\nRetry-After: 60\r\nContent-Length: 4\r\n\r\ngone", 503),
        ("HTTP/1.1 304 Not Modified\r\n\r\n", 304),
        ("HTTP/1.1 301 Moved\r\nContent-Length: 4\r\n\r\ngone", 301),
    ] {
        let server = Server::answering(answer);
        assert_eq!(local().get(&server.url("/"), &[]).await.unwrap().status.as_u16(), status);
    }
}

#[tokio::test]
async fn an_answer_that_says_that_it_is_too_large_is_not_read() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n");
    assert!(matches!(refusal(&local(), &server.url("/")).await, ClientError::TooLarge(LIMIT)));
}

#[tokio::test]
async fn an_answer_without_a_length_is_cut_off_at_the_limit() {
    let sized = |length: usize| {
        Server::new(move |_, stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            (0..length).step_by(100).try_for_each(|_| stream.write_all(&[b'x'; 100]))
        })
    };
    assert_eq!(local().get(&sized(LIMIT).url("/"), &[]).await.unwrap().body.len(), LIMIT);
    assert!(matches!(refusal(&local(), &sized(LIMIT + 100).url("/")).await, ClientError::TooLarge(LIMIT)));
    assert!(matches!(refusal(&local(), &sized(100_000_000).url("/")).await, ClientError::TooLarge(LIMIT)));
}

#[tokio::test]
async fn the_deadline_covers_head_body_and_redirects_together() {
    const PAUSE: Duration = Duration::from_millis(100);
    let timeout = Duration::from_millis(400);
    let check = async |server: Server| {
        let client = client(Guard { timeout, ..guard(&["127.0.0.0/8"]) });
        let start = Instant::now();
        let error = refusal(&client, &server.url("/")).await;
        assert!(matches!(error, ClientError::Timeout(limit) if limit == timeout), "{error:?}");
        // Every single step is quicker than the deadline; without it this would take half a minute.
        assert!(start.elapsed() < Duration::from_secs(5));
    };
    check(Server::new(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n")?;
        (0..300).try_for_each(|_| {
            thread::sleep(PAUSE);
            stream.write_all(b"x")
        })
    }))
    .await;
    check(Server::new(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nX-Slow: ")?;
        (0..300).try_for_each(|_| {
            thread::sleep(PAUSE);
            stream.write_all(b"x")
        })
    }))
    .await;
    check(Server::new(|request, stream| {
        thread::sleep(3 * PAUSE);
        let path = request.split(' ').nth(1).unwrap();
        write!(stream, "HTTP/1.1 302 Found\r\nLocation: {path}x\r\n{CLOSE}\r\n")
    }))
    .await;
}

#[tokio::test]
async fn failures_of_the_network_are_told_apart() {
    let closed_port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let closed = url(&format!("http://127.0.0.1:{closed_port}/"));
    assert!(matches!(refusal(&local(), &closed).await, ClientError::Connect(_)));

    let not_tls = url(&format!("https://localhost:{}/", plain_port()));
    assert!(matches!(refusal(&local(), &not_tls).await, ClientError::Tls(_)));

    // No name server is asked: a label has at most 63 characters.
    let nameless = url(&format!("http://{}.example/", "a".repeat(64)));
    let error = refusal(&local(), &nameless).await;
    assert!(matches!(error, ClientError::Resolve { .. }), "{error:?}");

    let broken = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    assert!(matches!(refusal(&local(), &broken.url("/")).await, ClientError::Transfer(_)));
}

/// A server that answers whatever it hears with something that is not TLS.
fn plain_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut hello = [0; 1_024];
            let _heard = stream.read(&mut hello);
            let _sent = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    port
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_refused() {
    let server = Server::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    for (name, value) in [("bad name", "x"), ("accept", "a\r\nx: y")] {
        let error = local().get(&server.url("/"), &[(name, value.to_owned())]).await.map(drop).unwrap_err();
        assert!(matches!(error, ClientError::BadHeader(refused) if refused == name));
    }
    assert_eq!(server.requests(), [""; 0]);
}
