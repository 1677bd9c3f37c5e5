//! What is recognised of SQL.

use super::super::Rule;

pub(super) static CONDITION_BEHIND_TEXT: Rule = Rule {
    name: "condition_behind_text",
    score: 5,
    message: "A value ends a text in a query and goes on with a condition.",
};

pub(super) static CONDITION_BEHIND_NUMBER: Rule = Rule {
    name: "condition_behind_number",
    score: 5,
    message: "A value goes on with a condition behind what a query compares.",
};

pub(super) static LIKELY_CONDITION: Rule = Rule {
    name: "likely_condition",
    score: 3,
    message: "A value ends a text and goes on as a condition of a query might.",
};

pub(super) static UNION: Rule = Rule {
    name: "union_behind_value",
    score: 5,
    message: "A value adds the rows of another query to those of the one that it stands in.",
};

pub(super) static FURTHER_STATEMENT: Rule = Rule {
    name: "further_statement",
    score: 5,
    message: "A value ends a statement and begins another.",
};

pub(super) static WHOLE_STATEMENT: Rule = Rule {
    name: "whole_statement",
    score: 5,
    message: "A value is a statement of SQL.",
};

pub(super) static STATEMENT_IN_BODY: Rule = Rule {
    name: "statement_in_body",
    score: 3,
    message: "A field of a body is a statement of SQL.",
};

pub(super) static COMMENT_ENDS_VALUE: Rule = Rule {
    name: "comment_ends_value",
    score: 5,
    message: "A value ends a text in a query and cuts off what follows by a comment.",
};

pub(super) static CATALOGUE: Rule = Rule {
    name: "catalogue",
    score: 5,
    message: "A value reads what a database knows of itself.",
};

pub(super) static QUERY: Rule = Rule {
    name: "inner_query",
    score: 5,
    message: "A value carries a query in parentheses.",
};

pub(super) static CALL: Rule = Rule {
    name: "telling_call",
    score: 5,
    message: "A value calls a function of a database that waits, or that tells something by an error.",
};

pub(super) static CLAUSE: Rule = Rule {
    name: "clause",
    score: 5,
    message: "A value goes on with a clause of a query that sorts, groups or writes its rows.",
};

pub(super) static ALL: &[&Rule] = &[
    &CONDITION_BEHIND_TEXT,
    &CONDITION_BEHIND_NUMBER,
    &LIKELY_CONDITION,
    &UNION,
    &FURTHER_STATEMENT,
    &WHOLE_STATEMENT,
    &STATEMENT_IN_BODY,
    &COMMENT_ENDS_VALUE,
    &CATALOGUE,
    &QUERY,
    &CALL,
    &CLAUSE,
];
