//! Platforms that tell: whoever has asked for it gets a request when something happens.
//!
//! Owns that nobody beyond this machine is told, that an address is told in the order in which things happened, and that
//! what became of it can be read (`GET /_sim/pushes`). Knows no wire format: what a platform says is in its own file, as
//! [`Simulated::pushes`](super::Simulated::pushes). What is changed in the process itself, without a request, is told with
//! the next request.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;
use url::{Host, Url};

use super::model::World;
use super::reply::Reply;
use super::{SharedWorld, simulated};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

/// How long an address may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something that a platform may tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Somebody has asked to be told: some platforms try the address out.
    Hooked {
        platform: Platform,
        hook: u64,
    },
    Liked {
        platform: Platform,
        user: String,
        post: String,
        at: Timestamp,
    },
    Unliked {
        platform: Platform,
        user: String,
        post: String,
    },
    Posted {
        platform: Platform,
        post: String,
    },
}

impl News {
    fn platform(&self) -> Platform {
        match self {
            News::Hooked { platform, .. }
            | News::Liked { platform, .. }
            | News::Unliked { platform, .. }
            | News::Posted { platform, .. } => *platform,
        }
    }
}

/// Somebody who is told.
#[derive(Clone, Debug)]
pub struct Hook {
    pub id: u64,
    pub platform: Platform,
    /// The app that asked; empty where a person did.
    pub client: String,
    /// The post that it is about; empty for all that the app may see.
    pub post: String,
    pub url: Url,
    /// Signs what is sent; nothing is signed with an empty one.
    pub secret: String,
    pub events: Vec<String>,
    /// Whether the document is sent as it is; else as a field of a form.
    pub is_json: bool,
    /// What the platform writes before the paths of its own addresses.
    pub base: String,
}

/// A request that a platform sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    pub url: Url,
    pub event: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

/// A question that an address has to answer before it is told anything.
#[derive(Clone, Debug)]
pub struct Handshake {
    pub hook: u64,
    pub url: Url,
    /// The body that proves that it wants to be told.
    pub expected: String,
    pub refused: Reply,
}

/// What became of a push.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    pub platform: &'static str,
    pub event: &'static str,
    pub url: String,
    /// `None` where nobody answered.
    pub status: Option<u16>,
}

/// Who is told, what is to be told, and what was.
#[derive(Clone, Debug, Default)]
pub struct Pushes {
    pub hooks: Vec<Hook>,
    pub handshake: Option<Handshake>,
    news: Vec<News>,
    due: VecDeque<(Platform, Push)>,
    is_sending: bool,
    pub told: Vec<Told>,
    count: u64,
}

impl Pushes {
    /// Keeps what happened, when anybody on the platform is told anything.
    pub fn note(&mut self, news: News) {
        if self.hooks.iter().any(|hook| hook.platform == news.platform()) {
            self.news.push(news);
        }
    }
}

/// An address that may be told.
///
/// - returns: `None` for whatever is not plainly on this machine.
pub fn address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let is_here = match url.host()? {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    is_here.then_some(url)
}

fn client() -> reqwest::Client {
    let policy = reqwest::redirect::Policy::none();
    let builder = reqwest::Client::builder().no_proxy().redirect(policy).timeout(PATIENCE);
    builder.build().expect("a client without certificates of its own can be made")
}

/// Asks the question of a handshake. An address that answers wrongly is told nothing, and the asker is refused.
pub(super) async fn shake(world: &SharedWorld, reply: Reply) -> Reply {
    let Some(handshake) = world.lock().pushes.handshake.take() else { return reply };
    let answer = match client().get(handshake.url).send().await {
        Ok(answer) if answer.status().is_success() => answer.text().await.unwrap_or_default(),
        _ => String::new(),
    };
    if answer.trim() == handshake.expected {
        return reply;
    }
    world.lock().pushes.hooks.retain(|hook| hook.id != handshake.hook);
    handshake.refused
}

/// Sends what has become due, behind the back of whoever has just been answered.
pub(super) fn send(world: &SharedWorld) {
    {
        let world = &mut *world.lock();
        write(world);
        if world.pushes.due.is_empty() || world.pushes.is_sending {
            return;
        }
        world.pushes.is_sending = true;
    }
    let world = world.clone();
    tokio::spawn(async move {
        let client = client();
        while let Some((platform, push)) = next(&world) {
            let mut request = client.post(push.url.clone()).body(push.body);
            for (name, value) in push.headers {
                request = request.header(name, value);
            }
            let status = request.send().await.ok().map(|answer| answer.status().as_u16());
            let told = Told { platform: platform.slug(), event: push.event, url: push.url.into(), status };
            world.lock().pushes.told.push(told);
        }
    });
}

fn next(world: &SharedWorld) -> Option<(Platform, Push)> {
    let pushes = &mut world.lock().pushes;
    let next = pushes.due.pop_front();
    pushes.is_sending = next.is_some();
    next
}

/// Lets the platforms put what happened into their words.
fn write(world: &mut World) {
    for news in std::mem::take(&mut world.pushes.news) {
        world.pushes.count += 1;
        let (platform, number) = (news.platform(), world.pushes.count);
        let pushes = simulated(platform).map(|simulated| simulated.pushes(world, &news, number)).unwrap_or_default();
        world.pushes.due.extend(pushes.into_iter().map(|push| (platform, push)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_beyond_this_machine_is_told() {
        for here in ["http://127.0.0.1:81/x", "https://localhost/x", "http://alpha.localhost:2/", "http://[::1]/"] {
            assert!(address(here).is_some(), "{here}");
        }
        for away in
            ["http://10.0.0.1/", "https://node.example/", "ftp://localhost/", "localhost", "http://localhost.evil/"]
        {
            assert_eq!(address(away), None, "{away}");
        }
    }
}
