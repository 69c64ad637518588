/* From a command line to what a start of adit is to do, with a script in the place of ssh. */
#include "conf/options.h"

#include "base/mem.h"
#include "conf/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WORDS_MAX 20

/* The one directory in PATH, and what is in it. */
static char directory[] = "/tmp/adit-options-XXXXXX";
static char *ssh, *file;

/* An ssh_config of its own: of "office" there is much to say, of others nothing. */
static const char script[] =
    "#!/bin/sh\n"
    "user=me port=22 jump= file=-\n"
    "while [ $# -gt 0 ]; do\n"
    "  case $1 in\n"
    "  -l) user=$2; shift;;\n"
    "  -p) port=$2; shift;;\n"
    "  -F) file=$2; shift;;\n"
    "  -J) jump=$2; shift;;\n"
    "  -o) case $2 in\n"
    "    ProxyJump=none) jump=none;;\n"
    "    Bad=*) echo \"Bad configuration option: bad\" >&2; exit 255;;\n"
    "    *) echo \"$2\" | sed 's/=/ /';;\n"
    "    esac; shift;;\n"
    "  -M) echo controlmaster true;;\n"
    "  -S) echo controlpath $2; shift;;\n"
    "  -g) echo gatewayports yes;;\n"
    "  -i) echo \"Warning: no $2\" >&2; shift;;\n"
    "  esac\n"
    "  host=${1#ssh://} host=${host##*@}; shift\n"
    "done\n"
    "echo user $user; echo port $port; echo bindaddress 127.0.0.${#file}\n"
    "test -z \"$jump\" || echo proxyjump $jump\n"
    "case $host in\n"
    "office) echo hostname 10.0.0.1; echo controlmaster auto\n"
    "  echo controlpath /run/$host-$port; echo localforward 5432 '[localhost]':5432\n"
    "  echo remoteforward 1081 '[socks]':0; echo forkafterauthentication yes\n"
    "  echo loglevel VERBOSE; echo serveraliveinterval 60; echo batchmode yes\n"
    "  echo streamlocalbindmask 0111; echo tunnel yes\n"
    "  test -n \"$jump\" || echo proxyjump gate;;\n"
    "gate) echo hostname 10.0.0.254; echo serveraliveinterval 9;;\n"
    "*) echo hostname $host; echo serveraliveinterval 0;;\n"
    "esac\n";

static int write_file(const char *path, const char *text, mode_t mode)
{
    FILE *out = fopen(path, "w");

    if (!out)
        return -1;
    fputs(text, out);
    return fclose(out) == 0 && chmod(path, mode) == 0 ? 0 : -1;
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    ssh = mem_printf("%s/ssh", directory);
    file = mem_printf("%s/adit.ini", directory);
    char *path = mem_printf("%s:/usr/bin:/bin", directory);
    setenv("PATH", path, 1);
    free(path);
    setenv("HOME", "/home/test", 1);
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1); /* (no control socket by itself) */
    return write_file(ssh, script, 0700);
}

static int tear_down(void **state)
{
    (void)state;
    unlink(ssh);
    unlink(file);
    free(ssh);
    free(file);
    return rmdir(directory);
}

/* Parses words between blanks, "@" being the file, with standard error going to `said`. */
static int parse(const char *words, struct options *options, char *said, size_t size)
{
    static char *text;
    char *argv[WORDS_MAX + 1] = {NULL};
    int argc = 0;
    FILE *out = tmpfile();
    int saved = dup(STDERR_FILENO);

    /* The options point into it. */
    free(text);
    text = mem_printf("adit %s", words);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
        argv[argc++] = strcmp(word, "@") == 0 ? file : word;
    assert_non_null(out);
    dup2(fileno(out), STDERR_FILENO);
    int status = options_parse(argc, argv, options);
    fflush(stderr);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(out);
    said[fread(said, 1, size - 1, out)] = '\0';
    fclose(out);
    return status;
}

static void add(struct buffer *text, bool is, const char *what, const char *value)
{
    if (is)
        text_add(text, " %s%s", what, value ? value : "");
}

/* All of the options but the configuration, on one line. */
static char *shown(const struct options *options)
{
    static const char *const modes[] = {"run",     "check", "try",    "dump",
                                        "control", "help",  "version"};
    struct buffer text = {0};

    text_add(&text, "%s", modes[options->mode]);
    add(&text, options->background, "background", NULL);
    add(&text, options->log_file, "log=", options->log_file);
    for (unsigned i = 0; i < options->verbose; i++)
        add(&text, true, "verbose", NULL);
    add(&text, options->may_ask, "ask", NULL);
    add(&text, options->first_failure_ends, "once", NULL);
    add(&text, options->stdio, "stdio=", options->stdio_target.host);
    add(&text, options->stdio, "via=", options->stdio_via);
    add(&text, options->control_command, "O=", options->control_command);
    add(&text, options->control_path, "S=", options->control_path);
    add(&text, options->json, "json", NULL);
    add(&text, options->quiet, "quiet", NULL);
    add(&text, options->ssh_forwards, "shares", NULL);
    for (size_t i = 0; i < options->forward_count; i++)
        add(&text, true, "forward=", options->forwards[i].spec);
    return text_take(&text);
}

static void a_mode_is_found_and_its_fields(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *expected;
    } cases[] = {
        {"--help", "help"},
        {"-V", "version"},
        {"--config @", "run"},
        {"--config @ -vvfE log", "run background log=log verbose verbose"},
        {"--config @ --check", "check"},
        {"--config @ --dump", "dump"},
        {"--config @ --try --json", "try once json"},
        {"host", "run ask once"},
        {"-vv host", "run ask once"}, /* the configuration has it */
        {"host --persist", "run ask"},
        {"-M 0 host", "run ask"},
        {"-fN host", "run background ask once"},
        {"office", "run background ask once S=/run/office-22 shares"},
        {"-L 1:a:1 -D 2 office",
         "run background ask once S=/run/office-22 shares forward=1:a:1 forward=2"},
        {"-L 1:a:1 --persist office", "run background ask S=/run/office-22 forward=1:a:1"},
        {"-q -O stop office", "control O=stop S=/run/office-22 quiet"},
        {"-M -S /c host", "run ask once"}, /* a master of its own */
        {"-S /c host", "run ask once S=/c"},
        {"-W db:5432 office", "run ask once stdio=db via=office S=/run/office-22"},
        {"-O check office", "control O=check S=/run/office-22"},
        {"-O status --json -S ~/s", "control O=status S=/home/test/s json"},
        {"-O reload --config @", "control O=reload S=/run/adit.sock"},
        {"-O forward -L 1:a:1 -S /s", "control O=forward S=/s forward=1:a:1"},
    };

    write_file(file,
               "[gateway]\ncontrol = /run/adit.sock\n[upstream a]\nhost = h\n"
               "[listen l]\naddress = 1080\n",
               0600);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        char said[2000];
        int status = parse(cases[i].words, &options, said, sizeof(said));
        if (status != 0)
            fail_msg("%s: %d, %s", cases[i].words, status, said);
        char *text = shown(&options);
        assert_string_equal(text, cases[i].expected);
        free(text);
        options_clear(&options);
    }
}

static void autossh_says_by_a_variable_that_it_is_never_to_give_up(void **state)
{
    (void)state;
    struct options options;
    char said[500];

    setenv("AUTOSSH_GATETIME", "0", 1);
    assert_int_equal(parse("host", &options, said, sizeof(said)), 0);
    assert_false(options.first_failure_ends);
    options_clear(&options);
    setenv("AUTOSSH_GATETIME", "30", 1);
    assert_int_equal(parse("host", &options, said, sizeof(said)), 0);
    assert_true(options.first_failure_ends);
    options_clear(&options);
    unsetenv("AUTOSSH_GATETIME");
}

static void what_cannot_be_done_is_told_with_its_status(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        int status;
        const char *said;
    } cases[] = {
        {"", 64, "adit: a host is missing: adit [USER@]HOST makes a SOCKS"},
        {"host ls", 64, "adit: 'ls' after the host"},
        {"--confg f", 64, "adit: unknown option --confg; did you mean --config? ("},
        {"--quiet host", 64, "adit: unknown option --quiet (adit --help"},
        {"-o Bad=1 host", 255, "adit: Bad configuration option: bad\n"},
        {"-O check -o Bad=1 host", 255, "adit: Bad configuration option: bad\n"},
        /* before ssh is asked */
        {"-o Bad=1 a;b@host", 255, "adit: the destination: 'a;b' is no user's name"},
        {"-O check root@", 255, "adit: the destination 'root@' has no host\n"},
        {"h\033[31m", 255, "adit: the destination: 'h\\x1b[31m' is no host's name"},
        {"-O check host", 0, ""}, /* (looked for by its name) */
        {"-O check -S none host", 0, ""},
        {"-O check -S none", 255, "adit: no control socket is known: a host or -S PATH"},
        {"-O list host", 64, "adit: -O list goes with no host, -S or --config"},
        {"-O check --config @", 78, "names no control socket"},
        {"--config /nonexistent", 78, "/nonexistent: cannot be read"},
        {"-D 10.0.0.1.1:1 host", 78, "is not an IP address of this machine"},
        {"-L 1:a:1 -D 1 host", 0, ""}, /* (the second one fails when it listens) */
        {"-o ClearAllForwardings=yes host", 0, ""},
    };

    write_file(file, "[upstream a]\nhost = h\n[listen l]\naddress = 1080\n", 0600);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        char said[2000];
        assert_int_equal(parse(cases[i].words, &options, said, sizeof(said)), cases[i].status);
        if (!strstr(said, cases[i].said))
            fail_msg("'%s' says: %s", cases[i].words, said);
        options_clear(&options);
    }
}

/* Whether each line of `lines` is one of the dump, in order. */
static void has_lines(const struct options *options, const char *words, const char *lines)
{
    char *dump = config_dump(options->config);
    char *copy = mem_strdup(lines);
    const char *from = dump;

    for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
        char *whole = mem_printf("\n%s\n", line);
        const char *at = strstr(from, whole);
        if (!at)
            fail_msg("%s: no line '%s' in\n%s", words, line, dump);
        from = at + strlen(whole) - 1;
        free(whole);
    }
    free(copy);
    free(dump);
}

static void a_tunnel_is_a_configuration(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        const char *lines;
    } cases[] = {
        {"host", "log = warning\n[upstream host]\nhost = host\nuser = me\nport = 22\n"
                 "keepalive = 15s\n[forward dynamic-1080]\ndynamic = 1080\nvia = host"},
        {"-q host", "log = error"},
        {"-v host", "log = info"},
        {"-vvv host", "log = debug"},
        {"-v office", "log = debug"},
        {"-l u -p 2222 host", "user = u\nport = 2222"},
        {"-o ServerAliveInterval=0 host", "keepalive = 0s"},
        {"office", "log = info\ncontrol = /run/office-22\nstream_local_bind_mask = 0111\n"
                   "[upstream office]\nhost = 10.0.0.1\njump = gate\nbind_address = 127.0.0.1\n"
                   "batch_mode = yes\nkeepalive = 1m\n"
                   "[upstream gate]\nhost = 10.0.0.254\nkeepalive = 9s\n"
                   "local = 5432 localhost:5432\nremote = 1081"},
        /* the file goes on to the hops, an alias of its own does not come back */
        {"-F sshcfg -J a,gate office",
         "[upstream office]\njump = gate\nbind_address = 127.0.0.6\n"
         "[upstream a]\nhost = a\nbind_address = 127.0.0.6\n"
         "[upstream gate]\nhost = 10.0.0.254\njump = a\nbind_address = 127.0.0.6"},
        {"-J me@host host", "[upstream host]\njump = me-host\n[upstream me-host]\nuser = me"},
        {"-L 5432:localhost:5432 -L 1:a:1 office",
         "local = 5432 localhost:5432\nlocal = 1 a:1\nremote = 1081"},
        {"-g -L 1:a:1 host", "local = *:1 a:1"},
        {"-D 0.0.0.0:1 host", "dynamic = 0.0.0.0:1\nopen = yes"},
        {"-L /run/%r.sock:a:1 host", "local = /run/me.sock a:1"},
        {"-M -S /run/c host", "control = /run/c"},
        {"-S /run/c host", "control = /run/c"},
        {"u@h+1", "[upstream h-1]\nhost = h+1"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct options options;
        char said[2000];
        int status = parse(cases[i].words, &options, said, sizeof(said));
        if (status != 0)
            fail_msg("%s: %d, %s", cases[i].words, status, said);
        has_lines(&options, cases[i].words, cases[i].lines);
        options_clear(&options);
    }
}

static void a_file_wins_over_ssh_config(void **state)
{
    (void)state;
    struct options options;
    char said[2000];

    write_file(
        file,
        "[upstream a]\nhost = office, gate:2222, b\nssh_config = yes\nuser = u\n"
        "keepalive = 5s\n[listen l]\naddress = 1080\n"
        "[upstream c]\nhost = office\nssh_config = yes\njump = d\nssh_config_file = sshcfg\n",
        0600);
    assert_int_equal(parse("--config @", &options, said, sizeof(said)), 0);
    has_lines(&options, "--config",
              "[upstream a]\nhost = 10.0.0.1, 10.0.0.254:2222, b:22\nuser = u\njump = gate\n"
              "batch_mode = yes\nssh_config = no\nkeepalive = 5s\n"
              "[upstream c]\nhost = 10.0.0.1\njump = d\nbind_address = 127.0.0.6\n"
              "[upstream gate]\nhost = 10.0.0.254\nuser = me\n"
              "[upstream d]\nhost = d\nbind_address = 127.0.0.6");
    assert_int_equal(options.config->remarks.count, 1);
    assert_string_equal(options.config->remarks.items[0],
                        "office: Tunnel: adit forwards no tunnel devices");
    options_clear(&options);
}

static void warnings_are_lines_and_quiet_is_quiet(void **state)
{
    (void)state;
    struct options options;
    char said[2000];

    assert_int_equal(parse("-X --check -i nokey office", &options, said, sizeof(said)), 0);
    assert_non_null(strstr(said, "adit: -X: adit forwards no X11\n"));
    assert_non_null(strstr(said, "adit: Warning: no nokey\n"));
    assert_non_null(strstr(said, "adit: office: Tunnel: adit forwards no tunnel devices\n"));
    options_clear(&options);
    assert_int_equal(parse("-q -X --check -i nokey office", &options, said, sizeof(said)), 0);
    assert_string_equal(said, "");
    options_clear(&options);
}

static void without_ssh_the_command_line_stands_for_itself(void **state)
{
    (void)state;
    struct options options;
    char said[2000];
    char *path = mem_strdup(getenv("PATH"));

    setenv("PATH", "/nonexistent", 1);
    assert_int_equal(parse("-F none -p 2222 -o ServerAliveInterval=7 -J gate -L 1:a:1 u@host",
                           &options, said, sizeof(said)),
                     0);
    has_lines(&options, "without ssh",
              "[upstream host]\nhost = host\nuser = u\nport = 2222\njump = gate\nhost_key = ask\n"
              "ssh_config = yes\nkeepalive = 7s\n"
              "[upstream gate]\nhost = gate\nhost_key = ask\nssh_config = yes\nlocal = 1 a:1");
    assert_true(options.config->upstreams[0].libssh_config);
    assert_true(options.config->upstreams[1].libssh_config);
    assert_int_equal(options.config->remarks.count, 1);
    options_clear(&options);
    assert_int_equal(parse("-l $(x) host", &options, said, sizeof(said)), 255);
    assert_string_equal(said, "adit: -l or -o User: '$(x)' is no user's name: it has a blank or a "
                              "character in it that means something to a shell\n");
    options_clear(&options);
    assert_int_equal(parse("-F none ssh://u@host:2222", &options, said, sizeof(said)), 0);
    has_lines(&options, "a URI", "[upstream host]\nhost = host\nuser = u\nport = 2222");
    options_clear(&options);
    setenv("PATH", path, 1);
    free(path);
}

static void the_usage_speaks_of_every_option(void **state)
{
    (void)state;
    static const char *const options[] = {"-L",        "-R",
                                          "-D",        "-W",
                                          "-J",        "-l",
                                          "-p",        "-i",
                                          "-F",        "-o",
                                          "-b",        "-B",
                                          "-4",        "-6",
                                          "-C",        "-c",
                                          "-m",        "-g",
                                          "-f",        "-M",
                                          "-S",        "-q",
                                          "-v",        "-E",
                                          "-N",        "-T",
                                          "-n",        "-a",
                                          "-k",        "-x",
                                          "-O",        "-V",
                                          "--persist", "--config FILE",
                                          "--check",   "--dump",
                                          "--json",    "--help",
                                          "--version", "--sandbox WORD"};
    FILE *out = tmpfile();
    char text[4000];

    assert_non_null(out);
    options_usage(out);
    rewind(out);
    text[fread(text, 1, sizeof(text) - 1, out)] = '\0';
    fclose(out);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        assert_non_null(strstr(text, options[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mode_is_found_and_its_fields),
        cmocka_unit_test(autossh_says_by_a_variable_that_it_is_never_to_give_up),
        cmocka_unit_test(what_cannot_be_done_is_told_with_its_status),
        cmocka_unit_test(a_tunnel_is_a_configuration),
        cmocka_unit_test(a_file_wins_over_ssh_config),
        cmocka_unit_test(warnings_are_lines_and_quiet_is_quiet),
        cmocka_unit_test(without_ssh_the_command_line_stands_for_itself),
        cmocka_unit_test(the_usage_speaks_of_every_option),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
