//! Tables of what is known of posts beside their addresses, and of whose posts are read when.

use diesel::table;

table! {
    post_details (object_id) {
        object_id -> BigInt,
        kind -> Text,
        thumbnail_url -> Nullable<Text>,
        full_form -> Nullable<Text>,
        digest -> Text,
        said_at -> Nullable<BigInt>,
        edited_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
        deletions -> BigInt,
        seen_in_pass -> BigInt,
    }
}

table! {
    profile_details (identity_id) {
        identity_id -> BigInt,
        kind -> Text,
        website -> Nullable<Text>,
    }
}

table! {
    feeds (identity_id) {
        identity_id -> BigInt,
        platform -> Text,
        begun_at -> BigInt,
        baseline_at -> Nullable<BigInt>,
        full_at -> Nullable<BigInt>,
        next_poll_at -> BigInt,
        last_success_at -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        failures -> BigInt,
        pass_number -> BigInt,
        pass_kind -> Nullable<Text>,
        pass_started_at -> BigInt,
        cursor -> Nullable<Text>,
        pages -> BigInt,
        unreadable -> BigInt,
        read_to -> Nullable<BigInt>,
    }
}

table! {
    post_checks (object_id) {
        object_id -> BigInt,
        platform -> Text,
        reason -> Text,
        next_at -> BigInt,
        failures -> BigInt,
        last_error -> Nullable<Text>,
    }
}

table! {
    post_check_turns (platform) {
        platform -> Text,
        next_at -> BigInt,
    }
}

table! {
    resolved_posts (object_id) {
        object_id -> BigInt,
    }
}
