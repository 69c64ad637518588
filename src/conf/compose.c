/* From ssh's command line to a configuration: the command line's words and the answer of ssh -G are
 * read as if they stood in a file. */
#include "conf/compose.h"

#include "base/exit_status.h"
#include "base/mem.h"
#include "base/visible.h"
#include "conf/command_names.h"
#include "conf/forward_spec.h"
#include "conf/load.h"
#include "conf/ssh_ask.h"
#include "conf/ssh_config.h"
#include "conf/ssh_tokens.h"
#include "conf/tunnel_socket.h"
#include "conf/types.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_FORWARD "1080" /* -D, where no forward was asked for */

/* One command line on its way. */
struct tunnel {
    const struct command_line *line;
    struct load load;
    struct ssh_known known;
    char *host; /* what known.host points to */
    struct config_forward *forwards;
    size_t forward_count;
    bool has_forwards; /* of the command line or ssh_config */
    bool raw_forwards; /* those that are added have tokens that nobody has replaced */
    int connection;    /* ends a question to ssh; -1: none */
    struct config_problems *problems; /* NULL: problems go to standard error */
    const struct config *base;        /* in use until now; NULL: this is the start */
    char *warned;                     /* what ssh warned of, if there is `problems` */
};

/* Tells each line of the text: to standard error, or as a problem. */
static void print_lines(const struct tunnel *tunnel, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\r\n");
        char *line = mem_strndup(text, length);
        char *visible = text_visible(line);
        if (length > 0 && tunnel->problems)
            config_problems_add(tunnel->problems, visible);
        else if (length > 0)
            fprintf(stderr, "adit: %s\n", visible);
        free(visible);
        free(line);
        text += length;
        text += *text != '\0';
    }
}

/* Writes why ssh refused: in its own words, but for its usage, which is what it says of some
 * destinations. */
static void print_refusal(const struct tunnel *tunnel, const char *said)
{
    char *text;

    if (strncmp(said, "usage:", 6) != 0) {
        print_lines(tunnel, said);
        return;
    }
    text = mem_printf("ssh does not take the destination '%s' (an IPv6 address goes without "
                      "ssh://: -p PORT [USER@]ADDRESS)",
                      tunnel->line->destination);
    print_lines(tunnel, text);
    free(text);
}

/* What ssh warned of: to standard error at the start, later among the remarks. */
static void take_warnings(struct tunnel *tunnel, const char *said)
{
    if (tunnel->line->quiet)
        return;
    if (tunnel->problems)
        tunnel->warned = mem_strdup(said);
    else
        print_lines(tunnel, said);
}

/* Without ssh on this machine, the settings of the command line are the answer. */
static void answer_alone(struct tunnel *tunnel)
{
    struct ssh_answer *answer = &tunnel->known.answer;

    command_settings(tunnel->line, answer);
    tunnel->host = destination_host(tunnel->line->destination, answer);
    ssh_answer_add_line(answer, "hostname", tunnel->host);
    ssh_answer_add_line(answer, "stricthostkeychecking", "ask");
    answer->raw = true;
    tunnel->known.absent = true;
}

/* Asks ssh about the host. Returns 0 or the exit status. */
static int ask_ssh(struct tunnel *tunnel)
{
    const struct command_line *line = tunnel->line;
    struct ssh_answer unused = {0};
    struct ssh_reply reply;
    char *wrong = command_names_wrong(line);

    if (wrong) {
        print_lines(tunnel, wrong);
        free(wrong);
        return EXIT_SSH;
    }
    enum ssh_ask_outcome outcome =
        ssh_ask(&(struct ssh_question){line->ssh_words, line->ssh_word_count, line->destination,
                                       tunnel->connection},
                &reply);
    bool ok = outcome != SSH_REFUSED;
    switch (outcome) {
    case SSH_ANSWERED:
        ssh_answer_add(&tunnel->known.answer, reply.text);
        tunnel->host = destination_host(line->destination, &unused);
        ssh_answer_clear(&unused);
        take_warnings(tunnel, reply.said);
        ok = ssh_answer_value(&tunnel->known.answer, "hostname") != NULL;
        if (!ok)
            print_lines(tunnel, "ssh -G printed no hostname: ssh_config cannot be followed");
        break;
    case SSH_REFUSED: print_refusal(tunnel, reply.said); break;
    case SSH_ABSENT: answer_alone(tunnel); break;
    }
    ssh_reply_clear(&reply);
    tunnel->known.host = tunnel->host;
    tunnel->known.words = line->ssh_words;
    tunnel->known.word_count = line->ssh_word_count;
    tunnel->known.destination = line->destination;
    return ok ? 0 : EXIT_SSH;
}

static void tunnel_entry(struct tunnel *tunnel, const char *key, const char *value)
{
    char *text = mem_strdup(value);

    load_entry(&tunnel->load, 0, key, text);
    free(text);
}

/* Whether the answer has one of two words for a keyword. */
static bool answer_is(const struct tunnel *tunnel, const char *keyword, const char *a,
                      const char *b)
{
    const char *value = ssh_answer_value(&tunnel->known.answer, keyword);

    return value && (strcasecmp(value, a) == 0 || strcasecmp(value, b) == 0);
}

static bool is_master(const struct tunnel *tunnel)
{
    return ssh_answer_value(&tunnel->known.answer, "controlmaster") &&
           !answer_is(tunnel, "controlmaster", "no", "false");
}

/* The log level that LogLevel, -q and -v result in. */
static const char *log_word(const struct tunnel *tunnel)
{
    static const char *const words[] = {[ADIT_LOG_ERROR] = "error",
                                        [ADIT_LOG_WARNING] = "warning",
                                        [ADIT_LOG_INFO] = "info",
                                        [ADIT_LOG_DEBUG] = "debug"};
    const struct command_line *line = tunnel->line;
    unsigned level =
        line->quiet ? ADIT_LOG_ERROR : ssh_answer_log_level(&tunnel->known.answer) + line->verbose;

    return words[level < ADIT_LOG_DEBUG ? level : ADIT_LOG_DEBUG];
}

/* The control socket of a tunnel that is given none; NULL: it has none. The caller frees. */
static char *default_control(const struct tunnel *tunnel)
{
    const struct command_line *line = tunnel->line;

    if (line->check || line->dump || line->stdio)
        return NULL;
    if (tunnel->base)
        return tunnel->base->gateway.control ? mem_strdup(tunnel->base->gateway.control) : NULL;
    return tunnel_socket_new(tunnel->host);
}

static void write_gateway(struct tunnel *tunnel)
{
    const struct ssh_answer *answer = &tunnel->known.answer;
    const char *mask = ssh_answer_value(answer, "streamlocalbindmask");
    char *control = ssh_answer_control_path(answer, tunnel->host);

    load_open(&tunnel->load, 0, "gateway", "");
    tunnel_entry(tunnel, "log", log_word(tunnel));
    if (!control || !(tunnel->line->control_path || is_master(tunnel))) {
        free(control);
        control = default_control(tunnel);
    }
    if (control)
        tunnel_entry(tunnel, "control", control);
    if (mask)
        tunnel_entry(tunnel, "stream_local_bind_mask", mask);
    if (ssh_answer_is_yes(answer, "streamlocalbindunlink"))
        tunnel_entry(tunnel, "stream_local_bind_unlink", "yes");
    if (tunnel->line->sandbox)
        tunnel_entry(tunnel, "sandbox", tunnel->line->sandbox);
    free(control);
}

/* Whether an option sets a keyword. */
static bool is_option(const struct command_line *line, const char *keyword)
{
    struct ssh_answer given = {0};

    command_settings(line, &given);
    bool found = ssh_answer_value(&given, keyword) != NULL;
    ssh_answer_clear(&given);
    return found;
}

/* Whether ssh(1) is served by the sessions. (With "ask" ssh would ask a person each time.) */
static bool serves_ssh(const struct tunnel *tunnel)
{
    return is_master(tunnel) && !answer_is(tunnel, "controlmaster", "ask", "autoask");
}

/* The control socket is the one at which ssh finds the sessions, too. */
static void write_master_socket(struct tunnel *tunnel)
{
    char *path = ssh_answer_control_path(&tunnel->known.answer, tunnel->host);
    struct buffer text = {0};

    if (path && serves_ssh(tunnel)) {
        for (const char *c = path; *c; c++)
            text_add(&text, *c == '%' ? "%%%%" : "%c", *c);
        char *value = text_take(&text);
        tunnel_entry(tunnel, "master_socket", value);
        free(value);
    }
    free(path);
}

static void write_upstream(struct tunnel *tunnel)
{
    const struct command_line *line = tunnel->line;
    char *name = load_free_name(&tunnel->load, "upstream", tunnel->host);
    const char *interval = ssh_answer_value(&tunnel->known.answer, "serveraliveinterval");

    load_open(&tunnel->load, 0, "upstream", name);
    free(name);
    /* A jump host of the same name is another upstream. */
    tunnel->load.sections[tunnel->load.section_count - 1].made = true;
    tunnel_entry(tunnel, "host", ssh_answer_value(&tunnel->known.answer, "hostname"));
    tunnel_entry(tunnel, "ssh_config", "yes");
    if (line->ssh_config_file)
        tunnel_entry(tunnel, "ssh_config_file", line->ssh_config_file);
    if (interval && is_option(line, "serveraliveinterval"))
        tunnel_entry(tunnel, "keepalive", interval);
    if (line->stdio)
        tunnel_entry(tunnel, "sessions", "1");
    else
        write_master_socket(tunnel);
}

/* Expands the tokens and variables (ssh_config(5) TOKENS) in the path of a socket. */
static void expand_socket(struct tunnel *tunnel, struct config_place *place)
{
    struct ssh_tokens tokens = ssh_answer_tokens(&tunnel->known.answer, tunnel->host);
    char *path;

    if (!place->path || !tunnel->raw_forwards)
        return;
    path = ssh_tokens_expand_socket(place->path, &tokens);
    if (path == NULL) {
        load_problem(&tunnel->load, 0, "'%s' has a token or a variable that is not known",
                     place->path);
        return;
    }
    free(place->path);
    place->path = path;
}

/* Adds a forward, unless it is there already, as ssh does. */
static void add_tunnel_forward(void *arg, enum forward_kind kind, const char *spec)
{
    struct tunnel *tunnel = arg;
    struct config_forward forward = {0};
    char why[FORWARD_ERROR_MAX];

    if (!forward_spec_parse(kind, spec, &forward, why, sizeof(why))) {
        load_problem(&tunnel->load, 0, "%s", why);
        return;
    }
    expand_socket(tunnel, &forward.bind);
    expand_socket(tunnel, &forward.target);
    if (kind != FORWARD_REMOTE && forward.bind.host && !forward.bind.host[0] &&
        ssh_answer_is_yes(&tunnel->known.answer, "gatewayports")) {
        free(forward.bind.host);
        forward.bind.host = mem_strdup("*");
    }
    for (size_t i = 0; i < tunnel->forward_count; i++) {
        if (forward_spec_same(&tunnel->forwards[i], &forward)) {
            place_clear(&forward.bind);
            place_clear(&forward.target);
            return;
        }
    }
    tunnel->forwards =
        mem_realloc(tunnel->forwards, (tunnel->forward_count + 1) * sizeof(*tunnel->forwards));
    tunnel->forwards[tunnel->forward_count++] = forward;
}

/* Whether forwards may be asked for later, by the control socket of -M: as with ssh, none is
 * made meanwhile. (ControlMaster of ssh_config is no such wish.) */
static bool waits_for_forwards(const struct tunnel *tunnel)
{
    const char *path = ssh_answer_value(&tunnel->known.answer, "controlpath");

    return is_option(tunnel->line, "controlmaster") && is_master(tunnel) && path &&
           !ssh_word_is_none(path);
}

/* (ssh -W clears all forwards too.) */
static void write_forwards(struct tunnel *tunnel)
{
    const struct command_line *line = tunnel->line;

    if (line->stdio || ssh_answer_is_yes(&tunnel->known.answer, "clearallforwardings"))
        return;
    tunnel->raw_forwards = true;
    for (size_t i = 0; i < line->forward_count; i++)
        add_tunnel_forward(tunnel, line->forwards[i].kind, line->forwards[i].spec);
    tunnel->raw_forwards = tunnel->known.answer.raw;
    ssh_answer_each_forward(&tunnel->known.answer, add_tunnel_forward, tunnel);
    tunnel->has_forwards = tunnel->forward_count > 0;
    if (!tunnel->has_forwards && !waits_for_forwards(tunnel))
        add_tunnel_forward(tunnel, FORWARD_DYNAMIC, DEFAULT_FORWARD);
    for (size_t i = 0; i < tunnel->forward_count; i++)
        load_forward(&tunnel->load, &tunnel->forwards[i], NULL);
}

static void tunnel_clear(struct tunnel *tunnel)
{
    for (size_t i = 0; i < tunnel->forward_count; i++) {
        place_clear(&tunnel->forwards[i].bind);
        place_clear(&tunnel->forwards[i].target);
    }
    free(tunnel->forwards);
    ssh_answer_clear(&tunnel->known.answer);
    free(tunnel->host);
    free(tunnel->warned);
}

/* Ends the load. Returns 0 or the exit status. */
static int build_tunnel(struct tunnel *tunnel, struct options *options)
{
    struct config_problems problems = {0};

    tunnel->load.ssh_known = &tunnel->known;
    options->config = load_end(&tunnel->load, &problems);
    for (size_t i = 0; i < problems.count; i++)
        print_lines(tunnel, problems.lines[i]);
    config_problems_clear(&problems);
    if (!options->config)
        return EX_CONFIG;
    if (tunnel->warned && *tunnel->warned)
        string_list_append(&options->config->remarks, text_visible(tunnel->warned));
    if (tunnel->known.absent)
        string_list_append(&options->config->remarks,
                           mem_strdup("there is no ssh on this machine: ssh_config is read by the "
                                      "SSH library, which knows less of it"));
    return 0;
}

/* Sets the options of the run that are not in its configuration. */
static void set_run(const struct tunnel *tunnel, struct options *options)
{
    const struct command_line *line = tunnel->line;
    const char *gate_time = getenv("AUTOSSH_GATETIME");
    char why[FORWARD_ERROR_MAX];

    options->background =
        line->background ||
        (!line->stdio && ssh_answer_is_yes(&tunnel->known.answer, "forkafterauthentication"));
    options->verbose = 0; /* the configuration has it */
    options->may_ask = true;
    options->first_failure_ends = !line->persist && !(gate_time && strcmp(gate_time, "0") == 0);
    options->default_proxy = !tunnel->has_forwards && tunnel->forward_count > 0;
    options->ssh_forwards = tunnel->has_forwards && options->first_failure_ends;
    if (!answer_is(tunnel, "controlmaster", "yes", "true") &&
        !answer_is(tunnel, "controlmaster", "ask", "ask"))
        options->control_path = ssh_answer_control_path(&tunnel->known.answer, tunnel->host);
    if (line->stdio) {
        options->stdio =
            forward_spec_parse_stdio(line->stdio, &options->stdio_target, why, sizeof(why));
        options->stdio_via = options->config->upstreams[0].name;
    }
}

/* From the question to ssh to options->config. Returns 0 or the exit status. */
static int make_tunnel(struct tunnel *tunnel, struct options *options)
{
    int status = ask_ssh(tunnel);

    if (status != 0)
        return status;
    load_begin(&tunnel->load, NULL);
    tunnel->load.connection = tunnel->connection;
    write_gateway(tunnel);
    write_upstream(tunnel);
    write_forwards(tunnel);
    return build_tunnel(tunnel, options);
}

int compose_tunnel(const struct command_line *line, struct options *options)
{
    struct tunnel tunnel = {.line = line, .connection = -1};
    int status = make_tunnel(&tunnel, options);

    if (status == 0)
        set_run(&tunnel, options);
    tunnel_clear(&tunnel);
    return status;
}

/* `config` with a forward, unless it has the same one; takes the reference. NULL: `problems` has
 * the reason. */
static struct config *keep_forward(struct config *config, const struct config_forward *forward,
                                   struct config_problems *problems)
{
    char why[FORWARD_ERROR_MAX];
    struct config *next;

    for (size_t i = 0; i < config->forward_count; i++)
        if (forward_spec_same(&config->forwards[i], forward))
            return config;
    next = config_add_forward(config, forward, NULL, why, sizeof(why));
    if (!next)
        config_problems_add(problems, why);
    config_unref(config);
    return next;
}

struct config *compose_again(const struct command_line *line, struct config *base, int connection,
                             struct config_problems *problems)
{
    struct tunnel tunnel = {
        .line = line, .connection = connection, .problems = problems, .base = base};
    struct options options = {0};
    struct config *config = make_tunnel(&tunnel, &options) == 0 ? options.config : NULL;

    for (size_t i = 0; config && i < base->forward_count; i++)
        config = keep_forward(config, &base->forwards[i], problems);
    tunnel_clear(&tunnel);
    return config;
}

int compose_control(const struct command_line *line, struct options *options)
{
    static const struct ssh_tokens nothing;
    struct tunnel tunnel = {.line = line, .connection = -1};
    int status = 0;

    if (line->destination) {
        status = ask_ssh(&tunnel);
        if (status == 0) {
            options->control_path = ssh_answer_control_path(&tunnel.known.answer, tunnel.host);
            options->control_host = mem_strdup(tunnel.host);
        }
    } else if (!ssh_word_is_none(line->control_path)) {
        options->control_path = ssh_tokens_expand_path(line->control_path, &nothing);
    }
    if (status == 0 && !options->control_path && !options->control_host) {
        print_lines(&tunnel, "no control socket is known: a host or -S PATH says where it is");
        status = EXIT_SSH;
    }
    tunnel_clear(&tunnel);
    return status;
}
