//! Reading likes from a platform, over days and interruptions: one instance, the sandbox, and a clock that is handed in.

use std::path::PathBuf;
use std::time::Duration;

use diesel::RunQueryDsl;

use crate::bridges::Who;
use crate::clock::{self, Clock};
use crate::config::Config;
use crate::domain::id::{ActorId, PatronId};
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::connect::Changed;
use crate::flows::feed;
use crate::flows::register::{self, Registration};
use crate::jobs::{Turn, look_up, read_due, read_feeds, read_likes};
use crate::sandbox::fault::{Fault, Kind};
use crate::sandbox::{self, Sandbox};
use crate::storage::connections::{self, Connection, Pass};
use crate::storage::{self, Tx, identities, inbox, likes};

const GITHUB: Platform = Platform::GitHub;
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// An instance beside a GitHub where `mira` has repositories and `nils` likes them.
struct Stage {
    node: Node,
    github: Sandbox,
    patron: PatronId,
    clock: PathBuf,
    _directory: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let github = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (api, data) = (github.base_url(GITHUB), directory.path().display().to_string());
        let overrides = [
            ("server.domain", "localhost:21999"),
            ("server.data_dir", &data),
            ("database.pool_size", "2"),
            ("federation.allow_private_addresses", "127.0.0.0/8"),
            ("bridge.github.base_url", &api),
        ];
        let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = Config::load(None, std::iter::empty(), &overrides).unwrap().config;
        // The instance and the platform have one clock.
        let clock = directory.path().join("clock");
        clock::set(&clock, github.world().now).unwrap();
        let node = Node::start_by(config, Clock::File(clock.clone())).await.unwrap();
        {
            let world = &mut *github.world();
            world.add_user(GITHUB, "mira");
            world.add_user(GITHUB, "nils");
        }
        let now = github.world().now;
        let patron = register(&node, "nils", now).await;
        Stage { node, github, patron, clock, _directory: directory }
    }

    fn now(&self) -> Timestamp {
        let now = self.github.world().now;
        clock::set(&self.clock, now).unwrap();
        now
    }

    fn later(&self, by: Duration) {
        self.github.world().advance(by);
        self.now();
    }

    /// Gives likes to new repositories, one a second, and returns their ids.
    fn like(&self, count: usize) -> Vec<String> {
        let world = &mut *self.github.world();
        (0..count)
            .map(|_| {
                let name = format!("r{}", world.posts.len());
                let post = world.add_post(GITHUB, "mira", &name).unwrap().id.clone();
                world.advance(Duration::from_secs(1));
                world.like(GITHUB, "nils", &post, world.now).unwrap();
                post
            })
            .collect()
    }

    fn unlike(&self, post: &str) {
        self.github.world().unlike(GITHUB, "nils", post).unwrap();
    }

    fn fault(&self, path_glob: &str, kind: Kind) {
        let fault = Fault {
            platform: GITHUB.slug().into(),
            path_glob: path_glob.into(),
            kind,
            count: Some(1),
            probability: None,
            seed: 0,
        };
        self.github.world().faults.add(fault);
    }

    async fn connect(&self) {
        let account = self.github.world().user(GITHUB, "nils").unwrap().id.clone();
        connect(&self.node, self.patron, &account, self.now()).await;
    }

    async fn connection(&self) -> Connection {
        let patron = self.patron;
        self.node.db.read(move |tx| connections::connections_of(tx, patron)).await.unwrap().remove(0)
    }

    async fn pass(&self) -> Option<Pass> {
        let id = self.connection().await.id;
        self.node.db.read(move |tx| connections::pass_of(tx, id)).await.unwrap()
    }

    /// One turn, due or not.
    async fn read(&self) -> Turn {
        read_likes(&self.node, &self.connection().await, self.now()).await.unwrap()
    }

    async fn changed(&self) -> (usize, usize, usize) {
        let Changed { flattrs, taken_back, baseline } = self.read().await.changed;
        (flattrs, taken_back, baseline)
    }

    /// (status, query) of the listing pages that were asked for since the last call.
    fn asked(&self) -> Vec<(u16, bool)> {
        let requests = std::mem::take(&mut self.github.world().requests);
        let pages = requests.into_iter().filter(|request| request.path.ends_with("/starred"));
        pages
            .map(|request| (request.status, request.query.contains("page=2") || request.query.contains("page=3")))
            .collect()
    }
}

async fn register(node: &Node, name: &str, now: Timestamp) -> PatronId {
    let (instance, name) = (node.instance.clone(), name.to_owned());
    node.write(move |tx| {
        let budget = Amount::from_units(10_000_000, Currency::EUR);
        let registration = Registration { name: name.clone(), budget, is_public: true, is_operator: false };
        register::register(tx, &instance, &registration, now)
    })
    .await
    .unwrap()
}

async fn connect(node: &Node, patron: PatronId, account: &str, now: Timestamp) {
    let account = ExternalId::new(GITHUB, account).unwrap();
    let connected = node.write(move |tx| connections::connect(tx, patron, &account, "nils", now)).await;
    connected.unwrap().expect("nobody else has connected it");
}

#[tokio::test]
async fn what_was_liked_before_connecting_pays_nothing_and_what_comes_after_does() {
    let stage = Stage::new().await;
    stage.like(3);
    stage.later(HOUR);
    stage.connect().await;
    stage.later(HOUR);
    stage.like(1);
    assert_eq!(stage.changed().await, (1, 0, 3), "the fourth like is dated after the connection");
    stage.later(HOUR);
    stage.like(2);
    assert_eq!(stage.changed().await, (2, 0, 0));
    assert_eq!(stage.changed().await, (0, 0, 0));
}

#[tokio::test]
async fn a_repository_that_goes_to_another_account_leaves_each_like_with_whom_it_was_for() {
    let stage = Stage::new().await;
    stage.connect().await;
    stage.changed().await;
    let whelk = stage.like(1).remove(0);
    stage.later(HOUR);
    assert_eq!(stage.changed().await.0, 1);
    let account = {
        let world = &mut *stage.github.world();
        let olaf = world.add_user(GITHUB, "olaf").id.clone();
        world.post_mut(GITHUB, &whelk).unwrap().owner = olaf;
        world.add_user(GITHUB, "boris").id.clone()
    };
    let boris = register(&stage.node, "boris", stage.now()).await;
    connect(&stage.node, boris, &account, stage.now()).await;
    stage.later(HOUR);
    let now = stage.now();
    stage.github.world().like(GITHUB, "boris", &whelk, now).unwrap();
    stage.later(HOUR);
    let connection = stage.node.db.read(move |tx| connections::connections_of(tx, boris)).await.unwrap().remove(0);
    assert_eq!(read_likes(&stage.node, &connection, stage.now()).await.unwrap().changed.flattrs, 1);
    // Nils's list is read again too, and names the new owner.
    stage.changed().await;
    let nils = stage.patron;
    let owners = stage.node.db.read(move |tx| {
        let mut owners = Vec::new();
        for patron in [nils, boris] {
            let (flattr, object) = likes::flattrs_of_month(tx, patron, "2013-06".parse().unwrap())?.remove(0);
            for owner in [flattr.owner(), object.owner()] {
                owners.push(identities::identity(tx, owner.expect("known"))?.expect("known").handle);
            }
        }
        Ok::<_, storage::Error>(owners)
    });
    assert_eq!(owners.await.unwrap(), ["mira", "olaf", "olaf", "olaf"]);
}

#[tokio::test]
async fn a_baseline_is_set_although_an_item_cannot_be_read() {
    let stage = Stage::new().await;
    let old = stage.like(3);
    stage.connect().await;
    stage.fault("*/starred", Kind::DamagedItem);
    assert_eq!(stage.changed().await, (0, 0, 2));
    let connection = stage.connection().await;
    assert!(connection.baseline_at.is_some());
    assert_eq!(connection.last_error.as_deref(), Some("1 items could not be understood"));
    stage.later(HOUR);
    let new = stage.like(1);
    assert_eq!(stage.changed().await, (1, 0, 1), "the damaged one, whole again, is of before");
    // An item that cannot be read may be the one that is missing.
    stage.later(DAY);
    stage.unlike(&new[0]);
    stage.fault("*/starred", Kind::DamagedItem);
    assert_eq!(stage.changed().await, (0, 0, 0));
    stage.later(DAY);
    assert_eq!(stage.changed().await, (0, 1, 0));
    stage.unlike(&old[0]);
    stage.later(DAY);
    assert_eq!(stage.changed().await, (0, 0, 0), "what never paid is not taken back");
}

#[tokio::test]
async fn a_limit_in_the_middle_of_a_listing_is_waited_for_and_the_rest_read_then() {
    let stage = Stage::new().await;
    stage.like(250);
    stage.later(HOUR);
    stage.connect().await;
    stage.fault("/user/*/starred", Kind::RateLimited { retry_after: 600 });
    let turn = stage.read().await;
    let until = stage.now().plus(Duration::from_secs(600));
    assert_eq!((turn.changed.baseline, turn.paused_until), (100, Some(until)));
    let pass = stage.pass().await.expect("the pass is under way");
    assert_eq!((pass.pages, pass.kind.as_str()), (1, "full"));
    assert!(stage.connection().await.baseline_at.is_none());
    stage.asked();
    stage.later(Duration::from_secs(599));
    assert!(!read_due(&stage.node, stage.now()).await.unwrap());
    assert!(stage.asked().is_empty(), "nobody asks before the limit ends");
    stage.later(Duration::from_secs(1));
    assert!(read_due(&stage.node, stage.now()).await.unwrap());
    assert_eq!(stage.asked(), [(200, true), (200, true)], "the first page is not read again");
    let connection = stage.connection().await;
    assert!(connection.baseline_at.is_some() && connection.last_error.is_none() && connection.failures == 0);
    assert!(stage.pass().await.is_none());
}

#[tokio::test]
async fn a_limit_that_posts_meet_holds_for_likes_too_and_the_other_way_round() {
    let stage = Stage::new().await;
    stage.connect().await;
    let (_, mira) = look_up(&stage.node, GITHUB, &Who::Handle("mira".into())).await.unwrap();
    let (actor, now) = (ActorId(mira.actor_id.unwrap()), stage.now());
    let followed = stage.node.write(move |tx| {
        inbox::save_follow(tx, actor, "https://f.example/ana", "https://f.example/inbox", "https://f.example/1", now)?;
        feed::followed(tx, actor, now)
    });
    followed.await.unwrap();
    stage.fault("*/repos", Kind::RateLimited { retry_after: 600 });
    assert!(read_feeds(&stage.node, now).await.unwrap());
    stage.later(Duration::from_secs(599));
    assert!(!read_due(&stage.node, stage.now()).await.unwrap(), "likes share the allowance");
    assert!(!read_feeds(&stage.node, stage.now()).await.unwrap());
    stage.later(Duration::from_secs(1));
    assert!(read_due(&stage.node, stage.now()).await.unwrap() && read_feeds(&stage.node, stage.now()).await.unwrap());
    stage.later(DAY);
    stage.fault("*/starred", Kind::RateLimited { retry_after: 600 });
    assert!(read_due(&stage.node, stage.now()).await.unwrap());
    assert!(!read_feeds(&stage.node, stage.now()).await.unwrap(), "posts share the allowance");
    stage.later(Duration::from_secs(600));
    assert!(read_feeds(&stage.node, stage.now()).await.unwrap());
}

#[tokio::test]
async fn a_listing_that_did_not_change_costs_one_request_however_often_it_is_asked_for() {
    let stage = Stage::new().await;
    stage.connect().await;
    stage.like(2);
    assert_eq!(stage.changed().await, (2, 0, 0));
    let etag = stage.connection().await.etag;
    assert!(etag.is_some());
    stage.asked();
    for _ in 0..2 {
        stage.later(HOUR);
        assert_eq!(stage.changed().await, (0, 0, 0));
        assert_eq!(stage.asked(), [(304, false)]);
        assert_eq!(stage.connection().await.etag, etag, "an unchanged page keeps its etag");
    }
    stage.like(1);
    assert_eq!(stage.changed().await, (1, 0, 0));
}

#[tokio::test]
async fn an_unlike_on_the_second_page_is_found_by_a_whole_pass_and_by_nothing_less() {
    let stage = Stage::new().await;
    stage.connect().await;
    let liked = stage.like(150);
    assert_eq!(stage.changed().await, (150, 0, 0));
    stage.unlike(&liked[3]);
    stage.later(HOUR);
    stage.asked();
    assert_eq!(stage.changed().await, (0, 0, 0));
    assert_eq!(stage.asked(), [(304, false)], "the first page does not show it");
    stage.later(DAY);
    assert_eq!(stage.changed().await, (0, 1, 0));
    let twice = [(200, false), (200, true), (200, false), (200, true)];
    assert_eq!(stage.asked(), twice, "what is missing from several pages is looked for twice");
    stage.later(DAY);
    assert_eq!(stage.changed().await, (0, 0, 0));
}

#[tokio::test]
async fn a_poll_for_new_likes_stops_where_the_last_one_began() {
    let stage = Stage::new().await;
    stage.connect().await;
    stage.like(250);
    assert_eq!(stage.changed().await, (250, 0, 0));
    stage.later(HOUR);
    stage.like(5);
    stage.asked();
    assert_eq!(stage.changed().await, (5, 0, 0));
    assert_eq!(stage.asked(), [(200, false)]);
}

#[tokio::test]
async fn a_place_in_a_listing_that_is_no_longer_known_begins_a_new_pass() {
    let stage = Stage::new().await;
    stage.connect().await;
    stage.like(150);
    stage.fault("/user/*/starred", Kind::DeadPlatform);
    assert_eq!(stage.changed().await, (100, 0, 0));
    assert!(stage.pass().await.is_none());
    let connection = stage.connection().await;
    assert_eq!((connection.failures, connection.etag), (1, None), "the pages below were not read");
    stage.later(HOUR);
    assert_eq!(stage.changed().await, (50, 0, 0));
    assert_eq!(stage.connection().await.failures, 0);
}

#[tokio::test]
async fn a_broken_connection_stops_no_other() {
    let stage = Stage::new().await;
    let now = stage.now();
    let other = register(&stage.node, "ghost", now).await;
    // Nobody has this account; and an account without a name is a damaged row.
    connect(&stage.node, other, "404404", now).await;
    let damaged = register(&stage.node, "damaged", now).await;
    connect(&stage.node, damaged, "7", now).await;
    stage
        .node
        .write(|tx| -> Result<usize, storage::Error> {
            let statement = "UPDATE connections SET account = '' WHERE account = '7'";
            Ok(match tx {
                Tx::Sqlite(db) => diesel::sql_query(statement).execute(*db)?,
                Tx::Postgres(db) => diesel::sql_query(statement).execute(*db)?,
            })
        })
        .await
        .unwrap();
    stage.connect().await;
    stage.like(2);
    assert!(read_due(&stage.node, stage.now()).await.unwrap());
    assert!(stage.connection().await.baseline_at.is_some());
    for patron in [other, damaged] {
        let broken = stage.node.db.read(move |tx| connections::connections_of(tx, patron)).await.unwrap().remove(0);
        assert_eq!(broken.failures, 1);
        assert!(broken.last_error.is_some());
        assert!(broken.next_poll_at > stage.now().micros());
    }
    assert!(!read_due(&stage.node, stage.now()).await.unwrap(), "all are put off");
}

#[tokio::test]
async fn a_limit_holds_for_everybody_who_shares_it() {
    let stage = Stage::new().await;
    stage.connect().await;
    let other = register(&stage.node, "ana", stage.now()).await;
    let account = stage.github.world().user(GITHUB, "mira").unwrap().id.clone();
    connect(&stage.node, other, &account, stage.now()).await;
    stage.fault("*", Kind::RateLimited { retry_after: 900 });
    stage.read().await;
    let until = stage.now().plus(Duration::from_secs(900)).micros();
    let both = stage.node.db.read(connections::connections).await.unwrap();
    assert_eq!(both.iter().map(|row| row.next_poll_at).collect::<Vec<_>>(), [until, until]);
}

mod due {
    use super::*;
    use crate::flows::connect::{Habit, PassKind, due_pass};

    #[tokio::test]
    async fn the_whole_listing_is_read_daily_and_before_a_month_is_divided() {
        let stage = Stage::new().await;
        stage.connect().await;
        let fresh = stage.connection().await;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let known = |full: &str| Connection {
            baseline_at: Some(0),
            caught_up_at: Some(0),
            full_at: Some(at(full).micros()),
            ..fresh.clone()
        };
        let free = Habit { is_newest_first: true, is_metered: false };
        let metered = Habit { is_metered: true, ..free };
        let unordered = Habit { is_newest_first: false, ..free };
        let metered_unordered = Habit { is_newest_first: false, ..metered };
        let check = |connection: &Connection, habit, now: &str, expected| {
            assert_eq!(due_pass(connection, habit, at(now)), expected, "{now}");
        };
        check(&fresh, metered, "2013-06-10T00:00:00Z", PassKind::Full);
        let connection = known("2013-06-10T00:00:00Z");
        check(&connection, free, "2013-06-10T23:59:59Z", PassKind::Newest);
        check(&connection, free, "2013-06-11T00:00:00Z", PassKind::Full);
        check(&connection, unordered, "2013-06-10T00:15:00Z", PassKind::Full);
        check(&connection, metered, "2013-06-30T23:59:59Z", PassKind::Newest);
        check(&connection, metered_unordered, "2013-06-30T23:59:59Z", PassKind::Newest);
        check(&connection, metered_unordered, "2013-07-01T00:00:00Z", PassKind::Full);
        check(&connection, metered, "2013-07-01T00:00:00Z", PassKind::Full);
        check(&connection, metered, "2013-07-04T00:00:00Z", PassKind::Newest);
        let late = known("2013-06-30T23:00:00Z");
        check(&late, free, "2013-07-01T00:00:00Z", PassKind::Full);
        check(&known("2013-07-01T00:00:00Z"), free, "2013-07-01T12:00:00Z", PassKind::Newest);
    }
}

/// The rule of unlikes against lists that change after every page; its model is `bridges::listing`.
mod moving {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::identity::ObjectRef;
    use crate::flows::connect::{self, After, Habit, Page, View};
    use crate::flows::notice::SeenPost;
    use crate::storage::identities;
    use crate::tests::Backend;
    use crate::tests::node::TestNode;

    const PAGE: usize = 3;
    const HABIT: Habit = Habit { is_newest_first: false, is_metered: false };

    /// A list of likes, newest first, and what ever happened to it.
    struct List {
        likes: Vec<(u64, i64)>,
        clock: i64,
        removed: BTreeSet<u64>,
        seed: u64,
    }

    impl List {
        fn random(&mut self, below: usize) -> usize {
            self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            usize::try_from((mixed >> 40) % below as u64).unwrap()
        }

        fn change(&mut self) {
            self.clock += 1;
            match self.random(4) {
                0 => {
                    let number = 1_000 + self.random(20) as u64;
                    self.likes.retain(|(known, _)| *known != number);
                    self.likes.insert(0, (number, self.clock));
                }
                1 if !self.likes.is_empty() => {
                    let place = self.random(self.likes.len());
                    let (number, _) = self.likes.remove(place);
                    self.removed.insert(number);
                }
                _ => {}
            }
        }
    }

    fn read_all(node: &TestNode, connection: i64, list: &mut List, is_moving: bool) -> usize {
        let mut taken_back = 0;
        let mut pass = node.flow(move |tx, close| connect::begin(tx, connection, HABIT, View::Public, close.now));
        loop {
            let number: usize = pass.cursor.as_deref().map_or(0, |cursor| cursor.parse().unwrap());
            let items = list.likes.iter().skip(number * PAGE).take(PAGE);
            let seen = |(number, at): &(u64, i64)| {
                let object = ObjectRef::new(GITHUB, &format!("{connection}000{number}")).unwrap();
                let post =
                    SeenPost { object, owner: None, title: number.to_string(), url: String::new(), published_at: None };
                (post, Some(Timestamp::from_seconds(1_370_200_000 + at)))
            };
            let page = Page {
                likes: items.map(seen).collect(),
                hidden: Vec::new(),
                unreadable: 0,
                next: (list.likes.len() > (number + 1) * PAGE).then(|| (number + 1).to_string()),
                etag: None,
                seen_at: node.now(),
            };
            if is_moving {
                list.change();
            }
            let (changed, after) =
                node.flow(move |tx, close| connect::apply(tx, close.instance, connection, HABIT, &page));
            taken_back += changed.taken_back;
            match after {
                After::Page(next) => pass = next,
                After::Done { .. } => return taken_back,
            }
        }
    }

    #[test]
    fn a_like_that_stands_is_never_taken_back_however_the_list_moves() {
        let node = TestNode::on(Backend::Sqlite);
        let mut found = 0;
        for seed in 0..40_u64 {
            let patron = node.patron(&format!("p{seed}")).build().id;
            let account = ExternalId::new(GITHUB, &format!("9{seed}")).unwrap();
            let connected =
                node.flow(move |tx, close| connections::connect(tx, patron, &account, "p", close.now)).unwrap();
            let likes = (0..seed % 14).map(|number| (number, -i64::try_from(number).unwrap())).collect();
            let mut list = List { likes, clock: 0, removed: BTreeSet::new(), seed };
            read_all(&node, connected.id, &mut list, false);
            for _ in 0..3 {
                found += read_all(&node, connected.id, &mut list, true);
                let known = (0..20).chain(1_000..1_020);
                for number in known.filter(|number| !list.removed.contains(number)) {
                    let object = ObjectRef::new(GITHUB, &format!("{}000{number}", connected.id)).unwrap();
                    let id = connected.id;
                    let like = node.flow(move |tx, _| match identities::object_by_ref(tx, &object)? {
                        Some(object) => connections::like_of(tx, id, object.id),
                        None => Ok(None),
                    });
                    assert!(!like.is_some_and(|like| like.is_gone), "seed {seed}: {number} still stands");
                }
            }
        }
        assert!(found > 20, "only {found} unlikes were found");
    }
}
