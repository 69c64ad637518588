/* The words of a command line. ssh's options are one table: what each takes, and what becomes of
 * it. */
#include "conf/command_line.h"

#include "base/mem.h"
#include "base/nearest.h"
#include "conf/forward_spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reading argv. */
struct reader {
    struct command_line *line;
    char *const *words; /* those not taken yet; ends with NULL */
    const char *rest;   /* what is left of a cluster of letters */
    bool only_words;    /* after --: no options follow */
    char *error;
};

enum letter_use {
    USE_TAKE,    /* adit's own business: `take` */
    USE_SSH,     /* of the connection: for ssh -G, and `text` is its keyword in ssh_config */
    USE_NOTHING, /* nothing a tunnel has would change */
    USE_WARN,    /* does nothing here although it would in ssh: `text` says so */
    USE_REFUSE,  /* makes no tunnel: `text` says what to do */
};

struct letter {
    const char *option;      /* "-x" */
    enum option_value takes; /* OPTION_NOTHING: no value */
    enum letter_use use;
    const char *text;
    const char *value; /* in ssh_config, of an option that has none on the command line */
    bool (*take)(struct reader *reader, const char *value);
    const char *help; /* a few words; NULL: no shell offers this option */
};

static bool refuse_word(struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse_word(struct reader *reader, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reader->error, COMMAND_LINE_ERROR_MAX, format, args);
    va_end(args);
    return false;
}

/* What an option without its value is told to need. */
static const char *wanted(enum option_value takes)
{
    return takes == OPTION_FILE      ? "a file"
           : takes == OPTION_FORWARD ? "[BIND:]PORT:HOST:HOSTPORT"
           : takes == OPTION_COMMAND ? "a command, as status"
                                     : "a value";
}

static void append_word(const char ***array, size_t *count, const char *text)
{
    *array = mem_realloc(*array, (*count + 1) * sizeof(**array));
    (*array)[(*count)++] = text;
}

static void add_ssh_word(struct command_line *line, const char *word)
{
    append_word(&line->ssh_words, &line->ssh_word_count, word);
}

static void add_command_setting(struct command_line *line, const char *keyword, const char *value)
{
    line->settings =
        mem_realloc(line->settings, (line->setting_count + 1) * 2 * sizeof(*line->settings));
    line->settings[2 * line->setting_count] = keyword;
    line->settings[2 * line->setting_count + 1] = value;
    line->setting_count++;
}

static bool take_forward(struct reader *reader, enum forward_kind kind, const char *spec)
{
    static const char letters[] = {
        [FORWARD_LOCAL] = 'L', [FORWARD_REMOTE] = 'R', [FORWARD_DYNAMIC] = 'D'};
    struct command_line *line = reader->line;
    struct config_forward forward = {0};
    char why[FORWARD_ERROR_MAX];
    char *text = forward_text_of_argument(spec);

    if (!forward_spec_parse(kind, text, &forward, why, sizeof(why))) {
        free(text);
        if (!forward_spec_parse(kind, spec, &forward, why, sizeof(why))) /* (in the words given) */
            return refuse_word(reader, "-%c: %s", letters[kind], why);
        place_clear(&forward.bind);
        place_clear(&forward.target);
        return refuse_word(reader, "-%c: '%s' has a blank that is not in a path", letters[kind],
                           spec);
    }
    place_clear(&forward.bind);
    place_clear(&forward.target);
    line->forwards =
        mem_realloc(line->forwards, (line->forward_count + 1) * sizeof(*line->forwards));
    line->forwards[line->forward_count++] = (struct option_forward){kind, text};
    return true;
}

static bool take_local(struct reader *reader, const char *spec)
{
    return take_forward(reader, FORWARD_LOCAL, spec);
}

static bool take_remote(struct reader *reader, const char *spec)
{
    return take_forward(reader, FORWARD_REMOTE, spec);
}

static bool take_dynamic(struct reader *reader, const char *spec)
{
    return take_forward(reader, FORWARD_DYNAMIC, spec);
}

static bool take_stdio(struct reader *reader, const char *place)
{
    struct config_place target = {0};
    char why[FORWARD_ERROR_MAX];

    if (!forward_spec_parse_stdio(place, &target, why, sizeof(why)))
        return refuse_word(reader, "-W: %s", why);
    place_clear(&target);
    if (reader->line->stdio)
        return refuse_word(reader, "-W can be given only once");
    reader->line->stdio = place;
    return true;
}

static bool take_help(struct reader *reader, const char *value)
{
    (void)value;
    reader->line->help = true;
    return true;
}

static bool take_background(struct reader *reader, const char *value)
{
    (void)value;
    reader->line->background = true;
    return true;
}

static bool take_verbose(struct reader *reader, const char *value)
{
    (void)value;
    reader->line->verbose++;
    return true;
}

static bool take_quiet(struct reader *reader, const char *value)
{
    (void)value;
    reader->line->quiet = true;
    return true;
}

static bool take_version(struct reader *reader, const char *value)
{
    (void)value;
    reader->line->version = true;
    return true;
}

static bool take_log_file(struct reader *reader, const char *file)
{
    reader->line->log_file = file;
    return true;
}

static bool take_command(struct reader *reader, const char *command)
{
    if (reader->line->control_command)
        return refuse_word(reader, "-O can be given only once");
    reader->line->control_command = command;
    return true;
}

/* Whether a word is what autossh's -M takes: a port, or two. */
static bool is_monitor(const char *word)
{
    size_t digits = word ? strspn(word, "0123456789") : 0;

    if (digits == 0 || word[digits] == '\0')
        return digits > 0;
    const char *second = word + digits + 1;
    return word[digits] == ':' && *second && second[strspn(second, "0123456789")] == '\0';
}

/* ssh's -M makes a master; autossh's has a port, and means that adit is not to give up. */
static bool take_master(struct reader *reader, const char *value)
{
    (void)value;
    if (is_monitor(reader->rest)) {
        reader->rest = NULL;
        reader->line->persist = true;
    } else if ((!reader->rest || !*reader->rest) && is_monitor(*reader->words)) {
        reader->words++;
        reader->line->persist = true;
    } else {
        add_ssh_word(reader->line, "-M");
        add_command_setting(reader->line, "controlmaster", "yes");
    }
    return true;
}

static bool take_control_path(struct reader *reader, const char *path)
{
    reader->line->control_path = path;
    add_ssh_word(reader->line, "-S");
    add_ssh_word(reader->line, path);
    add_command_setting(reader->line, "controlpath", path);
    return true;
}

static bool take_ssh_config_file(struct reader *reader, const char *file)
{
    reader->line->ssh_config_file = file;
    add_ssh_word(reader->line, "-F");
    add_ssh_word(reader->line, file);
    return true;
}

static bool take_option_line(struct reader *reader, const char *text)
{
    add_ssh_word(reader->line, "-o");
    add_ssh_word(reader->line, text);
    add_command_setting(reader->line, text, NULL);
    return true;
}

/* (An ssh that is older than -P has another meaning for it, but not for the option it stands for.)
 */
static bool take_tag(struct reader *reader, const char *tag)
{
    (void)tag;
    return refuse_word(reader, "-P is not known: give -o Tag=%s", tag);
}

#define VALUE(what) .takes = OPTION_##what
#define TAKE(function) .use = USE_TAKE, .take = (function)
#define SSH(keyword) .use = USE_SSH, .text = (keyword)
#define NOTHING .use = USE_NOTHING
#define WARN(words) .use = USE_WARN, .text = (words)
#define REFUSE(words) .use = USE_REFUSE, .text = (words)
#define HELP(words) .help = (words)

static const struct letter letters[] = {
    {"-D", VALUE(FORWARD), TAKE(take_dynamic), HELP("a port here is a SOCKS and HTTP proxy")},
    {"-E", VALUE(FILE), TAKE(take_log_file), HELP("append the log to a file")},
    {"-F", VALUE(FILE), TAKE(take_ssh_config_file), HELP("read this file instead of ssh_config")},
    {"-L", VALUE(FORWARD), TAKE(take_local), HELP("a port here leads to a place there")},
    {"-M", TAKE(take_master), HELP("listen at a control socket")},
    {"-O", VALUE(COMMAND), TAKE(take_command), HELP("ask an adit that runs")},
    {"-P", VALUE(WORD), TAKE(take_tag)},
    {"-R", VALUE(FORWARD), TAKE(take_remote), HELP("a port there leads to a place here")},
    {"-S", VALUE(FILE), TAKE(take_control_path), HELP("the path of the control socket")},
    {"-V", TAKE(take_version), HELP("print versions")},
    {"-W", VALUE(FORWARD), TAKE(take_stdio),
     HELP("standard input and output lead to a place there")},
    {"-f", TAKE(take_background), HELP("go to the background once everything is up")},
    {"-h", TAKE(take_help), HELP("print the options")},
    {"-o", VALUE(SETTING), TAKE(take_option_line), HELP("an option of ssh_config")},
    {"-q", TAKE(take_quiet), HELP("log errors only")},
    {"-v", TAKE(take_verbose), HELP("log more")},

    {"-4", SSH("addressfamily"), .value = "inet", HELP("use IPv4 only")},
    {"-6", SSH("addressfamily"), .value = "inet6", HELP("use IPv6 only")},
    {"-B", VALUE(INTERFACE), SSH("bindinterface"), HELP("connect from an interface")},
    {"-C", SSH("compression"), .value = "yes", HELP("compress")},
    {"-I", VALUE(FILE), SSH("pkcs11provider"), HELP("a PKCS#11 library with keys")},
    {"-J", VALUE(HOPS), SSH("proxyjump"), HELP("go through these hosts")},
    {"-b", VALUE(ADDRESS), SSH("bindaddress"), HELP("connect from an address")},
    {"-c", VALUE(CIPHERS), SSH("ciphers"), HELP("ciphers to offer")},
    {"-g", SSH("gatewayports"), .value = "yes", HELP("listen at every address")},
    {"-i", VALUE(FILE), SSH("identityfile"), HELP("a private key to offer")},
    {"-l", VALUE(USER), SSH("user"), HELP("the user to log in as")},
    {"-m", VALUE(MACS), SSH("macs"), HELP("MACs to offer")},
    {"-p", VALUE(WORD), SSH("port"), HELP("the port of the server")},

    {"-2", NOTHING},
    {"-N", NOTHING, HELP("no command, as always with adit")},
    {"-T", NOTHING},
    {"-a", NOTHING},
    {"-e", VALUE(WORD), NOTHING},
    {"-k", NOTHING},
    {"-n", NOTHING},
    {"-x", NOTHING},

    {"-A", WARN("-A: adit forwards no agent")},
    {"-K", WARN("-K: adit does not log in by GSSAPI")},
    {"-X", WARN("-X: adit forwards no X11")},
    {"-Y", WARN("-Y: adit forwards no X11")},
    {"-t", WARN("-t: adit runs no commands, so it needs no terminal there")},
    {"-w", VALUE(WORD), WARN("-w: adit forwards no tunnel devices")},
    {"-y", WARN("-y: adit does not log to syslog; -E FILE logs to a file")},

    {"-1", REFUSE("-1: SSH protocol 1 is not supported")},
    {"-G", REFUSE("-G: ssh -G prints what ssh would do; adit --dump prints what adit would")},
    {"-Q", VALUE(WORD), REFUSE("-Q: ssh -Q answers that")},
    {"-s", REFUSE("-s: adit runs no commands and no subsystems; ssh does")},
};

static bool use_letter(struct reader *reader, const struct letter *letter, const char *value)
{
    struct command_line *line = reader->line;

    switch (letter->use) {
    case USE_TAKE: return letter->take(reader, value);
    case USE_SSH:
        add_ssh_word(line, letter->option);
        if (value)
            add_ssh_word(line, value);
        add_command_setting(line, letter->text, value ? value : letter->value);
        return true;
    case USE_NOTHING: return true;
    case USE_WARN: append_word(&line->warnings, &line->warning_count, letter->text); return true;
    case USE_REFUSE: return refuse_word(reader, "%s", letter->text);
    }
    return false;
}

/* Takes the next letter of a cluster, with its value: the rest of the cluster, or the next word. */
static bool take_letter(struct reader *reader)
{
    char given = *reader->rest++;
    const char *value = NULL;

    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        const struct letter *letter = &letters[i];
        if (letter->option[1] != given)
            continue;
        if (letter->takes != OPTION_NOTHING) {
            value = *reader->rest ? reader->rest : *reader->words;
            if (!value)
                return refuse_word(reader, "-%c needs %s", given,
                                   given == 'D' ? "[BIND:]PORT" : wanted(letter->takes));
            reader->words += *reader->rest == '\0';
            reader->rest = NULL;
        }
        return use_letter(reader, letter, value);
    }
    return refuse_word(reader, "unknown option -%c", given);
}

/* adit's own options; the field each sets. */
static const struct long_option {
    const char *name;
    size_t flag;             /* of a bool */
    size_t value;            /* of a string, of the option that has one */
    enum option_value takes; /* OPTION_NOTHING: no value */
    const char *help;
} long_options[] = {
#define FLAG(field) .flag = offsetof(struct command_line, field)
#define TEXT(field) .value = offsetof(struct command_line, field)
    {"check", FLAG(check), HELP("find every problem of a file or a command line")},
    {"config", TEXT(config_file), VALUE(FILE), HELP("run the gateway that a file describes")},
    {"dump", FLAG(dump), HELP("print the configuration in effect")},
    {"from", TEXT(init_from), VALUE(WORD), HELP("with --init: a network of clients")},
    {"help", FLAG(help), HELP("print the options")},
    {"init", TEXT(init_file), VALUE(FILE), HELP("write a first file and try it")},
    {"json", FLAG(json), HELP("with --try and most commands of -O: as JSON")},
    {"passwd", TEXT(passwd_file), VALUE(FILE), HELP("set the password of a user in a users file")},
    {"persist", FLAG(persist), HELP("try the first connection for ever")},
    {"sandbox", TEXT(sandbox), VALUE(WORD),
     HELP("auto, require or off: whether the gateway locks itself")},
    {"try", FLAG(tries), HELP("dial, log in, say what was seen, and exit")},
    {"user", TEXT(init_user), VALUE(WORD), HELP("with --init: a client with a password")},
    {"version", FLAG(version), HELP("print versions")},
#undef FLAG
#undef TEXT
};

static bool refuse_unknown(struct reader *reader, const char *word, size_t length)
{
    char *name = mem_strndup(word, length);
    struct nearest nearest = nearest_to(name);

    for (size_t i = 0; i < sizeof(long_options) / sizeof(long_options[0]); i++)
        nearest_offer(&nearest, long_options[i].name);
    refuse_word(reader, "unknown option --%.100s%s%s%s", name,
                nearest.best ? "; did you mean --" : "", nearest.best ? nearest.best : "",
                nearest.best ? "?" : "");
    free(name);
    return false;
}

static bool take_long_option(struct reader *reader, const char *word)
{
    size_t length = strcspn(word, "=");
    const char *value = word[length] ? word + length + 1 : NULL;
    char *line = (char *)reader->line;

    for (size_t i = 0; i < sizeof(long_options) / sizeof(long_options[0]); i++) {
        const struct long_option *option = &long_options[i];
        if (strlen(option->name) != length || strncmp(option->name, word, length) != 0)
            continue;
        if (option->takes == OPTION_NOTHING && value)
            return refuse_word(reader, "--%s takes no value", option->name);
        if (option->takes == OPTION_NOTHING) {
            *(bool *)(line + option->flag) = true;
            return true;
        }
        if (!value && *reader->words)
            value = *reader->words++;
        if (!value)
            return refuse_word(reader, "--%s needs %s", option->name, wanted(option->takes));
        *(const char **)(line + option->value) = value;
        return true;
    }
    return refuse_unknown(reader, word, length);
}

static bool take_word(struct reader *reader, const char *word)
{
    if (!reader->only_words && word[0] == '-' && word[1]) {
        if (strcmp(word, "--") == 0) {
            reader->only_words = true;
            return true;
        }
        if (word[1] == '-')
            return take_long_option(reader, word + 2);
        reader->rest = word + 1;
        while (reader->rest && *reader->rest) {
            if (!take_letter(reader))
                return false;
        }
        return true;
    }
    if (reader->line->destination && reader->line->tries && reader->line->config_file) {
        append_word(&reader->line->try_upstreams, &reader->line->try_upstream_count, word);
        return true;
    }
    if (reader->line->destination)
        return refuse_word(reader, "'%.100s' after the host: adit runs no commands there; ssh does",
                           word);
    if (word[0] == '\0')
        return refuse_word(reader, "the host has no name");
    reader->line->destination = word;
    return true;
}

bool command_line_parse(char *const *argv, struct command_line *line,
                        char error[static COMMAND_LINE_ERROR_MAX])
{
    struct reader reader = {.line = line, .words = *argv ? argv + 1 : argv, .error = error};
    const char *wrong;

    *line = (struct command_line){0};
    while (*reader.words && !line->help && !line->version) {
        const char *word = *reader.words++;
        if (!take_word(&reader, word))
            return false;
    }
    if (line->help || line->version)
        return true;
    wrong = command_line_contradiction(line);
    return !wrong || refuse_word(&reader, "%s", wrong);
}

void command_line_clear(struct command_line *line)
{
    option_forwards_free(line->forwards, line->forward_count);
    free(line->ssh_words);
    free(line->settings);
    free(line->warnings);
    free(line->try_upstreams);
    *line = (struct command_line){0};
}

void command_line_each_option(option_visit_fn *visit, void *arg)
{
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        const struct letter *letter = &letters[i];
        struct option_description option = {letter->option, letter->takes, letter->help};
        visit(arg, &option);
    }
    for (size_t i = 0; i < sizeof(long_options) / sizeof(long_options[0]); i++) {
        char name[40];
        struct option_description option = {name, long_options[i].takes, long_options[i].help};
        snprintf(name, sizeof(name), "--%s", long_options[i].name);
        visit(arg, &option);
    }
}
