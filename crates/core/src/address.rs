//! Where a webhook may point: the rules that keep a URL typed by a stranger from reaching private machines.
//!
//! The same functions run when a webhook is created, when it is changed, and at every attempt: [`AddressPolicy::check_url`]
//! on the text, [`AddressPolicy::check_ip`] on every address that the host name resolves to.
//!
//! ```
//! use postrider_core::address::{AddressPolicy, UrlError};
//!
//! let policy = AddressPolicy::default();
//! let url = policy.check_url("https://yourapp.com/webhooks/leads")?;
//! assert_eq!(url.as_str(), "https://yourapp.com/webhooks/leads");
//!
//! // An integer is just another spelling of 127.0.0.1.
//! let error = policy.check_url("https://2130706433/").unwrap_err();
//! assert_eq!(error.to_string(), "address 127.0.0.1 is in 127.0.0.0/8 (loopback, RFC 1122), which webhooks may not reach");
//! # Ok::<(), UrlError>(())
//! ```

mod embedded;
mod host_name;
mod ip;
mod metadata;
mod special;
mod url;
mod url_error;

pub use ipnet::IpNet;

pub use self::ip::RefusedAddress;
pub use self::url::{MAX_URL_LENGTH, WebhookUrl};
pub use self::url_error::UrlError;

/// Which addresses webhooks may reach. The default is strict: `https` to public addresses.
///
/// Opening a loopback address in [`allow_networks`](Self::allow_networks) (`127.0.0.0/8` or `::1/128`) also allows
/// host names without a dot, such as `localhost`, and the other special-use names; this is what a development set-up
/// wants. What such a name resolves to must still pass [`check_ip`](Self::check_ip).
///
/// ```
/// use postrider_core::address::AddressPolicy;
///
/// let development =
///     AddressPolicy { allow_http: true, allow_networks: vec!["127.0.0.0/8".parse()?, "::1/128".parse()?] };
/// assert!(development.check_url("http://localhost:3000/api/test-webhook").is_ok());
/// assert!(development.check_url("http://10.0.0.1/").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressPolicy {
    /// Whether `http` is allowed beside `https`.
    pub allow_http: bool,
    /// Networks that are opened although the rules refuse them. Cloud metadata addresses stay refused whatever is
    /// listed here. A network of IPv4-mapped addresses opens nothing: list the IPv4 network.
    pub allow_networks: Vec<IpNet>,
}
