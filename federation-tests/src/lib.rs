//! What the federation tests share: the binary under test, databases of both kinds, and a remote server of our own making.
//!
//! The tests know the product from outside: its command line, its control socket, its HTTP. Only what a stranger would
//! have to build as well (signatures, an actor document) is taken from the library.

pub mod remote;
pub mod world;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use fedflattr::cli::stage::Role;

/// The binary, built with the profile of this test run.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        // .../target/<profile>/deps/<this test>
        let test = std::env::current_exe().expect("a test has a path");
        let directory = test.parent().and_then(Path::parent).expect("tests are built into the target directory");
        let profile = match directory.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--package", "fedflattr", "--bin", "fedflattr", "--profile", profile])
            .arg("--manifest-path")
            .arg(manifest)
            .status()
            .expect("cargo runs");
        assert!(status.success(), "the binary under test was built");
        directory.join("fedflattr")
    })
}

/// A role on embedded SQLite.
pub fn on_sqlite(name: &'static str) -> Role {
    Role { name, database_url: None }
}
