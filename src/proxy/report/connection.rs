//! What is told of connections, rather than of their requests.

use std::net::IpAddr;

use super::super::framing::Refused;
use super::super::upstream::Change;
use super::super::{Proxy, clock};
use crate::event::{Decision, Event, EventClient, EventKind, Evidence};
use crate::request::IdentitySource;

/// Tells of bytes that an upstream sent without having been asked. What they were is not shown: it may be somebody's answer.
pub(in crate::proxy) fn unsolicited(proxy: &Proxy, server: &str) {
    let time = clock::timestamp();
    let id = proxy.ids.next(clock::unix_milliseconds(time));
    let mut event = Event::new(
        id,
        time,
        EventKind::Upstream,
        "The upstream sent more than was asked for; the connection was closed, and nobody got it.",
    );
    event.detection = Some("upstream".into());
    event.rule = Some("unsolicited".into());
    event.place = Some("upstream".into());
    event.evidence = Some(Evidence::fact(server));
    proxy.events.emit(event);
}

/// Tells that a server gets no more requests, or gets them again, and by what that was found.
pub(in crate::proxy) fn server(proxy: &Proxy, url: &str, change: Change, who: &'static str) {
    let time = clock::timestamp();
    let id = proxy.ids.next(clock::unix_milliseconds(time));
    let (rule, message) = match change {
        Change::Out => (
            "server_out",
            "A server fails, and gets no more requests as long as there are others.",
        ),
        Change::Back => ("server_back", "A server is well again, and gets requests."),
    };
    let mut event = Event::new(id, time, EventKind::Upstream, message);
    event.detection = Some("upstream".into());
    event.rule = Some(rule.into());
    event.place = Some("upstream".into());
    event.evidence = Some(Evidence::fact(format!("{url}, found by {who}")));
    event.decision = Decision::None;
    proxy.events.emit(event);
}

/// Tells of a connection that ended because hyper found no HTTP where the gate had.
pub(in crate::proxy) fn malformed(proxy: &Proxy, peer: IpAddr, error: &hyper::Error) {
    if error.is_parse() {
        let message = "What came over the connection is no well-formed request.";
        let event = of_connection(proxy, peer, message, "malformed_head", error.to_string());
        proxy.events.emit(event);
    }
}

/// Tells of what the gate refused of a connection when there was no request left to be refused.
pub(in crate::proxy) fn refused(proxy: &Proxy, peer: IpAddr, refused: &Refused) {
    let (message, rule) = (refused.fault.message(), refused.fault.rule());
    let mut event = of_connection(proxy, peer, message, rule, refused.evidence.clone());
    if refused.is_in_body {
        event.place = Some("body".into());
    }
    proxy.events.emit(event);
}

/// Tells of a connection that was ended before there was a request to answer: which rule, and what was seen.
pub(in crate::proxy) fn connection(
    proxy: &Proxy,
    peer: IpAddr,
    (rule, message): (&'static str, &'static str),
    evidence: &str,
) {
    let event = of_connection(proxy, peer, message, rule, evidence.into());
    proxy.events.emit(event);
}

/// An event of a connection, rather than of one of its requests.
fn of_connection(
    proxy: &Proxy,
    peer: IpAddr,
    message: &'static str,
    rule: &'static str,
    evidence: String,
) -> Event {
    let time = clock::timestamp();
    let id = proxy.ids.next(clock::unix_milliseconds(time));
    let mut event = Event::new(id, time, EventKind::Refused, message);
    let peer = peer.to_canonical();
    event.client = Some(EventClient {
        ip: peer,
        source: IdentitySource::Peer,
        peer,
    });
    event.detection = Some("framing".into());
    event.rule = Some(rule.into());
    event.place = Some("request".into());
    event.evidence = Some(Evidence::fact(evidence));
    event.decision = Decision::Block;
    event
}
