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
pub mod ids;
pub mod instagram;
pub mod model;
pub mod oauth;
pub mod pages;
pub mod push;
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

    /// What is sent to those who have asked to be told.
    ///
    /// - `number`: of the news, counted over all platforms.
    fn pushes(&self, _world: &World, _news: &push::News, _number: u64) -> Vec<push::Push> {
        Vec::new()
    }

    /// The names of the forms that the export file has, beside the one that [`Simulated::export`] gives.
    fn export_forms(&self) -> &'static [&'static str] {
        &[]
    }

    /// The export file in one of [`Simulated::export_forms`].
    fn export_as(&self, _form: &str, world: &World, user_id: &str) -> Result<Vec<(String, Vec<u8>)>, Missing> {
        self.export(world, user_id)
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

/// The address that a connector takes as its base URL, of a sandbox that listens there.
pub fn base_url(addr: SocketAddr, platform: Platform) -> String {
    match platform {
        Platform::Fediverse => format!("http://{addr}"),
        _ => format!("http://{addr}/{}", platform.slug()),
    }
}

/// A running sandbox. It ends with [`Sandbox::stop`], or when the last handle is gone with the runtime.
pub struct Sandbox {
    /// Where it listens; the port that the system chose when 0 was asked for.
    pub addr: SocketAddr,
    /// Where the control plane listens; the same where it has no port of its own.
    pub control_addr: SocketAddr,
    handles: Vec<ServerHandle>,
    world: SharedWorld,
}

impl Sandbox {
    /// The address that a connector takes as its base URL. Of the fediverse, the whole host is one server.
    pub fn base_url(&self, platform: Platform) -> String {
        base_url(self.addr, platform)
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
        for handle in self.handles {
            handle.stop(false).await;
        }
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

/// What is answered on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Everything,
    /// All but the control plane. Export files stay, which people download from their profiles.
    Platforms,
    Control,
}

impl Role {
    fn has(self, request: &Request) -> bool {
        let is_control = request.path.starts_with("/_sim/");
        match self {
            Role::Everything => true,
            Role::Platforms => !is_control || request.method == "GET" && request.path.starts_with("/_sim/exports/"),
            Role::Control => is_control,
        }
    }
}

/// Starts the sandbox with an empty world.
///
/// - `bind`: a loopback address; port 0 lets the system choose.
/// - errors: any other address, or a port that is taken.
pub async fn start(bind: SocketAddr) -> Result<Sandbox, Error> {
    start_apart(bind, None).await
}

/// Starts the sandbox with its control plane on a port of its own, out of reach of whoever is shown the platforms.
///
/// - `control`: a loopback address; `None` for beside the platforms.
pub async fn start_apart(bind: SocketAddr, control: Option<SocketAddr>) -> Result<Sandbox, Error> {
    let world = SharedWorld(Arc::new(Mutex::new(World::new())));
    let role = if control.is_some() { Role::Platforms } else { Role::Everything };
    let (addr, handle) = listen(bind, &world, role)?;
    let mut sandbox = Sandbox { addr, control_addr: addr, handles: vec![handle], world };
    if let Some(control) = control {
        match listen(control, &sandbox.world, Role::Control) {
            Ok((addr, handle)) => {
                sandbox.control_addr = addr;
                sandbox.handles.push(handle);
            }
            Err(error) => {
                sandbox.stop().await;
                return Err(error);
            }
        }
    }
    Ok(sandbox)
}

fn listen(bind: SocketAddr, world: &SharedWorld, role: Role) -> Result<(SocketAddr, ServerHandle), Error> {
    if !bind.ip().is_loopback() {
        return Err(Error::NotLoopback(bind));
    }
    let shared = world.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(shared.clone()))
            .app_data(web::Data::new(role))
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
    Ok((addr, handle))
}

/// Every request: read it, let the platform answer, apply faults, write it down.
async fn answer(
    http: HttpRequest,
    body: web::Bytes,
    world: web::Data<SharedWorld>,
    role: web::Data<Role>,
) -> HttpResponse {
    let request = Request::read(&http, &body);
    if !role.has(&request) {
        let error = "the control plane and the platforms have ports of their own here";
        return Reply::json(404, &serde_json::json!({ "error": error })).into_http();
    }
    let (reply, effect) = answer_anybody(&mut world.lock(), &request);
    if let Effect::Wait(delay) = effect {
        tokio::time::sleep(delay).await;
    }
    let reply = push::shake(&world, reply).await;
    push::send(&world);
    reply.into_http()
}

fn answer_anybody(world: &mut World, request: &Request) -> (Reply, Effect) {
    if let Some(command) = request.path.strip_prefix("/_sim/") {
        return (control::answer(world, command, request), Effect::None);
    }
    if let Some(below) = request.path.strip_prefix("/bank/") {
        let below = Request { path: format!("/{below}"), ..request.clone() };
        return (bank::answer(&mut world.bank, &below, world.now), Effect::None);
    }
    match pages::answer(world, request) {
        Some(reply) => (reply, Effect::None),
        None => answer_as_platform(world, request),
    }
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
        Effect::Refuse(refusal) => {
            end_token(world, platform, &request, *refusal);
            simulated.refused(world, *refusal)
        }
        Effect::Replace(reply) => reply.clone(),
        Effect::RedirectLoop => to_itself(&request),
        Effect::Page(fault) => {
            if *fault == PageFault::Insertion {
                world.like_one_more(platform);
            }
            let last = world.last_pages.get(&platform).and_then(|page| fault::last_item(page, simulated.lists()));
            let reply = simulated.answer(world, &request);
            // An item can be put in before any request; the others wait for a list.
            if *fault != PageFault::Insertion && !fault::has_list(&reply, simulated.lists()) {
                world.faults.put_back();
            }
            simulated.spoil_page(*fault, reply, last.as_ref())
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

/// A token that was refused as ended or taken back stays so: only renewing it, or signing in anew, helps.
fn end_token(world: &mut World, platform: Platform, request: &Request, refusal: Refusal) {
    let Some(token) = oauth::token_in(request) else { return };
    match refusal {
        Refusal::ExpiredToken => world.expire_token(platform, &token),
        Refusal::RevokedToken => world.revoke_token(platform, &token),
        _ => {}
    }
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
