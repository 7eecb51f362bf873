//! `init`: a configuration and the first operator, with nothing left open.
//!
//! Owns that a refused `init` leaves no trace of its own, so that it can be given again, with another domain too. Must
//! not touch what was there before.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::make_private_directory;
use crate::config::{Config, DatabaseUrl, environment};
use crate::console::{Command, execute};
use crate::federation::{Node, library};
use crate::flows::register;
use crate::vault;

/// Writes `fedflattr.toml`, makes database and keys, and prints the one-time link of the first operator.
///
/// - `set`: further keys with their values, which go into the file.
/// - errors: whatever is refused leaves nothing behind that was not there. Only a database on PostgreSQL keeps the
///   tables, and the domain once it has been written.
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
    // Judged before anything is written: a wrong domain or name leaves no trace.
    let loaded = Config::load(None, environment(), &flags)?;
    register::check_name(admin)?;
    let absent = Absent::before(&path, &loaded.config);
    let made = set_up(&path, &loaded.config.server.data_dir, &loaded.file_of_flags(&flags), admin).await;
    let answer = match made {
        Ok(answer) => answer,
        Err(error) => {
            absent.restore()?;
            return Err(error);
        }
    };
    println!("wrote {}", path.display());
    println!("{answer}");
    println!("start it with: fedflattr --config {} serve", path.display());
    Ok(())
}

async fn set_up(path: &Path, data_dir: &Path, text: &str, admin: &str) -> anyhow::Result<String> {
    for directory in [directory_of(path), data_dir] {
        make_private_directory(directory)?;
    }
    write_private(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    first_operator(path, admin).await
}

/// Starts the instance once as it will be started from now on, from the file and the environment.
async fn first_operator(path: &Path, admin: &str) -> anyhow::Result<String> {
    let config = Config::load(Some(path), environment(), &[])?.config;
    let node = Node::start(config).await?;
    let federation = library::federation(&node).await?;
    let command = Command::UserCreate { name: admin.to_owned(), budget: None, is_public: false, is_operator: true };
    Ok(execute(&federation, command).await?.text)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// What `init` may make and was not there before, so that it can be taken back.
struct Absent {
    files: Vec<PathBuf>,
    /// Each before the one that it is in.
    directories: Vec<PathBuf>,
}

impl Absent {
    /// - `path`: of the configuration file that will be written.
    fn before(path: &Path, config: &Config) -> Absent {
        let mut files = vec![path.to_owned(), vault::key_path(&config.server.data_dir)];
        if let DatabaseUrl::Sqlite(database) = &config.database.url {
            // The database and what stands beside it.
            let name = database.display();
            files.extend(["", "-wal", "-shm", ".lock", ".new"].map(|suffix| PathBuf::from(format!("{name}{suffix}"))));
        }
        let above = files.iter().map(|file| directory_of(file)).chain([config.server.data_dir.as_path()]);
        let mut directories: Vec<PathBuf> = above.flat_map(Path::ancestors).map(Path::to_owned).collect();
        let is_absent = |path: &PathBuf| !path.as_os_str().is_empty() && std::fs::symlink_metadata(path).is_err();
        directories.retain(is_absent);
        files.retain(is_absent);
        directories.sort_by_key(|directory| std::cmp::Reverse(directory.components().count()));
        directories.dedup();
        Absent { files, directories }
    }

    /// Removes what has come since. A directory in which somebody else has put something stays.
    fn restore(self) -> anyhow::Result<()> {
        let files = self.files.iter().map(|file| (file, std::fs::remove_file(file)));
        let directories = self.directories.iter().map(|directory| (directory, std::fs::remove_dir(directory)));
        for (path, removed) in files.chain(directories) {
            match removed {
                Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
                    return Err(error).with_context(|| format!("cannot take back {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Makes a file that only its owner reads: it may hold the password of a database.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::federation::node::open_database;
    use crate::storage::people;

    fn set(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_refused_init_leaves_nothing_and_can_be_given_again_with_another_domain() {
        let top = tempfile::tempdir().unwrap();
        let directory = top.path().join("var").join("flattr");
        for name in ["Ada", "a", "admin", "", "-ada"] {
            let refused = run("node.example", name, &directory, &[]).await.expect_err("refused").to_string();
            assert!(refused.contains("cannot be a name"), "{refused}");
        }
        assert_eq!(names(top.path()), Vec::<String>::new());
        // Refused when the configuration is written and the data directory is made.
        let nobody_listens = set(&[("database.url", "postgres://nobody@127.0.0.1:1/nothing")]);
        run("node.example", "ada", &directory, &nobody_listens).await.expect_err("refused");
        assert_eq!(names(top.path()), Vec::<String>::new());

        run("other.example", "ada", &directory, &[]).await.expect("nothing is in its way");
        assert_eq!(names(&directory), ["data", "fedflattr.toml"]);
        assert_eq!(names(&directory.join("data")), ["fedflattr.sqlite", "fedflattr.sqlite.lock", "secrets.key"]);
        let mode = |name: &str| std::fs::metadata(directory.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("data"), mode("fedflattr.toml")), (0o700, 0o600));
        assert_eq!((mode("data/fedflattr.sqlite"), mode("data/fedflattr.sqlite.lock")), (0o600, 0o600));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_a_failed_start_has_made_is_removed_and_what_was_there_stays() {
        let top = tempfile::tempdir().unwrap();
        let directory = top.path().join("flattr");
        let path = directory.join("fedflattr.toml");
        let flags = set(&[
            ("server.domain", "node.example"),
            ("server.data_dir", &directory.join("data").display().to_string()),
            ("database.url", &format!("sqlite://{}", top.path().join("db/books.sqlite").display())),
        ]);
        let loaded = Config::load(None, std::iter::empty(), &flags).unwrap();
        for is_there_before in [false, true] {
            if is_there_before {
                std::fs::create_dir_all(directory.join("data")).unwrap();
                std::fs::write(directory.join("data/notes.txt"), "of the operator").unwrap();
            }
            let absent = Absent::before(&path, &loaded.config);
            set_up(&path, &loaded.config.server.data_dir, &loaded.file_of_flags(&flags), "ada").await.unwrap();
            // The name is taken now: the second set-up fails after everything was made.
            std::fs::remove_file(&path).unwrap();
            let again = set_up(&path, &loaded.config.server.data_dir, &loaded.file_of_flags(&flags), "ada").await;
            assert!(again.expect_err("refused").to_string().contains("is taken"));
            absent.restore().unwrap();
            let left: &[&str] = if is_there_before { &["flattr"] } else { &[] };
            assert_eq!(names(top.path()), left);
        }
        assert_eq!(names(&directory), ["data"]);
        assert_eq!(names(&directory.join("data")), ["notes.txt"]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_instance_of_a_neighbourhood_is_set_up_with_a_list_of_networks() {
        for list in ["127.0.0.0/8", "127.0.0.0/8, ::1", r#"["127.0.0.0/8", "::1/128"]"#] {
            let directory = tempfile::tempdir().unwrap();
            let networks = set(&[("federation.allow_private_addresses", list)]);
            run("localhost:18080", "ada", directory.path(), &networks).await.expect(list);
            let path = directory.path().join("fedflattr.toml");
            let config = Config::load(Some(&path), std::iter::empty(), &[]).unwrap().config;
            assert_eq!(config.federation.allow_private_addresses[0].to_string(), "127.0.0.0/8");
            assert_eq!(config.server.base_url.as_str(), "http://localhost:18080");
            let actor = open_database(&config, false).unwrap().read(people::instance_actor).await.unwrap();
            assert_eq!(actor.expect("made").uri, "http://localhost:18080/instance");
        }
    }
}
