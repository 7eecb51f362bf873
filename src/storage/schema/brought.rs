//! The table of files and lists that patrons brought.

use diesel::table;

table! {
    imports (id) {
        id -> BigInt,
        patron_id -> BigInt,
        connection_id -> BigInt,
        platform -> Text,
        kind -> Text,
        state -> Text,
        file_name -> Text,
        file_size -> BigInt,
        stored_as -> Nullable<Text>,
        likes -> BigInt,
        flattrs -> BigInt,
        baseline -> BigInt,
        unreadable -> BigInt,
        unresolved -> BigInt,
        refused -> Nullable<Text>,
        error -> Nullable<Text>,
        created_at -> BigInt,
        started_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        is_complete -> Bool,
        unanswered -> BigInt,
        attempts -> BigInt,
        next_at -> BigInt,
    }
}
