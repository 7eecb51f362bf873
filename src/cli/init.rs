//! `init`: a configuration and the first operator, with nothing left open.

use std::path::Path;

use anyhow::{Context, bail};

use crate::config::Config;
use crate::console::{Command, execute};
use crate::federation::{Node, library};

/// Writes `fedflattr.toml`, makes database and keys, and prints the one-time link of the first operator.
pub async fn run(domain: &str, admin: &str, directory: &Path) -> anyhow::Result<()> {
    let path = directory.join("fedflattr.toml");
    if path.exists() {
        bail!("{} is there already: init never overwrites a configuration", path.display());
    }
    let data_dir = directory.join("data");
    let text = format!(
        "# Every key with its meaning and default: `fedflattr config example`.\n\n\
         [server]\ndomain = {}\ndata_dir = {}\n",
        toml::Value::String(domain.to_owned()),
        toml::Value::String(data_dir.display().to_string()),
    );
    // Judged before anything is written: a wrong domain leaves no trace.
    let flags = [
        ("server.domain".to_owned(), domain.to_owned()),
        ("server.data_dir".to_owned(), data_dir.display().to_string()),
    ];
    let config = Config::load(None, std::iter::empty(), &flags)?.config;
    std::fs::create_dir_all(&data_dir).with_context(|| format!("cannot make {}", data_dir.display()))?;
    let node = Node::start(config).await?;
    let federation = library::federation(&node).await?;
    let command = Command::UserCreate { name: admin.to_owned(), budget: None, is_public: false, is_operator: true };
    let answer = execute(&federation, command).await?;
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.display());
    println!("{}", answer.text);
    println!("start it with: fedflattr --config {} serve", path.display());
    Ok(())
}
