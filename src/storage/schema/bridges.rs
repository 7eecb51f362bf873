//! Tables of patrons' accounts on platforms, and of what is still to be looked at there.

use diesel::table;

table! {
    connections (id) {
        id -> BigInt,
        patron_id -> BigInt,
        platform -> Text,
        account -> Text,
        handle -> Text,
        is_active -> Bool,
        baseline_at -> Nullable<BigInt>,
        newest_like_at -> Nullable<BigInt>,
        etag -> Nullable<Text>,
        next_poll_at -> BigInt,
        last_success_at -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        connected_at -> Nullable<BigInt>,
        caught_up_at -> Nullable<BigInt>,
        full_at -> Nullable<BigInt>,
        pass_number -> BigInt,
        failures -> BigInt,
        asks_first -> Bool,
        view -> Nullable<Text>,
        basis_pass -> BigInt,
    }
}

table! {
    connection_likes (id) {
        id -> BigInt,
        connection_id -> BigInt,
        object_id -> BigInt,
        liked_at -> Nullable<BigInt>,
        is_baseline -> Bool,
        is_gone -> Bool,
        seen_in_pass -> BigInt,
    }
}

table! {
    connection_passes (connection_id) {
        connection_id -> BigInt,
        number -> BigInt,
        kind -> Text,
        started_at -> BigInt,
        cursor -> Nullable<Text>,
        pages -> BigInt,
        repeats -> BigInt,
        unreadable -> BigInt,
        is_moved -> Bool,
        mark -> Nullable<Text>,
    }
}

table! {
    connection_hidden (connection_id, object) {
        connection_id -> BigInt,
        object -> Text,
    }
}

table! {
    connection_proofs (id) {
        id -> BigInt,
        patron_id -> BigInt,
        platform -> Text,
        account -> Text,
        handle -> Text,
        token -> Text,
        state -> Text,
        created_at -> BigInt,
        proved_at -> Nullable<BigInt>,
    }
}

table! {
    claim_checks (id) {
        id -> BigInt,
        identity -> Text,
        home_uri -> Text,
        creator_uri -> Text,
        token -> Text,
        state -> Text,
        attempts -> BigInt,
        next_at -> BigInt,
        last_error -> Nullable<Text>,
        signed_in_at -> Nullable<BigInt>,
        proved_since -> Nullable<BigInt>,
    }
}

table! {
    claim_looks (identity_id) {
        identity_id -> BigInt,
        looked_at -> Nullable<BigInt>,
        next_at -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
    }
}
