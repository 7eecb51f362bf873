//! Values with something to hide: tokens, and database URLs with a password in them.
//!
//! Owns the rule that neither `Debug`, `Display`, `config show` nor an error text ever contains a password or token.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::given::Raw;
use super::key::Key;
use super::setting::{Context, Setting, Shown, quoted};
use super::values::{NotAValue, refuse};

pub const MASK: &str = "********";

/// Which database holds the books.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The file of the embedded database.
    Sqlite(PathBuf),
    /// A URL for PostgreSQL's client library, which may contain a password.
    Postgresql(Secret),
}

impl fmt::Display for DatabaseUrl {
    /// With the password masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            DatabaseUrl::Postgresql(url) => f.write_str(&mask_password(url.expose())),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DatabaseUrl {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        match text.split_once("://") {
            Some(("sqlite", "")) => refuse("sqlite:// needs the path of a file"),
            Some(("sqlite", path)) if path.contains(":memory:") => {
                refuse("a database in memory would lose the books at the first restart: name a file")
            }
            Some(("sqlite", path)) if path.contains('?') => {
                refuse("options after `?` are not supported with sqlite://")
            }
            Some(("sqlite", path)) => Ok(DatabaseUrl::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", rest)) if !rest.is_empty() => {
                Ok(DatabaseUrl::Postgresql(Secret(text.to_owned())))
            }
            // The text is not quoted: a password may stand in it.
            _ => refuse("the database must be sqlite://<path> or postgres://user:password@host/name"),
        }
    }
}

/// Masks what stands between the user and the last `@`, and passwords among the parameters.
///
/// A URL that libpq would refuse is masked too, rather too much than too little: it is looked at when it does not work.
fn mask_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a database URL has a scheme");
    let rest = match rest.rsplit_once('@') {
        Some((credentials, host)) => match credentials.split_once(':') {
            Some((user, _)) => format!("{user}:{MASK}@{host}"),
            None => rest.to_owned(),
        },
        None => rest.to_owned(),
    };
    let Some((address, parameters)) = rest.split_once('?') else {
        return format!("{scheme}://{rest}");
    };
    let masked = parameters.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}={MASK}"),
        _ => parameter.to_owned(),
    });
    format!("{scheme}://{address}?{}", masked.collect::<Vec<_>>().join("&"))
}

/// A token or password. It is shown only as a mask; [`Secret::expose`] is the one way to the value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl FromStr for Secret {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        if text.is_empty() {
            refuse("the secret is empty: leave the key out instead")
        } else {
            Ok(Secret(text.to_owned()))
        }
    }
}

impl Setting for Secret {
    const IS_SECRET: bool = true;

    fn expected(_: &Key) -> String {
        "a secret text".to_owned()
    }

    fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
        context.parse(raw)
    }

    fn show(&self) -> Shown {
        Some(quoted(MASK))
    }
}

impl Setting for DatabaseUrl {
    const IS_SECRET: bool = true;

    fn expected(_: &Key) -> String {
        "sqlite://<path> or postgres://user:password@host/name".to_owned()
    }

    fn read(raw: &Raw, context: &Context) -> Result<Self, String> {
        context.parse(raw)
    }

    fn show(&self) -> Shown {
        Some(quoted(&self.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_database_is_masked_wherever_it_stands() {
        let check = |url: &str, shown: &str| assert_eq!(url.parse::<DatabaseUrl>().unwrap().to_string(), shown);
        check("sqlite:///var/lib/x.sqlite", "sqlite:///var/lib/x.sqlite");
        check("postgres://db.example/books", "postgres://db.example/books");
        check("postgres://alice@db:5432/books", "postgres://alice@db:5432/books");
        check("postgresql://alice:pw@db:5432/books", "postgresql://alice:********@db:5432/books");
        check("postgres://alice:p@s/w?o:r@db/books", "postgres://alice:********@db/books");
        check("postgres://a:1,b:2/books", "postgres://a:1,b:2/books");
        check("postgres:///books?host=/run&password=pw&user=a", "postgres:///books?host=/run&password=********&user=a");
        check("postgres://db/books?PASSWORD=pw", "postgres://db/books?PASSWORD=********");
        check("postgres://db/books?sslpassword=pw&x", "postgres://db/books?sslpassword=********&x");
    }

    #[test]
    fn a_database_that_could_not_keep_the_books_is_refused() {
        for url in ["", "sqlite://", "sqlite://:memory:", "sqlite://x?mode=memory", "postgres://", "mysql://h/b", "/x"]
        {
            assert!(url.parse::<DatabaseUrl>().is_err(), "{url}");
        }
    }
}
