//! The texts of the fediverse are HTML of strangers: read for their words and their links, never shown.
//!
//! Owns that nothing of the markup is left: a page that shows such a text escapes it as any other. Not a parser: what a
//! server sends is small and flat, and whatever is misread here is misread as text.

/// The words of a text. Paragraphs and line breaks become lines; the pieces into which Mastodon cuts a link for the eye
/// are one word again.
pub fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let Some((tag, after)) = after.split_once('>') else {
            // A tag without an end is not a tag.
            rest = after;
            continue;
        };
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let is_break = name.eq_ignore_ascii_case("br") || (tag.starts_with('/') && is_block(&name));
        if is_break {
            text.push('\n');
        }
        rest = after;
    }
    text.push_str(rest);
    unescaped(&text).trim().to_owned()
}

fn is_block(name: &str) -> bool {
    ["p", "div", "li", "h1", "h2", "h3", "blockquote", "pre"].iter().any(|block| name.eq_ignore_ascii_case(block))
}

/// Where the links of a text lead.
pub fn links(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    for tag in html.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(tag, _)| tag) {
        let Some(attributes) = tag.strip_prefix("a ").or_else(|| tag.strip_prefix("A ")) else { continue };
        let href = ["href=\"", "href='"].iter().find_map(|start| {
            let (before, after) = attributes.split_once(start)?;
            let is_own = before.is_empty() || before.ends_with(char::is_whitespace);
            is_own.then(|| after.split(['"', '\'']).next().unwrap_or_default())
        });
        found.extend(href.map(unescaped));
    }
    found
}

/// The named entities that servers write, and the numbered ones.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        plain.push_str(&rest[..start]);
        let after = &rest[start + 1..];
        let entity = after.find(';').filter(|end| *end <= 8).and_then(|end| Some((letter(&after[..end])?, end)));
        match entity {
            Some((letter, end)) => {
                plain.push(letter);
                rest = &after[end + 1..];
            }
            None => {
                plain.push('&');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn letter(entity: &str) -> Option<char> {
    Some(match entity {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|letter| !letter.is_control() || *letter == '\n')?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_and_markup_is_not() {
        assert_eq!(plain("<p>Low tide<br>at six</p><p>&lt;3 &amp; more</p>"), "Low tide\nat six\n<3 & more");
        assert_eq!(plain("I &#39;m &unknown; &#x41;&#0;"), "I 'm &unknown; A&#0;");
        assert_eq!(plain("a < b"), "a  b");
        assert_eq!(plain(""), "");
        let cut = r#"<a href="https://n.example/claim/7f"><span class="invisible">https://</span><span>n.example/cl</span><span class="invisible">aim/7f</span></a>"#;
        assert_eq!(plain(cut), "https://n.example/claim/7f");
    }

    #[test]
    fn links_are_where_they_lead_and_not_what_they_show() {
        let html = r#"<p><a rel="me" href="https://a.example/?x=1&amp;y=2">https://b.example/</a> <a class='x' href='https://c.example/'>c</a> <abbr href="https://d.example/">d</abbr> <a data-href="https://e.example/">e</a></p>"#;
        assert_eq!(links(html), ["https://a.example/?x=1&y=2", "https://c.example/"]);
        assert_eq!(links("<a href=\"https://a.example/"), Vec::<String>::new());
    }
}
