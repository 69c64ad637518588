/* Writes the completions of a shell for adit(8) to standard output: `completions bash|zsh|fish`.
 * The options and the commands of -O come from the tables that adit itself reads its command line
 * by. Hosts come from the shell's own functions for ssh(1), forwards for -O cancel from the adit
 * that runs. */
#include "conf/command_line.h"
#include "control/client.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What adit follows of ssh_config(5), as people write it, and what can be offered as its value. */
static const struct setting {
    const char *keyword;
    const char *values; /* with blanks between them; "": none can be offered */
} settings[] = {
    {"AddressFamily", "any inet inet6"},
    {"BatchMode", "yes no"},
    {"BindAddress", ""},
    {"BindInterface", ""},
    {"CertificateFile", ""},
    {"Ciphers", ""},
    {"ClearAllForwardings", "yes no"},
    {"Compression", "yes no"},
    {"ConnectTimeout", ""},
    {"ConnectionAttempts", ""},
    {"ControlMaster", "yes no ask auto autoask"},
    {"ControlPath", ""},
    {"DynamicForward", ""},
    {"ExitOnForwardFailure", "yes no"},
    {"ForkAfterAuthentication", "yes no"},
    {"GatewayPorts", "yes no"},
    {"GlobalKnownHostsFile", ""},
    {"HashKnownHosts", "yes no"},
    {"HostKeyAlgorithms", ""},
    {"HostKeyAlias", ""},
    {"HostName", ""},
    {"IPQoS", "none ef lowdelay throughput reliability le af11 af21 cs0 cs1"},
    {"IdentitiesOnly", "yes no"},
    {"IdentityAgent", "none SSH_AUTH_SOCK"},
    {"IdentityFile", ""},
    {"KbdInteractiveAuthentication", "yes no"},
    {"KexAlgorithms", ""},
    {"KnownHostsCommand", ""},
    {"LocalForward", ""},
    {"LogLevel", "QUIET FATAL ERROR INFO VERBOSE DEBUG DEBUG1 DEBUG2 DEBUG3"},
    {"MACs", ""},
    {"NoHostAuthenticationForLocalhost", "yes no"},
    {"NumberOfPasswordPrompts", ""},
    {"PasswordAuthentication", "yes no"},
    {"PermitRemoteOpen", "any none"},
    {"Port", ""},
    {"PreferredAuthentications", ""},
    {"ProxyCommand", ""},
    {"ProxyJump", ""},
    {"PubkeyAcceptedAlgorithms", ""},
    {"PubkeyAuthentication", "yes no"},
    {"RekeyLimit", ""},
    {"RemoteForward", ""},
    {"RequiredRSASize", ""},
    {"RevokedHostKeys", ""},
    {"ServerAliveCountMax", ""},
    {"ServerAliveInterval", ""},
    {"StreamLocalBindMask", ""},
    {"StreamLocalBindUnlink", "yes no"},
    {"StrictHostKeyChecking", "yes no ask accept-new off"},
    {"TCPKeepAlive", "yes no"},
    {"User", ""},
    {"UserKnownHostsFile", ""},
    {"WarnWeakCrypto", "yes no"},
};

static void put_made_from(void)
{
    puts("# Made from adit's tables of options (src/control/completions.c).");
}

static void put_commands(void)
{
    const char *name;

    for (size_t i = 0; (name = control_command_name(i)); i++)
        printf("%s%s", i > 0 ? " " : "", name);
}

static void put_settings(const char *end)
{
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        printf("%s%s%s", i > 0 ? " " : "", settings[i].keyword, end);
}

/* Of a short option: whether it is one whose value is the rest of its word or the next word. */
static bool is_short(const struct option_description *option)
{
    return option->name[1] != '-';
}

/* ---- forwards that run, for `-O cancel`: rows of the table that -O status prints */

/* A program of awk: the forwards of a kind, as an option has them. */
#define PICK_FORWARDS                                                                              \
    "NF == 0 {on = 0} on && $2 == kind {print $4 == \"-\" ? $3 : $3 \":\" $4} "                    \
    "$1 == \"FORWARD\" {on = 1}"
/* A program of sed: the control sockets of -O list. */
#define PICK_SOCKETS "1d; s/^.* //"

/* ---- bash, with the functions of the package bash-completion */

static void put_bash_name(void *arg, const struct option_description *option)
{
    (void)arg;
    if (option->help)
        printf(" %s", option->name);
}

static void put_bash_flag(void *arg, const struct option_description *option)
{
    (void)arg;
    if (is_short(option) && option->takes == OPTION_NOTHING)
        putchar(option->name[1]);
}

/* The options that take something, as a label of `case`. */
struct bash_label {
    enum option_value takes;
    bool begun;
};

static void put_bash_label(void *arg, const struct option_description *option)
{
    struct bash_label *label = arg;

    if (option->takes != label->takes)
        return;
    printf("%s%s", label->begun ? " | " : "    ", option->name);
    label->begun = true;
}

static void put_bash_case(enum option_value takes, const char *action)
{
    struct bash_label label = {.takes = takes};

    command_line_each_option(put_bash_label, &label);
    printf(") %s; return ;;\n", action);
}

static void put_bash_values(void)
{
    puts("_adit_setting()\n{\n    case ${cur%%[= ]*} in");
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (*settings[i].values)
            printf("    %s) COMPREPLY=($(compgen -W '%s' -- \"${cur#*=}\")) ;;\n",
                   settings[i].keyword, settings[i].values);
    }
    puts("    esac\n}\n");
}

/* Behind -O cancel: the forwards of the adit that the words before and behind name, or of all that
 * -O list shows. */
static void put_bash_forwards(void)
{
    puts("_adit_forwards()\n{\n"
         "    local adit=${words[0]/#\\~\\//$HOME/} kind word before= asked=() socket found\n"
         "    case $1 in -L) kind=local ;; -R) kind=remote ;; *) kind=dynamic ;; esac\n"
         "    for word in \"${words[@]:1:cword-2}\" \"${words[@]:cword+1}\"; do\n"
         "        [[ $before == -O && $word == cancel ]] && word=status\n"
         "        before=$word\n"
         "        asked+=(\"${word/#\\~\\//$HOME/}\")\n"
         "    done\n"
         "    [[ \" ${asked[*]} \" == *' -O status '* ]] || return\n"
         "    found=$(timeout 2 \"$adit\" \"${asked[@]}\" 2>/dev/null)\n"
         "    [[ $found ]] || found=$(\n"
         "        timeout 2 \"$adit\" -O list 2>/dev/null | sed '" PICK_SOCKETS
         "' | while read -r socket; do\n"
         "            timeout 2 \"$adit\" -S \"$socket\" -O status 2>/dev/null\n"
         "        done)\n"
         "    found=$(awk -v kind=$kind '" PICK_FORWARDS "' <<<\"$found\")\n"
         "    COMPREPLY=($(compgen -W '$found' -- \"$cur\"))\n"
         "    __ltrim_colon_completions \"$cur\"\n}\n");
}

static void put_bash_body(void)
{
    fputs("    # Which option the word before belongs to: -fNL is -L.\n"
          "    local option=$prev\n"
          "    while [[ $option == -[",
          stdout);
    command_line_each_option(put_bash_flag, NULL);
    puts("]?* ]]; do option=-${option:2}; done\n"
         "    local config= word i\n"
         "    for ((i = 1; i < ${#words[@]} - 1; i++)); do\n"
         "        [[ ${words[i]} == -F ]] && config=${words[i + 1]}\n"
         "    done\n"
         "    case $option in");
    put_bash_case(OPTION_FILE, "_filedir");
    put_bash_case(OPTION_WORD, ":");
    put_bash_case(OPTION_FORWARD, "_adit_forwards \"$option\"");
    put_bash_case(OPTION_HOPS,
                  "_known_hosts_real -a ${config:+-F \"$config\"} -p \"${cur%\"${cur##*,}\"}\" "
                  "-- \"${cur##*,}\"");
    put_bash_case(OPTION_ADDRESS, "_ip_addresses");
    put_bash_case(OPTION_INTERFACE, "_available_interfaces -a");
    put_bash_case(OPTION_USER, "COMPREPLY=($(compgen -u -- \"$cur\"))");
    put_bash_case(OPTION_CIPHERS,
                  "COMPREPLY=($(compgen -W '$(ssh -Q cipher 2>/dev/null)' -- \"$cur\"))");
    put_bash_case(OPTION_MACS, "COMPREPLY=($(compgen -W '$(ssh -Q mac 2>/dev/null)' -- \"$cur\"))");
    printf("    -O) COMPREPLY=($(compgen -W '");
    put_commands();
    puts("' -- \"$cur\")); return ;;");
    fputs("    -o)\n"
          "        if [[ $cur == *=* ]]; then _adit_setting; return; fi\n"
          "        COMPREPLY=($(compgen -W '",
          stdout);
    put_settings("=");
    fputs("' -- \"$cur\"))\n"
          "        compopt -o nospace\n"
          "        return ;;\n"
          "    esac\n"
          "    $split && return\n"
          "    if [[ $cur == -* ]]; then\n"
          "        COMPREPLY=($(compgen -W '",
          stdout);
    command_line_each_option(put_bash_name, NULL);
    puts("' -- \"$cur\"))\n"
         "        return\n"
         "    fi\n"
         "    _known_hosts_real -a ${config:+-F \"$config\"} -- \"$cur\"");
}

static void put_bash(void)
{
    puts("# Completion of bash for adit(8).");
    put_made_from();
    puts("");
    put_bash_values();
    put_bash_forwards();
    puts("_adit()\n{\n"
         "    local cur prev words cword split=false\n"
         "    _init_completion -s -n : || return");
    put_bash_body();
    puts("} &&\n    complete -F _adit adit");
}

/* ---- zsh */

/* What _arguments(zshcompsys) is told about an option's value. */
static const char *zsh_action(enum option_value takes)
{
    switch (takes) {
    case OPTION_NOTHING: return "";
    case OPTION_WORD: return ":value: ";
    case OPTION_FILE: return ":file:_files";
    case OPTION_FORWARD: return ":forward:_adit_forwards";
    case OPTION_HOPS: return ":jump hosts:_adit_hops";
    case OPTION_ADDRESS: return ":address:_bind_addresses";
    case OPTION_INTERFACE: return ":interface:_net_interfaces";
    case OPTION_USER: return ":user:_users";
    case OPTION_CIPHERS: return ":ciphers:_adit_algorithms cipher";
    case OPTION_MACS: return ":MACs:_adit_algorithms mac";
    case OPTION_COMMAND: return ":command:($commands)";
    case OPTION_SETTING: return ":option:_adit_setting";
    }
    return "";
}

/* (Options may be repeated, as -L is.) */
static void put_zsh_option(void *arg, const struct option_description *option)
{
    (void)arg;
    if (!option->help)
        return;
    const char *attached = option->takes == OPTION_NOTHING ? "" : is_short(option) ? "+" : "=";
    printf("        '*%s%s[", option->name, attached);
    for (const char *at = option->help; *at; at++)
        printf(strchr("[]:\\", *at) ? "\\%c" : "%c", *at);
    printf("]'");
    const char *action = zsh_action(option->takes);
    printf("%c%s%c \\\n", '"', action, '"');
}

static void put_zsh_settings(void)
{
    puts("_adit_setting()\n{\n    if compset -P '*='; then\n        case $IPREFIX in");
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (*settings[i].values)
            printf("        *%s=) _values '%s' %s ;;\n", settings[i].keyword, settings[i].keyword,
                   settings[i].values);
    }
    fputs("        esac\n    else\n        local -a keywords=(", stdout);
    put_settings("");
    puts(")\n        _wanted keywords expl 'option of ssh_config' compadd -qS= -a keywords\n"
         "    fi\n}\n");
}

static void put_zsh_forwards(void)
{
    puts("_adit_forwards()\n{\n"
         "    local adit=${~words[1]} kind word before= socket found\n"
         "    local -a asked offered\n"
         "    case ${words[CURRENT-1]} in *L) kind=local ;; *R) kind=remote ;; *) kind=dynamic ;; "
         "esac\n"
         "    for word in \"${(@)words[2,CURRENT-2]}\" \"${(@)words[CURRENT+1,-1]}\"; do\n"
         "        [[ $before == -O && $word == cancel ]] && word=status\n"
         "        before=$word\n"
         "        asked+=(\"${word/#\\~\\//$HOME/}\")\n"
         "    done\n"
         "    [[ \" $asked \" == *' -O status '* ]] || return\n"
         "    found=$(timeout 2 $adit $asked 2>/dev/null)\n"
         "    [[ -n $found ]] || found=$(\n"
         "        timeout 2 $adit -O list 2>/dev/null | sed '" PICK_SOCKETS
         "' | while read -r socket; do\n"
         "            timeout 2 $adit -S $socket -O status 2>/dev/null\n"
         "        done)\n"
         "    offered=(${(f)\"$(awk -v kind=$kind '" PICK_FORWARDS "' <<<$found)\"})\n"
         "    _wanted forwards expl 'forward that runs' compadd -a offered\n}\n");
}

static void put_zsh(void)
{
    puts("#compdef adit\n# Completion of zsh for adit(8).");
    put_made_from();
    puts("\n_adit_destination()\n{\n"
         "    compset -P 'ssh://'\n"
         "    if compset -P '*@'; then\n"
         "        _wanted hosts expl 'host' _ssh_hosts\n"
         "    else\n"
         "        _alternative 'hosts:host:_ssh_hosts' 'users:user:_users -qS@'\n"
         "    fi\n}\n\n"
         "_adit_hops()\n{\n    compset -P '*,'\n    _adit_destination\n}\n\n"
         "_adit_algorithms()\n{\n"
         "    local -a algorithms=(${(f)\"$(_call_program algorithms ssh -Q $1 2>/dev/null)\"})\n"
         "    compset -P '*,'\n"
         "    _wanted algorithms expl 'algorithm' compadd -qS, -a algorithms\n}\n");
    put_zsh_forwards();
    put_zsh_settings();
    fputs("_adit()\n{\n    local commands='", stdout);
    put_commands();
    puts("'\n    _arguments -s -S \\");
    command_line_each_option(put_zsh_option, NULL);
    puts("        '1:host:_adit_destination'\n}\n\n_adit \"$@\"");
}

/* ---- fish */

static const char *fish_action(enum option_value takes)
{
    switch (takes) {
    case OPTION_NOTHING: return "";
    case OPTION_WORD:
    case OPTION_ADDRESS: return " -x";
    case OPTION_FORWARD: return " -x -a '(__adit_forwards)'";
    case OPTION_FILE: return " -r -F";
    case OPTION_HOPS: return " -x -a '(__fish_complete_list , __fish_complete_user_at_hosts)'";
    case OPTION_INTERFACE: return " -x -a '(__fish_print_interfaces)'";
    case OPTION_USER: return " -x -a '(__fish_complete_users)'";
    case OPTION_CIPHERS: return " -x -a \"(__fish_complete_list , 'ssh -Q cipher 2>/dev/null')\"";
    case OPTION_MACS: return " -x -a \"(__fish_complete_list , 'ssh -Q mac 2>/dev/null')\"";
    case OPTION_COMMAND: return " -x -a \"$commands\"";
    case OPTION_SETTING: return " -x -a \"$settings\"";
    }
    return "";
}

static void put_fish_option(void *arg, const struct option_description *option)
{
    (void)arg;
    if (!option->help)
        return;
    printf("complete -c adit -%c %s%s -d '", is_short(option) ? 's' : 'l',
           option->name + (is_short(option) ? 1 : 2), fish_action(option->takes));
    for (const char *at = option->help; *at; at++)
        printf(strchr("'\\", *at) ? "\\%c" : "%c", *at);
    puts("'");
}

static void put_fish_forwards(void)
{
    puts("function __adit_forwards\n"
         "    set -l words (commandline -opc)\n"
         "    set -l adit (string replace -r '^~/' \"$HOME/\" -- $words[1])\n"
         "    set -l kind dynamic\n"
         "    switch $words[-1]\n"
         "        case '*L'\n            set kind local\n"
         "        case '*R'\n            set kind remote\n    end\n"
         "    set -l asked\n    set -l before\n"
         "    for word in $words[2..-2]\n"
         "        if test \"$before$word\" = -Ocancel\n            set word status\n        end\n"
         "        set before $word\n"
         "        set -a asked (string replace -r '^~/' \"$HOME/\" -- $word)\n    end\n"
         "    string match -q '* -O status *' -- \" $asked \"; or return\n"
         "    set -l found (timeout 2 $adit $asked 2>/dev/null)\n"
         "    if test -z \"$found\"\n"
         "        for socket in (timeout 2 $adit -O list 2>/dev/null | sed '" PICK_SOCKETS "')\n"
         "            set -a found (timeout 2 $adit -S $socket -O status 2>/dev/null)\n"
         "        end\n    end\n"
         "    printf '%s\\n' $found | awk -v kind=$kind '" PICK_FORWARDS "'\nend\n");
}

static void put_fish(void)
{
    puts("# Completion of fish for adit(8).");
    put_made_from();
    put_fish_forwards();
    fputs("set -l commands '", stdout);
    put_commands();
    fputs("'\nset -l settings '", stdout);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        char values[200], *rest = values, *value;
        snprintf(values, sizeof(values), "%s", settings[i].values);
        if (!*values)
            printf("%s= ", settings[i].keyword);
        while ((value = strsep(&rest, " ")) && *value)
            printf("%s=%s ", settings[i].keyword, value);
    }
    puts("'\ncomplete -c adit -f -a '(__fish_complete_user_at_hosts)'");
    command_line_each_option(put_fish_option, NULL);
}

int main(int argc, char **argv)
{
    static const struct shell {
        const char *name;
        void (*put)(void);
    } shells[] = {{"bash", put_bash}, {"zsh", put_zsh}, {"fish", put_fish}};

    for (size_t i = 0; argc == 2 && i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(shells[i].name, argv[1]) == 0) {
            shells[i].put();
            return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    fprintf(stderr, "usage: completions bash|zsh|fish\n");
    return EXIT_FAILURE;
}
