//! The connectors against the sandbox, over real sockets: the acceptance tests of every bridge.
//!
//! Here, and not beside the connectors, because only a test may know both sides.

mod appnet;
mod control;
mod five_hundred_px;
mod flickr;
mod github;
mod instagram;
mod sign_in;
mod soundcloud;
mod twitter;
mod vimeo;

use std::net::SocketAddr;

use crate::sandbox::{self, Sandbox};

async fn sandbox() -> Sandbox {
    sandbox::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a free loopback port")
}
