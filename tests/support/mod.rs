//! Two detections for tests: one with a configuration, one without.

use portcullis::config::{ConfigError, Load, Secret};
use portcullis::engine::{FromConfig, Phase, Registry, RuleId, RuleInfo, Score, ThreatDetection};
use portcullis::request::PlaceKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A registry with both.
pub(crate) fn registry() -> Registry {
    Registry::empty().with::<Words>().with::<Plain>()
}

/// Looks for nothing, by rules.
#[derive(Debug)]
pub(crate) struct Words(Vec<Word>);

/// Its configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WordsConfig {
    /// The words.
    pub(crate) words: Vec<Word>,
    /// A secret.
    pub(crate) token: Secret,
}

/// One word.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Word {
    /// Its name.
    pub(crate) id: String,
}

impl ThreatDetection for Words {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn rules(&self) -> Vec<RuleInfo> {
        let rule = |word: &Word| RuleInfo {
            id: RuleId::new(&word.id),
            message: "a word".into(),
            score: Some(Score(5)),
            places: vec![PlaceKind::Query],
        };
        self.0.iter().map(rule).collect()
    }
}

impl FromConfig for Words {
    const NAME: &'static str = "words";
    type Config = WordsConfig;

    fn from_config(config: WordsConfig, load: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        for (index, word) in config.words.iter().enumerate() {
            if config
                .words
                .iter()
                .take(index)
                .any(|earlier| earlier.id == word.id)
            {
                let wrong = ConfigError::new(format!("the id `{}` is here twice", word.id));
                errors.push(wrong.under("id").item(index).under("words"));
            }
            if word.id == "warn" {
                load.warn("the word is `warn`");
            }
        }
        if errors.is_empty() {
            Ok(Self(config.words))
        } else {
            Err(errors)
        }
    }
}

/// Has no settings.
#[derive(Debug)]
pub(crate) struct Plain;

/// Nothing.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlainConfig {}

impl ThreatDetection for Plain {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }
}

impl FromConfig for Plain {
    const NAME: &'static str = "plain";
    type Config = PlainConfig;

    fn from_config(_: PlainConfig, _: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        Ok(Self)
    }
}
