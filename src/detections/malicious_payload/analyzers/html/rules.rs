//! What is recognised of markup and script.

use super::super::Rule;

pub(super) static SCRIPT_ELEMENT: Rule = Rule {
    name: "script_element",
    score: 5,
    message: "A script element.",
};

pub(super) static EVENT_HANDLER: Rule = Rule {
    name: "event_handler",
    score: 5,
    message: "An element with an event handler.",
};

pub(super) static HANDLER_BREAKOUT: Rule = Rule {
    name: "handler_breakout",
    score: 5,
    message: "An attribute is closed, or none is open, and an event handler follows.",
};

pub(super) static SCRIPT_ADDRESS: Rule = Rule {
    name: "script_address",
    score: 5,
    message: "An address that is a script.",
};

pub(super) static DOCUMENT_ADDRESS: Rule = Rule {
    name: "document_address",
    score: 5,
    message: "An address that is a document with script.",
};

pub(super) static EMBEDDING_ELEMENT: Rule = Rule {
    name: "embedding_element",
    score: 5,
    message: "An element that loads foreign content.",
};

pub(super) static INLINE_FRAME: Rule = Rule {
    name: "inline_frame",
    score: 5,
    message: "A frame.",
};

pub(super) static DOCUMENT_ATTRIBUTE: Rule = Rule {
    name: "document_attribute",
    score: 5,
    message: "An attribute that holds a document, names a script or sends a form elsewhere.",
};

pub(super) static ACTIVE_STYLE: Rule = Rule {
    name: "active_style",
    score: 5,
    message: "A style that runs script or loads foreign content.",
};

pub(super) static ANIMATED_ATTRIBUTE: Rule = Rule {
    name: "animated_attribute",
    score: 5,
    message: "An animation sets an attribute that is a script.",
};

pub(super) static MARKUP_BREAKOUT: Rule = Rule {
    name: "markup_breakout",
    score: 5,
    message: "An attribute or element is closed and markup follows.",
};

pub(super) static MARKUP_OUT_OF_PLACE: Rule = Rule {
    name: "markup_out_of_place",
    score: 5,
    message: "Markup where there is none in ordinary use.",
};

pub(super) static DIALOG_CALL: Rule = Rule {
    name: "dialog_call",
    score: 5,
    message: "A call of alert, confirm or prompt, the usual test for script.",
};

pub(super) static SCRIPT_BREAKOUT: Rule = Rule {
    name: "script_breakout",
    score: 5,
    message: "A text in a script is closed and code follows.",
};

pub(super) static SCRIPT_EXPRESSION: Rule = Rule {
    name: "script_expression",
    score: 5,
    message: "Script that reads or changes the page, or runs what it fetched or was given.",
};

pub(super) static HIDDEN_SCRIPT: Rule = Rule {
    name: "hidden_script",
    score: 5,
    message: "Script that hides what it does.",
};

pub(super) static ALL: &[&Rule] = &[
    &SCRIPT_ELEMENT,
    &EVENT_HANDLER,
    &HANDLER_BREAKOUT,
    &SCRIPT_ADDRESS,
    &DOCUMENT_ADDRESS,
    &EMBEDDING_ELEMENT,
    &INLINE_FRAME,
    &DOCUMENT_ATTRIBUTE,
    &ACTIVE_STYLE,
    &ANIMATED_ATTRIBUTE,
    &MARKUP_BREAKOUT,
    &MARKUP_OUT_OF_PLACE,
    &DIALOG_CALL,
    &SCRIPT_BREAKOUT,
    &SCRIPT_EXPRESSION,
    &HIDDEN_SCRIPT,
];
