//! Whose a like is: of who owned the post when it was liked, or of whom that is first known afterwards.

use std::time::Duration;

use diesel::connection::SimpleConnection;

use super::node::{Patron, TestNode};
use super::on_both_databases;
use crate::domain::consent::Source;
use crate::domain::flattr::Source as LikeSource;
use crate::domain::id::ObjectId;
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::money::{Amount, Currency};
use crate::flows::flattr::{self, PatronLike};
use crate::flows::notice::{self, SeenPost};
use crate::flows::{claim, close_month, consent};
use crate::storage::identities::{self, Identity, SeenIdentity};
use crate::storage::{Error, Tx, consent as stored, likes, posts};

const MIRA: &str = "github:1";
const OLAF: &str = "github:2";
const WHELK: &str = "github:77";

fn identity(node: &TestNode, account: &str) -> Identity {
    let id: ExternalId = account.parse().unwrap();
    node.read(move |tx| identities::identity_by_external_id(tx, &id)).expect("known")
}

fn refuse(node: &TestNode, account: &str) {
    let id = identity(node, account).id;
    node.flow(move |tx, close| consent::refuse(tx, id, Source::Operator, close.now));
}

/// The standings of a patron's flattrs for a post, oldest first.
fn standing(node: &TestNode, patron: &Patron, object: ObjectId) -> String {
    let patron = patron.id;
    node.read(move |tx| likes::latest_flattr(tx, patron, object)).expect("liked").standing
}

fn resolve_known(node: &TestNode) {
    for object in node.read(|tx| posts::resolved(tx, None, 100)) {
        node.flow(move |tx, close| claim::resolve(tx, close.instance, object, close.now));
    }
}

/// Two transactions of which each may come first: whichever is slow, the other waits for it.
#[test]
fn a_like_and_the_news_of_whose_the_post_is_do_not_miss_each_other() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let ana = node.patron("ana").build();
        let (database, instance, now) = (node.database(), node.instance.clone(), node.now());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
        for (number, is_like_slow) in [(1, true), (2, false)] {
            let post = node.orphan(&format!("github:{number}"));
            let object = ObjectRef::new(Platform::GitHub, &number.to_string()).unwrap();
            let owner = SeenIdentity {
                external_id: MIRA.parse().unwrap(),
                handle: "mira".into(),
                display_name: "Mira".into(),
                profile_url: "https://platform.example/mira".into(),
                avatar_url: None,
                bio: String::new(),
            };
            let seen =
                SeenPost { object, owner: Some(owner), title: "x".into(), url: String::new(), published_at: None };
            let like = PatronLike {
                patron: ana.id,
                object: post,
                source: LikeSource::Page,
                received_at: now,
                liked_at: None,
                like_uri: None,
            };
            let wait = |is_slow: bool| std::thread::sleep(Duration::from_millis(if is_slow { 400 } else { 0 }));
            let begin = |is_slow: bool| std::thread::sleep(Duration::from_millis(if is_slow { 0 } else { 150 }));
            let (first, second, instance) = (database.clone(), database.clone(), instance.clone());
            let liking = runtime.spawn(async move {
                begin(is_like_slow);
                let liked = first.write(move |tx| {
                    let liked = flattr::record(tx, &like);
                    wait(is_like_slow);
                    liked
                });
                liked.await.unwrap();
            });
            let noting = runtime.spawn(async move {
                begin(!is_like_slow);
                let noted = second.write(move |tx| {
                    let noted = notice::post(tx, &instance, &seen, now);
                    wait(!is_like_slow);
                    noted
                });
                noted.await.unwrap();
            });
            runtime.block_on(futures_util::future::try_join(liking, noting)).unwrap();
            let patron = ana.id;
            let known = node.read(move |tx| likes::latest_flattr(tx, patron, post)).expect("liked");
            assert_eq!(known.owner(), Some(identity(&node, MIRA).id), "the like was slow: {is_like_slow}");
        }
    });
}

/// Ana liked the repository while it was mira's; then it went to olaf, and boris liked it.
fn transferred(node: &TestNode) -> (Patron, Patron, ObjectId) {
    let (ana, boris) = (node.patron("ana").deposited("4.00").build(), node.patron("boris").deposited("4.00").build());
    let whelk = node.object(MIRA, WHELK);
    node.like(&ana, whelk);
    assert_eq!(node.object(OLAF, WHELK), whelk);
    node.like(&boris, whelk);
    (ana, boris, whelk)
}

#[test]
fn a_share_is_for_the_owner_at_the_time_of_the_like() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let (ana, _, whelk) = transferred(&node);
        let waits = |account: &str| {
            let id = identity(&node, account).id;
            node.read(move |tx| Ok((likes::waiting_for_owner(tx, id)?, likes::count_for_owner(tx, id)?)))
        };
        assert_eq!((waits(MIRA), waits(OLAF)), (((1, 1), 1), ((1, 1), 1)));
        // Back and again is one flattr: the first, which was for mira.
        node.unlike(&ana, whelk);
        node.like(&ana, whelk);
        node.close_month("2013-06");
        node.assert_ledger("patron:ana:held:github:1 2.00, patron:ana:held:github:2 0.00");
        node.assert_ledger("patron:boris:held:github:2 2.00, patron:boris:held:github:1 0.00");
        // The next month is a new flattr, for who owns it now.
        node.at("2013-07-10T00:00:00Z").like(&ana, whelk);
        node.close_month("2013-07");
        node.assert_ledger("patron:ana:held:github:1 2.00, patron:ana:held:github:2 2.00");
        let (mira, olaf) = (node.creator("mira"), node.creator("olaf"));
        assert_eq!((node.claim(&mira, MIRA).shares, node.claim(&olaf, OLAF).shares), (1, 2));
        node.assert_ledger("creator:mira:available 2.00, creator:olaf:available 4.00");
    });
}

#[test]
fn who_refuses_ends_the_likes_that_are_theirs_and_no_others() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let (ana, boris, whelk) = transferred(&node);
        refuse(&node, OLAF);
        assert_eq!(
            (standing(&node, &ana, whelk), standing(&node, &boris, whelk)),
            ("counting".into(), "refused".into())
        );
        // Ana's is mira's still, read again or taken back and liked again.
        node.like(&ana, whelk);
        node.unlike(&ana, whelk);
        node.like(&ana, whelk);
        assert_eq!(standing(&node, &ana, whelk), "counting");
        node.close_month("2013-06");
        node.assert_ledger("patron:ana:held:github:1 2.00, patron:boris:available 4.00");
        refuse(&node, MIRA);
        node.assert_ledger("patron:ana:held:github:1 0.00, patron:ana:available 4.00");
    });
}

#[test]
fn whether_a_like_is_of_ones_own_post_is_judged_by_whose_it_was_then() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let (ana, boris, whelk) = transferred(&node);
        let login = |patron: &Patron| {
            let id = patron.id;
            node.read(move |tx| crate::storage::people::patron(tx, id)).expect("registered").login_id
        };
        // Boris turns out to be mira, of whom ana's like is: his own is for olaf.
        node.claim_by_login(login(&boris), MIRA);
        node.close_month("2013-06");
        node.assert_ledger("creator:boris:available 2.00, patron:boris:held:github:2 2.00, patron:ana:available 2.00");
        assert_eq!(standing(&node, &ana, whelk), "counting");
    });
}

#[test]
fn what_was_held_for_a_post_is_for_whom_it_was_first_known_to_be() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let ana = node.patron("ana").deposited("4.00").build();
        let whelk = node.orphan(WHELK);
        node.like(&ana, whelk);
        node.close_month("2013-06");
        node.assert_ledger("patron:ana:held:post:github:77 2.00");
        node.at("2013-07-10T00:00:00Z").like(&ana, whelk);
        // Known, and gone to somebody else before anything was handed on.
        assert_eq!(node.object(MIRA, WHELK), whelk);
        node.object(OLAF, WHELK);
        resolve_known(&node);
        node.assert_ledger("patron:ana:held:post:github:77 0.00, patron:ana:held:github:1 2.00");
        let patron = ana.id;
        let worth = node.flow(move |tx, close| {
            let patron = crate::storage::people::patron(tx, patron)?.expect("registered");
            close_month::preview(tx, close.instance, &patron, "2013-07".parse().unwrap())
        });
        let mira = identity(&node, MIRA).id.0;
        assert_eq!((worth.len(), worth[0].0.owner_id), (1, Some(mira)));
        assert_eq!(worth[0].1, Amount::from_units(2_000_000, Currency::EUR));
        node.close_month("2013-07");
        node.assert_ledger("patron:ana:held:github:1 4.00, patron:ana:held:github:2 0.00");
    });
}

#[test]
fn what_was_liked_before_owners_were_kept_is_for_the_payee_of_its_share_or_else_for_who_owns_the_post() {
    const STEPS: [(&str, &str); 2] = [
        (
            include_str!("../../migrations/sqlite/2026-11-22-000021_flattr_owner/down.sql"),
            include_str!("../../migrations/sqlite/2026-11-22-000021_flattr_owner/up.sql"),
        ),
        (
            include_str!("../../migrations/postgresql/2026-11-22-000021_flattr_owner/down.sql"),
            include_str!("../../migrations/postgresql/2026-11-22-000021_flattr_owner/up.sql"),
        ),
    ];
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let (ana, boris, whelk) = transferred(&node);
        let orphan = node.orphan("github:78");
        node.like(&ana, orphan);
        node.close_month("2013-06");
        node.at("2013-07-10T00:00:00Z").like(&ana, whelk);
        node.object(MIRA, WHELK);
        node.flow(|tx, _| -> Result<(), Error> {
            let run = |result: diesel::QueryResult<()>| result.map_err(Error::Query);
            match tx {
                Tx::Sqlite(db) => [STEPS[0].0, STEPS[0].1].map(|sql| run(db.batch_execute(sql))),
                Tx::Postgres(db) => [STEPS[1].0, STEPS[1].1].map(|sql| run(db.batch_execute(sql))),
            }
            .into_iter()
            .collect()
        });
        let (mira, olaf) = (identity(&node, MIRA).id, identity(&node, OLAF).id);
        let owner = |patron: &Patron, object: ObjectId, month: &str| {
            let (patron, month) = (patron.id, month.parse().unwrap());
            node.read(move |tx| likes::flattr_by_key(tx, patron, object, month)).expect("liked").owner()
        };
        assert_eq!((owner(&ana, whelk, "2013-06"), owner(&boris, whelk, "2013-06")), (Some(mira), Some(olaf)));
        assert_eq!((owner(&ana, whelk, "2013-07"), owner(&ana, orphan, "2013-06")), (Some(mira), None));
        node.object(OLAF, "github:78");
        resolve_known(&node);
        node.assert_ledger("patron:ana:held:github:1 1.00, patron:ana:held:github:2 1.00");
    });
}

#[test]
fn whose_a_liked_post_turns_out_to_be_is_asked_for_their_word_and_obeyed_where_it_is_known() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let ana = node.patron("ana").deposited("4.00").build();
        let due = || {
            let now = node.now();
            node.read(move |tx| stored::due_looks(tx, "github".parse().unwrap(), now, 10)).len()
        };
        let (whelk, shrimp) = (node.orphan(WHELK), node.orphan("github:78"));
        node.like(&ana, whelk);
        assert_eq!(due(), 0, "nobody knows whom to ask");
        node.object(MIRA, WHELK);
        assert_eq!(due(), 1);
        refuse(&node, MIRA);
        assert_eq!(standing(&node, &ana, whelk), "refused");
        node.like(&ana, shrimp);
        node.object(MIRA, "github:78");
        assert_eq!(standing(&node, &ana, shrimp), "refused", "at once, not when the month is divided");
        node.close_month("2013-06");
        node.assert_ledger("patron:ana:available 4.00");
    });
}

#[test]
fn who_is_known_only_after_the_division_is_asked_for_their_word_too() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let ana = node.patron("ana").deposited("4.00").build();
        let whelk = node.orphan(WHELK);
        node.like(&ana, whelk);
        node.close_month("2013-06");
        node.at("2013-07-10T00:00:00Z").object(MIRA, WHELK);
        let (mira, far) = (identity(&node, MIRA).id, node.now().plus(Duration::from_secs(9_000_000)));
        // Looked at before the share was hers: nobody gave for her then.
        node.flow(move |tx, _| stored::put_off(tx, mira, far, false, None));
        resolve_known(&node);
        let now = node.now();
        let due = node.read(move |tx| stored::due_looks(tx, "github".parse().unwrap(), now, 10));
        assert_eq!(due.len(), 1);
        let since = "2013-07".parse().unwrap();
        assert!(node.read(move |tx| stored::matters(tx, mira, since)));
    });
}
