//! What each platform asks of whoever reads it: the warning beside every switch.
//!
//! Owns the texts, in the two languages of the pages. They say what was publicly documented in autumn 2026 and judge
//! nothing: nobody has cleared paying for likes with any of these platforms, and the operator answers for the keys.

use crate::domain::identity::Platform;

/// A warning in English and in French.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub en: &'static str,
    pub fr: &'static str,
}

/// What holds for every platform.
pub const FOR_ALL: Terms = Terms {
    en: "By leaving a bridge on, you say that you have read and accepted that platform's terms, and you answer for it: \
         nobody has cleared paying for likes with them for you.",
    fr: "En laissant un pont en service, vous dites avoir lu et accepté les conditions de la plateforme, et vous en \
         répondez : personne n’a fait valider pour vous le fait de payer pour des « j’aime ».",
};

/// What the platform's terms restrict, and what reading it costs.
pub const fn of(platform: Platform) -> Terms {
    match platform {
        Platform::Twitter => Terms {
            en: "X bills each item that is read (about $2.50 for 2,500 likes) and shows likes to their owner alone. Its \
                 terms have forbidden paying for favourites before. Archives that people bring cost nothing.",
            fr: "X facture chaque élément lu (environ 2,50 $ pour 2 500 « j’aime ») et ne montre les « j’aime » qu’à leur \
                 auteur. Ses conditions ont déjà interdit de payer pour des favoris. Les archives que les gens \
                 apportent ne coûtent rien.",
        },
        Platform::Instagram => Terms {
            en: "No API of Instagram lists likes, and the one that is left answers professional accounts only, for apps \
                 that Meta has reviewed; media may not be shown by their own address. Export files cost nothing.",
            fr: "Aucune API d’Instagram ne liste les « j’aime », et celle qui reste ne répond qu’aux comptes \
                 professionnels, pour des applications examinées par Meta ; les médias ne peuvent être affichés par leur \
                 propre adresse. Les fichiers d’export ne coûtent rien.",
        },
        Platform::Vimeo => Terms {
            en: "Vimeo limits requests by the plan of the app's owner, and films may be shown in its player only. Whether \
                 free accounts still get an app is unconfirmed.",
            fr: "Vimeo limite les requêtes selon l’abonnement du propriétaire de l’application, et les films ne peuvent \
                 être montrés que dans son lecteur. Il n’est pas confirmé que les comptes gratuits obtiennent encore une \
                 application.",
        },
        Platform::SoundCloud => Terms {
            en: "SoundCloud gives apps out on request and takes them back from whoever breaks its API terms: nothing may \
                 be copied, its uploaders' wishes count, and commercial use needs permission. Reading costs nothing.",
            fr: "SoundCloud attribue les applications sur demande et les retire à qui enfreint les conditions de son API : \
                 rien ne peut être copié, la volonté des auteurs compte, et l’usage commercial demande une autorisation. \
                 La lecture ne coûte rien.",
        },
        Platform::AppNet => Terms {
            en: "App.net closed in 2017. Where an address of pnut.io is set, the terms of pnut.io hold for your app. \
                 Files that people saved cost nothing.",
            fr: "App.net a fermé en 2017. Si une adresse de pnut.io est indiquée, les conditions de pnut.io valent pour \
                 votre application. Les fichiers que les gens ont gardés ne coûtent rien.",
        },
        Platform::GitHub => Terms {
            en: "GitHub may suspend whoever asks too often or shares tokens to get around its limits, forbids using its \
                 API for spam or for selling personal data, and counts bought or automated stars as abuse. Reading costs \
                 nothing.",
            fr: "GitHub peut suspendre qui demande trop souvent ou partage des jetons pour contourner ses limites, \
                 interdit d’utiliser son API pour du spam ou pour vendre des données personnelles, et tient pour abusives \
                 les étoiles achetées ou automatiques. La lecture ne coûte rien.",
        },
        Platform::Flickr => Terms {
            en: "Flickr gives new API keys to paying Pro members only and allows 3,600 requests an hour; commercial use \
                 needs a key of its own kind, and every photo shown must lead back to its page. Export files cost nothing.",
            fr: "Flickr ne donne de nouvelles clés d’API qu’aux membres Pro payants et admet 3 600 requêtes par heure ; \
                 l’usage commercial demande une clé particulière, et chaque photo montrée doit renvoyer à sa page. Les \
                 fichiers d’export ne coûtent rien.",
        },
        Platform::FiveHundredPx => Terms {
            en: "500px closed its API in 2018 and offers no other: only what people saved or paste is read, which costs \
                 nothing. Its pictures may not be altered, and belong to their photographers.",
            fr: "500px a fermé son API en 2018 et n’en propose pas d’autre : seul ce que les gens ont gardé ou collent est \
                 lu, ce qui ne coûte rien. Ses images ne peuvent être modifiées et appartiennent à leurs photographes.",
        },
        Platform::Fediverse => Terms {
            en: "Each server has rules of its own, and may block an instance that asks too much.",
            fr: "Chaque serveur a ses propres règles et peut bloquer une instance qui demande trop.",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_platform_has_a_warning_of_a_sentence_or_two_in_both_languages() {
        for platform in Platform::ALL {
            let Terms { en, fr } = of(platform);
            for text in [en, fr] {
                assert!(text.ends_with('.') && text.len() < 400 && !text.contains("  "), "{platform}: {text}");
            }
            assert_ne!(en, fr);
        }
    }
}
