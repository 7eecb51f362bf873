//! Reading all pages of an account's likes, and what may be concluded from it.
//!
//! Owns the rule that an unlike is believed only when nothing else explains the absence. Platforms number their pages
//! by position, so a list that changes while it is read shifts under the reader:
//!
//! - a like inserted at the top pushes items down, and the next page repeats some. They are dropped here.
//! - a like taken back pulls items up, and one slips through between two pages. It is missing, though it still stands.
//!
//! The second looks exactly like an unlike. One pass over several pages is therefore never enough; see [`unlikes`].
//!
//! This is the model, over values: tests of connectors read whole listings with it. An instance reads page by page, because
//! a pass may be interrupted for hours, and `flows::connect` keeps the same rule over stored rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::identity::ObjectRef;
use crate::domain::time::Timestamp;

use super::LiveApi;
use super::error::Error;
use super::value::{LikeItem, LikesQuery, LikesReply, Quota};

/// A listing longer than this is a loop of the platform's or an attack, not a person.
pub const PAGES_MAX: u32 = 2_000;

/// How far to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Every page.
    All,
    /// Newest first, down to likes before this time. Choose the start of the last pass that ended well, and only on a
    /// platform with [`super::LikeOrder::NewestFirst`]; elsewhere, and for likes without a time, all pages are read.
    Since(Timestamp),
}

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassEnd {
    /// All pages were read and every item was understood.
    Complete,
    /// Read as far as asked, but some items could not be understood: the likes found count, an absence says nothing.
    CompleteButFor { unreadable: u32 },
    /// Stopped at [`Depth::Since`].
    ReachedKnown,
    /// The first page is as it was when its etag was taken.
    NotModified,
    /// Something went wrong on the way. What was read until then is good.
    Failed(Error),
}

/// What one pass over the pages found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Each post once, in the order of the platform.
    pub items: Vec<LikeItem>,
    pub pages: u32,
    /// Items that came on a second page as well: a sign that the list moved under the reader.
    pub repeats: u32,
    pub end: PassEnd,
    pub quota: Quota,
    /// Of the first page.
    pub etag: Option<String>,
}

impl Pass {
    /// All pages were read without an error.
    pub fn is_complete(&self) -> bool {
        self.end == PassEnd::Complete
    }

    /// Everything since the asked depth is in `items`, so the next pass may start from here.
    pub fn is_caught_up(&self) -> bool {
        matches!(self.end, PassEnd::Complete | PassEnd::ReachedKnown | PassEnd::NotModified)
    }

    fn likes(&self) -> BTreeMap<&ObjectRef, Option<Timestamp>> {
        self.items.iter().map(|item| (&item.post.id, item.liked_at)).collect()
    }
}

/// Reads an account's likes page by page.
///
/// - `query`: its cursor is ignored; a pass always starts at the first page.
/// - returns: always a pass. An error ends it early and stands in [`Pass::end`], so likes that were already read count.
pub async fn read(api: &dyn LiveApi, query: &LikesQuery, depth: Depth) -> Pass {
    let mut pass =
        Pass { items: Vec::new(), pages: 0, repeats: 0, end: PassEnd::Complete, quota: Quota::default(), etag: None };
    let mut seen_objects = BTreeSet::new();
    let mut seen_cursors = BTreeSet::new();
    let mut unreadable = 0;
    let mut query = LikesQuery { cursor: None, ..query.clone() };
    loop {
        let page = match api.likes(&query).await {
            Ok(LikesReply::Page(page)) => page,
            Ok(LikesReply::NotModified { quota }) => {
                pass.quota = quota;
                pass.end = PassEnd::NotModified;
                return pass;
            }
            Err(error) => {
                pass.end = PassEnd::Failed(error);
                return pass;
            }
        };
        pass.quota = page.quota;
        if pass.pages == 0 {
            pass.etag = page.etag;
        }
        pass.pages += 1;
        unreadable += page.unreadable;
        let reached = match depth {
            Depth::All => false,
            Depth::Since(start) => page.items.iter().any(|item| item.liked_at.is_some_and(|at| at < start)),
        };
        for item in page.items {
            if seen_objects.insert(item.post.id.clone()) {
                pass.items.push(item);
            } else {
                pass.repeats += 1;
            }
        }
        let Some(next) = page.next else { break };
        if reached {
            pass.end = if unreadable == 0 { PassEnd::ReachedKnown } else { PassEnd::CompleteButFor { unreadable } };
            return pass;
        }
        if pass.pages >= PAGES_MAX || !seen_cursors.insert(next.as_str().to_owned()) {
            pass.end = PassEnd::Failed(Error::malformed("the pages of this listing do not come to an end"));
            return pass;
        }
        query.cursor = Some(next);
        query.etag = None;
    }
    if unreadable > 0 {
        pass.end = PassEnd::CompleteButFor { unreadable };
    }
    pass
}

/// What passes say about likes that we know and that are not listed any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unlikes {
    /// Nothing can be concluded; try again at the next poll.
    Unknown,
    /// Something is missing. Read everything once more at once and ask again with both passes.
    ReadAgain,
    /// These, and only these, were taken back.
    Certain(Vec<ObjectRef>),
}

/// Which of the `known` likes are taken back.
///
/// - `known`: the likes that we hold for this account and platform.
/// - `first`, `second`: two passes over all pages, the second started after the first had ended.
///
/// One page is one moment, so a single complete page is proof. Over several pages an item can slip through only when
/// the items above the next page become fewer, that is when one of them is taken back. Such an item either was there
/// before and had been read: then it, with its time, is missing from the second pass. Or it came while the first pass
/// ran: then it had pushed the list down before, and a page began with a repeat. So when nothing was repeated in the
/// first pass, and the second still shows everything that the first had read, the first missed nothing.
pub fn unlikes(known: &BTreeSet<ObjectRef>, first: &Pass, second: Option<&Pass>) -> Unlikes {
    if !first.is_complete() {
        return Unlikes::Unknown;
    }
    let listed = first.likes();
    let missing: Vec<&ObjectRef> = known.iter().filter(|object| !listed.contains_key(object)).collect();
    if missing.is_empty() || first.pages <= 1 {
        return Unlikes::Certain(missing.into_iter().cloned().collect());
    }
    let Some(second) = second else { return Unlikes::ReadAgain };
    let again = second.likes();
    let stood_still = first.repeats == 0 && listed.iter().all(|(object, liked_at)| again.get(object) == Some(liked_at));
    if !second.is_complete() || !stood_still {
        return Unlikes::Unknown;
    }
    // What was liked again between the passes is a like, not an unlike.
    Unlikes::Certain(missing.into_iter().filter(|object| !again.contains_key(object)).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridges::value::{Post, PostKind};
    use crate::domain::identity::Platform;

    pub(super) fn object(number: u32) -> ObjectRef {
        ObjectRef::new(Platform::GitHub, &number.to_string()).unwrap()
    }

    pub(super) fn item(number: u32, at: i64) -> LikeItem {
        let post = Post::new(object(number), PostKind::Repository, number.to_string(), "");
        LikeItem { post, liked_at: Some(Timestamp::from_seconds(at)) }
    }

    pub(super) fn pass(likes: &[(u32, i64)], pages: u32, end: PassEnd) -> Pass {
        let items = likes.iter().map(|(number, at)| item(*number, *at)).collect();
        Pass { items, pages, repeats: 0, end, quota: Quota::default(), etag: None }
    }

    fn known(numbers: &[u32]) -> BTreeSet<ObjectRef> {
        numbers.iter().map(|number| object(*number)).collect()
    }

    #[test]
    fn an_absence_from_an_incomplete_listing_is_no_unlike() {
        for end in [
            PassEnd::Failed(Error::transient("502")),
            PassEnd::CompleteButFor { unreadable: 1 },
            PassEnd::ReachedKnown,
            PassEnd::NotModified,
        ] {
            assert_eq!(unlikes(&known(&[1]), &pass(&[], 1, end), None), Unlikes::Unknown);
        }
    }

    #[test]
    fn an_absence_from_a_single_complete_page_is_an_unlike() {
        let found = unlikes(&known(&[1, 2]), &pass(&[(2, 7)], 1, PassEnd::Complete), None);
        assert_eq!(found, Unlikes::Certain(vec![object(1)]));
    }

    #[test]
    fn an_absence_from_several_pages_needs_a_second_look() {
        let first = pass(&[(2, 7), (3, 6)], 2, PassEnd::Complete);
        let held = known(&[1, 2, 3]);
        assert_eq!(unlikes(&held, &first, None), Unlikes::ReadAgain);
        assert_eq!(unlikes(&held, &first, Some(&first)), Unlikes::Certain(vec![object(1)]));
        // Post 2 went away while the first pass ran: post 1 may have slipped through.
        let moved = pass(&[(3, 6), (1, 5)], 2, PassEnd::Complete);
        assert_eq!(unlikes(&held, &first, Some(&moved)), Unlikes::Unknown);
        // Post 2 went away and came back, which its new time betrays.
        let returned = pass(&[(2, 9), (3, 6)], 2, PassEnd::Complete);
        assert_eq!(unlikes(&held, &first, Some(&returned)), Unlikes::Unknown);
        // Another like came and went while the first pass ran, and took post 1 from between two pages.
        let shaken = Pass { repeats: 1, ..first.clone() };
        assert_eq!(unlikes(&held, &shaken, Some(&first)), Unlikes::Unknown);
        // Post 1 was liked again in between.
        let again = pass(&[(1, 9), (2, 7), (3, 6)], 2, PassEnd::Complete);
        assert_eq!(unlikes(&held, &first, Some(&again)), Unlikes::Certain(vec![]));
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::tests::{object, pass};
    use super::*;

    const PAGE: usize = 3;

    /// A list of likes, newest first, that changes after every page that is read.
    struct Moving {
        likes: Vec<(u32, i64)>,
        changes: std::vec::IntoIter<(bool, usize)>,
        clock: i64,
        ever_removed: BTreeSet<u32>,
    }

    impl Moving {
        fn change(&mut self) {
            let Some((inserts, place)) = self.changes.next() else { return };
            self.clock += 1;
            if inserts {
                self.likes.retain(|(number, _)| *number != 1_000 + place as u32);
                self.likes.insert(0, (1_000 + place as u32, self.clock));
            } else if !self.likes.is_empty() {
                let (number, _) = self.likes.remove(place % self.likes.len());
                self.ever_removed.insert(number);
            }
        }

        fn read(&mut self) -> Pass {
            let (mut found, mut pages, mut repeats) = (Vec::<(u32, i64)>::new(), 0, 0);
            loop {
                let start = pages as usize * PAGE;
                let page: Vec<_> = self.likes.iter().skip(start).take(PAGE).copied().collect();
                let has_next = self.likes.len() > start + PAGE;
                for like in page {
                    if found.iter().any(|old| old.0 == like.0) { repeats += 1 } else { found.push(like) }
                }
                pages += 1;
                self.change();
                if !has_next {
                    return Pass { repeats, ..pass(&found, pages, PassEnd::Complete) };
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn a_like_that_stands_is_never_taken_for_an_unlike(
            count in 0_u32..14,
            changes in proptest::collection::vec((any::<bool>(), 0_usize..20), 0..10),
        ) {
            let likes = (0..count).map(|number| (number, -i64::from(number))).collect();
            let mut list = Moving { likes, changes: changes.into_iter(), clock: 0, ever_removed: BTreeSet::new() };
            let known: BTreeSet<ObjectRef> = (0..count).map(object).collect();
            let first = list.read();
            let second = list.read();
            if let Unlikes::Certain(gone) = unlikes(&known, &first, Some(&second)) {
                for object in gone {
                    let number: u32 = object.object().parse().unwrap();
                    prop_assert!(list.ever_removed.contains(&number), "{number} still stands");
                }
            }
        }
    }
}
