//! Who may ask: by which name, from which page, and with the token or without.

use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::{HeaderMap, Request, StatusCode, Version, header};

use super::health::ControlState;

/// Where a request came from, and where it reached us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// The address that it reached.
    pub(super) local: IpAddr,
    /// The other end of its connection.
    pub(super) peer: IpAddr,
}

/// Why somebody is refused.
pub(super) type Refused = (StatusCode, &'static str);

impl Ends {
    /// Whether the asker is on this machine.
    pub(super) fn is_near(&self) -> bool {
        self.peer.to_canonical().is_loopback()
    }
}

/// Refuses whoever does not show the token.
pub(super) fn check_token<B>(state: &ControlState, request: &Request<B>) -> Result<(), Refused> {
    let Some(token) = state.token() else {
        return Err((
            StatusCode::FORBIDDEN,
            "There is no token, so nobody may do this: name a `state.directory` that can be written, or set `control.token`.",
        ));
    };
    let shown = only(request.headers(), &header::AUTHORIZATION);
    let shown = shown.ok().flatten().and_then(|shown| {
        let (scheme, token) = shown.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let is_right = shown.is_some_and(|shown| {
        verify_slices_are_equal(shown.as_bytes(), token.reveal().as_bytes()).is_ok()
    });
    is_right.then_some(()).ok_or((
        StatusCode::UNAUTHORIZED,
        "Send `Authorization: Bearer TOKEN`; the token is in `control.token` in the state directory.",
    ))
}

/// Refuses pages of other sites that reach us through an operator's browser: those that had their own name resolved to
/// our address, and those that say where they are from.
pub(super) fn check_caller<B>(
    state: &ControlState,
    request: &Request<B>,
    local: IpAddr,
) -> Result<(), Refused> {
    let host = match (only(request.headers(), &header::HOST), request.version()) {
        (Ok(Some(host)), _) => host,
        // No browser speaks it, and it has no Host.
        (Ok(None), Version::HTTP_10) => "",
        _ => return Err((StatusCode::BAD_REQUEST, "There must be one Host.")),
    };
    let named = request.uri().authority().map(http::uri::Authority::as_str);
    for name in [Some(host), named].into_iter().flatten() {
        if !name.is_empty() && !state.is_called(without_port(name), local) {
            return Err((
                StatusCode::MISDIRECTED_REQUEST,
                "This listener is not called by that name; ask at its address.",
            ));
        }
    }
    let own = |origin: &str| {
        !host.is_empty()
            && ["http://", "https://"].iter().any(|scheme| {
                origin
                    .strip_prefix(scheme)
                    .is_some_and(|origin| origin.eq_ignore_ascii_case(host))
            })
    };
    match only(request.headers(), &header::ORIGIN) {
        Ok(None) => Ok(()),
        Ok(Some(origin)) if own(origin) => Ok(()),
        _ => Err((
            StatusCode::FORBIDDEN,
            "Pages of other origins are not answered.",
        )),
    }
}

/// The value of a header that may come once at most.
fn only<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        _ => Err(()),
    }
}

/// `host:port` without the port; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}
