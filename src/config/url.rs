//! URLs of sites, canaries and helpers.

use url::Url;

use super::fault::Wrong;

/// Longest URL that is accepted, in bytes.
const LONGEST: usize = 2048;

/// Reads a URL that can be measured: `http` or `https`, with a host (an international name may be written as it is),
/// without user name, password and fragment. The error says what was expected.
pub fn parse_url(text: &str) -> Result<Url, String> {
    web_url(text).map_err(|wrong| {
        let help = wrong.help.map(|help| format!("; {help}")).unwrap_or_default();
        format!("`{}` {}{help}", super::fault::clip(text), wrong.message)
    })
}

/// The URL rules, stricter than a browser's: nothing is silently repaired (WHATWG URL accepts much that is a slip).
pub(super) fn web_url(text: &str) -> Result<Url, Wrong> {
    let not_one = || Wrong::new("is not a usable URL").expected("a URL such as \"https://example.org/\"");
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(not_one().label("blanks or control characters in it"));
    }
    if text.len() > LONGEST {
        return Err(not_one().label("longer than 2048 bytes"));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        let wrong = not_one().label("no scheme");
        let whole = format!("https://{text}");
        return Err(match Url::parse(&whole) {
            Ok(url) if !text.contains(':') && url.host_str().is_some_and(|host| host.contains('.')) => {
                wrong.write(super::fault::clip(url.as_str()))
            }
            _ => wrong,
        });
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(not_one().label("the scheme must be http or https"));
    }
    if rest.is_empty() || rest.starts_with(['/', '?', '#', ':', '\\']) {
        return Err(not_one().label("no host"));
    }
    let url = Url::parse(text).map_err(|error| not_one().label(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() || authority(rest).contains('@') {
        return Err(Wrong::new("holds a user name or password")
            .label("credentials in it")
            .help("leave out what stands before the `@`: secrets go into files of their own"));
    }
    if url.fragment().is_some() {
        return Err(Wrong::new("holds a fragment")
            .label("`#…` never reaches the server")
            .help("leave out the `#` and what follows it"));
    }
    if url.port() == Some(0) {
        return Err(not_one().label("port 0"));
    }
    Ok(url)
}

fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#', '\\']).next().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_pass() {
        for (text, read) in [
            ("https://fergana.media/", "https://fergana.media/"),
            ("http://www.livejournal.com", "http://www.livejournal.com/"),
            ("https://пример.рф/путь?x=1", "https://xn--e1afmkfd.xn--p1ai/%D0%BF%D1%83%D1%82%D1%8C?x=1"),
            ("HTTP://Example.org:8080/", "http://example.org:8080/"),
            ("http://[::1]:8080/", "http://[::1]:8080/"),
        ] {
            assert_eq!(web_url(text).unwrap().as_str(), read);
        }
    }

    #[test]
    fn bad_urls_say_why() {
        for (text, label) in [
            ("", "no scheme"),
            ("fergana.media", "no scheme"),
            ("https:/fergana.media", "no scheme"),
            ("ftp://example.org/", "the scheme must be http or https"),
            ("https://", "no host"),
            ("https:///fergana.media", "no host"),
            ("https://user:pass@example.org/", "credentials in it"),
            ("https://@example.org/", "credentials in it"),
            ("https://example.org/#top", "`#…` never reaches the server"),
            ("https://exa mple.org/", "blanks or control characters in it"),
            ("https://example.org:0/", "port 0"),
            ("https://example.org:99999/", "invalid port number"),
        ] {
            assert_eq!(web_url(text).unwrap_err().label, label, "{text}");
        }
        assert_eq!(web_url("fergana.media").unwrap_err().help.unwrap(), "write \"https://fergana.media/\"");
    }
}
