//! Who does not want to be bridged: what a refusal does, whose it is, and how it ends. And likes that wait for a yes.

use super::node::{Patron, TestNode};
use super::{Backend, on_both_databases};
use crate::domain::consent::{Said, Source};
use crate::domain::flattr::{Source as LikeSource, Standing};
use crate::domain::id::{FlattrId, ObjectId};
use crate::domain::identity::ExternalId;
use crate::domain::time::{Month, Timestamp};
use crate::flows::consent::{self, ConsentError, Reading};
use crate::flows::flattr::{self, PatronLike};
use crate::flows::suggest;
use crate::storage::connections::{self, Setting};
use crate::storage::identities::{self, Identity, SeenIdentity};
use crate::storage::{consent as stored, likes, outbox};

const MIRA: &str = "vimeo:1";
const TOKEN: &str = "00112233445566778899aabbccddeeff";
const NOBODY: [Source; 0] = [];

fn reading(account: &str, said: &Said, seen_at: Timestamp) -> Reading {
    let external_id: ExternalId = account.parse().unwrap();
    let seen = SeenIdentity {
        handle: "mira".into(),
        display_name: "Mira of the hills".into(),
        profile_url: "https://platform.example/mira".into(),
        avatar_url: Some("https://platform.example/mira.jpg".into()),
        bio: "What the profile says.".into(),
        external_id,
    };
    Reading { seen, said: said.clone(), seen_at }
}

fn no() -> Said {
    Said { has_tag: true, ..Said::default() }
}

fn nothing() -> Said {
    Said::default()
}

/// Reads the profile of an account, which says this.
fn hear_from(node: &TestNode, account: &str, said: &Said, seen_at: Timestamp) -> Identity {
    let reading = reading(account, said, seen_at);
    node.flow(move |tx, close| consent::hear(tx, close.instance, &reading, close.now))
}

fn hear(node: &TestNode, said: &Said) -> Identity {
    hear_from(node, MIRA, said, node.now())
}

fn refuse(node: &TestNode, source: Source) -> usize {
    let id = identity(node).id;
    node.flow(move |tx, close| consent::refuse(tx, id, source, close.now))
}

fn identity(node: &TestNode) -> Identity {
    let id: ExternalId = MIRA.parse().unwrap();
    node.read(move |tx| identities::identity_by_external_id(tx, &id)).expect("known")
}

fn refused_by(node: &TestNode) -> Vec<Source> {
    let identity = identity(node);
    let sources = node.read(move |tx| stored::refusals_of(tx, identity.id));
    assert_eq!(identity.is_refused, !sources.is_empty(), "the flag says what the rows say");
    sources.into_iter().map(|(source, _)| source).collect()
}

/// The standings of a patron's flattrs of a month, oldest first.
fn standings(node: &TestNode, patron: &Patron, month: &str) -> Vec<String> {
    let (id, month): (_, Month) = (patron.id, month.parse().unwrap());
    let found = node.read(move |tx| likes::flattrs_of_month(tx, id, month));
    found.into_iter().rev().map(|(flattr, _)| flattr.standing).collect()
}

fn events(node: &TestNode, kind: &'static str) -> usize {
    node.read(|tx| outbox::open_events(tx, 1_000)).into_iter().filter(|event| event.kind == kind).count()
}

/// June is closed with one share that waits, and in July the same video and another one are liked.
fn waiting(on: Backend) -> (TestNode, Patron, ObjectId) {
    let node = TestNode::on(on);
    let alice = node.patron("alice").deposited("4.00").build();
    let (video, other) = (node.object(MIRA, "vimeo:10"), node.object("vimeo:2", "vimeo:20"));
    node.like(&alice, video);
    node.close_month("2013-06");
    node.assert_ledger("patron:alice:held:vimeo:1 2.00");
    node.at("2013-07-10T00:00:00Z");
    node.like(&alice, video);
    node.like(&alice, other);
    (node, alice, video)
}

#[test]
fn a_profile_that_says_no_gives_back_what_waits_once_and_ends_what_counts() {
    on_both_databases(|on| {
        let (node, alice, _) = waiting(on);
        assert!(hear(&node, &no()).is_refused);
        node.assert_ledger("patron:alice:available 4.00, patron:alice:held:vimeo:1 0.00");
        assert_eq!(standings(&node, &alice, "2013-07"), ["refused", "counting"]);
        assert_eq!(events(&node, "undo_like"), 1, "the home of a creator would be told");
        let head = node.journal_head();
        hear(&node, &no());
        assert_eq!((node.journal_head(), node.expire()), (head, 0), "read again, it gives back nothing again");
        node.close_month("2013-07");
        node.assert_ledger("patron:alice:held:vimeo:1 0.00, patron:alice:held:vimeo:2 2.00");
    });
}

#[test]
fn a_refusal_ends_with_its_own_source_and_nothing_comes_back_by_itself() {
    on_both_databases(|on| {
        let (node, alice, video) = waiting(on);
        hear(&node, &no());
        refuse(&node, Source::Operator);
        refuse(&node, Source::Owner);
        hear(&node, &nothing());
        assert_eq!(refused_by(&node), [Source::Operator, Source::Owner], "the tag is gone, the others stay");
        let id = identity(&node).id;
        for source in [Source::Operator, Source::Owner] {
            assert!(node.flow(move |tx, _| consent::allow(tx, id, source)));
            assert!(!node.flow(move |tx, _| consent::allow(tx, id, source)));
        }
        assert_eq!(refused_by(&node), NOBODY);
        assert_eq!(standings(&node, &alice, "2013-07"), ["refused", "counting"]);
        node.assert_ledger("patron:alice:available 4.00, patron:alice:held:vimeo:1 0.00");
        node.like(&alice, video);
        assert_eq!(standings(&node, &alice, "2013-07"), ["counting", "counting"], "a new like counts again");
        node.close_month("2013-07");
        node.assert_ledger("patron:alice:held:vimeo:1 1.00, patron:alice:held:vimeo:2 1.00");
    });
}

#[test]
fn what_fails_after_a_refusal_leaves_no_half_of_it() {
    on_both_databases(|on| {
        let (node, alice, _) = waiting(on);
        let (reading, head) = (reading(MIRA, &no(), node.now()), node.journal_head());
        let failed = node.try_flow(move |tx, close| {
            consent::hear(tx, close.instance, &reading, close.now)?;
            Err::<(), _>(ConsentError::NoSuchOptOut)
        });
        assert!(failed.is_err());
        node.reopen();
        assert_eq!((refused_by(&node), node.journal_head()), (NOBODY.to_vec(), head));
        assert_eq!(standings(&node, &alice, "2013-07"), ["counting", "counting"]);
        node.assert_ledger("patron:alice:held:vimeo:1 2.00");
        hear(&node, &no());
        node.assert_ledger("patron:alice:available 4.00, patron:alice:held:vimeo:1 0.00");
    });
}

/// The share was on its way to a peer; when it cannot go there, it is held, for somebody who refuses.
#[test]
fn a_share_that_comes_to_be_held_after_the_refusal_goes_back_too() {
    on_both_databases(|on| {
        let world = super::world::World::on(on, &["alpha", "beta"]);
        let [alpha, beta] = &world.nodes[..] else { unreachable!("two nodes") };
        let alice = alpha.patron("alice").build();
        let video = alpha.object(MIRA, "vimeo:10");
        alpha.like(&alice, video);
        let dave = beta.creator("dave");
        alpha.hear_claim(MIRA, beta, &dave);
        alpha.at("2013-07-01T00:00:00Z").run_steps();
        alpha.at("2013-07-04T00:00:00Z");
        for _ in 0..3 {
            alpha.step();
        }
        hear(alpha, &no());
        alpha.run_steps();
        alpha.assert_ledger("patron:alice:reserved:2013-06 0.00, patron:alice:held:vimeo:1 2.00");
        assert_eq!((alpha.expire(), alpha.expire()), (1, 0));
        alpha.assert_ledger("patron:alice:available 2.00, patron:alice:held:vimeo:1 0.00");
        alpha.close_month("2013-07");
    });
}

#[test]
fn who_has_claimed_an_account_and_opts_out_keeps_the_proof_and_receives_nothing_more() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").deposited("4.00").build();
        let video = node.object(MIRA, "vimeo:10");
        let carol = node.creator("carol");
        let address = node.claim_address(carol.login, MIRA);
        node.look(MIRA, &[&address]);
        node.like(&alice, video);
        node.close_month("2013-06");
        node.at("2013-07-10T00:00:00Z").like(&alice, video);
        hear(&node, &no());
        let seen = node.look(MIRA, &[&address]);
        assert_eq!((seen.claims[0].state.as_str(), seen.released.shares), ("verified", 0));
        node.close_month("2013-07");
        node.assert_ledger("creator:carol:available 2.00, patron:alice:available 2.00, patron:alice:held:vimeo:1 0.00");
    });
}

#[test]
fn a_reading_that_was_begun_before_the_newest_decides_nothing() {
    on_both_databases(|on| {
        let (node, _, _) = waiting(on);
        let before = node.now();
        node.at("2013-07-10T01:00:00Z");
        hear(&node, &no());
        hear_from(&node, MIRA, &nothing(), before);
        assert_eq!(refused_by(&node), [Source::Profile]);
        node.at("2013-07-10T02:00:00Z");
        hear(&node, &nothing());
        hear_from(&node, MIRA, &no(), before);
        assert_eq!(refused_by(&node), NOBODY);
    });
}

#[test]
fn a_reading_that_does_not_show_every_setting_begins_a_refusal_and_ends_none() {
    on_both_databases(|on| {
        let (node, _, _) = waiting(on);
        hear(&node, &Said { has_flag: true, ..Said::default() });
        assert_eq!(refused_by(&node), [Source::Profile]);
        node.at("2013-07-11T00:00:00Z");
        let part = Said { is_partial: true, ..Said::default() };
        hear(&node, &part);
        assert_eq!(refused_by(&node), [Source::Profile], "the setting was not to be seen there");
        hear(&node, &nothing());
        assert_eq!(refused_by(&node), NOBODY);
        node.at("2013-07-12T00:00:00Z");
        hear(&node, &Said { has_tag: true, ..part });
        assert_eq!(refused_by(&node), [Source::Profile]);
    });
}

#[test]
fn of_an_account_that_refuses_no_actor_is_made_and_no_more_is_kept_than_its_name() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let kept = hear(&node, &no());
        assert_eq!((kept.actor_id, kept.display_name.as_str(), kept.bio.as_str()), (None, "mira", ""));
        assert_eq!(kept.avatar_url, None);
        let back = hear(&node, &nothing());
        assert!(back.actor_id.is_some() && !back.is_refused);
        assert_eq!(back.display_name, "Mira of the hills");
    });
}

#[test]
fn an_owner_opts_out_and_in_by_what_stands_in_the_profile() {
    on_both_databases(|on| {
        let (node, _, _) = waiting(on);
        let id: ExternalId = MIRA.parse().unwrap();
        let begin = |token: &'static str| {
            let id = id.clone();
            node.flow(move |tx, close| consent::begin(tx, &id, "mira", token, close.now))
        };
        assert_eq!(begin(TOKEN).token, begin("another").token, "one address for one account");
        let judge = |said: Said| {
            let reading = reading(MIRA, &said, node.now());
            node.flow(move |tx, close| consent::judge(tx, close.instance, TOKEN, &reading, close.now))
        };
        let ours = format!("alpha.example/{TOKEN}");
        let elsewhere = format!("beta.example/{TOKEN}");
        let out = |address: &str| Said { opt_outs: vec![address.to_owned()], ..Said::default() };
        let back = |address: &str| Said { opt_ins: vec![address.to_owned()], ..Said::default() };
        assert_eq!(judge(nothing()), NOBODY);
        node.assert_ledger("patron:alice:held:vimeo:1 2.00");
        assert_eq!(
            judge(out(&elsewhere)),
            [Source::Profile],
            "the address of another instance is a word, no proof here"
        );
        node.assert_ledger("patron:alice:held:vimeo:1 0.00");
        assert_eq!(judge(out(&ours)), [Source::Owner, Source::Profile]);
        assert_eq!(judge(nothing()), [Source::Owner], "the proof stays when the address goes");
        assert_eq!(judge(back(&elsewhere)), [Source::Owner]);
        let both = Said { opt_ins: vec![ours.clone()], ..out(&ours) };
        assert_eq!(judge(both), [Source::Owner, Source::Profile], "a no stands against a yes beside it");
        assert_eq!(judge(Said { has_tag: true, ..back(&ours) }), [Source::Owner, Source::Profile]);
        assert_eq!(judge(back(&ours)), NOBODY);
        assert!(!identity(&node).is_refused);
    });
}

#[test]
fn who_asks_and_says_nothing_is_not_made_known_by_asking() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let stranger: ExternalId = "vimeo:77".parse().unwrap();
        let id = stranger.clone();
        node.flow(move |tx, close| consent::begin(tx, &id, "stranger", TOKEN, close.now));
        let judge = |said: Said| {
            let reading = reading("vimeo:77", &said, node.now());
            node.flow(move |tx, close| consent::judge(tx, close.instance, TOKEN, &reading, close.now))
        };
        assert_eq!(judge(nothing()), NOBODY);
        let wanted = stranger.clone();
        assert!(node.read(move |tx| identities::identity_by_external_id(tx, &wanted)).is_none());
        assert_eq!(judge(no()), [Source::Profile]);
        let alice = node.patron("alice").build();
        let video = node.object("vimeo:77", "vimeo:10");
        node.like(&alice, video);
        assert_eq!(standings(&node, &alice, "2013-06"), ["refused"], "no new flattr forms");
    });
}

#[test]
fn a_like_for_an_account_makes_its_profile_due_unless_it_was_read_within_a_week() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let platform = "vimeo".parse().unwrap();
        let due = |node: &TestNode| {
            let now = node.now();
            node.read(move |tx| stored::due_looks(tx, platform, now, 10)).len()
        };
        let first = node.object(MIRA, "vimeo:10");
        assert_eq!(due(&node), 0, "seen, and nobody gives");
        node.like(&alice, first);
        assert_eq!(due(&node), 1);
        hear(&node, &nothing());
        node.at("2013-06-08T00:00:00Z");
        let (second, third) = (node.object(MIRA, "vimeo:11"), node.object(MIRA, "vimeo:12"));
        node.like(&alice, second);
        assert_eq!(due(&node), 0);
        let (id, far): (_, Timestamp) = (identity(&node).id, "2013-09-01T00:00:00Z".parse().unwrap());
        node.flow(move |tx, _| stored::put_off(tx, id, far, false, None));
        node.at("2013-06-20T00:00:00Z");
        node.like(&alice, third);
        assert_eq!(due(&node), 1, "put off because nobody gave, and now somebody does");
    });
}

/// A like of a source that asks first.
fn suggested(node: &TestNode, patron: &Patron, object: ObjectId) -> FlattrId {
    let like = PatronLike {
        patron: patron.id,
        object,
        source: LikeSource::Platform,
        received_at: node.now(),
        liked_at: None,
        like_uri: None,
    };
    node.flow(move |tx, _| flattr::suggest(tx, &like));
    let (patron, object) = (patron.id, object);
    node.read(move |tx| likes::latest_flattr(tx, patron, object)).expect("recorded").id
}

fn confirm(node: &TestNode, patron: &Patron, flattr: FlattrId) -> Option<Standing> {
    let patron = patron.id;
    node.flow(move |tx, close| suggest::confirm(tx, patron, flattr, close.now))
}

#[test]
fn a_suggestion_counts_after_the_yes_and_not_before() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let ben = node.patron("ben").with_budget("1.00").build();
        let objects =
            [10, 11, 12, 13].map(|number| node.object(&format!("vimeo:{number}"), &format!("vimeo:{number}")));
        let [yes, no, _, unliked] = objects.map(|object| suggested(&node, &alice, object));
        assert_eq!(events(&node, "like"), 0, "nobody is told of a suggestion");
        assert_eq!(confirm(&node, &ben, yes), None, "nobody answers for another");
        assert_eq!(confirm(&node, &alice, yes), Some(Standing::Counting));
        assert_eq!((confirm(&node, &alice, yes), events(&node, "like")), (None, 1));
        let patron = alice.id;
        assert!(node.flow(move |tx, _| suggest::dismiss(tx, patron, no)));
        node.unlike(&alice, objects[3]);
        assert_eq!((confirm(&node, &alice, no), confirm(&node, &alice, unliked)), (None, None));
        assert_eq!(standings(&node, &alice, "2013-06"), ["counting", "struck", "suggested", "taken_back"]);
        node.close_month("2013-06");
        node.assert_ledger("patron:alice:held:vimeo:10 2.00");
    });
}

#[test]
fn a_yes_after_the_freeze_counts_in_the_month_of_the_yes() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").deposited("6.00").build();
        let objects = [10, 11, 12].map(|number| node.object(&format!("vimeo:{number}"), &format!("vimeo:{number}")));
        let [early, late, again] = objects.map(|object| suggested(&node, &alice, object));
        node.at("2013-07-02T00:00:00Z");
        assert_eq!(confirm(&node, &alice, early), Some(Standing::Counting), "in the grace time, in its own month");
        node.close_month("2013-06");
        node.assert_ledger("patron:alice:held:vimeo:10 2.00");
        node.at("2013-07-10T00:00:00Z");
        node.like(&alice, objects[2]);
        assert_eq!(confirm(&node, &alice, late), Some(Standing::Counting));
        assert_eq!(confirm(&node, &alice, again), Some(Standing::Counting), "it is a flattr of July already");
        assert_eq!(standings(&node, &alice, "2013-06"), ["counting", "taken_back"]);
        assert_eq!(standings(&node, &alice, "2013-07").len(), 2, "and counts once");
        node.close_month("2013-07");
        node.assert_ledger("patron:alice:held:vimeo:11 1.00, patron:alice:held:vimeo:12 1.00");
    });
}

#[test]
fn a_source_that_stops_asking_answers_nothing_that_waits_and_a_refusal_takes_it_away() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let alice = node.patron("alice").build();
        let account: ExternalId = "vimeo:500".parse().unwrap();
        let id = alice.id;
        let connection = node
            .flow(move |tx, close| connections::connect(tx, id, &account, "alice", close.now))
            .expect("nobody else's");
        let set = |setting| node.flow(move |tx, _| connections::set_setting(tx, connection.id, setting));
        let setting = || {
            let id = connection.id;
            node.read(move |tx| connections::connection(tx, id)).expect("it is there").setting()
        };
        assert_eq!(setting(), Setting::All);
        for wanted in [Setting::Confirm, Setting::Off, Setting::All] {
            set(wanted);
            assert_eq!(setting(), wanted);
        }
        let video = node.object(MIRA, "vimeo:10");
        let waits = suggested(&node, &alice, video);
        assert_eq!(standings(&node, &alice, "2013-06"), ["suggested"]);
        refuse(&node, Source::Operator);
        assert_eq!(
            (confirm(&node, &alice, waits), standings(&node, &alice, "2013-06")),
            (None, vec!["refused".to_owned()])
        );
        assert_eq!(events(&node, "undo_like"), 0, "nobody had been told");
    });
}
