//! Messages about accounts in the fediverse: one platform, many servers.

use super::catalogue;

catalogue! {
    door_handle: "Your whole name there", "Votre nom complet là-bas";
    door_handle_hint(label):
        "{label} is many servers: the name says which one to ask, such as mira@social.example.",
        "{label} est fait de nombreux serveurs : le nom dit lequel interroger, par exemple mira@social.example.";
}
