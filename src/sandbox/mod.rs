//! The platforms as local HTTP servers, for tests, the demo and whoever wants to try a connector without an account.
//!
//! Owns the rule that the sandbox follows each platform's public documentation and not our connector: it imports
//! nothing from `bridges`, so that a misreading of ours shows up as a failing test instead of agreeing with itself. It
//! listens on loopback only, since its tokens are no secrets.
//!
//! Each platform is a plain function from a request and the [`model::World`] to a reply, below a path prefix
//! (`/github`); sockets, faults and the log of requests are here. The control plane is below `/_sim`, see [`control`].
//! An instance that serves people never starts it. Source: docs/bridges/README.md, "The sandbox".

pub mod bank;
pub mod control;
pub mod fault;
pub mod github;
pub mod model;
pub mod reply;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

use crate::domain::identity::Platform;
use fault::Effect;
use model::World;
use reply::{Reply, Request};

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
    /// The address that a connector takes as its base URL.
    pub fn base_url(&self, platform: Platform) -> String {
        format!("http://{}/{}", self.addr, platform.slug())
    }

    /// The state, for whoever runs in the same process; others use the control plane.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock()
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
    let Some((platform, below)) = platform_of(&request.path) else {
        return (Reply::json(404, &serde_json::json!({ "error": "no platform has this path" })), Effect::None);
    };
    let request = Request { path: below.to_owned(), base: format!("{}/{platform}", request.base), ..request.clone() };
    let effect = world.faults.take(platform, &request.path);
    let reply = match (&effect, platform) {
        // A limit is refused before the platform does anything, so a PUT under it changes nothing.
        (Effect::Limit(limit), Platform::GitHub) => github::limited(world, *limit),
        (Effect::Replace(reply), _) => reply.clone(),
        (_, Platform::GitHub) => github::answer(world, &request),
        _ => unreachable!("only platforms with a handler have a path"),
    };
    let mut reply = effect.spoil(reply);
    reply.header("date", model::http_date(world.now));
    world.log(platform, &request, reply.status);
    (reply, effect)
}

/// `/github/users/mira` is `/users/mira` on GitHub.
fn platform_of(path: &str) -> Option<(Platform, &str)> {
    let below = path.strip_prefix("/github")?;
    below.starts_with('/').then_some((Platform::GitHub, below))
}
