//! What is told of a request: its event, if there is anything to tell, and its line in the access log.

mod connection;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;

use super::body::Mishap;
use super::receive::Unjudged;
use super::respond::Refusal;
use super::{Proxy, clock, framing};
use crate::engine::decide::{Observation, Observed};
use crate::engine::{Evaluation, Outcome, Weight};
use crate::event::access::AccessRecord;
use crate::event::{
    Decision, Event, EventClient, EventFinding, EventId, EventKind, Evidence, secrets,
};
use crate::request::ClientIdentity;

pub(super) use self::connection::{connection, malformed, refused, server, unsolicited};

/// The longest path that an event shows, in bytes.
const SHOWN_PATH: usize = 512;

/// The telling of one request.
#[derive(Debug)]
pub(super) struct Report {
    id: EventId,
    time: jiff::Timestamp,
    client: EventClient,
    told: usize,
    /// How long the judgement took so far.
    pub(super) judged: Duration,
    /// Whether a part of the request had gone on when it was refused.
    pub(super) is_aborted: bool,
    access: Option<Access>,
}

/// A line of the access log that waits for the end of its request. It is written when that comes, however it comes: a
/// client that goes away before its answer leaves a line without a status.
#[derive(Debug)]
pub(super) struct Access {
    record: Option<Box<AccessRecord>>,
    proxy: Arc<Proxy>,
    began: Instant,
}

impl Report {
    /// The report of a request whose head has arrived.
    pub(super) fn new(
        id: EventId,
        time: jiff::Timestamp,
        client: &ClientIdentity,
        head: &Parts,
        access_log: Option<(&Arc<Proxy>, Instant)>,
    ) -> Self {
        let access = access_log.map(|(proxy, began)| {
            let line = (&head.method, framing::target(&head.uri), head.version);
            let record = AccessRecord::new(id, time, client, line, &head.headers);
            Access {
                record: Some(Box::new(record)),
                proxy: Arc::clone(proxy),
                began,
            }
        });
        Self {
            id,
            time,
            client: EventClient {
                ip: client.address,
                source: client.source,
                peer: client.peer,
            },
            told: 0,
            judged: Duration::ZERO,
            is_aborted: false,
            access,
        }
    }

    /// Tells what the chain found since it was last told.
    pub(super) fn findings(&mut self, proxy: &Proxy, evaluation: &Evaluation, head: &Parts) {
        let all = evaluation.observations();
        let Some(new) = all.get(self.told..).filter(|new| !new.is_empty()) else {
            return;
        };
        self.told = all.len();
        let outcome = evaluation.outcome();
        let faulty = new
            .iter()
            .any(|seen| matches!(seen.what, Observed::Fault(_)));
        // Content below the threshold is nothing to tell: the request passed, and would have passed.
        if outcome == Outcome::Pass && !faulty {
            return;
        }
        let Some(first) = decisive(new, evaluation) else {
            return;
        };
        let mut event = self.event(head, kind_of(&first.what), message_of(&first.what));
        event.detection = Some(first.detection.to_string());
        let told = listed(first);
        (event.rule, event.place) = (Some(told.rule), Some(told.place));
        event.evidence = Some(told.evidence);
        event.score = Some(score_of(evaluation));
        event.decision = self.decision_of(Some(evaluation), None);
        event.status = evaluation.permit().err().map(|block| block.status.as_u16());
        event.findings = new
            .iter()
            .filter(|seen| !std::ptr::eq(*seen, first))
            .map(listed)
            .collect();
        event.request = evaluation.excerpt().cloned().map(Box::new);
        event.duration_us = Some(u64::try_from(self.judged.as_micros()).unwrap_or(u64::MAX));
        proxy.events.emit(event);
    }

    /// Tells of a refusal that was not the chain's, and of `count - 1` like it that were not told.
    pub(super) fn refusal(
        &self,
        proxy: &Proxy,
        refusal: &Refusal,
        evaluation: Option<&Evaluation>,
        head: &Parts,
        count: u32,
    ) {
        let mut event = self.refused(refusal, refusal.status(), head);
        event.score = evaluation.map(score_of);
        event.count = count;
        event.duration_us = Some(u64::try_from(self.judged.as_micros()).unwrap_or(u64::MAX));
        proxy.events.emit(event);
    }

    fn refused(&self, refusal: &Refusal, status: StatusCode, head: &Parts) -> Event {
        let kind = if refusal.is_upstream_fault() {
            EventKind::Upstream
        } else {
            EventKind::Refused
        };
        let mut event = self.event(head, kind, refusal.message());
        event.detection = Some(refusal.detection().into());
        event.rule = Some(refusal.rule().into());
        event.place = Some(refusal.place().into());
        event.evidence = Some(Evidence::fact(refusal.evidence(head)));
        event.decision = self.decision_of(None, Some(refusal));
        event.status = Some(status.as_u16());
        event
    }

    /// Tells of a body that goes on without having been judged as the chain wanted.
    pub(super) fn unjudged(&self, proxy: &Proxy, unjudged: Unjudged, head: &Parts) {
        let mut event = self.event(head, EventKind::Unjudged, unjudged.message());
        event.detection = Some("limits".into());
        event.rule = Some(unjudged.rule().into());
        event.place = Some("body".into());
        let type_of = head
            .headers
            .get(CONTENT_TYPE)
            .map(http::HeaderValue::as_bytes)
            .unwrap_or_default();
        event.evidence = Some(Evidence::fact(secrets::printable(
            type_of,
            Evidence::MAX_BYTES,
        )));
        event.decision = Decision::Pass;
        proxy.events.emit(event);
    }

    /// Tells of an answer that did not come to its end after its head had gone to the client.
    pub(super) fn mishap(&self, proxy: &Proxy, mishap: &Mishap, status: StatusCode, head: &Parts) {
        if let Mishap::Client(Refusal::Aborted(_)) = mishap {
            // What was found is told by whoever judged it.
            return;
        }
        if let Mishap::Client(refusal) = mishap {
            return proxy.events.emit(self.refused(refusal, status, head));
        }
        let mut event = self.event(head, EventKind::Upstream, mishap.message());
        event.detection = Some("upstream".into());
        event.rule = Some(mishap.rule().into());
        event.place = Some("upstream".into());
        event.evidence = Some(Evidence::fact(mishap.to_string()));
        event.status = Some(status.as_u16());
        proxy.events.emit(event);
    }

    /// The line of the access log, filled in with what is known once the answer's head is; `None` when there is no access
    /// log.
    pub(super) fn access(
        &mut self,
        status: StatusCode,
        evaluation: Option<&Evaluation>,
        refusal: Option<&Refusal>,
        upstream: Option<(Arc<str>, StatusCode)>,
    ) -> Option<Access> {
        let mut access = self.access.take()?;
        let decision = self.decision_of(evaluation, refusal);
        if let Some(record) = &mut access.record {
            record.status = Some(status.as_u16());
            if let Some((server, status)) = upstream {
                record.upstream = Some(server);
                record.upstream_status = Some(status.as_u16());
            }
            record.score = evaluation.map_or(0, score_of);
            record.inspection = self.judged;
            record.action = decision;
        }
        Some(access)
    }

    /// What was done with a request, as events and the access log say it. Where the upstream failed, nothing was decided.
    fn decision_of(&self, evaluation: Option<&Evaluation>, refusal: Option<&Refusal>) -> Decision {
        match (refusal, evaluation.map(Evaluation::outcome)) {
            (Some(Refusal::Aborted(_)), _) => Decision::Aborted,
            (Some(refusal), _) if refusal.is_upstream_fault() => Decision::None,
            (Some(_), _) => Decision::Block,
            (None, Some(Outcome::Block)) if self.is_aborted => Decision::Aborted,
            (None, Some(Outcome::Block)) => Decision::Block,
            (None, Some(Outcome::WouldBlock)) => Decision::WouldBlock,
            (None, Some(Outcome::Pass | Outcome::Exempt) | None) => Decision::Pass,
        }
    }

    /// What is still to be told of the request when its answer has begun.
    pub(super) fn rest(&self) -> Self {
        Self {
            id: self.id,
            time: self.time,
            client: self.client.clone(),
            told: self.told,
            judged: self.judged,
            is_aborted: false,
            access: None,
        }
    }

    fn event(&self, head: &Parts, kind: EventKind, message: impl Into<String>) -> Event {
        let mut event = Event::new(self.id, self.time, kind, message);
        let target = framing::target(&head.uri);
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        event.client = Some(self.client.clone());
        event.method = Some(secrets::printable(head.method.as_str().as_bytes(), 32));
        event.path = Some(secrets::presentable(path.as_bytes(), SHOWN_PATH));
        event
    }
}

impl Access {
    /// The answer has ended: so many bytes came in, so many went out.
    pub(super) fn finish(mut self, bytes_in: u64, bytes_out: u64) {
        if let Some(record) = &mut self.record {
            (record.bytes_in, record.bytes_out) = (bytes_in, bytes_out);
        }
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.duration = clock::now().saturating_duration_since(self.began);
            self.proxy.events.emit_access(*record);
        }
    }
}

fn score_of(evaluation: &Evaluation) -> u32 {
    evaluation
        .score()
        .0
        .saturating_add(evaluation.would_be_score().0)
}

/// The observation that an event is named after: what the refusing detection saw, and of that what weighs most.
fn decisive<'o>(new: &'o [Observation], evaluation: &Evaluation) -> Option<&'o Observation> {
    let refusing = evaluation.permit().err().map(|block| &block.detection);
    let weight = |seen: &Observation| match &seen.what {
        Observed::Finding(found) => found.weight.score().map_or(u32::MAX, |score| score.0),
        Observed::Exhausted(_) | Observed::Fault(_) => u32::MAX,
    };
    let is_refusing = |seen: &&Observation| refusing.is_none_or(|name| *name == seen.detection);
    // `max_by_key` takes the last of equals; the first is the one that a reader looks for.
    new.iter()
        .filter(is_refusing)
        .rev()
        .max_by_key(|seen| weight(seen))
        .or_else(|| new.first())
}

const fn kind_of(what: &Observed) -> EventKind {
    match what {
        Observed::Finding(finding) if matches!(finding.weight, Weight::Unreadable) => {
            EventKind::Refused
        }
        Observed::Finding(_) => EventKind::Threat,
        Observed::Exhausted(_) => EventKind::Refused,
        Observed::Fault(_) => EventKind::Fault,
    }
}

fn message_of(what: &Observed) -> String {
    match what {
        Observed::Finding(finding) => finding.message.to_string(),
        Observed::Exhausted(what) => format!("The request exhausts {what}."),
        Observed::Fault(what) => format!("The detection failed: {what}."),
    }
}

/// An observation as an event lists it. One that is no finding has the rule `exhausted` or `fault`.
fn listed(seen: &Observation) -> EventFinding {
    let message = message_of(&seen.what);
    let (rule, place, evidence, score) = match &seen.what {
        Observed::Finding(finding) => (
            finding.rule.to_string(),
            finding.place.to_string(),
            finding.evidence.clone(),
            finding.weight.score().map(|score| score.0),
        ),
        Observed::Exhausted(_) => (
            "exhausted".into(),
            DETECTION.into(),
            Evidence::fact(message.as_str()),
            None,
        ),
        Observed::Fault(_) => (
            "fault".into(),
            DETECTION.into(),
            Evidence::fact(message.as_str()),
            None,
        ),
    };
    EventFinding {
        detection: seen.detection.to_string(),
        rule,
        place,
        evidence,
        score,
        enforced: seen.enforced,
        message,
    }
}

/// The place of what a detection did not find but ran into itself.
const DETECTION: &str = "detection";
