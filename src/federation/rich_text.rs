//! Text of platforms as HTML that other servers may show.
//!
//! Owns that nothing a platform or a person there wrote becomes a script, a picture that tells who looks, or a form:
//! plain text is escaped, Markdown and HTML are cut down to a short list of tags.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use url::Url;

/// In which form a platform gives its texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    Plain,
    /// A few tags among lines that end with a line feed.
    Html,
    Markdown,
}

/// A whole text as paragraphs; empty for a text without anything to read.
pub fn html(text: &str, markup: Markup) -> String {
    match markup {
        _ if text.trim().is_empty() => String::new(),
        Markup::Plain => plain(text),
        Markup::Html => {
            let lines = text.replace("\r\n", "\n").replace('\n', "<br>");
            CLEANER.clean(&format!("<p>{lines}</p>")).to_string()
        }
        Markup::Markdown => {
            let mut rendered = String::new();
            let options = pulldown_cmark::Options::ENABLE_STRIKETHROUGH;
            pulldown_cmark::html::push_html(&mut rendered, pulldown_cmark::Parser::new_ext(text, options));
            CLEANER.clean(&rendered).to_string()
        }
    }
}

static CLEANER: LazyLock<ammonia::Builder<'static>> = LazyLock::new(|| {
    let tags = [
        "a",
        "b",
        "blockquote",
        "br",
        "code",
        "del",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "i",
        "li",
        "ol",
        "p",
        "pre",
        "strong",
        "ul",
    ];
    let mut cleaner = ammonia::Builder::empty();
    cleaner
        .tags(HashSet::from(tags))
        .clean_content_tags(HashSet::from(["script", "style"]))
        .tag_attributes(HashMap::from([("a", HashSet::from(["href"]))]))
        .url_schemes(HashSet::from(["http", "https"]))
        .url_relative(ammonia::UrlRelative::Deny)
        .link_rel(Some("nofollow noopener noreferrer"));
    cleaner
});

/// Plain text: paragraphs and lines are kept, addresses become links.
fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    paragraphs
        .map(|paragraph| {
            let lines: Vec<String> = paragraph.lines().map(|line| linked(line.trim_end())).collect();
            format!("<p>{}</p>", lines.join("<br>"))
        })
        .collect()
}

/// A line in which addresses are links.
fn linked(line: &str) -> String {
    line.split(' ')
        .map(|word| {
            let bare = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'']);
            match web_address(bare) {
                Some(_) => format!("{}{}", link(bare, bare), escape(&word[bare.len()..])),
                None => escape(word),
            }
        })
        .collect::<Vec<String>>()
        .join(" ")
}

/// An address that a browser may be sent to.
pub fn web_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    (url.host().is_some() && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// A link, or the text alone when the address is none that a browser may be sent to.
pub fn link(address: &str, text: &str) -> String {
    match web_address(address) {
        Some(_) => {
            format!("<a href=\"{}\" rel=\"nofollow noopener noreferrer\">{}</a>", escape(address), escape(text))
        }
        None => escape(text),
    }
}

/// Text inside HTML: what platforms say is never markup here.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter if letter.is_control() && letter != '\n' => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(markup: Markup, text: &str, expected: &str) {
        assert_eq!(html(text, markup), expected);
    }

    #[test]
    fn plain_text_keeps_its_lines_and_links() {
        check(
            Markup::Plain,
            "Low tide & high.\nSee https://mira.example/a?b=1&c=2.\r\n\r\nEnd",
            "<p>Low tide &amp; high.<br>See <a href=\"https://mira.example/a?b=1&amp;c=2\" rel=\"nofollow noopener noreferrer\">\
             https://mira.example/a?b=1&amp;c=2</a>.</p><p>End</p>",
        );
        check(Markup::Plain, " \n ", "");
        check(Markup::Plain, "javascript:alert(1) https://", "<p>javascript:alert(1) https://</p>");
    }

    #[test]
    fn markdown_is_rendered() {
        check(
            Markup::Markdown,
            "# 1.0\n\n- **fast**\n- [notes](https://mira.example/n)",
            "<h1>1.0</h1>\n<ul>\n<li><strong>fast</strong></li>\n<li><a href=\"https://mira.example/n\" \
             rel=\"nofollow noopener noreferrer\">notes</a></li>\n</ul>\n",
        );
    }

    #[test]
    fn no_script_survives_in_whatever_form_it_comes() {
        let attacks = [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "<a href=\"javascript:alert(1)\">x</a>",
            "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
            "<svg/onload=alert(1)>",
            "<iframe src=\"https://evil.example\"></iframe>",
            "<p style=\"background:url(https://evil.example)\" onclick=\"alert(1)\">x</p>",
            "[x](javascript:alert(1))",
            "![x](https://evil.example/pixel.gif)",
            "<form action=\"https://evil.example\"><input name=p></form>",
            "<<script>script>alert(1)<</script>/script>",
            "<math><mtext></p><style><img src=x onerror=alert(1)></style>",
            "\"><script>alert(1)</script>",
        ];
        for attack in attacks {
            for markup in [Markup::Plain, Markup::Html, Markup::Markdown] {
                let shown = html(attack, markup);
                for tag in ["<script", "<img", "<svg", "<iframe", "<form", "<input", "<style", "<math"] {
                    assert!(!shown.contains(tag), "{markup:?}: {attack} became {shown}");
                }
                // What is left of it is text: no tag has an attribute but a link its address.
                for tag in shown.split('<').skip(1) {
                    let tag = tag.split('>').next().unwrap_or_default();
                    let is_plain = !tag.contains('=') || tag.starts_with("a href=\"http") || tag.starts_with("a rel=");
                    assert!(is_plain, "{markup:?}: {attack} became {shown}");
                }
            }
        }
    }
}
