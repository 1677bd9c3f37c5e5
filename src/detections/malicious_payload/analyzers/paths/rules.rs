//! What is recognised of paths.

use super::super::Rule;

pub(super) static STEPS_UP: Rule = Rule {
    name: "steps_up",
    score: 5,
    message: "A path leads to the folder above.",
};

pub(super) static HIDDEN_STEPS: Rule = Rule {
    name: "hidden_steps",
    score: 5,
    message: "Steps up are hidden among more dots and slashes, or in the spelling of some lenient decoder.",
};

pub(super) static PARAMETER_STEP: Rule = Rule {
    name: "path_parameter_step",
    score: 5,
    message: "A step up is hidden in a path parameter.",
};

pub(super) static ACCOUNT_FILE: Rule = Rule {
    name: "account_file",
    score: 5,
    message: "A file of the system's accounts or settings.",
};

pub(super) static KERNEL_FILE: Rule = Rule {
    name: "kernel_file",
    score: 5,
    message: "A file of the kernel.",
};

pub(super) static WINDOWS_FILE: Rule = Rule {
    name: "windows_file",
    score: 5,
    message: "A file of Windows.",
};

pub(super) static HIDDEN_FILE: Rule = Rule {
    name: "hidden_file",
    score: 5,
    message: "A hidden file with settings or keys.",
};

pub(super) static APPLICATION_FOLDER: Rule = Rule {
    name: "application_folder",
    score: 5,
    message: "The inner folder of a Java application.",
};

pub(super) static LOG_FILE: Rule = Rule {
    name: "log_file",
    score: 5,
    message: "A log or the settings of a server.",
};

pub(super) static DRIVE_PATH: Rule = Rule {
    name: "drive_path",
    score: 5,
    message: "An absolute path on a drive of Windows.",
};

pub(super) static SHARE_PATH: Rule = Rule {
    name: "share_path",
    score: 5,
    message: "A path on a foreign file server.",
};

pub(super) static STREAM_WRAPPER: Rule = Rule {
    name: "stream_wrapper",
    score: 5,
    message: "An address that opens a local file.",
};

pub(super) static CUT_FILE_NAME: Rule = Rule {
    name: "cut_file_name",
    score: 5,
    message: "A null byte cuts the end of a file name off.",
};
