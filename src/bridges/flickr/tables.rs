//! What Flickr tells about itself: its licences, and the refusals of its methods.
//!
//! Owns the table of licences by which posts are labelled. It is not fetched, so that a post costs one request; an
//! operator compares it with Flickr's by `bridge decode`.

use serde::Deserialize;
use serde_json::Value;

use super::wire::parse;
use crate::bridges::error::Error;
use crate::bridges::wire::{Listed, Text, items, written};

/// The address of a licence, as flickr.photos.licenses.getInfo gives it. A number that was added since means none: a
/// wrong licence would be worse.
pub(super) fn licence_address(id: &Text) -> Option<&'static str> {
    Some(match id.as_str() {
        "1" => "https://creativecommons.org/licenses/by-nc-sa/2.0/",
        "2" => "https://creativecommons.org/licenses/by-nc/2.0/",
        "3" => "https://creativecommons.org/licenses/by-nc-nd/2.0/",
        "4" => "https://creativecommons.org/licenses/by/2.0/",
        "5" => "https://creativecommons.org/licenses/by-sa/2.0/",
        "6" => "https://creativecommons.org/licenses/by-nd/2.0/",
        "7" => "https://www.flickr.com/commons/usage/",
        "8" => "http://www.usa.gov/copyright.shtml",
        "9" => "https://creativecommons.org/publicdomain/zero/1.0/",
        "10" => "https://creativecommons.org/publicdomain/mark/1.0/",
        _ => return None,
    })
}

/// One line of the table of licences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence {
    pub id: String,
    pub name: String,
    pub url: Option<String>,
    /// The bridge shows photos under it as free to that extent.
    pub is_known: bool,
}

/// The table from `flickr.photos.licenses.getInfo`, by which an operator sees what is new there.
pub fn licences(bytes: &[u8]) -> Result<Listed<Licence>, Error> {
    #[derive(Deserialize)]
    struct Reply {
        licenses: List,
    }
    #[derive(Deserialize)]
    struct List {
        license: Vec<Value>,
    }
    #[derive(Deserialize)]
    struct WireLicence {
        id: Text,
        name: String,
        url: Option<String>,
    }
    let Reply { licenses } = parse(bytes)?;
    items(licenses.license, |licence: WireLicence| {
        let url = written(licence.url);
        let is_known = licence_address(&licence.id) == url.as_deref();
        Ok(Some(Licence { id: licence.id.0, name: licence.name, url, is_known }))
    })
}

/// A method as Flickr describes it: its name, whether it needs a signed-in person, and the codes of its errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    pub name: String,
    pub needs_login: bool,
    pub errors: Vec<(String, Error)>,
}

/// From `flickr.reflection.getMethodInfo`: which classes the refusals of a method fall into.
pub fn method(bytes: &[u8]) -> Result<Method, Error> {
    #[derive(Deserialize)]
    struct Reply {
        method: WireMethod,
        errors: WireErrors,
    }
    #[derive(Deserialize)]
    struct WireMethod {
        name: String,
        needslogin: Option<Text>,
    }
    #[derive(Deserialize)]
    struct WireErrors {
        error: Vec<WireRefusal>,
    }
    #[derive(Deserialize)]
    struct WireRefusal {
        code: Text,
        message: String,
    }
    let Reply { method, errors } = parse(bytes)?;
    let errors = errors.error.into_iter();
    Ok(Method {
        name: method.name,
        needs_login: method.needslogin.is_some_and(|flag| flag.0 == "1"),
        errors: errors.map(|it| (it.code.0.clone(), super::error::by_code(&it.code.0, &it.message))).collect(),
    })
}
