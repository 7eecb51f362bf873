//! The ids that the platforms give out: of the form that each is known for, and the same in every run.
//!
//! Owns that no two things of a platform have the same id, and that a tweet's tells when it was made, as all have since
//! November 2010: whoever has only the id (the archive) and whoever is told the time learn the same.

use std::collections::BTreeMap;

use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

/// The first number that is given out. Above 2^53, so that a reader that keeps ids as floats is found out.
const FIRST: u64 = 9_007_199_254_740_993;
/// Twitter counted until 2010-11-04; from then on an id is the milliseconds since here, and 22 bits to tell apart what was
/// made within one.
const TWEETS_SINCE_MILLIS: i64 = 1_288_834_974_657;
/// The first tweet of a world whose clock stands before that.
const FIRST_TWEET: u64 = 20;

/// What was given out.
#[derive(Clone, Debug)]
pub struct Ids {
    next: u64,
    /// How many tweets were made in each millisecond since [`TWEETS_SINCE_MILLIS`].
    tweets: BTreeMap<u64, u64>,
    counted_tweets: u64,
}

impl Default for Ids {
    fn default() -> Ids {
        Ids { next: FIRST, tweets: BTreeMap::new(), counted_tweets: 0 }
    }
}

impl Ids {
    /// A number that nothing else has.
    pub fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// The id of a tweet that is made now: greater than of all that were made before.
    pub fn tweet(&mut self, now: Timestamp) -> String {
        let millis = u64::try_from(now.micros().div_euclid(1_000) - TWEETS_SINCE_MILLIS);
        let number = match millis {
            Ok(millis @ 1..0x200_0000_0000) => {
                let made = self.tweets.entry(millis).or_default();
                *made += 1;
                (millis << 22) + *made - 1
            }
            _ => {
                self.counted_tweets += 1;
                FIRST_TWEET + self.counted_tweets - 1
            }
        };
        number.to_string()
    }
}

/// A number as an id of the form that the platform gives out.
pub fn written(platform: Platform, number: u64, is_user: bool) -> String {
    match (platform, is_user) {
        (Platform::Flickr, true) => format!("{number}@N00"),
        (Platform::SoundCloud, true) => format!("soundcloud:users:{number}"),
        (Platform::SoundCloud, false) => format!("soundcloud:tracks:{number}"),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_form_that_the_platform_gives_out() {
        let check = |platform, is_user, expected| assert_eq!(written(platform, 77, is_user), expected);
        check(Platform::Flickr, true, "77@N00");
        check(Platform::Flickr, false, "77");
        check(Platform::SoundCloud, true, "soundcloud:users:77");
        check(Platform::SoundCloud, false, "soundcloud:tracks:77");
        check(Platform::Twitter, true, "77");
    }

    #[test]
    fn the_id_of_a_tweet_tells_its_millisecond_and_is_greater_than_all_before() {
        let mut ids = Ids::default();
        let now: Timestamp = "2013-06-01T12:00:00.250Z".parse().unwrap();
        let made: Vec<u64> = (0..5_000).map(|_| ids.tweet(now).parse().unwrap()).collect();
        assert!(made.is_sorted_by(|a, b| a < b) && made[0] > 1 << 53, "{}", made[0]);
        let millis = |id: u64| i64::try_from(id >> 22).unwrap() + TWEETS_SINCE_MILLIS;
        assert!(made.iter().all(|id| millis(*id) * 1_000 == now.micros()));
        let later = Timestamp::from_micros(now.micros() + 1_000);
        assert!(ids.tweet(later).parse::<u64>().unwrap() > made[4_999]);
        // Before ids told a time, they were counted.
        let early: Timestamp = "2006-03-21T20:50:14Z".parse().unwrap();
        assert_eq!((ids.tweet(early), ids.tweet(early)), ("20".to_owned(), "21".to_owned()));
    }
}
