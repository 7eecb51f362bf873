//! What patrons bring: export files and lists, through the jobs and into the database.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use diesel::prelude::*;
use proptest::prelude::*;
use proptest::test_runner::{Config as ProptestConfig, TestRunner};
use tokio::sync::Notify;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::node::TestNode;
use super::postgres::TestDatabase;
use super::{Backend, on_both_databases};
use crate::config::Config;
use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::import::{self, Brought, Owner, Part};
use crate::flows::notice::SeenPost;
use crate::flows::prove_account;
use crate::flows::register::{self, Registration};
use crate::jobs;
use crate::jobs::imports::{ImportFailure, Incoming, new_name, recover, step, take_file, take_list};
use crate::storage::connections::{self, Connection};
use crate::storage::identities::{self, SeenIdentity};
use crate::storage::imports::{Counted, Import};
use crate::storage::schema::{connection_likes, objects};
use crate::storage::{self, Tx, likes};

const TWITTER: Platform = Platform::Twitter;

/// An instance with one patron.
pub(super) struct Stage {
    pub(super) node: Node,
    pub(super) patron: PatronId,
    directory: tempfile::TempDir,
    _database: Option<TestDatabase>,
}

impl Stage {
    pub(super) async fn new() -> Stage {
        Stage::on(Backend::Sqlite).await
    }

    async fn on(backend: Backend) -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data").display().to_string();
        let database = (backend == Backend::Postgres).then(|| TestDatabase::create().unwrap());
        let mut overrides = vec![
            ("server.domain".to_owned(), "localhost:21998".to_owned()),
            ("server.data_dir".to_owned(), data),
            ("database.pool_size".to_owned(), "2".to_owned()),
            ("federation.allow_private_addresses".to_owned(), "127.0.0.0/8".to_owned()),
            // Nobody answers there.
            ("bridge.soundcloud.base_url".to_owned(), "http://127.0.0.1:1".to_owned()),
            ("bridge.soundcloud.token_url".to_owned(), "http://127.0.0.1:1/token".to_owned()),
        ];
        overrides.extend(database.iter().map(|database| ("database.url".to_owned(), database.url.clone())));
        let config = Config::load(None, std::iter::empty(), &overrides).unwrap().config;
        let node = Node::start(config).await.unwrap();
        let (instance, now) = (node.instance.clone(), node.now());
        let registered = node.write(move |tx| {
            let budget = Amount::from_units(10_000_000, Currency::EUR);
            let registration = Registration { name: "nils".to_owned(), budget, is_public: true, is_operator: false };
            register::register(tx, &instance, &registration, now)
        });
        let patron = registered.await.unwrap();
        Stage { node, patron, directory, _database: database }
    }

    async fn connect(&self, platform: Platform, account: &str, handle: &str) -> Connection {
        let (patron, now, handle) = (self.patron, self.node.now(), handle.to_owned());
        let account = ExternalId::new(platform, account).unwrap();
        let token = format!("token-{account}");
        let connected =
            self.node.write(move |tx| prove_account::trust(tx, patron, &account, &handle, &token, now)).await;
        connected.unwrap()
    }

    pub(super) async fn connections(&self) -> Vec<Connection> {
        let patron = self.patron;
        self.node.db.read(move |tx| connections::connections_of(tx, patron)).await.unwrap()
    }

    /// The operator's command.
    async fn import_as(
        &self,
        platform: Platform,
        name: &str,
        bytes: &[u8],
        account: Option<&str>,
    ) -> Result<Counted, ImportFailure> {
        let path = self.directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        jobs::import(&self.node, self.patron, platform, account.map(str::to_owned), false, &path, |_| {}).await
    }

    async fn import(&self, bytes: &[u8]) -> Result<Counted, ImportFailure> {
        self.import_as(TWITTER, "archive.zip", bytes, None).await
    }

    /// What a page does with an upload.
    pub(super) async fn upload(&self, platform: Platform, name: &str, bytes: &[u8]) -> Result<Import, ImportFailure> {
        let mut incoming = Incoming::begin(&self.node, new_name()).await.unwrap();
        incoming.write(bytes).await.unwrap();
        let stored = incoming.end().await.unwrap();
        take_file(&self.node, self.patron, platform, None, name, false, stored).await
    }

    pub(super) async fn row(&self, id: i64) -> Import {
        self.node.db.read(move |tx| storage::imports::import(tx, id)).await.unwrap().unwrap()
    }

    /// The names of the files that wait to be read.
    fn kept(&self) -> Vec<PathBuf> {
        let directory = self.node.config.server.data_dir.join("imports");
        fs::read_dir(directory).map_or_else(|_| Vec::new(), |files| files.map(|file| file.unwrap().path()).collect())
    }

    /// Posts that are known, and likes.
    async fn stored(&self) -> (i64, i64) {
        let count = |tx: &mut Tx| {
            let (objects, likes) = (objects::table.count(), connection_likes::table.count());
            Ok::<(i64, i64), storage::Error>(match tx {
                Tx::Sqlite(db) => (objects.get_result(*db)?, likes.get_result(*db)?),
                Tx::Postgres(db) => (objects.get_result(*db)?, likes.get_result(*db)?),
            })
        };
        self.node.db.read(count).await.unwrap()
    }
}

fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// `like.js` with these tweets.
fn like_js(ids: impl IntoIterator<Item = u64>) -> Vec<u8> {
    let row = |id: u64| format!(r#"{{"like":{{"tweetId":"{id}","fullText":"words of {id}"}}}}"#);
    let rows: Vec<String> = ids.into_iter().map(row).collect();
    format!("window.YTD.like.part0 = [{}]", rows.join(",")).into_bytes()
}

fn archive_of(account: &str, handle: &str, likes: &[u8]) -> Vec<u8> {
    let account =
        format!(r#"window.YTD.account.part0 = [{{"account":{{"accountId":"{account}","username":"{handle}"}}}}]"#);
    zip(&[("data/account.js", account.as_bytes()), ("data/like.js", likes)])
}

fn archive(ids: impl IntoIterator<Item = u64>) -> Vec<u8> {
    archive_of("4503599627370497", "nils", &like_js(ids))
}

fn counts(counted: &Counted) -> (u64, u64, u64) {
    (counted.likes, counted.flattrs, counted.baseline)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

#[test]
fn the_first_file_is_a_baseline_and_what_a_later_one_adds_counts_once() {
    on_both_databases(|backend| {
        block_on(async {
            let stage = Stage::on(backend).await;
            // The second holds a tweet twice.
            let (first, second) = (archive([30, 20, 10]), archive([50, 40, 30, 20, 40, 10]));
            assert_eq!(counts(&stage.import(&first).await.unwrap()), (3, 0, 3));
            assert_eq!(stage.stored().await, (3, 3));
            assert_eq!(counts(&stage.import(&first).await.unwrap()), (3, 0, 0), "the same file again");
            assert_eq!(counts(&stage.import(&second).await.unwrap()), (6, 2, 0));
            for _ in 0..2 {
                assert_eq!(counts(&stage.import(&second).await.unwrap()), (6, 0, 0));
                assert_eq!(stage.stored().await, (5, 5));
            }
            let [connection]: [Connection; 1] = stage.connections().await.try_into().unwrap();
            assert_eq!((connection.account.as_str(), connection.handle.as_str()), ("4503599627370497", "nils"));
        });
    });
}

#[test]
fn many_likes_at_once_leave_the_same_rows_as_one_after_the_other() {
    on_both_databases(|backend| {
        let node = TestNode::on(backend);
        let patrons = [node.patron("bulk").build(), node.patron("single").build()];
        let item = (0..6_u8, proptest::option::of(0..2_u8), 0..3_u8, proptest::option::of(0..3_u8));
        let plan = (proptest::collection::vec(item, 1..24), 1..9_usize, 0..24_usize, any::<bool>());
        let case = Cell::new(0);
        let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
        let outcome = TestRunner::new(config).run(&plan, |(items, batch, pause, is_baseline_set)| {
            case.set(case.get() + 1);
            let seen = [(&patrons[0], batch), (&patrons[1], 1)].map(|(patron, batch)| {
                let name = format!("{}-{}", patron.name, case.get());
                replay(&node, patron.id, &name, &items, batch, pause, is_baseline_set)
            });
            prop_assert_eq!(&seen[0], &seen[1]);
            Ok(())
        });
        outcome.unwrap();
    });
}

/// A like: which post, by whom, under which title, liked when.
type Random = (u8, Option<u8>, u8, Option<u8>);

/// Applies likes in batches, with a pause in which some of them go. Returns what stands in the database then.
fn replay(
    node: &TestNode,
    patron: PatronId,
    name: &str,
    items: &[Random],
    batch: usize,
    pause: usize,
    is_baseline_set: bool,
) -> BTreeMap<String, String> {
    let connected = node.now();
    let brought = Brought {
        patron,
        platform: TWITTER,
        owner: Owner { id: Some(ExternalId::new(TWITTER, name).unwrap()), handle: Some(name.to_owned()) },
        account: Some(name.to_owned()),
        may_name: false,
        is_list: false,
        file_name: "archive.zip".to_owned(),
        file_size: 1,
        stored_as: None,
        refused: None,
        is_complete: false,
    };
    let (account, token) = (ExternalId::new(TWITTER, name).unwrap(), format!("token-{name}"));
    node.flow(move |tx, close| prove_account::trust(tx, patron, &account, account.account(), &token, close.now));
    let row = node.flow(move |tx, close| import::begin(tx, &brought, "unused", close.now));
    let like = |(object, owner, title, liked_at): &Random| {
        let owner = owner.map(|owner| SeenIdentity {
            external_id: ExternalId::new(TWITTER, &format!("{name}-owner{owner}")).unwrap(),
            handle: format!("{name}-{owner}-{title}"),
            display_name: "Somebody".to_owned(),
            profile_url: "https://platform.example/somebody".to_owned(),
            avatar_url: None,
            bio: String::new(),
        });
        let post = SeenPost {
            object: ObjectRef::new(TWITTER, &format!("{name}-{object}")).unwrap(),
            owner,
            title: format!("title {title}"),
            url: format!("https://platform.example/{object}"),
            published_at: None,
        };
        // Before, at and after the connection.
        let at = |number: u8| Timestamp::from_micros(connected.micros() + (i64::from(number) - 1) * 1_000_000);
        (post, liked_at.map(at))
    };
    let (before, after) = items.split_at(pause.min(items.len()));
    let mut totals = (0, 0);
    let mut apply = |items: &[Random]| {
        for items in items.chunks(batch) {
            let (part, row) = (Part { likes: items.iter().map(like).collect(), ..Part::default() }, row.clone());
            let changed = node.flow(move |tx, close| import::apply(tx, close.instance, &row, &part, close.now));
            totals.0 += changed.flattrs;
            totals.1 += changed.baseline;
        }
    };
    apply(before);
    let connection = row.connection_id;
    node.flow(move |tx, close| {
        for like in connections::likes_not_seen_since(tx, connection, i64::MAX)? {
            let object = identities::object(tx, like.object_id)?.unwrap();
            if object.object.ends_with(['1', '4']) {
                connections::set_gone(tx, like.id)?;
            }
        }
        if is_baseline_set {
            connections::set_baseline(tx, connection, close.now)?;
        }
        Ok::<_, storage::Error>(())
    });
    apply(after);
    let (ended, name) = (row.clone(), name.to_owned());
    node.flow(move |tx, close| import::end(tx, &ended, true, close.now));
    let mut found = node.read(move |tx| {
        let mut found = BTreeMap::new();
        for number in 0..6 {
            let reference = ObjectRef::new(TWITTER, &format!("{name}-{number}")).unwrap();
            let Some(object) = identities::object_by_ref(tx, &reference)? else { continue };
            let owner = match object.owner() {
                Some(owner) => identities::identity(tx, owner)?.map(|owner| owner.account.replace(&name, "")),
                None => None,
            };
            let like = connections::like_of(tx, connection, object.id)?.unwrap();
            let flattr = likes::latest_flattr(tx, patron, object.id)?;
            let flattr = flattr.map(|flattr| (flattr.month, flattr.standing, flattr.liked_at));
            let shown = format!(
                "{owner:?} {} {} {} {:?} {} {} {} {flattr:?}",
                object.title,
                object.url,
                object.seen_at,
                like.liked_at,
                like.is_baseline,
                like.is_gone,
                like.seen_in_pass
            );
            found.insert(number.to_string(), shown);
        }
        let row = storage::imports::import(tx, row.id)?.unwrap();
        found.insert("counted".to_owned(), format!("{} {} {} {}", row.state, row.likes, row.flattrs, row.baseline));
        Ok(found)
    });
    found.insert("changed".to_owned(), format!("{totals:?}"));
    found
}

#[tokio::test]
async fn the_file_of_another_account_is_refused_and_changes_nothing() {
    let stage = Stage::new().await;
    stage.import(&archive([1])).await.unwrap();
    let before = stage.stored().await;
    let refused = stage.import(&archive_of("77", "mira", &like_js([2]))).await.unwrap_err().to_string();
    assert!(refused.contains("this is the file of mira, and nils is connected"), "{refused}");
    // The same handle with another number is another account: handles move.
    let refused = stage.import(&archive_of("78", "nils", &like_js([2]))).await.unwrap_err().to_string();
    assert!(refused.contains("this is the file of 78, and 4503599627370497 is connected"), "{refused}");
    assert_eq!(stage.stored().await, before);
    assert!(stage.upload(TWITTER, "t.zip", &archive_of("77", "mira", &like_js([2]))).await.is_err());
    assert!(stage.kept().is_empty(), "a file that is refused is not kept");
}

#[tokio::test]
async fn each_of_two_accounts_gets_its_own_file_and_one_without_a_name_asks_which() {
    let stage = Stage::new().await;
    let bare = like_js([5]);
    let refused = stage.import_as(TWITTER, "like.js", &bare, None).await.unwrap_err().to_string();
    assert!(refused.contains("does not say whose it is"), "{refused}");
    let first = stage.connect(TWITTER, "11", "nils").await;
    assert_eq!(counts(&stage.import_as(TWITTER, "like.js", &bare, None).await.unwrap()), (1, 0, 1), "there is one");
    let second = stage.connect(TWITTER, "22", "Nils_Photos").await;
    assert_eq!(counts(&stage.import(&archive_of("22", "nils_photos", &like_js([7, 8]))).await.unwrap()), (2, 0, 2));
    assert_eq!(
        counts(&stage.import(&archive_of("11", "nils", &like_js([5, 6]))).await.unwrap()),
        (2, 0, 1),
        "a file out of an archive is not all"
    );
    let refused = stage.import_as(TWITTER, "like.js", &bare, None).await.unwrap_err().to_string();
    assert!(refused.contains("several accounts are connected (nils, Nils_Photos)"), "{refused}");
    let counted = stage.import_as(TWITTER, "like.js", &bare, Some("@nils_photos")).await.unwrap();
    assert_eq!(counts(&counted), (1, 1, 0));
    let refused = stage.import_as(TWITTER, "like.js", &bare, Some("ida")).await.unwrap_err().to_string();
    assert!(refused.contains("no account `ida` is connected there; connected: nils, Nils_Photos"), "{refused}");
    let db = stage.node.db.clone();
    let of = |connection: i64| db.read(move |tx| connections::likes_not_seen_since(tx, connection, i64::MAX));
    assert_eq!((of(first.id).await.unwrap().len(), of(second.id).await.unwrap().len()), (2, 3));
}

#[tokio::test]
async fn tracks_that_are_known_by_address_only_are_counted_and_left_out() {
    let stage = Stage::new().await;
    stage.connect(Platform::SoundCloud, "soundcloud:users:7", "nils").await;
    let list = "Track;Liked at\nhttps://soundcloud.com/mira-lund/tide;2013-06-02\n\
                https://api.soundcloud.com/tracks/771;2013-06-03\nhttps://soundcloud.com/mira-lund/ebb;x\n";
    let counted = stage.import_as(Platform::SoundCloud, "likes.csv", list.as_bytes(), None).await.unwrap();
    assert_eq!((counted.likes, counted.unresolved, counted.unreadable, counted.baseline), (2, 1, 1, 1));
    assert_eq!(stage.stored().await, (1, 1), "a name that moves is not stored");
}

#[tokio::test]
async fn a_file_that_breaks_off_keeps_what_was_read_and_the_whole_one_goes_on() {
    let stage = Stage::new().await;
    let whole = like_js(1..=12_000);
    let row = stage.upload(TWITTER, "t.zip", &archive_of("11", "nils", &whole[..whole.len() - 2_000])).await.unwrap();
    assert!(step(&stage.node).await.unwrap());
    let failed = stage.row(row.id).await;
    assert_eq!((failed.state.as_str(), failed.error.as_deref()), ("failed", Some("the file ends in the middle")));
    assert!(failed.likes > 11_900 && failed.likes < 12_000, "{}", failed.likes);
    assert_eq!(stage.stored().await, (failed.likes, failed.likes));
    assert!(stage.kept().is_empty());
    let row = stage.upload(TWITTER, "t.zip", &archive_of("11", "nils", &whole)).await.unwrap();
    assert!(step(&stage.node).await.unwrap());
    let done = stage.row(row.id).await;
    let counted = (done.state.as_str(), done.likes, done.flattrs, done.baseline);
    assert_eq!(counted, ("done", 12_000, 0, 12_000 - failed.likes), "nothing of before pays, whenever it is read");
    assert_eq!(stage.stored().await, (12_000, 12_000));
}

#[tokio::test]
async fn an_interrupted_upload_goes_on_behind_what_was_saved_and_counts_as_if_it_never_had_been() {
    let stage = Stage::new().await;
    let row = stage.upload(TWITTER, "t.zip", &archive(1..=12_000)).await.unwrap();
    let [kept]: [PathBuf; 1] = stage.kept().try_into().unwrap();
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!kept.to_string_lossy().contains("t.zip"));
    // Ends as the process would: when the first batch is in.
    let saved = Arc::new(Notify::new());
    let (node, id, seen) = (stage.node.clone(), row.id, Arc::clone(&saved));
    let watching = tokio::spawn(async move {
        while node.db.read(move |tx| storage::imports::import(tx, id)).await.unwrap().unwrap().likes == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        seen.notify_one();
    });
    tokio::select! {
        worked = step(&stage.node) => panic!("it ended before it was interrupted: {worked:?}"),
        () = saved.notified() => {}
    }
    watching.await.unwrap();
    let stray = kept.with_file_name("0123456789abcdef");
    fs::write(&stray, "an upload that broke off").unwrap();
    recover(&stage.node).await.unwrap();
    assert!(!stray.exists() && kept.exists());
    let before = stage.row(row.id).await;
    assert_eq!(before.state, "waiting");
    assert!((1..12_000).contains(&before.likes), "{}", before.likes);
    assert!(step(&stage.node).await.unwrap());
    let done = stage.row(row.id).await;
    assert_eq!((done.state.as_str(), done.likes, done.flattrs, done.baseline), ("done", 12_000, 0, 12_000));
    assert_eq!(stage.stored().await, (12_000, 12_000));
    assert!(stage.kept().is_empty() && !step(&stage.node).await.unwrap());
}

#[tokio::test]
async fn a_patron_has_one_import_at_a_time_and_disconnecting_ends_it() {
    let stage = Stage::new().await;
    let row = stage.upload(TWITTER, "t.zip", &archive([1, 2])).await.unwrap();
    let busy = stage.upload(TWITTER, "t.zip", &archive([1, 2])).await.unwrap_err().to_string();
    assert!(busy.contains("another import is under way"), "{busy}");
    assert_eq!(stage.kept().len(), 1);
    let (patron, now) = (stage.patron, stage.node.now());
    stage.node.write(move |tx| prove_account::disconnect_platform(tx, patron, "twitter", now)).await.unwrap();
    assert!(step(&stage.node).await.unwrap());
    let failed = stage.row(row.id).await;
    assert!(failed.error.unwrap().contains("not connected any more"));
    assert_eq!((stage.stored().await, stage.kept().len()), ((0, 0), 0));
}

#[tokio::test]
async fn files_that_cannot_be_read_are_refused_with_what_to_do_and_leave_nothing() {
    let stage = Stage::new().await;
    let check = async |platform, name: &str, bytes: &[u8], expected: &str| {
        let refused = stage.upload(platform, name, bytes).await.unwrap_err().to_string();
        assert!(refused.contains(expected), "{name}: {refused}");
        assert!(stage.kept().is_empty(), "{name}");
    };
    let html = zip(&[("your_instagram_activity/likes/liked_posts.html", b"<html>".as_slice())]);
    check(Platform::Instagram, "i.zip", &html, "ask Instagram for it once more, in the format JSON").await;
    let climbing = zip(&[("../../etc/like.js", b"x".as_slice()), ("data/like.js", &like_js([1]))]);
    check(TWITTER, "t.zip", &climbing, "a member of the name `../../etc/like.js`").await;
    check(TWITTER, "photo.jpg", b"\xff\xd8\xff", "the file holds no list of likes").await;
    let half = archive([1]);
    check(TWITTER, "t.zip", &half[..half.len() / 2], "the archive is damaged").await;
    check(Platform::GitHub, "g.zip", &archive([1]), "no layout of an export file of github is known").await;
    assert_eq!(stage.stored().await, (0, 0));
    assert!(stage.connections().await.is_empty());
}

#[tokio::test]
async fn an_archive_that_unpacks_to_far_more_than_it_should_is_not_read_on() {
    let stage = Stage::new().await;
    // 16 MB of the same letter in as many likes as there are hundreds of kilobytes.
    let row = format!(r#"{{"like":{{"tweetId":"7","fullText":"{}"}}}}"#, "a".repeat(200_000));
    let bomb = format!("window.YTD.like.part0 = [{}]", vec![row.as_str(); 80].join(","));
    let row = stage.upload(TWITTER, "t.zip", &archive_of("11", "nils", bomb.as_bytes())).await.unwrap();
    assert!(step(&stage.node).await.unwrap());
    let failed = stage.row(row.id).await;
    assert_eq!(failed.error.as_deref(), Some("the file unpacks to far more than it should"));
    assert!(failed.likes < 80 && stage.kept().is_empty());
}

#[tokio::test]
async fn ids_above_two_to_the_53_are_kept_to_the_digit() {
    let stage = Stage::new().await;
    let ids = ["9007199254740993", "18446744073709551615"];
    let rows = format!(
        r#"window.YTD.like.part0 = [{{"like":{{"tweetId":{}}}}},{{"like":{{"tweetId":"{}"}}}},{{"like":{{"tweetId":9.007e15}}}}]"#,
        ids[0], ids[1]
    );
    let counted = stage.import(&archive_of("9007199254740995", "nils", rows.as_bytes())).await.unwrap();
    assert_eq!((counted.likes, counted.unreadable), (2, 1), "a float is no id");
    for id in ids {
        let object = ObjectRef::new(TWITTER, id).unwrap();
        assert!(stage.node.db.read(move |tx| identities::object_by_ref(tx, &object)).await.unwrap().is_some(), "{id}");
    }
    assert_eq!(stage.connections().await[0].account, "9007199254740995");
}

#[tokio::test]
async fn a_pasted_list_is_read_line_by_line_and_what_names_nothing_is_kept_to_be_shown() {
    let stage = Stage::new().await;
    let flickr = stage.connect(Platform::Flickr, "26545877@N00", "nils").await;
    let list = "https://www.flickr.com/photos/mira/2418735092/\n\n  flic.kr/p/4FJDFb  \nhttps://flickr.com.evil.example/photos/mira/1\n\
                https://www.flickr.com/photos/mira/\nhttps://www.flickr.com/photos/26545877@N00/9007199254740993\n";
    let row =
        take_list(&stage.node, stage.patron, Platform::Flickr, flickr.account.clone(), false, list).await.unwrap();
    let refused = "https://flickr.com.evil.example/photos/mira/1\nhttps://www.flickr.com/photos/mira/\n";
    assert_eq!(row.refused.as_deref(), Some(refused));
    assert!(step(&stage.node).await.unwrap());
    let done = stage.row(row.id).await;
    let counted = (done.state.as_str(), done.likes, done.baseline, done.unreadable, done.unresolved);
    // The first two are the same photo.
    assert_eq!(counted, ("done", 3, 2, 2, 0));
    assert_eq!((stage.stored().await, stage.kept().len()), ((2, 2), 0));
    let empty = take_list(&stage.node, stage.patron, Platform::Flickr, flickr.account, false, "\nnothing\n").await;
    assert!(empty.unwrap_err().to_string().contains("no line names a post") && stage.kept().is_empty());
}

#[tokio::test]
async fn an_export_in_another_language_and_under_a_new_name_is_the_owners() {
    let stage = Stage::new().await;
    let instagram = Platform::Instagram;
    let archive = |label: &str, handle: &str, codes: &[&str]| {
        let owner = format!(
            r#"{{"profile_user":[{{"string_map_data":{{"E-Mail-Adresse":{{"value":"n@n.example"}},"{label}":{{"value":"{handle}"}},
            "Geburtsdatum":{{"value":"1990-01-02"}},"Privates Konto":{{"value":"False"}}}}}}]}}"#
        );
        let links: Vec<String> = codes
            .iter()
            .map(|code| {
                format!(
                    r#"{{"title":"mira","string_list_data":[{{"href":"https://www.instagram.com/p/{code}/","timestamp":1370000000}}]}}"#
                )
            })
            .collect();
        let likes = format!(r#"{{"likes_media_likes":[{}]}}"#, links.join(","));
        zip(&[
            ("personal_information/personal_information.json", owner.as_bytes()),
            ("your_instagram_activity/likes/liked_posts.json", likes.as_bytes()),
        ])
    };
    let bring = async |bytes: &[u8], account: Option<&str>| stage.import_as(instagram, "i.zip", bytes, account).await;
    bring(&archive("Benutzername", "nils", &["BG9_t-x"]), None).await.unwrap();
    bring(&archive(r"K\u00c3\u00a4ytt\u00c3\u00a4j\u00c3\u00a4tunnus", "nils", &["BG9_t-x"]), None).await.unwrap();
    assert_eq!(stage.connections().await.len(), 1);
    // The account is called otherwise now: its owner says so by choosing it.
    let renamed = archive("Benutzername", "nils.lund", &["BG9_t-x", "BG9_t-y"]);
    let refused = bring(&renamed, None).await.unwrap_err().to_string();
    assert!(
        refused.contains("this is the file of nils.lund") && refused.contains("only its name has changed"),
        "{refused}"
    );
    bring(&renamed, Some("nils")).await.unwrap();
    bring(&renamed, None).await.unwrap();
    let connections = stage.connections().await;
    assert_eq!((connections.len(), connections[0].account.as_str()), (1, "@nils.lund"));
    assert_eq!(stage.stored().await, (2, 2));
}
