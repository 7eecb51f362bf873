//! Faults that a test or a demo switches on: limits, outages, damaged replies.
//!
//! Owns that a fault is repeatable: it counts down, or follows a seed. See docs/bridges/README.md, "The sandbox".

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::reply::Reply;
use crate::domain::identity::Platform;

/// What goes wrong. The names on the wire are those of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Kind {
    /// The hourly allowance is used up.
    RateLimited {
        #[serde(default = "default_retry_after")]
        retry_after: u64,
    },
    /// Too fast for the platform's taste, whatever the allowance.
    SecondaryLimit {
        #[serde(default = "default_retry_after")]
        retry_after: u64,
    },
    #[serde(rename = "http_500")]
    Http500,
    #[serde(rename = "http_502")]
    Http502,
    #[serde(rename = "http_503")]
    Http503,
    Slow {
        ms: u64,
    },
    /// The second half of the body is missing, and the length says so: only the JSON betrays it.
    TruncateBody,
    BadJson,
    /// The last item of a list is something else.
    DamagedItem,
    /// A friendly page with status 200.
    HtmlErrorPage,
    /// The right body under the wrong name.
    WrongContentType,
    /// The token is refused, and from now on: it works again when it has been renewed.
    ExpiredToken,
    /// The person has taken the token back, and the one that would renew it.
    RevokedToken,
    MissingScope,
    PaymentRequired,
    /// The platform thinks that our clock is wrong.
    ClockSkew,
    /// The platform has closed.
    DeadPlatform,
    /// The place to go on from is not known any more.
    CursorExpired,
    /// The address leads to itself.
    RedirectLoop,
    /// A page loses its items and keeps the way to the next one, as where a platform filters after paging.
    EmptyPageWithNext,
    /// A page begins with the last item of the page before.
    DuplicateAcrossPages,
    /// Just before the page is made, somebody likes something more.
    ItemInsertedBetweenPages,
}

/// Seconds: a year.
const RETRY_AFTER_MAX: u64 = 31_536_000;
/// Ten minutes.
const SLOW_MS_MAX: u64 = 600_000;

const fn default_retry_after() -> u64 {
    60
}

/// A limit that a platform words in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    Primary { seconds: u64 },
    Secondary { seconds: u64 },
}

/// A refusal that each platform words in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    ExpiredToken,
    RevokedToken,
    MissingScope,
    PaymentRequired,
    ClockSkew,
    DeadPlatform,
    CursorExpired,
}

/// What happens to a page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFault {
    Empty,
    Duplicate,
    Insertion,
    Damage,
}

/// What a fault does to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    None,
    Limit(Limit),
    Refuse(Refusal),
    Page(PageFault),
    RedirectLoop,
    Replace(Reply),
    Wait(Duration),
    Truncate,
    BreakJson,
    ContentType(&'static str),
}

impl Effect {
    /// Damages a finished reply.
    pub fn spoil(&self, mut reply: Reply) -> Reply {
        match self {
            Effect::Truncate => reply.body.truncate(reply.body.len() / 2),
            Effect::BreakJson => reply.body = b"{\"message\": oops}".to_vec(),
            Effect::ContentType(name) => reply.header("content-type", *name),
            Effect::None
            | Effect::Limit(_)
            | Effect::Refuse(_)
            | Effect::Page(_)
            | Effect::RedirectLoop
            | Effect::Replace(_)
            | Effect::Wait(_) => {}
        }
        reply
    }
}

/// A fault as it is switched on.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Fault {
    pub platform: String,
    /// `*` stands for any part of a path, slashes too. With a `?` in it, the query is part of what has to fit.
    pub path_glob: String,
    #[serde(flatten)]
    pub kind: Kind,
    /// Hits this many matching requests, then is gone. Without count and probability: one.
    pub count: Option<u32>,
    /// Hits each matching request with this chance, by the seed.
    pub probability: Option<f64>,
    pub seed: u64,
}

/// What all faults have; the rest of a document is what its kind has.
#[derive(Deserialize)]
struct Common {
    platform: String,
    #[serde(default = "everywhere")]
    path_glob: String,
    count: Option<u32>,
    probability: Option<f64>,
    #[serde(default)]
    seed: u64,
}

fn everywhere() -> String {
    "*".to_owned()
}

/// Why a document is no fault.
#[derive(Debug, thiserror::Error)]
pub enum NoFault {
    #[error(transparent)]
    Form(#[from] serde_json::Error),
    #[error("a fault `{kind}` has no `{member}`")]
    Unknown { kind: String, member: String },
    #[error("`{member}` is not between {least} and {most}")]
    OutOfRange { member: &'static str, least: u64, most: u64 },
}

impl TryFrom<Map<String, Value>> for Fault {
    type Error = NoFault;

    fn try_from(document: Map<String, Value>) -> Result<Fault, NoFault> {
        let is_common = |name: &str| ["platform", "path_glob", "count", "probability", "seed"].contains(&name);
        let (common, own): (Map<_, _>, Map<_, _>) = document.into_iter().partition(|(name, _)| is_common(name));
        let Common { platform, path_glob, count, probability, seed } = serde_json::from_value(common.into())?;
        let kind: Kind = serde_json::from_value(Value::Object(own.clone()))?;
        let known = serde_json::to_value(kind)?;
        if let Some(member) = own.keys().find(|name| known.get(name.as_str()).is_none()) {
            let kind = known["kind"].as_str().unwrap_or_default().to_owned();
            return Err(NoFault::Unknown { kind, member: member.clone() });
        }
        let within = |member: &'static str, least: u64, most: u64, given: u64| {
            if (least..=most).contains(&given) { Ok(()) } else { Err(NoFault::OutOfRange { member, least, most }) }
        };
        match kind {
            Kind::RateLimited { retry_after } | Kind::SecondaryLimit { retry_after } => {
                within("retry_after", 0, RETRY_AFTER_MAX, retry_after)?;
            }
            Kind::Slow { ms } => within("ms", 0, SLOW_MS_MAX, ms)?,
            _ => {}
        }
        within("count", 1, u64::from(u32::MAX), count.map_or(1, u64::from))?;
        if probability.is_some_and(|chance| !(0.0..=1.0).contains(&chance)) {
            return Err(NoFault::OutOfRange { member: "probability", least: 0, most: 1 });
        }
        Ok(Fault { platform, path_glob, kind, count, probability, seed })
    }
}

/// Where the list stands in a reply: the first of these JSON pointers that leads to one.
fn list_in<'a>(body: &'a mut Value, lists: &[&str]) -> Option<&'a mut Vec<Value>> {
    let place = lists.iter().find(|place| body.pointer(place).is_some_and(Value::is_array))?;
    body.pointer_mut(place)?.as_array_mut()
}

/// Whether there is a list to spoil.
pub(super) fn has_list(reply: &Reply, lists: &[&str]) -> bool {
    let body = serde_json::from_slice::<Value>(&reply.body);
    reply.status == 200 && body.is_ok_and(|mut body| list_in(&mut body, lists).is_some())
}

/// The last item of the list in a reply.
pub(super) fn last_item(reply: &Reply, lists: &[&str]) -> Option<Value> {
    let mut body = serde_json::from_slice(&reply.body).ok()?;
    list_in(&mut body, lists)?.last().cloned()
}

/// Empties the list in a reply, puts an item before it, or something else in place of its last. A reply without a list
/// stays as it is.
pub(super) fn spoil_page(fault: PageFault, mut reply: Reply, lists: &[&str], last: Option<&Value>) -> Reply {
    let Ok(mut body) = serde_json::from_slice::<Value>(&reply.body) else { return reply };
    if reply.status != 200 {
        return reply;
    }
    let Some(list) = list_in(&mut body, lists) else { return reply };
    match (fault, last) {
        (PageFault::Empty, _) => list.clear(),
        (PageFault::Damage, _) => match list.last_mut() {
            Some(last) => *last = serde_json::json!({ "damaged": true }),
            None => return reply,
        },
        (PageFault::Duplicate, Some(last)) => list.insert(0, last.clone()),
        (PageFault::Duplicate, None) | (PageFault::Insertion, _) => return reply,
    }
    reply.body = body.to_string().into_bytes();
    reply
}

/// A fault that is on, with the number by which it is switched off.
#[derive(Clone, Debug, Serialize)]
struct Active {
    id: u64,
    #[serde(flatten)]
    fault: Fault,
}

/// The faults that are on.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    active: Vec<Active>,
    added: u64,
    /// The one that was taken last, as it was before, and its place.
    taken: Option<(usize, Active)>,
}

impl Faults {
    /// - returns: the number by which it is switched off.
    pub fn add(&mut self, mut fault: Fault) -> u64 {
        if fault.count.is_none() && fault.probability.is_none() {
            fault.count = Some(1);
        }
        self.added += 1;
        self.active.push(Active { id: self.added, fault });
        self.added
    }

    /// Those that are on, with what is left of them.
    pub fn list(&self) -> Value {
        serde_json::json!(self.active)
    }

    /// Switches one off.
    ///
    /// - returns: whether it was on.
    pub fn end(&mut self, id: u64) -> bool {
        let before = self.active.len();
        self.active.retain(|active| active.id != id);
        self.active.len() < before
    }

    pub fn end_all(&mut self) {
        self.active.clear();
    }

    /// The effect on one request: the first fault that matches and strikes.
    pub fn take(&mut self, platform: Platform, path: &str, query: &str) -> Effect {
        let whole = format!("{path}?{query}");
        for place in 0..self.active.len() {
            let fault = &mut self.active[place].fault;
            let seen = if fault.path_glob.contains('?') { &whole } else { path };
            if fault.platform != platform.slug() || !matches_glob(&fault.path_glob, seen) || !strikes(fault) {
                continue;
            }
            let kind = fault.kind;
            let before = fault.clone();
            fault.count = fault.count.map(|count| count.saturating_sub(1));
            let (id, is_used_up) = (self.active[place].id, self.active[place].fault.count == Some(0));
            if is_used_up {
                self.active.remove(place);
            }
            self.taken = Some((place, Active { id, fault: before }));
            return effect(kind);
        }
        Effect::None
    }

    /// The one that was taken last has found nothing to spoil, and waits for the next request.
    pub fn put_back(&mut self) {
        let Some((place, taken)) = self.taken.take() else { return };
        match self.active.iter_mut().find(|active| active.id == taken.id) {
            Some(active) => active.fault.count = taken.fault.count,
            None => self.active.insert(place, taken),
        }
    }
}

fn strikes(fault: &mut Fault) -> bool {
    let Some(probability) = fault.probability else { return true };
    // SplitMix64: small, well mixed, and the same on every machine.
    fault.seed = fault.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = fault.seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64 <= probability
}

fn effect(kind: Kind) -> Effect {
    match kind {
        Kind::RateLimited { retry_after } => Effect::Limit(Limit::Primary { seconds: retry_after }),
        Kind::SecondaryLimit { retry_after } => Effect::Limit(Limit::Secondary { seconds: retry_after }),
        Kind::Http500 => Effect::Replace(Reply::json(500, &serde_json::json!({ "message": "Server Error" }))),
        Kind::Http502 => Effect::Replace(Reply::html(502, "<html><h1>502 Bad Gateway</h1></html>")),
        Kind::Http503 => Effect::Replace(Reply::html(503, "<html><h1>Service Unavailable</h1></html>")),
        Kind::Slow { ms } => Effect::Wait(Duration::from_millis(ms)),
        Kind::TruncateBody => Effect::Truncate,
        Kind::BadJson => Effect::BreakJson,
        Kind::DamagedItem => Effect::Page(PageFault::Damage),
        Kind::HtmlErrorPage => Effect::Replace(Reply::html(200, "<!DOCTYPE html><html>We will be right back</html>")),
        Kind::WrongContentType => Effect::ContentType("text/plain"),
        Kind::ExpiredToken => Effect::Refuse(Refusal::ExpiredToken),
        Kind::RevokedToken => Effect::Refuse(Refusal::RevokedToken),
        Kind::MissingScope => Effect::Refuse(Refusal::MissingScope),
        Kind::PaymentRequired => Effect::Refuse(Refusal::PaymentRequired),
        Kind::ClockSkew => Effect::Refuse(Refusal::ClockSkew),
        Kind::DeadPlatform => Effect::Refuse(Refusal::DeadPlatform),
        Kind::CursorExpired => Effect::Refuse(Refusal::CursorExpired),
        Kind::RedirectLoop => Effect::RedirectLoop,
        Kind::EmptyPageWithNext => Effect::Page(PageFault::Empty),
        Kind::DuplicateAcrossPages => Effect::Page(PageFault::Duplicate),
        Kind::ItemInsertedBetweenPages => Effect::Page(PageFault::Insertion),
    }
}

/// Whether `*`, as any run of characters, makes the pattern fit.
fn matches_glob(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = path.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: serde_json::Value) -> Fault {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_fault_strikes_as_often_as_it_says_and_only_where_it_says() {
        let mut faults = Faults::default();
        let json =
            serde_json::json!({"platform": "github", "path_glob": "/users/*/starred", "kind": "http_502", "count": 2});
        faults.add(fault(json));
        let mut strikes = |path: &str| faults.take(Platform::GitHub, path, "page=2") != Effect::None;
        assert!(!strikes("/users/mira"));
        assert!(strikes("/users/mira/starred"));
        assert!(strikes("/users/mira/starred"));
        assert!(!strikes("/users/mira/starred"));
        let by_query = serde_json::json!({"platform": "github", "path_glob": "/user*?*page=2*", "kind": "bad_json"});
        let mut faults = Faults::default();
        faults.add(fault(by_query));
        assert_eq!(faults.take(Platform::GitHub, "/user/1/starred", "page=3"), Effect::None);
        assert_eq!(faults.take(Platform::GitHub, "/user/1/starred", "per_page=9&page=2"), Effect::BreakJson);
    }

    #[test]
    fn a_probable_fault_follows_its_seed() {
        let run = |seed: u64| {
            let mut faults = Faults::default();
            let json = serde_json::json!({"platform": "github", "kind": "bad_json", "probability": 0.5, "seed": seed});
            faults.add(fault(json));
            (0..200).map(|_| faults.take(Platform::GitHub, "/user", "") != Effect::None).collect::<Vec<bool>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let hits = run(7).into_iter().filter(|hit| *hit).count();
        assert!((60..140).contains(&hits), "{hits}");
    }

    #[test]
    fn a_page_loses_its_items_and_keeps_its_next() {
        let page = |text: &str| Reply { status: 200, body: text.as_bytes().to_vec(), ..Reply::default() };
        let spoiled = |fault, text: &str, last: Option<&Value>| {
            String::from_utf8(spoil_page(fault, page(text), &["", "/data"], last).body).unwrap()
        };
        let last = Value::from(7);
        assert_eq!(spoiled(PageFault::Empty, r#"{"data":[1],"next":"x"}"#, None), r#"{"data":[],"next":"x"}"#);
        assert_eq!(spoiled(PageFault::Duplicate, "[1]", Some(&last)), "[7,1]");
        assert_eq!(spoiled(PageFault::Duplicate, "[1]", None), "[1]");
        assert_eq!(spoiled(PageFault::Empty, r#"{"id":1}"#, None), r#"{"id":1}"#);
        let damaged = r#"{"data":[1,{"damaged":true}],"next":"x"}"#;
        assert_eq!(spoiled(PageFault::Damage, r#"{"data":[1,2],"next":"x"}"#, None), damaged);
        assert_eq!(spoiled(PageFault::Damage, "[]", None), "[]");
        assert_eq!(last_item(&page("[1,7]"), &[""]), Some(last));
    }

    #[test]
    fn what_a_fault_does_not_have_is_refused() {
        let check = |json: serde_json::Value, expected: &str| {
            let refused = serde_json::from_value::<Fault>(json).unwrap_err().to_string();
            assert!(refused.contains(expected), "{refused}");
        };
        let with = |kind: &str, member: &str, value: f64| {
            let mut json = serde_json::json!({"platform": "github", "kind": kind});
            json[member] = if value.fract() == 0.0 { Value::from(value as u64) } else { Value::from(value) };
            json
        };
        check(with("bad_json", "path", 1.0), "a fault `bad_json` has no `path`");
        check(with("bad_json", "retry_after", 9.0), "a fault `bad_json` has no `retry_after`");
        check(with("slow", "seconds", 1.0), "missing field `ms`");
        check(with("slow", "ms", 1e9), "`ms` is not between 0 and 600000");
        check(with("rate_limited", "retry_after", 1e18), "`retry_after` is not between");
        check(with("bad_json", "count", 0.0), "`count` is not between 1 and");
        check(with("bad_json", "probability", 1.5), "`probability` is not between 0 and 1");
        check(serde_json::json!({"kind": "bad_json"}), "missing field `platform`");
        let whole = with("rate_limited", "retry_after", 9.0);
        assert_eq!(fault(whole).kind, Kind::RateLimited { retry_after: 9 });
    }

    #[test]
    fn a_fault_by_chance_is_listed_until_it_is_switched_off() {
        let mut faults = Faults::default();
        let always = faults.add(fault(serde_json::json!({"platform": "github", "kind": "bad_json", "probability": 1})));
        faults.add(fault(serde_json::json!({"platform": "vimeo", "kind": "slow", "ms": 5, "count": 2})));
        assert_eq!(faults.take(Platform::Vimeo, "/me", ""), Effect::Wait(Duration::from_millis(5)));
        let listed = faults.list();
        assert_eq!((&listed[0]["id"], &listed[0]["kind"]), (&Value::from(always), &Value::from("bad_json")));
        assert_eq!((&listed[1]["count"], &listed[1]["ms"]), (&Value::from(1), &Value::from(5)), "what is left");
        assert_eq!(faults.take(Platform::GitHub, "/user", ""), Effect::BreakJson);
        assert!(faults.end(always) && !faults.end(always));
        assert_eq!(faults.take(Platform::GitHub, "/user", ""), Effect::None);
        faults.end_all();
        assert_eq!(faults.list(), serde_json::json!([]));
    }

    #[test]
    fn a_star_stands_for_any_part() {
        assert!(matches_glob("*", "/a"));
        assert!(matches_glob("/a*c", "/abc"));
        assert!(matches_glob("/a*b*c", "/axbxc"));
        assert!(!matches_glob("/a*b*c", "/axc"));
        assert!(matches_glob("/a", "/a"));
        assert!(!matches_glob("/a", "/ab"));
    }
}
