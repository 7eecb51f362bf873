//! The sandbox's pages for people: what is pressed there is what the platform's interface tells our connector.

use std::collections::BTreeMap;

use super::operation::flags;
use crate::bridges::{Access, Credential, LikesQuery, LikesReply, Secret, Who};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::identity::{ExternalId, Platform};
use crate::federation::Node;
use crate::sandbox::model::Token;
use crate::sandbox::{self, Sandbox};

/// A browser that follows nothing by itself.
struct Browser<'a> {
    sandbox: &'a Sandbox,
    client: reqwest::Client,
}

impl Browser<'_> {
    fn new(sandbox: &Sandbox) -> Browser<'_> {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Browser { sandbox, client }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let reply = self.client.get(format!("http://{}{path}", self.sandbox.addr)).send().await.unwrap();
        (reply.status().as_u16(), String::from_utf8_lossy(&reply.bytes().await.unwrap()).into_owned())
    }

    /// Sends a form; returns where it leads to.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let reply = self.client.post(format!("http://{}{path}", self.sandbox.addr)).body(body).send().await.unwrap();
        let location = reply.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (reply.status().as_u16(), location.unwrap_or_default())
    }

    fn id_of(&self, platform: Platform, handle: &str) -> String {
        self.sandbox.world().user(platform, handle).unwrap().id.clone()
    }
}

fn escaped_query(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A token of nils, of the kind that the platform gives out.
fn credential(sandbox: &Sandbox, platform: Platform, user: &str) -> Credential {
    let is_signed = matches!(platform, Platform::Flickr | Platform::FiveHundredPx);
    let token = if is_signed { Token::signed(user, "secret-of-nils") } else { Token::of(user) };
    sandbox.world().tokens.insert((platform, "token-of-nils".to_owned()), token);
    match is_signed {
        true => Credential::Signed { token: Secret::new("token-of-nils"), secret: Secret::new("secret-of-nils") },
        false => Credential::bearer("token-of-nils"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_pressed_on_a_page_is_a_like_to_the_connector_on_all_eight() {
    let sandbox = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    sandbox.sow(Clock::System.now());
    let directory = tempfile::tempdir().unwrap();
    let config = Config::load(None, std::iter::empty(), &flags(&sandbox, directory.path())).unwrap().config;
    let node = Node::start(config).await.unwrap();
    let browser = Browser::new(&sandbox);
    let (_, index) = browser.get("/").await;
    // The fediverse has many servers, and its own tests in `sandbox::tests`.
    for platform in Platform::ALL.into_iter().filter(|platform| *platform != Platform::Fediverse) {
        assert!(index.contains(&format!("href=\"/at/{platform}\"")), "{index}");
        let nils = browser.id_of(platform, "nils");
        let (post, title) = {
            let world = sandbox.world();
            let post = world.posts.iter().find(|post| post.platform == platform).unwrap();
            (post.id.clone(), post.title.clone().unwrap())
        };
        let path = format!("/at/{platform}?as={}", escaped_query(&nils));
        let (status, page) = browser.get(&path).await;
        assert_eq!((status, page.matches("aria-pressed=\"false\"").count()), (200, 4), "{platform}");
        assert!(page.contains(&title) && page.contains("You are <strong>nils</strong>"), "{page}");
        assert!(!page.contains("<script") && !page.contains("<img"), "{page}");

        let own = Access::User(credential(&sandbox, platform, &nils));
        let bridge = node.bridges.get(platform).unwrap_or_else(|| panic!("{platform} is on"));
        let listed = async || {
            let query = LikesQuery::first(Who::TokenOwner, own.clone());
            match bridge.live().unwrap().likes(&query).await.unwrap_or_else(|error| panic!("{platform}: {error}")) {
                LikesReply::Page(page) => page.items.iter().map(|item| item.post.url.clone()).collect::<Vec<String>>(),
                LikesReply::NotModified { .. } => panic!("{platform}: no etag was sent"),
            }
        };
        assert_eq!(listed().await.len(), 0, "{platform}");
        let press = [("as", nils.as_str()), ("post", post.as_str())];
        let (status, back) = browser.post(&format!("/at/{platform}/like"), &press).await;
        assert_eq!((status, back.split('#').next()), (303, Some(path.as_str())), "{platform}");
        assert_eq!(browser.get(&path).await.1.matches("aria-pressed=\"true\"").count(), 1, "{platform}");
        assert_eq!(listed().await.len(), 1, "{platform}");
        browser.post(&format!("/at/{platform}/like"), &press).await;
        assert_eq!(browser.get(&path).await.1.matches("aria-pressed=\"true\"").count(), 0, "{platform}");
        assert_eq!(listed().await.len(), 0, "{platform}: pressing again takes it back");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_item_is_in_the_listing_of_every_platform_and_costs_nothing_but_itself() {
    let sandbox = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    sandbox.sow(Clock::System.now());
    let directory = tempfile::tempdir().unwrap();
    let config = Config::load(None, std::iter::empty(), &flags(&sandbox, directory.path())).unwrap().config;
    let node = Node::start(config).await.unwrap();
    for platform in Platform::ALL.into_iter().filter(|platform| *platform != Platform::Fediverse) {
        let nils = sandbox.world().user(platform, "nils").unwrap().id.clone();
        let own = Access::User(credential(&sandbox, platform, &nils));
        {
            let world = &mut *sandbox.world();
            let posts: Vec<String> =
                world.posts.iter().filter(|post| post.platform == platform).map(|post| post.id.clone()).collect();
            for post in posts {
                world.like(platform, &nils, &post, world.now).unwrap();
            }
            let fault = serde_json::json!({"platform": platform.slug(), "kind": "damaged_item"});
            world.faults.add(serde_json::from_value(fault).unwrap());
        }
        let bridge = node.bridges.get(platform).unwrap();
        for expected in [(3, 1), (4, 0)] {
            let query = LikesQuery::first(Who::TokenOwner, own.clone());
            let reply =
                bridge.live().unwrap().likes(&query).await.unwrap_or_else(|error| panic!("{platform}: {error}"));
            let LikesReply::Page(page) = reply else { panic!("{platform}: no etag was sent") };
            assert_eq!((page.items.len(), page.unreadable), expected, "{platform}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_that_is_changed_on_its_page_is_the_one_that_a_claim_is_looked_for_in() {
    let sandbox = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    sandbox.sow(Clock::System.now());
    let directory = tempfile::tempdir().unwrap();
    let config = Config::load(None, std::iter::empty(), &flags(&sandbox, directory.path())).unwrap().config;
    let node = Node::start(config).await.unwrap();
    let browser = Browser::new(&sandbox);
    let mut texts = BTreeMap::new();
    for platform in [Platform::Vimeo, Platform::SoundCloud, Platform::AppNet, Platform::Flickr] {
        let mira = browser.id_of(platform, "mira");
        let path = format!("/at/{platform}/people/{}", escaped_query(&mira));
        let (status, theirs) = browser.get(&format!("{path}?as={}", browser_id(&browser, platform, "nils"))).await;
        assert_eq!(status, 200);
        assert!(!theirs.contains("<textarea"), "nobody is offered another's profile to change");
        let fields = [("website", "https://node.example/claim/1"), ("bio", "<b>tides</b> #nobridge")];
        let (status, back) = browser.post(&path, &fields).await;
        assert_eq!(status, 303);
        let (_, page) = browser.get(&back).await;
        assert!(page.contains("&lt;b&gt;tides&lt;/b&gt; #nobridge") && !page.contains("<b>tides"), "{page}");
        let id = ExternalId::new(platform, &mira).unwrap();
        let profile =
            node.bridges.get(platform).unwrap().live().unwrap().profile(&Who::Id(id), &Access::Instance).await;
        let profile = profile.unwrap_or_else(|error| panic!("{platform}: {error}"));
        texts.insert(platform, profile.backlink_texts().map(str::to_owned).collect::<Vec<String>>().join("\n"));
    }
    for (platform, shown) in texts {
        assert!(shown.contains("https://node.example/claim/1") && shown.contains("#nobridge"), "{platform}: {shown}");
    }
}

fn browser_id(browser: &Browser, platform: Platform, handle: &str) -> String {
    escaped_query(&browser.id_of(platform, handle))
}

#[tokio::test]
async fn people_posts_exports_and_the_clock_are_on_the_pages_and_bad_input_changes_nothing() {
    let sandbox = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    sandbox.sow("2013-06-10T08:00:00Z".parse().unwrap());
    let browser = Browser::new(&sandbox);
    let (_, page) = browser.get("/").await;
    assert!(page.contains("<time>2013-06-10T08:00:00Z</time>"), "{page}");
    assert_eq!(browser.post("/at/clock", &[("hours", "24")]).await.0, 303);
    assert!(browser.get("/").await.1.contains("<time>2013-06-11T08:00:00Z</time>"));

    let (_, as_zoe) = browser.post("/at/flickr/people", &[("handle", "zoe")]).await;
    let zoe = browser.id_of(Platform::Flickr, "zoe");
    assert_eq!(as_zoe, format!("/at/flickr?as={}", escaped_query(&zoe)));
    let (status, _) = browser.post("/at/flickr/posts", &[("as", &zoe), ("title", "<i>Fog</i>")]).await;
    assert_eq!(status, 303);
    let (_, page) = browser.get(&as_zoe).await;
    assert!(page.contains("&lt;i&gt;Fog&lt;/i&gt;"), "{page}");
    assert_eq!(page.matches("class=\"like\"").count(), 4, "Flickr gives no button for one's own photo");

    let (_, profile) = browser.get(&format!("/at/flickr/people/{}", escaped_query(&zoe))).await;
    let link = profile.split("href=\"").find(|part| part.starts_with("/_sim/exports/flickr/")).unwrap();
    let (status, file) = browser.get(link.split('"').next().unwrap()).await;
    assert!(status == 200 && file.starts_with("PK"), "{status}");
    let mira = browser.id_of(Platform::GitHub, "mira");
    assert!(browser.get(&format!("/at/github/people/{mira}")).await.1.contains("GitHub has no export file"));

    let counted = || {
        let world = sandbox.world();
        (world.users.len(), world.posts.len(), world.likes.len())
    };
    let before = counted();
    let own = sandbox.world().posts.last().unwrap().id.clone();
    for (path, fields, expected) in [
        ("/at/flickr/people", vec![("handle", "zoe")], 400),
        ("/at/flickr/people", vec![("handle", "Z o e")], 400),
        ("/at/flickr/like", vec![("as", zoe.as_str()), ("post", own.as_str())], 400),
        ("/at/flickr/like", vec![("as", zoe.as_str()), ("post", "404")], 404),
        ("/at/flickr/like", vec![("as", "nobody"), ("post", own.as_str())], 404),
        ("/at/flickr/posts", vec![("as", zoe.as_str()), ("title", " ")], 400),
        ("/at/myspace/like", vec![], 404),
        ("/at/clock", vec![("hours", "-1")], 400),
    ] {
        assert_eq!(browser.post(path, &fields).await.0, expected, "{path} {fields:?}");
    }
    assert_eq!(browser.get("/at/flickr?as=nobody").await.0, 404);
    assert_eq!(counted(), before);
    assert_eq!(browser.get("/elsewhere").await.0, 404);
}
