//! `init`: a configuration and the first operator, with nothing left open.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};

use crate::config::{Config, environment};
use crate::console::{Command, execute};
use crate::federation::{Node, library};

/// Writes `fedflattr.toml`, makes database and keys, and prints the one-time link of the first operator.
///
/// - `set`: further keys with their values, which go into the file.
/// - errors: whatever is refused leaves no configuration behind, so that the command can be given again.
pub async fn run(domain: &str, admin: &str, directory: &Path, set: &[(String, String)]) -> anyhow::Result<()> {
    let path = directory.join("fedflattr.toml");
    if path.exists() {
        bail!("{} is there already: init never overwrites a configuration", path.display());
    }
    let data_dir = std::path::absolute(directory.join("data"))?;
    let mut flags = vec![
        ("server.domain".to_owned(), domain.to_owned()),
        ("server.data_dir".to_owned(), data_dir.display().to_string()),
    ];
    flags.extend_from_slice(set);
    // Judged before anything is written: a wrong domain leaves no trace.
    let loaded = Config::load(None, environment(), &flags)?;
    let data_dir = &loaded.config.server.data_dir;
    std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    std::fs::create_dir_all(data_dir).with_context(|| format!("cannot make {}", data_dir.display()))?;
    write_private(&path, &loaded.file_of_flags(&flags)).with_context(|| format!("cannot write {}", path.display()))?;
    let answer = match first_operator(&path, admin).await {
        Ok(answer) => answer,
        Err(error) => {
            std::fs::remove_file(&path).with_context(|| format!("cannot take back {}", path.display()))?;
            return Err(error);
        }
    };
    println!("wrote {}", path.display());
    println!("{answer}");
    println!("start it with: fedflattr --config {} serve", path.display());
    Ok(())
}

/// Starts the instance once as it will be started from now on, from the file and the environment.
async fn first_operator(path: &Path, admin: &str) -> anyhow::Result<String> {
    let config = Config::load(Some(path), environment(), &[])?.config;
    let node = Node::start(config).await?;
    let federation = library::federation(&node).await?;
    let command = Command::UserCreate { name: admin.to_owned(), budget: None, is_public: false, is_operator: true };
    Ok(execute(&federation, command).await?.text)
}

/// Makes a file that only its owner reads: it may hold the password of a database.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
