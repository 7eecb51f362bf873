//! The platforms as local HTTP servers, for tests, the demo and whoever wants to try a connector without an account.
//!
//! Owns the rule that the sandbox follows each platform's public documentation and not our connector: it imports
//! nothing from `bridges`, so that a misreading of ours shows up as a failing test instead of agreeing with itself. It
//! listens on loopback only, since its tokens are no secrets.
//!
//! Each platform is a [`Simulated`]: from a request and the [`model::World`] to a reply, below a path prefix
//! (`/github`; none for [`fediverse`]); sockets, faults and the log of requests are here. The control plane is below
//! `/_sim`, see [`control`]; what people look at is [`pages`].
//! An instance that serves people never starts it. Source: docs/bridges/README.md, "The sandbox".

pub mod appnet;
pub mod bank;
pub mod control;
pub mod fault;
pub mod fediverse;
pub mod five_hundred_px;
pub mod flickr;
pub mod github;
pub mod instagram;
pub mod model;
pub mod oauth;
pub mod pages;
pub mod reply;
pub mod soundcloud;
pub mod twitter;
pub mod vimeo;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use fault::{Effect, Limit, PageFault, Refusal};
use model::{Missing, World};
use reply::{Reply, Request};

/// A platform in the sandbox.
pub trait Simulated: Sync {
    fn platform(&self) -> Platform;

    /// Answers one request; its path is below the platform's prefix.
    fn answer(&self, world: &mut World, request: &Request) -> Reply;

    /// The reply under a limit that a fault imposes.
    fn limited(&self, world: &World, limit: Limit) -> Reply;

    /// The reply of a refusal that a fault imposes.
    fn refused(&self, world: &World, refusal: Refusal) -> Reply;

    /// Where the list of a reply stands, as JSON pointers; faults of pages work on the first that leads to a list.
    fn lists(&self) -> &'static [&'static str] {
        &["", "/data", "/collection", "/photos/photo", "/photos", "/items"]
    }

    /// The page that a fault of paging leaves behind.
    ///
    /// - `last`: the last item of the page before.
    fn spoil_page(&self, fault: PageFault, reply: Reply, last: Option<&Value>) -> Reply {
        fault::spoil_page(fault, reply, self.lists(), last)
    }

    /// The members of the export file of a user, as (path, bytes); empty where the platform has none.
    fn export(&self, world: &World, user_id: &str) -> Result<Vec<(String, Vec<u8>)>, Missing> {
        world.user(self.platform(), user_id).map(|_| Vec::new())
    }
}

/// One line for each platform.
const SIMULATED: &[&dyn Simulated] = &[
    &twitter::Twitter,
    &instagram::Instagram,
    &vimeo::Vimeo,
    &soundcloud::SoundCloud,
    &appnet::AppNet,
    &github::GitHub,
    &flickr::Flickr,
    &five_hundred_px::FiveHundredPx,
    &fediverse::Fediverse,
];

pub fn simulated(platform: Platform) -> Option<&'static dyn Simulated> {
    SIMULATED.iter().copied().find(|simulated| simulated.platform() == platform)
}

/// Largest request that is read; a scenario of a whole demo world is a few hundred kilobytes.
const REQUEST_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Why the sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the sandbox listens on loopback only, and {0} is not loopback")]
    NotLoopback(SocketAddr),
    #[error("could not listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
}

/// A running sandbox. It ends with [`Sandbox::stop`], or when the last handle is gone with the runtime.
pub struct Sandbox {
    /// Where it listens; the port that the system chose when 0 was asked for.
    pub addr: SocketAddr,
    pub handle: ServerHandle,
    world: SharedWorld,
}

impl Sandbox {
    /// The address that a connector takes as its base URL. Of the fediverse, the whole host is one server.
    pub fn base_url(&self, platform: Platform) -> String {
        match platform {
            Platform::Fediverse => format!("http://{}", self.addr),
            _ => format!("http://{}/{}", self.addr, platform.slug()),
        }
    }

    /// The state, for whoever runs in the same process; others use the control plane.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    /// Fills the empty world with a few people and posts on every platform, and sets its clock.
    pub fn sow(&self, now: Timestamp) {
        let platforms = SIMULATED.iter().map(|simulated| simulated.platform());
        pages::seed::sow(&mut self.world(), platforms, now);
    }

    pub async fn stop(self) {
        self.handle.stop(false).await;
    }
}

/// The world behind its lock. A panic in a handler spoils one reply, not the sandbox.
#[derive(Clone)]
struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts the sandbox with an empty world.
///
/// - `bind`: a loopback address; port 0 lets the system choose.
/// - errors: any other address, or a port that is taken.
pub async fn start(bind: SocketAddr) -> Result<Sandbox, Error> {
    if !bind.ip().is_loopback() {
        return Err(Error::NotLoopback(bind));
    }
    let world = SharedWorld(Arc::new(Mutex::new(World::new())));
    let shared = world.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(shared.clone()))
            .app_data(web::PayloadConfig::new(REQUEST_BYTES_MAX))
            .default_service(web::to(answer))
    })
    .workers(1)
    .disable_signals()
    .shutdown_timeout(1)
    .bind(bind)
    .map_err(|source| Error::Listen { address: bind, source })?;
    let addr = server.addrs().first().copied().unwrap_or(bind);
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(Sandbox { addr, handle, world })
}

/// Every request: read it, let the platform answer, apply faults, write it down.
async fn answer(http: HttpRequest, body: web::Bytes, world: web::Data<SharedWorld>) -> HttpResponse {
    let request = Request::read(&http, &body);
    if let Some(command) = request.path.strip_prefix("/_sim/") {
        return control::answer(&mut world.lock(), command, &request).into_http();
    }
    if let Some(below) = request.path.strip_prefix("/bank/") {
        let below = Request { path: format!("/{below}"), ..request.clone() };
        let world = &mut *world.lock();
        return bank::answer(&mut world.bank, &below, world.now).into_http();
    }
    if let Some(reply) = pages::answer(&mut world.lock(), &request) {
        return reply.into_http();
    }
    let (reply, effect) = {
        let world = &mut *world.lock();
        answer_as_platform(world, &request)
    };
    if let Effect::Wait(delay) = effect {
        tokio::time::sleep(delay).await;
    }
    reply.into_http()
}

fn answer_as_platform(world: &mut World, request: &Request) -> (Reply, Effect) {
    let Some((simulated, below)) = simulated_at(&request.path) else {
        return (Reply::json(404, &serde_json::json!({ "error": "no platform has this path" })), Effect::None);
    };
    let platform = simulated.platform();
    let prefix = &request.path[..request.path.len() - below.len()];
    let base = format!("{}{prefix}", request.base);
    let request = Request { path: below.to_owned(), base, ..request.clone() };
    let effect = world.faults.take(platform, &request.path, &request.query_text);
    let reply = match &effect {
        // A limit is refused before the platform does anything, so a PUT under it changes nothing.
        Effect::Limit(limit) => simulated.limited(world, *limit),
        Effect::Refuse(refusal) => simulated.refused(world, *refusal),
        Effect::Replace(reply) => reply.clone(),
        Effect::RedirectLoop => to_itself(&request),
        Effect::Page(fault) => {
            if *fault == PageFault::Insertion {
                world.like_one_more(platform);
            }
            let last = world.last_pages.get(&platform).and_then(|page| fault::last_item(page, simulated.lists()));
            simulated.spoil_page(*fault, simulated.answer(world, &request), last.as_ref())
        }
        _ => simulated.answer(world, &request),
    };
    if request.method == "GET" && reply.status == 200 {
        world.last_pages.insert(platform, reply.clone());
    }
    let mut reply = effect.spoil(reply);
    reply.header("date", model::http_date(world.now));
    world.log(platform, &request, reply.status);
    (reply, effect)
}

fn to_itself(request: &Request) -> Reply {
    let mut reply = Reply::empty(302);
    let mark = if request.query_text.is_empty() { "" } else { "?" };
    reply.header("location", format!("{}{}{mark}{}", request.base, request.path, request.query_text));
    reply
}

/// `/github/users/mira` is `/users/mira` on GitHub. A server of the fediverse is a whole host: its paths have no prefix.
fn simulated_at(path: &str) -> Option<(&'static dyn Simulated, &str)> {
    if fediverse::has(path) {
        return Some((&fediverse::Fediverse, path));
    }
    let below = path.strip_prefix('/')?;
    let (slug, _) = below.split_once('/')?;
    Some((simulated(slug.parse().ok()?)?, &below[slug.len()..]))
}
