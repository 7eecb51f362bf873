//! A flattr: one like that counts. One patron, one object, one month.
//!
//! Owns the key under which a like counts at most once, the rule that says in which month it counts, and what a like, a
//! repeat, an unlike and a strike do to it. Source: docs/money.md, "What counts".

use super::identity::ObjectRef;
use super::time::{Month, Timestamp};

/// The identity of a flattr across the whole federation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// URI of the instance actor of the patron's home.
    pub home: String,
    /// URI of the patron's actor.
    pub patron: String,
    pub object: ObjectRef,
    pub month: Month,
}

impl Key {
    /// The text that is hashed: `home || patron || platform || object id || month`, joined by line feeds.
    pub fn text(&self) -> String {
        let Key { home, patron, object, month } = self;
        format!("{home}\n{patron}\n{}\n{}\n{month}", object.platform(), object.object())
    }
}

/// Where a like came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A Like activity by the patron's own actor or a proved account.
    Fediverse,
    /// A favourite read through the platform's API.
    Platform,
    /// A favourite read from the platform's export file.
    Export,
    /// The button on our own page.
    Page,
}

impl Source {
    pub const fn as_str(self) -> &'static str {
        match self {
            Source::Fediverse => "fediverse",
            Source::Platform => "platform",
            Source::Export => "export",
            Source::Page => "page",
        }
    }
}

/// The life of a flattr until its month is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Takes part in the division.
    Counting,
    /// Taken back by an unlike; the record is kept.
    TakenBack,
    /// Struck out by the patron; no repeat of the like brings it back.
    Struck,
    /// The patron's own object: never counts.
    Own,
    /// The creator refuses to be bridged, or the object was gone when it was liked: does not count.
    Refused,
    /// The object is deleted since it was liked: does not count while it is.
    Gone,
    /// Read from a source that asks first: waits for the patron's yes, and does not count until then.
    Suggested,
}

impl Standing {
    pub const ALL: [Standing; 7] = [
        Standing::Counting,
        Standing::TakenBack,
        Standing::Struck,
        Standing::Own,
        Standing::Refused,
        Standing::Gone,
        Standing::Suggested,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Standing::Counting => "counting",
            Standing::TakenBack => "taken_back",
            Standing::Struck => "struck",
            Standing::Own => "own",
            Standing::Refused => "refused",
            Standing::Gone => "gone",
            Standing::Suggested => "suggested",
        }
    }

    pub fn parse(text: &str) -> Option<Standing> {
        Standing::ALL.into_iter().find(|standing| standing.as_str() == text)
    }
}

/// What happened to a like before the freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// And nothing refuses it at that moment.
    Liked,
    /// Liked, at a source that asks first.
    Suggested,
    /// The patron says yes to a suggestion.
    Confirmed,
    Unliked,
    /// Also the patron's no to a suggestion.
    StruckOut,
    /// The owner refuses to be bridged.
    Refused,
    /// The post is deleted.
    Gone,
    /// A post that was deleted is there, and its owner does not refuse.
    Back,
}

/// The whole life of a flattr at a glance. Every step is legal: the world may repeat itself in any order.
pub fn step(standing: Standing, event: Event) -> Standing {
    use Standing::*;
    match (standing, event) {
        (Counting, Event::Liked | Event::Suggested | Event::Confirmed) => Counting,
        (Suggested, Event::Liked | Event::Confirmed) => Counting,
        (Suggested, Event::Suggested) => Suggested,
        (Counting | Suggested, Event::Unliked) => TakenBack,
        (TakenBack, Event::Liked) => Counting,
        (TakenBack, Event::Suggested) => Suggested,
        (TakenBack, Event::Confirmed | Event::Unliked) => TakenBack,
        (Counting | Suggested | TakenBack, Event::StruckOut) => Struck,
        (Counting | Suggested | TakenBack, Event::Refused) => Refused,
        (Struck, _) => Struck,
        (Own, _) => Own,
        (Counting, Event::Gone) => Gone,
        (Gone, Event::Back) => Counting,
        // A like that is taken back meanwhile does not come back with its post.
        (Gone, Event::Unliked) => TakenBack,
        (Gone, Event::StruckOut) => Struck,
        (Gone, Event::Refused) => Refused,
        (Gone, Event::Liked | Event::Suggested | Event::Confirmed | Event::Gone) => Gone,
        (Counting | Suggested | TakenBack | Refused, Event::Gone | Event::Back) => standing,
        // The refusal has ended: what is liked from then on counts, and nothing else comes back.
        (Refused, Event::Liked) => Counting,
        (Refused, Event::Suggested) => Suggested,
        (Refused, Event::Confirmed | Event::Unliked | Event::StruckOut | Event::Refused) => Refused,
    }
}

/// What the decision about a new like needs to know of the object and the patron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circumstances {
    /// The object belongs to an identity that the patron has claimed, or to the patron's own actor.
    pub is_own: bool,
    /// The owner refuses to be bridged, or the object is deleted.
    pub is_refused: bool,
}

/// The standing of a flattr that is recorded for the first time.
pub fn first_standing(circumstances: Circumstances) -> Standing {
    match circumstances {
        Circumstances { is_own: true, .. } => Standing::Own,
        Circumstances { is_refused: true, .. } => Standing::Refused,
        _ => Standing::Counting,
    }
}

/// The month in which a like counts.
///
/// - `received_at`: when the patron's home saw it.
/// - `liked_at`: the time that the platform or the activity gives, if any. It matters only in the 72 hours after a
///   cut-off: a like from before the cut-off that is seen inside them still counts in the old month. It never reopens an
///   older one.
/// - `is_frozen`: whether a month is already divided here; what is frozen stays frozen even if the clock was late.
pub fn month_of(
    received_at: Timestamp,
    liked_at: Option<Timestamp>,
    mut is_frozen: impl FnMut(Month) -> bool,
) -> Month {
    let mut current = Month::containing(received_at);
    let old = current.previous();
    let in_grace = received_at < old.freeze();
    let liked_before = liked_at.is_some_and(|at| at < old.cut_off());
    if in_grace && liked_before && !is_frozen(old) {
        return old;
    }
    while is_frozen(current) {
        current = current.next();
    }
    current
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(received_at: &str, liked_at: Option<&str>) -> String {
        let liked_at = liked_at.map(|at| at.parse().unwrap());
        month_of(received_at.parse().unwrap(), liked_at, |_| false).to_string()
    }

    #[test]
    fn a_like_counts_in_the_month_in_which_it_is_seen() {
        assert_eq!(month("2013-06-30T23:59:59Z", None), "2013-06");
        assert_eq!(month("2013-07-01T00:00:00Z", None), "2013-07");
        assert_eq!(month("2013-06-20T00:00:00Z", Some("2011-01-01T00:00:00Z")), "2013-06");
    }

    #[test]
    fn a_like_from_before_the_cut_off_counts_in_the_old_month_inside_the_grace_window() {
        assert_eq!(month("2013-07-03T23:59:59Z", Some("2013-06-30T12:00:00Z")), "2013-06");
        assert_eq!(month("2013-07-04T00:00:00Z", Some("2013-06-30T12:00:00Z")), "2013-07");
        assert_eq!(month("2013-07-02T00:00:00Z", Some("2013-07-01T00:00:00Z")), "2013-07");
    }

    #[test]
    fn an_old_platform_time_never_reopens_an_older_month() {
        assert_eq!(month("2013-07-02T00:00:00Z", Some("2013-04-01T00:00:00Z")), "2013-06");
    }

    #[test]
    fn a_frozen_month_takes_no_more_likes() {
        let june: Month = "2013-06".parse().unwrap();
        let received = "2013-07-02T00:00:00Z".parse().unwrap();
        let liked = Some("2013-06-30T00:00:00Z".parse().unwrap());
        assert_eq!(month_of(received, liked, |month| month == june).to_string(), "2013-07");
    }

    #[test]
    fn undo_and_like_again_is_one_flattr_but_a_strike_is_final() {
        use Event::{Liked, StruckOut, Unliked};
        let run = |events: &[Event]| events.iter().fold(Standing::Counting, |standing, event| step(standing, *event));
        assert_eq!(run(&[Unliked, Liked]), Standing::Counting);
        assert_eq!(run(&[Unliked, Liked, Unliked]), Standing::TakenBack);
        assert_eq!(run(&[StruckOut, Liked]), Standing::Struck);
    }

    #[test]
    fn a_suggestion_counts_only_after_a_yes() {
        use Event::*;
        let run = |events: &[Event]| events.iter().fold(Standing::Suggested, |standing, event| step(standing, *event));
        assert_eq!(run(&[Suggested]), Standing::Suggested);
        assert_eq!(run(&[Confirmed, Suggested]), Standing::Counting);
        assert_eq!(run(&[Unliked, Confirmed]), Standing::TakenBack);
        assert_eq!(run(&[StruckOut, Confirmed, Suggested, Liked]), Standing::Struck);
    }

    #[test]
    fn a_refusal_ends_every_like_and_only_a_new_like_counts_after_it() {
        use Event::*;
        for before in [Standing::Counting, Standing::Suggested, Standing::TakenBack] {
            let refused = step(before, Refused);
            assert_eq!(refused, Standing::Refused);
            assert_eq!(step(refused, Confirmed), Standing::Refused);
            assert_eq!(step(refused, Liked), Standing::Counting);
        }
        assert_eq!(step(Standing::Struck, Refused), Standing::Struck);
    }

    #[test]
    fn a_post_that_comes_back_counts_again_unless_its_like_is_gone() {
        use Event::*;
        let run = |events: &[Event]| events.iter().fold(Standing::Counting, |standing, event| step(standing, *event));
        assert_eq!(run(&[Gone]), Standing::Gone);
        assert_eq!(run(&[Gone, Liked, Gone]), Standing::Gone);
        assert_eq!(run(&[Gone, Gone, Back]), Standing::Counting);
        assert_eq!(run(&[Gone, Unliked, Back]), Standing::TakenBack);
        assert_eq!(run(&[StruckOut, Gone, Back]), Standing::Struck);
        assert_eq!(run(&[Unliked, Gone, Back, Liked]), Standing::Counting);
    }

    #[test]
    fn own_objects_never_count() {
        let own = Circumstances { is_own: true, is_refused: false };
        assert_eq!(step(first_standing(own), Event::Liked), Standing::Own);
    }
}
