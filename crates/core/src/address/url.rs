//! Judging the text of a URL.

use std::net::IpAddr;

use url::{Host, Url};

use super::{AddressPolicy, UrlError, host_name};

/// Longest URL, in bytes, as given and as normalised.
pub const MAX_URL_LENGTH: usize = 2048;

/// A URL that passed [`AddressPolicy::check_url`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl(Url);

impl WebhookUrl {
    /// The URL in its normal spelling: host in lower-case ASCII, addresses in their usual notation.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The parsed URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// The address, when the host is one and not a name. It passed [`AddressPolicy::check_ip`].
    #[must_use]
    pub fn host_ip(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }
}

impl AddressPolicy {
    /// Checks a URL before it is stored, and again before it is used. A host name that passes is not yet safe to
    /// connect to: each address that it resolves to must pass [`check_ip`](Self::check_ip).
    ///
    /// # Errors
    /// When the text is not an absolute `https` URL (or `http` one, if allowed), or a rule refuses a part of it.
    pub fn check_url(&self, text: &str) -> Result<WebhookUrl, UrlError> {
        if text.len() > MAX_URL_LENGTH {
            return Err(UrlError::TooLong);
        }
        // The WHATWG rules drop tabs and line breaks and read a backslash as a slash, so that the host a person reads
        // is not the host that is reached.
        let forbidden = |character: &char| character.is_whitespace() || character.is_control() || *character == '\\';
        if let Some(character) = text.chars().find(forbidden) {
            return Err(UrlError::ForbiddenCharacter { character });
        }
        let authority = self.authority_of(text).ok_or(UrlError::Scheme {
            allow_http: self.allow_http,
        })?;
        // The parser would skip more slashes and find a host behind them.
        if authority.is_empty() {
            return Err(UrlError::Malformed(url::ParseError::EmptyHost));
        }
        // Looked for in the text: of "https://@host" the parser keeps no trace.
        if authority.contains('@') {
            return Err(UrlError::Userinfo);
        }

        let url = Url::parse(text).map_err(UrlError::Malformed)?;
        if url.as_str().len() > MAX_URL_LENGTH {
            return Err(UrlError::TooLong);
        }
        if url.fragment().is_some() {
            return Err(UrlError::Fragment);
        }
        if url.port() == Some(0) {
            return Err(UrlError::PortZero);
        }
        match url.host() {
            Some(Host::Domain(name)) => host_name::check(self, name)?,
            Some(Host::Ipv4(address)) => self.check_ip(address.into())?,
            Some(Host::Ipv6(address)) => self.check_ip(address.into())?,
            None => return Err(UrlError::Malformed(url::ParseError::EmptyHost)),
        }
        Ok(WebhookUrl(url))
    }

    /// What stands between an allowed scheme with its two slashes and the path.
    fn authority_of<'text>(&self, text: &'text str) -> Option<&'text str> {
        let (scheme, rest) = text.split_once("://")?;
        let allowed = scheme.eq_ignore_ascii_case("https") || (self.allow_http && scheme.eq_ignore_ascii_case("http"));
        allowed.then(|| rest.split(['/', '?', '#']).next().unwrap_or(rest))
    }
}

#[cfg(test)]
mod tests;
