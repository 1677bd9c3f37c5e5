use super::*;
use crate::detections::fixtures::NoFacts;
use crate::engine::{
    Chain, Context, DetectionError, Evidence, Finding, Mode, OnError, Phase, PolicyConfig, RuleId,
    Score, ThreatDetection, Verdict, Weight, policy::Revision,
};
use crate::request::{Place, PlaceKind};

/// What a detection of the test does with `/canary`.
#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Recognises(Weight),
    Ignores,
    Fails,
    Panics,
    HasNoCanary,
    PanicsOverItsCanary,
}

impl ThreatDetection for Behaviour {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        assert_eq!(request.target(), "/canary");
        assert_eq!(request.header(&header::HOST).unwrap(), "localhost");
        assert_eq!(request.header(&header::USER_AGENT).unwrap(), "bird");
        assert_eq!(request.client().address.to_string(), "192.0.2.9");
        match self {
            Self::Recognises(weight) => Ok(Verdict::threat(Finding {
                rule: RuleId::new("bird"),
                weight: *weight,
                place: Place::value(PlaceKind::Path, ""),
                evidence: Evidence::fact("a bird"),
                message: "A bird.".into(),
            })),
            Self::Fails => Err(DetectionError::Fault("no seeds".into())),
            Self::Panics => panic!("cat"),
            _ => Ok(Verdict::Pass),
        }
    }

    fn canary(&self) -> Option<Canary> {
        match self {
            Self::HasNoCanary => None,
            Self::PanicsOverItsCanary => panic!("cat"),
            _ => Some(Canary {
                target: "/canary".into(),
                headers: vec![(header::USER_AGENT, HeaderValue::from_static("bird"))],
                client: "::ffff:192.0.2.9".parse().unwrap(),
            }),
        }
    }
}

const AT_ONCE: Behaviour = Behaviour::Recognises(Weight::Decisive);

/// Measures a chain of `a`, `b`, … in enforce mode but where it says otherwise.
fn measured(links: &[(Behaviour, Option<Mode>)], on_error: OnError) -> SelfTest {
    let links = links
        .iter()
        .zip(["a", "b", "c"])
        .map(|(&(behaviour, mode), name)| Link {
            name: name.into(),
            mode,
            on_error: None,
            monitor: Vec::new(),
            status: http::StatusCode::FORBIDDEN,
            detection: Box::new(behaviour),
        });
    let config = PolicyConfig {
        on_error,
        ..PolicyConfig::default()
    };
    let policy = Policy::new(
        Revision::default(),
        &config,
        Arc::new(Chain::new(links.collect())),
    );
    measure(&Arc::new(policy), &NoFacts, clock::now())
}

fn of(links: &[(Behaviour, Option<Mode>)]) -> SelfTest {
    measured(links, OnError::Block)
}

#[test]
fn the_effective_mode_is_what_happens_to_canaries() {
    let monitor = Some(Mode::Monitor);
    let cases = [
        (&[][..], Effective::Off),
        (&[(Behaviour::HasNoCanary, None)], Effective::Unmeasured),
        (&[(AT_ONCE, None)], Effective::Enforce),
        (&[(AT_ONCE, monitor)], Effective::Monitor),
        (
            &[(AT_ONCE, monitor), (Behaviour::HasNoCanary, None)],
            Effective::Monitor,
        ),
        (
            &[(Behaviour::Recognises(Weight::Score(Score(5))), None)],
            Effective::Enforce,
        ),
        (
            &[(Behaviour::Recognises(Weight::Score(Score(5))), monitor)],
            Effective::Monitor,
        ),
    ];
    for (links, expected) in cases {
        let test = of(links);
        assert_eq!(test.effective, expected, "{links:?}");
        assert_eq!(test.failures, [""; 0], "{links:?}");
    }
}

#[test]
fn a_canary_that_another_detection_refuses_is_refused() {
    let test = of(&[(AT_ONCE, None), (Behaviour::Ignores, None)])
        .passed()
        .unwrap();
    assert_eq!(test.effective, Effective::Enforce);
    let [first, second] = &test.canaries[..] else {
        panic!("{test:?}");
    };
    assert_eq!((&*first.detection, &first.decided_by), ("a", &None));
    assert_eq!(
        (&*second.detection, second.decided_by.as_deref()),
        ("b", Some("a"))
    );
}

#[test]
fn a_canary_that_goes_unrecognised_fails_the_test_and_names_the_detection() {
    let cases = [
        (Behaviour::Ignores, "`a` does not recognise its own canary"),
        (
            Behaviour::Fails,
            "`a` cannot judge its own canary: no seeds",
        ),
        (
            Behaviour::Panics,
            "`a` cannot judge its own canary: panicked: cat",
        ),
        (
            Behaviour::PanicsOverItsCanary,
            "`a` panics when asked for its canary",
        ),
    ];
    for (behaviour, expected) in cases {
        for on_error in [OnError::Block, OnError::Allow] {
            let failure = measured(&[(behaviour, None)], on_error)
                .passed()
                .unwrap_err();
            assert!(failure.contains(expected), "{failure}");
        }
    }
    assert_eq!(of(&[(Behaviour::Ignores, None)]).effective, Effective::Off);
}

#[test]
fn a_canary_that_is_recognised_but_too_light_is_a_warning_and_measures_nothing() {
    let light = Behaviour::Recognises(Weight::Score(Score(4)));
    let monitor = Some(Mode::Monitor);
    let cases = [
        (&[(light, None)][..], Effective::Unmeasured),
        (&[(light, monitor)], Effective::Unmeasured),
        (&[(light, None), (AT_ONCE, None)], Effective::Enforce),
        (&[(light, None), (AT_ONCE, monitor)], Effective::Monitor),
    ];
    for (links, expected) in cases {
        let test = of(links).passed().unwrap();
        assert_eq!(test.effective, expected, "{links:?}");
    }
    let test = of(&[(light, None)]);
    assert_eq!(test.warnings.len(), 1);
    assert!(
        test.warnings[0].contains(
            "`a` recognises its own canary, whose score of 4 stays below the threshold of 5"
        ),
        "{test:?}"
    );
    assert!(test.canaries[0].below_threshold);
    assert_eq!(test.canaries[0].outcome, Outcome::Pass);
    assert_eq!(of(&[(AT_ONCE, None)]).warnings, [""; 0]);
    // Light ones do not excuse a detection that sees nothing.
    let failure = of(&[(light, None), (Behaviour::Ignores, None)]).passed();
    assert!(failure.unwrap_err().contains("`b` does not recognise"));
}
