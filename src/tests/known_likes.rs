//! That one like pays once: hidden and shown again, dated later, seen by another eye, brought in parts, forgotten by the
//! platform. Each through the loop that an instance runs.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::likes_world::{DAY, LikesWorld};
use super::node::TestNode;
use super::on_both_databases;
use crate::bridges::{
    self, Access, Bridge, Capabilities, Cursor, ExportFile, LikePage, LikesQuery, LikesReply, LiveApi, ParsedRef, Post,
    PostPage, PostsOf, Profile, ReferenceError, Registry, SignInApi, Who,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::flows::connect::{self, Habit, Page, View};
use crate::flows::like_source::{self, GivenLike};
use crate::flows::notice::{self, SeenPost};
use crate::jobs::imports::{step_at, take_list};
use crate::jobs::read_likes;
use crate::sandbox::fault::Kind;
use crate::storage::connections;
use crate::storage::imports::Counted;

fn counts(counted: &Counted) -> (u64, u64, u64) {
    (counted.likes, counted.flattrs, counted.baseline)
}

/// In the next month, too late for the one before.
fn to_next_month(world: &LikesWorld) {
    let month = crate::domain::time::Month::containing(world.now());
    while world.now() < month.freeze() {
        world.later(DAY);
    }
    world.later(3 * DAY);
}

#[tokio::test]
async fn what_is_hidden_and_shown_again_is_the_same_like() {
    // As the account itself and as others see it: some lists name what is hidden, others leave it out.
    let cases = [
        (Platform::Vimeo, false),
        (Platform::Vimeo, true),
        (Platform::SoundCloud, false),
        (Platform::SoundCloud, true),
        (Platform::Twitter, true),
        (Platform::Flickr, false),
        (Platform::Flickr, true),
        (Platform::GitHub, false),
        (Platform::FiveHundredPx, true),
    ];
    for (platform, is_own) in cases {
        let world = LikesWorld::new(platform).await;
        let old = world.like(3);
        // Hidden before the account is read for the first time, and shown afterwards.
        world.hide(&old[2], true);
        world.connect().await;
        if is_own {
            world.sign_in().await;
        }
        world.read().await;
        let new = world.like(1);
        assert_eq!(world.read().await.0, 1, "{platform}, {is_own}");
        to_next_month(&world);
        for post in [&old[0], &old[1], &new[0]] {
            world.hide(post, true);
        }
        world.read().await;
        for post in old[..2].iter().chain(&new) {
            world.hide(post, false);
        }
        assert_eq!(world.read().await.0, 0, "{platform}, {is_own}");
        let is_named = platform == Platform::Twitter;
        if is_named {
            world.hide(&old[2], false);
            assert_eq!(world.read().await, (0, 0, 1), "{platform}: of before, whoever could see it");
        }
        assert_eq!(world.flattrs().await.len(), 1, "{platform}, {is_own}");
        assert_eq!(world.paid().await.len(), 1, "{platform}, {is_own}");
        world.sandbox.stop().await;
    }
}

#[tokio::test]
async fn what_was_taken_back_unpaid_and_comes_back_is_paid_once_at_most() {
    for (platform, expected) in [(Platform::SoundCloud, 1), (Platform::Flickr, 0)] {
        let world = LikesWorld::with_baseline(platform, false, 1).await;
        let new = world.like(1);
        assert_eq!(world.read().await.0, 1, "{platform}");
        world.hide(&new[0], true);
        assert_eq!(world.read().await.1, 1, "{platform}: others see that it is not there");
        to_next_month(&world);
        world.hide(&new[0], false);
        // Undated it may be a like of now; a date says that it is not.
        assert_eq!(world.read().await.0, expected, "{platform}");
        assert_eq!(world.paid().await.len(), expected, "{platform}");
        world.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_date_that_comes_later_makes_no_other_like() {
    let vimeo = LikesWorld::with_baseline(Platform::Vimeo, false, 2).await;
    vimeo.like(1);
    assert_eq!(vimeo.read().await, (1, 0, 0));
    to_next_month(&vimeo);
    vimeo.sign_in().await;
    assert_eq!(vimeo.read().await, (0, 0, 0), "the account itself is told when");
    // Liked anew, it is another one.
    let post = vimeo.sandbox.world().likes.last().unwrap().post.clone();
    vimeo.unlike(&post);
    vimeo.read().await;
    let now = vimeo.now();
    vimeo.sandbox.world().like(Platform::Vimeo, "nils", &post, now).unwrap();
    assert_eq!(vimeo.read().await, (1, 0, 0));

    let flickr = LikesWorld::new(Platform::Flickr).await;
    flickr.like(2);
    flickr.connect().await;
    assert_eq!(counts(&flickr.import("flickr.zip", &flickr.export(), false).await), (2, 0, 2));
    flickr.like(1);
    assert_eq!(counts(&flickr.import("flickr.zip", &flickr.export(), false).await), (3, 1, 0));
    flickr.later(20 * DAY);
    to_next_month(&flickr);
    assert_eq!(flickr.read().await, (0, 0, 0));
    assert_eq!(flickr.flattrs().await.len(), 1);
}

#[tokio::test]
async fn who_sees_less_concludes_nothing_from_what_is_not_shown() {
    let world = LikesWorld::with_baseline(Platform::Flickr, true, 1).await;
    let liked = world.like(2);
    world.sandbox.world().post_mut(Platform::Flickr, &liked[0]).unwrap().is_sensitive = true;
    assert_eq!(world.read().await, (2, 0, 0));
    world.sandbox.world().revoke_tokens(Platform::Flickr, "nils").unwrap();
    for _ in 0..4 {
        assert_eq!(world.read().await, (0, 0, 0), "strangers are not shown it");
    }
    assert_eq!(world.connection().await.view.as_deref(), Some("public"));
    assert_eq!(world.paid().await.len(), 2);
    // What strangers are shown, they miss.
    world.unlike(&liked[1]);
    world.read().await;
    assert_eq!(world.paid().await.into_iter().collect::<Vec<_>>(), [liked[0].clone()]);
}

#[tokio::test]
async fn a_file_brings_no_like_back() {
    let world = LikesWorld::with_baseline(Platform::SoundCloud, false, 1).await;
    let new = world.like(1);
    assert_eq!(world.read().await, (1, 0, 0));
    let table = "Title,Link\ntide,https://soundcloud.com/mira/tide-0\ntide,https://soundcloud.com/mira/tide-1\n";
    assert_eq!(counts(&world.import("likes.csv", table.as_bytes(), false).await), (2, 0, 0));
    world.unlike(&new[0]);
    assert_eq!(world.read().await, (0, 1, 0));
    assert_eq!(counts(&world.import("likes.csv", table.as_bytes(), false).await), (2, 0, 0));
    assert_eq!(world.paid().await.len(), 0);
}

fn like_js(part: u32, ids: std::ops::Range<u64>) -> Vec<u8> {
    let rows: Vec<String> = ids.map(|id| format!(r#"{{"like":{{"tweetId":"{id}"}}}}"#)).collect();
    format!("window.YTD.like.part{part} = [{}]", rows.join(",")).into_bytes()
}

#[tokio::test]
async fn the_parts_of_an_archive_are_of_before_until_the_patron_says_that_they_were_all() {
    let world = LikesWorld::new(Platform::Twitter).await;
    world.connect().await;
    let bring = async |name: &str, bytes: &[u8], is_last| counts(&world.import(name, bytes, is_last).await);
    assert_eq!(bring("like.js", &like_js(0, 100..110), false).await, (10, 0, 10));
    assert_eq!(bring("like-part1.js", &like_js(1, 200..300), false).await, (100, 0, 100));
    assert_eq!(bring("like.js", &like_js(0, 100..111), false).await, (11, 0, 1), "nobody said that it was all");
    assert_eq!(bring("like-part2.js", &like_js(2, 300..310), true).await, (10, 0, 10));
    assert_eq!(bring("like.js", &like_js(0, 100..112), false).await, (12, 1, 0));
    // A further part holds what is older than what the first one does.
    assert_eq!(bring("like-part3.js", &like_js(3, 400..450), false).await, (50, 0, 50));
    assert_eq!(bring("like.js", &like_js(0, 100..113), false).await, (13, 1, 0));
    assert_eq!(world.paid().await.len(), 2);
}

#[tokio::test]
async fn what_a_platform_does_not_answer_is_asked_again_and_is_of_before_then() {
    let world = LikesWorld::new(Platform::SoundCloud).await;
    world.like(3);
    world.connect().await;
    let list: String = (0..3).map(|number| format!("https://soundcloud.com/mira/tide-{number}\n")).collect();
    // At a prompt: nothing is closed over what nobody could say.
    world.fault(Some(Kind::Http503), 1_000);
    let rows: String = list.lines().map(|line| format!("tide,{line}\n")).collect();
    let table = format!("Title,Link\n{rows}");
    let counted = world.import("likes.csv", table.as_bytes(), true).await;
    assert_eq!((counts(&counted), counted.unresolved, counted.unanswered), ((3, 0, 0), 3, 3));
    assert_eq!(world.connection().await.baseline_at, None);

    let account = world.account().account().to_owned();
    let row = take_list(&world.node, world.patron, world.platform, account, true, &list).await.unwrap();
    let row_of = async || {
        let id = row.id;
        world.node.db.read(move |tx| crate::storage::imports::import(tx, id)).await.unwrap().unwrap()
    };
    let start = world.node.now();
    assert!(step_at(&world.node, start).await.unwrap());
    let waiting = row_of().await;
    assert_eq!((waiting.state.as_str(), waiting.likes, waiting.attempts), ("waiting", 0, 1));
    assert!(waiting.error.is_some() && world.connection().await.baseline_at.is_none());
    assert!(!step_at(&world.node, start).await.unwrap(), "nobody asks before");
    world.fault(None, 0);
    assert!(step_at(&world.node, start.plus(2 * DAY)).await.unwrap());
    let done = row_of().await;
    assert_eq!((done.state.as_str(), done.likes, done.flattrs, done.baseline), ("done", 3, 0, 3));
    assert!(done.error.is_none() && world.connection().await.baseline_at.is_some());
    assert_eq!(counts(&world.import("likes.csv", table.as_bytes(), false).await), (3, 0, 0));
    world.like(1);
    let more = format!("{table}tide,https://soundcloud.com/mira/tide-3\n");
    assert_eq!(counts(&world.import("likes.csv", more.as_bytes(), false).await), (4, 1, 0), "now what is new counts");
}

#[test]
fn a_like_that_came_by_itself_is_known_to_the_list_of_favourites() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let ana = node.patron("ana").build();
        let (patron, account) =
            (ana.id, ExternalId::new(Platform::Fediverse, "https://social.example/users/ana").unwrap());
        let actor = account.account().to_owned();
        let connected =
            node.flow(move |tx, close| connections::connect(tx, patron, &account, "ana", close.now)).unwrap().id;
        let post = SeenPost {
            object: ObjectRef::new(Platform::Fediverse, "https://social.example/users/mira/statuses/1").unwrap(),
            owner: None,
            title: "Low tide".into(),
            url: "https://social.example/@mira/1".into(),
            published_at: None,
        };
        let seen = post.clone();
        let object = node.flow(move |tx, close| notice::post(tx, close.instance, &seen, close.now)).id;
        node.flow(move |tx, close| {
            let uri = "https://social.example/likes/1";
            let (received_at, witnessed_at) = (close.now, None);
            like_source::liked(
                tx,
                &GivenLike { patron, actor: &actor, uri, object, received_at, witnessed_at, asks_first: false },
            )
        });
        let months = || {
            let all = ["2013-06", "2013-07", "2013-08"].map(|month| month.parse().unwrap());
            all.map(|month| node.read(move |tx| crate::storage::likes::flattrs_of_month(tx, patron, month)).len())
        };
        let read = |likes: Vec<SeenPost>| {
            let habit = Habit { is_newest_first: true, is_metered: false };
            node.flow(move |tx, close| {
                connect::begin(tx, connected, habit, View::Own, close.now)?;
                let likes = likes.iter().map(|post| (post.clone(), None)).collect();
                let (hidden, seen_at) = (Vec::new(), close.now);
                let page = Page { likes, hidden, unreadable: 0, next: None, etag: None, seen_at };
                Ok::<_, connect::ConnectError>(connect::apply(tx, close.instance, connected, habit, &page)?.0)
            })
        };
        // The account signs in, and its list is read for the first time, and again a month later.
        let again = post.clone();
        assert_eq!(read(vec![again]).baseline, 0, "it is no like of before: an unlike must be found");
        node.at("2013-07-10T00:00:00Z");
        read(vec![post]);
        assert_eq!(months(), [1, 0, 0], "one act, one month");
        node.at("2013-07-12T00:00:00Z");
        read(vec![]);
        assert!(node.read(move |tx| connections::like_of(tx, connected, object)).unwrap().is_gone);
    });
}

/// A list whose third page leads back to its second.
struct Circling;

#[async_trait]
impl LiveApi for Circling {
    async fn profile(&self, _: &Who, _: &Access) -> Result<Profile, bridges::Error> {
        Err(bridges::Error::unsupported("nobody is there"))
    }

    async fn likes(&self, query: &LikesQuery) -> Result<LikesReply, bridges::Error> {
        let next = match query.cursor.as_ref().map(Cursor::as_str) {
            Some("2") => "3",
            _ => "2",
        };
        Ok(LikesReply::Page(LikePage { next: Some(Cursor::new(next)), ..LikePage::default() }))
    }

    async fn posts(&self, _: &PostsOf, _: Option<&Cursor>, _: &Access) -> Result<PostPage, bridges::Error> {
        Err(bridges::Error::unsupported("nothing is there"))
    }

    async fn post(&self, _: &ObjectRef, _: Option<&str>, _: &Access) -> Result<Post, bridges::Error> {
        Err(bridges::Error::unsupported("nothing is there"))
    }

    async fn resolve(&self, _: &ParsedRef, _: &Access) -> Result<Post, bridges::Error> {
        Err(bridges::Error::unsupported("nothing is there"))
    }
}

/// Everything else of the platform is as it is.
struct CirclingBridge(Arc<dyn Bridge>);

impl Bridge for CirclingBridge {
    fn platform(&self) -> Platform {
        self.0.platform()
    }

    fn capabilities(&self) -> &'static Capabilities {
        self.0.capabilities()
    }

    fn parse_reference(&self, text: &str) -> Result<ParsedRef, ReferenceError> {
        self.0.parse_reference(text)
    }

    fn profile_url(&self, handle: &str) -> String {
        self.0.profile_url(handle)
    }

    fn live(&self) -> Option<&dyn LiveApi> {
        Some(&Circling)
    }

    fn export(&self) -> Option<&dyn ExportFile> {
        None
    }

    fn sign_in(&self) -> Option<&dyn SignInApi> {
        None
    }
}

#[tokio::test]
async fn pages_that_lead_in_a_circle_are_left_before_long() {
    let LikesWorld { node, sandbox, platform, patron, directory } = LikesWorld::new(Platform::Vimeo).await;
    let vimeo = node.bridges.get(platform).unwrap().clone();
    let node = node.with_bridges(Registry::default().with(Arc::new(CirclingBridge(vimeo))));
    let world = LikesWorld { node, sandbox, platform, patron, directory };
    world.connect().await;
    let turn = read_likes(&world.node, &world.connection().await, world.now()).await.unwrap();
    assert_eq!(turn.end, crate::jobs::TurnEnd::PutOff);
    let connection = world.connection().await;
    assert!(connection.last_error.unwrap().contains("do not come to an end"));
    assert_eq!(connection.baseline_at, None, "it was not read to its end");
}

#[tokio::test]
async fn a_platform_that_bills_each_item_is_read_to_what_is_known_and_whole_before_the_month_is_divided() {
    let world = LikesWorld::new(Platform::Twitter).await;
    world.sandbox.world().now = "2013-06-10T00:00:00Z".parse().unwrap();
    let old = world.like(250);
    world.connect().await;
    world.sign_in().await;
    let asked = || {
        let requests = std::mem::take(&mut world.sandbox.world().requests);
        requests.iter().filter(|request| request.path.ends_with("/liked_tweets")).count()
    };
    assert_eq!(world.read().await, (0, 0, 250));
    assert_eq!(asked(), 3);
    assert!(world.connection().await.next_poll_at >= world.now().plus(Duration::from_secs(12 * 3_600)).micros());
    assert_eq!(world.read().await, (0, 0, 0));
    assert_eq!(asked(), 1);
    let new = world.like(2);
    assert_eq!(world.read().await, (2, 0, 0));
    assert_eq!(asked(), 2, "the first page had something new");
    world.unlike(&new[0]);
    world.unlike(&old[3]);
    assert_eq!((world.read().await, asked()), ((0, 0, 0), 1));
    world.sandbox.world().now = "2013-06-30T23:30:00Z".parse().unwrap();
    assert_eq!(world.read().await, (0, 1, 0), "between the cut-off and the freeze");
    assert_eq!(asked(), 6, "twice, since something is missing from several pages");
    assert_eq!((world.read().await, asked()), ((0, 0, 0), 1));
}
