//! The tables, as Diesel sees them: the same column types on SQLite and PostgreSQL.

mod bridges;
mod brought;
mod consent;
mod fediverse;
mod health;
mod posts;
mod sign_in;

use diesel::{allow_tables_to_appear_in_same_query, joinable, table};

pub use bridges::{
    claim_checks, claim_looks, connection_hidden, connection_likes, connection_passes, connection_proofs, connections,
};
pub use brought::imports;
pub use consent::{consent_looks, opt_outs, refusals};
pub use fediverse::{author_looks, fediverse_apps, given_likes, inbox_envelopes, like_sources};
pub use health::bridge_health;
pub use posts::{feeds, post_check_turns, post_checks, post_details, profile_details, resolved_posts};
pub use sign_in::{grants, owner_sign_ins, sign_ins};

table! {
    logins (id) {
        id -> BigInt,
        name -> Text,
        password_hash -> Nullable<Text>,
        is_operator -> Bool,
        is_disabled -> Bool,
        created_at -> BigInt,
    }
}

table! {
    login_tokens (id) {
        id -> BigInt,
        token_hash -> Text,
        login_id -> BigInt,
        purpose -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

table! {
    actors (id) {
        id -> BigInt,
        uri -> Text,
        kind -> Text,
        actor_type -> Text,
        host -> Text,
        username -> Text,
        display_name -> Text,
        summary -> Text,
        inbox -> Text,
        shared_inbox -> Nullable<Text>,
        rsa_key_id -> Text,
        rsa_public_pem -> Text,
        ed25519_key_id -> Nullable<Text>,
        ed25519_multikey -> Nullable<Text>,
        document -> Nullable<Text>,
        fetched_at -> BigInt,
        gone_at -> Nullable<BigInt>,
    }
}

table! {
    actor_keys (actor_id) {
        actor_id -> BigInt,
        rsa_private_pem -> Text,
        ed25519_seed -> Binary,
    }
}

table! {
    patrons (id) {
        id -> BigInt,
        login_id -> BigInt,
        actor_id -> BigInt,
        name -> Text,
        currency -> Text,
        budget_units -> BigInt,
        is_public -> Bool,
        deposit_reference -> Text,
        created_at -> BigInt,
    }
}

table! {
    creators (id) {
        id -> BigInt,
        login_id -> BigInt,
        name -> Text,
        bank_account -> Nullable<Text>,
        created_at -> BigInt,
    }
}

table! {
    identities (id) {
        id -> BigInt,
        platform -> Text,
        account -> Text,
        handle -> Text,
        display_name -> Text,
        profile_url -> Text,
        avatar_url -> Nullable<Text>,
        bio -> Text,
        actor_id -> Nullable<BigInt>,
        is_refused -> Bool,
        seen_at -> BigInt,
    }
}

table! {
    claims (id) {
        id -> BigInt,
        identity_id -> BigInt,
        creator_id -> Nullable<BigInt>,
        home_uri -> Text,
        creator_uri -> Text,
        method -> Text,
        token -> Text,
        state -> Text,
        created_at -> BigInt,
        verified_at -> Nullable<BigInt>,
        changed_at -> BigInt,
        confirmed_at -> Nullable<BigInt>,
        signed_in_at -> Nullable<BigInt>,
        proved_since -> Nullable<BigInt>,
    }
}

table! {
    ledger_currency (id) {
        id -> BigInt,
        currency -> Text,
    }
}

table! {
    ledger_accounts (id) {
        id -> BigInt,
        code -> Text,
        currency -> Text,
        class -> Text,
        debits_posted -> BigInt,
        debits_pending -> BigInt,
        credits_posted -> BigInt,
        credits_pending -> BigInt,
    }
}

table! {
    journal_entries (sequence) {
        sequence -> BigInt,
        id -> Text,
        kind -> Text,
        at -> BigInt,
        hash -> Binary,
    }
}

table! {
    transfers (id) {
        id -> Text,
        entry_sequence -> BigInt,
        position -> BigInt,
        debit_account_id -> BigInt,
        credit_account_id -> BigInt,
        units -> BigInt,
        currency -> Text,
        phase -> Text,
        pending_id -> Nullable<Text>,
    }
}

table! {
    journal_head (id) {
        id -> BigInt,
        sequence -> BigInt,
        hash -> Binary,
    }
}

table! {
    objects (id) {
        id -> BigInt,
        platform -> Text,
        object -> Text,
        owner_id -> Nullable<BigInt>,
        title -> Text,
        url -> Text,
        published_at -> Nullable<BigInt>,
        is_deleted -> Bool,
        seen_at -> BigInt,
    }
}

table! {
    flattrs (id) {
        id -> BigInt,
        patron_id -> BigInt,
        object_id -> BigInt,
        month -> Text,
        standing -> Text,
        source -> Text,
        received_at -> BigInt,
        liked_at -> Nullable<BigInt>,
        like_uri -> Nullable<Text>,
        owner_id -> Nullable<BigInt>,
    }
}

table! {
    received_likes (id) {
        id -> BigInt,
        actor_uri -> Text,
        object_id -> BigInt,
        pseudonym -> Text,
        like_uri -> Text,
        home_uri -> Nullable<Text>,
        month -> Text,
        is_taken_back -> Bool,
        received_at -> BigInt,
    }
}

table! {
    undone_likes (like_uri) {
        like_uri -> Text,
        actor_uri -> Text,
        undone_at -> BigInt,
    }
}

table! {
    months (month) {
        month -> Text,
        stage -> Text,
        cursor -> BigInt,
        seed -> Nullable<Binary>,
        commitment -> Nullable<Text>,
        commitment_digest -> Nullable<Text>,
    }
}

table! {
    month_budgets (id) {
        id -> BigInt,
        month -> Text,
        patron_id -> BigInt,
        currency -> Text,
        reserved_units -> BigInt,
        fee_units -> BigInt,
        is_partial -> Bool,
        is_divided -> Bool,
    }
}

table! {
    shares (flattr_id) {
        flattr_id -> BigInt,
        month -> Text,
        patron_id -> BigInt,
        identity_id -> Nullable<BigInt>,
        units -> BigInt,
        currency -> Text,
        outcome -> Text,
        statement_id -> Nullable<BigInt>,
        ended_month -> Nullable<Text>,
        expires_at -> BigInt,
    }
}

table! {
    rail_movements (id) {
        id -> BigInt,
        rail -> Text,
        movement -> Text,
        units -> BigInt,
        currency -> Text,
        reference -> Text,
        counterparty -> Text,
        value_at -> BigInt,
        booked_as -> Text,
    }
}

table! {
    payouts (id) {
        id -> BigInt,
        creator_id -> BigInt,
        rail -> Text,
        bank_account -> Text,
        units -> BigInt,
        currency -> Text,
        state -> Text,
        reference -> Text,
        requested_at -> BigInt,
        ended_at -> Nullable<BigInt>,
    }
}

table! {
    inbox (id) {
        id -> BigInt,
        activity_uri -> Text,
        digest -> Text,
        signer_uri -> Text,
        body -> Text,
        received_at -> BigInt,
        state -> Text,
        outcome -> Nullable<Text>,
        attempts -> BigInt,
        next_at -> BigInt,
        kind -> Text,
    }
}

table! {
    follows (id) {
        id -> BigInt,
        follower_uri -> Text,
        follower_inbox -> Text,
        followee_id -> BigInt,
        follow_uri -> Text,
        created_at -> BigInt,
    }
}

table! {
    outgoing (id) {
        id -> BigInt,
        activity_uri -> Text,
        actor_id -> BigInt,
        activity_type -> Text,
        body -> Text,
        created_at -> BigInt,
    }
}

table! {
    deliveries (id) {
        id -> BigInt,
        outgoing_id -> BigInt,
        inbox -> Text,
        host -> Text,
        class -> Text,
        ordering_key -> Text,
        state -> Text,
        attempts -> BigInt,
        first_at -> BigInt,
        next_at -> BigInt,
        last_status -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        lease_until -> BigInt,
    }
}

table! {
    outbox_events (id) {
        id -> BigInt,
        kind -> Text,
        subject -> Text,
        created_at -> BigInt,
        is_done -> Bool,
    }
}

table! {
    peer_commitments (id) {
        id -> BigInt,
        home_uri -> Text,
        month -> Text,
        digest -> Text,
        body -> Text,
    }
}

table! {
    peers (id) {
        id -> BigInt,
        uri -> Text,
        host -> Text,
        inbox -> Text,
        state -> Text,
        created_at -> BigInt,
        trusted_claims -> Text,
        trusts_claims -> Text,
    }
}

table! {
    channels (id) {
        id -> BigInt,
        peer_id -> BigInt,
        key -> Text,
        debtor_uri -> Text,
        creditor_uri -> Text,
        currency -> Text,
        is_debtor -> Bool,
        terms -> Text,
        frozen_because -> Nullable<Text>,
        payee_account -> Nullable<Text>,
        minimum_units -> BigInt,
        pulled_at -> Nullable<BigInt>,
    }
}

table! {
    channel_messages (id) {
        id -> BigInt,
        channel_id -> BigInt,
        is_ours -> Bool,
        sequence -> BigInt,
        uri -> Text,
        kind -> Text,
        digest -> Text,
        body -> Text,
        stored_at -> BigInt,
    }
}

table! {
    statements (id) {
        id -> BigInt,
        channel_id -> BigInt,
        month -> Text,
        uri -> Text,
        digest -> Text,
        state -> Text,
        units -> BigInt,
        like_count -> BigInt,
        creator_count -> BigInt,
        root -> Text,
        paid_units -> BigInt,
        expires_at -> BigInt,
        due_at -> BigInt,
        answer_uri -> Nullable<Text>,
        created_at -> BigInt,
    }
}

table! {
    statement_lines (id) {
        id -> BigInt,
        statement_id -> BigInt,
        position -> BigInt,
        creator_uri -> Text,
        identity -> Text,
        like_count -> BigInt,
        units -> BigInt,
        leaves_root -> Text,
        subtotal -> Text,
        origin_month -> Nullable<Text>,
        paid_units -> BigInt,
    }
}

table! {
    payments (id) {
        id -> BigInt,
        channel_id -> BigInt,
        uri -> Text,
        digest -> Text,
        reference -> Text,
        units -> BigInt,
        currency -> Text,
        state -> Text,
        created_at -> BigInt,
    }
}

table! {
    payment_parts (id) {
        id -> BigInt,
        payment_id -> BigInt,
        statement_id -> BigInt,
        units -> BigInt,
        missing_units -> BigInt,
    }
}

table! {
    evidence (id) {
        id -> BigInt,
        kind -> Text,
        subject -> Text,
        first_body -> Text,
        second_body -> Text,
        found_at -> BigInt,
    }
}

table! {
    rail_cursors (rail) {
        rail -> Text,
        cursor -> BigInt,
        next_poll_at -> BigInt,
        last_error -> Nullable<Text>,
    }
}

joinable!(login_tokens -> logins (login_id));
joinable!(actor_keys -> actors (actor_id));
joinable!(patrons -> logins (login_id));
joinable!(patrons -> actors (actor_id));
joinable!(creators -> logins (login_id));
joinable!(identities -> actors (actor_id));
joinable!(claims -> identities (identity_id));
joinable!(claims -> creators (creator_id));
joinable!(claim_looks -> identities (identity_id));
joinable!(consent_looks -> identities (identity_id));
joinable!(connection_proofs -> patrons (patron_id));
joinable!(transfers -> journal_entries (entry_sequence));
joinable!(objects -> identities (owner_id));
joinable!(flattrs -> patrons (patron_id));
joinable!(flattrs -> objects (object_id));
joinable!(received_likes -> objects (object_id));
joinable!(month_budgets -> patrons (patron_id));
joinable!(shares -> flattrs (flattr_id));
joinable!(shares -> patrons (patron_id));
joinable!(shares -> identities (identity_id));
joinable!(payouts -> creators (creator_id));
joinable!(follows -> actors (followee_id));
joinable!(outgoing -> actors (actor_id));
joinable!(deliveries -> outgoing (outgoing_id));
joinable!(channels -> peers (peer_id));
joinable!(channel_messages -> channels (channel_id));
joinable!(statements -> channels (channel_id));
joinable!(statement_lines -> statements (statement_id));
joinable!(payments -> channels (channel_id));
joinable!(payment_parts -> payments (payment_id));
joinable!(payment_parts -> statements (statement_id));
joinable!(connections -> patrons (patron_id));
joinable!(connection_likes -> connections (connection_id));
joinable!(connection_likes -> objects (object_id));
joinable!(feeds -> identities (identity_id));
joinable!(post_checks -> objects (object_id));
joinable!(post_details -> objects (object_id));
joinable!(resolved_posts -> objects (object_id));

allow_tables_to_appear_in_same_query! {
    actor_keys, actors, author_looks, channel_messages, channels, claim_checks, claim_looks, claims, connection_hidden, connection_likes,
    connection_passes, connection_proofs, connections, consent_looks, creators, deliveries, evidence, feeds, flattrs,
    given_likes,
    follows, identities, inbox, journal_entries, journal_head, ledger_accounts, ledger_currency, login_tokens, logins,
    month_budgets, months, objects, outbox_events, outgoing, patrons, payment_parts, payments, payouts,
    peer_commitments, peers, post_checks, post_details, rail_cursors, rail_movements, received_likes, refusals,
    resolved_posts, shares, statement_lines, statements, transfers, undone_likes,
}
