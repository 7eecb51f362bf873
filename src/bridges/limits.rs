//! What platforms have asked us to wait for, kept in front of every request.
//!
//! Owns that a limit holds for whoever shares the allowance that is used up, and for nobody else: a platform counts by the
//! app, by the token that is shown, or by its server. All times here are by our own clock. Pure: [`super::meter`] asks.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use url::Url;

use super::error::Error;
use super::http::{HttpFailure, HttpReply, HttpRequest, Method};
use super::value::Secret;
use crate::domain::time::Timestamp;

/// The first wait after a limit that names no end, and the longest.
const UNNAMED_MIN: Duration = Duration::from_secs(60);
const UNNAMED_MAX: Duration = Duration::from_secs(3_600);
/// How long nothing is asked of a platform that wants money first, and the longest.
const UNPAID_MIN: Duration = Duration::from_secs(3_600);
const UNPAID_MAX: Duration = Duration::from_secs(24 * 3_600);
/// What is over is remembered for so long, to wait longer the next time.
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);

/// By what a platform counts requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counts {
    /// By the key of the app, whoever it asks for.
    App,
    /// By the token that is shown, or our address where none is.
    Token,
    /// Each of its many servers by itself, and there by token.
    Server,
}

/// How a platform limits those who ask.
#[derive(Clone, Debug)]
pub struct Limits {
    counts: Counts,
    classify: fn(&HttpReply) -> Error,
    /// The token that the instance has for everybody.
    own: Option<u64>,
}

impl Limits {
    /// - `classify`: the class of a failing reply, as the platform's connector reads it.
    /// - `own`: the token of the instance, where it is configured.
    pub fn new(counts: Counts, classify: fn(&HttpReply) -> Error, own: Option<&Secret>) -> Limits {
        Limits { counts, classify, own: own.map(|token| mark(token.reveal())) }
    }

    pub(super) fn class_of(&self, reply: &HttpReply) -> Error {
        (self.classify)(reply)
    }

    fn lane(&self, request: &HttpRequest) -> Lane {
        let whose = match self.counts {
            Counts::App => Whose::App,
            Counts::Token | Counts::Server => {
                token_of(request).map_or(Whose::Nobody, |token| Whose::Token(mark(&token)))
            }
        };
        // Keys are handed out at the doors, which are limited apart from what is read with them.
        Lane { server: server_of(&request.url), whose, is_door: request.method == Method::Post }
    }

    /// Whether a limit of this lane is everybody's.
    fn is_shared(&self, lane: &Lane) -> bool {
        let is_ours = match lane.whose {
            Whose::App | Whose::Nobody | Whose::Bill => true,
            Whose::Token(token) => self.own == Some(token),
        };
        is_ours && !lane.is_door && self.counts != Counts::Server
    }
}

/// One allowance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    server: String,
    whose: Whose,
    is_door: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whose {
    App,
    /// Nobody's token is shown.
    Nobody,
    Token(u64),
    /// Not an allowance but an account that is empty.
    Bill,
}

struct Hold {
    until: Timestamp,
    in_a_row: u32,
    message: String,
}

/// What is being waited for.
#[derive(Default)]
pub(super) struct Holds(BTreeMap<Lane, Hold>);

impl Holds {
    /// Why this request must not go out now, if it must not.
    pub fn refusal(&self, limits: &Limits, request: &HttpRequest, now: Timestamp) -> Option<HttpFailure> {
        let lane = limits.lane(request);
        if let Some(hold) = self.0.get(&lane).filter(|hold| hold.until > now) {
            return Some(HttpFailure::Limited { until: hold.until, message: hold.message.clone() });
        }
        let bill = self.0.get(&bill_of(lane)?).filter(|hold| hold.until > now)?;
        Some(HttpFailure::Unpaid(bill.message.clone()))
    }

    /// The allowance of this request is used up.
    ///
    /// - `until`: when that ends, where the platform said so.
    /// - returns: until when nothing is asked.
    pub fn limited(
        &mut self,
        limits: &Limits,
        request: &HttpRequest,
        until: Option<Timestamp>,
        message: &str,
        now: Timestamp,
    ) -> Timestamp {
        let until = until.map(|until| until.max(now));
        self.hold(limits.lane(request), until, (UNNAMED_MIN, UNNAMED_MAX), message, now)
    }

    /// The platform wants money before it answers again.
    pub fn unpaid(&mut self, limits: &Limits, request: &HttpRequest, message: &str, now: Timestamp) {
        if let Some(bill) = bill_of(limits.lane(request)) {
            self.hold(bill, None, (UNPAID_MIN, UNPAID_MAX), message, now);
        }
    }

    fn hold(
        &mut self,
        lane: Lane,
        until: Option<Timestamp>,
        (shortest, longest): (Duration, Duration),
        message: &str,
        now: Timestamp,
    ) -> Timestamp {
        self.0.retain(|_, hold| hold.until.plus(REMEMBERED) > now);
        let before = self.0.get(&lane);
        // Several that were under way together meet one limit.
        let in_a_row = before.map_or(0, |hold| hold.in_a_row + u32::from(hold.until <= now));
        let wait = shortest.saturating_mul(1 << in_a_row.min(16)).min(longest);
        let until = until.unwrap_or_else(|| now.plus(wait)).max(before.map_or(now, |hold| hold.until));
        self.0.insert(lane, Hold { until, in_a_row, message: message.to_owned() });
        until
    }

    /// The platform answered this request: what is over is forgotten. An answer to what went out before a limit was met
    /// lifts nothing.
    pub fn answered(&mut self, limits: &Limits, request: &HttpRequest, now: Timestamp) {
        let lane = limits.lane(request);
        for lane in [bill_of(lane.clone()), Some(lane)].into_iter().flatten() {
            if self.0.get(&lane).is_some_and(|hold| hold.until <= now) {
                self.0.remove(&lane);
            }
        }
    }

    /// The bill may have been paid: the platform is asked.
    pub fn forget_bills(&mut self) {
        self.0.retain(|lane, _| lane.whose != Whose::Bill);
    }

    /// Until when nobody can be asked for with what the instance has.
    pub fn limited_until(&self, limits: &Limits, now: Timestamp) -> Option<Timestamp> {
        let shared = self.0.iter().filter(|(lane, hold)| limits.is_shared(lane) && hold.until > now);
        shared.map(|(_, hold)| hold.until).max()
    }
}

/// What is paid for with a lane; the doors are free.
fn bill_of(lane: Lane) -> Option<Lane> {
    (!lane.is_door).then_some(Lane { whose: Whose::Bill, ..lane })
}

fn server_of(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The token that a request shows, without what is different each time: a signature.
fn token_of(request: &HttpRequest) -> Option<String> {
    if let Some(header) = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case("authorization")) {
        let text = header.value.as_str();
        return Some(match text.split_once(' ') {
            Some(("OAuth", signed)) => oauth_token(signed).unwrap_or_default(),
            Some((_, token)) => token.to_owned(),
            None => text.to_owned(),
        });
    }
    let shown = |(name, _): &(std::borrow::Cow<'_, str>, _)| matches!(name.as_ref(), "access_token" | "oauth_token");
    request.url.query_pairs().find(shown).map(|(_, token)| token.into_owned())
}

fn oauth_token(signed: &str) -> Option<String> {
    let mut parts = signed.split(',').filter_map(|part| part.trim().split_once('='));
    parts.find(|(name, _)| *name == "oauth_token").map(|(_, value)| value.trim_matches('"').to_owned())
}

/// A token by which it can be told from others and not be learnt.
fn mark(token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridges::http::Header;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_370_044_800 + seconds)
    }

    fn ask(url: &str, token: Option<&str>) -> HttpRequest {
        let headers = token.map(|token| Header::new("authorization", format!("Bearer {token}")));
        HttpRequest::get(Url::parse(url).unwrap(), headers.into_iter().collect())
    }

    fn limits(counts: Counts) -> Limits {
        Limits::new(counts, |reply| Error::of_status(reply.status, String::new()), Some(&Secret::new("ours")))
    }

    const API: &str = "https://api.example/likes";

    #[test]
    fn a_limit_holds_for_all_who_share_the_allowance_and_for_nobody_else() {
        let check = |counts: Counts, other: &HttpRequest, expected: bool| {
            let (limits, mut holds) = (limits(counts), Holds::default());
            let until = holds.limited(&limits, &ask(API, Some("ours")), Some(at(60)), "slow down", at(0));
            assert_eq!(until, at(60));
            let refusal = holds.refusal(&limits, other, at(59));
            assert_eq!(refusal.is_some(), expected, "{counts:?} {other:?}");
            assert!(holds.refusal(&limits, other, at(60)).is_none(), "it is over at that second");
        };
        let (same, else_where) = ("https://api.example/users", "https://other.example/users");
        check(Counts::Token, &ask(same, Some("ours")), true);
        check(Counts::Token, &ask(same, Some("hers")), false);
        check(Counts::Token, &ask(same, None), false);
        check(Counts::App, &ask(same, Some("hers")), true);
        check(Counts::App, &ask(same, None), true);
        check(Counts::Server, &ask(else_where, Some("ours")), false);
        check(Counts::App, &HttpRequest::form(Url::parse(same).unwrap(), Vec::new(), &[]), false);
    }

    #[test]
    fn only_what_is_everybodys_stops_everybody() {
        let stopped = |counts: Counts, token: Option<&str>| {
            let (limits, mut holds) = (limits(counts), Holds::default());
            holds.limited(&limits, &ask(API, token), Some(at(60)), "", at(0));
            holds.limited_until(&limits, at(1))
        };
        assert_eq!(stopped(Counts::Token, Some("ours")), Some(at(60)));
        assert_eq!(stopped(Counts::Token, None), Some(at(60)), "our address is shared");
        assert_eq!(stopped(Counts::Token, Some("hers")), None);
        assert_eq!(stopped(Counts::App, Some("hers")), Some(at(60)));
        assert_eq!(stopped(Counts::Server, Some("ours")), None);
    }

    #[test]
    fn a_limit_without_an_end_lasts_a_minute_then_two_then_four_until_there_is_an_answer() {
        let (limits, mut holds) = (limits(Counts::App), Holds::default());
        let request = ask(API, None);
        let mut limited = |seconds: i64| holds.limited(&limits, &request, None, "", at(seconds));
        assert_eq!((limited(0), limited(1)), (at(60), at(61)), "two that were under way met one limit");
        assert_eq!((limited(100), limited(300)), (at(220), at(540)));
        holds.answered(&limits, &request, at(539));
        assert!(holds.refusal(&limits, &request, at(539)).is_some(), "that was asked before the limit was met");
        holds.answered(&limits, &request, at(541));
        assert_eq!(holds.limited(&limits, &request, None, "", at(600)), at(660));
    }

    #[test]
    fn a_bill_stops_everything_but_the_doors_and_is_asked_about_again() {
        let (limits, mut holds) = (limits(Counts::Token), Holds::default());
        holds.unpaid(&limits, &ask(API, Some("hers")), "no credits", at(0));
        let refused = holds.refusal(&limits, &ask(API, Some("ours")), at(3_599));
        assert_eq!(refused, Some(HttpFailure::Unpaid("no credits".to_owned())));
        assert_eq!(holds.limited_until(&limits, at(1)), Some(at(3_600)));
        let door = HttpRequest::form(Url::parse(API).unwrap(), Vec::new(), &[]);
        assert!(holds.refusal(&limits, &door, at(1)).is_none());
        holds.forget_bills();
        assert!(holds.refusal(&limits, &ask(API, None), at(1)).is_none());
    }

    #[test]
    fn one_token_is_known_again_however_it_is_shown() {
        let signed = |signature: &str| {
            let text = format!("OAuth oauth_consumer_key=\"k\", oauth_token=\"t-1\", oauth_signature=\"{signature}\"");
            HttpRequest::get(Url::parse(API).unwrap(), vec![Header::new("authorization", text)])
        };
        assert_eq!(token_of(&signed("a")), token_of(&signed("b")));
        assert_eq!(token_of(&ask("https://api.example/?access_token=t-1", None)), Some("t-1".to_owned()));
        assert_eq!(token_of(&ask(API, Some("t-1"))), Some("t-1".to_owned()));
        assert_eq!(token_of(&ask(API, None)), None);
    }
}
