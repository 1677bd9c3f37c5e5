//! The options of curl.

/// What an option does; the letter is its short form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    Method,
    Header,
    Data,
    DataRaw,
    DataBinary,
    DataUrlencode,
    Json,
    Form,
    FormString,
    Get,
    Head,
    Url,
    UserAgent,
    Referer,
    Cookie,
    User,
    Bearer,
    Compressed,
    PathAsIs,
    /// Nothing that changes the request; with or without a value.
    Nothing,
    NothingOfValue,
}

/// The options that make a request what it is, and those that are often beside them.
pub(super) const OPTIONS: &[(&str, Option<char>, Means)] = &[
    ("request", Some('X'), Means::Method),
    ("header", Some('H'), Means::Header),
    ("data", Some('d'), Means::Data),
    ("data-ascii", None, Means::Data),
    ("data-raw", None, Means::DataRaw),
    ("data-binary", None, Means::DataBinary),
    ("data-urlencode", None, Means::DataUrlencode),
    ("json", None, Means::Json),
    ("form", Some('F'), Means::Form),
    ("form-string", None, Means::FormString),
    ("get", Some('G'), Means::Get),
    ("head", Some('I'), Means::Head),
    ("url", None, Means::Url),
    ("user-agent", Some('A'), Means::UserAgent),
    ("referer", Some('e'), Means::Referer),
    ("cookie", Some('b'), Means::Cookie),
    ("user", Some('u'), Means::User),
    ("oauth2-bearer", None, Means::Bearer),
    ("compressed", None, Means::Compressed),
    ("path-as-is", None, Means::PathAsIs),
    ("basic", None, Means::Nothing),
    ("fail", Some('f'), Means::Nothing),
    ("globoff", Some('g'), Means::Nothing),
    ("http1.0", Some('0'), Means::Nothing),
    ("http1.1", None, Means::Nothing),
    ("http2", None, Means::Nothing),
    ("http3", None, Means::Nothing),
    ("include", Some('i'), Means::Nothing),
    ("insecure", Some('k'), Means::Nothing),
    ("ipv4", Some('4'), Means::Nothing),
    ("ipv6", Some('6'), Means::Nothing),
    ("location", Some('L'), Means::Nothing),
    ("no-buffer", Some('N'), Means::Nothing),
    ("no-progress-meter", None, Means::Nothing),
    ("remote-name", Some('O'), Means::Nothing),
    ("show-error", Some('S'), Means::Nothing),
    ("silent", Some('s'), Means::Nothing),
    ("verbose", Some('v'), Means::Nothing),
    ("cacert", None, Means::NothingOfValue),
    ("cert", Some('E'), Means::NothingOfValue),
    ("connect-timeout", None, Means::NothingOfValue),
    ("connect-to", None, Means::NothingOfValue),
    ("cookie-jar", Some('c'), Means::NothingOfValue),
    ("dump-header", Some('D'), Means::NothingOfValue),
    ("interface", None, Means::NothingOfValue),
    ("key", None, Means::NothingOfValue),
    ("max-time", Some('m'), Means::NothingOfValue),
    ("output", Some('o'), Means::NothingOfValue),
    ("proxy", Some('x'), Means::NothingOfValue),
    ("resolve", None, Means::NothingOfValue),
    ("retry", None, Means::NothingOfValue),
    ("write-out", Some('w'), Means::NothingOfValue),
];

impl Means {
    pub(super) const fn has_value(self) -> bool {
        !matches!(
            self,
            Self::Get | Self::Head | Self::Compressed | Self::PathAsIs | Self::Nothing
        )
    }
}
