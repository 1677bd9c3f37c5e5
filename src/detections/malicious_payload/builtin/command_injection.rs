//! Command injection: values that end the command they are put into and start another, or that an interpreter is told
//! to run.
//!
//! Written from the grammar of the POSIX shell (separators, substitutions, redirections), of `cmd.exe` and PowerShell, and
//! from how scripting languages start a shell. Program names that are English words count only with what makes them a
//! command: an option, a path, a number.

use super::{ALL, BuiltinRule, Class, HEAD, rule};

pub(super) const CLASS: Class = Class {
    name: "command_injection",
    cwe: 78,
    rules: &RULES,
};

const RULES: [BuiltinRule; 13] = [
    rule(
        "substituted_command",
        ALL,
        concat!(
            r#"\$\(\s*(?:/?(?:usr/)?bin/)?"#,
            command!(),
            r#"(?:\s+[^\s)]|\)|\$)|\$\(\(\s*\d+\s*[-+*/]\s*\d+\s*\)\)|[;|=&'"$.]`\s*"#,
            command!(),
            r#"\b[^`\n]{0,200}`"#
        ),
        "A command in place of a value.",
    ),
    rule(
        "space_by_variable",
        ALL,
        r"\$\{?ifs\b|\$ifs|\$\{ifs|\$@\w*\s*/|\{(?:cat|ls|echo|wget|curl|ping|sh|bash|id),[^}\s]+\}",
        "White space is written as a variable, to avoid a filter.",
    ),
    rule(
        "function_import",
        ALL,
        r"^\s*\(\s*\)\s*\{.*;\s*\}\s*;|\(\s*\)\s*\{[^{}]{0,80};\s*\}\s*;|\(\s*\)\s*\{\s*_?\s*;?\s*\}\s*>_\[",
        "A shell function with a command behind it, as Shellshock (CVE-2014-6271) used.",
    ),
    rule(
        "interpreter_call",
        ALL,
        concat!(
            r#"\b(?:system|exec|shell_exec|passthru|proc_open|popen|pcntl_exec|assert|eval|print|execfile|spawn)\s*\(+\s*(?:['"`]\s*(?:/?(?:usr/)?bin/)?"#,
            command!(),
            r#"\b|`|print\s*\(|\$_(?:get|post|request|cookie|server)\b|base64_decode|\$\()|\$\{\s*(?:system|exec|shell_exec|passthru|proc_open|popen|phpinfo|print)\s*\(|\bphpinfo\s*\(\s*\)|\bos\.(?:system|popen)\s*\(|\bsubprocess\.\w+\s*\(\s*\[?['"]|runtime\.getruntime\s*\(|\bchild_process\b|__import__\s*\(\s*['"]os"#
        ),
        "An interpreter is told to start a command.",
    ),
    rule(
        "program_path",
        ALL,
        concat!(
            r#"^[\s'"`;|&$(){}<>]{0,8}/?(?:usr/)?(?:local/)?s?bin/(?:"#,
            command!(),
            r#"|nice|timeout|env)\b"#
        ),
        "The path of a program.",
    ),
    rule(
        "reverse_shell",
        ALL,
        r#"/dev/(?:tcp|udp)/[\w.$]+/|\bnc(?:at)?(?:\.exe)?\s+(?:-\w+\s+)*-\w*[elc]\w*\s|\bbash\s+-i\s|\bmkfifo\s+/tmp|\b(?:python[23]?|perl|ruby|php|lua)\s+-(?:c|e|r|rsocket\s+-e)\s*['"]|\buse\s+socket;|\bfsockopen\s*\(|socket\.socket\s*\(|\bsocat\s+\S*exec:"#,
        "A shell that calls back.",
    ),
    rule(
        "windows_command",
        ALL,
        r#"\bcmd(?:\.exe)?\s*/[ckr]\s|\bpowershell(?:\.exe)?\s+(?:-\w|\(\s*new-|iex\b|invoke-)|\bnet\s+(?:user|localgroup|view|share)\s+(?:/|\w+\s+(?:/|\S+\s+/))|\bcertutil\s+-urlcache|\bbitsadmin\s+/transfer|[|&;]\s*(?:dir|type)\s+(?:[a-z]:|%|\\)|\bwscript\.shell\b|\bnew-object\s+(?:system\.)?net\.|\breg\s+(?:add|query)\s+hk"#,
        "A command of Windows.",
    ),
    rule(
        "download",
        HEAD,
        r#"\b(?:wget|curl|fetch|lwp-download)\s+(?:-\S+\s+)*['"]?(?:https?|ftp)://|\b(?:wget|curl|tftp)\s+(?:-\S+\s+)*\d+\.\d+\.\d+\.\d+"#,
        "A program is fetched.",
    ),
    rule(
        "value_is_command",
        ALL,
        r#"^[\s'"`;|&$(){}\\]{0,8}(?:whoami|uname(?:\s+-\w+)?|ifconfig|ipconfig(?:\s+/all)?|cat\s+[/~.$*]\S*|type\s+[%\\]\S*|ls\s+-\w+(?:\s+[/~.*]\S*)?|netstat\s+-\w+|ping\s+-\w\s+\S+\s*\S*|(?:/bin/)?sleep\s+\d{1,4}|id\s*;\s*\w+|wget\s+\S+|nslookup\s+\S+|systeminfo|phpinfo\(\);?|perl\s+-\w\b.*|chmod\s+[+0-7a-z]+\s+\S+|rm\s+-\w+\s+\S+|net\s+user|tasklist|ps\s+-?aux\w*)[\s'"`;|&)}\\#/*\x00]*$"#,
        "The value is a command.",
    ),
    rule(
        "short_command",
        ALL,
        r#"^[^\s;|&`$]{0,24}['"]?\s*(?:;|\|{1,2}|&{1,2}|`|\$\(|\n|<)\s*(?:/?(?:usr/)?bin/)?(?:id|ls|pwd|ps|w|who|env|set|dir|ver|date|uptime|reboot|netstat|ifconfig|whoami|finger|last)(?:\s+-\w+)?['")]?[\s;|&`)#\\/]*(?:\\n)?$"#,
        "A separator of commands, and a short command.",
    ),
    rule(
        "shell_control",
        ALL,
        r#"\bif\s+\[\s+\S.*?\]\s*;\s*then\b|;\s*then\s.*;\s*(?:fi|else)\b|[;&|]\s*(?:for|while)\s+.*;\s*do\s|\b\w+=\$\(\s*(?:echo|cat|id|whoami)\b|\$\{#\w+\}"#,
        "A control structure of the shell.",
    ),
    rule(
        "redirection",
        HEAD,
        r"\b(?:cat|sh|bash|tee|more|nc)\s*<+\s*/(?:etc|tmp|var|proc|home|bin|dev)\b|[^<]>{1,2}\s*/(?:tmp|dev|var|etc)/\w|\b\d?>&\d\b|\|\s*(?:bash|sh|nc|xxd|tee|base64)\b|<\(\s*\w+",
        "The input or output of a command is redirected.",
    ),
    rule(
        "server_directive",
        ALL,
        r#"<!--\s*#\s*(?:exec|include|echo|printenv|config|set|fsize|flastmod)\b|<esi:\w+|<%=?\s*(?:system|exec|eval|`|runtime)|<\?(?:php\s|=)?\s*(?:system|exec|shell_exec|passthru|eval|echo\s*`|phpinfo|assert|include|require)\b"#,
        "A directive that a server would run.",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::tests::{Case, hold};

    const CASES: [Case; 13] = [
        (
            "substituted_command",
            &["$(whoami)", "$((1+2))", "x=`id`"],
            &["use `ls -l` here", "$(document).ready", "a (cat) b"],
        ),
        (
            "space_by_variable",
            &["cat$IFS/x", "${IFS}id", "{cat,/etc/x}"],
            &["$if", "gifs", "{cat, dog}"],
        ),
        (
            "function_import",
            &[
                "() { :;}; id",
                "() { x;};echo",
                "() { { :;};}; id",
                "x() { :;};",
            ],
            &["fn() { x }", "() => { y; }"],
        ),
        (
            "interpreter_call",
            &["system('id')", "exec(`x`)", "os.system('x')"],
            &["system (old)", "exec('query')", "the print('x') call"],
        ),
        (
            "program_path",
            &["/bin/cat x", ";/usr/bin/id", "|/bin/sh"],
            &["the /bin/cat file", "/bing/cat", "cabin/cat"],
        ),
        (
            "reverse_shell",
            &["/dev/tcp/a/1", "nc -e /bin/sh x", "python -c 'import"],
            &["dev/tcpdump", "python is", "nice -e"],
        ),
        (
            "windows_command",
            &["cmd /c dir", "powershell -enc x", "net user a /add"],
            &["command /c", "the net user", "powershell guide"],
        ),
        (
            "download",
            &["wget http://x", "curl -s https://x"],
            &["curly https://x", "wget is"],
        ),
        (
            "value_is_command",
            &["whoami", "cat /etc/x", "uname -a", "sleep 5"],
            &["who am i", "cat food", "ls", "sleep well"],
        ),
        (
            "short_command",
            &["a|id|", ";ls", "`id`", "&&pwd"],
            &["id", "a&id=1", "rock & roll"],
        ),
        (
            "shell_control",
            &["if [ 1 -eq 1 ]; then x; fi", "x=$(echo a)"],
            &["if [you] then", "for a while", "do this; then that"],
        ),
        (
            "redirection",
            &["cat</etc/x", "x >/tmp/y", "2>&1", "x | sh"],
            &["a > b", "<b>sh</b>", "x | shell"],
        ),
        (
            "server_directive",
            &["<!--#exec cmd=x", "<?php system(x)", "<esi:include"],
            &["<!-- exec -->", "<?xml version"],
        ),
    ];

    #[test]
    fn every_rule_finds_its_attacks_and_spares_their_look_alikes() {
        hold(&super::CLASS, &CASES);
    }
}
