//! The connectors against the sandbox, over real sockets: the acceptance tests of every bridge.
//!
//! Here, and not beside the connectors, because only a test may know both sides.

mod appnet;
mod control;
mod fediverse;
mod five_hundred_px;
mod flickr;
mod github;
mod instagram;
mod push;
mod sign_in;
mod soundcloud;
mod twitter;
mod vimeo;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use url::Url;

use crate::bridges::http::LoopbackHttp;
use crate::bridges::{Error, Http, HttpFailure, HttpReply, HttpRequest, LikesReply};
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::sandbox::fault::{Fault, Kind};
use crate::sandbox::model::World;
use crate::sandbox::{self, Sandbox};

async fn sandbox() -> Sandbox {
    sandbox::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free loopback port")
}

/// A client that changes the world after every reply.
struct Between<F: Fn(u32) + Send + Sync> {
    inner: LoopbackHttp,
    replies: AtomicU32,
    /// Given the number of replies so far.
    change: F,
}

impl<F: Fn(u32) + Send + Sync> Between<F> {
    fn over(change: F) -> Arc<Between<F>> {
        Arc::new(Between { inner: LoopbackHttp::new(), replies: AtomicU32::new(0), change })
    }
}

#[async_trait]
impl<F: Fn(u32) + Send + Sync> Http for Between<F> {
    async fn send(&self, request: &HttpRequest) -> Result<HttpReply, HttpFailure> {
        let reply = self.inner.send(request).await?;
        (self.change)(self.replies.fetch_add(1, Ordering::SeqCst) + 1);
        Ok(reply)
    }
}

/// Answers the next request to such a path with a fault.
fn break_it(world: &mut World, platform: Platform, path_glob: &str, kind: Kind) {
    let platform = platform.slug().into();
    let fault = Fault { platform, path_glob: path_glob.into(), kind, count: None, probability: None, seed: 0 };
    world.faults.add(fault);
}

/// When the limit ends that was met.
#[track_caller]
fn until(asked: Result<LikesReply, Error>) -> Timestamp {
    match asked {
        Err(Error::RateLimited { until: Some(until), .. }) => until,
        other => panic!("not a limit with a time: {other:?}"),
    }
}

/// Where people come back to after signing in.
fn callback() -> Url {
    Url::parse("https://node.example/connections/return").unwrap()
}
