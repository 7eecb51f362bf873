//! Tables of the fediverse as a platform: apps at its servers, and posts whose authors are looked for.

use diesel::table;

table! {
    fediverse_apps (server) {
        server -> Text,
        sealed -> Text,
        registered_at -> BigInt,
    }
}

table! {
    author_looks (object_id) {
        object_id -> BigInt,
        attempts -> BigInt,
        next_at -> BigInt,
        last_error -> Text,
    }
}
