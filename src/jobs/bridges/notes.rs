//! What is put down beside a connection that is no error of its platform: the words that pages translate.

pub const SWITCHED_OFF: &str = "the bridge is switched off";
pub const NO_API: &str = "this platform has no API for likes";
pub const GRANT_ENDED: &str = "what the account granted has ended: it has to sign in again";
pub const ONLY_ITSELF: &str = "this platform shows likes only to the account itself, which has to sign in";
pub const PUBLIC_ONLY: &str = "what the account granted has ended: sign in again; until then its public likes are read";
/// Behind a number.
pub const NOT_UNDERSTOOD: &str = " items could not be understood";
/// Behind the words of the platform.
pub const SIGN_IN_AGAIN: &str = ": the account has to sign in again";
