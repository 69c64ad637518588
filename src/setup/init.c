/* `adit --init FILE`. */
#include "setup/init.h"

#include "base/exit_status.h"
#include "base/hostport.h"
#include "base/mem.h"
#include "conf/command_line.h"
#include "conf/compose.h"
#include "conf/forward_spec.h"
#include "conf/paths.h"
#include "conf/types.h"
#include "io/terminal.h"
#include "io/whole.h"
#include "policy/acl.h"
#include "policy/users.h"
#include "setup/passwd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the file is made from. */
struct init {
    const char *file;
    bool asks;    /* the command line names no server */
    char **words; /* the command line, with answers in it */
    size_t word_count;
    struct command_line line;   /* read from `words` */
    struct config *tunnel;      /* what leads to the server */
    struct config_forward bind; /* its `bind` is the proxy's port */
    char *from, *user;          /* NULL: none */
    char *users_file;           /* NULL: no passwords */
    bool new_users_file;
};

/* ---- questions */

/* An answer, `otherwise` if it is empty. NULL: the terminal has no more. */
static char *ask(const char *question, const char *otherwise)
{
    char *prompt =
        *otherwise ? mem_printf("%s [%s] ", question, otherwise) : mem_printf("%s ", question);
    char *answer = terminal_ask(prompt, true, -1);

    free(prompt);
    if (answer && !*answer) {
        free(answer);
        answer = mem_strdup(otherwise);
    }
    return answer;
}

/* Puts words before those of the command line. */
static void add_words(struct init *init, const char *option, const char *value)
{
    const char *added[] = {option, value};
    size_t count = value ? 2 : 1;

    init->words = mem_realloc(init->words, (init->word_count + count + 1) * sizeof(char *));
    memmove(init->words + 1 + count, init->words + 1, init->word_count * sizeof(char *));
    for (size_t i = 0; i < count; i++)
        init->words[1 + i] = mem_strdup(added[i]);
    init->word_count += count;
}

static int read_words(struct init *init)
{
    char error[COMMAND_LINE_ERROR_MAX];

    command_line_clear(&init->line);
    if (command_line_parse(init->words, &init->line, error))
        return 0;
    fprintf(stderr, "adit: %s\n", error);
    return EX_USAGE;
}

/* Finds out what leads to the server. */
static int compose(struct init *init)
{
    struct options options = {0};
    int status = read_words(init);

    if (status == 0)
        status = compose_tunnel(&init->line, &options);
    if (status == 0) {
        char *lack = config_dump_lacks(options.config);
        if (lack) {
            fprintf(stderr, "adit: --init: a file cannot hold %s\n", lack);
            status = EX_CONFIG;
        }
        free(lack);
    }
    config_unref(init->tunnel);
    init->tunnel = status == 0 ? config_ref(options.config) : NULL;
    options_clear(&options);
    return status;
}

/* Forgets the last answer, which add_words took. */
static void drop_words(struct init *init, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(init->words[1 + i]);
    init->word_count -= count;
    memmove(init->words + 1, init->words + 1 + count, init->word_count * sizeof(char *));
}

static bool ask_server(struct init *init)
{
    for (;;) {
        char *answer = ask("1. Which SSH server? ([user@]host, or a Host of ssh_config)", "");
        if (!answer)
            return false;
        add_words(init, answer, NULL);
        free(answer);
        if (*init->words[1] != '-' && compose(init) == 0)
            return true;
        drop_words(init, 1);
    }
}

static bool ask_key(struct init *init)
{
    for (;;) {
        char *answer = ask("2. A file with the private key? (Enter: those that ssh would use)", "");
        if (!answer)
            return false;
        char *path = path_expand(answer);
        bool none = !*answer;
        const char *wrong = none ? NULL : path ? path_unreadable(path) : "no such user";
        if (wrong)
            fprintf(stderr, "adit: %s: %s\n", answer, wrong);
        else if (!none)
            add_words(init, "-i", path);
        free(answer);
        free(path);
        if (none || (!wrong && compose(init) == 0))
            return true;
        if (!wrong)
            drop_words(init, 2);
    }
}

/* Takes the port that the proxy listens at. */
static bool take_bind(struct init *init, const char *text)
{
    char why[FORWARD_ERROR_MAX];

    if (forward_spec_parse(FORWARD_DYNAMIC, text, &init->bind, why, sizeof(why)))
        return true;
    fprintf(stderr, "adit: %s\n", why);
    return false;
}

/* Takes the network of clients. */
static bool take_from(struct init *init, const char *text)
{
    char *words = mem_printf("from=%s", text);
    struct acl *acl = acl_new();
    char error[400];
    bool right = !strpbrk(text, " \t#;") &&
                 acl_add(acl, &(struct acl_words){.allow = true, .text = words, .line = 1}, error,
                         sizeof(error)) == 0;

    if (right)
        init->from = mem_strdup(text);
    else
        fprintf(stderr, "adit: '%s' is no network: 192.168.1.0/24 is one\n", text);
    acl_free(acl);
    free(words);
    return right;
}

static bool take_user(struct init *init, const char *text)
{
    const char *wrong = users_name_wrong(text);

    if (wrong)
        fprintf(stderr, "adit: '%s' is no user's name: %s\n", text, wrong);
    else
        init->user = mem_strdup(text);
    return !wrong;
}

/* One of the last three questions. */
struct question {
    const char *given; /* by the command line, and not asked for then; NULL: nothing */
    const char *text;
    const char *otherwise;
    bool (*take)(struct init *init, const char *answer);
};

/* Asks until the answer is taken, or is empty where that is no wish. */
static bool ask_until(struct init *init, const struct question *question)
{
    bool done = false;

    if (question->given)
        return question->take(init, question->given);
    while (!done) {
        char *answer = ask(question->text, question->otherwise);
        if (!answer)
            return false;
        done = !*answer || question->take(init, answer);
        free(answer);
    }
    return true;
}

static const char *given_port(const struct init *init)
{
    return init->line.forward_count > 0 ? init->line.forwards[0].spec : NULL;
}

static bool ask_all(struct init *init)
{
    if (!ask_server(init) || !ask_key(init))
        return false;
    const struct question questions[] = {
        {given_port(init), "3. Which port is the proxy to have here? ([address:]port)", "1080",
         take_bind},
        {init->line.init_from,
         "4. Who may use it? (a network, as 192.168.1.0/24; Enter: this machine only)", "",
         take_from},
        {init->line.init_user,
         "5. A user who logs in with a password? (Enter: nobody is asked for one)", "", take_user},
    };

    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++)
        if (!ask_until(init, &questions[i]))
            return false;
    return true;
}

/* What the command line says, with nothing asked. */
static int take_command_line(struct init *init)
{
    int status = compose(init);

    if (status != 0)
        return status;
    const char *port = given_port(init); /* of the line as compose has read it */
    if (!take_bind(init, port ? port : "1080") ||
        (init->line.init_from && !take_from(init, init->line.init_from)) ||
        (init->line.init_user && !take_user(init, init->line.init_user)))
        return EX_USAGE;
    return 0;
}

/* ---- the file */

/* The addresses of the port: loopback, or every one where a network may connect. */
static char *addresses(const struct init *init)
{
    const struct config_place *bind = &init->bind.bind;
    const char *host = bind->host;
    char text[HOSTPORT_TEXT_MAX];

    if (bind->path)
        return mem_printf("unix:%s", bind->path);
    if (strcmp(host, "*") == 0)
        return mem_printf("0.0.0.0:%u, [::]:%u", bind->port, bind->port);
    if (!*host && init->from)
        host = strchr(init->from, ':') ? "::" : "0.0.0.0";
    else if (!*host || strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    return mem_strdup(hostport_format(host, bind->port, text));
}

/* The text of the file. */
static char *compose_file(const struct init *init)
{
    char *upstreams = config_upstreams_text(init->tunnel), *address = addresses(init);
    struct buffer out = {0};

    text_add(&out,
             "# A SOCKS and HTTP proxy, made by adit --init. adit.ini(5) describes each key.\n"
             "# After a change: adit --config FILE --check, then a SIGHUP to adit.\n\n"
             "%s[listen proxy]\naddress = %s\n",
             upstreams, address);
    if (init->users_file)
        text_add(&out, "auth = password\nusers = %s\n", init->users_file);
    if (init->from)
        text_add(&out, "\n[acl]\nallow = from=127.0.0.0/8,::1\nallow = from=%s\n", init->from);
    free(upstreams);
    free(address);
    return text_take(&out);
}

/* Beside the file: "adit.users" for "adit.ini". NULL: the file's directory is not there. */
static char *users_file_beside(const char *file)
{
    const char *slash = strrchr(file, '/'), *name = slash ? slash + 1 : file;
    const char *dot = strrchr(name, '.');
    char *directory = slash ? mem_strndup(file, (size_t)(slash - file) + 1) : mem_strdup(".");
    char *real = realpath(directory, NULL);
    char *path = NULL;

    if (real)
        path = mem_printf("%s/%.*s.users", strcmp(real, "/") == 0 ? "" : real,
                          dot && dot > name ? (int)(dot - name) : (int)strlen(name), name);
    free(directory);
    free(real);
    return path;
}

/* Makes the users file of the one user. */
static int write_user(struct init *init)
{
    if (!init->user)
        return 0;
    init->users_file = users_file_beside(init->file);
    if (!init->users_file) {
        fprintf(stderr, "adit: %s: %s\n", init->file, strerror(errno));
        return EXIT_FAILURE;
    }
    init->new_users_file = !path_exists(init->users_file);
    return passwd_set(init->users_file, init->user);
}

/* Writes the file, which must not be there. */
static int write_file(const char *file, const char *text)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int error = fd < 0 ? errno : write_whole(fd, text, strlen(text));

    if (fd >= 0 && close(fd) != 0 && error == 0)
        error = errno;
    if (error != 0) {
        fprintf(stderr, "adit: %s: %s\n", file, strerror(error));
        if (fd >= 0)
            unlink(file);
    }
    return error == 0 ? 0 : EXIT_FAILURE;
}

/* Reads the text as the file will be read, then writes it. */
static int check_and_write(struct init *init, struct options *options)
{
    struct config_problems problems = {0};
    char *text = compose_file(init);
    int status = EX_CONFIG;

    options->config = config_load_text(init->file, text, strlen(text), &problems);
    for (size_t i = 0; i < problems.count; i++)
        fprintf(stderr, "%s\n", problems.lines[i]);
    config_problems_clear(&problems);
    if (options->config)
        status = write_file(init->file, text);
    if (status != 0 && init->new_users_file)
        unlink(init->users_file);
    free(text);
    return status;
}

static void init_clear(struct init *init)
{
    for (size_t i = 0; i < init->word_count; i++)
        free(init->words[i]);
    free(init->words);
    command_line_clear(&init->line);
    config_unref(init->tunnel);
    place_clear(&init->bind.bind);
    free(init->from);
    free(init->user);
    free(init->users_file);
}

/* Copies the command line. (Forwards of ssh_config are no part of a proxy.) */
static void copy_words(struct init *init, char *const *argv)
{
    while (argv[init->word_count])
        init->word_count++;
    init->words = mem_zalloc((init->word_count + 1) * sizeof(char *));
    for (size_t i = 0; i < init->word_count; i++)
        init->words[i] = mem_strdup(argv[i]);
    add_words(init, "-o", "ClearAllForwardings=yes");
}

int init_write(struct options *options)
{
    struct init init = {.file = options->file};
    int status;

    copy_words(&init, options->argv);
    status = read_words(&init);
    init.asks = status == 0 && !init.line.destination;
    if (status == 0 && path_exists(init.file)) {
        fprintf(stderr, "adit: %s is there already: --init writes a new file only\n", init.file);
        status = EXIT_FAILURE;
    } else if (init.asks && !isatty(STDIN_FILENO)) {
        fprintf(stderr, "adit: --init: which server? adit --init FILE [USER@]HOST asks nothing\n");
        status = EX_USAGE;
    } else if (init.asks && !ask_all(&init)) {
        fprintf(stderr, "adit: the questions were not answered: nothing was written\n");
        status = EXIT_FAILURE;
    } else if (status == 0 && !init.asks) {
        status = take_command_line(&init);
    }
    if (status == 0)
        status = write_user(&init);
    if (status == 0)
        status = check_and_write(&init, options);
    init_clear(&init);
    return status;
}
