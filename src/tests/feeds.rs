//! Posts of accounts that somebody follows or has claimed: what is told to followers, what is kept, and what becomes of the
//! money when a post goes, comes back, or turns out to have an author.

use super::node::{Patron, TestNode};
use super::{Backend, eur, on_both_databases};
use crate::domain::consent::Source;
use crate::domain::flattr::{Source as LikeSource, Standing};
use crate::domain::id::{ActorId, IdentityId, ObjectId};
use crate::domain::identity::{ExternalId, ObjectRef};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;
use crate::flows::claim::{self, Released};
use crate::flows::consent;
use crate::flows::feed::{self, After, Found, Page, SeenDetails};
use crate::flows::flattr::{self, PatronLike};
use crate::flows::notice::{self, SeenPost};
use crate::flows::suggest;
use crate::storage::identities::{self, Object, SeenIdentity};
use crate::storage::posts::{self, FullForm};
use crate::storage::{feeds, inbox, likes, outbox};

const MIRA: &str = "flickr:7";
const FOLLOWED: &str = "2013-06-02T12:00:00Z";

fn mira() -> SeenIdentity {
    SeenIdentity {
        external_id: MIRA.parse().unwrap(),
        handle: "mira".into(),
        display_name: "mira".into(),
        profile_url: "https://www.flickr.com/people/mira/".into(),
        avatar_url: None,
        bio: String::new(),
    }
}

/// One post of mira's as a listing shows it.
fn listed(id: u32, published: &str, text: &str) -> (SeenPost, SeenDetails) {
    let post = SeenPost {
        object: ObjectRef::new("flickr".parse().unwrap(), &id.to_string()).unwrap(),
        owner: Some(mira()),
        title: format!("Photo {id}"),
        url: format!("https://www.flickr.com/photos/mira/{id}/"),
        published_at: Some(published.parse().unwrap()),
    };
    let full = FullForm { description: Some(text.into()), ..FullForm::default() };
    (post, SeenDetails { kind: "image", thumbnail_url: None, full })
}

/// An instance that knows mira's account.
struct Scene {
    node: TestNode,
    identity: IdentityId,
    actor: ActorId,
}

impl Scene {
    fn on(backend: Backend) -> Scene {
        let node = TestNode::on(backend);
        node.at(FOLLOWED);
        let identity = node.flow(|tx, close| notice::identity(tx, close.instance, &mira(), close.now));
        Scene { node, identity: identity.id, actor: ActorId(identity.actor_id.unwrap()) }
    }

    fn follow(&self) {
        let actor = self.actor;
        self.node.flow(move |tx, close| {
            let follower = "https://social.example/users/ana";
            inbox::save_follow(tx, actor, follower, "https://social.example/inbox", "https://f.example/1", close.now)?;
            feed::followed(tx, actor, close.now)
        });
    }

    /// A whole pass over a listing of one page; `next` for one that goes on.
    fn read_page(&self, posts: &[(SeenPost, SeenDetails)], next: Option<&str>) -> After {
        let (identity, posts, next) = (self.identity, posts.to_vec(), next.map(str::to_owned));
        self.node.flow(move |tx, close| {
            feed::begin(tx, identity, false, close.now)?.expect("somebody waits for these posts");
            let page = Page { posts: posts.clone(), unreadable: 0, next: next.clone(), seen_at: close.now };
            feed::apply(tx, close.instance, identity, &page)
        })
    }

    fn read(&self, posts: &[(SeenPost, SeenDetails)]) {
        assert!(matches!(self.read_page(posts, None), After::Done { unreadable: 0 }));
    }

    /// What was said since the last call, as `create 1`: the kind, and the number of the photo or `mira`.
    fn said(&self) -> Vec<String> {
        self.node.flow(|tx, _| {
            let mut said = Vec::new();
            for event in outbox::open_events(tx, 1_000)? {
                outbox::finish_event(tx, event.id)?;
                let id = event.subject.parse().expect("a number");
                let about = match event.kind.as_str() {
                    "update_actor" => "mira".to_owned(),
                    "create" | "update" | "delete" => identities::object(tx, ObjectId(id))?.unwrap().object,
                    _ => continue,
                };
                said.push(format!("{} {about}", event.kind));
            }
            Ok::<_, crate::storage::Error>(said)
        })
    }

    fn object(&self, id: u32) -> Object {
        let object = ObjectRef::new("flickr".parse().unwrap(), &id.to_string()).unwrap();
        self.node.read(move |tx| identities::object_by_ref(tx, &object)).expect("the photo is known")
    }

    /// The posts that are to be asked for by their id.
    fn asked_for(&self) -> Vec<String> {
        let now = self.node.now();
        let due = self.node.read(move |tx| posts::due_checks(tx, "flickr".parse().unwrap(), now, 100));
        due.into_iter().map(|(check, object)| format!("{} {}", check.reason, object.object)).collect()
    }

    fn answer(&self, id: u32, found: Found) {
        let object = self.object(id).id;
        self.node.flow(move |tx, close| feed::checked(tx, close.instance, object, &found, close.now));
    }

    fn standing(&self, patron: &Patron, id: u32) -> Standing {
        let (patron, object) = (patron.id, self.object(id).id);
        let flattr = self.node.read(move |tx| likes::latest_flattr(tx, patron, object)).expect("the flattr");
        flattr.standing().unwrap()
    }
}

#[test]
fn the_first_reading_is_a_baseline_and_what_is_published_later_is_told_once() {
    on_both_databases(|on| {
        let scene = Scene::on(on);
        scene.follow();
        let old = [listed(2, "2013-06-02T11:59:59Z", "b"), listed(1, "2013-05-01T00:00:00Z", "a")];
        scene.read(&old);
        assert_eq!(scene.said(), Vec::<String>::new());
        scene.node.at("2013-06-03T00:00:00Z");
        let [b, a] = old;
        let new = listed(3, "2013-06-02T20:00:00Z", "c");
        // One that is older than the follow and turns up late is no news.
        let late = listed(4, "2013-06-01T00:00:00Z", "d");
        scene.read(&[new.clone(), b.clone(), late.clone(), a.clone()]);
        assert_eq!(scene.said(), ["create 3"]);
        scene.read(&[new, b, late, a]);
        assert_eq!(scene.said(), Vec::<String>::new());
    });
}

#[test]
fn an_edit_is_told_once_and_a_claim_is_no_edit() {
    on_both_databases(|on| {
        let scene = Scene::on(on);
        scene.follow();
        scene.read(&[listed(1, "2013-05-01T00:00:00Z", "a")]);
        let full = |scene: &Scene| {
            let object = scene.object(1).id;
            scene.node.read(move |tx| posts::details(tx, object)).unwrap().full().unwrap()
        };
        assert_eq!(full(&scene), None, "nothing of an account that nobody has claimed is kept");
        // A text that is not said yet may change unheard.
        scene.read(&[listed(1, "2013-05-01T00:00:00Z", "b")]);
        assert_eq!(scene.said(), Vec::<String>::new());
        let carol = scene.node.creator("carol");
        scene.node.claim(&carol, MIRA);
        assert_eq!(scene.said(), ["update_actor mira"]);
        scene.read(&[listed(1, "2013-05-01T00:00:00Z", "b")]);
        assert_eq!(scene.said(), Vec::<String>::new());
        assert_eq!(full(&scene).unwrap().description.as_deref(), Some("b"));
        for _ in 0..2 {
            scene.read(&[listed(1, "2013-05-01T00:00:00Z", "c")]);
        }
        assert_eq!(scene.said(), ["update 1"]);
        let object = scene.object(1).id;
        let edited_at = scene.node.read(move |tx| posts::details(tx, object)).unwrap().edited_at;
        assert_eq!(edited_at, Some(scene.node.now().micros()));
        // The claim is lost: what it allowed to keep goes with it.
        scene.node.look(MIRA, &[]);
        assert_eq!(scene.said(), ["update_actor mira"]);
        scene.read(&[listed(1, "2013-05-01T00:00:00Z", "c")]);
        assert_eq!((full(&scene), scene.said()), (None, Vec::new()));
    });
}

#[test]
fn files_that_are_only_signed_anew_are_no_edit() {
    let scene = Scene::on(Backend::Sqlite);
    let carol = scene.node.creator("carol");
    scene.node.claim(&carol, MIRA);
    scene.follow();
    let with_file = |url: &str| {
        let (post, mut details) = listed(1, "2013-05-01T00:00:00Z", "a");
        details.full.media = vec![posts::Medium {
            kind: "image".into(),
            url: url.into(),
            media_type: None,
            alt: None,
            width: None,
            height: None,
            poster: None,
        }];
        (post, details)
    };
    scene.read(&[with_file("https://cdn.example/1.jpg?signed=1")]);
    scene.said();
    scene.read(&[with_file("https://cdn.example/1.jpg?signed=2")]);
    assert_eq!(scene.said(), Vec::<String>::new());
    scene.read(&[with_file("https://cdn.example/2.jpg?signed=2")]);
    assert_eq!(scene.said(), ["update 1"]);
}

#[test]
fn a_post_that_is_missing_is_asked_for_before_it_is_believed_to_be_gone() {
    on_both_databases(|on| {
        let scene = Scene::on(on);
        let days = ["2013-05-04T00:00:00Z", "2013-05-03T00:00:00Z", "2013-05-02T00:00:00Z", "2013-05-01T00:00:00Z"];
        let [d, c, b, a] = [4, 3, 2, 1].map(|id| listed(id, days[4 - id as usize], "x"));
        scene.follow();
        scene.read(&[d.clone(), c.clone(), b.clone(), a.clone()]);
        // A first page speaks for the time that it covers and for no other.
        assert!(matches!(scene.read_page(&[d.clone(), b.clone()], Some("2")), After::Done { .. }));
        assert_eq!(scene.asked_for(), ["missing 3"]);
        assert!(!scene.object(3).is_deleted);
        // Unlisted, but there: nobody asks again.
        scene.answer(3, Found::There(Box::new(c)));
        scene.read(&[d.clone(), b.clone(), a.clone()]);
        assert_eq!(scene.asked_for(), Vec::<String>::new());
        // A listing that is not in the order of dates proves nothing before its end.
        scene.read_page(&[b.clone(), d.clone()], Some("2"));
        assert_eq!(scene.asked_for(), Vec::<String>::new());
        scene.read(&[d, b]);
        assert_eq!(scene.asked_for(), ["missing 1"]);
        scene.answer(1, Found::Gone);
        assert!(scene.object(1).is_deleted);
        assert_eq!(scene.said(), ["delete 1"]);
        scene.answer(1, Found::Gone);
        assert_eq!(scene.said(), Vec::<String>::new());
    });
}

#[test]
fn a_post_that_is_gone_before_the_freeze_does_not_count_and_after_it_is_settled() {
    on_both_databases(|on| {
        let scene = Scene::on(on);
        let node = &scene.node;
        let alice = node.patron("alice").deposited("4.00").build();
        let carol = node.creator("carol");
        node.claim(&carol, MIRA);
        scene.read(&[listed(2, "2013-05-02T00:00:00Z", "b"), listed(1, "2013-05-01T00:00:00Z", "a")]);
        let (one, two) = (scene.object(1).id, scene.object(2).id);
        node.like(&alice, one);
        node.like(&alice, two);
        scene.read(&[listed(2, "2013-05-02T00:00:00Z", "b")]);
        // In the grace window an old month is open.
        node.at("2013-07-02T00:00:00Z");
        scene.answer(1, Found::Gone);
        assert_eq!(scene.standing(&alice, 1), Standing::Gone);
        assert_eq!(scene.standing(&alice, 2), Standing::Counting);
        let undone =
            node.read(|tx| outbox::open_events(tx, 1_000)).into_iter().filter(|event| event.kind == "undo_like");
        assert_eq!(undone.count(), 1, "peers are told too");
        // To like it once more does not bring it back.
        node.like(&alice, one);
        assert_ne!(scene.standing(&alice, 1), Standing::Counting);
        node.close_month("2013-06");
        node.assert_ledger("creator:carol:available 2.00");
        let shares =
            node.read(move |tx| crate::storage::months::shares_of_patron(tx, alice.id, "2013-06".parse().unwrap()));
        assert_eq!(shares.len(), 1);
        scene.answer(2, Found::Gone);
        node.assert_ledger("creator:carol:available 2.00");
    });
}

#[test]
fn a_post_that_comes_back_counts_again_unless_the_like_was_taken_back() {
    on_both_databases(|on| {
        let scene = Scene::on(on);
        let node = &scene.node;
        let (alice, ben) = (node.patron("alice").build(), node.patron("ben").build());
        scene.follow();
        node.at("2013-06-03T00:00:00Z");
        let photo = listed(1, "2013-06-02T13:00:00Z", "a");
        scene.read(std::slice::from_ref(&photo));
        assert_eq!(scene.said(), ["create 1"]);
        let one = scene.object(1).id;
        node.like(&alice, one);
        node.like(&ben, one);
        scene.read(&[]);
        assert_eq!(scene.asked_for(), ["missing 1"]);
        scene.answer(1, Found::Gone);
        node.unlike(&ben, one);
        assert_eq!(scene.said(), ["delete 1"]);
        scene.read(std::slice::from_ref(&photo));
        assert_eq!(scene.said(), ["create 1"], "who deleted it must be told anew");
        assert!(!scene.object(1).is_deleted);
        assert_eq!((scene.standing(&alice, 1), scene.standing(&ben, 1)), (Standing::Counting, Standing::TakenBack));
        node.close_month("2013-06");
        node.assert_ledger("patron:alice:held:flickr:7 2.00, patron:ben:available 2.00");
    });
}

#[test]
fn a_rename_is_told_and_a_post_does_not_overwrite_what_the_profile_says() {
    on_both_databases(|on| {
        let scene = Scene::on(on);
        scene.follow();
        let whole = SeenIdentity {
            display_name: "Mira Reyes".into(),
            avatar_url: Some("https://cdn.example/mira.jpg".into()),
            bio: "Photographs".into(),
            ..mira()
        };
        scene.node.flow(move |tx, close| notice::identity(tx, close.instance, &whole, close.now));
        assert_eq!(scene.said(), ["update_actor mira"]);
        scene.read(&[listed(1, "2013-05-01T00:00:00Z", "a")]);
        assert_eq!(scene.said(), Vec::<String>::new());
        let (mut renamed, details) = listed(1, "2013-05-01T00:00:00Z", "a");
        renamed.owner.as_mut().unwrap().handle = "mira2".into();
        scene.read(&[(renamed, details)]);
        assert_eq!(scene.said(), ["update_actor mira"]);
        let id = scene.identity;
        let row = scene.node.read(move |tx| identities::identity(tx, id)).unwrap();
        assert_eq!(
            (row.handle.as_str(), row.display_name.as_str(), row.bio.as_str()),
            ("mira2", "Mira Reyes", "Photographs")
        );
        assert_eq!(row.actor_id, Some(scene.actor.0), "the actor stays");
    });
}

#[test]
fn nobody_is_read_for_whom_nobody_waits() {
    on_both_databases(|on| {
        let scene = Scene::on(on);
        scene.follow();
        scene.read(&[]);
        let (identity, actor) = (scene.identity, scene.actor);
        scene.node.flow(move |tx, _| inbox::end_follow(tx, actor, "https://social.example/users/ana"));
        let begun = scene.node.flow(move |tx, close| feed::begin(tx, identity, false, close.now));
        assert!(begun.is_none());
        assert!(scene.node.read(move |tx| feeds::feed(tx, identity)).is_none());
    });
}

/// A claimant's list as a claim makes it read, and then the job that hands on what was held.
fn resolve(scene: &Scene, posts: &[(SeenPost, SeenDetails)]) -> Released {
    scene.read(posts);
    resolve_known(&scene.node)
}

fn resolve_known(node: &TestNode) -> Released {
    let mut released = Released { shares: 0, amounts: Vec::new() };
    for object in node.read(|tx| posts::resolved(tx, None, 100)) {
        let more = node.flow(move |tx, close| claim::resolve(tx, close.instance, object, close.now));
        released.shares += more.shares;
        released.amounts.extend(more.amounts);
    }
    released
}

/// Alice flattred photos 1 and 2 from a file that names no author; June is closed.
fn two_held_posts(on: Backend) -> (Scene, Patron) {
    let scene = Scene::on(on);
    let alice = scene.node.patron("alice").with_budget("2.01").build();
    for id in ["flickr:1", "flickr:2"] {
        let photo = scene.node.orphan(id);
        scene.node.like(&alice, photo);
    }
    assert_eq!(scene.asked_for(), ["author 1", "author 2"]);
    scene.node.close_month("2013-06");
    (scene, alice)
}

fn held_and_available(node: &TestNode) -> Amount {
    let accounts = ["patron:alice:held:post:flickr:1", "patron:alice:held:post:flickr:2"];
    Amount::sum(accounts.map(|account| node.balance(account)), Currency::EUR).unwrap()
}

#[test]
fn whose_a_suggestion_is_is_asked_once_it_counts() {
    on_both_databases(|on| {
        let scene = Scene::on(on);
        let alice = scene.node.patron("alice").build();
        let photo = scene.node.orphan("flickr:1");
        let like = PatronLike {
            patron: alice.id,
            object: photo,
            source: LikeSource::Export,
            received_at: scene.node.now(),
            liked_at: None,
            like_uri: None,
        };
        scene.node.flow(move |tx, _| flattr::suggest(tx, &like));
        assert_eq!(scene.asked_for(), Vec::<String>::new());
        let patron = alice.id;
        let waiting = scene.node.read(move |tx| likes::latest_flattr(tx, patron, photo)).expect("recorded").id;
        scene.node.flow(move |tx, close| suggest::confirm(tx, patron, waiting, close.now));
        assert_eq!(scene.asked_for(), ["author 1"]);
    });
}

#[test]
fn a_claimants_own_list_releases_what_was_held_for_its_posts_exactly_once() {
    on_both_databases(|on| {
        let (scene, _) = two_held_posts(on);
        let node = &scene.node;
        assert_eq!(held_and_available(node), eur("2.01"));
        let carol = node.creator("carol");
        assert_eq!(node.claim(&carol, MIRA).shares, 0, "nobody knows yet whose these posts are");
        let one = listed(1, "2013-05-01T00:00:00Z", "a");
        let released = resolve(&scene, std::slice::from_ref(&one));
        assert_eq!(released.shares, 1);
        let paid = node.balance("creator:carol:available");
        assert_eq!(released.amounts, [paid]);
        assert_eq!(node.balance("patron:alice:held:post:flickr:1"), eur("0.00"));
        assert_eq!(node.balance("patron:alice:held:flickr:7"), eur("0.00"));
        assert_eq!(held_and_available(node), eur("2.01").checked_sub(paid).unwrap(), "the other waits");
        // Read again, claimed again, resolved again: nothing more.
        assert_eq!(resolve(&scene, &[one]).shares, 0);
        assert_eq!(node.claim(&carol, MIRA).shares, 0);
        let object = scene.object(1).id;
        node.flow(move |tx, _| posts::note_resolved(tx, object));
        assert_eq!(resolve_known(node).shares, 0);
        assert_eq!(node.balance("creator:carol:available"), paid);
        let asked: Vec<String> = scene.asked_for();
        assert_eq!(asked, ["author 2"], "a question that is answered is not asked");
        // The other goes back when its time is over; the one that was paid does not.
        node.at("2013-10-01T00:00:00Z");
        assert_eq!(node.expire(), 1);
        node.assert_ledger("patron:alice:held:post:flickr:2 0.00");
        assert_eq!(node.balance("creator:carol:available"), paid);
    });
}

#[test]
fn an_author_without_a_claim_is_waited_for_and_one_who_refuses_gives_back() {
    on_both_databases(|on| {
        let (scene, _) = two_held_posts(on);
        let node = &scene.node;
        let total = held_and_available(node);
        let answer = |id: u32| Found::There(Box::new(listed(id, "2013-05-01T00:00:00Z", "a")));
        scene.answer(1, answer(1));
        assert_eq!(resolve_known(node).shares, 0);
        let held = node.balance("patron:alice:held:flickr:7");
        assert!(held.is_positive());
        assert_eq!(held_and_available(node), total.checked_sub(held).unwrap());
        let identity: ExternalId = MIRA.parse().unwrap();
        node.flow(move |tx, close| {
            let row = identities::identity_by_external_id(tx, &identity)?.expect("known");
            consent::refuse(tx, row.id, Source::Operator, close.now)
        });
        assert_eq!(node.balance("patron:alice:available"), held);
        scene.answer(2, answer(2));
        assert_eq!(resolve_known(node).shares, 0);
        node.assert_ledger("patron:alice:available 2.01, patron:alice:held:post:flickr:2 0.00");
        node.close_month("2013-07");
    });
}

#[test]
fn a_claim_that_comes_after_the_author_is_known_releases_as_any_other() {
    on_both_databases(|on| {
        let (scene, alice) = two_held_posts(on);
        let node = &scene.node;
        node.at("2013-07-10T00:00:00Z");
        for id in [1, 2] {
            scene.answer(id, Found::There(Box::new(listed(id, "2013-05-01T00:00:00Z", "a"))));
        }
        resolve_known(node);
        node.deposit(&alice, eur("2.01"));
        node.like(&alice, scene.object(1).id);
        node.close_month("2013-07");
        let carol = node.creator("carol");
        let released = node.claim(&carol, MIRA);
        assert_eq!((released.shares, released.amounts), (3, vec![eur("4.02")]));
        let later: Timestamp = "2014-06-01T00:00:00Z".parse().unwrap();
        node.at_time(later);
        assert_eq!(node.expire(), 0);
        node.assert_ledger("creator:carol:available 4.02");
    });
}
