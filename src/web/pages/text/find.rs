//! Words around finding an account or a post by its address.

use super::catalogue;

catalogue! {
    find_nav: "Find", "Trouver";
    find_title: "Find a creator or a post", "Trouver une personne ou une publication";
    find_text:
        "Paste the address of anything on the platforms, and flattr it here.",
        "Collez l’adresse de ce que vous avez aimé sur une plateforme, et donnez-lui un flattr ici.";
    find_label: "Address or name", "Adresse ou nom";
    find_hint:
        "For example https://vimeo.com/76979871, https://github.com/mira, @mira@flickr or @mira@social.example.",
        "Par exemple https://vimeo.com/76979871, https://github.com/mira, @mira@flickr ou @mira@social.example.";
    find_button: "Find", "Trouver";
    find_unknown(label):
        "Nobody here has flattred this on {label} yet, so this instance does not know it.",
        "Personne ici ne lui a encore donné de flattr sur {label} : cette instance ne le connaît pas.";
    find_not_told(label):
        "An address of this kind does not say which post it is, and none is known here under it. Only {label} can tell.",
        "Une adresse de ce genre ne dit pas de quelle publication il s’agit, et aucune n’est connue ici sous cette adresse. Seul {label} peut le dire.";
    find_ask(label): "Ask {label}", "Demander à {label}";
    find_not_an_address:
        "This is neither a web address nor a name such as @mira@github.",
        "Ce n’est ni une adresse web ni un nom tel que @mira@github.";
    find_unknown_host(known):
        "This address is not on a platform that is bridged here. Bridged are: {known}.",
        "Cette adresse n’appartient à aucune plateforme reliée ici. Plateformes reliées : {known}.";
    find_not_plain:
        "An address with a user name, a password or a port in it is not accepted: it may lead elsewhere than it looks.",
        "Une adresse qui contient un nom d’utilisateur, un mot de passe ou un port n’est pas acceptée : elle peut mener ailleurs qu’il n’y paraît.";
    find_nothing_there(label):
        "This page of {label} is neither a person nor a post.",
        "Cette page de {label} n’est ni une personne ni une publication.";
}
