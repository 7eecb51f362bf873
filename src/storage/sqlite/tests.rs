//! What is refused before SQLite opens a file, and what one failing transaction may not touch.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn options(path: &Path, is_writer: bool) -> Options {
    Options { url: format!("sqlite://{}", path.display()), pool_size: 2, is_writer }
}

#[test]
fn a_second_process_on_the_same_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("books.sqlite");
    let _first = Store::open(&path, &options(&path, true)).unwrap();
    // A lock belongs to an open file, so a second open in this process stands for a second process.
    let second = Store::open(&path, &options(&path, true));
    assert!(matches!(second, Err(Error::InUse(_))));
}

#[test]
fn a_truncated_file_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("books.sqlite");
    drop(Store::open(&path, &options(&path, true)).unwrap());
    let mut connection = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
    connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;").unwrap();
    drop(connection);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let copy = directory.path().join("copy.sqlite");
    std::fs::copy(&path, &copy).unwrap();
    assert!(matches!(Store::open(&copy, &options(&copy, true)), Err(Error::Truncated { .. })));
    assert_eq!(std::fs::read(&copy).unwrap(), whole[..whole.len() / 2]);
    std::fs::write(&copy, b"this was never a database, whatever its name says").unwrap();
    assert!(matches!(Store::open(&copy, &options(&copy, true)), Err(Error::NotADatabase(_))));
}

#[test]
fn a_link_to_the_file_is_no_second_way_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("books.sqlite");
    let first = Store::open(&path, &options(&path, true)).unwrap();
    let link = directory.path().join("link.sqlite");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let other = tempfile::tempdir().unwrap();
    let directory_link = other.path().join("data");
    std::os::unix::fs::symlink(directory.path(), &directory_link).unwrap();
    for second in [&link, &directory_link.join("books.sqlite"), &directory.path().join("./books.sqlite")] {
        assert!(matches!(Store::open(second, &options(second, true)), Err(Error::InUse(_))), "{}", second.display());
    }
    drop(first);
    drop(Store::open(&link, &options(&link, true)).unwrap());

    let hard = directory.path().join("hard.sqlite");
    std::fs::hard_link(&path, &hard).unwrap();
    for name in [&path, &hard, &link] {
        for is_writer in [true, false] {
            let refused = Store::open(name, &options(name, is_writer));
            assert!(matches!(refused, Err(Error::HardLinked(_))), "{}", name.display());
        }
    }
    std::fs::remove_file(&hard).unwrap();
    drop(Store::open(&path, &options(&path, true)).unwrap());

    let nowhere = directory.path().join("nowhere.sqlite");
    std::os::unix::fs::symlink(directory.path().join("unmounted.sqlite"), &nowhere).unwrap();
    assert!(matches!(Store::open(&nowhere, &options(&nowhere, true)), Err(Error::File { .. })));
}

#[test]
fn a_database_that_was_lost_is_not_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data").join("books.sqlite");
    drop(Store::open(&path, &options(&path, true)).unwrap());
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(path.parent().unwrap()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["books.sqlite", "books.sqlite.lock"]);
    std::fs::remove_file(&path).unwrap();
    let refused = Store::open(&path, &options(&path, true)).err().expect("refused").to_string();
    assert!(refused.contains("restore it from a backup") && refused.contains("books.sqlite.lock only if"), "{refused}");
    assert_eq!(names(), ["books.sqlite.lock"]);

    std::fs::write(&path, b"").unwrap();
    for is_writer in [true, false] {
        assert!(matches!(Store::open(&path, &options(&path, is_writer)), Err(Error::Empty(_))));
    }
    let lock = path.with_extension("sqlite.lock");
    std::fs::remove_file(&lock).unwrap();
    assert!(matches!(Store::open(&path, &options(&path, true)), Err(Error::Empty(_))));
    assert_eq!(names(), ["books.sqlite"]);

    std::fs::remove_file(&path).unwrap();
    let log = path.with_extension("sqlite-wal");
    std::fs::write(&log, b"what was committed last").unwrap();
    assert!(matches!(Store::open(&path, &options(&path, true)), Err(Error::Missing { .. })));
    assert_eq!(std::fs::read(&log).unwrap(), b"what was committed last");
    std::fs::remove_file(&log).unwrap();
    drop(Store::open(&path, &options(&path, true)).expect("with neither file it is a first start"));
}

#[test]
fn a_reader_makes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for path in [directory.path().join("books.sqlite"), directory.path().join("data").join("books.sqlite")] {
        assert!(Store::open(&path, &options(&path, false)).is_err());
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn only_the_owner_can_read_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let path = data.join("books.sqlite");
    let store = Store::open(&path, &options(&path, true)).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for name in ["books.sqlite", "books.sqlite.lock", "books.sqlite-wal", "books.sqlite-shm"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    drop(store);
}

/// A database with a row that fills hundreds of pages, committed and not yet copied from the log into the file.
struct Grown {
    /// The file before the log was copied into it, the log, and the file afterwards.
    short: Vec<u8>,
    log: Vec<u8>,
    whole: Vec<u8>,
}

impl Grown {
    fn new(directory: &Path) -> Grown {
        let path = directory.join("grown.sqlite");
        drop(Store::open(&path, &options(&path, true)).unwrap());
        let mut connection = SqliteConnection::establish(&path.to_string_lossy()).unwrap();
        let grow = "PRAGMA wal_autocheckpoint = 0; CREATE TABLE grown (filling BLOB) STRICT; \
                    INSERT INTO grown VALUES (randomblob(900000));";
        connection.batch_execute(grow).unwrap();
        let short = std::fs::read(&path).unwrap();
        let log = std::fs::read(path.with_extension("sqlite-wal")).unwrap();
        drop(connection);
        Grown { short, log, whole: std::fs::read(&path).unwrap() }
    }

    /// What a crash leaves that came when `copied` pages were in the file; `log_bytes` of the log remain.
    fn place(&self, path: &Path, copied: usize, log_bytes: usize) -> (Vec<u8>, Vec<u8>) {
        let (mut file, log) = (self.short.clone(), self.log[..log_bytes].to_vec());
        let end = copied * 4096;
        file.truncate(file.len().max(end));
        file.resize(file.len().max(end), 0);
        file[..end].copy_from_slice(&self.whole[..end]);
        std::fs::write(path, &file).unwrap();
        std::fs::write(path.with_extension("sqlite-wal"), &log).unwrap();
        (file, log)
    }
}

#[test]
fn a_crash_while_the_log_is_copied_into_the_file_is_mended() {
    use diesel::sql_types::BigInt;
    let directory = tempfile::tempdir().unwrap();
    let grown = Grown::new(directory.path());
    assert!(grown.short.len() + 800_000 < grown.whole.len());
    for is_writer in [true, false] {
        for copied in [1, 2, 100] {
            let path = directory.path().join(format!("crashed-{is_writer}-{copied}.sqlite"));
            grown.place(&path, copied, grown.log.len());
            let store = Store::open(&path, &options(&path, is_writer)).expect("the log has what the file lacks");
            let length = store.read_now(|tx| {
                let count = diesel::dsl::sql::<BigInt>("SELECT length(filling) FROM grown");
                Ok::<i64, Error>(both!(tx, |db| diesel::RunQueryDsl::get_result(count, db))?)
            });
            assert_eq!(length.unwrap(), 900_000);
            drop(store);
            assert_eq!(std::fs::read(&path).unwrap().len(), grown.whole.len());
        }
    }
}

#[test]
fn a_log_without_the_lost_pages_does_not_make_a_truncated_file_whole() {
    let directory = tempfile::tempdir().unwrap();
    let grown = Grown::new(directory.path());
    let path = directory.path().join("truncated.sqlite");
    let log_path = path.with_extension("sqlite-wal");
    let check = |placed: (Vec<u8>, Vec<u8>)| {
        for is_writer in [true, false] {
            let refused = Store::open(&path, &options(&path, is_writer));
            assert!(matches!(refused, Err(Error::Truncated { .. })));
            assert_eq!(
                (std::fs::read(&path).unwrap(), std::fs::read(&log_path).unwrap()),
                placed,
                "nothing is changed"
            );
        }
    };
    // Its commit is lost with the end of the log.
    check(grown.place(&path, 1, grown.log.len() - 4096));
    check(grown.place(&path, 1, 32));
    // One damaged byte ends what SQLite would recover.
    let (file, mut log) = grown.place(&path, 1, grown.log.len());
    log[5_000] ^= 1;
    std::fs::write(&log_path, &log).unwrap();
    check((file, log));
    // Pages are gone that were copied long ago.
    let (file, log) = grown.place(&path, 1, grown.log.len());
    let shorter = file[..2 * 4096].to_vec();
    std::fs::write(&path, &shorter).unwrap();
    check((shorter, log));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failing_transaction_takes_nothing_else_of_its_group_with_it() {
    use diesel::RunQueryDsl;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("books.sqlite");
    let store = Store::open(&path, &options(&path, true)).unwrap();
    let insert = |number: i64| {
        move |tx: &mut Tx| -> Result<()> {
            both!(tx, |db| diesel::sql_query(format!("INSERT INTO undone_likes VALUES ('{number}', 'a', 0)"))
                .execute(db))?;
            match number % 3 {
                1 => Err(Error::Closed),
                2 => panic!("a bug in a flow"),
                _ => Ok(()),
            }
        }
    };
    let outcomes = futures_util::future::join_all((0..60).map(|number| store.write(insert(number)))).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 20);
    let stored: Vec<String> = store
        .read_now(|tx| {
            use crate::storage::schema::undone_likes;
            use diesel::QueryDsl;
            Ok::<_, Error>(both!(tx, |db| undone_likes::table.select(undone_likes::like_uri).load(db))?)
        })
        .unwrap();
    assert_eq!(stored.len(), 20);
    assert!(stored.iter().all(|number| number.parse::<i64>().unwrap() % 3 == 0));
}
